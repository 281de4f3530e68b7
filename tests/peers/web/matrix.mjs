// The other end of a conversation: the client-server API by plain fetch, signed in by legacy SSO.
import assert from "node:assert/strict";
import { Person } from "./person.mjs";

// Nobody listens there: only the redirect counts.
const CALLBACK = "http://127.0.0.1:1/callback";
const SYNC_MS = 10_000;
const SYNCS_MAX = 12;

export class PlainClient {
    #since;

    constructor(baseUrl, { user_id, access_token, device_id }) {
        this.baseUrl = baseUrl;
        this.userId = user_id;
        this.accessToken = access_token;
        this.deviceId = device_id;
    }

    /** `agent`: the key of a sample agent of the mock ProConnect. */
    static async signIn(baseUrl, agent) {
        const { flows } = await call(baseUrl, "GET", "/v3/login");
        assert(flows.some(({ type }) => type === "m.login.sso"), "the homeserver offers m.login.sso");
        const start = `${baseUrl}/_matrix/client/v3/login/sso/redirect?redirectUrl=${encodeURIComponent(CALLBACK)}`;
        const back = await new Person(agent).signIn(start, CALLBACK);
        const token = back.searchParams.get("loginToken");
        return new PlainClient(baseUrl, await call(baseUrl, "POST", "/v3/login", { type: "m.login.token", token }));
    }

    call(method, path, body) {
        return call(this.baseUrl, method, path, body, this.accessToken);
    }

    /** A room whose messages are readable on the wire, so that this client can look for them. */
    async createReadableRoom(name, invite) {
        const rules = { rule: "restricted", visibility: "private", force_unencrypted_at_creation: true };
        const initial_state = [{ type: "im.vector.room.access_rules", state_key: "", content: rules }];
        const { room_id } = await this.call("POST", "/v3/createRoom", { name, invite, preset: "private_chat", initial_state });
        const encryption = this.call("GET", `/v3/rooms/${encodeURIComponent(room_id)}/state/m.room.encryption/`);
        await assert.rejects(encryption, /M_NOT_FOUND/, "the room was asked to be unencrypted");
        return room_id;
    }

    join(roomId) {
        return this.call("POST", `/v3/join/${encodeURIComponent(roomId)}`, {});
    }

    send(roomId, body) {
        const content = { msgtype: "m.text", body };
        return this.call("PUT", `/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${crypto.randomUUID()}`, content);
    }

    /** The first message of the room with this text that /sync brings, from where the last call left off. */
    async waitForMessage(roomId, text) {
        for (let sync = 0; sync < SYNCS_MAX; sync++) {
            const since = this.#since ? `&since=${encodeURIComponent(this.#since)}` : "";
            const answer = await this.call("GET", `/v3/sync?timeout=${this.#since ? SYNC_MS : 0}${since}`);
            this.#since = answer.next_batch;
            const events = answer.rooms?.join?.[roomId]?.timeline?.events ?? [];
            const found = events.find((event) => event.content?.body === text);
            if (found) return found;
        }
        throw new Error(`"${text}" did not come in ${SYNCS_MAX} syncs`);
    }
}

async function call(baseUrl, method, path, body, accessToken) {
    const headers = { ...(body && { "Content-Type": "application/json" }), ...(accessToken && { Authorization: `Bearer ${accessToken}` }) };
    const response = await fetch(`${baseUrl}/_matrix/client${path}`, { method, headers, body: body && JSON.stringify(body) });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${answer.errcode} ${answer.error}`);
    return answer;
}
