//! Filters: what a client does not want, it is not told.

use serde_json::{Value, json};

use super::{TestSite, bodies, encode, list, part, types};

#[tokio::test]
async fn rooms_types_and_senders_are_left_out() {
    let site = TestSite::open();
    let (alice, bob, room, first) = site.pair().await;
    let other = site.open_room(&alice).await;
    site.join(&bob, &other).await;
    let first = site.after(&bob, &first).await;
    for in_room in [&room, &other] {
        site.say(&alice, in_room, "d'Alice").await;
        site.say(&bob, in_room, "de Bob").await;
        site.send(&alice, in_room, "m.reaction", json!({})).await.ok();
    }
    let both = async |filter: Value| {
        let answer = site.filtered(&bob, &first, json!({ "room": filter })).await;
        let of = |room: &str| list(&part(&answer, "join", room)["timeline"]["events"]).len();
        (of(&room), of(&other))
    };
    for (filter, expected) in [
        (json!({}), (3, 3)),
        (json!({ "rooms": [room] }), (3, 0)),
        (json!({ "not_rooms": [room] }), (0, 3)),
        (json!({ "rooms": [room], "not_rooms": [room] }), (0, 0)),
        (json!({ "timeline": { "rooms": [room] } }), (3, 0)),
        (json!({ "timeline": { "not_rooms": [room] } }), (0, 3)),
        (json!({ "timeline": { "types": ["m.room.*"] } }), (2, 2)),
        (json!({ "timeline": { "not_types": ["m.room.message"] } }), (1, 1)),
        (json!({ "timeline": { "senders": [bob.user] } }), (1, 1)),
        (json!({ "timeline": { "not_senders": [bob.user] } }), (2, 2)),
        (json!({ "timeline": { "limit": 1 } }), (1, 1)),
        (json!({ "timeline": { "limit": 0 } }), (0, 0)),
    ] {
        assert_eq!(both(filter.clone()).await, expected, "{filter}");
    }
    // A stored filter is the same; another's is unknown.
    let path = format!("/_matrix/client/v3/user/{}/filter", encode(bob.user.as_str()));
    let filter =
        json!({ "room": { "rooms": [room], "timeline": { "senders": [alice.user], "types": ["m.room.message"] } } });
    let id = site.post(&bob, &path, filter).await.ok()["filter_id"].as_str().unwrap().to_owned();
    let answer = site.try_sync(&bob, first["next_batch"].as_str(), &format!("filter={id}")).await.ok();
    assert_eq!(bodies(&part(&answer, "join", &room)["timeline"]["events"]), ["d'Alice"]);
    site.try_sync(&alice, None, &format!("filter={id}")).await.refused(400, "M_INVALID_PARAM");
}

#[tokio::test]
async fn state_and_account_data_and_ephemeral_events_have_filters_of_their_own() {
    let site = TestSite::open();
    let (alice, bob, room, _) = site.pair().await;
    let event = site.say(&alice, &room, "un").await;
    site.read_up_to(&alice, &room, "m.read", &event).await;
    site.type_in(&alice, &room, true).await;
    site.put_data(&bob, None, "fr.test.one", json!({ "a": 1 })).await;
    site.put_data(&bob, Some(&room), "fr.test.two", json!({ "a": 1 })).await;
    let told = async |filter: Value| site.filtered(&bob, &Value::Null, filter).await;
    let all = told(json!({})).await;
    let joined = part(&all, "join", &room);
    assert_eq!(types(&joined["ephemeral"]["events"]), ["m.receipt", "m.typing"]);
    assert_eq!(types(&joined["account_data"]["events"]), ["fr.test.two"]);
    assert_eq!(types(&all["account_data"]["events"]), ["m.push_rules", "fr.test.one"]);

    let none = json!({ "not_types": ["*"] });
    let quiet = told(json!({ "account_data": none, "room": { "state": none, "ephemeral": none, "account_data": none,
        "timeline": { "limit": 1 } } }))
    .await;
    let joined = part(&quiet, "join", &room);
    assert!(quiet["account_data"].is_null(), "{quiet}");
    for part in ["state", "ephemeral", "account_data"] {
        assert_eq!(joined[part]["events"], json!([]), "{part}");
    }
    let elsewhere = json!({ "rooms": ["!elsewhere:metz.example"] });
    let quiet =
        told(json!({ "room": { "state": elsewhere, "ephemeral": elsewhere, "account_data": elsewhere } })).await;
    for name in ["state", "ephemeral", "account_data"] {
        assert_eq!(part(&quiet, "join", &room)[name]["events"], json!([]), "{name}");
    }
    let some = told(json!({ "room": { "state": { "types": ["m.room.create"] }, "ephemeral": { "types": ["m.typing"] },
        "timeline": { "limit": 1 } } }))
    .await;
    let joined = part(&some, "join", &room);
    assert_eq!(types(&joined["state"]["events"]), ["m.room.create"]);
    assert_eq!(types(&joined["ephemeral"]["events"]), ["m.typing"]);
}

/// The users whose memberships are among some state.
fn members(state: &Value) -> Vec<String> {
    let member = |event: &Value| event["type"] == "m.room.member";
    let mut users: Vec<_> =
        list(state).into_iter().filter(member).map(|e| e["state_key"].as_str().unwrap().into()).collect();
    users.sort_unstable();
    users
}

#[tokio::test]
async fn members_are_loaded_with_what_they_say() {
    let site = TestSite::open();
    let (alice, bob, room, _) = site.pair().await;
    let (carol, dave) = (site.person("carol").await, site.person("dave").await);
    site.join(&carol, &room).await;
    site.join(&dave, &room).await;
    let lazy = |redundant: bool, limit: u32| {
        json!({ "room": { "timeline": { "limit": limit },
            "state": { "lazy_load_members": true, "include_redundant_members": redundant } } })
    };
    for redundant in [false, true] {
        site.say(&carol, &room, "un").await;
        let first = site.filtered(&bob, &Value::Null, lazy(redundant, 1)).await;
        let state = &part(&first, "join", &room)["state"]["events"];
        assert_eq!(members(state), [bob.user.as_str(), carol.user.as_str()], "who spoke, and oneself");
        site.say(&alice, &room, "deux").await;
        let second = site.filtered(&bob, &first, lazy(redundant, 10)).await;
        assert_eq!(members(&part(&second, "join", &room)["state"]["events"]), [alice.user.as_str()]);
        if redundant {
            site.say(&alice, &room, "trois").await;
            let third = site.filtered(&bob, &second, lazy(redundant, 10)).await;
            assert_eq!(members(&part(&third, "join", &room)["state"]["events"]), [alice.user.as_str()]);
        }
    }
    // Memberships that changed in a gap are told whoever speaks after it, lest the client never learn of them.
    let before = site.first(&bob).await;
    site.kick(&alice, &room, &dave).await;
    site.say(&carol, &room, "quatre").await;
    let gap = site.filtered(&bob, &before, lazy(false, 1)).await;
    let state = &part(&gap, "join", &room)["state"]["events"];
    assert_eq!(members(state), [carol.user.as_str(), dave.user.as_str()]);
    assert_eq!(part(&gap, "join", &room)["summary"]["m.joined_member_count"], 3);
}
