// What a message costs between two servers, each a process of its own, straight to each other:
//   PEERS=synapse,synapse MESSAGES=300 node bench/latency.mjs
// prints the time from the request to send until the other's /sync shows it, one at a time, and the processor time that the other
// spends on each when they come as quickly as the first one sends.
import assert from "node:assert/strict";
import { Lab } from "../lab/lab.mjs";

const kinds = (process.env.PEERS ?? "beffroi,beffroi").split(",");
const MESSAGES = Number(process.env.MESSAGES ?? 300);
/** Not measured: caches fill, connections open. */
const WARM_UP = 30;

const lab = await Lab.start(kinds, { fronts: false, apart: true });
try {
    const [from, to] = await lab.people(...lab.servers);
    const room = await from.createRoom();
    await from.bring(room, to);
    await oneByOne(from, to, room, WARM_UP);
    const idle = await busyness(to.server);
    const times = await oneByOne(from, to, room, MESSAGES);
    const { sentMs, cpuMs } = await asTheyCome(from, to, room, MESSAGES);
    const at = (part) => times[Math.floor(part * (times.length - 1))].toFixed(1);
    console.log(`${kinds.join(" to ")}, ${MESSAGES} messages`);
    console.log(`  end to end, ms: p50 ${at(0.5)}, p95 ${at(0.95)}, most ${at(1)}`);
    console.log(`  the receiver's processor time per event, ms: ${cpuMs.toFixed(2)} (sent in ${sentMs.toFixed(1)} ms each)`);
    console.log(`  the receiver's processor time when nothing happens, ms per s: ${idle.toFixed(1)}`);
} finally {
    await lab.stop();
}

/** From the request to send until the other's open /sync has answered: sorted. */
async function oneByOne(from, to, room, count) {
    const times = [];
    for (let index = 0; index < count; index++) {
        await to.sync(0);
        const open = to.sync();
        const start = performance.now();
        const eventId = await from.say(room, `message ${index}`);
        await open;
        await to.sees(room, eventId);
        times.push(performance.now() - start);
    }
    return times.sort((one, other) => one - other);
}

/** The other's clients look away until the last has come. */
async function asTheyCome(from, to, room, count) {
    const before = to.server.process.cpuMs();
    const start = performance.now();
    let last;
    for (let index = 0; index < count; index++) last = await from.say(room, `rafale ${index}`);
    const sentMs = (performance.now() - start) / count;
    await lab.eventually("the last message", () => to.inRoom("GET", room, `event/${encodeURIComponent(last)}`));
    const cpuMs = (to.server.process.cpuMs() - before) / count;
    assert.equal((await to.history(room)).filter(({ content }) => content.body?.startsWith("rafale ")).length, count);
    return { sentMs, cpuMs };
}

/** What a server takes of a processor while it is left alone, in ms per second. */
async function busyness(server) {
    const before = server.process.cpuMs();
    const start = performance.now();
    await new Promise((done) => setTimeout(done, 3_000));
    return ((server.process.cpuMs() - before) / (performance.now() - start)) * 1_000;
}
