// A Synapse, as pip installs it: SQLite, one process, configured for a closed federation with a private authority.
import { createHmac, randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { request } from "./client.mjs";
import { freePorts } from "./front.mjs";
import { Person } from "./person.mjs";
import { Process } from "./process.mjs";

const SECRET = "known-to-the-lab";
const UNLIMITED = { per_second: 10_000, burst_count: 100_000 };

export class Synapse {
    kind = "synapse";
    #admin;

    /**
     * `place`: `{ folder, address, front?, authority }`; without a front, others reach it directly. `config`: more of
     * homeserver.yaml; `path`: where modules that it names are.
     */
    static async start(place, { config = {}, path = "" } = {}) {
        const { SYNAPSE_VENV } = process.env;
        if (!SYNAPSE_VENV) throw new Error("SYNAPSE_VENV is the folder of Synapse's virtual environment; make sets it");
        const synapse = new Synapse();
        synapse.folder = place.folder;
        synapse.python = join(SYNAPSE_VENV, "bin/python");
        const [client, federation] = await freePorts(place.address, 2);
        synapse.serverName = `${place.address}:${place.front?.port ?? federation}`;
        synapse.front = place.front;
        synapse.baseUrl = `http://${place.address}:${client}`;
        // Modules are sources of the repository: nothing is left beside them.
        synapse.env = { PYTHONPATH: path, PYTHONDONTWRITEBYTECODE: "1" };
        await synapse.#configure(place, client, federation, config);
        place.front?.leadTo(federation);
        await synapse.start();
        return synapse;
    }

    async start() {
        const { folder, python, baseUrl, env } = this;
        const args = ["-m", "synapse.app.homeserver", "--config-path", join(folder, "homeserver.yaml")];
        const url = `${baseUrl}/_matrix/client/versions`;
        this.process = await Process.start(python, args, { log: join(folder, "log"), url, env });
    }

    stop() {
        return this.process.stop();
    }

    kill() {
        return this.process.kill();
    }

    /** A new user on a first device. */
    async user(localpart, { admin = false } = {}) {
        const register = `${this.baseUrl}/_synapse/admin/v1/register`;
        const { nonce } = await request("GET", register);
        const said = [nonce, localpart, localpart, admin ? "admin" : "notadmin"].join("\0");
        const mac = createHmac("sha1", SECRET).update(said).digest("hex");
        const session = await request("POST", register, { nonce, username: localpart, password: localpart, admin, mac });
        return new Person(this, session);
    }

    /** The same user on a device more. */
    async anotherDevice({ userId }) {
        const [localpart] = userId.slice(1).split(":");
        const identifier = { type: "m.id.user", user: localpart };
        const login = { type: "m.login.password", identifier, password: localpart };
        return new Person(this, await request("POST", `${this.baseUrl}/_matrix/client/v3/login`, login));
    }

    /** Makes it try a server at once that it had given up for a while. */
    async retry(serverName) {
        this.#admin ??= this.user("admin", { admin: true });
        const { accessToken } = await this.#admin;
        const destination = `${this.baseUrl}/_synapse/admin/v1/federation/destinations/${encodeURIComponent(serverName)}`;
        const known = await request("GET", destination, undefined, accessToken).catch((refused) => {
            if (refused.errcode !== "M_NOT_FOUND") throw refused;
        });
        // It refuses to reset what has not failed.
        if (known?.failure_ts) await request("POST", `${destination}/reset_connection`, {}, accessToken);
    }

    async #configure({ folder, address, authority }, client, federation, more) {
        await mkdir(folder, { recursive: true });
        const { certificate, key } = await authority.certify(address);
        const seed = randomBytes(32).toString("base64").replaceAll("=", "");
        await writeFile(join(folder, "signing.key"), `ed25519 lab ${seed}\n`);
        const listener = { type: "http", bind_addresses: [address] };
        // JSON is YAML.
        const config = {
            server_name: this.serverName,
            pid_file: join(folder, "pid"),
            public_baseurl: this.baseUrl,
            listeners: [
                { ...listener, port: client, resources: [{ names: ["client"] }] },
                { ...listener, port: federation, tls: true, resources: [{ names: ["federation"] }] },
            ],
            tls_certificate_path: certificate,
            tls_private_key_path: key,
            federation_custom_ca_list: [authority.roots],
            ip_range_blacklist: [],
            trusted_key_servers: [],
            database: { name: "sqlite3", args: { database: join(folder, "homeserver.db") } },
            media_store_path: join(folder, "media"),
            signing_key_path: join(folder, "signing.key"),
            macaroon_secret_key: SECRET,
            registration_shared_secret: SECRET,
            bcrypt_rounds: 4,
            report_stats: false,
            allow_public_rooms_over_federation: true,
            room_list_publication_rules: [{ action: "allow" }],
            // Retries that a test can wait for; milliseconds.
            federation: {
                destination_min_retry_interval: 200,
                destination_retry_multiplier: 1,
                destination_max_retry_interval: 200,
                max_short_retry_delay: 100,
                max_long_retry_delay: 1000,
                max_long_retries: 2,
            },
            ...limits(),
            ...more,
        };
        await writeFile(join(folder, "homeserver.yaml"), JSON.stringify(config, null, 1));
    }
}

function limits() {
    const plain = ["rc_message", "rc_registration", "rc_admin_redaction", "rc_joins_per_room", "rc_third_party_invite",
        "rc_room_creation", "rc_key_requests", "rc_reports"];
    return {
        ...Object.fromEntries(plain.map((name) => [name, UNLIMITED])),
        rc_login: { address: UNLIMITED, account: UNLIMITED, failed_attempts: UNLIMITED },
        rc_joins: { local: UNLIMITED, remote: UNLIMITED },
        rc_invites: { per_room: UNLIMITED, per_user: UNLIMITED, per_issuer: UNLIMITED },
        rc_federation: { window_size: 1000, sleep_limit: 100_000, sleep_delay: 1, reject_limit: 100_000, concurrent: 100 },
    };
}
