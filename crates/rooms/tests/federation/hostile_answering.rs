//! A server that answers with what it must not: nothing is signed at its wish, nothing stored (hazards F2, F13, F14, F21).

use std::sync::Arc;

use kernel::{
    Fault, Kind, Position,
    id::{OwnedRoomId, RoomId},
};
use rooms::{Actor, CreateRoom, JoinAnswer, Membership, NewEvent, Preset, RemoteError, RemoteResult, RemoteTemplate};
use serde_json::{Value, json, value::to_raw_value};

use crate::{
    joins::VERSIONS,
    wire::{Lies, Network, Town},
};

/// Metz lies, Nancy asks.
struct Towns {
    network: Network,
    metz: Town,
    nancy: Town,
    anne: Actor,
    bob: Actor,
}

fn towns() -> Towns {
    let network = Network::default();
    let (metz, nancy) = (network.town("metz.example"), network.town("nancy.example"));
    let (anne, bob) = (metz.actor("anne"), nancy.actor("bob"));
    Towns { network, metz, nancy, anne, bob }
}

fn mark(town: &Town) -> (Position, u64) {
    (town.rooms.position(), town.signer.signatures_made())
}

fn refused<T>(status: u16, errcode: &str) -> RemoteResult<T> {
    let server = "metz.example".try_into().unwrap();
    Err(RemoteError::Refused { server, status, errcode: errcode.to_owned(), text: "secret".to_owned() })
}

/// A template with one thing changed.
fn bend(answer: RemoteResult<RemoteTemplate>, pointer: &str, value: &Value) -> RemoteResult<RemoteTemplate> {
    let mut answer = answer?;
    match pointer {
        "event" => answer.event = value.as_str().unwrap().to_owned(),
        "room_version" => answer.room_version = value.as_str().map(str::to_owned),
        _ => {
            let mut event: Value = serde_json::from_str(&answer.event).unwrap();
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            let parent = event.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            match value {
                Value::Null => drop(parent.remove(field)),
                value => drop(parent.insert(field.to_owned(), value.clone())),
            }
            answer.event = event.to_string();
        }
    }
    Ok(answer)
}

/// Hazard F2.
#[tokio::test]
async fn a_template_of_anything_else_is_neither_signed_nor_sent() {
    let bends = |version: &str| {
        let other = if version == "1" { "11" } else { "1" };
        vec![
            ("event", json!("")),
            ("event", json!("[]")),
            ("event", json!("{\"a\":1.5}")),
            ("/type", json!("m.room.power_levels")),
            ("/type", json!("m.room.name")),
            ("/sender", json!("@anne:metz.example")),
            ("/sender", json!("@carol:nancy.example")),
            ("/state_key", json!("@anne:metz.example")),
            ("/state_key", json!("")),
            ("/state_key", Value::Null),
            ("/room_id", json!("!other:metz.example")),
            ("/content/membership", json!("ban")),
            ("/content/membership", json!("invite")),
            ("/content/membership", Value::Null),
            ("/content", Value::Null),
            ("/prev_events", json!([])),
            ("/prev_events", json!("all")),
            ("/prev_events", json!(["@bob:nancy.example"])),
            ("/depth", json!(-1)),
            ("/depth", json!(9_007_199_254_740_993_u64)),
            ("room_version", json!(other)),
            ("room_version", json!("99")),
            ("room_version", json!("")),
        ]
    };
    for version in ["1", "8", "11", "12"] {
        for handshake in ["join", "leave", "knock"] {
            if handshake == "knock" && version == "1" {
                continue;
            }
            let towns = towns();
            let Towns { network, metz, nancy, anne, bob } = &towns;
            let room = metz.room(anne, version, Preset::PublicChat).await;
            match handshake {
                "leave" => metz.rooms.invite(anne, &room, bob, None, false).await.unwrap(),
                "knock" => drop(metz.set(anne, &room, "m.room.join_rules", json!({ "join_rule": "knock" })).await),
                _ => {}
            }
            for (pointer, value) in bends(version) {
                let what = format!("{version} {handshake} {pointer} {value}");
                let template = Box::new(move |answer| bend(answer, pointer, &value));
                network.lie(metz, Lies { template: Some(template), ..Lies::default() });
                network.calls();
                let before = mark(nancy);
                let via = [metz.name.clone()];
                match handshake {
                    "join" => drop(nancy.join(bob, &room, &[metz]).await.unwrap_err()),
                    "knock" => drop(nancy.rooms.knock(bob, &room, &via, None).await.unwrap_err()),
                    // The invite is over for him all the same.
                    _ => nancy.rooms.leave(bob, &room, None).await.unwrap(),
                }
                assert_eq!(mark(nancy).1, before.1, "{what}");
                let calls = network.calls();
                assert!(calls.iter().all(|call| !call.starts_with("send_")), "{what}: {calls:?}");
                if handshake == "leave" {
                    metz.rooms.kick(anne, &room, &bob.user, None).await.unwrap();
                    metz.rooms.invite(anne, &room, bob, None, false).await.unwrap();
                } else {
                    assert_eq!(mark(nancy).0, before.0, "{what}");
                }
            }
        }
    }
}

