//! What servers send at the same time, or late: an event that two of them bring at once, and redactions that meet their event, and
//! the room's state, in any order. All servers must make the same of it.

use events::Pdu;
use kernel::id::{EventId, OwnedRoomId, OwnedUserId, RoomId};
use rooms::{Actor, Preset};
use serde_json::{Value, json};

use crate::{
    neighbour::Neighbour,
    town::{Town, new_event},
};

const METZ: &str = "metz.example";
const LYON: &str = "lyon.example";
const NANCY: &str = "nancy.example";
/// Threads meet by chance: as often as it takes.
const ATTEMPTS: usize = 100;

/// A room of Anne's with Bob of Lyon and Carol of Nancy in it, and its last event.
async fn shared_room(town: &Town, lyon: &Neighbour<'_>, nancy: &Neighbour<'_>) -> (Actor, OwnedRoomId, Pdu) {
    let anne = town.actor("anne");
    let room = town.room(&anne, "11", Preset::PublicChat).await;
    let last = town.say(&anne, &room, "before").await;
    let last = town.event(&room, &anne.user, &last);
    let join = lyon.become_member(&room, &lyon.user("bob"), "join", &last.pdu).await;
    let join = nancy.become_member(&room, &nancy.user("carol"), "join", &join).await;
    (anne, room, join)
}

async fn give_power(town: &Town, anne: &Actor, room: &RoomId, user: &OwnedUserId, power: u8) -> Pdu {
    let users = json!({ anne.user.as_str(): 100, user.as_str(): power });
    let id = town.set(anne, room, "m.room.power_levels", "", json!({ "users": users })).await;
    (*town.event(room, &anne.user, &id).pdu).clone()
}

fn is_redacted(town: &Town, anne: &Actor, room: &RoomId, id: &EventId) -> bool {
    let event = town.event(room, &anne.user, id);
    let content: Value = event.pdu.content_as().unwrap();
    assert_eq!(content == json!({}), event.redacted_by.is_some());
    event.redacted_by.is_some()
}

#[tokio::test]
async fn a_redaction_is_judged_where_it_was_sent_whatever_the_room_is_meanwhile() {
    // Its sender's power when it was sent, and when it comes.
    for (then, now) in [(50, 0), (0, 50)] {
        for comes_first in [false, true] {
            let town = Town::new(METZ);
            let (lyon, nancy) = (Neighbour::of(&town, LYON), Neighbour::of(&town, NANCY));
            let (bob, carol) = (lyon.user("bob"), nancy.user("carol"));
            let (anne, room, _) = shared_room(&town, &lyon, &nancy).await;
            let powers = give_power(&town, &anne, &room, &bob, then).await;
            let target = nancy.message(&room, &[&powers], &carol, "secret");
            let content = json!({ "redacts": target.event_id() });
            let redaction = lyon.event(&room, &[&powers], &bob, "m.room.redaction", None, content);
            let mut coming = [(&nancy, &target), (&lyon, &redaction)];
            if comes_first {
                coming.reverse();
            }
            coming[0].0.send(&[coming[0].1]).await;
            give_power(&town, &anne, &room, &bob, now).await;
            coming[1].0.send(&[coming[1].1]).await;
            let redacted = is_redacted(&town, &anne, &room, target.event_id());
            assert_eq!(redacted, then == 50, "from {then} to {now}, the redaction first: {comes_first}");
        }
    }
}

#[tokio::test]
async fn a_redaction_that_may_not_takes_nothing_from_one_that_may() {
    for powerless_first in [false, true] {
        let town = Town::new(METZ);
        let (lyon, nancy) = (Neighbour::of(&town, LYON), Neighbour::of(&town, NANCY));
        let (bob, carol) = (lyon.user("bob"), nancy.user("carol"));
        let (anne, room, last) = shared_room(&town, &lyon, &nancy).await;
        let target = nancy.message(&room, &[&last], &carol, "secret");
        let content = json!({ "redacts": target.event_id() });
        let powerless = lyon.event(&room, &[&last], &bob, "m.room.redaction", None, content.clone());
        let mut by_anne = new_event("m.room.redaction", None, content);
        by_anne.redacts = Some(target.event_id().to_owned());
        if powerless_first {
            lyon.send(&[&powerless]).await;
        }
        town.send(&anne, &room, by_anne).await;
        if !powerless_first {
            lyon.send(&[&powerless]).await;
        }
        nancy.send(&[&target]).await;
        assert!(is_redacted(&town, &anne, &room, target.event_id()), "the powerless first: {powerless_first}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_two_servers_bring_at_once_is_there_once() {
    let town = Town::new(METZ);
    let (lyon, nancy) = (Neighbour::of(&town, LYON), Neighbour::of(&town, NANCY));
    let (anne, room, mut last) = shared_room(&town, &lyon, &nancy).await;
    for _ in 0..ATTEMPTS {
        let event = lyon.message(&room, &[&last], &lyon.user("bob"), "twice");
        let both = [&event];
        tokio::join!(lyon.send(&both), nancy.send(&both));
        // It cites the room's end, and must not cite an event twice.
        let next = town.say(&anne, &room, "after").await;
        let next = town.event(&room, &anne.user, &next);
        assert_eq!(next.pdu.prev_events(), [event.event_id().to_owned()]);
        last = (*next.pdu).clone();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redaction_that_meets_its_event_as_it_comes_takes_effect() {
    let town = Town::new(METZ);
    let (lyon, nancy) = (Neighbour::of(&town, LYON), Neighbour::of(&town, NANCY));
    let (anne, room, last) = shared_room(&town, &lyon, &nancy).await;
    for attempt in 0..ATTEMPTS {
        let event = lyon.message(&room, &[&last], &lyon.user("bob"), "secret");
        let mut redaction = new_event("m.room.redaction", None, json!({ "redacts": event.event_id() }));
        redaction.redacts = Some(event.event_id().to_owned());
        let coming = [&event];
        let redacting = async {
            // Each time it comes a little later.
            for _ in 0..attempt {
                tokio::task::yield_now().await;
            }
            town.send(&anne, &room, redaction).await
        };
        tokio::join!(lyon.send(&coming), redacting);
        assert!(is_redacted(&town, &anne, &room, event.event_id()));
    }
}
