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

/// A state with a hole is no state: the event that needs it comes another time. (A ban was lost so, and never came back.)
#[tokio::test]
async fn a_gap_is_bridged_with_all_of_the_state_or_not_at_all() {
    for lost in 0..2 {
        let town = Town::new("metz.example");
        let lyon = Neighbour::of(&town, "lyon.example");
        let anne = town.actor("anne");
        let (room, bob, join) = shared_room(&town, &lyon, &anne, "11").await;
        let (carol, mut end) = (lyon.user("carol"), join.event_id().to_owned());
        // So that few of the state's events are missing, and those are asked for one by one.
        for n in 0..30 {
            end = town.set(&anne, &room, "fr.example.piece", &n.to_string(), json!({})).await;
        }
        let mut chain = Chain::after(&town, &town.event(&room, &anne.user, &end).pdu);
        let first = chain.add(&lyon, &carol, ("m.room.member", Some(carol.as_str()), json!({ "membership": "join" })));
        let renamed = json!({ "membership": "join", "displayname": "Bob" });
        let last = chain.add(&lyon, &bob, ("m.room.member", Some(bob.as_str()), renamed));
        let told = [chain.say(&lyon, &bob, "after the gap"), chain.say(&lyon, &bob, "last")];
        *town.script.missing.lock().unwrap() = vec![told[0].event_id().to_owned()];
        town.script.lost.lock().unwrap().insert([&first, &last][lost].event_id().to_owned());
        assert!(town.receive(lyon.name(), &[&told[1]]).await[0].is_err(), "{lost}");
        town.script.lost.lock().unwrap().clear();
        lyon.send(&[&told[1]]).await;
        assert_eq!(town.state(&room, "m.room.member", carol.as_str()).as_deref(), Some(first.event_id()), "{lost}");
        assert_eq!(town.state(&room, "m.room.member", bob.as_str()).as_deref(), Some(last.event_id()), "{lost}");
    }
}
