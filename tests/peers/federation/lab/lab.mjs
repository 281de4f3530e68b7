// The servers of a run, in a temporary folder: each has its own address in 127.0.0.0/8, where the others find it behind a front
// that can be cut.
import assert from "node:assert/strict";
import { mkdtemp, mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Authority } from "./authority.mjs";
import { startBeffroi } from "./beffroi.mjs";
import { Front } from "./front.mjs";
import { Synapse } from "./synapse.mjs";

/** Addresses begin at 127.0.0.11: .1 is everybody's. */
const FIRST_ADDRESS = 11;
const WAIT_MS = 30_000;
const POLL_MS = 100;

export class Lab {
    servers = [];
    #people = 0;
    /** Server → the person who hails others. */
    #watchmen = new Map();

    /**
     * `kinds`: "beffroi" or "synapse" for each server. All of one lab's Beffroi are towns of one process, unless `apart`.
     * `synapse`: options of each Synapse.
     */
    static async start(kinds, { fronts = true, apart = false, synapse } = {}) {
        const lab = new Lab();
        lab.folder = await mkdtemp(join(tmpdir(), "beffroi-lab-"));
        try {
            await lab.#start(kinds, fronts, apart, synapse);
        } catch (error) {
            await lab.stop();
            throw error;
        }
        return lab;
    }

    async #start(kinds, fronts, apart, synapse) {
        const authority = await Authority.found(await this.#sub("authority"));
        const places = await Promise.all(kinds.map(async (kind, index) => {
            const address = `127.0.0.${FIRST_ADDRESS + index}`;
            const front = fronts ? await Front.listen(address) : undefined;
            return { kind, index, address, front, authority, folder: await this.#sub(`${kind}-${index}`) };
        }));
        this.fronts = places.map(({ front }) => front).filter(Boolean);
        const ours = places.filter(({ kind }) => kind === "beffroi");
        const processes = apart ? ours.map((place) => [place]) : [ours];
        const starts = processes.filter((towns) => towns.length).map(async (towns) => {
            const started = await startBeffroi(towns[0].folder, towns, places.map(({ address }) => `${address}:*`));
            towns.forEach(({ index }, at) => (this.servers[index] = started[at]));
        });
        const theirs = places.filter(({ kind }) => kind === "synapse");
        starts.push(...theirs.map(async (place) => (this.servers[place.index] = await Synapse.start(place, synapse))));
        const failed = (await Promise.allSettled(starts)).find(({ status }) => status === "rejected");
        if (failed) throw failed.reason;
    }

    /** Nobody reaches any of these servers, and none of them anybody. */
    cut(...servers) {
        servers.forEach(({ front }) => front.cut());
    }

    /** The network is back: each server is told to try the others again, and gives them a sign of life. */
    async mend() {
        this.fronts.forEach((front) => front.mend());
        const pairs = this.servers.flatMap((one) => this.servers.filter((other) => other !== one).map((other) => [one, other]));
        await Promise.all(pairs.map(async ([one, other]) => {
            await one.retry(other.serverName);
            await this.#hail(one, other);
        }));
    }

    /** Somebody here asks for the name of somebody there, until there is an answer. */
    async #hail(one, other) {
        for (const server of [one, other]) if (!this.#watchmen.has(server)) this.#watchmen.set(server, this.person(server, "veilleur"));
        const [from, to] = await Promise.all([one, other].map((server) => this.#watchmen.get(server)));
        const profile = `/v3/profile/${encodeURIComponent(to.userId)}`;
        await this.eventually(`${other.serverName} answers ${one.serverName}`, () => from.call("GET", profile));
    }

    /** A new person on this server, of a name that nobody has. */
    person(server, name = "agent") {
        return server.user(`${name}-${++this.#people}`);
    }

    /** One new person on each of the servers. */
    people(...servers) {
        return Promise.all(servers.map((server) => this.person(server)));
    }

    /** Waits until all of these persons' servers have the same state of the room. */
    async agree(roomId, ...people) {
        await this.eventually(`the same state of ${roomId}`, async () => {
            const [first, ...others] = await Promise.all(people.map((person) => person.stateIds(roomId)));
            others.forEach((other) => assert.deepEqual(other, first));
        });
    }

    /** Waits until `check` does not throw. For what no /sync announces. */
    async eventually(what, check) {
        const deadline = Date.now() + WAIT_MS;
        for (;;) {
            try {
                return await check();
            } catch (error) {
                if (Date.now() > deadline) throw new Error(`waited ${WAIT_MS} ms for ${what}`, { cause: error });
            }
            await pause(POLL_MS);
        }
    }

    async stop() {
        const processes = new Set(this.servers.filter(Boolean).map((server) => server.process));
        const ends = await Promise.allSettled([...processes].map((one) => one.stop()));
        await Promise.all((this.fronts ?? []).map((front) => front.close()));
        if (process.env.LAB_KEEP) console.error(`kept: ${this.folder}`);
        else await rm(this.folder, { recursive: true, force: true });
        const failed = ends.find(({ status }) => status === "rejected");
        if (failed) throw failed.reason;
    }

    async #sub(name) {
        const folder = join(this.folder, name);
        await mkdir(folder);
        return folder;
    }
}
