//! Account data, tags, and users whom one does not want to hear.

use serde_json::{Value, json};

use super::{TestSite, bodies, encode, list, part, types};

#[tokio::test]
async fn account_data_comes_when_it_changes_and_to_nobody_else() {
    let site = TestSite::open();
    let (alice, bob, room, first) = site.pair().await;
    site.put_data(&bob, None, "fr.test.global", json!({ "a": 1 })).await;
    site.put_data(&bob, Some(&room), "fr.test.room", json!({ "b": 2 })).await;
    let tags = format!("/_matrix/client/v3/user/{}/rooms/{}/tags", encode(bob.user.as_str()), encode(&room));
    site.put(&bob, &format!("{tags}/m.favourite"), json!({ "order": 0.5 })).await.ok();
    let answer = site.after(&bob, &first).await;
    let global = json!([{ "type": "fr.test.global", "content": { "a": 1 } }]);
    assert_eq!(answer["account_data"]["events"], global);
    let joined = part(&answer, "join", &room);
    let tagged = json!({ "type": "m.tag", "content": { "tags": { "m.favourite": { "order": 0.5 } } } });
    assert_eq!(joined["account_data"]["events"], json!([{ "type": "fr.test.room", "content": { "b": 2 } }, tagged]));
    assert_eq!(joined["timeline"]["events"], json!([]));
    assert!(site.after(&alice, &first).await["rooms"].is_null());
    let nothing = site.after(&bob, &answer).await;
    assert!(nothing["rooms"].is_null() && nothing["account_data"].is_null(), "{nothing}");

    site.delete(&bob, &format!("{tags}/m.favourite")).await.ok();
    let answer = site.after(&bob, &answer).await;
    let untagged = json!([{ "type": "m.tag", "content": { "tags": {} } }]);
    assert_eq!(part(&answer, "join", &room)["account_data"]["events"], untagged);
    // Who comes back finds what they kept.
    site.leave(&bob, &room).await;
    let away = site.after(&bob, &answer).await;
    site.join(&bob, &room).await;
    let back = site.after(&bob, &away).await;
    assert!(types(&part(&back, "join", &room)["account_data"]["events"]).contains(&"fr.test.room".into()), "{back}");
}

#[tokio::test]
async fn the_ignored_are_not_heard() {
    let site = TestSite::open();
    let (alice, bob, room, _) = site.pair().await;
    let carol = site.person("carol").await;
    site.join(&carol, &room).await;
    let ignored = json!({ "ignored_users": { alice.user.as_str(): {} } });
    site.put_data(&bob, None, "m.ignored_user_list", ignored).await;
    let first = site.first(&bob).await;
    let event = site.say(&alice, &room, "d'Alice").await;
    site.say(&carol, &room, "de Carol").await;
    site.set_state(&alice, &room, "m.room.topic", json!({ "topic": "état" })).await;
    site.read_up_to(&alice, &room, "m.read", &event).await;
    site.type_in(&alice, &room, true).await;
    let invited = site.room(&alice, json!({ "invite": [bob.user] })).await;
    let by_carol = site.room(&carol, json!({ "invite": [bob.user] })).await;
    let answer = site.after(&bob, &first).await;
    let joined = part(&answer, "join", &room);
    assert_eq!(bodies(&joined["timeline"]["events"]), ["de Carol"]);
    assert!(types(&joined["timeline"]["events"]).contains(&"m.room.topic".into()), "state is everybody's");
    let ephemeral = list(&joined["ephemeral"]["events"]);
    assert!(ephemeral.iter().all(|event| !event.to_string().contains("@alice")), "{ephemeral:?}");
    assert!(part(&answer, "invite", &invited).is_null());
    assert!(part(&answer, "invite", &by_carol).is_object());
    assert!(part(&site.first(&bob).await, "invite", &invited).is_null());
    // And are again, once they are not ignored any more.
    site.put_data(&bob, None, "m.ignored_user_list", json!({ "ignored_users": {} })).await;
    let anew = site.filtered(&bob, &Value::Null, json!({})).await;
    assert!(bodies(&part(&anew, "join", &room)["timeline"]["events"]).contains(&"d'Alice".into()));
    assert!(part(&anew, "invite", &invited).is_object());
}
