//! Creation, identities, statuses, erasure.

use kernel::{Worker, id::OwnedUserId};

use super::*;
use crate::{
    Decision, KeyUpload, NewCode, NewDeviceGrant, Sweeper, ToDevice,
    tables::ERASURES,
    testing::{Pen, cross_signing, device, device_keys, new_person, one_time_keys, session, town},
};

fn identity(subject: &str) -> Identity {
    Identity { issuer: "https://idp.test".to_owned(), subject: subject.to_owned() }
}

fn with_identity(localpart: &str, subject: &str, email: &str) -> NewUser {
    NewUser { identity: Some(identity(subject)), email: Some(email.to_owned()), ..new_person(localpart) }
}

#[tokio::test]
async fn user_names_follow_the_strict_grammar() {
    let town = town();
    let long = "a".repeat(250);
    for bad in ["", "Alice", "al ice", "é", "a:b", "a@b", "a\0", "a\u{200b}", "a\nb", long.as_str()] {
        let refused = town.accounts.create_user(new_person(bad)).await;
        assert!(matches!(refused, Err(Error::InvalidUsername(_))), "{bad:?}");
    }
    assert!(town.rows().is_empty());
    assert_eq!(town.person("jeanne.d_arc=-/+1").await, "@jeanne.d_arc=-/+1:town1.test");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_creations_at_once_wins() {
    let town = town();
    let tries = (0..20).map(|n| {
        let accounts = town.accounts.clone();
        // The same name for even tries, the same identity for all.
        let name = if n % 2 == 0 { "alice".to_owned() } else { format!("alice{n}") };
        tokio::spawn(async move { accounts.create_user(with_identity(&name, "sub", "a@b.fr")).await })
    });
    let mut created = Vec::new();
    for done in tries.collect::<Vec<_>>() {
        match done.await.unwrap() {
            Ok(user) => created.push(user),
            Err(Error::UserInUse | Error::IdentityInUse(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(created.len(), 1);
    assert_eq!(town.accounts.list(None, 100).unwrap().len(), 1);
    assert_eq!(town.accounts.by_identity("https://idp.test", "sub").unwrap().unwrap().id, created[0]);
}

/// Hazard A16.
#[tokio::test]
async fn an_email_address_is_no_identity() {
    let town = town();
    let accounts = &town.accounts;
    let waiting = NewUser { email: Some("Jean@Mairie.fr".to_owned()), ..new_person("jean") };
    let jean = accounts.create_user(waiting.clone()).await.unwrap();
    let again = accounts.create_user(NewUser { localpart: "jean2".to_owned(), ..waiting }).await;
    assert!(matches!(again, Err(Error::IdentityInUse(_))));
    assert_eq!(accounts.user(&jean2()).unwrap(), None);
    assert_eq!(accounts.precreated_by_email("jean@mairie.fr").unwrap().unwrap().id, jean);

    accounts.link_identity(&jean, identity("1")).await.unwrap();
    // Linked: the address leads nowhere, neither for another subject nor for the same of another issuer.
    assert_eq!(accounts.precreated_by_email("jean@mairie.fr").unwrap(), None);
    assert!(matches!(accounts.link_identity(&jean, identity("2")).await, Err(Error::IdentityInUse(_))));
    assert_eq!(accounts.by_identity("https://evil.test", "1").unwrap(), None);
    let other = accounts.create_user(with_identity("jean3", "2", "jean@mairie.fr")).await.unwrap();
    assert_ne!(other, jean);
    assert_eq!(accounts.precreated_by_email("jean@mairie.fr").unwrap(), None);
    let third = town.person("third").await;
    assert!(matches!(accounts.link_identity(&third, identity("1")).await, Err(Error::IdentityInUse(_))));
    assert_eq!(accounts.by_identity("https://idp.test", "1").unwrap().unwrap().id, jean);
}

fn jean2() -> OwnedUserId {
    "@jean2:town1.test".try_into().unwrap()
}

/// Hazard A17; `policy` has the list.
#[tokio::test]
async fn an_address_that_could_be_read_in_two_ways_is_refused_and_nothing_is_stored() {
    let town = town();
    let odd = NewUser { email: Some("me@gmail.com@elysee.fr".to_owned()), ..new_person("alice") };
    assert!(matches!(town.accounts.create_user(odd).await, Err(Error::InvalidParam(_))));
    assert!(town.rows().is_empty());
    let alice = town.person("alice").await;
    assert!(town.accounts.set_email(&alice, Some("me@gmail.com@elysee.fr")).await.is_err());
    assert_eq!(town.accounts.user(&alice).unwrap().unwrap().email, None);
    town.accounts.set_email(&alice, Some("Alice@Mairie.fr")).await.unwrap();
    assert_eq!(town.accounts.precreated_by_email("alice@mairie.fr").unwrap().unwrap().id, alice);
    town.accounts.set_email(&alice, None).await.unwrap();
    assert_eq!(town.accounts.precreated_by_email("alice@mairie.fr").unwrap(), None);
}

#[tokio::test]
async fn a_name_is_changed_by_rename_only() {
    let town = town();
    let alice = town.person("alice").await;
    assert!(town.accounts.rename(&alice, " Alice Martin [Mairie] ").await.unwrap());
    assert!(!town.accounts.rename(&alice, "Alice Martin [Mairie]").await.unwrap());
    assert!(town.accounts.rename(&alice, "a\u{0007}b").await.is_err());
    assert!(town.accounts.rename(&alice, "  ").await.is_err());
    assert!(matches!(
        town.accounts.set_profile_field(&alice, "displayname".into(), "\"Préfet\"").await,
        Err(Error::Forbidden(_))
    ));
    assert_eq!(town.accounts.user(&alice).unwrap().unwrap().display_name.unwrap(), "Alice Martin [Mairie]");
}

/// Hazard A4, but for suspended users, who may sign in (spec, "Account suspension").
#[tokio::test]
async fn locked_and_deactivated_accounts_get_in_by_no_door() {
    for deactivate in [false, true] {
        let town = town();
        let accounts = &town.accounts;
        let alice = town.person("alice").await;
        let tokens = town.session(&alice, "DEVICE").await;
        let login = accounts.issue_login_token(&alice).await.unwrap();
        let new_code = NewCode { client_id: "c".to_owned(), user: alice.clone(), details: String::new() };
        let code = accounts.issue_code(new_code.clone()).await.unwrap();
        let grant = NewDeviceGrant { client_id: "c".to_owned(), details: String::new() };
        let grant = accounts.start_device_grant(grant).await.unwrap();
        accounts.decide_device_grant(&grant.user_code, Decision::Approve { user: alice.clone() }).await.unwrap();
        assert!(accounts.authenticate(&tokens.access).await.is_ok());

        if deactivate {
            accounts.deactivate(&alice).await.unwrap();
        } else {
            accounts.lock(&alice).await.unwrap();
        }
        assert!(accounts.authenticate(&tokens.access).await.is_err());
        assert!(accounts.refresh(tokens.refresh.as_ref().unwrap()).await.is_err());
        assert!(accounts.start_session(session(&alice, "OTHER")).await.is_err());
        assert!(accounts.exchange_code(&code, session(&alice, "OTHER")).await.is_err());
        assert!(accounts.exchange_device_grant(&grant.device_code, session(&alice, "OTHER")).await.is_err());
        assert!(accounts.issue_login_token(&alice).await.is_err());
        assert!(accounts.issue_code(new_code).await.is_err());
        // The token itself is used up; the session that it would give is refused.
        assert_eq!(accounts.redeem_login_token(&login).await.unwrap(), alice);
        let expected = usize::from(!deactivate);
        assert_eq!(accounts.devices(&alice).unwrap().len(), expected);
        if deactivate {
            assert!(matches!(accounts.unlock(&alice).await, Err(Error::Deactivated)));
        } else {
            accounts.unlock(&alice).await.unwrap();
            assert!(accounts.authenticate(&tokens.access).await.is_ok());
        }
    }
}

#[tokio::test]
async fn suspension_and_administration_show_in_running_sessions() {
    let town = town();
    let alice = town.person("alice").await;
    let tokens = town.session(&alice, "DEVICE").await;
    let now = async || town.accounts.authenticate(&tokens.access).await.unwrap();
    assert!(!now().await.suspended && !now().await.admin);
    town.accounts.suspend(&alice).await.unwrap();
    town.accounts.set_admin(&alice, true).await.unwrap();
    assert!(now().await.suspended && now().await.admin);
    town.accounts.unsuspend(&alice).await.unwrap();
    assert!(!now().await.suspended && now().await.admin);
    // A sign-in changes neither (hazard A26).
    town.accounts.renew_sign_in(&alice).await.unwrap();
    assert!(now().await.admin);
}

#[tokio::test]
async fn deactivation_leaves_the_id_and_the_identity_only() {
    let town = town();
    let accounts = &town.accounts;
    let alice = accounts.create_user(with_identity("alice", "1", "a@b.fr")).await.unwrap();
    let room = "!room:town1.test".try_into().unwrap();
    town.session(&alice, "DEVICE").await;
    accounts.rename(&alice, "Alice").await.unwrap();
    let upload = KeyUpload {
        device_keys: Some(device_keys(&alice, "DEVICE", &Pen::new(1)).to_string()),
        one_time_keys: one_time_keys(0..5),
        fallback_keys: one_time_keys(9..10),
    };
    accounts.upload_keys(&alice, device("DEVICE"), upload).await.unwrap();
    let pens = [Pen::new(2), Pen::new(3), Pen::new(4)];
    accounts.upload_cross_signing(&alice, cross_signing(&alice, pens.each_ref())).await.unwrap();
    accounts.set_data(&alice, None, "a.b", &format!("{{\"x\":\"{}\"}}", "y".repeat(200_000))).await.unwrap();
    accounts.set_tag(&alice, room, "u.x", "{}").await.unwrap();
    accounts.add_filter(&alice, "{}").await.unwrap();
    accounts.give_consent(&alice, "client", "api").await.unwrap();
    accounts.create_backup(&alice, "m.megolm", "{}").await.unwrap();
    let to_self = ToDevice {
        user: alice.clone(),
        device: ruma_common::to_device::DeviceIdOrAllDevices::AllDevices,
        content: "{}".to_owned(),
    };
    accounts.send_to_device(&alice, device("DEVICE"), "m.x", "1", vec![to_self]).await.unwrap();

    accounts.deactivate(&alice).await.unwrap();

    // The feed, users, identities, and the record that the device list changed, of which other servers are still to be told.
    assert_eq!(town.tables_with(alice.as_str()), [0x0201, 0x0202, 0x0213, 0x02, 0x0214, 0x0227]);
    assert!(town.tables_with("yyyy").is_empty() && town.tables_with("a@b.fr").is_empty());
    assert!(accounts.by_identity("https://idp.test", "1").unwrap().unwrap().deactivated);
    assert!(matches!(accounts.create_user(with_identity("alice", "2", "a@b.fr")).await, Err(Error::UserInUse)));
    assert!(matches!(accounts.create_user(with_identity("bob", "1", "a@b.fr")).await, Err(Error::IdentityInUse(_))));
    assert_eq!(accounts.query_keys(None, &alice, &[]).unwrap(), None);
}

#[tokio::test]
async fn an_erasure_that_was_cut_off_is_ended_by_the_sweeper() {
    let town = town();
    let alice = town.person("alice").await;
    town.session(&alice, "DEVICE").await;
    town.accounts.set_data(&alice, None, "a.b", "{\"x\":1}").await.unwrap();
    // What the first batch of a deactivation leaves behind.
    let mut row = town.accounts.living(&alice).unwrap();
    row.deactivated = true;
    let mut batch = town.accounts.scope().batch();
    batch.put(&USERS, (&*alice,), &row);
    batch.put(&ERASURES, (&*alice, 0), &());
    town.accounts.commit(batch).await.unwrap();

    let town = town.restart();
    let sweeper = Sweeper(town.accounts.clone());
    while sweeper.work().await.unwrap() == kernel::Progress::Busy {}
    assert_eq!(town.tables_with(alice.as_str()), [0x0201, 0x02]);
}
