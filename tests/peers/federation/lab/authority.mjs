// A private certificate authority, as a closed federation has one: made anew for each run, by openssl.
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

// openssl's own defaults would make an authority of every certificate.
const CONFIG = `
[req]
distinguished_name = name
prompt = no
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
`;

const SERVER = (address) => `
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = IP:${address}
`;

export class Authority {
    #folder;

    constructor(folder) {
        this.#folder = folder;
        this.roots = join(folder, "ca.pem");
        this.key = join(folder, "ca.key");
    }

    static async found(folder) {
        const authority = new Authority(folder);
        await authority.#openssl("ca", CONFIG, "authority", []);
        return authority;
    }

    /** A certificate for an IP address, and its key: the paths of two PEM files. */
    async certify(address) {
        await this.#openssl(address, CONFIG + SERVER(address), "server", ["-CA", this.roots, "-CAkey", this.key]);
        return { certificate: join(this.#folder, `${address}.pem`), key: join(this.#folder, `${address}.key`) };
    }

    async #openssl(name, config, extensions, signedBy) {
        const path = (suffix) => join(this.#folder, `${name}.${suffix}`);
        await writeFile(path("cnf"), config);
        const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", path("key")];
        const subject = ["-subj", `/CN=${name}`, "-days", "7", "-config", path("cnf"), "-extensions", extensions];
        await run("openssl", ["req", "-x509", ...key, ...subject, "-out", path("pem"), ...signedBy]);
    }
}
