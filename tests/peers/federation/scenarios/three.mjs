// Two towns of one process and a third server, in one room.
import { test } from "node:test";

export function three(lab, ours, neighbour, theirs) {
    const ORDERS = [[ours, neighbour, theirs], [theirs, ours, neighbour], [neighbour, theirs, ours]];
    for (const servers of ORDERS) {
        test(`of ${servers.map(({ serverName }) => serverName).join(", then ")}`, async () => {
            const [host, second, third] = await lab.people(...servers);
            const room = await host.createRoom();
            await host.bring(room, second);
            await host.bring(room, third);
            const all = [host, second, third];
            for (const person of all) await person.tell(all.filter((other) => other !== person), room, `bonjour de ${person.userId}`);
            await lab.agree(room, ...all);
            await host.changePower(room, { users: { [second.userId]: 50 } });
            await second.until("power", () => second.room(room).state("m.room.power_levels").content.users[second.userId] === 50);
            await second.setTopic(room, "à trois");
            for (const person of all) await person.seesTopic(room, "à trois");
            await lab.agree(room, ...all);
        });
    }

    test("one away, two go on, all agree", async () => {
        const [host, second, third] = await lab.people(ours, neighbour, theirs);
        const room = await host.createRoom();
        await host.bring(room, second);
        await host.bring(room, third);
        lab.cut(theirs);
        const said = [await host.tell([second], room, "sans elle"), await second.tell([host], room, "sans elle aussi")];
        const alone = await third.say(room, "seule");
        await host.setTopic(room, "à deux");
        await second.seesTopic(room, "à deux");
        await lab.mend();
        for (const eventId of said) await third.sees(room, eventId);
        for (const person of [host, second]) await person.sees(room, alone);
        await third.seesTopic(room, "à deux");
        await lab.agree(room, host, second, third);
    });
}
