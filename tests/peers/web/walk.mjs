// A person for tests that are not written for node: signs in as a sample agent of the mock ProConnect and presses what must be.
//   node walk.mjs <agent> <start> <callback>    prints the URL below `callback` to which a sign-in leads
//   node walk.mjs <agent> <start>               allows the reset of cross-signing keys on the page at `start`
import { Person } from "./person.mjs";
import "./settings.mjs";

const [agent, start, callback] = process.argv.slice(2);
const person = new Person(agent);
if (callback) console.log((await person.signIn(start, callback)).href);
else await person.allowReset(start);
