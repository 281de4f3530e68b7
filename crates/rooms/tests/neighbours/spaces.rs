//! Spaces whose rooms are with other servers.

use kernel::id::{OwnedRoomId, OwnedServerName, RoomId, UserId};
use rooms::{Actor, CreateRoom, Error, Preset, SpaceQuery};
use serde_json::{Value, json};

use crate::town::Town;

const METZ: &str = "metz.example";
const LYON: &str = "lyon.example";

impl Town {
    async fn named(&self, creator: &Actor, name: &str, kind: Option<&str>) -> OwnedRoomId {
        let content = kind.map(|kind| json!({ "type": kind })).unwrap_or_else(|| json!({}));
        let request = CreateRoom {
            preset: Some(Preset::PublicChat),
            name: Some(name.to_owned()),
            creation_content: content.as_object().cloned().unwrap(),
            ..CreateRoom::default()
        };
        self.rooms.create(creator, request).await.unwrap()
    }

    async fn link(&self, who: &Actor, space: &RoomId, child: &RoomId, order: &str, via: &[&str]) {
        self.set(who, space, "m.space.child", child.as_str(), json!({ "via": via, "order": order })).await;
    }

    /// The names of the rooms that the user is shown, in their order.
    async fn look(&self, user: &UserId, root: &RoomId, depth_max: Option<usize>, pages_of: usize) -> Vec<String> {
        let query = SpaceQuery { depth_max, suggested_only: false };
        let mut names = Vec::new();
        loop {
            let page = self.rooms.space(root, user, &query, names.len(), pages_of).await.unwrap();
            names.extend(page.rooms.into_iter().map(|room| room.summary.name.unwrap()));
            if !page.more {
                return names;
            }
        }
    }
}

#[tokio::test]
async fn a_walk_goes_through_the_rooms_of_others_and_comes_back() {
    let (metz, lyon) = (Town::new(METZ), Town::new(LYON));
    metz.script.towns.lock().unwrap().insert(OwnedServerName::try_from(LYON).unwrap(), lyon.rooms.clone());
    let (anne, bob) = (metz.actor("anne"), lyon.actor("bob"));
    let space = Some("m.space");
    let (root, ours) = (metz.named(&anne, "root", space).await, metz.named(&anne, "ours", None).await);
    let (theirs, beyond) = (lyon.named(&bob, "theirs", None).await, lyon.named(&bob, "beyond", space).await);
    let (deep, closed) = (lyon.named(&bob, "deep", None).await, lyon.room(&bob, "12", Preset::PrivateChat).await);
    metz.link(&anne, &root, &theirs, "a", &["nobody.example", LYON]).await;
    metz.link(&anne, &root, &beyond, "b", &[LYON]).await;
    lyon.link(&bob, &beyond, &deep, "a", &[LYON]).await;
    lyon.link(&bob, &beyond, &closed, "b", &[LYON]).await;
    lyon.link(&bob, &beyond, &ours, "c", &[METZ]).await;
    lyon.link(&bob, &beyond, &root, "d", &[METZ]).await;

    assert_eq!(metz.look(&anne.user, &root, None, 50).await, ["root", "theirs", "beyond", "deep", "ours"]);
    let asked = ["hierarchy nobody.example", "hierarchy lyon.example", "hierarchy lyon.example"];
    assert_eq!(metz.script.calls(), asked, "what was told with the space is not asked again");
    assert_eq!(metz.look(&anne.user, &root, None, 2).await, ["root", "theirs", "beyond", "deep", "ours"]);
    assert_eq!(metz.look(&anne.user, &root, Some(1), 2).await, ["root", "theirs", "beyond"]);
    assert!(metz.script.calls().is_empty(), "an answer holds for a while");

    // Not for ever, and a summary is had in the same way.
    metz.clock.advance(std::time::Duration::from_secs(31));
    lyon.set(&bob, &theirs, "m.room.name", "", json!({ "name": "still theirs" })).await;
    assert_eq!(metz.look(&anne.user, &root, Some(1), 9).await, ["root", "still theirs", "beyond"]);
    metz.script.calls();
    let via = [OwnedServerName::try_from(LYON).unwrap()];
    let summary = metz.rooms.summary_for(&deep, &anne.user, &via).await.unwrap();
    assert_eq!((summary.name.as_deref(), summary.joined), (Some("deep"), 1));
    for hidden in [closed, OwnedRoomId::try_from("!none:lyon.example").unwrap()] {
        assert!(matches!(metz.rooms.summary_for(&hidden, &anne.user, &via).await, Err(Error::NoSuchRoom)));
    }
    // Nobody to ask: as if it were not there.
    assert!(matches!(metz.rooms.summary_for(&deep, &anne.user, &[]).await, Err(Error::NoSuchRoom)));
}

