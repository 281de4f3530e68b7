//! What other servers may read: of rooms that they share only, and of history what one of their users might see.

use events::Pdu;
use kernel::{
    Timestamp,
    id::{EventId, OwnedEventId, OwnedRoomId, RoomId, ServerName},
};
use rooms::{Actor, CreateRoom, Error, Gap, Preset, Result};
use serde_json::{Value, json};
use store::Direction;

use crate::{
    neighbour::Neighbour,
    town::{Town, new_event},
};

const METZ: &str = "metz.example";
const LYON: &str = "lyon.example";
const NANCY: &str = "nancy.example";

/// Every question about a room (and an event of it), with the text of its answer.
fn ask_all(town: &Town, origin: &ServerName, room: &RoomId, event: &EventId) -> Vec<Result<String>> {
    let rooms = &town.rooms;
    let ids = [event.to_owned()];
    let gap = Gap { earliest: &[], latest: &ids, limit: 10, min_depth: 0 };
    vec![
        rooms.state_for(origin, room, event).map(|answer| format!("{answer:?}")),
        rooms.state_ids_for(origin, room, event).map(|answer| format!("{answer:?}")),
        rooms.auth_chain_for(origin, room, event).map(|answer| format!("{answer:?}")),
        rooms.backfill_for(origin, room, &ids, 10).map(|answer| format!("{answer:?}")),
        rooms.missing_events_for(origin, room, &gap).map(|answer| format!("{answer:?}")),
        rooms.event_by_time_for(origin, room, Timestamp(0), Direction::Forward).map(|answer| format!("{answer:?}")),
        rooms.event_for(origin, event),
    ]
}

fn told(answers: &[Result<String>]) -> Vec<String> {
    answers.iter().map(|answer| answer.as_ref().map_or_else(ToString::to_string, Clone::clone)).collect()
}

fn text(json: &str) -> Option<String> {
    let event: Value = serde_json::from_str(json).unwrap();
    event["content"]["body"].as_str().map(str::to_owned)
}

fn ids(town: &Town, room: &RoomId, jsons: &[String]) -> Vec<OwnedEventId> {
    let version = events::RoomVersion::parse(&town.rooms.summary(room).unwrap().room_version).unwrap();
    jsons.iter().map(|json| Pdu::parse(json, version).unwrap().event_id().to_owned()).collect()
}

/// A room of Anne's that Bob of Lyon is in.
async fn shared_room(town: &Town, lyon: &Neighbour<'_>, anne: &Actor, version: &str) -> (OwnedRoomId, Pdu) {
    let room = town.room(anne, version, Preset::PublicChat).await;
    let last = town.say(anne, &room, "before").await;
    let last = town.event(&room, &anne.user, &last);
    let join = lyon.become_member(&room, &lyon.user("bob"), "join", &last.pdu).await;
    (room, join)
}

#[tokio::test]
async fn strangers_learn_nothing_and_room_and_event_belong_together() {
    let town = Town::new(METZ);
    let (lyon, nancy) = (Neighbour::of(&town, LYON), Neighbour::of(&town, NANCY));
    let anne = town.actor("anne");
    let (room, join) = shared_room(&town, &lyon, &anne, "11").await;
    let (other, _) = shared_room(&town, &lyon, &anne, "11").await;
    let private = town.room(&anne, "11", Preset::PrivateChat).await;
    let foreign = town.say(&anne, &other, "elsewhere").await;
    let hidden = town.say(&anne, &private, "between us").await;
    let (nowhere, nothing) = (RoomId::parse("!nowhere:metz.example").unwrap(), EventId::parse("$nothing").unwrap());

    // A server in the room is told, one that is not is told the same of what is there and of what is not.
    assert!(ask_all(&town, lyon.name(), &room, join.event_id()).iter().all(Result::is_ok));
    let refused = ask_all(&town, nancy.name(), &room, join.event_id());
    assert!(refused.iter().all(|answer| matches!(answer, Err(Error::Denied(_) | Error::NoSuchEvent))), "{refused:?}");
    assert_eq!(told(&refused), told(&ask_all(&town, nancy.name(), &nowhere, &nothing)));

    // An event of another room, shared or not, is as unknown as one that there is not.
    let unknown = told(&ask_all(&town, lyon.name(), &room, &nothing));
    for event in [&foreign, &hidden] {
        let mut answers = told(&ask_all(&town, lyon.name(), &room, event));
        if *event == foreign {
            // Asked for by its id alone, an event of a shared room is given.
            assert_eq!(text(answers.last().unwrap()).as_deref(), Some("elsewhere"));
            answers.pop();
        }
        assert_eq!(answers, unknown[..answers.len()], "{event}");
    }

    // Who is kept out by the room's list, or has left it, is a stranger.
    town.set(&anne, &room, "m.room.server_acl", "", json!({ "allow": ["*"], "deny": ["lyon.*"] })).await;
    assert!(ask_all(&town, lyon.name(), &room, join.event_id()).iter().all(Result::is_err));
    town.rooms.kick(&anne, &other, &lyon.user("bob"), None).await.unwrap();
    assert_eq!(
        told(&ask_all(&town, lyon.name(), &other, &foreign)),
        told(&ask_all(&town, nancy.name(), &nowhere, &nothing))
    );
}

