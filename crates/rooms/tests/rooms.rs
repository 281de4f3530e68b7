//! Rooms at their boundary: what a user does, what is stored then, what others see.

use std::sync::Arc;

use events::Signer;
use kernel::{
    Clock, Position, Timestamp,
    clock::FakeClock,
    id::{OwnedRoomId, OwnedUserId},
    random::SeededRandom,
};
use rooms::{Actor, Boundary, CreateRoom, Error, Membership, NewEvent, Preset, Rooms, Settings, Standing};
use serde_json::{json, value::to_raw_value};
use store::{Direction, Scope, Store, memory::Memory};

struct House {
    rooms: Rooms,
    clock: Arc<FakeClock>,
}

fn house(engine: &Memory) -> House {
    let store = Store::open(engine.clone()).unwrap();
    let scope = Scope::new(&store, kernel::TenantId(1)).unwrap();
    let clock = Arc::new(FakeClock::at(Timestamp(1_800_000_000_000)));
    let server = kernel::id::OwnedServerName::try_from("metz.example").unwrap();
    let secret = Signer::generate_secret(&SeededRandom::new(7));
    let signer = Signer::from_secret(server.clone(), "a", &secret).unwrap();
    let random = Arc::new(SeededRandom::new(1));
    let rooms =
        Rooms::open(scope, server, signer, clock.clone(), random, Settings::default(), Arc::new(rooms::Offline));
    House { rooms, clock }
}

fn actor(name: &str) -> Actor {
    let user = OwnedUserId::try_from(format!("@{name}:metz.example")).unwrap();
    Actor { user, display_name: Some(format!("{name} [Metz]")), avatar_url: None }
}

fn message(text: &str) -> NewEvent {
    let content = to_raw_value(&json!({ "msgtype": "m.text", "body": text })).unwrap();
    NewEvent { event_type: "m.room.message".to_owned(), content, state_key: None, redacts: None }
}

impl House {
    async fn room(&self, creator: &Actor, preset: Preset) -> OwnedRoomId {
        let request = CreateRoom { preset: Some(preset), name: Some("Mairie".to_owned()), ..CreateRoom::default() };
        self.rooms.create(creator, request).await.unwrap()
    }

    fn bodies(&self, room: &OwnedRoomId, user: &Actor) -> Vec<String> {
        let mut viewer = self.rooms.viewer(room, &user.user).unwrap();
        let page = self
            .rooms
            .page(&mut viewer, Boundary::at(Position::START), None, Direction::Forward, 1_000, |event| {
                event.pdu.kind() == "m.room.message"
            })
            .unwrap();
        let body = |content: &serde_json::value::RawValue| {
            let content: serde_json::Value = serde_json::from_str(content.get()).unwrap();
            content["body"].as_str().unwrap_or("pruned").to_owned()
        };
        page.events.iter().map(|event| body(event.pdu.content())).collect()
    }
}

#[tokio::test]
async fn two_agents_talk_in_every_room_version() {
    let engine = Memory::new();
    let house = house(&engine);
    let (anne, bob) = (actor("anne"), actor("bob"));
    for version in events::RoomVersion::all() {
        let request = CreateRoom {
            version: Some(version.as_str().to_owned()),
            preset: Some(Preset::PrivateChat),
            invite: vec![bob.clone()],
            ..CreateRoom::default()
        };
        let room = house.rooms.create(&anne, request).await.unwrap();
        let invited = house.rooms.rooms_of(&bob.user).unwrap()[&room].clone();
        assert_eq!(invited.room.membership, Membership::Invite);
        assert!(invited.room.stripped.iter().any(|event| event.contains("m.room.create")), "{version}");
        house.rooms.join(&bob, &room, None).await.unwrap();
        house.rooms.send(&bob, &room, message("bonjour"), None).await.unwrap();
        assert_eq!(house.bodies(&room, &anne), ["bonjour"], "{version}");
        assert_eq!(house.rooms.member_counts(&room).unwrap(), (2, 0));
    }
}

