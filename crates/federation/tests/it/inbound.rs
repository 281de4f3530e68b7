//! What another server asks of a town and tells it, by HTTP from end to end: all of it, to a server that is in the room; none of
//! it, to one that is not or is kept out (hazards L2, L3, F6); and of its own users only (F9).

use std::sync::Arc;

use accounts::{InboxItem, NewSession, NewUser, SessionKind, UserKind};
use bytes::Bytes;
use http::{Method, header};
use kernel::{
    Position,
    id::{OwnedEventId, OwnedRoomId, OwnedUserId, RoomAliasId},
};
use rooms::{Actor, CreateRoom, Membership, NewEvent, Preset};
use serde_json::{Value, json, value::to_raw_value};
use web::Access;

use crate::{
    peer::signer,
    town::{Neighbours, Process, TestTown},
};

/// Two towns with a room between them, and a third that has no part in it.
struct World {
    metz: TestTown,
    nancy: TestTown,
    lyon: TestTown,
    alice: Actor,
    bob: Actor,
    room: OwnedRoomId,
}

async fn somebody(town: &TestTown, name: &str) -> Actor {
    let new = NewUser {
        localpart: name.to_owned(),
        display_name: Some(name.to_owned()),
        kind: UserKind::Person,
        identity: None,
        email: None,
    };
    let user = town.town.accounts.create_user(new).await.unwrap();
    let session = NewSession {
        user: user.clone(),
        device: Some("PHONE".into()),
        display_name: None,
        kind: SessionKind::Legacy,
        access_lifetime: None,
        refresh: false,
    };
    town.town.accounts.start_session(session).await.unwrap();
    Actor { user, display_name: Some(name.to_owned()), avatar_url: None }
}

async fn set(town: &TestTown, actor: &Actor, room: &OwnedRoomId, event_type: &str, content: Value) -> OwnedEventId {
    let content = to_raw_value(&content).unwrap();
    let event = NewEvent { event_type: event_type.to_owned(), content, state_key: Some(String::new()), redacts: None };
    town.town.rooms.send(actor, room, event, None).await.unwrap()
}

async fn say(town: &TestTown, actor: &Actor, room: &OwnedRoomId, text: &str) -> OwnedEventId {
    let content = to_raw_value(&json!({ "msgtype": "m.text", "body": text })).unwrap();
    let event = NewEvent { event_type: "m.room.message".to_owned(), content, state_key: None, redacts: None };
    town.town.rooms.send(actor, room, event, None).await.unwrap()
}

impl World {
    async fn new() -> Self {
        let neighbours = Arc::new(Neighbours::default());
        let process = Process::with(|_, _| {}, neighbours.clone());
        let [metz, nancy, lyon] =
            ["metz.example", "nancy.example", "lyon.example"].map(|name| process.town(name, &["*.example"]));
        neighbours.know(&[&metz, &nancy, &lyon]);
        let (alice, bob) = (somebody(&metz, "alice").await, somebody(&nancy, "bob").await);
        let request = CreateRoom {
            preset: Some(Preset::PublicChat),
            name: Some("Mairie".to_owned()),
            version: Some("10".to_owned()),
            ..CreateRoom::default()
        };
        let room = metz.town.rooms.create(&alice, request).await.unwrap();
        let metz_name = metz.name.clone();
        nancy.town.rooms.join_saying(&bob, &room, &[metz_name], None, serde_json::Map::new()).await.unwrap();
        Self { metz, nancy, lyon, alice, bob, room }
    }

