//! `createRoom`: what it makes of each wish, and that a refused one leaves nothing.

use serde_json::{Value, json};

use super::{TestSite, at, encode};

const CREATE: &str = "/_matrix/client/v3/createRoom";

#[tokio::test]
async fn a_room_has_all_that_was_asked_for() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let room = site
        .room(
            &alice,
            json!({
                "preset": "private_chat", "visibility": "public", "room_alias_name": "mairie", "name": "Mairie",
                "topic": "Conseil", "room_version": "11", "is_direct": true, "invite": [bob.user, bob.user],
                "creation_content": { "type": "m.space", "m.federate": false, "room_version": "1", "own": 1 },
                "initial_state": [
                    { "type": "m.room.history_visibility", "content": { "history_visibility": "joined" } },
                    { "type": "fr.example.odd", "state_key": "k", "content": { "a": [1] } },
                ],
                "power_level_content_override": { "events_default": 7 },
            }),
        )
        .await;
    let state = async |path: &str| site.get(&alice, &at(&room, &format!("state/{path}"))).await.ok();
    let create = state("m.room.create").await;
    assert_eq!(create["room_version"], "11");
    assert_eq!((&create["type"], &create["own"], &create["m.federate"]), (&json!("m.space"), &json!(1), &json!(false)));
    assert_eq!(state("m.room.name/").await["name"], "Mairie");
    let topic = state("m.room.topic").await;
    assert_eq!((&topic["topic"], &topic["m.topic"]["m.text"][0]["body"]), (&json!("Conseil"), &json!("Conseil")));
    assert_eq!(state("m.room.history_visibility").await["history_visibility"], "joined");
    assert_eq!(state("m.room.join_rules").await["join_rule"], "invite");
    assert_eq!(state("fr.example.odd/k").await["a"][0], 1);
    assert_eq!(state("m.room.canonical_alias").await["alias"], "#mairie:metz.example");
    let levels = state("m.room.power_levels").await;
    assert_eq!((&levels["events_default"], &levels["users"][alice.user.as_str()]), (&json!(7), &json!(100)));
    let invite = state(&format!("m.room.member/{}", encode(bob.user.as_str()))).await;
    assert_eq!((&invite["membership"], &invite["is_direct"]), (&json!("invite"), &json!(true)));
    assert_eq!(invite["displayname"], "Bob Exemple [Metz]");
    let list = site.get(&bob, "/_matrix/client/v3/publicRooms").await.ok();
    assert_eq!((&list["chunk"][0]["room_id"], &list["total_room_count_estimate"]), (&json!(room), &json!(1)));
}

#[tokio::test]
async fn a_refused_room_leaves_nothing() {
    let site = TestSite::open();
    let alice = site.person("alice").await;
    site.room(&alice, json!({ "room_alias_name": "taken" })).await;
    let third_party =
        json!({ "id_server": "id.example", "id_access_token": "x", "medium": "email", "address": "a@b.example" });
    let member =
        json!({ "type": "m.room.member", "state_key": "@x:metz.example", "content": { "membership": "join" } });
    let refusals: [(Value, u16, &str); 15] = [
        (json!({ "invite": ["@nobody:metz.example"] }), 404, "M_NOT_FOUND"),
        (json!({ "invite": ["@somebody:toul.example"] }), 403, "M_FORBIDDEN"),
        (json!({ "invite": ["no user id"] }), 400, "M_BAD_JSON"),
        (json!({ "invite": [alice.user] }), 400, "M_INVALID_ROOM_STATE"),
        (json!({ "invite_3pid": [third_party] }), 403, "M_THREEPID_DENIED"),
        (json!({ "room_version": 1 }), 400, "M_BAD_JSON"),
        (json!({ "room_version": "no-such-version" }), 400, "M_UNSUPPORTED_ROOM_VERSION"),
        (json!({ "room_alias_name": "taken" }), 400, "M_ROOM_IN_USE"),
        (json!({ "room_alias_name": "a:b" }), 400, "M_INVALID_PARAM"),
        (json!({ "room_alias_name": "with blank" }), 400, "M_INVALID_PARAM"),
        (json!({ "room_alias_name": "x".repeat(300) }), 400, "M_INVALID_PARAM"),
        (json!({ "preset": "no_such_preset" }), 400, "M_INVALID_PARAM"),
        (json!({ "initial_state": [member] }), 400, "M_INVALID_ROOM_STATE"),
        (json!({ "initial_state": [{ "type": "t", "content": { "x": 1.5 } }] }), 400, "M_BAD_JSON"),
        (
            json!({ "room_version": "12", "power_level_content_override": { "users": { alice.user.as_str(): 100 } } }),
            400,
            "M_INVALID_ROOM_STATE",
        ),
    ];
    for (body, status, errcode) in refusals {
        let before = site.position();
        site.post(&alice, CREATE, body.clone()).await.refused(status, errcode);
        assert_eq!(site.position(), before, "{body}");
    }
    let joined = site.get(&alice, "/_matrix/client/v3/joined_rooms").await.ok();
    assert_eq!(joined["joined_rooms"].as_array().unwrap().len(), 1);
}
