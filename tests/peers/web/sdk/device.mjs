// A device on matrix-js-sdk: Rust crypto, syncing, and waiting for what it hears.
import assert from "node:assert/strict";
import "./node.mjs";
import * as sdk from "matrix-js-sdk";
import { logger } from "matrix-js-sdk/lib/logger.js";

export { sdk };

const WAIT_MS = 45_000;

// Some of js-sdk's loggers take no orders.
console.debug = console.info = console.log = () => {};
export const silent = { trace() {}, debug() {}, info() {}, warn() {}, error: console.error, getChild: () => silent };

/** From now on, says no more that a message cannot be decrypted: a device that comes late cannot read what was said before. */
export function decryptsQuietly() {
    logger.setLevel("silent");
}

/** A signed-in client that has its first sync behind it. `session` as createClient wants it. */
export async function startDevice(context, session) {
    const client = sdk.createClient({ ...session, logger: silent });
    context.after(() => client.stopClient());
    await client.initRustCrypto({ useIndexedDB: false });
    const first = `the first sync of ${session.userId}`;
    const prepared = occurs(client, sdk.ClientEvent.Sync, (state) => state === "PREPARED", first);
    await client.startClient({ initialSyncLimit: 20 });
    await prepared;
    return client;
}

/** Resolves with the arguments of the first `event` of `emitter` that satisfy `holds`. */
export function occurs(emitter, event, holds, what) {
    return new Promise((resolve, reject) => {
        const late = setTimeout(() => {
            emitter.off(event, listener);
            reject(new Error(`${what} did not come within ${WAIT_MS} ms`));
        }, WAIT_MS);
        const listener = (...args) => {
            if (!holds(...args)) return;
            clearTimeout(late);
            emitter.off(event, listener);
            resolve(args);
        };
        emitter.on(event, listener);
    });
}

/** Resolves once a sync of this client has brought what `holds` looks for. */
export async function synced(client, holds, what) {
    if (!holds()) await occurs(client, sdk.ClientEvent.Sync, holds, what);
}

/** Resolves to the event with this text once the client has decrypted it. */
export async function hears(client, roomId, text) {
    const isIt = (event) => event.getRoomId() === roomId && event.getContent().body === text;
    const decrypted = occurs(client, sdk.MatrixEventEvent.Decrypted, isIt, `"${text}"`);
    const [event] = await decrypted;
    assert(event.isEncrypted() && !event.isDecryptionFailure());
    return event;
}
