//! Forks of a room and what becomes of them.

mod reference;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::fixture::{ALICE, BOB, CAROL, Room, version};

/// All events of the branches, and the state that their ends resolve to.
fn merge(branches: &[&Room]) -> Result<StateMap> {
    let events: HashMap<_, _> = branches.iter().flat_map(|room| room.events.clone()).collect();
    let states: Vec<StateMap> = branches.iter().map(|room| room.state.clone()).collect();
    let chains = branches.iter().map(|room| room.auth_chain()).collect();
    resolve(branches[0].version, &states, chains, |id| events.get(id).cloned())
}

fn id_of(state: &StateMap, kind: &str, key: &str) -> Option<OwnedEventId> {
    state.get(&(kind.to_owned(), key.to_owned())).cloned()
}

fn member(membership: &str) -> Value {
    json!({ "membership": membership })
}

#[test]
fn what_all_agree_on_stays_and_one_state_resolves_to_itself() {
    for version in RoomVersion::all() {
        let mut room = Room::busy(version);
        room.send(ALICE, "org.example.thing", Some("x"), json!({"n": 1}));
        assert_eq!(merge(&[&room]).unwrap(), room.state, "{version}");
        assert_eq!(merge(&[&room, &room.clone()]).unwrap(), room.state, "{version}");
        let mut newer = room.clone();
        let topic = newer.send(BOB, "m.room.topic", Some(""), json!({"topic": "x"}));
        // New on one side only: nothing disputes it.
        let resolved = merge(&[&room, &newer]).unwrap();
        assert_eq!(id_of(&resolved, "m.room.topic", "").as_deref(), Some(topic.event_id()), "{version}");
        assert_eq!(resolved, newer.state, "{version}");
    }
}

#[test]
fn a_ban_wins_over_what_the_banned_did_meanwhile() {
    for version in RoomVersion::all() {
        let mut room = Room::busy(version);
        room.send(ALICE, "m.room.topic", Some(""), json!({"topic": "before"}));
        let (mut ours, mut theirs) = (room.clone(), room.clone());
        let ban = ours.send(ALICE, "m.room.member", Some(BOB), member("ban"));
        for n in 0..3 {
            theirs.send(BOB, "m.room.topic", Some(""), json!({"topic": n}));
        }
        theirs.send(BOB, "m.room.member", Some(CAROL), member("leave"));
        let resolved = merge(&[&ours, &theirs]).unwrap();
        assert_eq!(id_of(&resolved, "m.room.member", BOB).as_deref(), Some(ban.event_id()), "{version}");
        if version > RoomVersion::V1 {
            assert_eq!(id_of(&resolved, "m.room.topic", ""), id_of(&room.state, "m.room.topic", ""), "{version}");
            assert_eq!(
                id_of(&resolved, "m.room.member", CAROL),
                id_of(&room.state, "m.room.member", CAROL),
                "{version}"
            );
        }
    }
}

#[test]
fn whoever_lost_power_meanwhile_changed_nothing() {
    for version in RoomVersion::all().skip(1) {
        let room = Room::busy(version);
        let (mut ours, mut theirs) = (room.clone(), room.clone());
        let mut levels: Value = room.state_event("m.room.power_levels", "").unwrap().content_as().unwrap();
        levels["users"][BOB] = 0.into();
        let demoted = ours.send(ALICE, "m.room.power_levels", Some(""), levels.clone());
        theirs.now += 1_000_000;
        levels["users"][BOB] = 50.into();
        levels["users"][CAROL] = 50.into();
        theirs.send(BOB, "m.room.power_levels", Some(""), levels);
        theirs.send(CAROL, "m.room.name", Some(""), json!({"name": "mine"}));
        let resolved = merge(&[&theirs, &ours]).unwrap();
        assert_eq!(id_of(&resolved, "m.room.power_levels", "").as_deref(), Some(demoted.event_id()), "{version}");
        assert_eq!(id_of(&resolved, "m.room.name", ""), None, "{version}");
    }
}

