//! Versions, which key replaces which, counts and etags.

use kernel::{
    Progress, Worker,
    id::{OwnedRoomId, OwnedUserId},
};

use super::*;
use crate::{
    Sweeper,
    testing::{Town, town},
};

fn room(name: &str) -> OwnedRoomId {
    format!("!{name}:town1.test").try_into().unwrap()
}

fn key(is_verified: bool, first_message_index: u64, forwarded_count: u64) -> BackupKey {
    BackupKey { first_message_index, forwarded_count, is_verified, session_data: "{\"a\":\"b\"}".to_owned() }
}

async fn with_backup() -> (Town, OwnedUserId, String) {
    let town = town();
    let alice = town.person("alice").await;
    let version = town.accounts.create_backup(&alice, "m.megolm_backup.v1", "{\"foo\": 1}").await.unwrap();
    (town, alice, version)
}

#[tokio::test]
async fn a_key_is_replaced_by_a_better_one_only() {
    let (town, alice, version) = with_backup().await;
    let keys = [
        key(true, 0, 0),
        key(true, 0, 1),
        key(true, 1, 0),
        key(true, 1, 1),
        key(false, 0, 0),
        key(false, 0, 1),
        key(false, 1, 0),
        key(false, 1, 1),
    ];
    // From the best to the worst: of any two, in either order, in one request or two, the better stays.
    for (i, first) in keys.iter().enumerate() {
        for (j, second) in keys.iter().enumerate() {
            for together in [false, true] {
                let session = format!("{i}{j}{together}");
                let named = |key: &BackupKey| (room("a"), session.clone(), key.clone());
                let put = async |keys| town.accounts.put_backup_keys(&alice, &version, keys).await.unwrap();
                if together {
                    put(vec![named(first), named(second)]).await;
                } else {
                    put(vec![named(first)]).await;
                    put(vec![named(second)]).await;
                }
                let kept = town.accounts.backup_key(&alice, &version, &room("a"), &session).unwrap().unwrap();
                assert_eq!(kept, keys[i.min(j)]);
            }
        }
    }
    assert_eq!(town.accounts.backup(&alice, None).unwrap().unwrap().state.count, 128);
}

#[tokio::test]
async fn counts_and_etags_follow_the_keys() {
    let (town, alice, version) = with_backup().await;
    let accounts = &town.accounts;
    let named = |room: &OwnedRoomId, session: &str| (room.clone(), session.to_owned(), key(false, 5, 0));
    let (a, b) = (room("a"), room("b"));
    let keys = vec![named(&a, "1"), named(&a, "2"), named(&b, "1"), named(&b, "2"), named(&b, "3")];
    let state = accounts.put_backup_keys(&alice, &version, keys.clone()).await.unwrap();
    assert_eq!(state.count, 5);
    assert_eq!(accounts.put_backup_keys(&alice, &version, keys).await.unwrap(), state, "nothing better came");
    let better = accounts.put_backup_keys(&alice, &version, vec![(a.clone(), "1".to_owned(), key(true, 5, 0))]).await;
    let better = better.unwrap();
    assert!(better.etag != state.etag && better.count == 5);

    let page = accounts.backup_keys(&alice, &version, None, None, 3).unwrap();
    let (last_room, last_session, _) = page.last().unwrap();
    let rest = accounts.backup_keys(&alice, &version, None, Some((last_room, last_session)), 100).unwrap();
    assert_eq!((page.len(), rest.len()), (3, 2));
    assert_eq!(accounts.backup_keys(&alice, &version, Some(&b), None, 100).unwrap().len(), 3);

    let delete = async |room, session| accounts.delete_backup_keys(&alice, &version, room, session).await.unwrap();
    assert_eq!(delete(Some(&*b), Some("2")).await.count, 4);
    let same = delete(Some(&*b), Some("2")).await;
    assert_eq!(same, accounts.backup(&alice, None).unwrap().unwrap().state);
    assert_eq!(delete(Some(&*a), None).await.count, 2);
    assert_eq!(delete(None, None).await.count, 0);
    assert!(accounts.backup_keys(&alice, &version, None, None, 100).unwrap().is_empty());
    assert!(accounts.delete_backup_keys(&alice, &version, None, Some("1")).await.is_err());
}