/// Hazard F14.
#[tokio::test]
async fn what_another_server_refuses_with_is_told_in_our_words() {
    for (status, errcode, kind) in [
        (401, "M_UNKNOWN_TOKEN", Kind::Unavailable),
        (401, "M_UNAUTHORIZED", Kind::Unavailable),
        (403, "M_FORBIDDEN", Kind::Forbidden),
        (400, "M_INVALID_PARAM", Kind::Unavailable),
        (400, "M_UNABLE_TO_AUTHORISE_JOIN", Kind::UnableToAuthoriseJoin),
        (429, "M_LIMIT_EXCEEDED", Kind::Unavailable),
        (500, "M_UNKNOWN", Kind::Unavailable),
    ] {
        let towns = towns();
        let Towns { network, metz, nancy, anne, bob } = &towns;
        let room = metz.room(anne, "12", Preset::PublicChat).await;
        let before = nancy.rooms.position();
        let lies = [
            Lies { template: Some(Box::new(move |_| refused(status, errcode))), ..Lies::default() },
            Lies { joined: Some(Box::new(move |_| refused(status, errcode))), ..Lies::default() },
        ];
        for lies in lies {
            network.lie(metz, lies);
            let error = nancy.join(bob, &room, &[metz]).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{status} {errcode}");
            assert!(!error.public().contains("secret"), "{error}");
            assert_eq!(nancy.rooms.position(), before);
        }
        network.lie(nancy, Lies { invite: Some(Box::new(move |_| refused(status, errcode))), ..Lies::default() });
        let before = metz.rooms.position();
        let error = metz.rooms.invite(anne, &room, &nancy.actor("carol"), None, false).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status} {errcode}");
        assert_eq!(metz.rooms.position(), before);
    }
}

/// How the answer to a join is bent.
type Bend = Arc<dyn Fn(&Town, &RoomId, JoinAnswer) -> JoinAnswer + Send + Sync>;

