//! Tokens: what is stored, how they end, what a copy of one is worth.

use std::future::Future;

use super::*;
use crate::{
    Decision, InboxItem, KeyUpload, NewCode, NewDeviceGrant, Poll, Sweeper, ToDevice,
    testing::{self, Pen, Town, device, one_time_keys, session, town, upload_device},
};
use kernel::{Position, Progress, Worker};
use ruma_common::to_device::DeviceIdOrAllDevices;

async fn is_valid(town: &Town, token: &str) -> bool {
    town.accounts.authenticate(token).await.is_ok()
}

fn soft(result: Result<impl Sized>) -> bool {
    match result.err().unwrap() {
        Error::UnknownToken { soft_logout } => soft_logout,
        other => panic!("{other}"),
    }
}

/// Hazard A3.
#[tokio::test]
async fn what_is_no_token_is_refused() {
    let town = town();
    let alice = town.person("alice").await;
    let tokens = town.session(&alice, "DEVICE").await;
    let huge = "x".repeat(1_000_000);
    for bad in ["", " ", "\0", "bfa_", "bfr_", "é", &huge, tokens.refresh.as_ref().unwrap(), &tokens.access[1..]] {
        assert!(!soft(town.accounts.authenticate(bad).await), "{}", bad.len());
    }
    for bad in ["", " ", "\0", "bfa_", "bfr_", "é", &huge, &tokens.access[1..]] {
        assert!(!town.accounts.revoke(bad).await.unwrap(), "{}", bad.len());
    }
    for bad in ["", "bfr_", &huge, &tokens.access] {
        assert!(!soft(town.accounts.refresh(bad).await));
        assert!(town.accounts.redeem_login_token(bad).await.is_err());
        assert_eq!(town.accounts.authorization_code(bad).unwrap(), None);
    }
}

#[tokio::test]
async fn only_hashes_are_stored() {
    let town = town();
    let alice = town.person("alice").await;
    let tokens = town.session(&alice, "DEVICE").await;
    let code = NewCode { client_id: "c".to_owned(), user: alice.clone(), details: String::new() };
    let grant = NewDeviceGrant { client_id: "c".to_owned(), details: String::new() };
    let secrets = [
        tokens.access,
        tokens.refresh.unwrap(),
        town.accounts.issue_login_token(&alice).await.unwrap(),
        town.accounts.issue_code(code).await.unwrap(),
        town.accounts.start_device_grant(grant).await.unwrap().device_code,
    ];
    for secret in secrets {
        assert!(town.tables_with(&secret[4..28]).is_empty());
        assert!(town.tables_with(&secret[secret.len() - 24..]).is_empty());
    }
}

#[tokio::test]
async fn tokens_expire_softly() {
    let town = town();
    let alice = town.person("alice").await;
    let oauth = town.session(&alice, "OAUTH").await;
    let legacy =
        NewSession { kind: SessionKind::Legacy, access_lifetime: None, refresh: false, ..session(&alice, "L") };
    let legacy = town.accounts.start_session(legacy).await.unwrap();
    assert_eq!((legacy.refresh, legacy.expires_in), (None, None));
    let bot = NewSession { kind: SessionKind::Service, access_lifetime: None, refresh: false, ..session(&alice, "B") };
    let bot = town.accounts.start_session(bot).await.unwrap();

    town.advance(Duration::from_secs(299));
    assert!(is_valid(&town, &oauth.access).await);
    town.advance(Duration::from_secs(1));
    assert!(soft(town.accounts.authenticate(&oauth.access).await));
    assert!(is_valid(&town, &legacy.access).await);

    // Past the age of the sign-in, all but programs' sessions wait for another one.
    town.advance(Duration::from_secs(30 * 24 * 3600));
    assert!(soft(town.accounts.authenticate(&legacy.access).await));
    assert!(soft(town.accounts.refresh(oauth.refresh.as_ref().unwrap()).await));
    assert!(is_valid(&town, &bot.access).await);
    town.accounts.renew_sign_in(&alice).await.unwrap();
    assert!(is_valid(&town, &legacy.access).await);
    town.accounts.refresh(oauth.refresh.as_ref().unwrap()).await.unwrap();
    town.accounts.set_sign_in_age_max(Duration::from_secs(60));
    town.advance(Duration::from_secs(61));
    assert!(soft(town.accounts.authenticate(&legacy.access).await));
}

