//! Towns that act at random while the wire between them delays, partitions and reorders: once all is delivered, all agree on
//! the state of the room and on who is in it.
//!
//! A failure prints its seed: `CONVERGENCE_SEED=… cargo test -p rooms --test federation convergence` runs that one alone, and
//! `CONVERGENCE_SEEDS=…` that many.

use std::collections::{BTreeMap, HashMap, VecDeque};

use kernel::{
    Random,
    id::{OwnedRoomId, OwnedServerName},
    random::SeededRandom,
};
use rooms::{Actor, Membership, Preset};
use serde_json::json;

use crate::wire::{Network, Town};

const SEEDS: u64 = 200;
const TOWNS: [&str; 3] = ["metz.example", "nancy.example", "toul.example"];
const AGENTS: [&str; 2] = ["anne", "bob"];
const VERSIONS: [&str; 4] = ["6", "10", "11", "12"];
const STEPS: usize = 30;
/// Histories that are made at the same time.
const AT_ONCE: usize = 4;
/// Deliveries after which a test is taken to be caught in a loop.
const DELIVERIES_MAX: usize = 20_000;

struct Dice(SeededRandom);

impl Dice {
    fn roll(&self, sides: usize) -> usize {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        u32::from_le_bytes(bytes) as usize % sides
    }

    fn pick<'a, T>(&self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len())]
    }
}

type Link = (OwnedServerName, OwnedServerName);

struct World {
    dice: Dice,
    network: Network,
    towns: Vec<Town>,
    room: OwnedRoomId,
    /// What is on its way, in order for each pair of towns.
    links: HashMap<Link, VecDeque<String>>,
    cut: Vec<Link>,
}

impl World {
    async fn new(seed: u64) -> Self {
        let dice = Dice(SeededRandom::new(seed));
        let network = Network::default();
        let towns: Vec<Town> = TOWNS.iter().map(|name| network.town(name)).collect();
        let version = dice.pick(&VERSIONS);
        let creator = towns[0].actor("anne");
        let room = towns[0].room(&creator, version, Preset::PublicChat).await;
        let mut users = BTreeMap::from([(towns[1].actor("anne").user, 100), (towns[1].actor("bob").user, 50)]);
        if *version != "12" {
            users.insert(creator.user.clone(), 100);
        }
        let powers = json!({ "users": users, "invite": 0, "events": { "m.room.topic": 0 } });
        towns[0].set(&creator, &room, "m.room.power_levels", powers).await;
        for town in &towns[1..] {
            town.join(&town.actor("anne"), &room, &[&towns[0]]).await.unwrap();
            network.deliver().await;
        }
        Self { dice, network, towns, room, links: HashMap::new(), cut: Vec::new() }
    }

    /// One thing that somebody does, or that the wire does.
    async fn step(&mut self, number: usize) {
        let town = self.dice.pick(&self.towns).clone();
        let actor = town.actor(self.dice.pick::<&str>(&AGENTS));
        let target = self.dice.pick(&self.towns).actor(self.dice.pick::<&str>(&AGENTS));
        let (rooms, room) = (&town.rooms, &self.room);
        // What the rules refuse is refused: that, too, must be the same everywhere.
        let done: Result<(), rooms::Error> = match self.dice.roll(14) {
            0 | 1 => town.try_say(&actor, room, &format!("message {number}")).await.map(drop),
            2 | 3 => town
                .try_set(&actor, room, "m.room.topic", json!({ "topic": format!("topic {number}") }))
                .await
                .map(drop),
            4 => town.try_set(&actor, room, "m.room.name", json!({ "name": format!("name {number}") })).await.map(drop),
            5 => rooms.kick(&actor, room, &target.user, None).await,
            6 => rooms.ban(&actor, room, &target.user, None).await,
            7 => rooms.unban(&actor, room, &target.user, None).await,
            8 => rooms.leave(&actor, room, None).await,
            9 | 10 => town.join(&actor, room, &self.towns.iter().collect::<Vec<_>>()).await,
            11 => self.change_powers(&town, &actor, &target).await,
            12 => {
                let rule = self.dice.pick(&["public", "public", "invite"]);
                town.try_set(&actor, room, "m.room.join_rules", json!({ "join_rule": rule })).await.map(drop)
            }
            _ => {
                self.cut_or_mend();
                Ok(())
            }
        };
        drop(done);
        self.collect();
        for _ in 0..self.dice.roll(4) {
            self.deliver_one().await;
        }
    }

