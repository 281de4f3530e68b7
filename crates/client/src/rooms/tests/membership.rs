//! Coming and going: each way in and out, and that a refusal changes nothing.

use serde_json::{Value, json};

use super::{TestSite, at, encode, event_id};

#[tokio::test]
async fn people_come_and_go() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let room = site.room(&alice, json!({ "preset": "private_chat" })).await;
    let membership = async || site.membership(&alice, &room, &bob).await;

    site.act(&alice, &room, "invite", json!({ "user_id": bob.user, "reason": "Venez" })).await.ok();
    assert_eq!(membership().await, "invite");
    site.join(&bob, &room).await;
    assert_eq!(membership().await, "join");
    let before = site.position();
    site.join(&bob, &room).await;
    assert_eq!(site.position(), before, "joining twice changes nothing");
    let members = site.get(&bob, &at(&room, "joined_members")).await.ok();
    let shown = json!({ "display_name": "Bob Exemple [Metz]", "avatar_url": null });
    assert_eq!(members["joined"][bob.user.as_str()], shown);

    site.act(&alice, &room, "kick", json!({ "user_id": bob.user, "reason": "Assez" })).await.ok();
    assert_eq!(membership().await, "leave");
    site.act(&alice, &room, "ban", json!({ "user_id": bob.user })).await.ok();
    assert_eq!(membership().await, "ban");
    site.act(&bob, &room, "join", json!({})).await.refused(403, "M_FORBIDDEN");
    site.act(&alice, &room, "unban", json!({ "user_id": bob.user })).await.ok();
    assert_eq!(membership().await, "leave");

    site.act(&alice, &room, "invite", json!({ "user_id": bob.user })).await.ok();
    site.act(&bob, &room, "leave", json!({})).await.ok();
    assert_eq!(membership().await, "leave");
    site.act(&bob, &room, "forget", json!({})).await.ok();
    site.get(&bob, &at(&room, "messages?dir=b")).await.refused(403, "M_FORBIDDEN");
}

#[tokio::test]
async fn the_users_other_devices_learn_that_a_forgotten_room_was_left() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let room = site.open_room(&alice).await;
    site.join(&bob, &room).await;
    let sync = async |query: &str| site.get(&bob, &format!("/_matrix/client/v3/sync?{query}")).await.ok();
    let token = |answer: &Value| answer["next_batch"].as_str().unwrap().to_owned();
    let before = token(&sync("").await);
    site.act(&bob, &room, "leave", json!({})).await.ok();
    let after = token(&sync(&format!("since={before}")).await);
    site.act(&bob, &room, "forget", json!({})).await.ok();
    site.say(&alice, &room, "behind his back").await;

    let told = sync(&format!("since={before}")).await;
    let timeline = told["rooms"]["leave"][&room]["timeline"]["events"].as_array().unwrap();
    assert_eq!((timeline.len(), &timeline[0]["content"]["membership"]), (1, &json!("leave")));
    let everything = encode(r#"{"room":{"include_leave":true}}"#);
    for query in [format!("since={after}&filter={everything}"), format!("filter={everything}")] {
        assert!(sync(&query).await["rooms"].is_null(), "{query}");
    }
}

