// Hydrogen's service worker, in what this shell needs of it: one tab per session, and pictures fetched with the access token.
const REPLY_MS = 5000;
const MEDIA = "/_matrix/client/v1/media/";

const waiting = new Map();
let lastId = 0;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

/** Asks a tab; resolves to undefined if it does not answer in time. */
function ask(client, type, payload) {
    const id = `sw-${++lastId}`;
    return new Promise((resolve) => {
        const give = (answer) => {
            clearTimeout(late);
            waiting.delete(id);
            resolve(answer);
        };
        const late = setTimeout(give, REPLY_MS);
        waiting.set(id, give);
        client.postMessage({ type, id, payload });
    });
}

async function askOthers(source, type, payload) {
    const tabs = await self.clients.matchAll({ type: "window" });
    await Promise.all(tabs.filter(({ id }) => id !== source.id).map((tab) => ask(tab, type, payload)));
}

async function answer({ type, id, payload }, source) {
    if (type === "closeSession" || type === "haltRequests") await askOthers(source, type, payload);
    if (id) source.postMessage({ replyTo: id, payload: {} });
}

self.addEventListener("message", (event) => {
    const { replyTo, payload } = event.data;
    if (replyTo) waiting.get(replyTo)?.(payload);
    else event.waitUntil(answer(event.data, event.source));
});

async function withToken(request, clientId) {
    const client = await self.clients.get(clientId);
    const auth = client && (await ask(client, "getAuthInfo"));
    // The token goes to the homeserver that it is of, and nowhere else.
    if (!auth?.accessToken || new URL(auth.homeserver).origin !== new URL(request.url).origin) return fetch(request);
    return fetch(request.url, { headers: { Authorization: `Bearer ${auth.accessToken}` } });
}

self.addEventListener("fetch", (event) => {
    if (new URL(event.request.url).pathname.startsWith(MEDIA)) event.respondWith(withToken(event.request, event.clientId));
});
