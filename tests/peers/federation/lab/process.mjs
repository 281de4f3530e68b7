// A server's process: its log in a file, what it costs, and an end that does not depend on how the test ended.
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

const START_MS = 60_000;
const STOP_MS = 30_000;
const POLL_MS = 50;
const LOG_LINES = 40;
/** Of the kernel's clock: what /proc counts in. */
const TICK_MS = 10;

const running = new Set();
// Whatever happens to the test, no server outlives it.
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));
for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]]) process.on(signal, () => process.exit(code));

export class Process {
    /** Starts it and waits until `url` answers 200. */
    static async start(command, args, { log, url, env }) {
        const one = new Process();
        one.log = log;
        const file = openSync(log, "a");
        one.child = spawn(command, args, { stdio: ["ignore", file, file], env: { ...process.env, ...env } });
        closeSync(file);
        running.add(one.child);
        one.ended = new Promise((done) => {
            one.child.once("error", done);
            one.child.once("exit", done);
        }).finally(() => running.delete(one.child));
        await one.#answers(url);
        return one;
    }

    /** By SIGTERM, as an administrator ends it. */
    async stop() {
        this.child.kill("SIGTERM");
        const late = pause(STOP_MS, "late", { ref: false });
        if ((await Promise.race([this.ended, late])) === "late") {
            this.child.kill("SIGKILL");
            throw new Error(`${this.child.spawnfile} did not stop within ${STOP_MS} ms:\n${this.lastLines()}`);
        }
    }

    /** By SIGKILL, as a power cut does. */
    async kill() {
        this.child.kill("SIGKILL");
        await this.ended;
    }

    /** Processor time so far, all threads, user and system. */
    cpuMs() {
        const stat = readFileSync(`/proc/${this.child.pid}/stat`, "utf8");
        const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
    }

    /** `VmRSS` (resident now) or `VmHWM` (the most that was resident), in MiB. */
    memoryMib(which) {
        const status = readFileSync(`/proc/${this.child.pid}/status`, "utf8");
        return Math.round(Number(status.match(new RegExp(`^${which}:\\s+(\\d+) kB`, "m"))[1]) / 1024);
    }

    lastLines() {
        return readFileSync(this.log, "utf8").split("\n").slice(-LOG_LINES).join("\n");
    }

    async #answers(url) {
        const deadline = Date.now() + START_MS;
        while (!(await fetch(url).then(({ ok }) => ok, () => false))) {
            if (this.child.exitCode !== null || this.child.signalCode !== null || Date.now() > deadline) {
                throw new Error(`${this.child.spawnfile} did not answer at ${url}:\n${this.lastLines()}`);
            }
            await pause(POLL_MS);
        }
    }
}
