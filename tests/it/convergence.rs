//! Three towns of one process that act at random, at the same time, while the wire between them is cut, late and loses answers:
//! once it is whole and the queues are empty, all agree on the state of the room, on its members and on what is redacted.
//!
//! Everything between the towns is the binary's own: queues, signatures, walls, endpoints. A failure prints its seed and what was
//! done: `BEFFROI_SEED=… cargo test -p beffroi --test it convergence` runs that one alone, `CONVERGENCE_SEEDS=…` that many. The seed
//! decides what is done, not which thread is first: it may take a few runs to fail again.

mod comparison;
mod wire;
mod world;

use std::{fmt::Write, time::Duration};

use futures_util::future::join_all;
use kernel::{
    Random, Worker,
    id::{OwnedEventId, OwnedRoomId, OwnedServerName},
    random::SeededRandom,
};
use parking_lot::Mutex;
use rooms::{Actor, Error, Membership};
use serde_json::{Value, json};

use wire::LAST_WORD;
use world::{Process, Town};

const SEEDS: u64 = 200;
const TOWNS: [&str; 3] = ["metz.example", "nancy.example", "toul.example"];
const AGENTS: [&str; 2] = ["anne", "bob"];
const VERSIONS: [&str; 4] = ["6", "10", "11", "12"];
const STEPS: usize = 50;
/// Histories that are made at the same time.
const AT_ONCE: usize = 4;
/// Things that are done at the same time.
const TOGETHER_MAX: usize = 3;
/// Turns that the towns' own work gets after a step, at most.
const TURNS_MAX: usize = 400;
/// By then whatever waits has arrived.
const DEADLINE: Duration = Duration::from_secs(30);
/// How often it is looked for, and what time passes meanwhile for the towns.
const LOOK_EVERY: Duration = Duration::from_millis(10);
const PASSES: Duration = Duration::from_secs(5);

struct Dice(SeededRandom);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(SeededRandom::new(seed))
    }

    fn roll(&self, sides: usize) -> usize {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        u32::from_le_bytes(bytes) as usize % sides
    }

    fn pick<'a, T>(&self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len())]
    }
}

/// What somebody does.
#[derive(Debug)]
enum Deed {
    Say(String),
    Set(&'static str, Value),
    SetPower(u8),
    Kick,
    Ban,
    Unban,
    Invite,
    Leave,
    Join,
    Redact(OwnedEventId),
    MergeEnds,
}

struct World {
    dice: Dice,
    process: Process,
    room: OwnedRoomId,
    /// Events that somebody has sent, and the redactions among them with what they are about.
    sent: Mutex<Vec<OwnedEventId>>,
    redactions: Mutex<Vec<(OwnedEventId, OwnedEventId)>>,
    log: Mutex<String>,
}

impl World {
    async fn new(seed: u64) -> Self {
        let (dice, process) = (Dice::new(seed), Process::start(seed).await);
        let room = process.room(&dice).await;
        let (sent, redactions, log) = (Mutex::default(), Mutex::default(), Mutex::new(format!("seed {seed}\n")));
        Self { dice, process, room, sent, redactions, log }
    }

    /// Some things that people do at the same time, or that the wire does, and what comes of it in some turns.
    async fn step(&self, number: usize) {
        self.process.wire.go_on(number);
        match self.dice.roll(8) {
            0 | 1 => self.cut_or_mend(),
            // Also longer than what an outage may take.
            2 => self.process.clock.advance(Duration::from_secs(60 * self.dice.roll(20) as u64)),
            _ => {
                let deeds: Vec<_> = (0..=self.dice.roll(TOGETHER_MAX)).map(|n| self.decide(number, n)).collect();
                join_all(deeds.into_iter().map(|(town, actor, target, deed)| self.act(town, actor, target, deed)))
                    .await;
            }
        }
        for _ in 0..self.dice.roll(TURNS_MAX) {
            tokio::task::yield_now().await;
        }
    }

