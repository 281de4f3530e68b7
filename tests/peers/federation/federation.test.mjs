// Beffroi and a real Synapse as neighbours in a closed federation. PEERS names the servers instead, to see what holds between
// others: two that share a process if they are Beffroi, and their peer.
import { after, describe } from "node:test";
import { Lab } from "./lab/lab.mjs";
import { encrypted } from "./scenarios/encrypted.mjs";
import { history } from "./scenarios/history.mjs";
import { joining } from "./scenarios/joining.mjs";
import { membership } from "./scenarios/membership.mjs";
import { partition } from "./scenarios/partition.mjs";
import { restarting } from "./scenarios/restarting.mjs";
import { talking } from "./scenarios/talking.mjs";
import { three } from "./scenarios/three.mjs";

const SCENARIOS = { joining, talking, membership, history, partition, restarting };
const kinds = (process.env.PEERS ?? "beffroi,beffroi,synapse").split(",");

const lab = await Lab.start(kinds);
after(() => lab.stop());

const [ours, neighbour, theirs] = lab.servers;
for (const [here, there] of [[ours, theirs], [theirs, ours]]) {
    describe(`${here.kind}'s room, guests of ${there.kind}`, () => {
        for (const [name, scenario] of Object.entries(SCENARIOS)) describe(name, () => scenario(lab, here, there));
    });
}
describe("encrypted", () => encrypted(lab, ours, theirs));
describe("three in one room", () => three(lab, ours, neighbour, theirs));
