// What is said in a room and around it, in both directions at once: messages and what relates to them, receipts, typing, messages
// to devices, profiles.
import assert from "node:assert/strict";
import { test } from "node:test";

/** One red point. */
const PICTURE = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==", "base64");

export function talking(lab, here, there) {
    let host, guest, room;

    test("they meet", async () => {
        [host, guest] = await lab.people(here, there);
        room = await host.createRoom();
        await host.bring(room, guest);
    });

    const eachWay = (what, scenario) =>
        test(what, async () => {
            assert(guest?.room(room).membership === "join", "they have met");
            await scenario(host, guest);
            await scenario(guest, host);
        });

    eachWay("messages, in order", async (from, to) => {
        const sent = [];
        for (const text of ["un", "deux", "trois", "quatre", "cinq"]) sent.push(await from.say(room, text));
        await to.sees(room, sent.at(-1));
        const got = to.room(room).timeline.filter(({ event_id }) => sent.includes(event_id));
        assert.deepEqual(got.map(({ event_id }) => event_id), sent);
        assert.deepEqual(got.map(({ content }) => content.body), ["un", "deux", "trois", "quatre", "cinq"]);
    });

    eachWay("an edit", async (from, to) => {
        const original = await from.tell([to], room, "À quatorze heure");
        const content = { msgtype: "m.text", body: "À quatorze heures" };
        const relation = { rel_type: "m.replace", event_id: original };
        const edit = await from.send(room, "m.room.message", { msgtype: "m.text", body: "* …", "m.new_content": content, "m.relates_to": relation });
        await to.sees(room, edit);
        const shown = await to.inRoom("GET", room, `event/${encodeURIComponent(original)}`);
        assert.equal(shown.unsigned["m.relations"]["m.replace"].event_id, edit);
    });

    eachWay("a file and its thumbnail", async (from, to) => {
        const uri = await from.upload(PICTURE, "image/png", "mairie.png");
        const file = await to.download(uri);
        assert.deepEqual([file.type, file.bytes.equals(PICTURE)], ["image/png", true]);
        assert.match(file.disposition, /^inline; filename="?mairie\.png/);
        const thumbnail = await to.download(uri, "thumbnail/MEDIA?width=32&height=32&method=crop");
        assert.match(thumbnail.type, /^image\//);
    });

    eachWay("a reaction, a thread", async (from, to) => {
        const root = await from.tell([to], room, "Qui vient ?");
        const reaction = await to.send(room, "m.reaction", { "m.relates_to": { rel_type: "m.annotation", event_id: root, key: "👍" } });
        const reply = await to.say(room, "Moi", { "m.relates_to": { rel_type: "m.thread", event_id: root } });
        await from.sees(room, reply);
        for (const [type, child] of [["m.annotation", reaction], ["m.thread", reply]]) {
            const { chunk } = await from.call("GET", `/v1/rooms/${encodeURIComponent(room)}/relations/${encodeURIComponent(root)}/${type}`);
            assert.deepEqual(chunk.map(({ event_id }) => event_id), [child], type);
        }
    });

    eachWay("a redaction of one's own", async (from, to) => {
        const message = await from.tell([to], room, "Le mot de passe est 1234");
        await to.sees(room, await from.redact(room, message, "oups"));
        const shown = await to.inRoom("GET", room, `event/${encodeURIComponent(message)}`);
        assert.deepEqual(shown.content, {});
        assert.equal(shown.unsigned.redacted_because.content.reason, "oups");
    });

    test("a moderator's redaction of a guest's message", async () => {
        const message = await guest.tell([host], room, "Vendez !");
        await guest.sees(room, await host.redact(room, message));
        assert.deepEqual((await guest.inRoom("GET", room, `event/${encodeURIComponent(message)}`)).content, {});
    });

    eachWay("a receipt", async (from, to) => {
        const message = await from.tell([to], room, "Lu ?");
        await to.inRoom("POST", room, `receipt/m.read/${encodeURIComponent(message)}`, {});
        await from.until("the receipt", () => from.room(room).readers.get(message)?.includes(to.userId));
    });

    eachWay("typing", async (from, to) => {
        const types = (typing) => from.inRoom("PUT", room, `typing/${encodeURIComponent(from.userId)}`, { typing, timeout: 30_000 });
        await types(true);
        await to.until("typing", () => to.room(room).typing.includes(from.userId));
        await types(false);
        await to.until("the end of typing", () => !to.room(room).typing.includes(from.userId));
    });

    eachWay("a message to a device", async (from, to) => {
        const content = { said: crypto.randomUUID() };
        const path = `/v3/sendToDevice/m.lab.greeting/${crypto.randomUUID()}`;
        await from.call("PUT", path, { messages: { [to.userId]: { [to.deviceId]: content } } });
        const got = await to.until("the greeting", () => to.toDevice.find((event) => event.content.said === content.said));
        assert.deepEqual(got, { type: "m.lab.greeting", sender: from.userId, content });
    });

    eachWay("a profile", async (from, to) => {
        const profile = (person) => person.call("GET", `/v3/profile/${encodeURIComponent(to.userId)}`);
        const { displayname } = await profile(to);
        assert(displayname);
        assert.equal((await profile(from)).displayname, displayname);
        assert.equal(from.room(room).state("m.room.member", to.userId).content.displayname, displayname);
    });

    test("all the same in the end", () => lab.agree(room, host, guest));
}
