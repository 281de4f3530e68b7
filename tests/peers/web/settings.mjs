// Where everything is, from the environment; a test that lacks something fails at once and says what.
import dns from "node:dns";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const HERE = path.dirname(fileURLToPath(import.meta.url));

function required(name) {
    const value = process.env[name];
    if (!value) throw new Error(`${name} is not set: see tests/peers/web/README.md`);
    return value.replace(/\/$/, "");
}

/** Base URL of the town of Beffroi-sur-Mer. */
export const townA = () => required("TOWN_A");
/** Base URL of the town of Sainte-Cloche. */
export const townB = () => required("TOWN_B");
export const chromium = process.env.CHROMIUM ?? "/usr/bin/chromium";
export const elementLogin = process.env.ELEMENT_LOGIN ?? "oauth";

export function artefact(name) {
    const folder = process.env.ARTEFACTS ?? path.join(HERE, "../../../artefacts/web");
    fs.mkdirSync(folder, { recursive: true });
    return path.join(folder, name);
}

// Browsers know that `*.localhost` is loopback (RFC 6761); the system's resolver here does not.
const lookup = dns.lookup;
dns.lookup = (host, ...rest) => lookup(host.endsWith(".localhost") ? "localhost" : host, ...rest);