    /// Nancy sends Metz a transaction.
    async fn send(&self, txn: &str, pdus: &[&str], edus: &[Value]) -> Value {
        let pdus: Vec<Value> = pdus.iter().map(|pdu| serde_json::from_str(pdu).unwrap()).collect();
        let body = json!({ "origin": "nancy.example", "origin_server_ts": 1, "pdus": pdus, "edus": edus }).to_string();
        let uri = format!("/_matrix/federation/v1/send/{txn}");
        let (status, answer) = self.metz.asked_by(&self.nancy, Method::PUT, &uri, &body).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    fn inbox(&self) -> Vec<InboxItem> {
        let (accounts, device) = (&self.metz.town.accounts, "PHONE".into());
        accounts.inbox(&self.alice.user, device, Position::START, Position::END, 100).unwrap()
    }

    fn typists(&self) -> Vec<OwnedUserId> {
        self.metz.town.rooms.typing().changed_since(&self.room, 0).unwrap_or_default()
    }
}

#[tokio::test]
async fn what_two_servers_of_a_room_tell_each_other() {
    let world = World::new().await;
    let World { metz, nancy, alice, bob, room, .. } = &world;
    let rooms = &metz.town.rooms;
    assert_eq!(rooms.membership(room, &bob.user).unwrap(), Some(Membership::Join));

    let hello = say(nancy, bob, room, "bonjour").await;
    let pdu = nancy.town.rooms.pdu(room, &hello).unwrap().unwrap();
    let edus = [
        json!({ "edu_type": "m.typing", "content": { "room_id": room, "user_id": bob.user, "typing": true } }),
        json!({ "edu_type": "m.receipt", "content": { room.as_str(): { "m.read": { bob.user.as_str(): {
            "event_ids": [hello], "data": { "ts": 5, "thread_id": "main" } } } } } }),
        json!({ "edu_type": "m.direct_to_device", "content": { "sender": bob.user, "type": "m.x", "message_id": "one",
            "messages": { alice.user.as_str(): { "*": { "n": 1 } } } } }),
        json!({ "edu_type": "m.presence", "content": { "push": [] } }),
        json!({ "edu_type": "org.example.new", "content": {} }),
        json!({ "edu_type": 5 }),
        json!({ "edu_type": "m.device_list_update", "content": { "user_id": bob.user, "device_id": "PHONE",
            "stream_id": 1, "prev_id": [] } }),
    ];
    let answer = world.send("a", &[&pdu], &edus).await;
    assert_eq!(answer, json!({ "pdus": { hello.as_str(): {} } }));
    rooms.visible_event(room, &alice.user, &hello).unwrap();
    assert_eq!(world.typists(), std::slice::from_ref(&bob.user));
    let receipts = rooms.receipts(room, &alice.user, Position::START, Position::END).unwrap();
    let of_bob = receipts.iter().find(|receipt| receipt.user == bob.user).unwrap();
    assert_eq!((&of_bob.event_id, of_bob.at.0, of_bob.thread.as_deref()), (&hello, 5, Some("main")));
    assert_eq!(world.inbox().len(), 1);
    assert_eq!(metz.town.accounts.stale_lists(10).unwrap(), std::slice::from_ref(&bob.user));

    // The same transaction, and all in it under another id.
    let before = rooms.position();
    for txn in ["a", "b"] {
        assert_eq!(world.send(txn, &[&pdu], &edus[..4]).await, answer);
    }
    assert_eq!((rooms.position(), world.inbox().len()), (before, 1), "nothing is stored twice");

    let alias = RoomAliasId::parse("#mairie:metz.example").unwrap();
    rooms.set_alias(&alice.user, &alias, room).await.unwrap();
    rooms.publish(&alice.user, room, true).await.unwrap();
    let ask = async |uri: &str| {
        let (status, answer) = metz.asked_by(nancy, Method::GET, uri, "").await;
        assert_eq!(status, 200, "{uri}: {answer}");
        answer
    };
    let v1 = "/_matrix/federation/v1";
    let found = ask(&format!("{v1}/query/directory?room_alias=%23mairie%3Ametz.example")).await;
    assert_eq!(found, json!({ "room_id": room, "servers": ["metz.example", "nancy.example"] }));
    let profile = ask(&format!("{v1}/query/profile?user_id={}", alice.user)).await;
    assert_eq!(profile["displayname"], "alice");
    let name = ask(&format!("{v1}/query/profile?user_id={}&field=displayname", alice.user)).await;
    assert_eq!(name, json!({ "displayname": "alice" }));
    assert_eq!(ask(&format!("{v1}/publicRooms?limit=5")).await["chunk"][0]["canonical_alias"], Value::Null);
    assert_eq!(ask(&format!("{v1}/publicRooms")).await["chunk"][0]["join_rule"], "public");
    let search = json!({ "filter": { "generic_search_term": "nothing like it" } }).to_string();
    let (_, none) = metz.asked_by(nancy, Method::POST, &format!("{v1}/publicRooms"), &search).await;
    assert_eq!(none["chunk"], json!([]));
    assert_eq!(ask(&format!("{v1}/user/devices/{}", alice.user)).await["user_id"], alice.user.as_str());
    assert_eq!(ask(&format!("{v1}/hierarchy/{room}")).await["room"]["room_id"], room.as_str());
    let event = ask(&format!("{v1}/event/{hello}")).await;
    assert_eq!(event["pdus"][0]["content"]["body"], "bonjour");
    let state = ask(&format!("{v1}/state/{room}?event_id={hello}")).await;
    let ids = ask(&format!("{v1}/state_ids/{room}?event_id={hello}")).await;
    assert_eq!(state["pdus"].as_array().unwrap().len(), ids["pdu_ids"].as_array().unwrap().len());
    let chain = ask(&format!("{v1}/event_auth/{room}/{hello}")).await;
    assert!(chain["auth_chain"].as_array().unwrap().iter().any(|event| event["type"] == "m.room.create"));
    let history = ask(&format!("{v1}/backfill/{room}?v={hello}&limit=2")).await;
    assert_eq!(history["pdus"].as_array().unwrap().len(), 2);
    let at = ask(&format!("{v1}/timestamp_to_event/{room}?ts=9999999999999&dir=b")).await;
    assert!(at["event_id"].is_string());
    let (token, _) = metz.town.accounts.openid_token(&alice.user).await.unwrap();
    let (status, owner) = metz.ask(Method::GET, &format!("{v1}/openid/userinfo?access_token={token}"), &[], "").await;
    assert_eq!((status, owner), (200, json!({ "sub": alice.user })));
}

/// What a path of the table means, with these things in it.
fn fill(path: &str, room: &str, event: &str) -> String {
    let things = [
        ("{room_id}", room),
        ("{event_id}", event),
        ("{user_id}", "@eve:lyon.example"),
        ("{txn_id}", "t"),
        ("{query_type}", "profile"),
    ];
    let path = things.into_iter().fold(path.to_owned(), |path, (name, thing)| path.replace(name, thing));
    assert!(!path.contains('{'), "a parameter that this test does not know: {path}");
    path
}

/// All requests of the table that name a room.
fn about_a_room(town: &TestTown, room: &str, event: &str) -> Vec<(Method, String, String)> {
    let body = json!({
        "earliest_events": [], "latest_events": [event], "room_version": "10", "invite_room_state": [],
        "event": { "type": "m.room.member", "room_id": room, "sender": "@eve:lyon.example", "state_key": "@alice:metz.example",
                   "content": { "membership": "invite" } },
    });
    let routes = town.routes.iter().filter(|route| route.access == Access::Server && route.path.contains("{room_id}"));
    let asked = routes.map(|route| {
        let query = format!("?event_id={event}&v={event}&limit=5&ts=5&dir=f&ver=10");
        let body = if route.method == Method::GET { String::new() } else { body.to_string() };
        (route.method.clone(), format!("{}{query}", fill(&route.path, room, event)), body)
    });
    asked.collect()
}

#[tokio::test]
async fn a_server_that_is_not_in_the_room_learns_and_changes_nothing() {
    let world = World::new().await;
    let World { metz, lyon, alice, room, .. } = &world;
    let secret = say(metz, alice, room, "canary").await;
    set(metz, alice, room, "m.room.join_rules", json!({ "join_rule": "invite" })).await;
    let before = (metz.town.rooms.position(), metz.scope.position());
    let other_room = "!elsewhere:metz.example";
    let other_event = format!("${}", "x".repeat(43));
    let mut asked = 0;
    let unknown = about_a_room(metz, other_room, &other_event);
    for ((method, uri, body), (_, other, other_body)) in
        about_a_room(metz, room.as_str(), secret.as_str()).into_iter().zip(unknown)
    {
        let (status, answer) = metz.asked_by(lyon, method.clone(), &uri, &body).await;
        assert!(matches!(status, 400 | 403 | 404), "{method} {uri}: {status} {answer}");
        let (other_status, other_answer) = metz.asked_by(lyon, method.clone(), &other, &other_body).await;
        // Of a handshake the room's own rules are told, as to everybody who asks to come in.
        if !uri.contains("/make_") && !uri.contains("/send_") && !uri.contains("/invite/") {
            assert_eq!(
                (status, &answer),
                (other_status, &other_answer),
                "{method} {uri} tells that there is such a room"
            );
        }
        assert!(!answer.to_string().contains("canary"));
        asked += 1;
    }
    assert!(asked >= 16, "{asked}");
    let (status, _) = metz.asked_by(lyon, Method::GET, &format!("/_matrix/federation/v1/event/{secret}"), "").await;
    assert_eq!(status, 404);
    assert_eq!((metz.town.rooms.position(), metz.scope.position()), before);
}

/// Hazards F6 and F7.
#[tokio::test]
async fn a_server_that_a_room_keeps_out_is_refused_by_every_endpoint_that_names_it() {
    let world = World::new().await;
    let World { metz, nancy, alice, bob, room, .. } = &world;
    let last = say(nancy, bob, room, "avant").await;
    let late = say(nancy, bob, room, "après").await;
    let pdu = |id: &OwnedEventId| nancy.town.rooms.pdu(room, id).unwrap().unwrap();
    world.send("a", &[&pdu(&last)], &[]).await;
    set(metz, alice, room, "m.room.server_acl", json!({ "allow": ["*"], "deny": ["NANCY.example"] })).await;
    let before = metz.town.rooms.position();
    for (method, uri, body) in about_a_room(metz, room.as_str(), last.as_str()) {
        let (status, answer) = metz.asked_by(nancy, method.clone(), &uri, &body).await;
        let hidden = uri.contains("/hierarchy/") && status == 404;
        let unreadable = status == 400 && (uri.contains("/send_") || uri.contains("/invite/"));
        assert!(status == 403 || hidden || unreadable, "{method} {uri}: {status} {answer}");
    }
    let typing = json!({ "edu_type": "m.typing", "content": { "room_id": room, "user_id": bob.user, "typing": true } });
    let receipt = json!({ "edu_type": "m.receipt", "content": { room.as_str(): { "m.read": { bob.user.as_str(): {
        "event_ids": [last], "data": { "ts": 5 } } } } } });
    let answer = world.send("b", &[&pdu(&late)], &[typing, receipt]).await;
    assert!(answer["pdus"][late.as_str()]["error"].is_string(), "{answer}");
    assert_eq!((metz.town.rooms.position(), world.typists()), (before, Vec::new()));
}

/// Hazard F9.
#[tokio::test]
async fn a_server_speaks_for_its_own_users_only() {
    let world = World::new().await;
    let World { metz, nancy, alice, bob, room, .. } = &world;
    let spoken = say(metz, alice, room, "mot").await;
    let stranger = somebody(nancy, "carl").await;
    let elsewhere = metz.town.rooms.create(alice, CreateRoom::default()).await.unwrap();
    let rows = || metz.scope.position();
    let (before, typing) = (rows(), metz.town.rooms.typing().serial());
    let edu = |kind: &str, content: Value| json!({ "edu_type": kind, "content": content });
    let key = |user: &str| json!({ "user_id": user, "usage": ["master"], "keys": { "ed25519:A": "A" } });
    // Somebody of this town, somebody of a third, and for rooms somebody of the origin who is not in the room.
    for user in [alice.user.as_str(), "@eve:lyon.example", stranger.user.as_str()] {
        let is_other = user != stranger.user.as_str();
        let mut edus = vec![
            edu("m.typing", json!({ "room_id": room, "user_id": user, "typing": true })),
            edu(
                "m.receipt",
                json!({ room.as_str(): { "m.read": { user: {
                "event_ids": [spoken], "data": { "ts": 5 } } } } }),
            ),
        ];
        if is_other {
            edus.extend([
                edu(
                    "m.direct_to_device",
                    json!({ "sender": user, "type": "m.x", "message_id": "one",
                    "messages": { alice.user.as_str(): { "*": { "n": 1 } } } }),
                ),
                edu("m.device_list_update", json!({ "user_id": user, "device_id": "NEW", "stream_id": 9 })),
                edu("m.signing_key_update", json!({ "user_id": user, "master_key": key(user) })),
                edu("m.presence", json!({ "push": [{ "user_id": user, "presence": "online", "last_active_ago": 1 }] })),
            ]);
        }
        world.send("x", &[], &edus).await;
    }
    let not_in_it = [
        edu("m.typing", json!({ "room_id": elsewhere, "user_id": bob.user, "typing": true })),
        edu(
            "m.receipt",
            json!({ elsewhere.as_str(): { "m.read": { bob.user.as_str(): {
            "event_ids": [spoken], "data": {} } } } }),
        ),
    ];
    world.send("y", &[], &not_in_it).await;
    // Threads that there are not: each would be a row that every sync of the room reads.
    for thread in ["$invented", "", "main\u{0}"] {
        let receipt = edu(
            "m.receipt",
            json!({ room.as_str(): { "m.read": { bob.user.as_str(): {
            "event_ids": [spoken], "data": { "ts": 5, "thread_id": thread } } } } }),
        );
        world.send("z", &[], &[receipt]).await;
    }
    assert_eq!((rows(), metz.town.rooms.typing().serial(), world.inbox().len()), (before, typing, 0));
}

#[tokio::test]
async fn a_transaction_that_is_too_large_or_no_transaction_is_refused_whole() {
    let world = World::new().await;
    let World { metz, nancy, bob, room, .. } = &world;
    let id = say(nancy, bob, room, "un").await;
    let pdu: Value = serde_json::from_str(&nancy.town.rooms.pdu(room, &id).unwrap().unwrap()).unwrap();
    let before = metz.town.rooms.position();
    let uri = "/_matrix/federation/v1/send/t";
    let bodies = [
        json!({ "pdus": vec![pdu.clone(); 51], "edus": [] }),
        json!({ "pdus": [pdu], "edus": vec![json!({}); 101] }),
        json!({ "pdus": {}, "edus": [] }),
        json!({ "pdus": 5 }),
    ];
    for body in bodies {
        let (status, answer) = metz.asked_by(nancy, Method::PUT, uri, &body.to_string()).await;
        assert_eq!((status, answer["errcode"].as_str()), (400, Some("M_BAD_JSON")));
    }
    let (status, _) = metz.asked_by(nancy, Method::PUT, uri, r#"{"pdus":[],"pdus":[]}"#).await;
    assert_eq!(status, 400);
    assert_eq!(metz.town.rooms.position(), before);
    // Fifty of one room in any order are all taken (hazard S13).
    let mut pdus = Vec::new();
    for number in 0..49 {
        let id = say(nancy, bob, room, &number.to_string()).await;
        pdus.push(nancy.town.rooms.pdu(room, &id).unwrap().unwrap());
    }
    pdus.push(nancy.town.rooms.pdu(room, &id).unwrap().unwrap());
    pdus.reverse();
    pdus.swap(3, 40);
    let pdus: Vec<&str> = pdus.iter().map(String::as_str).collect();
    let answer = world.send("all", &pdus, &[]).await;
    let taken = answer["pdus"].as_object().unwrap();
    assert!(taken.len() == 50 && taken.values().all(|outcome| *outcome == json!({})), "{answer}");
}

#[tokio::test]
async fn a_query_that_nobody_answers_is_unrecognized() {
    let world = World::new().await;
    let World { metz, nancy, .. } = &world;
    for (uri, expected) in [
        ("query/unheard_of", (404, "M_UNRECOGNIZED")),
        ("query/profile", (400, "M_MISSING_PARAM")),
        ("query/profile?user_id=alice", (400, "M_INVALID_PARAM")),
        ("query/profile?user_id=@nobody:metz.example", (404, "M_NOT_FOUND")),
        ("query/profile?user_id=@bob:nancy.example", (404, "M_NOT_FOUND")),
        ("query/directory?room_alias=mairie", (400, "M_INVALID_PARAM")),
        ("query/directory?room_alias=%23nothing%3Ametz.example", (404, "M_NOT_FOUND")),
        ("user/devices/@bob:nancy.example", (404, "M_NOT_FOUND")),
        ("openid/userinfo?access_token=x", (401, "M_UNKNOWN_TOKEN")),
    ] {
        let (status, answer) = metz.asked_by(nancy, Method::GET, &format!("/_matrix/federation/v1/{uri}"), "").await;
        assert_eq!((status, answer["errcode"].as_str().unwrap()), expected, "{uri}");
    }
    // Keys of others are not this town's to tell (hazard L9).
    let body = json!({ "device_keys": { "@bob:nancy.example": [] } }).to_string();
    let (status, keys) = metz.asked_by(nancy, Method::POST, "/_matrix/federation/v1/user/keys/query", &body).await;
    assert_eq!((status, keys), (200, json!({ "device_keys": {} })));
}

#[tokio::test]
async fn files_of_one_town_are_seen_in_another() {
    let world = World::new().await;
    let World { metz, nancy, lyon, alice, .. } = &world;
    let mut incoming = metz.town.media.receive().await.unwrap();
    let bytes: Vec<u8> = [b"--\r\n\r\n".as_slice(), &[7; 200_000]].concat();
    incoming.write(&bytes).await.unwrap();
    let new = media::NewFile {
        uploader: alice.user.clone(),
        content_type: Some("audio/ogg".to_owned()),
        name: Some("été \"1\".ogg".to_owned()),
    };
    let id = metz.town.media.keep(incoming, new).await.unwrap();
    let file = nancy.town.media.file(&metz.name, &id).await.unwrap();
    assert_eq!((file.content_type.as_str(), file.name.as_deref()), ("audio/ogg", Some("été \"1\".ogg")));
    assert_eq!(file.content.whole().await.unwrap(), bytes);
    let refused = nancy.town.media.file(&metz.name, "unknown").await;
    assert!(matches!(refused, Err(media::Error::Remote(kernel::RemoteError::NotFound(_)))));
    let size = media::Size { width: 32, height: 32, method: media::Method::Crop };
    let refused = nancy.town.media.thumbnail(&metz.name, &id, size).await;
    assert!(matches!(refused, Err(media::Error::NoThumbnail(_))), "no image");
    // A town tells of its own files only, and to its federation only.
    let uri = format!("/_matrix/federation/v1/media/download/{id}");
    for (asked, status) in [(metz, 200), (nancy, 404)] {
        let town = signed_get(lyon, asked, &uri).await;
        assert_eq!(town, status);
    }
    let answer = metz.site.answer(request(metz, &uri).body(Bytes::new()).unwrap(), &somewhere()).await;
    assert_eq!(answer.status().as_u16(), 401);
}

fn somewhere() -> web::Peer {
    web::Peer::plain([192, 0, 2, 1].into())
}

fn request(of: &TestTown, uri: &str) -> http::request::Builder {
    http::Request::builder().uri(uri).header(header::HOST, of.name.as_str())
}

/// The status of what one town answers another, whatever is in the answer.
async fn signed_get(by: &TestTown, of: &TestTown, uri: &str) -> u16 {
    let to_sign = events::RequestToSign { method: "GET", uri, destination: &of.name, content: None };
    let signed = signer(&by.name, "town", 200).sign_request(&to_sign).unwrap();
    let request = request(of, uri).header(header::AUTHORIZATION, signed).body(Bytes::new()).unwrap();
    of.site.answer(request, &somewhere()).await.status().as_u16()
}
