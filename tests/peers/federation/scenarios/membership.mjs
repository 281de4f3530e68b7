// Who is in a room, who may be, and who may do what there.
import assert from "node:assert/strict";
import { test } from "node:test";
import { refused } from "../lab/person.mjs";

export function membership(lab, here, there) {
    /** A room of a host, with a guest in it. */
    async function company(options) {
        const [host, guest] = await lab.people(here, there);
        const room = await host.createRoom(options);
        await host.bring(room, guest);
        return { host, guest, room };
    }

    test("an invite declined, and one withdrawn", async () => {
        const [host, guest] = await lab.people(here, there);
        const room = await host.createRoom({ invite: [guest] });
        await guest.becomes("invite", room);
        await guest.leave(room);
        await host.seesMember(room, guest, "leave");
        await guest.becomes("leave", room);
        await host.invite(room, guest);
        await guest.becomes("invite", room);
        await host.kick(room, guest, "une erreur");
        await guest.becomes("leave", room);
        await refused(guest.join(room, here), "M_FORBIDDEN");
    });

    test("a kick", async () => {
        const { host, guest, room } = await company();
        await host.kick(room, guest, "le silence est d'or");
        await guest.becomes("leave", room);
        const { sender, content } = guest.room(room).state("m.room.member", guest.userId);
        assert.deepEqual([sender, content.membership, content.reason], [host.userId, "leave", "le silence est d'or"]);
        await refused(guest.say(room, "encore là"), "M_FORBIDDEN");
        await host.bring(room, guest);
        await guest.tell([host], room, "de retour");
        await lab.agree(room, host, guest);
    });

    test("a ban, and its end", async () => {
        const { host, guest, room } = await company({ preset: "public_chat" });
        await host.ban(room, guest);
        await guest.becomes("leave", room);
        await refused(guest.join(room, here), "M_FORBIDDEN");
        await host.unban(room, guest);
        await guest.join(room, here);
        await guest.becomes("join", room);
        await host.seesMember(room, guest, "join");
        await lab.agree(room, host, guest);
    });

    test("the last one leaves, and comes again", async () => {
        const { host, guest, room } = await company({ preset: "public_chat" });
        await guest.leave(room);
        await host.seesMember(room, guest, "leave");
        const meanwhile = await host.say(room, "elle est partie");
        await guest.join(room, here);
        await guest.becomes("join", room);
        await host.seesMember(room, guest, "join");
        await host.tell([guest], room, "la revoilà");
        assert((await guest.history(room)).some(({ event_id }) => event_id === meanwhile), "history is shared");
        await lab.agree(room, host, guest);
    });

    test("knocks: let in, turned away, thought better of", async () => {
        const host = await lab.person(here);
        const door = { type: "m.room.join_rules", state_key: "", content: { join_rule: "knock" } };
        const room = await host.createRoom({ initial_state: [door], name: "Cabinet du maire" });
        const [welcome, unwelcome, hesitant] = await lab.people(there, there, there);
        for (const person of [welcome, unwelcome, hesitant]) {
            await person.knock(room, "toc toc", here);
            const { stripped } = await person.becomes("knock", room);
            assert.equal(stripped.find(({ type }) => type === "m.room.name")?.content.name, "Cabinet du maire");
            await host.seesMember(room, person, "knock");
            assert.equal(host.room(room).state("m.room.member", person.userId).content.reason, "toc toc");
        }
        await host.invite(room, welcome);
        await welcome.becomes("invite", room);
        await welcome.join(room);
        await host.seesMember(room, welcome, "join");
        await welcome.becomes("join", room);
        await host.kick(room, unwelcome);
        await unwelcome.becomes("leave", room);
        await hesitant.leave(room);
        await host.seesMember(room, hesitant, "leave");
        await refused(unwelcome.join(room, here), "M_FORBIDDEN");
        await lab.agree(room, host, welcome);
    });

    test("a restricted room: for those of its space", async () => {
        const host = await lab.person(here);
        const [member, stranger] = await lab.people(there, there);
        const space = await host.createRoom({ creation_content: { type: "m.space" } });
        await host.bring(space, member);
        const allow = [{ type: "m.room_membership", room_id: space }];
        const door = { type: "m.room.join_rules", state_key: "", content: { join_rule: "restricted", allow } };
        const room = await host.createRoom({ initial_state: [door] });
        await refused(stranger.join(room, here), "M_FORBIDDEN");
        await member.join(room, here);
        await member.becomes("join", room);
        await host.seesMember(room, member, "join");
        const { content } = host.room(room).state("m.room.member", member.userId);
        assert.equal(content.join_authorised_via_users_server, host.userId);
        await member.tell([host], room, "entrée autorisée");
        await lab.agree(room, host, member);
    });

    test("power given, used and taken back", async () => {
        const { host, guest, room } = await company();
        const third = await lab.person(there);
        await host.bring(room, third);
        await refused(guest.setTopic(room, "à moi"), "M_FORBIDDEN");
        await host.changePower(room, { users: { [guest.userId]: 50 } });
        const powerful = () => guest.room(room).state("m.room.power_levels").content.users[guest.userId] === 50;
        await guest.until("power", powerful);
        await guest.setTopic(room, "à moi");
        await host.seesTopic(room, "à moi");
        await guest.kick(room, third);
        await host.seesMember(room, third, "leave");
        await host.changePower(room, { users: { [guest.userId]: 0 } });
        await guest.until("no power", () => !powerful());
        await refused(guest.setTopic(room, "encore à moi"), "M_FORBIDDEN");
        await lab.agree(room, host, guest);
    });

    test("an upgrade, followed", async () => {
        const { host, guest, room } = await company({ version: "11" });
        const { replacement_room: next } = await host.inRoom("POST", room, "upgrade", { new_version: "12" });
        const tombstone = () => guest.room(room).state("m.room.tombstone");
        assert.equal((await guest.until("the tombstone", tombstone)).content.replacement_room, next);
        await host.bring(next, guest);
        assert.equal(guest.room(next).state("m.room.create").content.predecessor.room_id, room);
        await guest.tell([host], next, "emménagée");
        await lab.agree(next, host, guest);
    });
}