    async fn change_powers(&self, town: &Town, actor: &Actor, target: &Actor) -> Result<(), rooms::Error> {
        let Some(now) = town.rooms.current_state(&self.room, "m.room.power_levels", "")? else { return Ok(()) };
        let mut content: serde_json::Value = now.pdu.content_as()?;
        content["users"][target.user.as_str()] = json!(self.dice.pick(&[0, 50, 100]));
        town.try_set(actor, &self.room, "m.room.power_levels", content).await.map(drop)
    }

    fn cut_or_mend(&mut self) {
        if !self.cut.is_empty() && self.dice.roll(2) == 0 {
            let index = self.dice.roll(self.cut.len());
            let (a, b) = self.cut.remove(index);
            self.network.mend(&a, &b);
            return;
        }
        let (a, b) = (self.dice.pick(&self.towns).name.clone(), self.dice.pick(&self.towns).name.clone());
        if a != b {
            self.network.cut(&a, &b);
            self.cut.push((a, b));
        }
    }

    /// Takes what the towns have for each other onto the links.
    fn collect(&mut self) {
        for town in &self.towns {
            for (to, pdu) in town.outgoing() {
                self.links.entry((town.name.clone(), to)).or_default().push_back(pdu);
            }
        }
    }

    /// Delivers the first of some link that is not cut; false if there is nothing to deliver.
    async fn deliver_one(&mut self) -> bool {
        let mut open: Vec<Link> =
            self.links.iter().filter(|(_, waiting)| !waiting.is_empty()).map(|(l, _)| l.clone()).collect();
        open.retain(|(a, b)| !self.network.is_cut(a, b));
        open.sort();
        if open.is_empty() {
            return false;
        }
        let link = self.dice.pick(&open).clone();
        let Some(pdu) = self.links.get_mut(&link).and_then(VecDeque::pop_front) else { return false };
        let to = self.towns.iter().find(|town| town.name == link.1).unwrap();
        to.rooms.receive(&link.0, vec![pdu]).await;
        self.collect();
        true
    }

    async fn settle(&mut self) {
        for (a, b) in std::mem::take(&mut self.cut) {
            self.network.mend(&a, &b);
        }
        self.collect();
        for _ in 0..DELIVERIES_MAX {
            if !self.deliver_one().await {
                return;
            }
        }
        panic!("events go round in circles");
    }

    /// The towns that agree that they are in the room together. Whoever is put out while the wire is cut may never hear of it:
    /// nobody has to tell them any more.
    fn together(&self) -> Vec<Town> {
        let knows = |a: &Town, b: &Town| a.rooms.has_server(&self.room, &b.name).unwrap_or(false);
        let mut together: Vec<Town> = Vec::new();
        for town in &self.towns {
            if knows(town, town) && together.iter().all(|other| knows(town, other) && knows(other, town)) {
                together.push(town.clone());
            }
        }
        together
    }

    /// Every town says one last thing: whatever was missed is found by it.
    async fn last_words(&mut self) {
        for _ in 0..2 {
            for town in self.together() {
                for agent in AGENTS {
                    let said = town.try_say(&town.actor(agent), &self.room, "the end").await;
                    if said.is_ok() {
                        break;
                    }
                }
            }
            self.settle().await;
        }
    }
}

/// How many towns were compared in the end.
async fn run(seed: u64) -> usize {
    let mut world = World::new(seed).await;
    for number in 0..STEPS {
        world.step(number).await;
    }
    world.settle().await;
    world.last_words().await;
    let present = world.together();
    let Some(first) = present.first() else { return 0 };
    let expected = first.state(&world.room);
    let joined = |town: &Town| -> Vec<String> {
        let members = town.rooms.members(&world.room).unwrap();
        let joined = members.into_iter().filter(|member| member.membership == Membership::Join);
        joined.map(|member| member.user.to_string()).collect()
    };
    for town in &present {
        let state = town.state(&world.room);
        let differs: Vec<_> = expected
            .iter()
            .filter(|(key, id)| state.get(*key) != Some(*id))
            .map(|(key, _)| key)
            .chain(state.keys().filter(|key| !expected.contains_key(*key)))
            .collect();
        assert!(differs.is_empty(), "seed {seed}: {} and {} differ in {differs:?}", first.name, town.name);
        assert_eq!(joined(town), joined(first), "seed {seed}: members of {} and {}", town.name, first.name);
        let (counted, _) = town.rooms.member_counts(&world.room).unwrap();
        assert_eq!(counted, joined(town).len() as u64, "seed {seed}: the count of {}", town.name);
    }
    present.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn towns_agree_once_all_is_delivered() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seeds: Vec<u64> = match number("CONVERGENCE_SEED") {
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
