// Serves a built client at the root of a loopback port: `node serve.mjs hydrogen 5001 [homeserver]`.
import fs from "node:fs/promises";
import http from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";

const DIST = path.join(path.dirname(fileURLToPath(import.meta.url)), "dist");
const TYPES = {
    ".css": "text/css; charset=utf-8",
    ".gif": "image/gif",
    ".html": "text/html; charset=utf-8",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
};

/**
 * Serves `dist/<client>` on 127.0.0.1. With a homeserver, config.json names it, whichever client this is.
 * Resolves to `{ url, close() }`; port 0 takes any free one.
 */
export async function serve(client, { port = 0, homeserver } = {}) {
    const root = path.join(DIST, client);
    await fs.access(path.join(root, "index.html"));
    const config = homeserver && configFor(await readJson(path.join(root, "config.json")), homeserver);
    const server = http.createServer((request, response) => answer(root, config, request, response));
    await new Promise((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
    return {
        url: `http://127.0.0.1:${server.address().port}`,
        close() {
            server.closeAllConnections();
            return new Promise((resolve) => server.close(resolve));
        },
    };
}

function configFor(config, homeserver) {
    if ("defaultHomeServer" in config) return { ...config, defaultHomeServer: homeserver };
    return { ...config, default_server_config: { "m.homeserver": { base_url: homeserver } } };
}

async function readJson(file) {
    return JSON.parse(await fs.readFile(file, "utf8"));
}

async function answer(root, config, request, response) {
    try {
        const wanted = decodeURIComponent(new URL(request.url, "http://client").pathname);
        const file = path.join(root, wanted.endsWith("/") ? `${wanted}index.html` : wanted);
        // `path.join` has resolved every `..` by now.
        if (!file.startsWith(root + path.sep)) return end(response, 404);
        if (config && wanted === "/config.json") return end(response, 200, TYPES[".json"], JSON.stringify(config));
        end(response, 200, TYPES[path.extname(file)] ?? "application/octet-stream", await fs.readFile(file));
    } catch {
        end(response, 404);
    }
}

function end(response, status, type = "text/plain", body = "") {
    response.writeHead(status, { "Content-Type": type, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff" });
    response.end(body);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const [client, port, homeserver] = process.argv.slice(2);
    if (!client || !port) throw new Error("node serve.mjs <hydrogen|element> <port> [homeserver]");
    const { url } = await serve(client, { port: Number(port), homeserver });
    console.log(`${client}: ${url}`);
}
