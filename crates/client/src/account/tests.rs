//! Accounts over HTTP: what a client finds out, sets and is refused.

use std::time::Duration;

use accounts::{RemoteError, RemoteResult};
use http::Method;
use kernel::id::{OwnedRoomId, OwnedUserId, UserId};
use rooms::{CreateRoom, Preset};
use serde_json::{Map, Value, json};

use crate::testing::{BASE_URL, Person, TestSite};

const V3: &str = "/_matrix/client/v3";

/// A public room with all of these, the first of whom made it.
async fn room(site: &TestSite, people: &[&Person]) -> OwnedRoomId {
    let (creator, others) = people.split_first().unwrap();
    let request = CreateRoom { preset: Some(Preset::PublicChat), ..CreateRoom::default() };
    let room = site.town.rooms.create(&site.town.actor(&creator.user).unwrap(), request).await.unwrap();
    for person in others {
        site.town.rooms.join(&site.town.actor(&person.user).unwrap(), &room, None).await.unwrap();
    }
    room
}

#[tokio::test]
async fn a_client_finds_its_way_in() {
    let site = TestSite::open();
    let versions = site.ask(Method::GET, None, "/_matrix/client/versions", None).await.ok();
    let listed = versions["versions"].as_array().unwrap();
    for needed in ["r0.6.0", "v1.1", "v1.4", "v1.11", "v1.15"] {
        assert!(listed.contains(&needed.into()), "{needed}");
    }
    let features = versions["unstable_features"].as_object().unwrap();
    assert!(features.values().all(|flag| flag == true));
    assert_eq!(features["org.matrix.e2e_cross_signing"], true);
    assert!(!features.contains_key("org.matrix.simplified_msc3575"), "sliding sync is not served");

    let client = site.ask(Method::GET, None, "/.well-known/matrix/client", None).await.ok();
    assert_eq!(client["m.homeserver"]["base_url"], BASE_URL);
    assert_eq!(client["org.matrix.msc2965.authentication"]["account"], format!("{BASE_URL}/account/"));
    let support = site.ask(Method::GET, None, "/.well-known/matrix/support", None).await.ok();
    assert_eq!(support["contacts"][0]["email_address"], "dsi@metz.example");

    let whoami = format!("{V3}/account/whoami");
    site.ask(Method::GET, None, &whoami, None).await.refused(401, "M_MISSING_TOKEN");
    let alice = site.person("alice").await;
    let me = site.get(&alice, &whoami).await.ok();
    assert_eq!(me, json!({ "user_id": alice.user, "device_id": alice.device }));
    let capabilities = site.get(&alice, &format!("{V3}/capabilities")).await.ok();
    assert_eq!(capabilities["capabilities"]["m.set_displayname"]["enabled"], false);
    let versions = &capabilities["capabilities"]["m.room_versions"];
    assert_eq!(versions["default"], events::RoomVersion::DEFAULT.as_str());
    let creatable: Map<_, _> =
        events::RoomVersion::creatable().map(|version| (version.as_str().to_owned(), "stable".into())).collect();
    assert_eq!(versions["available"], Value::Object(creatable));
    assert_eq!(site.get(&alice, "/_matrix/client/r0/account/3pid").await.ok(), json!({ "threepids": [] }));
}

#[tokio::test]
async fn passwords_and_registration_are_refused_in_words() {
    let site = TestSite::open();
    for path in
        ["register", "account/password", "account/deactivate", "account/3pid/add", "register/email/requestToken"]
    {
        for prefix in ["v3", "r0"] {
            let path = format!("/_matrix/client/{prefix}/{path}");
            let body = json!({ "username": "mallory", "password": "x", "new_password": "y", "auth": {} });
            let refusal = site.ask(Method::POST, None, &path, Some(body)).await.refused(403, "M_FORBIDDEN");
            assert!(refusal["error"].as_str().unwrap().len() > 20);
            site.ask(Method::POST, None, &path, Some(json!(["no object"]))).await.refused(400, "M_BAD_JSON");
        }
    }
    assert!(site.town.accounts.list(None, 10).unwrap().is_empty());
}