/// Room version 1: the deepest event wins among the allowed, of equal depth the one with the smallest SHA-1 of its id.
#[test]
fn version_1_takes_the_deepest() {
    let mut room = Room::busy(RoomVersion::V1);
    room.send(ALICE, "m.room.topic", Some(""), json!({"topic": "before"}));
    let (mut short, mut long) = (room.clone(), room.clone());
    short.now += 1_000_000;
    let shallow = short.send(BOB, "m.room.topic", Some(""), json!({"topic": "short"}));
    long.send(BOB, "m.room.message", None, json!({}));
    let deep = long.send(BOB, "m.room.topic", Some(""), json!({"topic": "long"}));
    assert!(deep.depth() > shallow.depth());
    let resolved = merge(&[&short, &long]).unwrap();
    assert_eq!(id_of(&resolved, "m.room.topic", "").as_deref(), Some(deep.event_id()));

    let mut equal = room.clone();
    let other = equal.send(BOB, "m.room.topic", Some(""), json!({"topic": "equal"}));
    assert_eq!(other.depth(), shallow.depth());
    let digest = |event: &Pdu| -> [u8; 20] {
        use sha1::Digest;
        sha1::Sha1::digest(event.event_id().as_bytes()).into()
    };
    let expected = if digest(&other) < digest(&shallow) { &other } else { &shallow };
    let resolved = merge(&[&short, &equal]).unwrap();
    assert_eq!(id_of(&resolved, "m.room.topic", "").as_deref(), Some(expected.event_id()));
}

/// Room version 1: power levels first, each judged by the one before; what is left is judged by who has the power then.
#[test]
fn version_1_settles_power_before_all_else() {
    let room = Room::busy(RoomVersion::V1);
    let (mut ours, mut theirs) = (room.clone(), room.clone());
    let mut levels: Value = room.state_event("m.room.power_levels", "").unwrap().content_as().unwrap();
    levels["users"][BOB] = 0.into();
    let first = ours.send(ALICE, "m.room.power_levels", Some(""), levels.clone());
    ours.send(ALICE, "m.room.topic", Some(""), json!({"topic": "ours"}));
    // Deeper, but by one whom the shallower power levels left without the power.
    theirs.send(BOB, "m.room.message", None, json!({}));
    levels["users"][BOB] = 50.into();
    levels["users"][CAROL] = 50.into();
    theirs.send(BOB, "m.room.power_levels", Some(""), levels);
    theirs.send(CAROL, "m.room.topic", Some(""), json!({"topic": "theirs"}));
    let resolved = merge(&[&theirs, &ours]).unwrap();
    assert_eq!(id_of(&resolved, "m.room.power_levels", "").as_deref(), Some(first.event_id()));
    assert_eq!(id_of(&resolved, "m.room.topic", ""), id_of(&ours.state, "m.room.topic", ""));
}

#[test]
fn the_subgraph_is_what_lies_between_conflicted_events() {
    let mut room = Room::busy(RoomVersion::V12);
    let levels: Value = room.state_event("m.room.power_levels", "").unwrap().content_as().unwrap();
    let first = room.state_event("m.room.power_levels", "").unwrap();
    let second = room.send(ALICE, "m.room.power_levels", Some(""), levels.clone());
    let third = room.send(ALICE, "m.room.power_levels", Some(""), levels);
    let beside = room.send(BOB, "m.room.topic", Some(""), json!({}));
    let id = |event: &Pdu| event.event_id().to_owned();
    let between = |ids: &[OwnedEventId]| subgraph::between(ids.iter(), room.fetch());
    assert_eq!(between(&[id(&third), id(&first)]), HashSet::from([id(&first), id(&second), id(&third)]));
    assert_eq!(between(&[id(&third)]), HashSet::from([id(&third)]));
    assert_eq!(between(&[id(&beside), id(&second)]), HashSet::from([id(&beside), id(&third), id(&second)]));
    assert_eq!(between(&[]), HashSet::new());
}