#[tokio::test]
async fn what_a_server_tells_is_filtered_for_each_user_and_believed_of_its_own_question_only() {
    let metz = Town::new(METZ);
    let (anne, eve) = (metz.actor("anne"), metz.actor("eve"));
    let root = metz.named(&anne, "root", Some("m.space")).await;
    let [club, hall, liar, barred] =
        ["!club", "!hall", "!liar", "!barred"].map(|id| OwnedRoomId::try_from(format!("{id}:{LYON}")).unwrap());
    for (order, room) in ["a", "b", "c"].into_iter().zip([&club, &hall, &liar]) {
        metz.link(&anne, &root, room, order, &[LYON]).await;
    }
    let told = |room: &RoomId, name: &str, more: Value| {
        let mut told = json!({
            "room_id": room, "name": name, "num_joined_members": 3, "world_readable": false, "guest_can_join": false,
        });
        told.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        told
    };
    let script = |room: &RoomId, answer: Value| {
        metz.script.hierarchies.lock().unwrap().insert(room.to_owned(), answer.to_string());
    };
    let restricted = json!({ "join_rule": "restricted", "allowed_room_ids": [root, 7, "nonsense"] });
    script(
        &club,
        json!({ "room": told(&club, "club", restricted), "children": [], "inaccessible_children": [] }).clone(),
    );
    let child = |room: &RoomId| json!({ "type": "m.space.child", "state_key": room, "content": { "via": [LYON] }, "sender": "@bob:lyon.example", "origin_server_ts": 1 });
    let links = [child(&barred), child(&club), json!({ "type": "m.space.child", "content": 3 }), json!(null)];
    let hall_told = told(&hall, "hall", json!({ "room_type": "m.space", "children_state": links }));
    script(
        &hall,
        json!({ "room": hall_told, "children": [{ "room_id": 5 }, "x"], "inaccessible_children": [barred, "?"] }),
    );
    script(
        &liar,
        json!({ "room": told(&hall, "not what was asked", json!({})), "children": [], "inaccessible_children": [] }),
    );

    assert_eq!(metz.look(&anne.user, &root, None, 50).await, ["root", "club", "hall"]);
    assert_eq!(metz.look(&eve.user, &root, None, 50).await, ["root", "hall"], "she is not in the room that lets in");
    assert_eq!(metz.script.calls().len(), 3 + 1, "the barred one is not asked about, the liar again");

    // An answer that cannot be read is none.
    script(&club, json!({ "room": "nonsense" }));
    metz.clock.advance(std::time::Duration::from_secs(31));
    assert_eq!(metz.look(&anne.user, &root, None, 50).await, ["root", "hall"]);
}

#[tokio::test]
async fn servers_that_do_not_answer_cost_few_questions() {
    let metz = Town::new(METZ);
    let anne = metz.actor("anne");
    let root = metz.named(&anne, "root", Some("m.space")).await;
    let via = ["a.example", "b.example", "c.example", "d.example"];
    for n in 0..30 {
        let room = OwnedRoomId::try_from(format!("!{n}:{LYON}")).unwrap();
        metz.link(&anne, &root, &room, "a", &via).await;
    }
    for server in via {
        metz.script.silence(<&kernel::id::ServerName>::try_from(server).unwrap());
    }
    assert_eq!(metz.look(&anne.user, &root, None, 50).await, ["root"]);
    let calls = metz.script.calls();
    assert_eq!(calls[..4].join(" "), "hierarchy a.example hierarchy b.example hierarchy c.example hierarchy a.example");
    assert_eq!(calls.len(), 60);
}