fn bend_join(towns: &Towns, room: &RoomId, bend: Bend) {
    let (metz, room) = (towns.metz.clone(), room.to_owned());
    let joined = Box::new(move |answer: RemoteResult<JoinAnswer>| answer.map(|answer| bend(&metz, &room, answer)));
    towns.network.lie(&towns.metz, Lies { joined: Some(joined), ..Lies::default() });
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Both lists of the answer without such events.
fn without(mut answer: JoinAnswer, gone: impl Fn(&Value) -> bool) -> JoinAnswer {
    answer.state.retain(|event| !gone(&value(event)));
    answer.auth_chain.retain(|event| !gone(&value(event)));
    answer
}

/// An event of the answer's state as another one would be, signed by Metz.
fn forged(metz: &Town, answer: &JoinAnswer, version: &str, kind: &str, changes: &[(&str, Value)]) -> String {
    let mut event = answer.state.iter().map(|event| value(event)).find(|event| event["type"] == kind).unwrap();
    for (field, value) in changes {
        event[*field] = value.clone();
    }
    if version == "1" {
        event["event_id"] = format!("$forged{kind}:metz.example").into();
    }
    metz.forge(&mut event, version);
    event.to_string()
}

/// Hazard F13, and all that the join rests on.
#[tokio::test]
async fn a_room_that_does_not_hold_together_is_not_come_in_to() {
    const NO_CREATION: &str = "creation is not in it";
    const NOT_ALLOWED: &str = "what authorizes the join is not in it";
    for version in VERSIONS {
        let towns = towns();
        let Towns { network, metz, nancy, anne, bob } = &towns;
        let room = metz.room(anne, version, Preset::PublicChat).await;
        let other = metz.room(anne, version, Preset::PublicChat).await;
        let creator = move |event: &Value| event["type"] == "m.room.create";
        let bends: Vec<(&str, &str, Bend)> = vec![
            ("no creation", NO_CREATION, Arc::new(move |_, _, answer| without(answer, creator))),
            (
                "no power levels",
                NOT_ALLOWED,
                Arc::new(|_, _, answer| without(answer, |event| event["type"] == "m.room.power_levels")),
            ),
            (
                "no join rules",
                NOT_ALLOWED,
                Arc::new(|_, _, answer| without(answer, |event| event["type"] == "m.room.join_rules")),
            ),
            ("nothing", NO_CREATION, Arc::new(|_, _, _| JoinAnswer::default())),
            (
                "no events",
                NO_CREATION,
                Arc::new(|_, _, _| JoinAnswer { state: vec!["{}".into(), "".into()], ..JoinAnswer::default() }),
            ),
            (
                "another version",
                NO_CREATION,
                Arc::new(move |metz, _, answer| {
                    let other = if version == "10" { "9" } else { "10" };
                    let create = forged(
                        metz,
                        &answer,
                        version,
                        "m.room.create",
                        &[("content", json!({ "room_version": other, "creator": "@anne:metz.example" }))],
                    );
                    let mut answer = without(answer, creator);
                    answer.state.push(create);
                    answer
                }),
            ),
            (
                "two in one place",
                "two events in one place",
                Arc::new(move |metz, _, mut answer| {
                    let second = forged(metz, &answer, version, "m.room.name", &[("content", json!({ "name": "x" }))]);
                    answer.state.push(second);
                    answer
                }),
            ),
            (
                "a state that does not let him in",
                "cannot be used",
                Arc::new(move |metz, _, answer| {
                    let closed = forged(
                        metz,
                        &answer,
                        version,
                        "m.room.join_rules",
                        &[("content", json!({ "join_rule": "invite" }))],
                    );
                    let (open, mut answer) = (
                        answer.state.iter().find(|event| value(event)["type"] == "m.room.join_rules").unwrap().clone(),
                        answer.clone(),
                    );
                    answer.state.retain(|event| *event != open);
                    answer.state.push(closed);
                    answer.auth_chain.push(open);
                    answer
                }),
            ),
            (
                "another room",
                NO_CREATION,
                Arc::new(move |metz, _, _| {
                    let root = metz.rooms.current_root(&other).unwrap();
                    let events = metz.rooms.state_events(&other, root).unwrap();
                    let state = events.iter().map(|event| event.pdu.json().to_owned()).collect();
                    JoinAnswer { state, ..JoinAnswer::default() }
                }),
            ),
        ];
        let before = nancy.rooms.position();
        for (what, why, bend) in bends {
            bend_join(&towns, &room, bend);
            // Somebody else each time: for Metz they are in the room from then on.
            let bob = &nancy.actor(&what.replace(' ', "-"));
            let error = nancy.join(bob, &room, &[metz]).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Unavailable, "{version} {what}: {error}");
            assert!(error.to_string().contains(why), "{version} {what}: {error}");
            assert_eq!(nancy.rooms.position(), before, "{version} {what}");
            assert_eq!(nancy.own_membership(&room, &bob.user), None, "{version} {what}");
        }
        network.lie(metz, Lies::default());
        nancy.join(bob, &room, &[metz]).await.unwrap();
        network.deliver().await;
        assert_eq!(nancy.state(&room), metz.state(&room), "{version}");
    }
}

