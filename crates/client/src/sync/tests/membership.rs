//! Coming and going: invites, knocks, leaving, and what is told of a room before and after.

use serde_json::{Value, json};

use super::{TestSite, bodies, encode, list, part, types};

#[tokio::test]
async fn an_invite_comes_once_with_stripped_state_and_so_does_a_knock() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let (of_bob, of_alice) = (site.first(&bob).await, site.first(&alice).await);
    let rule = json!({ "type": "m.room.join_rules", "content": { "join_rule": "knock" } });
    let room = site.room(&alice, json!({ "name": "Conseil", "initial_state": [rule] })).await;
    let secret = site.say(&alice, &room, "à huis clos").await;
    site.post(&bob, &format!("/_matrix/client/v3/knock/{}", encode(&room)), json!({})).await.ok();
    let knocked = site.after(&bob, &of_bob).await;
    let state = types(&part(&knocked, "knock", &room)["knock_state"]["events"]);
    assert!(state.contains(&"m.room.name".into()) && state.contains(&"m.room.join_rules".into()), "{state:?}");
    assert!(!state.contains(&"m.room.power_levels".into()), "{state:?}");
    assert!(!knocked.to_string().contains(&secret));
    assert!(site.after(&bob, &knocked).await["rooms"].is_null(), "told once");
    let heard = site.after(&alice, &of_alice).await;
    let events = list(&part(&heard, "join", &room)["timeline"]["events"]);
    assert_eq!(events.last().unwrap()["content"]["membership"], "knock");

    site.invite(&alice, &room, &bob).await;
    let invited = site.after(&bob, &knocked).await;
    let state = &part(&invited, "invite", &room)["invite_state"]["events"];
    let own = list(state).into_iter().find(|event| event["state_key"] == bob.user.as_str()).unwrap();
    assert_eq!((&own["content"]["membership"], &own["sender"]), (&json!("invite"), &json!(alice.user)));
    assert!(list(state).iter().all(|event| event["event_id"].is_null()), "stripped");
    assert!(site.after(&bob, &invited).await["rooms"].is_null(), "told once");
    let anew = site.first(&bob).await;
    assert_eq!(&part(&anew, "invite", &room)["invite_state"]["events"], state);

    site.leave(&bob, &room).await;
    let refused = site.after(&bob, &invited).await;
    let left = part(&refused, "leave", &room);
    assert_eq!(
        (types(&left["timeline"]["events"]), &left["state"]["events"]),
        (vec!["m.room.member".into()], &json!([]))
    );
}

#[tokio::test]
async fn a_room_that_was_left_is_told_up_to_there_and_once() {
    for act in ["leave", "kick", "ban"] {
        let site = TestSite::open();
        let (alice, bob, room, first) = site.pair().await;
        site.say(&alice, &room, "avant").await;
        match act {
            "leave" => site.leave(&bob, &room).await,
            _ => drop(site.act(&alice, &room, act, json!({ "user_id": bob.user })).await.ok()),
        }
        site.set_state(&alice, &room, "m.room.topic", json!({ "topic": "secret" })).await;
        site.say(&alice, &room, "après").await;
        let answer = site.after(&bob, &first).await;
        let left = part(&answer, "leave", &room);
        assert_eq!(types(&left["timeline"]["events"]), ["m.room.message", "m.room.member"], "{act}");
        assert_eq!(bodies(&left["timeline"]["events"]), ["avant"], "{act}");
        assert!(part(&answer, "join", &room).is_null() && !answer.to_string().contains("secret"), "{act}");
        assert!(site.after(&bob, &answer).await["rooms"].is_null(), "{act}: once");
        assert!(site.first(&bob).await["rooms"].is_null(), "{act}: not when not asked");
        let asked = site.filtered(&bob, &Value::Null, json!({ "room": { "include_leave": true } })).await;
        assert_eq!(bodies(&part(&asked, "leave", &room)["timeline"]["events"]), ["avant"], "{act}");
        assert!(!asked.to_string().contains("secret"), "{act}");
    }
}