#[tokio::test]
async fn history_is_whole_where_a_user_of_the_server_might_see_it() {
    for visibility in ["world_readable", "shared", "invited", "joined"] {
        let town = Town::new(METZ);
        let lyon = Neighbour::of(&town, LYON);
        let (anne, bob) = (town.actor("anne"), lyon.user("bob"));
        let room = town.room(&anne, "12", Preset::PublicChat).await;
        let content = json!({ "history_visibility": visibility });
        town.set(&anne, &room, "m.room.history_visibility", "", content).await;
        let mut said = vec![town.say(&anne, &room, "never").await];
        town.set(&anne, &room, "m.room.member", bob.as_str(), json!({ "membership": "invite" })).await;
        said.push(town.say(&anne, &room, "invited").await);
        for (membership, text) in [("join", "joined"), ("leave", "left"), ("join", "joined again")] {
            let last = town.event(&room, &anne.user, said.last().unwrap());
            lyon.become_member(&room, &bob, membership, &last.pdu).await;
            said.push(town.say(&anne, &room, text).await);
        }
        let whole: &[&str] = match visibility {
            "joined" => &["joined", "joined again"],
            "invited" => &["invited", "joined", "joined again"],
            _ => &["never", "invited", "joined", "left", "joined again"],
        };
        let texts = |jsons: &[String]| jsons.iter().filter_map(|json| text(json)).collect::<Vec<_>>();
        let singly: Vec<String> = said.iter().map(|id| town.rooms.event_for(lyon.name(), id).unwrap()).collect();
        assert_eq!(texts(&singly), whole, "{visibility}");
        let latest = [said.last().unwrap().clone()];
        let mut backfilled = town.rooms.backfill_for(lyon.name(), &room, &latest, 100).unwrap();
        backfilled.reverse();
        assert_eq!(texts(&backfilled), whole, "{visibility}");
        assert_eq!(ids(&town, &room, &backfilled)[0], town.rooms.create_event(&room).unwrap(), "nothing is left out");
        let gap = Gap { earliest: &[], latest: &latest, limit: 20, min_depth: 0 };
        let missing = town.rooms.missing_events_for(lyon.name(), &room, &gap).unwrap();
        assert_eq!(texts(&missing), whole[..whole.len() - 1], "{visibility}");
        assert_eq!(ids(&town, &room, &missing), ids(&town, &room, &backfilled)[..missing.len()]);
        // What was redacted for the server has still the id that it was asked for by.
        assert_eq!(ids(&town, &room, &singly), said);
    }
}

#[tokio::test]
async fn a_walk_back_has_its_order_and_its_bounds() {
    let town = Town::new(METZ);
    let lyon = Neighbour::of(&town, LYON);
    let anne = town.actor("anne");
    let (room, join) = shared_room(&town, &lyon, &anne, "12").await;
    let mut said = vec![join.event_id().to_owned()];
    for n in 0..120 {
        said.push(town.say(&anne, &room, &n.to_string()).await);
    }
    let newest_first: Vec<OwnedEventId> = said.iter().rev().cloned().collect();
    let backfill = |from: &OwnedEventId, limit| {
        let told = town.rooms.backfill_for(lyon.name(), &room, std::slice::from_ref(from), limit).unwrap();
        ids(&town, &room, &told)
    };
    assert_eq!(backfill(&newest_first[0], 1_000), newest_first[..100]);
    assert_eq!(backfill(&newest_first[50], 3), newest_first[50..53]);
    assert!(backfill(&newest_first[0], 0).is_empty());
    let missing = |earliest: &[OwnedEventId], latest: &OwnedEventId, limit, min_depth| {
        let gap = Gap { earliest, latest: std::slice::from_ref(latest), limit, min_depth };
        ids(&town, &room, &town.rooms.missing_events_for(lyon.name(), &room, &gap).unwrap())
    };
    assert_eq!(missing(&said[100..101], &said[110], 20, 0), said[101..110]);
    assert_eq!(missing(&said[..1], &said[110], 1_000, 0), said[90..110], "what is nearest to the latest");
    assert_eq!(missing(&[], &said[3], 20, join.depth() + 1), said[1..3]);
}

