//! A server that asks for what it must not get: nothing is signed for it, nothing stored (hazards F1, F3, F4, F11, F17, F21, E5).

use events::{Pdu, RoomVersion};
use kernel::{
    Fault, Kind, Position, Timestamp,
    id::{EventId, OwnedEventId, OwnedRoomId, RoomId},
};
use rooms::{Actor, Error, Membership, OfferedInvite, Preset};
use serde_json::{Map, Value, json};

use crate::{
    invites::levels,
    joins::VERSIONS,
    wire::{Lies, Network, Town, is_user},
};

/// What a refusal must leave as it was.
fn mark(town: &Town) -> (Position, u64) {
    (town.rooms.position(), town.signer.signatures_made())
}

/// Eve's town and the one that she is after, whose Anne has an open room.
struct Towns {
    network: Network,
    eves: Town,
    metz: Town,
    nancy: Town,
    eve: Actor,
    anne: Actor,
}

fn towns() -> Towns {
    let network = Network::default();
    let (eves, metz, nancy) =
        (network.town("eve.example"), network.town("metz.example"), network.town("nancy.example"));
    let (eve, anne) = (eves.actor("eve"), metz.actor("anne"));
    Towns { network, eves, metz, nancy, eve, anne }
}

fn id_of(event: &Value, version: &str) -> OwnedEventId {
    let version = RoomVersion::parse(version).unwrap();
    match Pdu::parse(&event.to_string(), version) {
        Ok(pdu) => pdu.event_id().to_owned(),
        // What cannot be read has no id: any will do.
        Err(_) => format!("${}", "a".repeat(43)).try_into().unwrap(),
    }
}

fn changed(event: &Value, changes: &Value) -> Value {
    let mut event = event.clone();
    for (pointer, value) in changes.as_object().unwrap() {
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        let parent = event.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value {
            Value::Null => drop(parent.remove(field)),
            value => drop(parent.insert(field.to_owned(), value.clone())),
        }
    }
    event
}

fn cited(version: &str, letter: char) -> Value {
    let hash = letter.to_string().repeat(43);
    match version {
        "1" => json!([[format!("${letter}:eve.example"), { "sha256": hash }]]),
        _ => json!([format!("${hash}")]),
    }
}

/// An invite of Bob at Nancy to a room of Eve's, not signed yet.
fn invite(version: &str) -> Value {
    let room = match version {
        "12" => format!("!{}", "r".repeat(43)),
        _ => "!room:eve.example".to_owned(),
    };
    let mut invite = json!({
        "type": "m.room.member", "room_id": room, "sender": "@eve:eve.example", "state_key": "@bob:nancy.example",
        "content": { "membership": "invite" }, "prev_events": cited(version, 'p'), "auth_events": cited(version, 'q'),
        "depth": 10, "origin_server_ts": 1_800_000_000_000_u64,
    });
    if version == "1" {
        invite["event_id"] = "$invite:eve.example".into();
    }
    invite
}

async fn send_invite(
    towns: &Towns,
    event: &Value,
    (room, id): (&RoomId, &EventId),
    version: &str,
    stripped: Vec<String>,
) -> Result<String, Error> {
    let offered = OfferedInvite { event: event.to_string(), room_version: version.to_owned(), stripped };
    towns.nancy.rooms.receive_invite(&towns.eves.name, room, id, offered, is_user).await
}