    fn decide(&self, number: usize, n: usize) -> (Town, Actor, Actor, Deed) {
        let (dice, towns) = (&self.dice, &self.process.towns);
        let town = dice.pick(towns).clone();
        let actor = town.actor(dice.pick::<&str>(&AGENTS));
        let target = dice.pick(towns).actor(dice.pick::<&str>(&AGENTS));
        let is_in = matches!(town.app.rooms.membership(&self.room, &actor.user), Ok(Some(Membership::Join)));
        let deed = match dice.roll(17) {
            // Who is out can do little.
            _ if !is_in && dice.roll(4) > 0 => Deed::Join,
            0..=2 => Deed::Say(format!("message {number}.{n}")),
            3 | 4 => Deed::Set("m.room.topic", json!({ "topic": format!("topic {number}.{n}") })),
            5 => Deed::Set("m.room.name", json!({ "name": format!("name {number}.{n}") })),
            6 => {
                let rule = dice.pick(&["public", "public", "invite"]);
                Deed::Set("m.room.join_rules", json!({ "join_rule": rule }))
            }
            7 | 8 => Deed::SetPower(*dice.pick(&[0, 50, 100])),
            9 => Deed::Kick,
            10 => Deed::Ban,
            11 => Deed::Unban,
            12 => Deed::Invite,
            13 => Deed::Leave,
            14 => Deed::Join,
            15 => {
                let sent = self.sent.lock();
                let some = (!sent.is_empty()).then(|| dice.pick(&sent).clone());
                some.map_or(Deed::Say("nothing to redact".to_owned()), Deed::Redact)
            }
            _ => Deed::MergeEnds,
        };
        (town, actor, target, deed)
    }

    /// What the rules refuse is refused: that, too, must be the same everywhere.
    async fn act(&self, town: Town, actor: Actor, target: Actor, deed: Deed) {
        let (rooms, room) = (&town.app.rooms, &self.room);
        let told = format!("{} at {}: {deed:?} {}", actor.user, town.name, target.user);
        let keep = |sent: OwnedEventId| self.sent.lock().push(sent);
        let done: Result<(), Error> = match deed {
            Deed::Say(text) => town.say(&actor, room, &text).await.map(keep),
            Deed::Set(kind, content) => town.set(&actor, room, kind, content).await.map(keep),
            Deed::SetPower(power) => self.set_power(&town, &actor, &target, power).await,
            Deed::Kick => rooms.kick(&actor, room, &target.user, None).await,
            Deed::Ban => rooms.ban(&actor, room, &target.user, None).await,
            Deed::Unban => rooms.unban(&actor, room, &target.user, None).await,
            Deed::Invite => rooms.invite(&actor, room, &target, None, false).await,
            Deed::Leave => rooms.leave(&actor, room, None).await,
            Deed::Join => town.join(&actor, room, &self.process.towns).await,
            Deed::Redact(event) => {
                let sent = town.redact(&actor, room, &event).await;
                sent.map(|redaction| self.redactions.lock().push((redaction, event)))
            }
            Deed::MergeEnds => {
                rooms::Merger(rooms.clone()).work().await.unwrap();
                Ok(())
            }
        };
        let outcome = done.map_or_else(|error| error.to_string(), |()| "done".to_owned());
        writeln!(self.log.lock(), "{told}: {outcome}").unwrap();
    }

    async fn set_power(&self, town: &Town, actor: &Actor, target: &Actor, power: u8) -> Result<(), Error> {
        let now = town.app.rooms.current_state(&self.room, "m.room.power_levels", "")?;
        let Some(now) = now else { return Ok(()) };
        let mut content: Value = now.pdu.content_as()?;
        content["users"][target.user.as_str()] = json!(power);
        town.set(actor, &self.room, "m.room.power_levels", content).await.map(drop)
    }

    fn cut_or_mend(&self) {
        let (wire, towns) = (&self.process.wire, &self.process.towns);
        if self.dice.roll(3) == 0 {
            wire.mend_one(self.dice.roll(TOWNS.len()));
            return writeln!(self.log.lock(), "a cut is mended").unwrap();
        }
        let (a, b) = (self.dice.pick(towns), self.dice.pick(towns));
        if a.name != b.name {
            wire.cut(&a.name, &b.name);
            writeln!(self.log.lock(), "{} and {} are cut off from each other", a.name, b.name).unwrap();
        }
    }

