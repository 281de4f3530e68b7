//! A large room is come in to in small commits, of which nothing is seen before the last, wherever they are cut short.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use kernel::id::{OwnedEventId, OwnedUserId, RoomId};
use rooms::{Actor, JoinAnswer, Membership, Preset, RemoteResult, Standing};
use serde_json::json;
use store::{
    Direction, Error, Kv, Result, Space,
    kv::{Range, Read, Row, Write},
    memory::Memory,
};

use crate::wire::{Lies, Network, Town};

/// Members of the large room; more than one commit indexes.
const MEMBERS: usize = 2_200;
/// Members that one attempt to join is not told of, each time others.
const UNTOLD: usize = 10;
const ROWS_MAX: usize = 5_000;

/// A disk that breaks when it is told to, and knows the most rows that it was given at once.
#[derive(Clone, Default)]
struct Disk {
    memory: Memory,
    most: Arc<AtomicUsize>,
    /// Commits until it breaks, the last of them lost; 0 for never.
    breaks: Arc<AtomicUsize>,
}

impl Read for Disk {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>> {
        Read::get(&self.memory, space, key)
    }

    fn multi_get(&self, space: Space, keys: &[Vec<u8>]) -> Result<Vec<Option<Bytes>>> {
        self.memory.multi_get(space, keys)
    }

    fn scan(&self, space: Space, range: &Range, limit: usize, direction: Direction) -> Result<Vec<Row>> {
        self.memory.scan(space, range, limit, direction)
    }
}

impl Kv for Disk {
    fn commit(&self, writes: &[Write]) -> Result<()> {
        self.most.fetch_max(writes.len(), Ordering::SeqCst);
        match self.breaks.load(Ordering::SeqCst) {
            0 => {}
            1 => return Err(Error::Engine("a broken disk".to_owned())),
            left => self.breaks.store(left - 1, Ordering::SeqCst),
        }
        self.memory.commit(writes)
    }

    fn snapshot(&self) -> Box<dyn Read + '_> {
        self.memory.snapshot()
    }
}

/// The join of one who comes to the room by way of Metz, as Metz tells it.
struct Newcomer {
    user: OwnedUserId,
    event_id: OwnedEventId,
    json: String,
}

fn newcomers(metz: &Town, room: &RoomId) -> Arc<Vec<Newcomer>> {
    let state = metz.state(room);
    let now = |kind: &str| state[&(kind.to_owned(), String::new())].clone();
    let auth_events = ["m.room.create", "m.room.power_levels", "m.room.join_rules"].map(now);
    let newcomer = |n: usize| {
        let user = OwnedUserId::try_from(format!("@newcomer{n}:metz.example")).unwrap();
        let mut event = json!({
            "type": "m.room.member", "room_id": room, "sender": user, "state_key": user, "content": { "membership": "join" },
            "prev_events": [auth_events[0]], "auth_events": auth_events, "depth": 9, "origin_server_ts": 1_800_000_000_000_u64,
        });
        metz.forge(&mut event, "11");
        let json = event.to_string();
        let event_id =
            events::Pdu::parse(&json, events::RoomVersion::parse("11").unwrap()).unwrap().event_id().to_owned();
        Newcomer { user, event_id, json }
    };
    Arc::new((0..MEMBERS).map(newcomer).collect())
}

/// Has Metz tell who joins of these newcomers, but for those at `untold`.
fn tell(network: &Network, metz: &Town, newcomers: &Arc<Vec<Newcomer>>, untold: std::ops::Range<usize>) {
    let newcomers = newcomers.clone();
    let joined = move |answer: RemoteResult<JoinAnswer>| {
        let mut answer = answer?;
        let told = newcomers.iter().enumerate().filter(|(n, _)| !untold.contains(n));
        answer.state.extend(told.map(|(_, newcomer)| newcomer.json.clone()));
        Ok(answer)
    };
    network.lie(metz, Lies { joined: Some(Box::new(joined)), ..Lies::default() });
}

