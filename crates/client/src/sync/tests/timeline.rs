//! Timelines, their gaps, and the state that goes with them.

use serde_json::{Value, json};

use super::{TestSite, bodies, encode, list, next, part, types};

const BOTH: [&str; 2] = ["use_state_after=true", "org.matrix.msc4222.use_state_after=true"];

#[tokio::test]
async fn a_first_sync_tells_all_and_the_next_what_came_since() {
    let site = TestSite::open();
    let (alice, bob, room, first) = site.pair().await;
    let joined = part(&first, "join", &room);
    let state = types(&joined["state"]["events"]);
    let told = |kind: &str| {
        state.iter().any(|known| known == kind) || types(&joined["timeline"]["events"]).contains(&kind.into())
    };
    for kind in ["m.room.create", "m.room.power_levels", "m.room.join_rules", "m.room.member"] {
        assert!(told(kind), "{kind}: {joined}");
    }
    assert_eq!(joined["unread_notifications"], json!({ "highlight_count": 0, "notification_count": 0 }));
    let summary = json!({ "m.heroes": [alice.user], "m.joined_member_count": 2, "m.invited_member_count": 0 });
    assert_eq!(joined["summary"], summary);
    site.say(&alice, &room, "un").await;
    site.say(&bob, &room, "deux").await;
    let second = site.after(&bob, &first).await;
    let joined = part(&second, "join", &room);
    assert_eq!(bodies(&joined["timeline"]["events"]), ["un", "deux"]);
    assert_eq!((&joined["timeline"]["limited"], &joined["state"]["events"]), (&json!(false), &json!([])));
    assert!(list(&joined["timeline"]["events"]).iter().all(|event| event["room_id"].is_null()), "as the spec has it");
    let nothing = site.after(&bob, &second).await;
    assert!(nothing["rooms"].is_null(), "{nothing}");
    // The same token tells the same again: an answer that was lost is not.
    assert_eq!(part(&site.after(&bob, &first).await, "join", &room), joined);
    let full = site.try_sync(&bob, Some(&next(&second)), "full_state=true").await.ok();
    let full = types(&part(&full, "join", &room)["state"]["events"]);
    assert_eq!(full.iter().filter(|kind| *kind == "m.room.member").count(), 2, "{full:?}");
}