#[tokio::test]
async fn a_refused_event_leaves_nothing_behind() {
    let engine = Memory::new();
    let house = house(&engine);
    let (anne, eve) = (actor("anne"), actor("eve"));
    let room = house.room(&anne, Preset::PrivateChat).await;
    let before = house.rooms.position();
    assert!(matches!(house.rooms.send(&eve, &room, message("psst"), None).await, Err(Error::Denied(_))));
    assert!(matches!(house.rooms.join(&eve, &room, None).await, Err(Error::Denied(_))));
    let float = NewEvent { content: to_raw_value(&json!({ "body": 1.5 })).unwrap(), ..message("") };
    assert!(matches!(house.rooms.send(&anne, &room, float, None).await, Err(Error::Invalid(_))));
    let large = message(&"x".repeat(70_000));
    assert!(matches!(house.rooms.send(&anne, &room, large, None).await, Err(Error::TooLarge(_))));
    assert_eq!(house.rooms.position(), before);
    assert_eq!(house.rooms.rooms_of(&eve.user).unwrap().len(), 0);
    assert!(matches!(house.rooms.standing(&room, &eve.user), Err(Error::NotMember)));
    house.rooms.send(&anne, &room, message("still here"), None).await.unwrap();
    assert_eq!(house.bodies(&room, &anne), ["still here"]);
}

#[tokio::test]
async fn a_transaction_makes_one_event_also_after_a_restart() {
    let engine = Memory::new();
    let first = house(&engine);
    let anne = actor("anne");
    let room = first.room(&anne, Preset::PrivateChat).await;
    let transaction = || Some(("DEVICE".into(), "txn1".into()));
    let (a, b) = tokio::join!(
        first.rooms.send(&anne, &room, message("once"), transaction()),
        first.rooms.send(&anne, &room, message("once"), transaction())
    );
    let event = a.unwrap();
    assert_eq!(event, b.unwrap());
    let position = first.rooms.position();
    drop(first);
    let second = house(&engine);
    assert_eq!(second.rooms.position(), position, "no position is given out twice");
    assert_eq!(second.rooms.send(&anne, &room, message("once"), transaction()).await.unwrap(), event);
    second.rooms.send(&anne, &room, message("twice"), None).await.unwrap();
    assert_eq!(second.bodies(&room, &anne), ["once", "twice"]);
}

#[tokio::test]
async fn a_redaction_prunes_and_the_one_without_power_does_not() {
    let engine = Memory::new();
    let house = house(&engine);
    let (anne, bob) = (actor("anne"), actor("bob"));
    let room = house.room(&anne, Preset::PublicChat).await;
    house.rooms.join(&bob, &room, None).await.unwrap();
    let target = house.rooms.send(&anne, &room, message("secret"), None).await.unwrap();
    let redaction = || NewEvent {
        event_type: "m.room.redaction".to_owned(),
        content: to_raw_value(&json!({ "reason": "oups" })).unwrap(),
        state_key: None,
        redacts: Some(target.clone()),
    };
    assert!(matches!(house.rooms.send(&bob, &room, redaction(), None).await, Err(Error::Denied(_))));
    assert_eq!(house.bodies(&room, &bob), ["secret"]);
    house.rooms.send(&anne, &room, redaction(), None).await.unwrap();
    assert_eq!(house.bodies(&room, &bob), ["pruned"]);
    let event = house.rooms.visible_event(&room, &bob.user, &target).unwrap();
    let mut viewer = house.rooms.viewer(&room, &bob.user).unwrap();
    let shown = house.rooms.render(&mut viewer, &event, rooms::Render::default()).unwrap();
    assert!(shown.get().contains("redacted_because") && !shown.get().contains("secret"));
}