/// Hazard S1: what version 12 replays between two states of which one is a reset (MSC4297), and older versions do not.
#[test]
fn power_that_was_passed_on_survives_a_reset_since_version_12() {
    for version in [RoomVersion::V11, RoomVersion::V12] {
        let mut room = Room::busy(version);
        let first = room.state_event("m.room.power_levels", "").unwrap();
        let mut levels: Value = first.content_as().unwrap();
        levels["users"][CAROL] = 50.into();
        room.send(BOB, "m.room.power_levels", Some(""), levels.clone());
        // Both states cite these power levels, by way of what was said under them: they are in no auth difference.
        room.send(BOB, "m.room.topic", Some(""), json!({"topic": "x"}));
        levels["users"]["@dan:four.example"] = 50.into();
        let last = room.send(CAROL, "m.room.power_levels", Some(""), levels);
        let mut reset = room.clone();
        reset.state.insert(("m.room.power_levels".into(), String::new()), first.event_id().to_owned());
        let resolved = merge(&[&reset, &room]).unwrap();
        let expected = if version == RoomVersion::V12 { &last } else { &first };
        assert_eq!(id_of(&resolved, "m.room.power_levels", "").as_deref(), Some(expected.event_id()), "{version}");
    }
}

/// The same of the state that all agree on: since version 12 it does not judge what was there before it.
#[test]
fn a_member_survives_a_reset_after_the_door_was_closed_since_version_12() {
    const DAN: &str = "@dan:four.example";
    for version in [RoomVersion::V11, RoomVersion::V12] {
        let mut room = Room::busy(version);
        room.send(DAN, "m.room.member", Some(DAN), member("join"));
        room.send(ALICE, "m.room.join_rules", Some(""), json!({"join_rule": "invite"}));
        let mut reset = room.clone();
        reset.state.remove(&("m.room.member".to_owned(), DAN.to_owned())).unwrap();
        let resolved = merge(&[&room, &reset]).unwrap();
        assert_eq!(id_of(&resolved, "m.room.member", DAN).is_some(), version == RoomVersion::V12, "{version}");
    }
}

#[test]
fn what_cannot_be_found_is_an_error_or_counts_for_nothing_but_never_a_panic() {
    for version in RoomVersion::all() {
        let room = Room::busy(version);
        let (mut ours, mut theirs) = (room.clone(), room.clone());
        ours.send(ALICE, "m.room.member", Some(BOB), member("ban"));
        theirs.send(BOB, "m.room.topic", Some(""), json!({}));
        let states = [ours.state.clone(), theirs.state.clone()];
        let chains = vec![ours.auth_chain(), theirs.auth_chain()];
        let _ = resolve(version, &states, chains, |_| None);
        let resolved = resolve(version, &[], vec![], |_| None).unwrap();
        assert!(resolved.is_empty());
    }
}

/// Hazard S4: an event that was rejected is nobody's state, though a hostile server has it in the state that it sends and
/// the rules would allow it there.
#[test]
fn a_rejected_event_never_wins() {
    for version in RoomVersion::all() {
        let mut room = Room::busy(version);
        let before = room.send(ALICE, "m.room.topic", Some(""), json!({"topic": "before"}));
        let mut levels: Value = room.state_event("m.room.power_levels", "").unwrap().content_as().unwrap();
        levels["users"][CAROL] = 50.into();
        for (kind, key, content) in [
            ("m.room.topic", "", json!({"topic": "rejected"})),
            ("org.example.new", "", json!({})),
            ("m.room.power_levels", "", levels),
            ("m.room.member", CAROL, member("ban")),
        ] {
            let (mut ours, mut theirs) = (room.clone(), room.clone());
            let event = theirs.send(BOB, kind, Some(key), content);
            assert_eq!(merge(&[&ours, &theirs]).unwrap(), theirs.state, "{version} {kind}: it would win");
            let rejected = Arc::new((*event).clone().with_rejected(true));
            theirs.events.insert(rejected.event_id().to_owned(), rejected);
            assert_eq!(merge(&[&ours, &theirs]).unwrap(), room.state, "{version} {kind}");
            // Nor does it keep out what is disputed beside it.
            ours.now += 1_000_000;
            let topic = ours.send(ALICE, "m.room.topic", Some(""), json!({"topic": "after"}));
            assert_ne!(before.event_id(), topic.event_id());
            assert_eq!(merge(&[&theirs, &ours]).unwrap(), ours.state, "{version} {kind}");
        }
    }
}