/// Hazard F1.
#[tokio::test]
async fn nothing_but_an_invite_of_a_user_here_gets_our_signature() {
    for version in VERSIONS {
        let towns = towns();
        let Towns { eves, metz, nancy, .. } = &towns;
        let good = invite(version);
        let room: OwnedRoomId = good["room_id"].as_str().unwrap().try_into().unwrap();
        let before = mark(nancy);
        let refused = async |event: &Value, room: &RoomId, id: &EventId, claimed: &str, what: &str| {
            let error = send_invite(&towns, event, (room, id), claimed, Vec::new()).await.unwrap_err();
            let told = [Kind::InvalidParam, Kind::BadJson, Kind::Forbidden];
            let told = told.contains(&error.kind()) || matches!(error.kind(), Kind::IncompatibleRoomVersion { .. });
            assert!(told, "{version} {what}: {error:?}");
            assert_eq!(mark(nancy), before, "{version} {what}");
        };
        for change in [
            json!({ "/type": "m.room.name" }),
            json!({ "/type": "m.room.power_levels" }),
            json!({ "/content/membership": "join" }),
            json!({ "/content/membership": "leave" }),
            json!({ "/content/membership": "ban" }),
            json!({ "/content/membership": "knock" }),
            json!({ "/content/membership": null }),
            json!({ "/content/membership": ["invite"] }),
            json!({ "/state_key": null }),
            json!({ "/state_key": "" }),
            json!({ "/state_key": "bob" }),
            json!({ "/state_key": "@anne:metz.example" }),
            json!({ "/state_key": "@eve:eve.example" }),
            json!({ "/state_key": "@nobody:nancy.example" }),
            json!({ "/sender": "@anne:metz.example" }),
            json!({ "/sender": "@bob:nancy.example" }),
            json!({ "/content/third_party_invite": { "display_name": "x", "signed": {} } }),
            json!({ "/content/join_authorised_via_users_server": "@bob:nancy.example" }),
            json!({ "/depth": -1 }),
            json!({ "/prev_events": "none" }),
        ] {
            let mut event = changed(&good, &change);
            eves.forge(&mut event, version);
            refused(&event, &room, &id_of(&event, version), version, &change.to_string()).await;
        }
        let mut event = good.clone();
        eves.forge(&mut event, version);
        let id = id_of(&event, version);
        let other_room: OwnedRoomId = "!other:eve.example".try_into().unwrap();
        let other_id: OwnedEventId = format!("${}", "z".repeat(43)).try_into().unwrap();
        refused(&event, &other_room, &id, version, "another room in the path").await;
        refused(&event, &room, &other_id, version, "another event in the path").await;
        refused(&event, &room, &id, "99", "a version that nobody knows").await;
        for claimed in VERSIONS.iter().filter(|claimed| (**claimed == "1") != (version == "1")) {
            refused(&event, &room, &id, claimed, &format!("{claimed} is not its version")).await;
        }
        // Hazard F4: unsigned, signed by another, altered after it was signed, and by a key that had expired.
        refused(&changed(&event, &json!({ "/signatures": {} })), &room, &id, version, "unsigned").await;
        refused(&changed(&event, &json!({ "/signatures": null })), &room, &id, version, "no signatures").await;
        let mut by_metz = good.clone();
        metz.forge(&mut by_metz, version);
        refused(&by_metz, &room, &id_of(&by_metz, version), version, "signed by Metz").await;
        let borrowed =
            changed(&event, &json!({ "/signatures": { "eve.example": by_metz["signatures"]["metz.example"] } }));
        refused(&borrowed, &room, &id, version, "Metz's signature under Eve's name").await;
        let altered = changed(&event, &json!({ "/content/is_direct": true }));
        refused(&altered, &room, &id, version, "altered").await;
        if RoomVersion::parse(version).unwrap().enforces_key_validity() {
            let lies = Lies { key_until: Some(Timestamp(1_700_000_000_000)), ..Lies::default() };
            towns.network.lie(eves, lies);
            refused(&event, &room, &id, version, "an expired key").await;
            towns.network.lie(eves, Lies::default());
        }
        // The one that is what it should be: one signature, and Bob is told.
        let signed = send_invite(&towns, &event, (&room, &id), version, Vec::new()).await.unwrap();
        assert_eq!(nancy.signer.signatures_made(), before.1 + 1, "{version}");
        let signed: Value = serde_json::from_str(&signed).unwrap();
        assert!(signed["signatures"]["nancy.example"].is_object() && signed["signatures"]["eve.example"].is_object());
        assert_eq!(nancy.own_membership(&room, &nancy.actor("bob").user), Some(Membership::Invite), "{version}");
    }
}

/// Hazard E5.
#[tokio::test]
async fn stripped_state_of_any_shape_harms_nobody() {
    for stripped in [
        vec!["\"text\"".to_owned(), "5".to_owned(), "null".to_owned(), "[]".to_owned(), "{".to_owned(), String::new()],
        (0..10_000).map(|n| json!({ "type": "x", "state_key": n.to_string(), "sender": "@e:e", "content": {} }).to_string()).collect(),
        vec![json!({ "type": "m.room.name", "state_key": "", "sender": "@e:e", "content": { "name": "x".repeat(60_000) } }).to_string()],
    ] {
        let towns = towns();
        let mut event = changed(&invite("11"), &json!({ "/content/reason": "x".repeat(50_000) }));
        towns.eves.forge(&mut event, "11");
        let (room, id) = (OwnedRoomId::try_from("!room:eve.example").unwrap(), id_of(&event, "11"));
        send_invite(&towns, &event, (&room, &id), "11", stripped).await.unwrap();
        let bob = towns.nancy.actor("bob");
        let own = towns.nancy.rooms.rooms_of(&bob.user).unwrap()[&room].clone();
        assert!(own.room.stripped.len() <= 101);
        for event in &own.room.stripped {
            let event: Map<String, Value> = serde_json::from_str(event).unwrap();
            assert!(["type", "sender", "state_key"].iter().all(|field| event[*field].is_string()));
        }
        towns.nancy.rooms.leave(&bob, &room, None).await.unwrap();
    }
}

