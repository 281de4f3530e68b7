//! Pushers belong to a session, and to one user of a phone.

use super::*;
use crate::testing::town;

fn pusher(device: &str, pushkey: &str) -> Pusher {
    Pusher {
        app_id: "im.app".to_owned(),
        pushkey: pushkey.to_owned(),
        device: device.into(),
        json: "{\"kind\":\"http\"}".to_owned(),
    }
}

#[tokio::test]
async fn pushers_end_with_their_session_or_when_the_phone_changes_hands() {
    let town = town();
    let accounts = &town.accounts;
    let (alice, bob) = (town.person("alice").await, town.person("bob").await);
    for (user, device) in [(&alice, "A1"), (&alice, "A2"), (&bob, "B")] {
        town.session(user, device).await;
    }
    accounts.set_pusher(&alice, pusher("A1", "key1"), false).await.unwrap();
    accounts.set_pusher(&alice, pusher("A2", "key2"), false).await.unwrap();
    accounts.set_pusher(&bob, pusher("B", "key1"), true).await.unwrap();
    assert_eq!(accounts.pushers(&alice).unwrap().len(), 2);
    accounts.set_pusher(&bob, pusher("B", "key1"), false).await.unwrap();
    assert_eq!(accounts.pushers(&alice).unwrap(), [pusher("A2", "key2")]);
    accounts.delete_pusher(&alice, "im.app", "ghost").await.unwrap();
    accounts.end_session(&alice, "A2".into()).await.unwrap();
    assert!(accounts.pushers(&alice).unwrap().is_empty());
    accounts.delete_pusher(&bob, "im.app", "key1").await.unwrap();
    assert!(town.rows().iter().all(|(table, ..)| ![0x0222, 0x0223].contains(table)));
}

#[tokio::test]
async fn what_is_wrong_or_too_much_is_refused_and_nothing_is_stored() {
    let town = town();
    let alice = town.person("alice").await;
    town.session(&alice, "A").await;
    let wrong = [
        Pusher { app_id: "a".repeat(65), ..pusher("A", "k") },
        pusher("A", &"k".repeat(513)),
        pusher("GHOST", "k"),
        Pusher { json: "[]".to_owned(), ..pusher("A", "k") },
        Pusher { json: format!("{{\"x\":\"{}\"}}", "y".repeat(9_000)), ..pusher("A", "k") },
    ];
    for pusher in wrong {
        assert!(town.accounts.set_pusher(&alice, pusher, false).await.is_err());
    }
    assert!(town.accounts.pushers(&alice).unwrap().is_empty());
    for n in 0..100 {
        town.accounts.set_pusher(&alice, pusher("A", &n.to_string()), false).await.unwrap();
    }
    assert!(matches!(town.accounts.set_pusher(&alice, pusher("A", "more"), false).await, Err(Error::TooMany { .. })));
    town.accounts.set_pusher(&alice, pusher("A", "5"), false).await.unwrap();
}
