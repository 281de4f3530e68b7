// Two servers lose sight of each other while both go on, and agree again afterwards on what has happened.
import assert from "node:assert/strict";
import { test } from "node:test";

export function partition(lab, here, there) {
    for (const version of ["10", "11", "12"]) {
        test(`both speak, both change the room: version ${version}`, async () => {
            const [host, clerk] = await lab.people(here, here);
            const [deputy, visitor] = await lab.people(there, there);
            const room = await host.createRoom({ version, name: "Mairie", topic: "ensemble" });
            for (const other of [clerk, deputy, visitor]) await host.bring(room, other);
            await host.changePower(room, { users: { [deputy.userId]: 50 } });
            await deputy.until("power", () => deputy.room(room).state("m.room.power_levels").content.users[deputy.userId] === 50);
            await lab.agree(room, host, deputy);

            lab.cut(here, there);
            // Here: the host takes the deputy's power back and bans the visitor.
            const first = await host.say(room, "d'un côté");
            await host.changePower(room, { users: { [deputy.userId]: 0 } });
            await host.ban(room, visitor);
            await host.setTopic(room, "d'un côté");
            const fromHere = [first, await clerk.say(room, "je suis toujours là")];
            // There: the deputy still has it, uses it against the clerk, and the visitor talks on.
            const second = await deputy.say(room, "de l'autre");
            await deputy.setTopic(room, "de l'autre");
            await deputy.setState(room, "m.room.name", { name: "Mairie annexe" });
            await deputy.kick(room, clerk, "absent");
            await visitor.say(room, "moi aussi");
            const fromThere = [second, await deputy.say(room, "c'est fait")];
            await lab.mend();

            for (const eventId of fromHere) await deputy.sees(room, eventId);
            for (const eventId of fromThere) await host.sees(room, eventId);
            await lab.agree(room, host, deputy);
            // The creator's word came before the deputy's, whatever the clocks say.
            assert.equal((await deputy.getState(room, "m.room.topic")).topic, "d'un côté");
            assert.equal((await deputy.getState(room, "m.room.name")).name, "Mairie");
            assert.equal((await deputy.getState(room, "m.room.member", clerk.userId)).membership, "join");
            assert.equal((await deputy.getState(room, "m.room.member", visitor.userId)).membership, "ban");
            await host.tell([deputy], room, "réunis");
            await deputy.tell([host, clerk], room, "réunis aussi");
            await lab.agree(room, host, deputy);
        });
    }

    test("many forks in a row", async () => {
        const [host, guest] = await lab.people(here, there);
        const room = await host.createRoom({ version: "11" });
        await host.bring(room, guest);
        await host.changePower(room, { users: { [guest.userId]: 100 } });
        await guest.until("power", () => guest.room(room).state("m.room.power_levels").content.users[guest.userId] === 100);
        for (let fork = 0; fork < 5; fork++) {
            lab.cut(here, there);
            const sent = await Promise.all([host, guest].map(async (person, side) => {
                await person.setTopic(room, `${fork} de ${side}`);
                await person.setState(room, "m.lab.note", { fork }, `côté ${side}`);
                return person.say(room, `fourche ${fork}`);
            }));
            await lab.mend();
            await host.sees(room, sent[1]);
            await guest.sees(room, sent[0]);
            await lab.agree(room, host, guest);
        }
        const { fork } = await host.getState(room, "m.lab.note", "côté 1");
        assert.equal(fork, 4);
    });
}