#[tokio::test]
async fn a_device_ends_itself_and_no_other() {
    let site = TestSite::open();
    let alice = site.person("alice").await;
    let other = site.sign_in(&alice.user, "PHONE").await;
    let bob = site.person("bob").await;
    let path = format!("{V3}/devices/PHONE");
    site.put(&alice, &path, json!({ "display_name": "Téléphone" })).await.ok();
    assert_eq!(site.get(&alice, &path).await.ok()["display_name"], "Téléphone");
    site.get(&bob, &path).await.refused(404, "M_NOT_FOUND");
    site.put(&bob, &path, json!({ "display_name": "x" })).await.refused(404, "M_NOT_FOUND");

    site.delete(&alice, &path).await.refused(403, "M_FORBIDDEN");
    let both = json!({ "devices": ["ALICE1", "PHONE"] });
    let refusal = site.post(&alice, &format!("{V3}/delete_devices"), both).await.refused(403, "M_FORBIDDEN");
    assert!(refusal["error"].as_str().unwrap().contains("/account/"));
    assert_eq!(site.get(&alice, &format!("{V3}/devices")).await.ok()["devices"].as_array().unwrap().len(), 2);

    site.delete(&other, &path).await.ok();
    site.get(&other, &path).await.refused(401, "M_UNKNOWN_TOKEN");
    site.get(&alice, &path).await.refused(404, "M_NOT_FOUND");
}

#[tokio::test]
async fn account_data_is_its_owners_and_some_has_other_doors() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let room = room(&site, &[&alice]).await;
    let global = format!("{V3}/user/{}/account_data", alice.user);
    let of_room = format!("{V3}/user/{}/rooms/{room}/account_data", alice.user);
    for base in [&global, &of_room] {
        let path = format!("{base}/im.vector.test");
        site.get(&alice, &path).await.refused(404, "M_NOT_FOUND");
        site.put(&alice, &path, json!({ "a": { "b": [1] } })).await.ok();
        assert_eq!(site.get(&alice, &path).await.ok(), json!({ "a": { "b": [1] } }));
        site.get(&bob, &path).await.refused(403, "M_FORBIDDEN");
        site.put(&bob, &path, json!({})).await.refused(403, "M_FORBIDDEN");
        site.put(&alice, &path, json!([1])).await.refused(400, "M_BAD_JSON");
        assert_eq!(site.get(&alice, &path).await.ok(), json!({ "a": { "b": [1] } }));
        for managed in ["m.fully_read", "m.push_rules"] {
            site.put(&alice, &format!("{base}/{managed}"), json!({ "x": 1 })).await.refused(405, "M_BAD_JSON");
        }
    }
    assert!(site.get(&alice, &format!("{global}/m.push_rules")).await.ok()["x"].is_null());
}

#[tokio::test]
async fn tags_and_filters_come_back_as_they_were_set() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let room = room(&site, &[&alice]).await;
    let tags = format!("{V3}/user/{}/rooms/{room}/tags", alice.user);
    assert_eq!(site.get(&alice, &tags).await.ok(), json!({ "tags": {} }));
    site.put(&alice, &format!("{tags}/m.favourite"), json!({ "order": 0.25 })).await.ok();
    site.put(&alice, &format!("{tags}/u.travaux"), json!({})).await.ok();
    site.delete(&alice, &format!("{tags}/u.travaux")).await.ok();
    assert_eq!(site.get(&alice, &tags).await.ok(), json!({ "tags": { "m.favourite": { "order": 0.25 } } }));
    site.get(&bob, &tags).await.refused(403, "M_FORBIDDEN");

    let filters = format!("{V3}/user/{}/filter", alice.user);
    let filter = json!({ "room": { "timeline": { "limit": 7, "unread_thread_notifications": true },
        "state": { "lazy_load_members": true } } });
    let id = site.post(&alice, &filters, filter.clone()).await.ok()["filter_id"].as_str().unwrap().to_owned();
    assert_eq!(site.get(&alice, &format!("{filters}/{id}")).await.ok(), filter);
    site.get(&alice, &format!("{filters}/none")).await.refused(404, "M_NOT_FOUND");
    site.get(&bob, &format!("{filters}/{id}")).await.refused(403, "M_FORBIDDEN");
    site.post(&alice, &filters, json!({ "room": "all" })).await.refused(400, "M_BAD_JSON");
    site.post(&alice, &filters, json!({ "room": { "timeline": { "limit": -1 } } })).await.refused(400, "M_BAD_JSON");
}