#[tokio::test]
async fn a_gap_is_filled_without_a_hole_or_a_double() {
    let site = TestSite::open();
    let (alice, bob, room, first) = site.pair().await;
    for number in 0..25 {
        site.say(&alice, &room, &number.to_string()).await;
    }
    let answer = site.filtered(&bob, &first, json!({ "room": { "timeline": { "limit": 4 } } })).await;
    let timeline = &part(&answer, "join", &room)["timeline"];
    assert_eq!((bodies(&timeline["events"]), &timeline["limited"]), (numbers(21..25), &json!(true)));
    let (mut from, mut older) = (timeline["prev_batch"].as_str().unwrap().to_owned(), Vec::new());
    let to = next(&first);
    loop {
        let path = format!("rooms/{}/messages?dir=b&limit=5&from={}&to={}", encode(&room), encode(&from), encode(&to));
        let page = site.get(&bob, &format!("/_matrix/client/v3/{path}")).await.ok();
        older.extend(bodies(&page["chunk"]));
        match page["end"].as_str() {
            Some(end) => from = end.to_owned(),
            None => break,
        }
    }
    older.reverse();
    assert_eq!(older, numbers(0..21));
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// The topics among some state.
fn topics(state: &Value) -> Vec<String> {
    list(state).iter().filter_map(|event| event["content"]["topic"].as_str().map(ToOwned::to_owned)).collect()
}

#[tokio::test]
async fn state_is_that_before_the_timeline_or_that_at_its_end() {
    let site = TestSite::open();
    let (alice, bob, room, first) = site.pair().await;
    site.set_state(&alice, &room, "m.room.topic", json!({ "topic": "dans la coupure" })).await;
    site.set_state(&alice, &room, "m.room.name", json!({ "name": "Mairie" })).await;
    site.say(&alice, &room, "un").await;
    site.set_state(&alice, &room, "m.room.topic", json!({ "topic": "dans le fil" })).await;
    let filter = format!("filter={}", encode(&json!({ "room": { "timeline": { "limit": 2 } } }).to_string()));
    let since = next(&first);
    let before = site.try_sync(&bob, Some(&since), &filter).await.ok();
    let before = part(&before, "join", &room);
    assert_eq!(before["timeline"]["limited"], true);
    assert_eq!(topics(&before["state"]["events"]), ["dans la coupure"]);
    assert!(before["state_after"].is_null());
    for spelling in BOTH {
        let after = site.try_sync(&bob, Some(&since), &format!("{filter}&{spelling}")).await.ok();
        let after = part(&after, "join", &room);
        assert!(after["state"].is_null(), "one of the two");
        assert_eq!(after["state_after"], after["org.matrix.msc4222.state_after"]);
        assert_eq!(topics(&after["state_after"]["events"]), ["dans le fil"]);
        assert_eq!(list(&after["state_after"]["events"]).len(), 2, "what changed, and no more");
        let whole = site.try_sync(&bob, Some(&since), spelling).await.ok();
        let whole = part(&whole, "join", &room);
        assert_eq!((&whole["timeline"]["limited"], list(&whole["timeline"]["events"]).len()), (&json!(false), 4));
        assert_eq!(topics(&whole["state_after"]["events"]), ["dans le fil"], "also without a gap");
    }
}

#[tokio::test]
async fn state_that_the_timeline_leaves_out_is_told_as_state() {
    let site = TestSite::open();
    let (alice, bob, room, first) = site.pair().await;
    site.set_state(&alice, &room, "m.room.name", json!({ "name": "avant" })).await;
    site.say(&alice, &room, "un").await;
    site.set_state(&alice, &room, "m.room.topic", json!({ "topic": "après" })).await;
    let messages = json!({ "room": { "timeline": { "types": ["m.room.message"] } } });
    let answer = site.filtered(&bob, &first, messages.clone()).await;
    let joined = part(&answer, "join", &room);
    assert_eq!(types(&joined["timeline"]["events"]), ["m.room.message"]);
    assert_eq!(types(&joined["state"]["events"]), ["m.room.name", "m.room.topic"]);
    let query = format!("use_state_after=true&filter={}", encode(&messages.to_string()));
    let answer = site.try_sync(&bob, Some(&next(&first)), &query).await.ok();
    assert_eq!(types(&part(&answer, "join", &room)["state_after"]["events"]), ["m.room.name", "m.room.topic"]);
    // Again nothing, for they were told.
    assert!(site.filtered(&bob, &answer, messages.clone()).await["rooms"].is_null());
    let whole = site.filtered(&bob, &Value::Null, messages).await;
    assert_eq!(topics(&part(&whole, "join", &room)["state"]["events"]), ["après"]);
}

#[tokio::test]
async fn a_transaction_is_told_to_the_device_that_sent_it() {
    let site = TestSite::open();
    let (alice, bob, room, first) = site.pair().await;
    let tablet = site.sign_in(&alice.user, "TABLET").await;
    let path = format!("/_matrix/client/v3/rooms/{}/send/m.room.message/mine", encode(&room));
    site.put(&alice, &path, json!({ "msgtype": "m.text", "body": "un" })).await.ok();
    for (who, seen) in [(&alice, json!("mine")), (&tablet, Value::Null), (&bob, Value::Null)] {
        let answer = site.after(who, &first).await;
        let events = list(&part(&answer, "join", &room)["timeline"]["events"]);
        assert_eq!(events.last().unwrap()["unsigned"]["transaction_id"], seen, "{}", who.device);
    }
}

#[tokio::test]
async fn a_token_is_this_servers_and_tells_nobody_anothers() {
    let site = TestSite::open();
    let (alice, bob, room, first) = site.pair().await;
    let hidden = site.room(&alice, json!({ "preset": "private_chat", "name": "secret" })).await;
    let before = site.position();
    for odd in ["x", "s", "s1", "1", "t12", "s1_2_3_4", "s99999999_1_1", "s1_99999999_1", "s-1_0_0", "null"] {
        site.try_sync(&bob, Some(odd), "").await.refused(400, "M_INVALID_PARAM");
    }
    site.try_sync(&bob, None, "since=").await.refused(400, "M_INVALID_PARAM");
    site.try_sync(&bob, None, "filter=unknown").await.refused(400, "M_INVALID_PARAM");
    assert_eq!(site.position(), before);
    // Tokens are moments of the stream: with another's, one is told one's own news since then.
    let others = site.first(&alice).await;
    site.say(&alice, &room, "un").await;
    let answer = site.after(&bob, &others).await;
    assert_eq!(bodies(&part(&answer, "join", &room)["timeline"]["events"]), ["un"]);
    assert!(part(&site.after(&bob, &first).await, "join", &hidden).is_null());
}
