//! Summaries and spaces: what somebody may be told of rooms that they are not in.

use serde_json::{Value, json};

use super::{TestSite, at, at_v1, encode};
use crate::testing::Person;

impl TestSite {
    async fn space(&self, creator: &Person, name: &str) -> String {
        let body = json!({ "preset": "public_chat", "name": name, "creation_content": { "type": "m.space" } });
        self.room(creator, body).await
    }

    async fn link(&self, who: &Person, space: &str, child: &str, content: Value) {
        // Children without an order come in that of their events.
        self.clock.advance(std::time::Duration::from_millis(1));
        self.put(who, &at(space, &format!("state/m.space.child/{}", encode(child))), content).await.ok();
    }

    async fn hierarchy(&self, who: &Person, root: &str, query: &str) -> Value {
        self.get(who, &at_v1(root, &format!("hierarchy{query}"))).await.ok()
    }
}

fn names(page: &Value) -> String {
    let rooms = page["rooms"].as_array().unwrap();
    rooms.iter().map(|room| room["name"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_hierarchy_is_walked_in_order_once_and_in_bounds() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let root = site.space(&alice, "root").await;
    let inner = site.space(&alice, "inner").await;
    let named = |preset: &str, name: &str| json!({ "preset": preset, "name": name });
    let open = site.room(&alice, named("public_chat", "open")).await;
    let closed = site.room(&alice, named("private_chat", "closed")).await;
    let leaf = site.room(&alice, named("public_chat", "leaf")).await;
    let via = json!({ "via": ["metz.example"] });
    site.link(&alice, &root, &inner, via.clone()).await;
    site.link(&alice, &root, &closed, via.clone()).await;
    site.link(&alice, &root, &open, json!({ "via": ["metz.example"], "suggested": true, "order": "a" })).await;
    site.link(&alice, &root, "!elsewhere:nancy.example", via.clone()).await;
    site.link(&alice, &inner, &leaf, via.clone()).await;
    site.link(&alice, &inner, &root, via.clone()).await;
    site.link(&alice, &open, &leaf, via).await;

    assert_eq!(names(&site.hierarchy(&alice, &root, "").await), "root open inner leaf closed");
    let page = site.hierarchy(&bob, &root, "").await;
    assert_eq!(names(&page), "root open inner leaf");
    let children = page["rooms"][0]["children_state"].as_array().unwrap();
    assert_eq!((children.len(), &children[0]["state_key"]), (4, &json!(open)));
    assert!(children[0]["origin_server_ts"].is_u64() && children[0]["event_id"].is_null());
    assert_eq!(page["rooms"][1]["children_state"], json!([]), "what is no space has no children");
    assert_eq!(names(&site.hierarchy(&bob, &root, "?max_depth=1").await), "root open inner");
    assert_eq!(names(&site.hierarchy(&bob, &root, "?suggested_only=true").await), "root open");

    let first = site.hierarchy(&bob, &root, "?limit=3").await;
    assert_eq!(names(&first), "root open inner");
    let next = first["next_batch"].as_str().unwrap();
    let second = site.hierarchy(&bob, &root, &format!("?limit=3&from={next}")).await;
    assert_eq!((names(&second), &second["next_batch"]), ("leaf".to_owned(), &Value::Null));
    let wrong = at_v1(&root, &format!("hierarchy?from={next}&suggested_only=true"));
    site.get(&bob, &wrong).await.refused(400, "M_INVALID_PARAM");

    let unknown = site.get(&bob, &at_v1("!unknown:metz.example", "hierarchy")).await.refused(403, "M_FORBIDDEN");
    let hidden = site.get(&bob, &at_v1(&closed, "hierarchy")).await.refused(403, "M_FORBIDDEN");
    assert_eq!(hidden, unknown);
    site.link(&alice, &root, &open, json!({})).await;
    assert_eq!(names(&site.hierarchy(&bob, &root, "").await), "root inner leaf");
}

#[tokio::test]
async fn a_summary_is_for_those_who_could_come_in() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let space = site.space(&alice, "space").await;
    let rule = |rule: &str| {
        let allow = json!([{ "type": "m.room_membership", "room_id": space }]);
        json!({ "type": "m.room.join_rules", "content": { "join_rule": rule, "allow": allow } })
    };
    let summary = async |room: &str| {
        let paths = [
            format!("/_matrix/client/v1/room_summary/{}", encode(room)),
            format!("/_matrix/client/unstable/im.nheko.summary/rooms/{}/summary", encode(room)),
        ];
        let answers = [site.get(&bob, &paths[0]).await, site.get(&bob, &paths[1]).await];
        assert_eq!(answers[0].body, answers[1].body);
        let [answer, _] = answers;
        answer
    };
    for (join_rule, shown) in
        [("public", true), ("knock", true), ("invite", false), ("private", false), ("restricted", false)]
    {
        let room = site.room(&alice, json!({ "name": "n", "initial_state": [rule(join_rule)] })).await;
        let answer = summary(&room).await;
        if shown {
            // A room that names none is public (spec, `GET /room_summary`).
            assert_eq!(answer.ok()["join_rule"].as_str().unwrap_or("public"), join_rule);
        } else {
            answer.refused(404, "M_NOT_FOUND");
        }
        site.act(&alice, &room, "invite", json!({ "user_id": bob.user })).await.ok();
        assert_eq!(summary(&room).await.ok()["membership"], "invite");
    }
    let restricted = site.room(&alice, json!({ "name": "n", "initial_state": [rule("restricted")] })).await;
    site.join(&bob, &space).await;
    let shown = summary(&restricted).await.ok();
    assert_eq!(
        (&shown["allowed_room_ids"], &shown["num_joined_members"], &shown["room_id"]),
        (&json!([space]), &json!(1), &json!(restricted))
    );
    assert_eq!(shown["membership"], Value::Null);
}