#[tokio::test]
async fn nobody_changes_a_name_and_everybody_their_avatar() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let room = room(&site, &[&alice, &bob]).await;
    let profile = format!("{V3}/profile/{}", alice.user);
    let name = "Alice Exemple [Metz]";
    let before = site.town.accounts.position();
    for who in [&alice, &bob] {
        let refusal = site.put(who, &format!("{profile}/displayname"), json!({ "displayname": "Le Maire" })).await;
        refusal.refused(403, "M_FORBIDDEN");
    }
    site.delete(&alice, &format!("{profile}/displayname")).await.refused(403, "M_FORBIDDEN");
    site.put(&bob, &format!("{profile}/avatar_url"), json!({ "avatar_url": "mxc://metz.example/b" }))
        .await
        .refused(403, "M_FORBIDDEN");
    assert_eq!(site.town.accounts.position(), before, "nothing was written");
    assert_eq!(site.get(&bob, &profile).await.ok(), json!({ "displayname": name }));

    let avatar = json!({ "avatar_url": "mxc://metz.example/a" });
    site.put(&alice, &format!("{profile}/avatar_url"), avatar.clone()).await.ok();
    assert_eq!(site.get(&bob, &format!("{profile}/avatar_url")).await.ok(), avatar);
    let member = site.town.rooms.member(&room, &alice.user).unwrap().unwrap();
    assert_eq!(member.avatar_url.as_deref(), Some("mxc://metz.example/a"));
    assert_eq!(member.display_name.as_deref(), Some(name));

    site.put(&alice, &format!("{profile}/m.tz"), json!({ "m.tz": "Europe/Paris" })).await.ok();
    assert_eq!(site.get(&bob, &format!("{profile}/m.tz")).await.ok(), json!({ "m.tz": "Europe/Paris" }));
    site.delete(&alice, &format!("{profile}/m.tz")).await.ok();
    site.get(&bob, &format!("{profile}/m.tz")).await.refused(404, "M_NOT_FOUND");
    site.get(&bob, &format!("{V3}/profile/@nobody:metz.example")).await.refused(404, "M_NOT_FOUND");
    site.ask(Method::GET, None, &profile, None).await.refused(401, "M_MISSING_TOKEN");

    site.town.accounts.suspend(&alice.user).await.unwrap();
    site.put(&alice, &format!("{profile}/m.tz"), json!({ "m.tz": "x" })).await.refused(403, "M_USER_SUSPENDED");
}

#[tokio::test]
async fn push_rules_are_read_changed_and_guarded() {
    let site = TestSite::open();
    let alice = site.person("alice").await;
    let rules = format!("{V3}/pushrules");
    let all = site.get(&alice, &format!("{rules}/")).await.ok();
    assert_eq!(site.get(&alice, &rules).await.ok(), all);
    assert_eq!(site.get(&alice, &format!("{rules}/global/")).await.ok(), all["global"]);
    assert_eq!(site.get(&alice, &format!("{rules}/global")).await.ok(), all["global"]);
    assert_eq!(all["global"]["override"][0]["rule_id"], ".m.rule.master");

    let rule = format!("{rules}/global/content/travaux");
    site.get(&alice, &rule).await.refused(404, "M_NOT_FOUND");
    site.put(&alice, &format!("{rule}/enabled"), json!({ "enabled": false })).await.refused(404, "M_NOT_FOUND");
    site.put(&alice, &rule, json!({ "pattern": "travaux", "actions": ["notify"] })).await.ok();
    site.put(&alice, &format!("{rule}/enabled"), json!({ "enabled": false })).await.ok();
    assert_eq!(site.get(&alice, &format!("{rule}/enabled")).await.ok(), json!({ "enabled": false }));
    site.put(&alice, &format!("{rule}/actions"), json!({ "actions": [] })).await.ok();
    assert_eq!(site.get(&alice, &format!("{rule}/actions")).await.ok(), json!({ "actions": [] }));
    let read = site.get(&alice, &rule).await.ok();
    assert_eq!(
        (&read["pattern"], &read["default"], &read["enabled"]),
        (&json!("travaux"), &json!(false), &json!(false))
    );
    site.put(&alice, &format!("{rules}/global/content/b?after=none"), json!({ "pattern": "b", "actions": [] }))
        .await
        .refused(400, "M_INVALID_PARAM");
    site.put(&alice, &format!("{rules}/global/content/.mine"), json!({ "pattern": "b", "actions": [] }))
        .await
        .refused(400, "M_INVALID_PARAM");
    let master = format!("{rules}/global/override/.m.rule.master");
    site.delete(&alice, &master).await.refused(400, "M_INVALID_PARAM");
    site.get(&alice, &master).await.ok();
    site.delete(&alice, &rule).await.ok();
    site.delete(&alice, &rule).await.refused(404, "M_NOT_FOUND");
    assert_eq!(site.get(&alice, &rules).await.ok(), all);
}

