//! Aliases and the room directory; odd names are refused, never broken on (hazard E20).

use http::Method;
use serde_json::{Value, json};

use super::{TestSite, at, encode};

fn path(alias: &str) -> String {
    format!("/_matrix/client/v3/directory/room/{}", encode(alias))
}

#[tokio::test]
async fn an_alias_is_made_found_and_deleted() {
    let site = TestSite::open();
    let (alice, bob, carol) = (site.person("alice").await, site.person("bob").await, site.person("carol").await);
    let room = site.room(&alice, json!({ "preset": "private_chat" })).await;
    site.act(&alice, &room, "invite", json!({ "user_id": bob.user })).await.ok();
    site.join(&bob, &room).await;
    let alias = "#老虎Â£я🤨👉ඞ:metz.example";
    let here = json!({ "room_id": room });
    site.put(&bob, &path(alias), here.clone()).await.ok();
    let found = site.ask(Method::GET, None, &path(alias), None).await.ok();
    assert_eq!(found, json!({ "room_id": room, "servers": ["metz.example"] }));
    assert_eq!(site.get(&alice, &at(&room, "aliases")).await.ok(), json!({ "aliases": [alias] }));

    let before = site.position();
    site.put(&alice, &path(alias), here.clone()).await.refused(409, "M_UNKNOWN");
    site.put(&alice, &path("#a:nancy.example"), here.clone()).await.refused(400, "M_INVALID_PARAM");
    site.put(&carol, &path("#c:metz.example"), here.clone()).await.refused(403, "M_FORBIDDEN");
    site.delete(&carol, &path(alias)).await.refused(403, "M_FORBIDDEN");
    site.delete(&alice, &path("#none:metz.example")).await.refused(404, "M_NOT_FOUND");
    site.get(&carol, &at(&room, "aliases")).await.refused(403, "M_FORBIDDEN");
    let canonical = at(&room, "state/m.room.canonical_alias");
    site.put(&alice, &canonical, json!({ "alias": "#none:metz.example" })).await.refused(400, "M_BAD_ALIAS");
    site.put(&alice, &canonical, json!({ "alias": "%none:metz.example" })).await.refused(400, "M_INVALID_PARAM");
    let alternative = json!({ "alias": alias, "alt_aliases": ["#none:metz.example"] });
    site.put(&alice, &canonical, alternative).await.refused(400, "M_BAD_ALIAS");
    assert_eq!(site.position(), before);

    site.put(&alice, &canonical, json!({ "alias": alias })).await.ok();
    site.put(&alice, &path("#second:metz.example"), here).await.ok();
    site.delete(&bob, &path("#second:metz.example")).await.refused(403, "M_FORBIDDEN");
    // Its maker may delete it, but not change the room's canonical alias.
    site.delete(&bob, &path(alias)).await.ok();
    assert_eq!(site.get(&alice, &canonical).await.ok()["alias"], alias);
    site.delete(&alice, &path("#second:metz.example")).await.ok();
    site.get(&alice, &path(alias)).await.refused(404, "M_NOT_FOUND");
}

#[tokio::test]
async fn a_deleted_alias_is_canonical_no_more() {
    let site = TestSite::open();
    let alice = site.person("alice").await;
    let room = site.room(&alice, json!({ "room_alias_name": "a" })).await;
    site.delete(&alice, &path("#a:metz.example")).await.ok();
    assert_eq!(site.get(&alice, &at(&room, "state/m.room.canonical_alias")).await.ok(), json!({}));
}