/// A membership event of Eve's on the room's end, as her town would make it.
async fn membership_event(towns: &Towns, room: &RoomId, membership: &str) -> Value {
    let (metz, eves) = (&towns.metz, &towns.eves.name);
    let versions: Vec<String> = (1..=12).map(|n| n.to_string()).collect();
    let template = match membership {
        "leave" => metz.rooms.make_leave(eves, room, &towns.eve.user).await,
        "knock" => metz.rooms.make_knock(eves, room, &towns.eve.user, &versions).await,
        _ => metz.rooms.make_join(eves, room, &towns.eve.user, &versions).await,
    };
    let template = template.unwrap();
    let mut event: Value = serde_json::from_str(&template.event).unwrap();
    event["origin_server_ts"] = 1_900_000_000_000_u64.into();
    if template.room_version == "1" {
        event["event_id"] = "$membership:eve.example".into();
    }
    event
}

/// Sends the event as what the endpoint is for.
async fn submit(towns: &Towns, endpoint: &str, room: &RoomId, event: &Value, version: &str) -> Result<(), Error> {
    let (rooms, origin, id) = (&towns.metz.rooms, &towns.eves.name, id_of(event, version));
    match endpoint {
        "join" => rooms.send_join(origin, room, &id, &event.to_string()).await.map(drop),
        "leave" => rooms.send_leave(origin, room, &id, &event.to_string()).await,
        _ => rooms.send_knock(origin, room, &id, &event.to_string()).await.map(drop),
    }
}

/// A room into which Eve may come, knock, or out of which she may go.
async fn room_for(towns: &Towns, endpoint: &str, version: &str) -> OwnedRoomId {
    let Towns { metz, eves, anne, eve, .. } = towns;
    let room = metz.room(anne, version, Preset::PublicChat).await;
    match endpoint {
        "leave" => eves.join(eve, &room, &[metz]).await.unwrap(),
        "knock" => drop(metz.set(anne, &room, "m.room.join_rules", json!({ "join_rule": "knock" })).await),
        _ => {}
    }
    room
}

/// Hazards F3, F4, F11.
#[tokio::test]
async fn only_the_membership_that_the_path_names_is_taken() {
    for version in VERSIONS {
        for endpoint in ["join", "leave", "knock"] {
            if endpoint == "knock" && !RoomVersion::parse(version).unwrap().has_knocking() {
                continue;
            }
            let towns = towns();
            let Towns { network, metz, nancy, eves, anne, eve } = &towns;
            let room = room_for(&towns, endpoint, version).await;
            let other = room_for(&towns, endpoint, version).await;
            nancy.join(&nancy.actor("bob"), &room, &[metz]).await.ok();
            network.deliver().await;
            let good = membership_event(&towns, &room, endpoint).await;
            let before = mark(metz);
            let refused = async |event: &Value, kinds: &[Kind], what: &str| {
                let error = submit(&towns, endpoint, &room, event, version).await.unwrap_err();
                assert!(kinds.contains(&error.kind()), "{version} {endpoint} {what}: {error:?}");
                assert_eq!(mark(metz), before, "{version} {endpoint} {what}");
            };
            let malformed = [Kind::InvalidParam, Kind::BadJson];
            for membership in ["join", "leave", "knock", "invite", "ban"].iter().filter(|other| **other != endpoint) {
                let mut event = changed(&good, &json!({ "/content/membership": membership }));
                eves.forge(&mut event, version);
                refused(&event, &malformed, membership).await;
            }
            for change in [
                json!({ "/type": "m.room.message" }),
                json!({ "/state_key": null }),
                json!({ "/state_key": "@other:eve.example" }),
                json!({ "/state_key": anne.user }),
                json!({ "/room_id": other }),
            ] {
                let mut event = changed(&good, &change);
                eves.forge(&mut event, version);
                refused(&event, &malformed, &change.to_string()).await;
            }
            // Hazard F11: somebody of another server, signed by Eve's.
            let theirs = json!({ "/sender": "@bob:nancy.example", "/state_key": "@bob:nancy.example" });
            let mut event = changed(&good, &theirs);
            eves.forge(&mut event, version);
            refused(&event, &[Kind::Forbidden], "of another server").await;
            let received = metz.rooms.receive(&eves.name, vec![event.to_string()]).await;
            assert!(received[0].outcome.is_err());
            // Hazard F4.
            let mut event = good.clone();
            eves.forge(&mut event, version);
            refused(&changed(&event, &json!({ "/signatures": {} })), &[Kind::Forbidden], "unsigned").await;
            let mut by_nancy = good.clone();
            nancy.forge(&mut by_nancy, version);
            refused(&by_nancy, &[Kind::Forbidden], "signed by another").await;
            if RoomVersion::parse(version).unwrap().enforces_key_validity() {
                network.lie(eves, Lies { key_until: Some(Timestamp(1_700_000_000_000)), ..Lies::default() });
                refused(&event, &[Kind::Forbidden], "an expired key").await;
                network.lie(eves, Lies::default());
            }
            // What it cites must be here: nobody is asked for it.
            network.calls();
            let mut strange = changed(&good, &json!({ "/prev_events": cited(version, 'p') }));
            eves.forge(&mut strange, version);
            refused(&strange, &[Kind::Forbidden], "citing what is not here").await;
            assert_eq!(network.calls(), [""; 0], "{version} {endpoint}");

            submit(&towns, endpoint, &room, &event, version).await.unwrap();
            assert_eq!(metz.membership(&room, &eve.user).map(Membership::as_str), Some(endpoint), "{version}");
            // The room goes on.
            metz.say(anne, &room, "bonjour").await;
            network.deliver().await;
            assert!(network.calls().iter().all(|call| !call.contains("nancy")), "{version} {endpoint}");
        }
    }
}