#[tokio::test]
async fn pushers_are_kept_until_they_are_unset() {
    let site = TestSite::open();
    let alice = site.person("alice").await;
    let (list, set) = (format!("{V3}/pushers"), format!("{V3}/pushers/set"));
    let pusher = json!({ "app_id": "io.element.app", "pushkey": "k", "kind": "http", "lang": "fr",
        "app_display_name": "Element", "device_display_name": "Téléphone",
        "data": { "url": "https://push.example/_matrix/push/v1/notify", "format": "event_id_only" } });
    site.post(&alice, &set, pusher.clone()).await.ok();
    assert_eq!(site.get(&alice, &list).await.ok(), json!({ "pushers": [pusher] }));
    let mut email = pusher.clone();
    email["kind"] = "email".into();
    site.post(&alice, &set, email).await.refused(400, "M_INVALID_PARAM");
    site.post(&alice, &set, json!({ "app_id": "io.element.app", "pushkey": "k", "kind": null })).await.ok();
    assert_eq!(site.get(&alice, &list).await.ok(), json!({ "pushers": [] }));
    assert_eq!(site.get(&alice, &format!("{V3}/notifications")).await.ok(), json!({ "notifications": [] }));
}

#[tokio::test]
async fn colleagues_are_found_without_accents_and_nobody_by_nothing() {
    let site = TestSite::open();
    let alice = site.person("alice").await;
    let chloe = site.person_named("chloe", "Chloé Lœffler [Metz]").await;
    let search = format!("{V3}/user_directory/search");
    let found = site.post(&alice, &search, json!({ "search_term": "LOEFF chloe" })).await.ok();
    let expected = json!([{ "user_id": chloe.user, "display_name": "Chloé Lœffler [Metz]" }]);
    assert_eq!(found, json!({ "results": expected, "limited": false }));
    let nobody = site.post(&alice, &search, json!({ "search_term": "" })).await.ok();
    assert_eq!(nobody, json!({ "results": [], "limited": false }));
    let one = site.post(&alice, &search, json!({ "search_term": "metz", "limit": 1 })).await.ok();
    assert_eq!((one["results"].as_array().unwrap().len(), &one["limited"]), (1, &Value::Bool(true)));
    site.ask(Method::POST, None, &search, Some(json!({ "search_term": "a" }))).await.refused(401, "M_MISSING_TOKEN");
}

#[tokio::test]
async fn administrators_lock_and_suspend_others_only() {
    let site = TestSite::open();
    let (admin, alice) = (site.admin("admin").await, site.person("alice").await);
    let lock = format!("/_matrix/client/v1/admin/lock/{}", alice.user);
    site.put(&alice, &lock, json!({ "locked": true })).await.refused(403, "M_FORBIDDEN");
    let own = format!("/_matrix/client/v1/admin/lock/{}", admin.user);
    site.put(&admin, &own, json!({ "locked": true })).await.refused(403, "M_FORBIDDEN");
    site.get(&admin, "/_matrix/client/v1/admin/lock/@nobody:metz.example").await.refused(404, "M_NOT_FOUND");
    site.get(&admin, "/_matrix/client/v1/admin/lock/@x:nancy.example").await.refused(400, "M_INVALID_PARAM");
    assert_eq!(site.put(&admin, &lock, json!({ "locked": true })).await.ok(), json!({ "locked": true }));
    assert_eq!(site.get(&admin, &lock).await.ok(), json!({ "locked": true }));
    site.get(&alice, &format!("{V3}/account/whoami")).await.refused(401, "M_USER_LOCKED");
    site.put(&admin, &lock, json!({ "locked": false })).await.ok();
    site.get(&alice, &format!("{V3}/account/whoami")).await.ok();
    let suspend = format!("/_matrix/client/v1/admin/suspend/{}", alice.user);
    site.put(&admin, &suspend, json!({ "suspended": true })).await.ok();
    assert_eq!(site.get(&admin, &suspend).await.ok(), json!({ "suspended": true }));

    let whois = format!("{V3}/admin/whois/{}", alice.user);
    assert!(site.get(&admin, &whois).await.ok()["devices"]["ALICE1"].is_object());
    site.get(&alice, &whois).await.ok();
    site.get(&alice, &format!("{V3}/admin/whois/{}", admin.user)).await.refused(403, "M_FORBIDDEN");
}

#[tokio::test]
async fn mutual_rooms_are_those_that_both_are_in() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let shared = room(&site, &[&alice, &bob]).await;
    // A room's id is the hash of its first event, time included.
    site.clock.advance(Duration::from_millis(1));
    room(&site, &[&alice]).await;
    let path = format!("/_matrix/client/v1/mutual_rooms?user_id={}", bob.user);
    assert_eq!(site.get(&alice, &path).await.ok(), json!({ "count": 1, "joined": [shared] }));
    let own = format!("/_matrix/client/v1/mutual_rooms?user_id={}", alice.user);
    site.get(&alice, &own).await.refused(400, "M_INVALID_PARAM");
    let stranger = "/_matrix/client/v1/mutual_rooms?user_id=@nobody:metz.example";
    assert_eq!(site.get(&alice, stranger).await.ok(), json!({ "count": 0, "joined": [] }));
}