/// What cannot be believed is left out, and what rests on it; the rest is the room (Complement:
/// `TestJoinFederatedRoomWithUnverifiableEvents`).
#[tokio::test]
async fn events_that_cannot_be_believed_are_left_out() {
    for version in VERSIONS {
        let towns = towns();
        let Towns { network, metz, nancy, anne, bob } = &towns;
        let room = metz.room(anne, version, Preset::PublicChat).await;
        let (alix, chloe) = (metz.actor("alix"), metz.actor("chloe"));
        for member in [&alix, &chloe] {
            metz.rooms.join(member, &room, None).await.unwrap();
        }
        metz.rooms.leave(&chloe, &room, None).await.unwrap();
        for kind in ["org.example.unsigned", "org.example.altered", "org.example.strange"] {
            metz.set(anne, &room, kind, json!({})).await;
        }
        let chloe_id = chloe.user.clone();
        bend_join(
            &towns,
            &room,
            Arc::new(move |_, _, mut answer| {
                for text in answer.state.iter_mut().chain(&mut answer.auth_chain) {
                    let mut event = value(text);
                    let signature = event["signatures"]["metz.example"]["ed25519:a"].as_str().unwrap().to_owned();
                    let is_join = event["content"]["membership"] == "join" && event["state_key"] == chloe_id.as_str();
                    event["signatures"] = match event["type"].as_str().unwrap() {
                        "org.example.unsigned" => json!({}),
                        "org.example.altered" => {
                            json!({ "metz.example": { "ed25519:a": format!("A{}", &signature[1..]) } })
                        }
                        "org.example.strange" => json!({ "metz.example": { "ed25519:bogus": signature } }),
                        // Only cited, by her leave, which is in the state.
                        "m.room.member" if is_join => {
                            json!({ "metz.example": { "ed25519:a": format!("A{}", &signature[1..]) } })
                        }
                        _ => continue,
                    };
                    *text = event.to_string();
                }
                answer
            }),
        );
        nancy.join(bob, &room, &[metz]).await.unwrap();
        let mut expected = metz.state(&room);
        expected.retain(|(kind, key), _| !kind.starts_with("org.example") && *key != chloe.user.as_str());
        assert_eq!(nancy.state(&room), expected, "{version}");
        assert_eq!(nancy.rooms.member_counts(&room).unwrap(), (3, 0), "{version}");
        network.deliver().await;
        metz.say(anne, &room, "bonjour").await;
        network.calls();
        network.deliver().await;
        assert_eq!(network.calls(), [""; 0], "{version}");
    }
}

async fn restricted_room(towns: &Towns, version: &str) -> OwnedRoomId {
    let Towns { metz, nancy, anne, bob, .. } = towns;
    let space = metz.room(anne, version, Preset::PublicChat).await;
    let content = json!({ "join_rule": "restricted", "allow": [{ "type": "m.room_membership", "room_id": space }] });
    let rules = NewEvent {
        event_type: "m.room.join_rules".to_owned(),
        content: to_raw_value(&content).unwrap(),
        state_key: Some(String::new()),
        redacts: None,
    };
    nancy.join(bob, &space, &[metz]).await.unwrap();
    let request = CreateRoom { version: Some(version.to_owned()), initial_state: vec![rules], ..CreateRoom::default() };
    metz.rooms.create(anne, request).await.unwrap()
}

