// Where the others find a server: a listener whose address is the server's name, and which passes bytes on, TLS and all. Cut, it
// is a network that has failed: what is open breaks, what comes anew is reset.
import net from "node:net";

export class Front {
    #listener = net.createServer((from) => this.#pass(from));
    #open = new Set();
    #target = null;
    #cut = false;

    /** On a free port of this address. */
    static async listen(address) {
        const front = new Front();
        await new Promise((done, failed) => front.#listener.once("error", failed).listen(0, address, done));
        front.address = address;
        front.port = front.#listener.address().port;
        return front;
    }

    /** Where bytes go from now on: the port of the server, at the same address. */
    leadTo(port) {
        this.#target = port;
    }

    cut() {
        this.#cut = true;
        this.#open.forEach((socket) => socket.resetAndDestroy());
    }

    mend() {
        this.#cut = false;
    }

    async close() {
        this.cut();
        await new Promise((done) => this.#listener.close(done));
    }

    #pass(from) {
        if (this.#cut || !this.#target) return from.resetAndDestroy();
        const to = net.connect(this.#target, this.address);
        for (const [socket, other] of [[from, to], [to, from]]) {
            this.#open.add(socket);
            socket.setNoDelay(true);
            socket.on("error", () => other.destroy());
            socket.on("close", () => {
                this.#open.delete(socket);
                other.destroy();
            });
        }
        from.pipe(to);
        to.pipe(from);
    }
}

/** Ports of this address that nobody had a moment ago. */
export async function freePorts(address, count) {
    const listeners = Array.from({ length: count }, () => net.createServer());
    await Promise.all(listeners.map((one) => new Promise((done) => one.listen(0, address, done))));
    const ports = listeners.map((one) => one.address().port);
    await Promise.all(listeners.map((one) => new Promise((done) => one.close(done))));
    return ports;
}
