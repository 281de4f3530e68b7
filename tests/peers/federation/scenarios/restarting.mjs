// A server that stops, or dies, and comes back: nothing that it or its neighbours had acknowledged is lost.
import assert from "node:assert/strict";
import { test } from "node:test";

export function restarting(lab, here, there) {
    async function company() {
        const [host, guest] = await lab.people(here, there);
        const room = await host.createRoom();
        await host.bring(room, guest);
        return { host, guest, room };
    }

    test("what was said while it was stopped, it hears", async () => {
        const { host, guest, room } = await company();
        await there.stop();
        const missed = [];
        for (let index = 0; index < 3; index++) missed.push(await host.say(room, `absente ${index}`));
        await host.setTopic(room, "sans elle");
        await there.start();
        await lab.mend();
        for (const eventId of missed) await guest.sees(room, eventId);
        await guest.seesTopic(room, "sans elle");
        await guest.tell([host], room, "me revoilà");
        await lab.agree(room, host, guest);
    });

    test("what it had said before it was killed, others hear", async () => {
        const { host, guest, room } = await company();
        lab.cut(there);
        const said = [];
        for (let index = 0; index < 3; index++) said.push(await guest.say(room, `avant la coupure ${index}`));
        const greeting = { said: crypto.randomUUID() };
        await guest.call("PUT", `/v3/sendToDevice/m.lab.greeting/${greeting.said}`, { messages: { [host.userId]: { "*": greeting } } });
        await there.kill();
        await there.start();
        await lab.mend();
        for (const eventId of said) await host.sees(room, eventId);
        const order = host.room(room).timeline.map(({ event_id }) => event_id).filter((id) => said.includes(id));
        assert.deepEqual(order, said);
        await host.until("the greeting", () => host.toDevice.some(({ content }) => content.said === greeting.said));
        await host.tell([guest], room, "entendu");
        await lab.agree(room, host, guest);
    });

    test("killed while messages come in, it misses none", async () => {
        const { host, guest, room } = await company();
        const said = [];
        for (let index = 0; index < 20; index++) {
            said.push(await host.say(room, `rafale ${index}`));
            if (index === 10) await there.kill();
        }
        await there.start();
        await lab.mend();
        for (const eventId of said) await guest.sees(room, eventId);
        const seen = guest.room(room).timeline.filter(({ event_id }) => said.includes(event_id));
        assert.equal(seen.length, said.length, "and none comes twice");
        await lab.agree(room, host, guest);
    });
}