    /// The towns that are in the room together: each has somebody in it who is in it by the others' state too, and whom they hear
    /// therefore. Whoever is put out while the wire is cut may never hear of it, nor be heard: nobody has to tell them any more,
    /// and what they say is soft-failed.
    fn together(&self) -> Vec<Town> {
        let is_in = |town: &Town, user: &Actor| {
            town.app.rooms.membership(&self.room, &user.user).is_ok_and(|now| now == Some(Membership::Join))
        };
        let knows = |a: &Town, b: &Town| {
            AGENTS.iter().map(|agent| b.actor(agent)).any(|user| is_in(a, &user) && is_in(b, &user))
        };
        let mut together: Vec<Town> = Vec::new();
        for town in &self.process.towns {
            if knows(town, town) && together.iter().all(|other| knows(town, other) && knows(other, town)) {
                together.push(town.clone());
            }
        }
        together
    }

    /// The servers that the town tells of what is said there now.
    fn told_by(&self, town: &Town) -> Vec<OwnedServerName> {
        town.app.rooms.servers(&self.room).unwrap()
    }

    /// Every town says one last thing, by which whatever was missed is found, and all is delivered.
    async fn last_words(&self, round: usize) {
        self.process.wire.mend();
        let mut awaited = Vec::new();
        let together = self.together();
        for town in &together {
            // All of them: an event of somebody who is out by another town's state is soft-failed there, with all behind it.
            let mut last = None;
            for agent in AGENTS {
                let word = format!("{LAST_WORD}{round} {agent} {}", town.name);
                let told = self.told_by(town);
                if let Ok(said) = town.say(&town.actor(agent), &self.room, &word).await {
                    self.sent.lock().push(said.clone());
                    last = Some((word, said, told));
                }
            }
            // Of a town that was silent for long only the last event is told; what comes before it is asked for. What is still
            // under way may put a town out at this moment: then it is not told.
            let Some((word, said, told)) = last else { continue };
            let others = together.iter().filter(|other| other.name != town.name);
            let others = others.filter(|other| told.contains(&other.name) && self.told_by(town).contains(&other.name));
            awaited.extend(others.map(|other| (word.clone(), said.clone(), other.clone())));
        }
        let (wire, towns) = (&self.process.wire, &self.process.towns);
        // By a transaction, or asked for: another event may have taken the word's place as the last that is told.
        let is_there = |said, town: &Town| town.app.rooms.pdu(&self.room, said).is_ok_and(|pdu| pdu.is_some());
        let waiting = || {
            let missed = awaited
                .iter()
                .filter(|(word, said, town)| !wire.has_arrived(word, &town.name) && !is_there(said, town));
            missed.map(|(word, _, town)| (word, &town.name)).collect::<Vec<_>>()
        };
        let drained = async {
            let mut look = tokio::time::interval(LOOK_EVERY);
            while !waiting().is_empty() || !towns.iter().all(|town| town.app.outbound.is_idle()) {
                look.tick().await;
                // Who was found silent is tried again: by its sign of life, and as time passes.
                towns.iter().for_each(|town| towns[0].app.federation.peers.alive(&town.name));
                self.process.clock.advance(PASSES);
            }
        };
        if tokio::time::timeout(DEADLINE, drained).await.is_err() {
            let busy: Vec<_> =
                towns.iter().filter(|town| !town.app.outbound.is_idle()).map(|town| &town.name).collect();
            panic!("these never arrive: {:?}; busy: {busy:?}\n{}", waiting(), self.log.lock());
        }
    }
}

/// How many towns were compared in the end.
async fn run(seed: u64) -> usize {
    let world = World::new(seed).await;
    for number in 0..STEPS {
        world.step(number).await;
    }
    for round in 0..2 {
        world.last_words(round).await;
    }
    world.compare().unwrap_or_else(|differences| panic!("{}{differences}", world.log.lock()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn towns_agree_once_the_wire_is_whole() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seeds: Vec<u64> = match number("BEFFROI_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("CONVERGENCE_SEEDS").unwrap_or(SEEDS)).collect(),
    };
    let (many, mut compared, mut failed) = (seeds.len(), 0, Vec::new());
    let mut running = tokio::task::JoinSet::new();
    let mut seeds = seeds.into_iter();
    loop {
        while running.len() < AT_ONCE
            && let Some(seed) = seeds.next()
        {
            running.spawn(run(seed));
        }
        match running.join_next().await {
            Some(Ok(towns)) => compared += usize::from(towns > 1),
            Some(Err(error)) => failed.push(error.to_string()),
            None => break,
        }
    }
    assert!(failed.is_empty(), "{} of {many} failed:\n{}", failed.len(), failed.join("\n"));
    assert!(many < 20 || compared * 2 > many, "too few were worth comparing: {compared} of {many}");
}
