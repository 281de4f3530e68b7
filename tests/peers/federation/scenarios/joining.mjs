// A room of one server is found and joined from another: by invite, by alias, from the list of public rooms; in every version.
import assert from "node:assert/strict";
import { test } from "node:test";

const VERSIONS = Array.from({ length: 12 }, (_, index) => `${index + 1}`);

export function joining(lab, here, there) {
    test("invited, joins, is answered", async () => {
        const [host, guest] = await lab.people(here, there);
        const room = await host.createRoom({ invite: [guest], name: "Salle du conseil" });
        const invite = await guest.becomes("invite", room);
        const stripped = (type) => invite.stripped.find((event) => event.type === type);
        assert.equal(stripped("m.room.name").content.name, "Salle du conseil", "the invite says to what");
        assert.equal(stripped("m.room.member").sender, host.userId, "and by whom");
        await guest.join(room);
        await host.seesMember(room, guest, "join");
        await guest.becomes("join", room);
        await host.tell([guest], room, "Bonjour");
        await guest.tell([host], room, "Bonjour aussi");
        const members = async (person) => Object.keys((await person.inRoom("GET", room, "joined_members")).joined).sort();
        assert.deepEqual(await members(guest), [host.userId, guest.userId].sort());
        assert.deepEqual(await members(host), await members(guest));
    });

    test("found by alias and in the list of public rooms", async () => {
        const [host, guest] = await lab.people(here, there);
        const localpart = `marche-${crypto.randomUUID()}`;
        const alias = `#${localpart}:${here.serverName}`;
        const room = await host.createRoom({ preset: "public_chat", visibility: "public", room_alias_name: localpart, topic: "Le marché" });
        const found = await guest.call("GET", `/v3/directory/room/${encodeURIComponent(alias)}`);
        assert.equal(found.room_id, room);
        assert(found.servers.includes(here.serverName));
        const query = `/v3/publicRooms?server=${encodeURIComponent(here.serverName)}`;
        const listed = (await guest.call("POST", query, { limit: 1_000 })).chunk.find(({ room_id }) => room_id === room);
        assert.deepEqual([listed?.canonical_alias, listed?.topic], [alias, "Le marché"]);
        assert.equal(await guest.join(alias), room);
        await host.seesMember(room, guest, "join");
        await guest.becomes("join", room);
        await guest.tell([host], room, "Combien la botte ?");
    });

    test("a space, looked into from outside", async () => {
        const [host, stranger] = await lab.people(here, there);
        const space = await host.createRoom({ preset: "public_chat", creation_content: { type: "m.space" }, name: "La commune" });
        const open = await host.createRoom({ preset: "public_chat", name: "Place du marché" });
        const closed = await host.createRoom({ name: "Cabinet" });
        for (const child of [open, closed]) await host.setState(space, "m.space.child", { via: [here.serverName] }, child);
        await stranger.join(space, here);
        await stranger.becomes("join", space);
        const { rooms } = await stranger.call("GET", `/v1/rooms/${encodeURIComponent(space)}/hierarchy`);
        assert.deepEqual(rooms.map(({ name }) => name), ["La commune", "Place du marché"]);
    });

    for (const version of VERSIONS) {
        test(`version ${version}`, async () => {
            const [host, guest] = await lab.people(here, there);
            const room = await host.createRoom({ version });
            await host.bring(room, guest);
            await host.tell([guest], room, "Bonjour");
            await guest.tell([host], room, "Bonjour aussi");
            await lab.agree(room, host, guest);
            await guest.leave(room);
            await host.seesMember(room, guest, "leave");
        });
    }
}
