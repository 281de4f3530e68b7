// A room of MEMBERS (5000) on a Synapse, joined from the other server:
//   PEERS=beffroi,synapse node bench/bigroom.mjs
// prints how long the join takes, what it costs the one who joins, and how much memory that takes at most.
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { request } from "../lab/client.mjs";
import { Lab } from "../lab/lab.mjs";

const kinds = (process.env.PEERS ?? "beffroi,synapse").split(",");
assert.equal(kinds.at(-1), "synapse", "the room is made by a module of Synapse's");
const MEMBERS = Number(process.env.MEMBERS ?? 5_000);
/** As many changes of state as Synapse keeps as differences before it writes the whole anew; a batch alone it does not bound. */
const BATCH = 90;
const SYNAPSE = {
    path: dirname(fileURLToPath(import.meta.url)),
    // It would work out whom to notify of each join, for all who joined before.
    config: { modules: [{ module: "lab_members.Members" }], push: { enabled: false } },
};

const lab = await Lab.start(kinds, { fronts: false, synapse: SYNAPSE });
try {
    const [joiner, host] = await lab.people(...lab.servers);
    const room = await host.createRoom({ preset: "public_chat", name: "Grande Ville" });
    await fill(host, room);
    await host.say(room, "Bienvenue");

    const { process: server } = joiner.server;
    const before = { cpu: server.cpuMs(), memory: server.memoryMib("VmHWM") };
    const start = performance.now();
    await joiner.join(room, host.server);
    const joinedMs = performance.now() - start;
    await lab.eventually("all members", async () => {
        assert.equal(Object.keys((await joiner.inRoom("GET", room, "joined_members")).joined).length, MEMBERS + 2);
    });
    const completeMs = performance.now() - start;
    console.log(`${kinds[0]} joins a room of ${MEMBERS} members of ${kinds[1]}`);
    console.log(`  the join, ms: ${joinedMs.toFixed(0)}; all members known after ${completeMs.toFixed(0)}`);
    console.log(`  processor time, ms: ${server.cpuMs() - before.cpu}`);
    console.log(`  memory, MiB: at most ${server.memoryMib("VmHWM")}, ${before.memory} before`);
    await joiner.tell([host], room, "Bonjour à tous");
} finally {
    await lab.stop();
}

async function fill(host, room) {
    const url = `${host.server.baseUrl}/_synapse/client/lab/members`;
    for (let first = 0; first < MEMBERS; first += BATCH) {
        const count = Math.min(BATCH, MEMBERS - first);
        await request("POST", url, { room_id: room, inviter: host.userId, first, count });
        await host.setTopic(room, `${first + count} habitants`);
    }
}