#[tokio::test]
async fn only_the_current_version_takes_keys() {
    let (town, alice, first) = with_backup().await;
    let accounts = &town.accounts;
    let one = || vec![(room("a"), "1".to_owned(), key(false, 0, 0))];
    accounts.put_backup_keys(&alice, &first, one()).await.unwrap();
    let second = accounts.create_backup(&alice, "m.megolm_backup.v1", "{}").await.unwrap();
    for wrong in [&*first, "0", "+2", "02", "x", "99999999999999999999999"] {
        let refused = accounts.put_backup_keys(&alice, wrong, one()).await;
        assert!(matches!(refused, Err(Error::WrongBackupVersion { current }) if current.as_deref() == Some(&*second)));
    }
    assert_eq!(accounts.backup_keys(&alice, &first, None, None, 10).unwrap().len(), 1, "older ones are still read");
    assert_eq!(accounts.backup(&alice, None).unwrap().unwrap().version, second);
    let other = accounts.update_backup(&alice, &second, "m.other", "{}").await;
    assert!(matches!(other, Err(Error::InvalidParam(_))));
    accounts.update_backup(&alice, &second, "m.megolm_backup.v1", "{\"x\":1}").await.unwrap();
    assert_eq!(accounts.backup(&alice, Some(&second)).unwrap().unwrap().auth_data, "{\"x\":1}");

    // Deleted: the one before is current again, and the number is never used again.
    accounts.delete_backup(&alice, &second).await.unwrap();
    accounts.delete_backup(&alice, &second).await.unwrap();
    assert!(matches!(accounts.delete_backup(&alice, "77").await, Err(Error::NotFound(_))));
    assert_eq!(accounts.backup(&alice, Some(&second)).unwrap(), None);
    assert_eq!(accounts.backup(&alice, None).unwrap().unwrap().version, first);
    accounts.delete_backup(&alice, &first).await.unwrap();
    assert!(matches!(accounts.backup_key(&alice, &first, &room("a"), "1"), Err(Error::NotFound(_))));
    assert!(matches!(accounts.put_backup_keys(&alice, &first, one()).await, Err(Error::NotFound(_))));
    let sweeper = Sweeper(accounts.clone());
    while sweeper.work().await.unwrap() == Progress::Busy {}
    assert!(town.rows().iter().all(|(table, ..)| ![0x0225, 0x0226].contains(table)));
    assert_eq!(accounts.create_backup(&alice, "m.megolm_backup.v1", "{}").await.unwrap(), "3");
}

#[tokio::test]
async fn wrong_keys_are_refused_and_none_of_the_request_is_stored() {
    let (town, alice, version) = with_backup().await;
    let large = format!("{{\"x\":\"{}\"}}", "y".repeat(70_000));
    for bad in ["[]", "{", &large] {
        let bad = BackupKey { session_data: bad.to_owned(), ..key(true, 0, 0) };
        let keys = vec![(room("a"), "1".to_owned(), key(true, 0, 0)), (room("a"), "2".to_owned(), bad)];
        assert!(town.accounts.put_backup_keys(&alice, &version, keys).await.is_err());
    }
    let long = vec![(room("a"), "s".repeat(256), key(true, 0, 0))];
    assert!(town.accounts.put_backup_keys(&alice, &version, long).await.is_err());
    assert_eq!(
        town.accounts.backup(&alice, None).unwrap().unwrap().state,
        KeysState { etag: "0".to_owned(), count: 0 }
    );
    assert!(town.accounts.create_backup(&alice, "m.x", "[]").await.is_err());
}