#[tokio::test]
async fn the_directory_lists_what_was_put_in() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let room = site.room(&alice, json!({ "preset": "public_chat", "name": "Écoles" })).await;
    let listed = format!("/_matrix/client/v3/directory/list/room/{}", encode(&room));
    assert_eq!(site.get(&bob, &listed).await.ok()["visibility"], "private");
    let before = site.position();
    site.put(&bob, &listed, json!({ "visibility": "public" })).await.refused(403, "M_FORBIDDEN");
    site.put(&alice, &listed, json!({ "visibility": "odd" })).await.refused(400, "M_INVALID_PARAM");
    assert_eq!(site.position(), before);
    site.put(&alice, &listed, json!({ "visibility": "public" })).await.ok();
    assert_eq!(site.get(&bob, &listed).await.ok()["visibility"], "public");
    let search = async |body: Value| site.post(&bob, "/_matrix/client/v3/publicRooms", body).await;
    let found = search(json!({ "filter": { "generic_search_term": "ecole" }, "limit": 1 })).await.ok();
    let expected = json!({
        "room_id": room, "name": "Écoles", "num_joined_members": 1, "world_readable": false, "guest_can_join": false,
        "join_rule": "public",
    });
    assert_eq!(found["chunk"], json!([expected]));
    let nothing = search(json!({ "filter": { "generic_search_term": "mairie" } })).await.ok();
    assert_eq!(nothing["chunk"], json!([]));
    site.get(&bob, "/_matrix/client/v3/publicRooms?server=nancy.example").await.refused(403, "M_FORBIDDEN");
    site.ask(Method::GET, None, "/_matrix/client/v3/publicRooms", None).await.refused(401, "M_MISSING_TOKEN");
}

#[tokio::test]
async fn odd_names_break_nothing() {
    let site = TestSite::open();
    let alice = site.person("alice").await;
    let room = site.open_room(&alice).await;
    let long = format!("#{}:metz.example", "x".repeat(300));
    let odd = [
        "",
        "#",
        ":",
        "#:",
        "a",
        "#a",
        "#a:",
        "#:metz.example",
        "a:metz.example",
        "##:metz.example",
        "#a b:metz.example",
        "#a\u{0}:metz.example",
        "#a\n:metz.example",
        "#\u{202e}:metz.example",
        "#a:b:metz.example",
        "#a:metz.example:",
        "#a:metz.example:99999",
        "#a:[::1]",
        "#a:[::1]:x",
        "#a:-",
        "#a/b:metz.example",
        "#a?b#c:metz.example",
        "#💥:metz.example",
        "!a:metz.example",
        "@a:metz.example",
        "#a:métz.example",
        &long,
        "../..",
        "%",
        "%00",
    ];
    for name in odd {
        let encoded = encode(name);
        let canonical = at(&room, "state/m.room.canonical_alias");
        let asked = [
            site.get(&alice, &path(name)).await,
            site.put(&alice, &path(name), json!({ "room_id": room })).await,
            site.put(&alice, &path("#ok:metz.example"), json!({ "room_id": name })).await,
            site.delete(&alice, &path(name)).await,
            site.post(&alice, &format!("/_matrix/client/v3/join/{encoded}"), json!({})).await,
            site.post(&alice, &format!("/_matrix/client/v3/knock/{encoded}"), json!({})).await,
            site.get(&alice, &format!("/_matrix/client/v1/room_summary/{encoded}")).await,
            site.post(&alice, "/_matrix/client/v3/createRoom", json!({ "room_alias_name": name })).await,
            site.put(&alice, &canonical, json!({ "alias": name, "alt_aliases": [name, 1, null] })).await,
            site.put(&alice, &canonical, json!({ "alias": [name] })).await,
            site.get(&alice, &at(name, "state")).await,
            site.get(&alice, &at(name, "messages?dir=b")).await,
            site.get(&alice, &at(&room, &format!("event/{encoded}"))).await,
            site.get(&alice, &at(&room, &format!("messages?dir=b&from={encoded}"))).await,
            site.get(&alice, &at(&room, &format!("messages?dir=b&filter={encoded}"))).await,
            site.get(&alice, &at(&room, &format!("members?at={encoded}&membership={encoded}"))).await,
        ];
        for (number, answer) in asked.iter().enumerate() {
            assert!(answer.status < 500, "{name:?}, question {number}: {answer:?}");
        }
    }
}
