// A Beffroi process with one or more towns, each at an address of its own, federating with loopback and nobody else.
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePorts } from "./front.mjs";
import { Person } from "./person.mjs";
import { Process } from "./process.mjs";

const run = promisify(execFile);

/**
 * Starts the process. Returns its towns, in the order of `places`: `{ address, front?, authority }` each. `allow`: which servers
 * they talk to.
 */
export async function startBeffroi(folder, places, allow) {
    const host = new Host(folder);
    const towns = await Promise.all(places.map((place) => Town.settle(host, place, allow)));
    await host.configure(towns);
    await host.start();
    return towns;
}

/** The process that its towns share. */
class Host {
    constructor(folder) {
        if (!process.env.BEFFROI_BIN) throw new Error("BEFFROI_BIN is the path of the beffroi binary; make sets it");
        this.folder = folder;
        this.file = join(folder, "beffroi.toml");
    }

    async configure(towns) {
        const [operations] = await freePorts("127.0.0.1", 1);
        this.ready = `http://127.0.0.1:${operations}/ready`;
        await mkdir(join(this.folder, "tenants"), { recursive: true });
        const listeners = towns.map((town) => town.listeners()).join("");
        await writeFile(this.file, `
data_dir = "data"
dev = true
operations_address = "127.0.0.1:${operations}"
[limits]
off = true
[federation]
networks = ["127.0.0.0/8"]
roots = ["${towns[0].authority.roots}"]
${listeners}`);
        await Promise.all(towns.map((town) => writeFile(join(this.folder, "tenants", `${town.address}.toml`), town.file())));
    }

    async start() {
        const log = join(this.folder, "log");
        this.process = await Process.start(process.env.BEFFROI_BIN, ["--config", this.file, "serve"], { log, url: this.ready });
    }

    async command(...args) {
        return JSON.parse((await run(process.env.BEFFROI_BIN, ["--config", this.file, ...args])).stdout);
    }
}

class Town {
    kind = "beffroi";

    static async settle(host, { address, front, authority }, allow) {
        const town = new Town();
        const [client, federation] = await freePorts(address, 2);
        Object.assign(town, { host, address, front, authority, allow, ports: { client, federation } });
        town.serverName = `${address}:${front?.port ?? federation}`;
        town.baseUrl = `http://${address}:${client}`;
        town.pem = await authority.certify(address);
        front?.leadTo(federation);
        return town;
    }

    get process() {
        return this.host.process;
    }

    /** These three are of the process: its other towns go with it. */
    start() {
        return this.host.start();
    }

    stop() {
        return this.process.stop();
    }

    kill() {
        return this.process.kill();
    }

    /** A new user on a first device: a service account, as ProConnect has no part in this. */
    async user(localpart) {
        return new Person(this, await this.host.command("user", "token", "--tenant", this.serverName, localpart, "--display-name", localpart));
    }

    /** The same user on a device more. */
    anotherDevice({ userId }) {
        return this.user(userId);
    }

    /** It takes any sign of life of a server as a reason to try again, and asks for somebody every few seconds all the same. */
    async retry() {}

    listeners() {
        const { address, ports, pem } = this;
        return `
[[listen]]
address = "${address}:${ports.client}"
[[listen]]
address = "${address}:${ports.federation}"
tls_certificate = "${pem.certificate}"
tls_key = "${pem.key}"
`;
    }

    file() {
        return `
server_name = "${this.serverName}"
base_url = "${this.baseUrl}"
[proconnect]
issuer = "http://127.0.0.1:1/"
client_id = "nobody signs in here"
client_secret = { value = "none" }
[federation]
allow = ${JSON.stringify(this.allow)}
`;
    }
}
