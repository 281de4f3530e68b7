// The client-server API by plain fetch, and a memory of all that /sync has brought.

/** For one thing that a test waits for. */
const WAIT_MS = 30_000;
/** For one request, whatever the server does. */
const REQUEST_MS = 120_000;
/** For one `/sync`. */
const POLL_MS = 5_000;
// A timeline so long that few tests meet a gap; more than this Synapse does not give.
const FILTER = JSON.stringify({ room: { timeline: { limit: 100 } }, presence: { not_types: ["*"] } });

/** One request; its answer, or an error with `status`, `errcode` and what it was about. */
export async function request(method, url, body, accessToken) {
    const headers = { ...(body && { "Content-Type": "application/json" }), ...(accessToken && { Authorization: `Bearer ${accessToken}` }) };
    const signal = AbortSignal.timeout(REQUEST_MS);
    const response = await fetch(url, { method, headers, body: body && JSON.stringify(body), signal });
    const text = await response.text();
    const answer = text.startsWith("{") || text.startsWith("[") ? JSON.parse(text) : { error: text };
    if (response.ok) return answer;
    const { errcode, error } = answer;
    throw Object.assign(new Error(`${method} ${url}: ${response.status} ${errcode} ${error}`), { status: response.status, errcode });
}

/** A room as one person's /sync has shown it. */
class Room {
    membership = null;
    /** Of an invite or a knock: stripped. */
    stripped = [];
    timeline = [];
    typing = [];
    /** Event id → the users who have read up to it. */
    readers = new Map();
    #state = new Map();

    see(event) {
        if (event.state_key !== undefined) this.#state.set(`${event.type} ${event.state_key}`, event);
    }

    state(type, key = "") {
        return this.#state.get(`${type} ${key}`);
    }

    membershipOf(userId) {
        return this.state("m.room.member", userId)?.content.membership;
    }

    event(eventId) {
        return this.timeline.find(({ event_id }) => event_id === eventId);
    }

    get topic() {
        return this.state("m.room.topic")?.content.topic;
    }
}

export class Client {
    #since = null;
    #rooms = new Map();
    toDevice = [];
    devicesChanged = new Set();

    constructor(server, { user_id, access_token, device_id }) {
        this.server = server;
        this.userId = user_id;
        this.accessToken = access_token;
        this.deviceId = device_id;
    }

    call(method, path, body) {
        return request(method, `${this.server.baseUrl}/_matrix/client${path}`, body, this.accessToken);
    }

    /** Uploads a file. Returns its mxc:// URI. */
    async upload(bytes, type, name) {
        const response = await this.#fetch(`/_matrix/media/v3/upload?filename=${encodeURIComponent(name)}`, { method: "POST", body: bytes }, { "Content-Type": type });
        return (await response.json()).content_uri;
    }

    /** A file, or a thumbnail of it: its type, how it is to be named, and its bytes. */
    async download(uri, what = "download/MEDIA") {
        const response = await this.#fetch(`/_matrix/client/v1/media/${what.replace("MEDIA", uri.slice("mxc://".length))}`);
        const [type, disposition] = ["content-type", "content-disposition"].map((name) => response.headers.get(name));
        return { type, disposition, bytes: Buffer.from(await response.arrayBuffer()) };
    }

    async #fetch(path, how = {}, headers = {}) {
        headers.Authorization = `Bearer ${this.accessToken}`;
        const response = await fetch(this.server.baseUrl + path, { ...how, headers, signal: AbortSignal.timeout(WAIT_MS) });
        if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
        return response;
    }

    /** What `look` finds, once it finds something, in what /sync has brought or brings. */
    async until(what, look) {
        const deadline = Date.now() + WAIT_MS;
        for (;;) {
            const found = await look();
            if (found) return found;
            if (Date.now() > deadline) throw new Error(`${this.userId} waited ${WAIT_MS} ms for ${what}`);
            await this.sync();
        }
    }

    async sync(timeout = POLL_MS) {
        const query = new URLSearchParams({ filter: FILTER, timeout: this.#since ? timeout : 0 });
        if (this.#since) query.set("since", this.#since);
        const answer = await this.call("GET", `/v3/sync?${query}`);
        this.#since = answer.next_batch;
        this.toDevice.push(...(answer.to_device?.events ?? []));
        answer.device_lists?.changed?.forEach((userId) => this.devicesChanged.add(userId));
        for (const [membership, rooms] of Object.entries(answer.rooms ?? {})) {
            for (const [roomId, brought] of Object.entries(rooms)) this.#take(this.room(roomId), membership, brought);
        }
    }

    /** What is known of a room, even if that is nothing. */
    room(roomId) {
        if (!this.#rooms.has(roomId)) this.#rooms.set(roomId, new Room());
        return this.#rooms.get(roomId);
    }

    #take(room, membership, { state, timeline, ephemeral, invite_state, knock_state }) {
        room.membership = membership;
        room.stripped = invite_state?.events ?? knock_state?.events ?? room.stripped;
        state?.events?.forEach((event) => room.see(event));
        for (const event of timeline?.events ?? []) {
            room.timeline.push(event);
            room.see(event);
        }
        for (const { type, content } of ephemeral?.events ?? []) {
            if (type === "m.typing") room.typing = content.user_ids;
            if (type !== "m.receipt") continue;
            for (const [eventId, receipts] of Object.entries(content)) {
                const readers = Object.keys(receipts["m.read"] ?? {});
                room.readers.set(eventId, [...(room.readers.get(eventId) ?? []), ...readers]);
            }
        }
    }
}