#[tokio::test]
async fn who_is_banned_is_not_taken_in_by_a_template_made_for_another() {
    for version in VERSIONS {
        let towns = towns();
        let Towns { metz, eves, anne, .. } = &towns;
        let room = room_for(&towns, "join", version).await;
        let banned = eves.actor("banned");
        metz.rooms.ban(anne, &room, &banned.user, None).await.unwrap();
        let good = membership_event(&towns, &room, "join").await;
        let mut event = changed(&good, &json!({ "/sender": banned.user, "/state_key": banned.user }));
        eves.forge(&mut event, version);
        let before = mark(metz);
        let error = submit(&towns, "join", &room, &event, version).await.unwrap_err();
        assert_eq!((error.kind(), mark(metz)), (Kind::Forbidden, before), "{version}");
        assert_eq!(metz.membership(&room, &banned.user), Some(Membership::Ban), "{version}");
    }
}

#[tokio::test]
async fn what_is_not_for_the_asking_server_is_not_offered() {
    let towns = towns();
    let Towns { metz, eves, anne, eve, nancy, .. } = &towns;
    let room = metz.room(anne, "11", Preset::PublicChat).await;
    let all = ["11".to_owned()];
    let kind = |result: Result<rooms::Template, Error>| result.unwrap_err().kind();
    let make = |user: &Actor, versions: &'static [&'static str]| {
        let (user, versions) = (user.user.clone(), versions.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>());
        let (metz, origin, room) = (metz.clone(), eves.name.clone(), room.clone());
        async move { metz.rooms.make_join(&origin, &room, &user, &versions).await }
    };
    assert_eq!(kind(make(&nancy.actor("bob"), &["11"]).await), Kind::Forbidden);
    let incompatible = Kind::IncompatibleRoomVersion { room_version: "11".to_owned() };
    assert_eq!(kind(make(eve, &["1", "12"]).await), incompatible);
    assert_eq!(kind(make(eve, &[]).await), incompatible);
    let unknown: OwnedRoomId = "!unknown:metz.example".try_into().unwrap();
    assert_eq!(kind(metz.rooms.make_join(&eves.name, &unknown, &eve.user, &all).await), Kind::NotFound);
    assert_eq!(kind(metz.rooms.make_leave(&eves.name, &room, &eve.user).await), Kind::Forbidden);
    // Hazard F6, for these: a server that the room keeps out, whatever it is called (F7).
    metz.set(anne, &room, "m.room.server_acl", json!({ "allow": ["*"], "deny": ["EVE.example"] })).await;
    assert_eq!(kind(make(eve, &["11"]).await), Kind::Forbidden);
    assert_eq!(kind(metz.rooms.make_knock(&eves.name, &room, &eve.user, &all).await), Kind::Forbidden);
    // Once nobody of Metz is in the room, there is nothing to be had of it there.
    let empty = metz.room(anne, "11", Preset::PublicChat).await;
    metz.rooms.leave(anne, &empty, None).await.unwrap();
    assert_eq!(kind(metz.rooms.make_join(&eves.name, &empty, &eve.user, &all).await), Kind::NotFound);
}