#[tokio::test]
async fn what_has_no_place_in_the_room_is_not_told_as_its_history() {
    let town = Town::new(METZ);
    let lyon = Neighbour::of(&town, LYON);
    let (anne, bob) = (town.actor("anne"), lyon.user("bob"));
    let (room, join) = shared_room(&town, &lyon, &anne, "11").await;

    // A membership that is known only because a message rests on it.
    let outlier = lyon.event(
        &room,
        &[&join],
        &bob,
        "m.room.member",
        Some(bob.as_str()),
        json!({ "membership": "join", "displayname": "Bob" }),
    );
    town.script.events.lock().unwrap().insert(outlier.event_id().to_owned(), outlier.clone());
    let resting = lyon.resting_on(&room, &[&join], &bob, &outlier);
    lyon.send(&[&resting]).await;
    assert_eq!(town.rooms.event_for(lyon.name(), outlier.event_id()).unwrap(), outlier.json());
    assert!(town.rooms.auth_chain_for(lyon.name(), &room, outlier.event_id()).is_ok());
    let chain = town.rooms.auth_chain_for(lyon.name(), &room, resting.event_id()).unwrap();
    assert!(chain.iter().any(|json| json == outlier.json()), "others can judge the message");
    let from = [outlier.event_id().to_owned()];
    let gap = Gap { earliest: &[], latest: &from, limit: 10, min_depth: 0 };
    assert!(town.rooms.backfill_for(lyon.name(), &room, &from, 10).unwrap().is_empty());
    assert!(town.rooms.missing_events_for(lyon.name(), &room, &gap).unwrap().is_empty());
    assert!(matches!(town.rooms.state_ids_for(lyon.name(), &room, &from[0]), Err(Error::NoSuchEvent)));

    // What the rules refuse is as unknown; what follows it is told, and what came before.
    let coup = json!({ "users": { bob.as_str(): 100 } });
    let rejected = lyon.event(&room, &[&resting], &bob, "m.room.power_levels", Some(""), coup);
    let after = lyon.message(&room, &[&rejected], &bob, "after");
    lyon.send(&[&rejected, &after]).await;
    let nothing = EventId::parse("$nothing").unwrap();
    for (named, unknown) in [
        (town.rooms.event_for(lyon.name(), rejected.event_id()), town.rooms.event_for(lyon.name(), &nothing)),
        (
            town.rooms.auth_chain_for(lyon.name(), &room, rejected.event_id()).map(|chain| chain.concat()),
            town.rooms.auth_chain_for(lyon.name(), &room, &nothing).map(|chain| chain.concat()),
        ),
    ] {
        assert_eq!(named.unwrap_err().to_string(), unknown.unwrap_err().to_string());
    }
    let told = town.rooms.backfill_for(lyon.name(), &room, &[after.event_id().to_owned()], 3).unwrap();
    assert_eq!(ids(&town, &room, &told), [after.event_id(), resting.event_id(), join.event_id()]);
}

#[tokio::test]
async fn soft_failed_events_are_told_only_to_who_follows_them() {
    let town = Town::new(METZ);
    let lyon = Neighbour::of(&town, LYON);
    let (anne, bob, carol) = (town.actor("anne"), lyon.user("bob"), lyon.user("carol"));
    let (room, join) = shared_room(&town, &lyon, &anne, "11").await;
    let carols = lyon.become_member(&room, &carol, "join", &join).await;
    let evading = lyon.message(&room, &[&carols], &bob, "I was never banned");
    let following = lyon.message(&room, &[&evading], &carol, "indeed");
    town.rooms.ban(&anne, &room, &bob, None).await.unwrap();
    lyon.send(&[&evading]).await;
    let last = town.say(&anne, &room, "quiet").await;
    let told = ids(&town, &room, &town.rooms.backfill_for(lyon.name(), &room, &[last], 100).unwrap());
    assert!(!told.contains(&evading.event_id().to_owned()), "no event of the room follows it");
    assert!(town.rooms.visible_event(&room, &anne.user, evading.event_id()).is_err());
    assert_eq!(town.rooms.event_for(lyon.name(), evading.event_id()).unwrap(), evading.json());
    lyon.send(&[&following]).await;
    let told = town.rooms.backfill_for(lyon.name(), &room, &[following.event_id().to_owned()], 3).unwrap();
    assert_eq!(ids(&town, &room, &told), [following.event_id(), evading.event_id(), carols.event_id()]);
}

