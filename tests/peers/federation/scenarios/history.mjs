// What was said before one came, or while one's server was away.
import assert from "node:assert/strict";
import { test } from "node:test";

const bodies = (events) => events.filter(({ type }) => type === "m.room.message").map(({ content }) => content.body);

async function speech(person, room, count, what) {
    const said = Array.from({ length: count }, (_, index) => `${what} ${index}`);
    for (const text of said) await person.say(room, text);
    return said;
}

export function history(lab, here, there) {
    test("is fetched from before the join", async () => {
        const [host, guest] = await lab.people(here, there);
        const room = await host.createRoom();
        const said = await speech(host, room, 45, "avant");
        await host.bring(room, guest);
        // By the date, before any of it was fetched.
        const first = (person) => person.call("GET", `/v1/rooms/${encodeURIComponent(room)}/timestamp_to_event?ts=0&dir=f`);
        assert.deepEqual(await first(guest), await first(host));
        assert.deepEqual(bodies(await guest.history(room)), said);
    });

    test("is hidden from whoever was not there, if the room says so", async () => {
        const [host, guest] = await lab.people(here, there);
        const visibility = { type: "m.room.history_visibility", state_key: "", content: { history_visibility: "joined" } };
        const room = await host.createRoom({ initial_state: [visibility] });
        await speech(host, room, 3, "avant");
        await host.bring(room, guest);
        await host.tell([guest], room, "après");
        assert.deepEqual(bodies(await guest.history(room)), ["après"]);
    });

    // More than a transaction holds, and more than one asks for at once.
    test("of a long absence arrives, or is fetched", async () => {
        const [host, guest] = await lab.people(here, there);
        const room = await host.createRoom();
        await host.bring(room, guest);
        lab.cut(there);
        const said = await speech(host, room, 70, "pendant");
        await lab.mend();
        await host.tell([guest], room, "enfin");
        await lab.eventually("all that was said", async () => {
            const got = bodies(await guest.history(room));
            assert.deepEqual(got, [...said, "enfin"]);
        });
    });
}