/// Hazard F21: our word is given for those alone whom the room's rules let in by it.
#[tokio::test]
async fn no_word_is_given_for_who_may_not_come_in_by_it() {
    for version in ["8", "9", "10", "11", "12"] {
        let towns = towns();
        let Towns { metz, eves, anne, eve, network, .. } = &towns;
        let space = metz.room(anne, version, Preset::PublicChat).await;
        let room = metz.room(anne, version, Preset::PublicChat).await;
        let alix = metz.actor("alix");
        metz.rooms.join(&alix, &room, None).await.unwrap();
        let restrict =
            json!({ "join_rule": "restricted", "allow": [{ "type": "m.room_membership", "room_id": space }] });
        let mut good = membership_event(&towns, &room, "join").await;
        let submit_named = async |by: &Value, base: &Value| {
            let mut event = changed(base, &json!({ "/content/join_authorised_via_users_server": by }));
            eves.forge(&mut event, version);
            let before = mark(metz);
            let error = submit(&towns, "join", &room, &event, version).await.unwrap_err();
            assert_eq!(mark(metz), before, "{version} {by}: {error:?}");
            error.kind()
        };
        assert_eq!(submit_named(&json!(anne.user), &good).await, Kind::Forbidden, "{version}: the door is open");
        metz.set(anne, &room, "m.room.power_levels", {
            let mut levels = levels(version, anne);
            levels["invite"] = 50.into();
            levels
        })
        .await;
        metz.set(anne, &room, "m.room.join_rules", restrict).await;
        // On the room's end again.
        for field in ["prev_events", "auth_events", "depth"] {
            let of_leave: Value =
                serde_json::from_str(&metz.rooms.make_leave(&metz.name, &room, &anne.user).await.unwrap().event)
                    .unwrap();
            good[field] = of_leave[field].clone();
        }
        let state = |kind: &str, key: &str| {
            metz.rooms.current_state(&room, kind, key).unwrap().map(|e| e.pdu.event_id().to_string())
        };
        let cites = [
            state("m.room.create", "").filter(|_| version != "12"),
            state("m.room.join_rules", ""),
            state("m.room.power_levels", ""),
            state("m.room.member", anne.user.as_str()),
        ];
        good["auth_events"] = json!(cites.iter().flatten().collect::<Vec<_>>());
        assert_eq!(submit_named(&json!(anne.user), &good).await, Kind::Forbidden, "{version}: not in the space");
        eves.join(eve, &space, &[metz]).await.unwrap();
        network.deliver().await;
        for (by, kind) in [
            (json!(alix.user), Kind::UnableToGrantJoin),
            (json!("@gone:metz.example"), Kind::UnableToGrantJoin),
            (json!("@bob:nancy.example"), Kind::InvalidParam),
            (json!("unused"), Kind::InvalidParam),
            (json!(5), Kind::InvalidParam),
        ] {
            assert_eq!(submit_named(&by, &good).await, kind, "{version} {by}");
        }
        let mut event = changed(&good, &json!({ "/content/join_authorised_via_users_server": anne.user }));
        eves.forge(&mut event, version);
        let before = mark(metz).1;
        submit(&towns, "join", &room, &event, version).await.unwrap();
        assert_eq!(mark(metz).1, before + 1, "{version}: and once it may, one");
    }
}

/// Hazard F17.
#[tokio::test]
async fn events_of_a_room_that_everybody_here_has_left_bring_nobody_back() {
    for version in VERSIONS {
        let towns = towns();
        let Towns { network, metz, nancy, anne, .. } = &towns;
        let room = metz.room(anne, version, Preset::PublicChat).await;
        let bob = nancy.actor("bob");
        nancy.join(&bob, &room, &[metz]).await.unwrap();
        network.deliver().await;
        let join = nancy.rooms.current_state(&room, "m.room.member", bob.user.as_str()).unwrap().unwrap();
        nancy.rooms.leave(&bob, &room, None).await.unwrap();
        network.deliver().await;
        let mut events = vec![join.pdu.json().to_owned()];
        for n in 0..100 {
            let id = metz.say(anne, &room, &n.to_string()).await;
            events.push(metz.rooms.pdu(&room, &id).unwrap().unwrap());
        }
        let before = mark(nancy);
        for some in events.chunks(50) {
            let received = nancy.rooms.receive(&metz.name, some.to_vec()).await;
            assert!(received.iter().all(|received| received.outcome.is_err()), "{version}");
        }
        assert_eq!(mark(nancy), before, "{version}");
        assert_eq!(nancy.own_membership(&room, &bob.user), Some(Membership::Leave), "{version}");
    }
}
