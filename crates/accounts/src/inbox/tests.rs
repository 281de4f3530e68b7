//! Delivery once, to whom it may concern, within bounds.

use kernel::id::OwnedUserId;
use ruma_common::to_device::DeviceIdOrAllDevices::{AllDevices, DeviceId as One};

use super::*;
use crate::testing::{device, town};

fn to(user: &UserId, device: DeviceIdOrAllDevices, content: &str) -> ToDevice {
    ToDevice { user: user.to_owned(), device, content: content.to_owned() }
}

fn all(accounts: &Accounts, user: &UserId, id: &str) -> Vec<InboxItem> {
    accounts.inbox(user, device(id), Position::START, Position::END, 10_000).unwrap()
}

#[tokio::test]
async fn a_message_is_delivered_once_to_the_devices_named() {
    let town = town();
    let accounts = &town.accounts;
    let (alice, bob) = (town.person("alice").await, town.person("bob").await);
    for (user, device) in [(&alice, "A"), (&bob, "B1"), (&bob, "B2")] {
        town.session(user, device).await;
    }
    let mut feed = accounts.scope().announcements();
    let messages = vec![
        to(&bob, AllDevices, " {\"n\": 1} "),
        to(&bob, One("B2".into()), "{\"n\":2}"),
        to(&bob, One("X".into()), "{}"),
    ];
    accounts.send_to_device(&alice, device("A"), "m.x", "t1", messages.clone()).await.unwrap();
    accounts.send_to_device(&alice, device("A"), "m.x", "t1", messages).await.unwrap();
    let contents = |id| all(accounts, &bob, id).into_iter().map(|item| item.content).collect::<Vec<_>>();
    assert_eq!(contents("B1"), ["{\"n\":1}"]);
    assert_eq!(contents("B2"), ["{\"n\":1}", "{\"n\":2}"]);
    let told: Vec<Change> = feed.try_recv().unwrap().iter().map(|entry| entry.read().unwrap()).collect();
    assert_eq!(told.len(), 3);
    assert_eq!(told[0], Change::ToDevice { user: bob.clone(), device: "B1".into() });
    assert!(feed.try_recv().is_err(), "the repetition tells nobody anything");
    // The same id is another transaction for another type or device.
    accounts.send_to_device(&alice, device("A"), "m.y", "t1", vec![to(&bob, AllDevices, "{}")]).await.unwrap();
    accounts.send_to_device(&bob, device("B1"), "m.x", "t1", vec![to(&bob, AllDevices, "{}")]).await.unwrap();
    assert_eq!(contents("B1").len(), 3);

    let items = all(accounts, &bob, "B2");
    assert_eq!((&*items[0].sender, items[0].kind.as_str()), (&*alice, "m.x"));
    accounts.delete_up_to(&bob, device("B2"), items[0].position).unwrap();
    accounts.commit(accounts.scope().batch()).await.unwrap();
    assert_eq!(all(accounts, &bob, "B2"), items[1..]);
    assert_eq!(accounts.inbox(&bob, device("B2"), items[1].position, Position::END, 1).unwrap(), items[2..3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_equal_transactions_at_once_one_is_done() {
    let town = town();
    let alice = town.person("alice").await;
    town.session(&alice, "A").await;
    let sends: Vec<_> = (0..20)
        .map(|_| {
            let (accounts, alice) = (town.accounts.clone(), alice.clone());
            tokio::spawn(async move {
                let messages = vec![to(&alice, AllDevices, "{}")];
                accounts.send_to_device(&alice, device("A"), "m.x", "t", messages).await
            })
        })
        .collect();
    for done in sends {
        done.await.unwrap().unwrap();
    }
    assert_eq!(all(&town.accounts, &alice, "A").len(), 1);
}

/// Hazards K3 and D9.
#[tokio::test]
async fn nothing_is_stored_for_nobody_and_nothing_that_is_wrong() {
    let town = town();
    let accounts = &town.accounts;
    let (alice, gone) = (town.person("alice").await, town.person("gone").await);
    town.session(&alice, "A").await;
    accounts.deactivate(&gone).await.unwrap();
    let ghost: OwnedUserId = "@ghost:town1.test".try_into().unwrap();
    let abroad: OwnedUserId = "@alice:elsewhere.test".try_into().unwrap();
    let nobody = [&ghost, &abroad, &gone].map(|user| to(user, AllDevices, "{}"));
    let inboxes = || town.rows().iter().filter(|(table, ..)| *table == 0x021a).count();
    accounts.send_to_device(&alice, device("A"), "m.x", "1", nobody.to_vec()).await.unwrap();
    assert_eq!(inboxes(), 0);
    let large = format!("{{\"x\":\"{}\"}}", "y".repeat(70_000));
    for bad in ["[]", "{", "null", &large] {
        let messages = vec![to(&alice, AllDevices, "{}"), to(&alice, AllDevices, bad)];
        assert!(accounts.send_to_device(&alice, device("A"), "m.x", "2", messages).await.is_err());
    }
    let content = format!("{{\"x\":\"{}\"}}", "y".repeat(60_000));
    let messages = vec![to(&alice, AllDevices, &content); 100];
    assert!(matches!(
        accounts.send_to_device(&alice, device("A"), "m.x", "3", messages).await,
        Err(Error::TooLarge { .. })
    ));
    assert_eq!(inboxes(), 0);
    // What was refused may come again, corrected.
    accounts.send_to_device(&alice, device("A"), "m.x", "2", vec![to(&alice, AllDevices, "{}")]).await.unwrap();
    assert_eq!(inboxes(), 1);
}

/// Hazard K6.
#[tokio::test]
async fn an_inbox_that_nobody_empties_stays_bounded() {
    let town = town();
    let accounts = &town.accounts;
    let alice = town.person("alice").await;
    town.session(&alice, "A").await;
    for n in 0..110 {
        let messages = (0..100).map(|i| to(&alice, AllDevices, &format!("{{\"n\":{}}}", n * 100 + i))).collect();
        accounts.send_to_device(&alice, device("A"), "m.x", &n.to_string(), messages).await.unwrap();
    }
    let waiting = town.rows().iter().filter(|(table, ..)| *table == 0x021a).count();
    assert!((9_000..=10_000).contains(&waiting), "{waiting}");
    let newest = accounts.scope().scan(&INBOX, (&*alice, device("A"))).backward().first().unwrap().unwrap();
    assert_eq!(newest.1.content, "{\"n\":10999}");
}

#[tokio::test]
async fn transactions_are_forgotten_in_time_and_number() {
    let town = town();
    let accounts = &town.accounts;
    let alice = town.person("alice").await;
    town.session(&alice, "A").await;
    let send = async |txn: String| accounts.send_to_device(&alice, device("A"), "m.x", &txn, vec![]).await.unwrap();
    let remembered = || town.rows().iter().filter(|(table, ..)| *table == 0x021b).count();
    for n in 0..2_100 {
        send(n.to_string()).await;
    }
    assert!((1_990..=2_001).contains(&remembered()), "{}", remembered());
    town.advance(Duration::from_secs(24 * 3600 + 1));
    for n in 0..1_100 {
        send(format!("later{n}")).await;
    }
    assert!((1_000..=1_200).contains(&remembered()), "{}", remembered());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_reaches_a_device_that_is_deleted_meanwhile() {
    let town = town();
    let (alice, bob) = (town.person("alice").await, town.person("bob").await);
    town.session(&alice, "A").await;
    for round in 0..50 {
        town.session(&bob, "B").await;
        let (accounts, from, recipient) = (town.accounts.clone(), alice.clone(), bob.clone());
        let sending = tokio::spawn(async move {
            let messages = vec![to(&recipient, AllDevices, "{}")];
            accounts.send_to_device(&from, device("A"), "m.x", &round.to_string(), messages).await
        });
        town.accounts.end_session(&bob, device("B")).await.unwrap();
        sending.await.unwrap().unwrap();
        assert!(all(&town.accounts, &bob, "B").is_empty());
    }
}

/// The same, where the message is decided on before the device goes and written after another of its id has come.
#[tokio::test]
async fn a_message_for_a_device_does_not_reach_the_next_of_its_id() {
    let town = town();
    let accounts = &town.accounts;
    let alice = town.person("alice").await;
    town.session(&alice, "A").await;
    let messages = [to(&alice, AllDevices, "{}")];
    let mut batch = accounts.scope().batch();
    for recipient in accounts.recipients(&messages).unwrap() {
        accounts.put_message(&mut batch, &alice, "m.x", recipient).unwrap();
    }
    accounts.end_session(&alice, device("A")).await.unwrap();
    town.session(&alice, "A").await;
    assert!(matches!(accounts.commit(batch).await, Err(Error::Conflict)));
    assert!(all(accounts, &alice, "A").is_empty());
}