#[tokio::test]
async fn who_left_sees_what_was_until_then() {
    let engine = Memory::new();
    let house = house(&engine);
    let (anne, bob) = (actor("anne"), actor("bob"));
    let room = house.room(&anne, Preset::PublicChat).await;
    house.rooms.send(&anne, &room, message("before"), None).await.unwrap();
    house.rooms.join(&bob, &room, None).await.unwrap();
    house.rooms.send(&anne, &room, message("together"), None).await.unwrap();
    house.rooms.leave(&bob, &room, None).await.unwrap();
    house.clock.advance(std::time::Duration::from_secs(1));
    house.rooms.send(&anne, &room, message("after"), None).await.unwrap();
    assert_eq!(house.bodies(&room, &bob), ["before", "together"]);
    assert!(matches!(house.rooms.standing(&room, &bob.user), Ok(Standing::Left { .. })));
    house.rooms.forget(&bob.user, &room).await.unwrap();
    assert!(matches!(house.rooms.standing(&room, &bob.user), Err(Error::NotMember)));
    house.rooms.join(&bob, &room, None).await.unwrap();
    assert_eq!(house.bodies(&room, &bob), ["before", "together", "after"]);
}

#[tokio::test]
async fn an_upgrade_replaces_the_room_and_moves_its_alias() {
    let engine = Memory::new();
    let house = house(&engine);
    let (anne, bob) = (actor("anne"), actor("bob"));
    let alias = kernel::id::OwnedRoomAliasId::try_from("#mairie:metz.example").unwrap();
    let request = CreateRoom {
        version: Some("10".to_owned()),
        preset: Some(Preset::PublicChat),
        alias: Some(alias.clone()),
        ..CreateRoom::default()
    };
    let old = house.rooms.create(&anne, request.clone()).await.unwrap();
    assert!(matches!(house.rooms.create(&anne, request).await, Err(Error::AliasTaken)));
    house.rooms.join(&bob, &old, None).await.unwrap();
    assert!(matches!(house.rooms.upgrade(&bob, &old, "12", &[]).await, Err(Error::Denied(_))));
    let new = house.rooms.upgrade(&anne, &old, "12", &[]).await.unwrap();
    assert_eq!(house.rooms.resolve_alias(&alias).unwrap().unwrap(), new);
    let tombstone = house.rooms.current_state(&old, "m.room.tombstone", "").unwrap().unwrap();
    assert!(tombstone.pdu.content().get().contains(new.as_str()));
    assert!(matches!(house.rooms.send(&bob, &old, message("hello?"), None).await, Err(Error::Denied(_))));
    house.rooms.join(&bob, &new, None).await.unwrap();
}

#[tokio::test]
async fn many_writers_of_one_room_keep_one_line() {
    let engine = Memory::new();
    let house = house(&engine);
    let anne = actor("anne");
    let room = house.room(&anne, Preset::PublicChat).await;
    let writers = (0..32).map(|i| {
        let (rooms, room) = (house.rooms.clone(), room.clone());
        tokio::spawn(async move {
            let agent = actor(&format!("agent{i}"));
            rooms.join(&agent, &room, None).await.unwrap();
            for n in 0..4 {
                rooms.send(&agent, &room, message(&format!("{i}.{n}")), None).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(house.bodies(&room, &anne).len(), 128);
    assert_eq!(house.rooms.member_counts(&room).unwrap(), (33, 0));
    let mut viewer = house.rooms.viewer(&room, &anne.user).unwrap();
    let all = house
        .rooms
        .page(&mut viewer, Boundary::at(Position::START), None, Direction::Forward, 1_000, |_| true)
        .unwrap()
        .events;
    for pair in all.windows(2) {
        assert_eq!(pair[1].pdu.prev_events(), [pair[0].pdu.event_id().to_owned()], "each event follows the one before");
        assert_eq!(pair[1].state_before, pair[0].room_state);
    }
    assert!(house.clock.now() > Timestamp(0));
}
