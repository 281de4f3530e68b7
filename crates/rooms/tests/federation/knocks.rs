//! Knocks across towns.

use kernel::{Fault, Kind};
use rooms::{Membership, Preset};
use serde_json::{Value, json};

use crate::wire::Network;

const VERSIONS: [&str; 4] = ["7", "10", "11", "12"];

#[tokio::test]
async fn somebody_knocks_is_turned_down_knocks_again_and_is_let_in() {
    for version in VERSIONS {
        let network = Network::default();
        let (metz, nancy, toul) =
            (network.town("metz.example"), network.town("nancy.example"), network.town("toul.example"));
        let (anne, bob, chloe) = (metz.actor("anne"), nancy.actor("bob"), toul.actor("chloe"));
        let room = metz.room(&anne, version, Preset::PublicChat).await;
        toul.join(&chloe, &room, &[&metz]).await.unwrap();
        let via = [metz.name.clone()];
        let refused = nancy.rooms.knock(&bob, &room, &via, None).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Forbidden, "{version}: the room is open, nobody knocks");
        assert_eq!(nancy.own_membership(&room, &bob.user), None, "{version}");
        metz.set(&anne, &room, "m.room.join_rules", json!({ "join_rule": "knock" })).await;
        let refused = nancy.join(&bob, &room, &[&metz]).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Forbidden, "{version}");
        network.calls();

        for _ in 0..2 {
            nancy.rooms.knock(&bob, &room, &via, Some("toc toc")).await.unwrap();
            assert_eq!(
                network.calls(),
                ["make_knock nancy.example metz.example", "send_knock nancy.example metz.example"]
            );
            network.deliver().await;
            assert_eq!(network.calls(), [""; 0], "{version}");
            for town in [&metz, &toul] {
                let event = town.rooms.current_state(&room, "m.room.member", bob.user.as_str()).unwrap().unwrap();
                assert_eq!(event.membership(), Some(Membership::Knock), "{version} {}", town.name);
                assert!(event.pdu.content().get().contains("toc toc"), "{version}");
            }
            let own = nancy.rooms.rooms_of(&bob.user).unwrap()[&room].clone();
            assert_eq!(own.room.membership, Membership::Knock, "{version}");
            let shown: Vec<Value> =
                own.room.stripped.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
            assert!(shown.iter().any(|event| event["content"]["name"] == "Mairie"), "{version}");
            assert_eq!(shown.last().unwrap()["content"]["membership"], "knock", "{version}");
        }

        metz.rooms.kick(&anne, &room, &bob.user, None).await.unwrap();
        network.deliver().await;
        assert_eq!(nancy.own_membership(&room, &bob.user), Some(Membership::Leave), "{version}");
        nancy.rooms.knock(&bob, &room, &via, None).await.unwrap();
        nancy.rooms.leave(&bob, &room, None).await.unwrap();
        assert_eq!(metz.membership(&room, &bob.user), Some(Membership::Leave), "{version}: he thought better of it");
        nancy.rooms.knock(&bob, &room, &via, None).await.unwrap();
        metz.rooms.invite(&anne, &room, &bob, None, false).await.unwrap();
        assert_eq!(nancy.own_membership(&room, &bob.user), Some(Membership::Invite), "{version}");
        let refused = nancy.rooms.knock(&bob, &room, &via, None).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Forbidden, "{version}: the door is open");
        nancy.join(&bob, &room, &[]).await.unwrap();
        network.deliver().await;
        assert_eq!(nancy.state(&room), metz.state(&room), "{version}");
        assert_eq!(toul.state(&room), metz.state(&room), "{version}");
        assert_eq!(nancy.rooms.knock(&bob, &room, &via, None).await.unwrap_err().kind(), Kind::Forbidden, "{version}");
        metz.rooms.ban(&anne, &room, &bob.user, None).await.unwrap();
        network.deliver().await;
        assert_eq!(nancy.rooms.knock(&bob, &room, &via, None).await.unwrap_err().kind(), Kind::Forbidden, "{version}");
        assert_eq!(nancy.own_membership(&room, &bob.user), Some(Membership::Ban), "{version}");
    }
}

#[tokio::test]
async fn nobody_knocks_on_rooms_of_versions_without_knocking() {
    let network = Network::default();
    let (metz, nancy) = (network.town("metz.example"), network.town("nancy.example"));
    let room = metz.room(&metz.actor("anne"), "6", Preset::PublicChat).await;
    let bob = nancy.actor("bob");
    let refused = nancy.rooms.knock(&bob, &room, std::slice::from_ref(&metz.name), None).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Forbidden);
    assert_eq!(network.calls(), ["make_knock nancy.example metz.example"]);
    assert_eq!(nancy.own_membership(&room, &bob.user), None);
}
