//! Gaps that another server bridges with a state of its telling.

use serde_json::json;

use crate::{chain::Chain, history::shared_room, neighbour::Neighbour, town::Town};

/// Hazard S3: the state that another server tells is one opinion beside what this one knows, also where the other's events truly
/// follow ours.
#[tokio::test]
async fn a_state_that_another_server_tells_takes_nothing_back() {
    for version in ["6", "11", "12"] {
        let town = Town::new("metz.example");
        let lyon = Neighbour::of(&town, "lyon.example");
        let anne = town.actor("anne");
        let (room, bob, _) = shared_room(&town, &lyon, &anne, version).await;
        let open = town.state(&room, "m.room.join_rules", "").unwrap();
        let closed = town.set(&anne, &room, "m.room.join_rules", "", json!({ "join_rule": "invite" })).await;
        let banned = json!({ "membership": "ban" });
        let ban = town.set(&anne, &room, "m.room.member", "@carl:lyon.example", banned).await;
        let last = town.event(&room, &anne.user, &ban);
        let mut chain = Chain::after(&town, &last.pdu);
        let behind = chain.say(&lyon, &bob, "in the gap");
        {
            let mut states = town.script.states.lock().unwrap();
            let told = states.get_mut(behind.event_id()).unwrap();
            told.retain(|id| *id != closed && *id != ban);
            told.push(open.clone());
        }
        let [_, end] = chain.send_last(&lyon, &bob).await;
        town.event(&room, &anne.user, end.event_id());
        assert_eq!(town.state(&room, "m.room.join_rules", ""), Some(closed), "{version}");
        assert_eq!(town.state(&room, "m.room.member", "@carl:lyon.example"), Some(ban), "{version}");
        // What is said next brings both ends together, and keeps it so.
        town.say(&anne, &room, "next").await;
        assert_ne!(town.state(&room, "m.room.join_rules", ""), Some(open), "{version}");
    }
}