/// Something that somebody does on a branch, if they may.
fn act(room: &mut Room, action: u8, who: u8, whom: u8) {
    const PEOPLE: [&str; 5] = [ALICE, BOB, CAROL, "@dan:four.example", "@eve:one.example"];
    let who = PEOPLE[usize::from(who) % PEOPLE.len()];
    let whom = PEOPLE[usize::from(whom) % PEOPLE.len()];
    let mut levels: Value =
        room.state_event("m.room.power_levels", "").and_then(|event| event.content_as().ok()).unwrap_or_default();
    let (kind, key, content) = match action % 10 {
        0 => ("m.room.topic", "", json!({"topic": room.now})),
        1 => ("m.room.name", "", json!({"name": who})),
        2 => ("m.room.member", whom, member("leave")),
        3 => ("m.room.member", whom, member("ban")),
        4 => ("m.room.member", who, member("join")),
        5 => ("m.room.member", whom, member("invite")),
        6 => ("m.room.join_rules", "", json!({"join_rule": if action > 127 { "public" } else { "invite" }})),
        7 | 8 => {
            // Much that can be passed on: who has 50 may make it 50 for others.
            levels["users"][whom] = [0, 25, 50, 50, 100][usize::from(action / 10) % 5].into();
            ("m.room.power_levels", "", levels)
        }
        _ => ("org.example.state", who, json!({"n": action})),
    };
    if let Ok(event) = room.check(room.draft(who, kind, Some(key), content)) {
        room.apply(event);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// However the branches are ordered, and however often one is named, the state is the same; and what all branches
    /// agree on is kept.
    #[test]
    fn the_order_of_the_branches_does_not_matter(
        number in prop::sample::select(vec![1_usize, 2, 6, 10, 11, 12]),
        before in prop::collection::vec(any::<(u8, u8, u8)>(), 0..6),
        branches in prop::collection::vec(prop::collection::vec(any::<(u8, u8, u8)>(), 0..8), 2..5),
        seed in any::<u64>(),
    ) {
        let mut room = Room::busy(version(number));
        for (action, who, whom) in before {
            act(&mut room, action, who, whom);
        }
        let rooms: Vec<Room> = branches
            .iter()
            .zip(0_u64..)
            .map(|(actions, index)| {
                let mut room = room.clone();
                // Clocks differ: some branches even happen at the same times.
                room.now += (index % 2) * 500;
                for (action, who, whom) in actions {
                    act(&mut room, *action, *who, *whom);
                }
                room
            })
            .collect();
        let mut order: Vec<&Room> = rooms.iter().collect();
        let resolved = merge(&order).unwrap();
        order.reverse();
        prop_assert_eq!(&merge(&order).unwrap(), &resolved);
        let length = order.len();
        order.rotate_left(usize::try_from(seed % 7).unwrap() % length);
        order.swap(0, length - 1);
        prop_assert_eq!(&merge(&order).unwrap(), &resolved);
        order.push(order[0]);
        prop_assert_eq!(&merge(&order).unwrap(), &resolved);
        let states: Vec<StateMap> = rooms.iter().map(|room| room.state.clone()).collect();
        for (key, id) in agreed(&states) {
            prop_assert_eq!(resolved.get(&key), Some(&id));
        }
    }
}