/// Hazard F14: whatever another server answers, the client is told nothing that concerns its own session.
#[tokio::test]
async fn profiles_of_other_servers_are_shown_and_their_errors_are_not() {
    let site = TestSite::open();
    let alice = site.person("alice").await;
    let bob: OwnedUserId = "@bob:nancy.example".try_into().unwrap();
    let profile = format!("{V3}/profile/{bob}");
    let nancy = || bob.server_name().to_owned();
    let say = |answer: RemoteResult<&str>| {
        site.clock.advance(Duration::from_secs(60));
        site.others.script().profiles.insert(bob.clone(), answer.map(str::to_owned));
    };
    say(Ok(r#"{"displayname":"Bob","avatar_url":"mxc://nancy.example/b","m.tz":"Europe/Paris"}"#));
    let all = site.get(&alice, &profile).await.ok();
    assert_eq!(all, json!({ "displayname": "Bob", "avatar_url": "mxc://nancy.example/b", "m.tz": "Europe/Paris" }));
    assert_eq!(site.get(&alice, &format!("{profile}/displayname")).await.ok(), json!({ "displayname": "Bob" }));
    assert_eq!(site.get(&alice, &format!("{profile}/m.tz")).await.ok(), json!({ "m.tz": "Europe/Paris" }));
    site.get(&alice, &format!("{profile}/m.other")).await.refused(404, "M_NOT_FOUND");
    site.get(&alice, &format!("{profile}/{}", "x".repeat(256))).await.refused(400, "M_KEY_TOO_LARGE");
    let asked = std::mem::take(&mut site.others.script().asked);
    assert_eq!(asked.len(), 4, "{asked:?}");

    let refused = |status, errcode: &str| {
        let (errcode, text) = (errcode.to_owned(), "sign out now".to_owned());
        Err(RemoteError::Refused { server: nancy(), status, errcode, text })
    };
    for (answer, status, errcode) in [
        (refused(401, "M_UNKNOWN_TOKEN"), 502, "M_UNKNOWN"),
        (refused(401, "M_MISSING_TOKEN"), 502, "M_UNKNOWN"),
        (refused(403, "M_FORBIDDEN"), 404, "M_NOT_FOUND"),
        (refused(429, "M_LIMIT_EXCEEDED"), 502, "M_UNKNOWN"),
        (refused(500, "M_UNKNOWN"), 502, "M_UNKNOWN"),
        (Err(RemoteError::NotFound(nancy())), 404, "M_NOT_FOUND"),
        (Err(RemoteError::NotAllowed(nancy())), 404, "M_NOT_FOUND"),
        (Err(RemoteError::Unreachable(nancy())), 502, "M_UNKNOWN"),
        (Ok("[]"), 502, "M_UNKNOWN"),
    ] {
        say(answer);
        for path in [&profile, &format!("{profile}/displayname")] {
            let body = site.get(&alice, path).await.refused(status, errcode);
            assert!(!body.to_string().contains("sign out") && body["soft_logout"].is_null(), "{body}");
        }
    }
    site.get(&alice, &format!("{V3}/account/whoami")).await.ok();
    // Users of this server are asked of nobody.
    site.others.script().asked.clear();
    site.get(&alice, &format!("{V3}/profile/@nobody:metz.example")).await.refused(404, "M_NOT_FOUND");
    assert!(site.others.script().asked.is_empty());
}

#[tokio::test]
async fn an_openid_token_names_its_user_and_opens_nothing() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let path = |user: &UserId| format!("{V3}/user/{user}/openid/request_token");
    let given = site.post(&alice, &path(&alice.user), json!({})).await.ok();
    assert_eq!((&given["token_type"], &given["matrix_server_name"]), (&json!("Bearer"), &json!("metz.example")));
    assert_eq!(given["expires_in"], 3600);
    let token = given["access_token"].as_str().unwrap();
    assert_eq!(site.town.accounts.openid_user(token).unwrap(), alice.user);
    let thief = Person { token: token.to_owned(), ..alice.clone() };
    site.get(&thief, &format!("{V3}/account/whoami")).await.refused(401, "M_UNKNOWN_TOKEN");
    site.post(&bob, &path(&alice.user), json!({})).await.refused(403, "M_FORBIDDEN");
    site.ask(Method::POST, None, &path(&alice.user), Some(json!({}))).await.refused(401, "M_MISSING_TOKEN");
}
