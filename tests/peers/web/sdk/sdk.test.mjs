// matrix-js-sdk in node, town by town: OAuth 2.0 and Rust crypto, and what two agents write, each reads, decrypted.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hears, sdk, silent, startDevice, synced } from "./device.mjs";
import { Person } from "../person.mjs";
import { townA, townB } from "../settings.mjs";

// A native client: its callback is on loopback, registered without a port and used with any. Nobody listens there.
const REGISTRATION = {
    application_type: "native",
    client_name: "matrix-js-sdk in node",
    client_uri: "https://beffroi.example/",
    redirect_uris: ["http://127.0.0.1/callback"],
};
const CALLBACK = "http://127.0.0.1:1/callback";

/** A signed-in client with crypto, syncing. `agent`: the key of a sample agent of the mock ProConnect. */
async function signIn(context, baseUrl, agent) {
    const anonymous = sdk.createClient({ baseUrl, logger: silent });
    const metadata = await anonymous.getAuthMetadata();
    const clientId = await sdk.OAuth2.registerClient(metadata, REGISTRATION, silent);
    const oauth = new sdk.OAuth2(metadata, { clientId }, silent);
    const state = crypto.randomUUID();
    const start = await oauth.generateAuthorizationCodeGrantUrl(state, CALLBACK);
    const back = await new Person(agent).signIn(start, CALLBACK);
    // js-sdk asks for `response_mode=fragment`.
    const answer = new URLSearchParams(back.hash.slice(1));
    assert.equal(answer.get("state"), state);
    const tokens = await oauth.completeAuthorizationCodeGrant(answer.get("code"), CALLBACK);
    assert(tokens.refresh_token && tokens.expires_in > 0, "the access token can be refreshed");

    const authed = sdk.createClient({ baseUrl, accessToken: tokens.access_token, logger: silent });
    const me = await authed.whoami();
    assert.equal(me.device_id, oauth.context.deviceId, "the device is the one that the scope asked for");
    return startDevice(context, {
        baseUrl,
        userId: me.user_id,
        deviceId: me.device_id,
        accessToken: tokens.access_token,
        refreshToken: tokens.refresh_token,
        oauthClientId: clientId,
        onTokenRefresh() {},
    });
}

async function say(from, to, roomId, text) {
    const heard = hears(to, roomId, text);
    await from.sendTextMessage(roomId, text);
    assert.equal((await heard).getSender(), from.getUserId());
}

const TOWNS = [
    { name: "Beffroi-sur-Mer", baseUrl: townA, agents: ["marie", "helene"] },
    { name: "Sainte-Cloche", baseUrl: townB, agents: ["karim", "anne-sophie"] },
];

for (const { name, baseUrl, agents } of TOWNS) {
    test(`two agents of ${name} talk in an encrypted room`, { timeout: 300_000 }, async (context) => {
        const [one, other] = await Promise.all(agents.map((agent) => signIn(context, baseUrl(), agent)));
        const encryption = { type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } };
        const { room_id: roomId } = await one.createRoom({
            name: `Chiffré ${Date.now()}`,
            preset: "private_chat",
            invite: [other.getUserId()],
            initial_state: [encryption],
        });
        await synced(other, () => other.getRoom(roomId)?.getMyMembership() === "invite", "the invite");
        await other.joinRoom(roomId);
        const joined = () => one.getRoom(roomId)?.getMember(other.getUserId())?.membership === "join";
        await synced(one, joined, "the join");
        await say(one, other, roomId, `Bonjour ${Date.now()}`);
        await say(other, one, roomId, `Bonjour aussi ${Date.now()}`);
        const token = one.getAccessToken();
        await one.logout(true);
        const whoami = `${baseUrl()}/_matrix/client/v3/account/whoami`;
        const after = await fetch(whoami, { headers: { Authorization: `Bearer ${token}` } });
        assert.equal(after.status, 401, "logout revoked the token");
    });
}
