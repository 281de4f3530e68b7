//! Account data, tags, filters, ignored users: what syncs see of them.

use kernel::{
    Position,
    id::{OwnedRoomId, OwnedUserId},
};

use super::*;
use crate::{DataChange, testing::town};

fn room() -> OwnedRoomId {
    "!room:town1.test".try_into().unwrap()
}

fn kinds(changes: &[DataChange]) -> Vec<&str> {
    changes.iter().map(|change| change.kind.as_str()).collect()
}

#[tokio::test]
async fn changes_come_in_order_each_with_its_last_content() {
    let town = town();
    let accounts = &town.accounts;
    let alice = town.person("alice").await;
    let changes = |since| accounts.data_changes(&alice, since, accounts.position()).unwrap();
    let first = changes(Position::START);
    assert_eq!(kinds(&first), ["m.push_rules"]);
    assert!(first[0].content.contains(".m.rule.master"));
    let start = accounts.position();
    accounts.set_data(&alice, None, "a", "{\"n\": 1}").await.unwrap();
    accounts.set_data(&alice, Some(&room()), "a", "{\"n\":2}").await.unwrap();
    accounts.set_data(&alice, None, "b", "{\"n\":3}").await.unwrap();
    let middle = accounts.position();
    accounts.set_data(&alice, None, "a", "{\"n\":4}").await.unwrap();
    let seen = changes(start);
    assert_eq!(kinds(&seen), ["a", "b", "a"]);
    assert_eq!((seen[0].room.as_ref(), seen[2].room.as_ref()), (Some(&room()), None));
    assert_eq!(seen[2].content, "{\"n\":4}");
    assert_eq!(kinds(&changes(middle)), ["a"]);
    assert_eq!(accounts.data(&alice, None, "b").unwrap().unwrap(), "{\"n\":3}");
    assert_eq!(accounts.data(&alice, Some(&room()), "b").unwrap(), None);

    // Unset: an incremental sync is told, an initial one sees nothing.
    accounts.set_data(&alice, None, "b", "{}").await.unwrap();
    assert_eq!(changes(middle).last().unwrap().content, "{}");
    assert_eq!(kinds(&changes(Position::START)), ["m.push_rules", "a", "a"]);
    accounts.set_fully_read(&alice, &room(), "$event".try_into().unwrap()).await.unwrap();
    let of_room = accounts.room_data(&alice, &room()).unwrap();
    assert_eq!(of_room.len(), 2);
    assert!(of_room.iter().any(|change| change.content == "{\"event_id\":\"$event\"}"));
}

#[tokio::test]
async fn what_is_wrong_or_managed_or_too_much_is_refused_and_nothing_is_stored() {
    let town = town();
    let accounts = &town.accounts;
    let alice = town.person("alice").await;
    let ghost: OwnedUserId = "@ghost:town1.test".try_into().unwrap();
    let before = town.rows().len();
    let huge = format!("{{\"x\":\"{}\"}}", "y".repeat(1_048_576));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for bad in ["", "[]", "1", "null", "{", "{\"a\":NaN}", "{\"a\":1e400}", &huge, &deep] {
        assert!(accounts.set_data(&alice, None, "a", bad).await.is_err(), "{}", &bad[..bad.len().min(20)]);
    }
    for kind in ["m.fully_read", "m.push_rules"] {
        assert!(matches!(accounts.set_data(&alice, None, kind, "{}").await, Err(Error::Managed(_))));
        assert!(matches!(accounts.set_data(&alice, Some(&room()), kind, "{}").await, Err(Error::Managed(_))));
    }
    assert!(accounts.set_data(&alice, None, "", "{}").await.is_err());
    assert!(accounts.set_data(&alice, None, &"k".repeat(256), "{}").await.is_err());
    assert!(matches!(accounts.set_data(&ghost, None, "a", "{}").await, Err(Error::NoSuchUser)));
    assert_eq!(town.rows().len(), before);

    let large = format!("{{\"x\":\"{}\"}}", "y".repeat(1_000_000));
    for n in 0..49 {
        accounts.set_data(&alice, None, &format!("k{n}"), &large).await.unwrap();
    }
    assert!(matches!(accounts.set_data(&alice, None, "k50", &large).await, Err(Error::TooLarge { .. })));
    // Less is always possible, and makes room.
    accounts.set_data(&alice, None, "k0", "{}").await.unwrap();
    accounts.set_data(&alice, None, "k50", &large).await.unwrap();
}