#[tokio::test]
async fn refusals_change_nothing() {
    let site = TestSite::open();
    let (alice, bob, carol) = (site.person("alice").await, site.person("bob").await, site.person("carol").await);
    let room = site.room(&alice, json!({ "preset": "private_chat" })).await;
    let open = site.open_room(&alice).await;
    site.join(&bob, &open).await;
    let [alices, bobs, carols] = [&alice, &bob, &carol].map(|person| json!({ "user_id": person.user }));
    let (room, open, unknown) = (room.as_str(), open.as_str(), "!unknown:metz.example");
    let refusals = [
        (&bob, room, "join", json!({}), 403, "M_FORBIDDEN"),
        (&bob, unknown, "join", json!({}), 404, "M_NOT_FOUND"),
        (&bob, room, "leave", json!({}), 403, "M_FORBIDDEN"),
        (&bob, room, "invite", carols.clone(), 403, "M_FORBIDDEN"),
        (&bob, room, "kick", alices.clone(), 403, "M_FORBIDDEN"),
        (&bob, open, "kick", alices.clone(), 403, "M_FORBIDDEN"),
        (&bob, open, "ban", carols.clone(), 403, "M_FORBIDDEN"),
        (&alice, open, "kick", carols.clone(), 403, "M_FORBIDDEN"),
        (&alice, open, "unban", bobs.clone(), 403, "M_BAD_STATE"),
        (&alice, open, "invite", alices.clone(), 403, "M_FORBIDDEN"),
        (&alice, open, "invite", bobs.clone(), 403, "M_FORBIDDEN"),
        (&alice, open, "invite", json!({ "user_id": "@nobody:metz.example" }), 404, "M_NOT_FOUND"),
        (&alice, open, "invite", json!({ "user_id": "@x:nancy.example" }), 403, "M_FORBIDDEN"),
        (
            &alice,
            open,
            "invite",
            json!({ "id_server": "i.example", "id_access_token": "x", "medium": "email", "address": "a@b.example" }),
            403,
            "M_THREEPID_DENIED",
        ),
        (&alice, open, "forget", json!({}), 400, "M_UNKNOWN"),
        (&bob, unknown, "forget", json!({}), 404, "M_NOT_FOUND"),
        (&carol, room, "forget", json!({}), 404, "M_NOT_FOUND"),
    ];
    for (who, room, act, body, status, errcode) in refusals {
        let before = site.position();
        let answer = site.act(who, room, act, body.clone()).await;
        assert_eq!(
            (answer.status, answer.body["errcode"].as_str()),
            (status, Some(errcode)),
            "{act} {body} {answer:?}"
        );
        assert_eq!(site.position(), before, "{act} {body}");
    }
}

#[tokio::test]
async fn a_knock_is_answered() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let rule = json!({ "type": "m.room.join_rules", "content": { "join_rule": "knock" } });
    let room = site.room(&alice, json!({ "room_alias_name": "porte", "initial_state": [rule] })).await;
    let closed = site.room(&alice, json!({ "preset": "private_chat" })).await;
    let knock = async |room: &str| {
        let path = format!("/_matrix/client/v3/knock/{}", encode(room));
        site.post(&bob, &path, json!({ "reason": "Bonjour" })).await
    };
    knock(&closed).await.refused(403, "M_FORBIDDEN");
    site.act(&bob, &room, "join", json!({})).await.refused(403, "M_FORBIDDEN");
    assert_eq!(knock("#porte:metz.example").await.ok()["room_id"], room);
    assert_eq!(site.membership(&alice, &room, &bob).await, "knock");
    knock(&room).await.ok();
    site.act(&bob, &room, "leave", json!({})).await.ok();
    knock(&room).await.ok();
    site.act(&alice, &room, "invite", json!({ "user_id": bob.user })).await.ok();
    knock(&room).await.refused(403, "M_FORBIDDEN");
    site.join(&bob, &room).await;
    knock(&room).await.refused(403, "M_FORBIDDEN");
    site.act(&alice, &room, "ban", json!({ "user_id": bob.user })).await.ok();
    knock(&room).await.refused(403, "M_FORBIDDEN");
    knock("#nulle-part:metz.example").await.refused(404, "M_NOT_FOUND");
}

#[tokio::test]
async fn a_restricted_room_opens_to_members_of_another() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let first = site.open_room(&alice).await;
    let allow = json!([{ "type": "m.room_membership", "room_id": first }]);
    let rule = json!({ "type": "m.room.join_rules", "content": { "join_rule": "restricted", "allow": allow } });
    let second = site.room(&alice, json!({ "initial_state": [rule] })).await;
    let before = site.position();
    site.act(&bob, &second, "join", json!({})).await.refused(403, "M_FORBIDDEN");
    assert_eq!(site.position(), before);
    site.join(&bob, &first).await;
    site.join(&bob, &second).await;
    assert_eq!(site.membership(&alice, &second, &bob).await, "join");
}