/// All that the indexes say of the room is what its state is.
fn assert_whole(
    town: &Town,
    room: &RoomId,
    told: &HashMap<(String, String), OwnedEventId>,
    joined: &BTreeSet<OwnedUserId>,
) {
    assert_eq!(&town.state(room), told);
    for ((kind, key), id) in told {
        let now = town.rooms.current_state(room, kind, key).unwrap().unwrap();
        assert_eq!(now.pdu.event_id(), id, "{kind} {key}");
    }
    let members = town.rooms.members(room).unwrap();
    assert!(members.iter().all(|member| member.membership == Membership::Join));
    assert_eq!(&members.into_iter().map(|member| member.user).collect::<BTreeSet<_>>(), joined);
    assert_eq!(town.rooms.member_counts(room).unwrap(), (joined.len() as u64, 0));
    assert_eq!(town.rooms.servers(room).unwrap().len(), 2);
}

/// Joins again and again: the first attempt fails at its first commit, the second at its second, and so on, each with a new start
/// of the process. Returns how many failed.
async fn join_on_a_breaking_disk(was_in: bool) -> usize {
    let network = Network::default();
    let metz = network.town("metz.example");
    let anne = metz.actor("anne");
    let room = metz.room(&anne, "11", Preset::PublicChat).await;
    let disk = Disk::default();
    let mut nancy = network.town_on("nancy.example", disk.clone());
    let bob: Actor = nancy.actor("bob");
    if was_in {
        nancy.join(&bob, &room, &[&metz]).await.unwrap();
        nancy.rooms.leave(&bob, &room, None).await.unwrap();
        network.deliver().await;
    }
    let then = nancy.rooms.current_root(&room).ok();
    let newcomers = newcomers(&metz, &room);
    let mut failed = 0;
    let untold = loop {
        let untold = failed * UNTOLD..(failed + 1) * UNTOLD;
        tell(&network, &metz, &newcomers, untold.clone());
        disk.breaks.store(failed + 1, Ordering::SeqCst);
        let outcome = nancy.join(&bob, &room, &[&metz]).await;
        disk.breaks.store(0, Ordering::SeqCst);
        if outcome.is_ok() {
            break untold;
        }
        failed += 1;
        nancy = network.town_on("nancy.example", disk.clone());
        assert!(!nancy.rooms.has_server(&room, &nancy.name).unwrap(), "{failed}");
        assert_eq!(nancy.own_membership(&room, &bob.user), was_in.then_some(Membership::Leave), "{failed}");
        assert_eq!(nancy.membership(&room, &bob.user), was_in.then_some(Membership::Leave), "{failed}");
        assert_eq!(nancy.rooms.current_root(&room).ok(), then, "{failed}");
        match nancy.rooms.standing(&room, &bob.user) {
            Ok(Standing::Left { state, .. }) => assert_eq!(Some(state), then, "{failed}"),
            standing => assert!(!was_in && standing.is_err(), "{failed}: {standing:?}"),
        }
    };
    let mut told = metz.state(&room);
    let mut joined = BTreeSet::from([anne.user.clone(), bob.user.clone()]);
    for (_, newcomer) in newcomers.iter().enumerate().filter(|(n, _)| !untold.contains(n)) {
        told.insert(("m.room.member".to_owned(), newcomer.user.to_string()), newcomer.event_id.clone());
        joined.insert(newcomer.user.clone());
    }
    assert_whole(&nancy, &room, &told, &joined);
    assert_eq!(nancy.own_membership(&room, &bob.user), Some(Membership::Join));
    let most = disk.most.load(Ordering::SeqCst);
    assert!((MEMBERS / 2..ROWS_MAX).contains(&most), "rows in a commit: {most}");
    // As the next start of the process finds it.
    let nancy = network.town_on("nancy.example", disk);
    assert_whole(&nancy, &room, &told, &joined);
    failed
}

#[tokio::test]
async fn a_join_cut_short_at_any_commit_leaves_nothing_and_may_be_repeated() {
    let (new, known) = tokio::join!(join_on_a_breaking_disk(false), join_on_a_breaking_disk(true));
    assert!(new > 6 && known > 6, "commits: {new}, {known}");
}