/// Hazard F21, from the other side: a join that the other server did not sign is no join.
#[tokio::test]
async fn a_join_by_anothers_word_needs_that_others_signature() {
    for version in ["8", "10", "11", "12"] {
        let signature = |event: &mut Value| event["signatures"]["metz.example"]["ed25519:a"].take();
        let bends: Vec<(&str, Bend)> = vec![
            ("no event", Arc::new(|_, _, answer| JoinAnswer { event: None, ..answer })),
            ("no JSON", Arc::new(|_, _, answer| JoinAnswer { event: Some("x".to_owned()), ..answer })),
            (
                "not signed",
                Arc::new(|_, _, mut answer| {
                    let mut event = value(answer.event.as_ref().unwrap());
                    event["signatures"].as_object_mut().unwrap().remove("metz.example");
                    answer.event = Some(event.to_string());
                    answer
                }),
            ),
            (
                "signed falsely",
                Arc::new(move |_, _, mut answer| {
                    let mut event = value(answer.event.as_ref().unwrap());
                    let true_one = signature(&mut event);
                    event["signatures"]["metz.example"]["ed25519:a"] =
                        format!("A{}", &true_one.as_str().unwrap()[1..]).into();
                    answer.event = Some(event.to_string());
                    answer
                }),
            ),
            (
                "another event, signed truly",
                Arc::new(move |metz, _, mut answer| {
                    let mut event = value(answer.event.as_ref().unwrap());
                    event["depth"] = 1_000.into();
                    metz.forge(&mut event, version);
                    answer.event = Some(event.to_string());
                    answer
                }),
            ),
        ];
        for (what, bend) in bends {
            let towns = towns();
            let Towns { metz, nancy, bob, .. } = &towns;
            let room = restricted_room(&towns, version).await;
            let before = nancy.rooms.position();
            bend_join(&towns, &room, bend);
            let error = nancy.join(bob, &room, &[metz]).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Unavailable, "{version} {what}: {error}");
            assert_eq!(nancy.rooms.position(), before, "{version} {what}");
        }
        let towns = towns();
        let Towns { network, metz, nancy, bob, .. } = &towns;
        let room = restricted_room(&towns, version).await;
        // Of an event that came back changed only the signature is taken.
        bend_join(
            &towns,
            &room,
            Arc::new(|_, _, mut answer| {
                let mut event = value(answer.event.as_ref().unwrap());
                event["unsigned"] = json!({ "age": 5 });
                event["signatures"]["eve.example"] = json!({ "ed25519:a": "x" });
                answer.event = Some(event.to_string());
                answer
            }),
        );
        nancy.join(bob, &room, &[metz]).await.unwrap();
        let join = nancy.rooms.current_state(&room, "m.room.member", bob.user.as_str()).unwrap().unwrap();
        let join = value(join.pdu.json());
        assert!(join["unsigned"].is_null(), "{version}");
        assert_eq!(join["signatures"].as_object().unwrap().len(), 2, "{version}");
        network.deliver().await;
    }
}

#[tokio::test]
async fn an_invite_counts_when_the_other_server_has_signed_it() {
    for version in VERSIONS {
        let towns = towns();
        let Towns { network, metz, nancy, anne, bob } = &towns;
        let room = metz.room(anne, version, Preset::PrivateChat).await;
        let before = metz.rooms.position();
        type Copy = Box<dyn Fn(RemoteResult<String>) -> RemoteResult<String> + Send + Sync>;
        let copies: Vec<(&str, Copy)> = vec![
            ("nothing", Box::new(|_| Ok(String::new()))),
            ("an empty one", Box::new(|_| Ok("{}".to_owned()))),
            (
                "unsigned",
                Box::new(|copy| {
                    let mut copy = value(&copy?);
                    copy["signatures"].as_object_mut().unwrap().remove("nancy.example");
                    Ok(copy.to_string())
                }),
            ),
            (
                "our own signature under their name",
                Box::new(|copy| {
                    let mut copy = value(&copy?);
                    copy["signatures"]["nancy.example"] = copy["signatures"]["metz.example"].clone();
                    Ok(copy.to_string())
                }),
            ),
        ];
        for (what, copy) in copies {
            network.lie(nancy, Lies { invite: Some(copy), ..Lies::default() });
            let error = metz.rooms.invite(anne, &room, bob, None, false).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Unavailable, "{version} {what}");
            assert_eq!(metz.rooms.position(), before, "{version} {what}");
            assert_eq!(metz.membership(&room, &bob.user), None, "{version} {what}");
        }
    }
}

/// Hazard E5.
#[tokio::test]
async fn what_comes_back_for_a_knock_may_be_anything() {
    let Towns { network, metz, nancy, anne, bob } = &towns();
    let room = metz.room(anne, "11", Preset::PublicChat).await;
    metz.set(anne, &room, "m.room.join_rules", json!({ "join_rule": "knock" })).await;
    let told = vec!["5".to_owned(), "[".to_owned(), "{}".to_owned(), "x".repeat(1_000_000)];
    network.lie(metz, Lies { knock: Some(Box::new(move |_| Ok(told.clone()))), ..Lies::default() });
    nancy.rooms.knock(bob, &room, std::slice::from_ref(&metz.name), None).await.unwrap();
    let own = nancy.rooms.rooms_of(&bob.user).unwrap()[&room].clone();
    assert_eq!(own.room.membership, Membership::Knock);
    let [own] = own.room.stripped.as_slice() else { panic!("the knock alone: {:?}", own.room.stripped) };
    assert_eq!(value(own)["content"]["membership"], "knock");
}