/// Hazard A20.
#[tokio::test]
async fn a_retired_refresh_token_ends_the_session() {
    let town = town();
    let alice = town.person("alice").await;
    let first = town.session(&alice, "DEVICE").await;
    let second = town.accounts.refresh(first.refresh.as_ref().unwrap()).await.unwrap();
    // The new pair may have been lost on its way: the old one still serves.
    assert!(is_valid(&town, &first.access).await);
    assert!(is_valid(&town, &second.access).await);
    // Now it has arrived.
    assert!(!is_valid(&town, &first.access).await);
    assert!(!soft(town.accounts.refresh(first.refresh.as_ref().unwrap()).await), "a stray repetition does no harm");
    assert!(is_valid(&town, &second.access).await);
    town.advance(Duration::from_secs(11));
    let stolen = town.accounts.refresh(first.refresh.as_ref().unwrap()).await;
    assert!(matches!(stolen, Err(Error::Replayed)));
    assert!(!is_valid(&town, &second.access).await);
    assert!(town.accounts.refresh(second.refresh.as_ref().unwrap()).await.is_err());
    assert!(town.accounts.devices(&alice).unwrap().is_empty());
}

#[tokio::test]
async fn a_lost_answer_to_a_refresh_is_made_good() {
    let town = town();
    let alice = town.person("alice").await;
    let first = town.session(&alice, "DEVICE").await;
    let lost = town.accounts.refresh(first.refresh.as_ref().unwrap()).await.unwrap();
    let second = town.accounts.refresh(first.refresh.as_ref().unwrap()).await.unwrap();
    // What was lost is void, and no sign of a theft.
    assert!(!is_valid(&town, &lost.access).await);
    assert!(!soft(town.accounts.refresh(lost.refresh.as_ref().unwrap()).await));
    assert!(is_valid(&town, &first.access).await);
    assert!(is_valid(&town, &second.access).await);
    // The refresh token's use retires the pair before as well as the access token's.
    let third = town.accounts.refresh(second.refresh.as_ref().unwrap()).await.unwrap();
    let fourth = town.accounts.refresh(third.refresh.as_ref().unwrap()).await.unwrap();
    assert!(!is_valid(&town, &second.access).await);
    assert!(is_valid(&town, &third.access).await && is_valid(&town, &fourth.access).await);
    town.advance(Duration::from_secs(60));
    assert!(matches!(town.accounts.refresh(first.refresh.as_ref().unwrap()).await, Err(Error::Replayed)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_refreshes_at_once_one_pair_stays() {
    let town = town();
    let alice = town.person("alice").await;
    let first = town.session(&alice, "DEVICE").await;
    let tries: Vec<_> = (0..20)
        .map(|_| {
            let (accounts, token) = (town.accounts.clone(), first.refresh.clone().unwrap());
            tokio::spawn(async move { accounts.refresh(&token).await })
        })
        .collect();
    let mut pairs = Vec::new();
    for done in tries {
        pairs.push(done.await.unwrap().unwrap());
    }
    let mut valid = Vec::new();
    for pair in &pairs {
        if town.accounts.token_owner(&pair.access).unwrap().is_some() {
            valid.push(pair);
        }
    }
    assert_eq!(valid.len(), 1);
    assert!(is_valid(&town, &valid[0].access).await);
    assert!(!is_valid(&town, &first.access).await);
}

#[tokio::test]
async fn revoking_either_token_ends_the_session_and_its_device() {
    let town = town();
    let alice = town.person("alice").await;
    for by_refresh in [false, true] {
        let tokens = town.session(&alice, "DEVICE").await;
        upload_device(&town.accounts, &alice, "DEVICE", &Pen::new(1)).await;
        assert!(is_valid(&town, &tokens.access).await);
        let token = if by_refresh { tokens.refresh.unwrap() } else { tokens.access.clone() };
        let before = town.accounts.position();
        assert!(town.accounts.revoke(&token).await.unwrap());
        assert!(!town.accounts.revoke(&token).await.unwrap());
        assert!(!is_valid(&town, &tokens.access).await);
        assert_eq!(town.accounts.devices(&alice).unwrap(), []);
        assert_eq!(town.accounts.device_list_changes(before, Position::END).unwrap(), [&*alice]);
    }
    for table in town.rows().into_iter().map(|(table, ..)| table) {
        assert!([0x01, 0x02, 0x0201, 0x0213, 0x0214, 0x0227].contains(&table), "{table:x} is left");
    }
}

fn keys() -> KeyUpload {
    KeyUpload { one_time_keys: one_time_keys(0..3), fallback_keys: one_time_keys(9..10), ..KeyUpload::default() }
}

async fn send(accounts: &Accounts, from: &UserId, txn: &str, to: &UserId) {
    let message = ToDevice { user: to.to_owned(), device: DeviceIdOrAllDevices::AllDevices, content: "{}".to_owned() };
    accounts.send_to_device(from, device("DEVICE"), "m.x", txn, vec![message]).await.unwrap();
}

fn inbox(accounts: &Accounts, user: &UserId) -> Vec<InboxItem> {
    accounts.inbox(user, device("DEVICE"), Position::START, Position::END, 100).unwrap()
}

/// Hazard K6.
#[tokio::test]
async fn a_device_survives_another_sign_in_but_not_its_deletion() {
    let town = town();
    let accounts = &town.accounts;
    let alice = town.person("alice").await;
    let first = town.session(&alice, "DEVICE").await;
    upload_device(accounts, &alice, "DEVICE", &Pen::new(1)).await;
    accounts.upload_keys(&alice, device("DEVICE"), keys()).await.unwrap();
    send(accounts, &alice, "1", &alice).await;

    let second = town.session(&alice, "DEVICE").await;
    assert!(!is_valid(&town, &first.access).await && is_valid(&town, &second.access).await);
    assert_eq!(accounts.query_keys(None, &alice, &[]).unwrap().unwrap().devices.len(), 1);
    assert_eq!(accounts.one_time_key_counts(&alice, device("DEVICE")).unwrap()["signed_curve25519"], 3);
    assert_eq!(inbox(accounts, &alice).len(), 1);

    accounts.end_session(&alice, device("DEVICE")).await.unwrap();
    town.session(&alice, "DEVICE").await;
    assert!(accounts.query_keys(None, &alice, &[]).unwrap().unwrap().devices.is_empty());
    assert_eq!(accounts.one_time_key_counts(&alice, device("DEVICE")).unwrap()["signed_curve25519"], 0);
    assert!(accounts.unused_fallback_algorithms(&alice, device("DEVICE")).unwrap().is_empty());
    assert!(inbox(accounts, &alice).is_empty());
    send(accounts, &alice, "1", &alice).await;
    assert_eq!(inbox(accounts, &alice).len(), 1, "the transactions of the device before are forgotten");
}

#[tokio::test]
async fn the_device_not_seen_for_longest_makes_room() {
    let town = town();
    let alice = town.person("alice").await;
    for n in 0..100 {
        town.session(&alice, &format!("D{n}")).await;
        town.advance(Duration::from_secs(1));
    }
    town.accounts.seen(&alice, device("D0"), "192.0.2.1");
    town.session(&alice, "D100").await;
    let devices = town.accounts.devices(&alice).unwrap();
    assert_eq!(devices.len(), 100);
    let there = |id: &str| devices.iter().any(|device| device.id == id);
    assert!(there("D0") && !there("D1") && there("D2") && there("D100"));
}

#[tokio::test]
async fn last_seen_is_written_once_a_minute() {
    let town = town();
    let alice = town.person("alice").await;
    town.session(&alice, "DEVICE").await;
    let sweeper = Sweeper(town.accounts.clone());
    town.accounts.seen(&alice, device("DEVICE"), "192.0.2.1");
    sweeper.work().await.unwrap();
    town.accounts.seen(&alice, device("DEVICE"), "192.0.2.2");
    sweeper.work().await.unwrap();
    let ip = |town: &Town| town.accounts.devices(&alice).unwrap().remove(0).last_seen_ip.unwrap();
    assert_eq!(ip(&town), "192.0.2.2");
    assert!(town.tables_with("192.0.2.2").is_empty(), "not before its time");
    town.advance(Duration::from_secs(60));
    sweeper.work().await.unwrap();
    let town = town.restart();
    assert_eq!(ip(&town), "192.0.2.2");
}

/// Hazards T3 and T5.
#[tokio::test]
async fn two_tenants_of_one_store_know_nothing_of_each_other() {
    let town = town();
    let neighbour = town.neighbour();
    let alice = town.person("alice").await;
    let other = testing::person(&neighbour, "alice").await;
    assert_ne!(alice, other);
    let tokens = town.session(&alice, "DEVICE").await;
    let filter = town.accounts.add_filter(&alice, "{\"a\":1}").await.unwrap();
    let login = town.accounts.issue_login_token(&alice).await.unwrap();
    assert!(is_valid(&town, &tokens.access).await);
    assert!(neighbour.authenticate(&tokens.access).await.is_err());
    assert!(neighbour.refresh(tokens.refresh.as_ref().unwrap()).await.is_err());
    assert!(!neighbour.revoke(&tokens.access).await.unwrap());
    assert!(neighbour.redeem_login_token(&login).await.is_err());
    assert_eq!(neighbour.user(&alice).unwrap(), None);
    assert_eq!(neighbour.filter(&alice, &filter).unwrap(), None);
    assert!(matches!(neighbour.start_session(session(&alice, "DEVICE")).await, Err(Error::NoSuchUser)));
    send(&neighbour, &other, "1", &alice).await;
    assert!(inbox(&town.accounts, &alice).is_empty() && inbox(&neighbour, &alice).is_empty());
    assert!(is_valid(&town, &tokens.access).await);
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let town = town();
    let alice = town.person("alice").await;
    let first = town.session(&alice, "DEVICE").await;
    let second = town.accounts.refresh(first.refresh.as_ref().unwrap()).await.unwrap();
    send(&town.accounts, &alice, "txn", &alice).await;
    let login = town.accounts.issue_login_token(&alice).await.unwrap();

    let town = town.restart();
    assert_eq!(inbox(&town.accounts, &alice).len(), 1);
    send(&town.accounts, &alice, "txn", &alice).await;
    assert_eq!(inbox(&town.accounts, &alice).len(), 1, "the transaction id is remembered");
    assert!(is_valid(&town, &first.access).await && is_valid(&town, &second.access).await);
    assert_eq!(town.accounts.redeem_login_token(&login).await.unwrap(), alice);
    let town = town.restart();
    assert!(!is_valid(&town, &first.access).await);
    assert!(is_valid(&town, &second.access).await);
    assert!(town.accounts.redeem_login_token(&login).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_token_serves_once_and_shortly() {
    let town = town();
    let alice = town.person("alice").await;
    let token = town.accounts.issue_login_token(&alice).await.unwrap();
    let tries: Vec<_> = (0..10)
        .map(|_| {
            let (accounts, token) = (town.accounts.clone(), token.clone());
            tokio::spawn(async move { accounts.redeem_login_token(&token).await.is_ok() })
        })
        .collect();
    let mut redeemed = 0;
    for done in tries {
        redeemed += usize::from(done.await.unwrap());
    }
    assert_eq!(redeemed, 1);
    let late = town.accounts.issue_login_token(&alice).await.unwrap();
    town.advance(Duration::from_secs(120));
    assert!(town.accounts.redeem_login_token(&late).await.is_err());
    let sweeper = Sweeper(town.accounts.clone());
    while sweeper.work().await.unwrap() == Progress::Busy {}
    assert!(town.rows().iter().all(|(table, ..)| ![0x020a, 0x0210].contains(table)));
}

/// Hazard A13.
#[tokio::test]
async fn a_replayed_code_ends_what_it_gave() {
    let town = town();
    let accounts = &town.accounts;
    let (alice, bob) = (town.person("alice").await, town.person("bob").await);
    let new = NewCode { client_id: "c".to_owned(), user: alice.clone(), details: "pkce".to_owned() };
    let code = accounts.issue_code(new.clone()).await.unwrap();
    assert!(accounts.exchange_code(&code, session(&bob, "DEVICE")).await.is_err());
    assert_eq!(accounts.authorization_code(&code).unwrap().unwrap().details, "pkce");
    let tokens = accounts.exchange_code(&code, session(&alice, "DEVICE")).await.unwrap();
    assert!(is_valid(&town, &tokens.access).await);
    assert!(accounts.authorization_code(&code).unwrap().unwrap().used);
    let replayed = accounts.exchange_code(&code, session(&alice, "OTHER")).await;
    assert!(matches!(replayed, Err(Error::Replayed)));
    assert!(!is_valid(&town, &tokens.access).await);
    assert_eq!(accounts.devices(&alice).unwrap(), []);
    // A later session of the same device is not the code's.
    let later = town.session(&alice, "DEVICE").await;
    assert!(accounts.exchange_code(&code, session(&alice, "OTHER")).await.is_err());
    assert!(is_valid(&town, &later.access).await);

    let late = accounts.issue_code(new).await.unwrap();
    town.advance(Duration::from_secs(300));
    assert_eq!(accounts.authorization_code(&late).unwrap(), None);
    assert!(matches!(accounts.exchange_code(&late, session(&alice, "X")).await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn a_device_grant_is_decided_once_and_used_once() {
    let town = town();
    let accounts = &town.accounts;
    let alice = town.person("alice").await;
    let new = NewDeviceGrant { client_id: "c".to_owned(), details: "scope".to_owned() };
    let grant = accounts.start_device_grant(new.clone()).await.unwrap();
    let poll = |client| accounts.poll_device_grant(&grant.device_code, client).unwrap();
    assert_eq!(poll("other"), Poll::Expired);
    assert_eq!(poll("c"), Poll::Pending);
    assert_eq!(poll("c"), Poll::SlowDown);
    town.advance(Duration::from_secs(5));
    assert_eq!(poll("c"), Poll::Pending);
    assert!(accounts.exchange_device_grant(&grant.device_code, session(&alice, "TV")).await.is_err());
    let typed = format!(" {}-{} ", grant.user_code[..4].to_lowercase(), &grant.user_code[4..]);
    assert_eq!(accounts.device_grant(&typed).unwrap().unwrap().details, "scope");
    accounts.decide_device_grant(&typed, Decision::Approve { user: alice.clone() }).await.unwrap();
    assert!(matches!(accounts.decide_device_grant(&typed, Decision::Deny).await, Err(Error::Conflict)));
    assert_eq!(poll("c"), Poll::Approved { user: alice.clone(), details: "scope".to_owned() });
    let tokens = accounts.exchange_device_grant(&grant.device_code, session(&alice, "TV")).await.unwrap();
    assert!(is_valid(&town, &tokens.access).await);
    assert!(accounts.exchange_device_grant(&grant.device_code, session(&alice, "TV2")).await.is_err());
    assert_eq!(poll("c"), Poll::Expired);

    let grant = accounts.start_device_grant(new).await.unwrap();
    town.advance(Duration::from_secs(1200));
    assert_eq!(accounts.poll_device_grant(&grant.device_code, "c").unwrap(), Poll::Expired);
    assert_eq!(accounts.device_grant(&grant.user_code).unwrap(), None);
}

#[tokio::test]
async fn clients_of_equal_metadata_are_one_and_unused_ones_go() {
    let town = town();
    let accounts = &town.accounts;
    let alice = town.person("alice").await;
    let one = accounts.register_client("{\"client_name\":\"E\", \"redirect_uris\":[]}").await.unwrap();
    let same = accounts.register_client("{\"redirect_uris\":[],\"client_name\":\"E\"}").await.unwrap();
    let used = accounts.register_client("{\"client_name\":\"X\"}").await.unwrap();
    assert_eq!(one.id, same.id);
    assert_ne!(one.id, used.id);
    assert!(accounts.register_client("[]").await.is_err());
    let kind = SessionKind::Oauth { client_id: used.id.clone(), scope: String::new() };
    accounts.start_session(NewSession { kind, ..session(&alice, "D") }).await.unwrap();
    town.advance(Duration::from_secs(24 * 3600));
    let sweeper = Sweeper(accounts.clone());
    while sweeper.work().await.unwrap() == Progress::Busy {}
    assert_eq!(accounts.oauth_client(&one.id).unwrap(), None);
    assert_eq!(accounts.oauth_client(&used.id).unwrap().unwrap().metadata, used.metadata);
}

/// A client that hangs up during its logout must not leave its token in our memory.
#[tokio::test]
async fn a_revocation_that_nobody_waits_for_is_honoured_all_the_same() {
    let town = town();
    let alice = town.person("alice").await;
    let tokens = town.session(&alice, "DEVICE").await;
    assert!(is_valid(&town, &tokens.access).await);
    let mut revoking = Box::pin(town.accounts.revoke(&tokens.access));
    // One poll hands the batch to the committer; then the request is dropped.
    let polled = std::future::poll_fn(|context| std::task::Poll::Ready(revoking.as_mut().poll(context))).await;
    drop(revoking);
    drop(polled);
    town.accounts.commit(town.accounts.scope().batch()).await.unwrap();
    assert!(!is_valid(&town, &tokens.access).await);
}
