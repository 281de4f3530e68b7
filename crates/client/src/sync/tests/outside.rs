//! Invites to rooms that this server is not in, and how they end.

use serde_json::{Value, json};

use super::{TestSite, encode, list, part, types};

#[tokio::test]
async fn an_invite_from_another_server_comes_at_once_and_so_does_its_end() {
    for taken_back in [false, true] {
        let site = TestSite::open();
        let bob = site.person("bob").await;
        let first = site.first(&bob).await;
        let poll = site.poll(&bob, &first).await;
        let (room, invite) = site.invite_from_abroad(&bob.user, "invite", &[]).await;
        let invited = poll.answered().await;
        let shown = list(&part(&invited, "invite", &room)["invite_state"]["events"]);
        assert_eq!(
            types(&part(&invited, "invite", &room)["invite_state"]["events"]),
            ["m.room.create", "m.room.member"]
        );
        assert!(shown[0]["origin_server_ts"].is_u64());
        assert_eq!((&shown[1]["state_key"], &shown[1]["content"]["is_direct"]), (&json!(bob.user), &json!(true)));
        assert!(site.after(&bob, &invited).await["rooms"].is_null(), "told once");
        let event = format!("/_matrix/client/v3/rooms/{}/event/{}", encode(&room), encode(invite.as_str()));
        assert_eq!(site.get(&bob, &event).await.ok()["content"]["membership"], "invite");
        let alice = site.person("alice").await;
        site.get(&alice, &event).await.refused(404, "M_NOT_FOUND");
        for path in ["state", "members", "messages?dir=b", "joined_members"] {
            let path = format!("/_matrix/client/v3/rooms/{}/{path}", encode(&room));
            site.get(&bob, &path).await.refused(403, "M_FORBIDDEN");
        }

        let poll = site.poll(&bob, &invited).await;
        if taken_back {
            site.invite_from_abroad(&bob.user, "leave", &[invite]).await;
        } else {
            site.leave(&bob, &room).await;
        }
        let left = poll.answered().await;
        let told = part(&left, "leave", &room);
        let events = list(&told["timeline"]["events"]);
        assert_eq!((events.len(), &told["state"]["events"]), (1, &json!([])));
        assert_eq!(events[0]["content"]["membership"], "leave");
        let sender = if taken_back { "@eve:nancy.example" } else { bob.user.as_str() };
        assert_eq!(events[0]["sender"], sender);
        assert!(site.after(&bob, &left).await["rooms"].is_null(), "told once");
        let with_left = json!({ "room": { "include_leave": true } });
        let anew = site.filtered(&bob, &Value::Null, with_left.clone()).await;
        assert_eq!(list(&part(&anew, "leave", &room)["timeline"]["events"]).len(), 1);
        site.act(&bob, &room, "forget", json!({})).await.ok();
        assert!(site.filtered(&bob, &Value::Null, with_left).await["rooms"].is_null());
    }
}

#[tokio::test]
async fn a_way_in_that_leads_nowhere_is_said_so() {
    let site = TestSite::open();
    let bob = site.person("bob").await;
    let (room, _) = site.invite_from_abroad(&bob.user, "invite", &[]).await;
    let before = site.position();
    // The neighbour gives invites, and answers nothing else.
    site.act(&bob, &room, "join", json!({})).await.refused(403, "M_FORBIDDEN");
    let via = format!("/_matrix/client/v3/join/{}?server_name=toul.example", encode("!there:nancy.example"));
    let refused = site.post(&bob, &via, json!({})).await.refused(403, "M_FORBIDDEN");
    assert!(refused["error"].as_str().unwrap().contains("toul.example"), "{refused}");
    let knock = format!("/_matrix/client/v3/knock/{}?via=toul.example", encode("!there:nancy.example"));
    site.post(&bob, &knock, json!({})).await.refused(403, "M_FORBIDDEN");
    site.post(&bob, &format!("/_matrix/client/v3/join/{}", encode("!nowhere")), json!({}))
        .await
        .refused(404, "M_NOT_FOUND");
    assert_eq!(site.position(), before);
}
