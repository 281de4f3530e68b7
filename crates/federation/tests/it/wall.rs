//! Nothing of ours reaches a server that is not on the list (hazard F20), whichever way leads there.

use accounts::{ClaimRequest, Remote as _};
use events::{Draft, Pdu, RoomVersion};
use federation::Call;
use http::Method;
use kernel::{
    RemoteError, RemoteResult, Timestamp,
    id::{EventId, OwnedEventId, RoomAliasId, RoomId, ServerName, UserId},
};
use media::{Method as Fit, Remote as _, Size};
use rooms::{AskedRooms, Gap, Handshake, Remote as _};
use std::{collections::BTreeMap, time::Duration};
use store::{Direction, memory::Memory};

use crate::{
    peer::{Peer, signer},
    town::{ECHO, NOW, Process, TestTown},
};

const SIZE: Size = Size { width: 32, height: 32, method: Fit::Crop };

fn event(town: &ServerName) -> Pdu {
    let user = UserId::parse(format!("@a:{town}")).unwrap();
    let draft = Draft {
        room_id: Some(RoomId::parse("!r:denied.example").unwrap()),
        sender: user.clone(),
        event_type: "m.room.member".to_owned(),
        state_key: Some(user.to_string()),
        content: events::canonical_event(r#"{"membership":"join"}"#).unwrap(),
        redacts: None,
        prev_events: Vec::new(),
        auth_events: Vec::new(),
        depth: 1,
        origin_server_ts: NOW,
    };
    draft.seal(RoomVersion::parse("10").unwrap(), &signer(town, "town", 200)).unwrap()
}

/// Each way to call a server, and whether it was refused as it must be.
async fn every_way(town: &TestTown, to: &ServerName) -> Vec<(&'static str, bool)> {
    let peers = &*town.peers;
    let room = RoomId::parse("!r:denied.example").unwrap();
    let user = UserId::parse(format!("@u:{to}")).unwrap();
    let alias = RoomAliasId::parse(format!("#a:{to}")).unwrap();
    let id: OwnedEventId = EventId::parse("$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
    let event = event(&town.name);
    let gap = Gap { earliest: &[], latest: std::slice::from_ref(&id), limit: 10, min_depth: 0 };
    let asked_rooms = AskedRooms { limit: 10, since: None, term: None, room_types: &[] };
    let wanted = BTreeMap::from([(user.clone(), Vec::new())]);
    let claims = [ClaimRequest { user: user.clone(), device: "D".into(), algorithm: "signed_curve25519".to_owned() }];
    let call = Call {
        to,
        method: Method::PUT,
        uri: "/_matrix/federation/v1/send/1".to_owned(),
        body: Some("{}".to_owned()),
        deadline: Duration::from_secs(5),
        bytes_max: 1_000,
    };
    let mut ways = vec![("keys", peers.keys(&[(to.to_owned(), "ed25519:a".to_owned())], NOW).await.is_empty())];
    for (name, handshake) in
        [("make_join", Handshake::Join), ("make_leave", Handshake::Leave), ("make_knock", Handshake::Knock)]
    {
        ways.push((name, walled(peers.template(to, handshake, &room, &user, &["10"]).await)));
    }
    ways.extend([
        ("call", walled(peers.call(call).await)),
        ("send_join", walled(peers.send_join(to, &room, &event).await)),
        ("send_leave", walled(peers.send_leave(to, &room, &event).await)),
        ("send_knock", walled(peers.send_knock(to, &room, &event).await)),
        ("invite", walled(peers.send_invite(to, &event, "10", &[]).await)),
        ("get_missing_events", walled(peers.missing_events(to, &room, &gap).await)),
        ("state_ids", walled(peers.state_ids(to, &room, &id).await)),
        ("state", walled(peers.state(to, &room, &id).await)),
        ("event", walled(peers.event(to, &id).await)),
        ("event_auth", walled(peers.event_auth(to, &room, &id).await)),
        ("backfill", walled(peers.backfill(to, &room, std::slice::from_ref(&id), 10).await)),
        ("timestamp_to_event", walled(peers.event_by_time(to, &room, Timestamp(1), Direction::Forward).await)),
        ("query/directory", walled(peers.resolve_alias(&alias).await)),
        ("publicRooms", walled(peers.public_rooms(to, &asked_rooms).await)),
        ("hierarchy", walled(peers.hierarchy(to, &room, false).await)),
        ("user/devices", walled(peers.devices(&user).await)),
        ("user/keys/query", walled(peers.query_keys(to, &wanted).await)),
        ("user/keys/claim", walled(peers.claim_keys(to, &claims).await)),
        ("media/download", walled(peers.download(to, "id", 1_000).await)),
        ("media/thumbnail", walled(peers.thumbnail(to, "id", SIZE).await)),
        ("query/profile", walled(peers.profile(&user, None).await)),
    ]);
    ways
}

fn walled<T>(outcome: RemoteResult<T>) -> bool {
    matches!(outcome, Err(RemoteError::NotAllowed(_)))
}

#[tokio::test]
async fn a_server_that_is_not_listed_hears_nothing_of_us() {
    let process = Process::new();
    let denied = Peer::start("denied.example:{port}", process.authority.server(&["denied.example"])).await;
    denied.serve_keys(denied.document(NOW.plus(Duration::from_hours(1))), "{}");
    process.internet.web("denied.example", denied.port);
    // Also as a notary of others, and as what others ask us for as a notary.
    let allow = ["friend.example:*", "*.opsn.example"];
    let town = process.town_with("metz.example", &allow, &[&denied.name], &Memory::new());
    let friend = ServerName::parse("friend.example:1").unwrap();
    let without_port = ServerName::parse("denied.example").unwrap();

    for to in [&denied.name, &without_port] {
        for (way, is_walled) in every_way(&town, to).await {
            assert!(is_walled, "{way} to {to}");
        }
    }
    assert!(process.internet.questions().is_empty(), "not even its address is looked for");
    town.peers.keys(&[(friend, "ed25519:a".to_owned())], NOW).await;
    let query = format!(r#"{{"server_keys":{{"{}":{{}}}}}}"#, denied.name);
    let (status, keys) = town.ask(Method::POST, "/_matrix/key/v2/query", &[], &query).await;
    assert_eq!((status, keys["server_keys"].as_array().unwrap().len()), (200, 0));
    let (status, keys) = town.ask(Method::GET, &format!("/_matrix/key/v2/query/{}", denied.name), &[], "").await;
    assert_eq!((status, keys["server_keys"].as_array().unwrap().len()), (200, 0));
    let signed = denied.sign("GET", ECHO, &town.name, None);
    let (status, refusal) = town.ask(Method::GET, ECHO, &[&signed], "").await;
    assert_eq!((status, refusal["errcode"].as_str()), (403, Some("M_FORBIDDEN")));

    assert_eq!((denied.connections(), process.echoed()), (0, 0));
    assert!(process.internet.questions().iter().all(|question| !question.contains("denied")));
}

#[tokio::test]
async fn a_server_that_is_listed_is_reached_in_every_way_until_it_is_taken_off() {
    let process = Process::new();
    let peer = Peer::start("denied.example:{port}", process.authority.server(&["denied.example"])).await;
    peer.serve_keys(peer.document(NOW.plus(Duration::from_hours(1))), "{}");
    let town = process.town("metz.example", &["denied.example:*"]);
    let ways = every_way(&town, &peer.name).await;
    assert!(ways.iter().all(|(_, is_walled)| !is_walled), "{ways:?}");
    let asked = peer.asked();
    assert_eq!(asked.len(), ways.len(), "each of them brought one request");
    for asked in asked.iter().filter(|asked| !asked.uri.starts_with("/_matrix/key/")) {
        let claim = events::XMatrix::parse(&asked.authorization).unwrap();
        let content = Some(asked.body.as_str()).filter(|body| !body.is_empty());
        let key = signer(&town.name, "town", 200).public_key();
        claim.verify(&asked.method, &asked.uri, content, &key).unwrap();
        assert_eq!((claim.origin, claim.destination), (town.name.clone(), Some(peer.name.clone())), "{}", asked.uri);
    }

    let connections = peer.connections();
    town.peers.wall().replace(policy::Allowlist::default());
    let ways = every_way(&town, &peer.name).await;
    let walled: Vec<_> = ways.iter().filter(|(_, is_walled)| *is_walled).collect();
    assert_eq!(walled.len(), ways.len() - 1, "all but keys, of which one is still known: {ways:?}");
    assert_eq!((peer.connections(), peer.asked().len()), (connections, 0));
}
