// End-to-end encryption between servers: Element X's core (matrix-sdk) here, today's Element Web's (matrix-js-sdk) there, and
// devices that come later on both sides.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { decryptsQuietly, hears, startDevice, synced } from "../../web/sdk/device.mjs";

const SDK_RUST = fileURLToPath(new URL("../../sdk-rust/Cargo.toml", import.meta.url));
const ENCRYPTION = { type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } };
const GOODBYE = "Au revoir";

export function encrypted(lab, here, there) {
    decryptsQuietly();
    for (const [whose, creates] of [["theirs", 1], ["ours", 0]]) {
        test(`in a room of ${whose}`, { timeout: 180_000 }, async (context) => {
            // Their first devices. Neither's messages are fetched by the lab: each has one client, which needs them all.
            const people = await lab.people(here, there);
            const [ours, theirs] = people;
            const answerer = answers(context, ours);
            const web = await jsDevice(context, theirs);
            const room = await people[creates].createRoom({ initial_state: [ENCRYPTION], invite: [people[1 - creates]] });
            if (creates === 0) {
                await synced(web, () => web.getRoom(room)?.getMyMembership() === "invite", "the invite");
                await web.joinRoom(room);
            }
            await synced(web, () => web.getRoom(room)?.getMyMembership() === "join", "the room");
            await synced(web, () => web.getRoom(room).getMember(ours.userId)?.membership === "join", `${ours.userId} in the room`);
            await lab.eventually("the room's key goes to the other's device", () => knows(web, ours));
            await ask(web, [web], room, "Bonjour");

            // A device more on our side: told of by our server, written to by theirs.
            const laptop = await here.anotherDevice(ours);
            const beside = await jsDevice(context, laptop);
            await lab.eventually("a new device is announced", () => knows(web, laptop));
            await ask(web, [web, beside], room, "Vous êtes deux ?");

            // And one on theirs: what it asks, ours answers to both.
            const phone = await jsDevice(context, await there.anotherDevice(theirs));
            await lab.eventually("the other's devices are known", () => knows(phone, ours));
            await ask(phone, [phone, web], room, "Nous aussi");
            await ask(web, [phone, web], room, GOODBYE);
            await answerer;

            const { chunk } = await theirs.inRoom("GET", room, "messages?dir=b&limit=100");
            const types = new Set(chunk.filter(({ state_key }) => state_key === undefined).map(({ type }) => type));
            assert.deepEqual([...types], ["m.room.encrypted"], "no server could read any of it");
        });
    }
}

/** Runs matrix-sdk as this person's device. Resolves when it has read goodbye. */
function answers(context, { server, userId, deviceId, accessToken }) {
    const { PEERS_SDK_TARGET } = process.env;
    assert(PEERS_SDK_TARGET, "PEERS_SDK_TARGET is the target folder of sdk-rust; make sets it");
    const args = ["test", "--locked", "--manifest-path", SDK_RUST, "--target-dir", PEERS_SDK_TARGET, "--test", "answerer"];
    const env = { ...process.env, HOMESERVER: server.baseUrl, USER_ID: userId, DEVICE_ID: deviceId, ACCESS_TOKEN: accessToken };
    const child = spawn("cargo", args, { env, stdio: ["ignore", "pipe", "pipe"] });
    context.after(() => child.kill());
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (said += text));
    const ended = new Promise((done, failed) => {
        child.once("error", failed);
        child.once("exit", (code) => (code === 0 ? done() : failed(new Error(`matrix-sdk:\n${said}`))));
    });
    // Whoever waits for it is told; if the test fails before that, its own error is the one to read.
    ended.catch(() => {});
    return ended;
}

function jsDevice(context, { server, userId, deviceId, accessToken }) {
    return startDevice(context, { baseUrl: server.baseUrl, userId, deviceId, accessToken });
}

/** Fails unless this client knows that device of another. */
async function knows(client, { userId, deviceId }) {
    const devices = await client.getCrypto().getUserDeviceInfo([userId], true);
    assert(devices.get(userId)?.has(deviceId), `${client.getUserId()} knows ${deviceId}`);
}

/** Says something, and the answer is read by all of these clients. */
async function ask(from, readers, room, text) {
    const read = readers.map((client) => hears(client, room, `Lu : ${text}`));
    await Promise.all([...read, from.sendTextMessage(room, text)]);
}