#[tokio::test]
async fn large_contents_come_back_whole_and_leave_nothing() {
    let town = town();
    let alice = town.person("alice").await;
    let blobs = || town.rows().iter().filter(|(table, ..)| *table == 0x021e).count();
    for (length, pieces) in [(65_000, 0), (90_000, 2), (400_000, 5), (65_600, 1), (10, 0), (200_000, 3), (2, 0)] {
        let content = format!("{{\"x\":\"{}\"}}", "é".repeat(length / 2));
        town.accounts.set_data(&alice, None, "a", &content).await.unwrap();
        assert_eq!(town.accounts.data(&alice, None, "a").unwrap().unwrap(), content);
        assert_eq!(blobs(), pieces, "{length}");
    }
}

#[tokio::test]
async fn tags_are_changed_one_by_one() {
    let town = town();
    let accounts = &town.accounts;
    let alice = town.person("alice").await;
    accounts.set_tag(&alice, &room(), "m.favourite", "{\"order\": 0.5}").await.unwrap();
    accounts.set_tag(&alice, &room(), "u.Urgent", "{}").await.unwrap();
    for bad in ["[]", "1", "{\"order\":\"first\"}", "{"] {
        assert!(accounts.set_tag(&alice, &room(), "u.x", bad).await.is_err());
    }
    assert!(accounts.set_tag(&alice, &room(), &"u".repeat(256), "{}").await.is_err());
    assert_eq!(accounts.tags(&alice, &room()).unwrap().len(), 2);
    accounts.delete_tag(&alice, &room(), "u.Urgent").await.unwrap();
    accounts.delete_tag(&alice, &room(), "u.Urgent").await.unwrap();
    let shown = accounts.data(&alice, Some(&room()), "m.tag").unwrap().unwrap();
    assert_eq!(shown, "{\"tags\":{\"m.favourite\":{\"order\":0.5}}}");
    // Whatever a client made of the account data itself, the tag endpoints go on.
    accounts.set_data(&alice, Some(&room()), "m.tag", "{\"tags\":7}").await.unwrap();
    assert!(accounts.tags(&alice, &room()).unwrap().is_empty());
    for n in 0..100 {
        accounts.set_tag(&alice, &room(), &format!("u.{n}"), "{}").await.unwrap();
    }
    assert!(matches!(accounts.set_tag(&alice, &room(), "u.more", "{}").await, Err(Error::TooMany { .. })));
}

#[tokio::test]
async fn equal_filters_have_one_id() {
    let town = town();
    let accounts = &town.accounts;
    let (alice, bob) = (town.person("alice").await, town.person("bob").await);
    let id = accounts.add_filter(&alice, "{\"a\": {}, \"b\":1}").await.unwrap();
    assert_eq!(accounts.add_filter(&alice, "{\"b\":1,\"a\":{}}").await.unwrap(), id);
    assert_eq!(accounts.filter(&alice, &id).unwrap().unwrap(), "{\"a\":{},\"b\":1}");
    assert_eq!(accounts.filter(&bob, &id).unwrap(), None);
    assert_eq!(accounts.filter(&alice, "0").unwrap(), None);
    assert!(accounts.add_filter(&alice, "[]").await.is_err());
    for n in 0..999 {
        accounts.add_filter(&alice, &format!("{{\"n\":{n}}}")).await.unwrap();
    }
    assert!(matches!(accounts.add_filter(&alice, "{\"more\":1}").await, Err(Error::TooMany { .. })));
    assert_eq!(accounts.add_filter(&alice, "{\"b\":1,\"a\":{}}").await.unwrap(), id);
}

#[tokio::test]
async fn ignored_users_are_read_from_what_the_client_wrote() {
    let town = town();
    let alice = town.person("alice").await;
    assert!(town.accounts.ignores(&alice).unwrap().is_empty());
    for odd in ["{}", "{\"ignored_users\":[]}", "{\"ignored_users\":{\"nobody\":{}}}"] {
        town.accounts.set_data(&alice, None, "m.ignored_user_list", odd).await.unwrap();
        assert!(town.accounts.ignores(&alice).unwrap().is_empty());
    }
    let list = "{\"ignored_users\":{\"@spam:evil.test\":{}, \"bad\":{}}}";
    town.accounts.set_data(&alice, None, "m.ignored_user_list", list).await.unwrap();
    let ignored: OwnedUserId = "@spam:evil.test".try_into().unwrap();
    assert_eq!(town.accounts.ignores(&alice).unwrap(), HashSet::from([ignored]));
}