#[tokio::test]
async fn a_membership_set_as_state_is_the_same_act() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let room = site.open_room(&alice).await;
    let member = |who: &str| at(&room, &format!("state/m.room.member/{}", encode(who)));
    let forged = json!({ "membership": "invite", "displayname": "Monsieur le Maire", "avatar_url": "mxc://x/y" });
    site.put(&alice, &member("@nobody:metz.example"), forged.clone()).await.refused(404, "M_NOT_FOUND");
    let set = site.put(&alice, &member(bob.user.as_str()), forged).await.ok();
    let shown = site.get(&alice, &member(bob.user.as_str())).await.ok();
    assert_eq!((&shown["displayname"], &shown["avatar_url"]), (&json!("Bob Exemple [Metz]"), &json!(null)));
    let event = site.get(&alice, &at(&room, &format!("event/{}", encode(&event_id(&set))))).await.ok();
    assert_eq!(event["state_key"], bob.user.as_str());

    let forged = json!({ "membership": "join", "displayname": "Le Préfet", "join_authorised_via_users_server": "x" });
    site.put(&bob, &member(bob.user.as_str()), forged.clone()).await.ok();
    let shown = site.get(&alice, &member(bob.user.as_str())).await.ok();
    assert_eq!(shown, json!({ "membership": "join", "displayname": "Bob Exemple [Metz]" }));
    let before = site.position();
    site.put(&bob, &member(bob.user.as_str()), forged).await.ok();
    assert_eq!(site.position(), before, "a name is not changed in a room");
    let kick = json!({ "membership": "leave", "displayname": "Personne", "reason": "Assez" });
    site.put(&alice, &member(bob.user.as_str()), kick).await.ok();
    let shown = site.get(&alice, &member(bob.user.as_str())).await.ok();
    assert_eq!(shown, json!({ "membership": "leave", "reason": "Assez" }));
}

#[tokio::test]
async fn members_are_listed_as_of_then_and_now() {
    let site = TestSite::open();
    let (alice, bob, carol) = (site.person("alice").await, site.person("bob").await, site.person("carol").await);
    let room = site.open_room(&alice).await;
    site.join(&bob, &room).await;
    let page = site.get(&alice, &at(&room, "messages?dir=b&limit=1")).await.ok();
    let then = page["start"].as_str().unwrap().to_owned();
    site.act(&bob, &room, "leave", json!({})).await.ok();
    site.join(&carol, &room).await;
    let members = async |who: &crate::testing::Person, query: &str| {
        let answer = site.get(who, &at(&room, &format!("members{query}"))).await.ok();
        let chunk = answer["chunk"].as_array().unwrap();
        let mut members: Vec<_> =
            chunk.iter().map(|e| format!("{} {}", e["state_key"], e["content"]["membership"])).collect();
        members.sort();
        members.join(", ").replace('"', "").replace(":metz.example", "")
    };
    assert_eq!(members(&alice, "").await, "@alice join, @bob leave, @carol join");
    assert_eq!(members(&alice, "?membership=join").await, "@alice join, @carol join");
    assert_eq!(members(&alice, "?not_membership=join").await, "@bob leave");
    assert_eq!(members(&alice, &format!("?at={then}")).await, "@alice join, @bob join");
    assert_eq!(members(&bob, "").await, "@alice join, @bob leave", "bob does not see who came after he left");
    site.get(&alice, &at(&room, "members?at=nonsense")).await.refused(400, "M_INVALID_PARAM");
    site.get(&bob, &at(&room, "joined_members")).await.refused(403, "M_FORBIDDEN");
}

#[tokio::test]
async fn an_upgrade_moves_the_room() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let room = site
        .room(
            &alice,
            json!({ "preset": "public_chat", "room_version": "11", "name": "Mairie", "room_alias_name": "m" }),
        )
        .await;
    site.join(&bob, &room).await;
    let before = site.position();
    site.act(&bob, &room, "upgrade", json!({ "new_version": "12" })).await.refused(403, "M_FORBIDDEN");
    site.act(&alice, &room, "upgrade", json!({ "new_version": "99" })).await.refused(400, "M_UNSUPPORTED_ROOM_VERSION");
    assert_eq!(site.position(), before);

    let answer = site.act(&alice, &room, "upgrade", json!({ "new_version": "12" })).await.ok();
    let new = answer["replacement_room"].as_str().unwrap();
    let state = async |room: &str, kind: &str| site.get(&alice, &at(room, &format!("state/{kind}"))).await.ok();
    assert_eq!(state(&room, "m.room.tombstone").await["replacement_room"], new);
    assert_eq!(state(new, "m.room.create").await["predecessor"]["room_id"], room);
    assert_eq!(state(new, "m.room.name").await["name"], "Mairie");
    assert_eq!(state(new, "m.room.canonical_alias").await["alias"], "#m:metz.example");
    let alias = site.get(&bob, "/_matrix/client/v3/directory/room/%23m:metz.example").await.ok();
    assert_eq!(alias["room_id"], new);
    site.send(&bob, &room, "m.room.message", json!({ "msgtype": "m.text", "body": "?" }))
        .await
        .refused(403, "M_FORBIDDEN");
    site.join(&bob, new).await;
}
