// What a person does in rooms, and waits to see there.
import assert from "node:assert/strict";
import { Client } from "./client.mjs";

/** Pages of a room's history that anybody reads here. */
const PAGES_MAX = 50;

export class Person extends Client {
    /** Invites are of persons; the rest is as createRoom has it. Returns the room's id. */
    async createRoom({ version = "12", invite = [], ...rest } = {}) {
        const invited = invite.map(({ userId }) => userId);
        const asked = { preset: "private_chat", room_version: version, invite: invited, ...rest };
        return (await this.call("POST", "/v3/createRoom", asked)).room_id;
    }

    /** By id or alias; `via` are servers. Returns the room's id. */
    async join(room, ...via) {
        const query = new URLSearchParams(via.map(({ serverName }) => ["via", serverName]));
        return (await this.call("POST", `/v3/join/${encodeURIComponent(room)}?${query}`, {})).room_id;
    }

    async knock(room, reason, ...via) {
        const query = new URLSearchParams(via.map(({ serverName }) => ["via", serverName]));
        await this.call("POST", `/v3/knock/${encodeURIComponent(room)}?${query}`, { reason });
    }

    leave(roomId) {
        return this.inRoom("POST", roomId, "leave", {});
    }

    invite(roomId, person) {
        return this.inRoom("POST", roomId, "invite", { user_id: person.userId });
    }

    kick(roomId, person, reason) {
        return this.inRoom("POST", roomId, "kick", { user_id: person.userId, reason });
    }

    ban(roomId, person) {
        return this.inRoom("POST", roomId, "ban", { user_id: person.userId });
    }

    unban(roomId, person) {
        return this.inRoom("POST", roomId, "unban", { user_id: person.userId });
    }

    /** Returns the event's id. */
    async send(roomId, type, content) {
        return (await this.inRoom("PUT", roomId, `send/${type}/${crypto.randomUUID()}`, content)).event_id;
    }

    say(roomId, body, more) {
        return this.send(roomId, "m.room.message", { msgtype: "m.text", body, ...more });
    }

    async redact(roomId, eventId, reason) {
        return (await this.inRoom("PUT", roomId, `redact/${encodeURIComponent(eventId)}/${crypto.randomUUID()}`, { reason })).event_id;
    }

    async setState(roomId, type, content, key = "") {
        return (await this.inRoom("PUT", roomId, `state/${type}/${encodeURIComponent(key)}`, content)).event_id;
    }

    setTopic(roomId, topic) {
        return this.setState(roomId, "m.room.topic", { topic });
    }

    getState(roomId, type, key = "") {
        return this.inRoom("GET", roomId, `state/${type}/${encodeURIComponent(key)}`);
    }

    /** Changes the power levels as they are now by what is given. */
    async changePower(roomId, change) {
        const { users, ...levels } = await this.getState(roomId, "m.room.power_levels");
        return this.setState(roomId, "m.room.power_levels", { ...levels, ...change, users: { ...users, ...change.users } });
    }

    /** The whole current state: "type key" → event id. */
    async stateIds(roomId) {
        const events = await this.inRoom("GET", roomId, "state");
        return Object.fromEntries(events.map((event) => [`${event.type} ${event.state_key}`, event.event_id]).sort());
    }

    /** All events of the room from the first one that this person may see, page by page from the end. */
    async history(roomId) {
        const events = [];
        let from = "";
        for (let page = 0; page < PAGES_MAX; page++) {
            const { chunk, end } = await this.inRoom("GET", roomId, `messages?dir=b&limit=20${from && `&from=${encodeURIComponent(from)}`}`);
            events.unshift(...chunk.reverse());
            if (!end) return events;
            from = end;
        }
        throw new Error(`the history of ${roomId} has no beginning within ${PAGES_MAX} pages`);
    }

    inRoom(method, roomId, path, body) {
        return this.call(method, `/v3/rooms/${encodeURIComponent(roomId)}/${path}`, body);
    }

    /** Waits until this person is that in the room. */
    async becomes(membership, roomId) {
        const room = this.room(roomId);
        await this.until(`being ${membership} in ${roomId}`, () => room.membership === membership);
        return room;
    }

    /** Waits until this person sees another be that in the room. */
    seesMember(roomId, person, membership) {
        const is = () => this.room(roomId).membershipOf(person.userId) === membership;
        return this.until(`${person.userId} being ${membership}`, is);
    }

    /** Waits for the event in the room's timeline. */
    sees(roomId, eventId) {
        return this.until(`the event ${eventId}`, () => this.room(roomId).event(eventId));
    }

    seesTopic(roomId, topic) {
        return this.until(`the topic ${topic}`, () => this.room(roomId).topic === topic);
    }

    /** Says something, and each of the others hears it. Returns the event's id. */
    async tell(others, roomId, body) {
        const eventId = await this.say(roomId, body);
        for (const other of others) {
            const heard = await other.sees(roomId, eventId);
            assert.deepEqual([heard.sender, heard.content.body], [this.userId, body]);
        }
        return eventId;
    }

    /** Invites the other, who joins; both see it. */
    async bring(roomId, other) {
        await this.invite(roomId, other);
        await other.becomes("invite", roomId);
        await other.join(roomId);
        await other.becomes("join", roomId);
        await this.seesMember(roomId, other, "join");
    }
}

/** Fails unless the promise is refused with this error code. */
export function refused(promise, errcode) {
    return assert.rejects(promise, (error) => {
        assert.equal(error.errcode, errcode, error.message);
        return true;
    });
}