#[tokio::test]
async fn a_state_is_told_with_all_that_it_rests_on() {
    for version in ["6", "11", "12"] {
        let town = Town::new(METZ);
        let lyon = Neighbour::of(&town, LYON);
        let anne = town.actor("anne");
        let (room, join) = shared_room(&town, &lyon, &anne, version).await;
        let create = town.rooms.create_event(&room).unwrap();
        let answer = town.rooms.state_ids_for(lyon.name(), &room, join.event_id()).unwrap();
        assert!(answer.state.contains(&create) && answer.auth_chain.contains(&create), "{version}");
        assert!(!answer.state.contains(&join.event_id().to_owned()), "the state before the event");
        let full = town.rooms.state_for(lyon.name(), &room, join.event_id()).unwrap();
        assert_eq!(ids(&town, &room, &full.state), answer.state);
        assert_eq!(ids(&town, &room, &full.auth_chain), answer.auth_chain);

        // The join's chain: what it cites, and in version 12 the creation.
        let chain = town.rooms.auth_chain_for(lyon.name(), &room, join.event_id()).unwrap();
        let mut chain = ids(&town, &room, &chain);
        let mut expected = join.auth_events().to_vec();
        for (kind, key) in [("m.room.create", ""), ("m.room.member", anne.user.as_str())] {
            expected.extend(town.state(&room, kind, key));
        }
        expected.sort();
        expected.dedup();
        chain.sort();
        assert_eq!(chain, expected, "{version}");
        assert!(town.rooms.auth_chain_for(lyon.name(), &room, &create).unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_space_tells_each_server_what_its_users_might_find_there() {
    let town = Town::new(METZ);
    let lyon = Neighbour::of(&town, LYON);
    let anne = town.actor("anne");
    let content = json!({ "type": "m.space" });
    let request = CreateRoom {
        preset: Some(Preset::PublicChat),
        creation_content: content.as_object().cloned().unwrap(),
        ..CreateRoom::default()
    };
    let space = town.rooms.create(&anne, request).await.unwrap();
    let open = town.room(&anne, "12", Preset::PublicChat).await;
    let closed = town.room(&anne, "12", Preset::PrivateChat).await;
    let restricted = town.room(&anne, "12", Preset::PrivateChat).await;
    let (club, _) = shared_room(&town, &lyon, &anne, "12").await;
    let rule = |allowed: &RoomId| json!({ "join_rule": "restricted", "allow": [{ "type": "m.room_membership", "room_id": allowed }] });
    town.set(&anne, &restricted, "m.room.join_rules", "", rule(&closed)).await;
    for child in [&open, &closed, &restricted] {
        town.set(&anne, &space, "m.space.child", child.as_str(), json!({ "via": [METZ] })).await;
    }
    town.set(&anne, &space, "m.space.child", "!elsewhere:nancy.example", json!({ "via": [NANCY] })).await;
    let look = |suggested| -> Value {
        serde_json::from_str(&town.rooms.hierarchy_for(lyon.name(), &space, suggested).unwrap()).unwrap()
    };
    let rooms = |list: &Value| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        let mut ids: Vec<_> = list.map(|room| room["room_id"].as_str().or(room.as_str()).unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    let sorted = |mut ids: Vec<&OwnedRoomId>| -> Vec<String> {
        ids.sort();
        ids.into_iter().map(ToString::to_string).collect()
    };
    let answer = look(false);
    assert_eq!(answer["room"]["room_id"], space.as_str());
    assert_eq!(answer["room"]["children_state"].as_array().unwrap().len(), 4);
    assert_eq!(rooms(&answer["children"]), sorted(vec![&open]));
    assert_eq!(rooms(&answer["inaccessible_children"]), sorted(vec![&closed, &restricted]));
    assert!(look(true)["children"].as_array().unwrap().is_empty());

    // A user of the server could come in by another room; one is invited.
    town.set(&anne, &restricted, "m.room.join_rules", "", rule(&club)).await;
    let invite = new_event("m.room.member", Some("@dan:lyon.example"), json!({ "membership": "invite" }));
    town.send(&anne, &closed, invite).await;
    let answer = look(false);
    assert_eq!(rooms(&answer["children"]), sorted(vec![&open, &closed, &restricted]));
    let told = answer["children"].as_array().unwrap().iter().find(|room| room["room_id"] == restricted.as_str());
    assert_eq!(told.unwrap()["allowed_room_ids"], json!([club]));

    let refused = town.rooms.hierarchy_for(nancy(&town).name(), &closed, false).unwrap_err();
    let unknown = town.rooms.hierarchy_for(nancy(&town).name(), &RoomId::parse("!no:metz.example").unwrap(), false);
    assert_eq!(refused.to_string(), unknown.unwrap_err().to_string());
}

fn nancy(town: &Town) -> Neighbour<'_> {
    Neighbour::of(town, NANCY)
}