#[tokio::test]
async fn between_a_kick_and_a_ban_nothing_is_told() {
    let site = TestSite::open();
    let (alice, bob, room, first) = site.pair().await;
    site.kick(&alice, &room, &bob).await;
    site.set_state(&alice, &room, "m.room.topic", json!({ "topic": "secret" })).await;
    site.act(&alice, &room, "ban", json!({ "user_id": bob.user })).await.ok();
    for query in ["", "use_state_after=true"] {
        let answer = site.try_sync(&bob, first["next_batch"].as_str(), query).await.ok();
        let left = part(&answer, "leave", &room);
        assert_eq!(types(&left["timeline"]["events"]), ["m.room.member", "m.room.member"]);
        assert!(!answer.to_string().contains("secret"), "{left}");
    }
}

#[tokio::test]
async fn an_invite_that_is_refused_shows_nothing_of_the_time_since_one_left() {
    let site = TestSite::open();
    let (alice, bob, room, first) = site.pair().await;
    site.say(&alice, &room, "avant").await;
    site.leave(&bob, &room).await;
    let left = site.after(&bob, &first).await;
    site.set_state(&alice, &room, "m.room.topic", json!({ "topic": "secret" })).await;
    site.invite(&alice, &room, &bob).await;
    let invited = site.after(&bob, &left).await;
    site.leave(&bob, &room).await;
    for (since, told) in [(&left, 2), (&invited, 1)] {
        let answer = site.after(&bob, since).await;
        let again = part(&answer, "leave", &room);
        assert_eq!(list(&again["timeline"]["events"]).len(), told, "what one knows is not told again: {again}");
        assert!(!answer.to_string().contains("secret"), "{again}");
    }
}

#[tokio::test]
async fn whoever_comes_in_is_told_the_whole_state() {
    let site = TestSite::open();
    let (alice, bob, _, first) = site.pair().await;
    let room = site.room(&alice, json!({ "preset": "public_chat", "topic": "Voirie" })).await;
    for number in 0..12 {
        site.say(&alice, &room, &number.to_string()).await;
    }
    site.join(&bob, &room).await;
    let answer = site.after(&bob, &first).await;
    let joined = part(&answer, "join", &room);
    let state = types(&joined["state"]["events"]);
    for kind in ["m.room.create", "m.room.topic", "m.room.power_levels", "m.room.member"] {
        assert!(state.contains(&kind.into()), "{kind}: {state:?}");
    }
    assert_eq!(joined["timeline"]["limited"], true);
    assert_eq!(joined["summary"]["m.joined_member_count"], 2);
    let heroes = json!([alice.user]);
    assert_eq!(joined["summary"]["m.heroes"], heroes);
}

#[tokio::test]
async fn away_and_back_in_one_gap_misses_no_state() {
    let closed = json!({ "history_visibility": "joined" });
    for (visibility, query) in
        [(None, ""), (Some(&closed), ""), (None, "use_state_after=true"), (Some(&closed), "use_state_after=true")]
    {
        let site = TestSite::open();
        let (alice, bob, room, first) = site.pair().await;
        let first = match visibility {
            Some(visibility) => {
                site.set_state(&alice, &room, "m.room.history_visibility", visibility.clone()).await;
                site.after(&bob, &first).await
            }
            None => first,
        };
        site.leave(&bob, &room).await;
        site.set_state(&alice, &room, "m.room.topic", json!({ "topic": "pendant" })).await;
        site.say(&alice, &room, "pendant").await;
        site.join(&bob, &room).await;
        let answer = site.try_sync(&bob, first["next_batch"].as_str(), query).await.ok();
        let joined = part(&answer, "join", &room);
        assert!(part(&answer, "leave", &room).is_null());
        let hears = list(&joined["timeline"]["events"]);
        let topic = |events: &[Value]| events.iter().any(|event| event["content"]["topic"] == "pendant");
        assert_eq!(topic(&hears), visibility.is_none(), "what was said meanwhile is seen if it is shared");
        let state = [list(&joined["state"]["events"]), list(&joined["state_after"]["events"])].concat();
        assert!(topic(&hears) || topic(&state), "{joined}");
    }
}
