//! What another server is told, and that following it step by step leads to what it sees when it asks.

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;
use crate::{
    KeyUpload,
    testing::{Pen, Town, cross_signing, device, device_keys, one_time_keys, town, upload_device},
};

async fn town_with_device() -> (Town, OwnedUserId) {
    let town = town();
    let alice = town.person("alice").await;
    town.session(&alice, "ONE").await;
    upload_device(&town.accounts, &alice, "ONE", &Pen::new(1)).await;
    (town, alice)
}

fn news(town: &Town, user: &UserId, since: Position) -> DeviceListNews {
    town.accounts.device_list_news(user, since, town.accounts.position()).unwrap()
}

/// What a server knows of a user that follows updates and asks for the list where one does not fit.
#[derive(Default)]
struct Follower {
    list: Option<DeviceList>,
    asked: u32,
    told: Position,
}

impl Follower {
    fn follow(&mut self, town: &Town, user: &UserId) {
        let upto = town.accounts.position();
        let news = town.accounts.device_list_news(user, self.told, upto).unwrap();
        for update in news.devices {
            match &mut self.list {
                Some(list) if update.prev_id == [list.stream_id] => {
                    list.stream_id = update.stream_id;
                    list.devices.retain(|device| device.id != update.device);
                    let keys = update.keys.filter(|_| !update.deleted);
                    list.devices.extend(keys.map(|keys| ListedDevice { id: update.device, keys, display_name: None }));
                    list.devices.sort_by(|a, b| a.id.cmp(&b.id));
                }
                list => {
                    self.asked += 1;
                    *list = Some(town.accounts.devices_for(user).unwrap());
                }
            }
        }
        if let (Some(list), Some(keys)) = (&mut self.list, news.signing_keys) {
            (list.master, list.self_signing) = (keys.master, keys.self_signing);
        }
        self.told = upto;
    }

    fn devices(&self) -> Vec<ListedDevice> {
        self.list.clone().unwrap().devices
    }
}

#[tokio::test]
async fn a_server_that_follows_the_updates_knows_what_it_would_be_told_if_it_asked() {
    let (town, alice) = town_with_device().await;
    let accounts = &town.accounts;
    let [mut each, mut seldom] = [Follower::default(), Follower::default()];
    each.follow(&town, &alice);
    seldom.follow(&town, &alice);
    let pens: Vec<_> = (10..14).map(Pen::new).collect();
    for step in 0..7 {
        match step {
            0 => drop(town.session(&alice, "TWO").await),
            1 => upload_device(accounts, &alice, "TWO", &Pen::new(2)).await,
            // Its keys are signed from now on.
            2 => {
                let keys = cross_signing(&alice, [&pens[0], &pens[1], &pens[2]]);
                accounts.upload_cross_signing(&alice, keys).await.unwrap();
                let signed = pens[1].sign(device_keys(&alice, "TWO", &Pen::new(2)), &alice, &pens[1].public());
                let upload = BTreeMap::from([("TWO".to_owned(), signed.to_string())]);
                let failures = accounts.upload_signatures(&alice, BTreeMap::from([(alice.clone(), upload)])).await;
                assert!(failures.unwrap().is_empty());
            }
            3 => upload_device(accounts, &alice, "ONE", &Pen::new(3)).await,
            4 => accounts.rename_device(&alice, device("ONE"), Some("Téléphone")).await.unwrap(),
            // A new self-signing key: what the old one had signed is signed no more.
            5 => {
                accounts.open_reset_window(&alice).await.unwrap();
                let keys = cross_signing(&alice, [&pens[0], &pens[3], &pens[2]]);
                accounts.upload_cross_signing(&alice, keys).await.unwrap();
            }
            _ => accounts.end_session(&alice, device("TWO")).await.unwrap(),
        }
        each.follow(&town, &alice);
        assert_eq!(each.list, Some(accounts.devices_for(&alice).unwrap()), "{step}");
    }
    seldom.follow(&town, &alice);
    assert_eq!(seldom.list, each.list);
    assert_eq!((each.asked, seldom.asked), (1, 1), "once, at the beginning");
}

#[tokio::test]
async fn an_update_says_what_changed_and_no_name() {
    let (town, alice) = town_with_device().await;
    let accounts = &town.accounts;
    let first = news(&town, &alice, Position::START);
    let [update] = &first.devices[..] else { panic!("{first:?}") };
    assert_eq!((update.device.as_str(), update.prev_id.len(), update.deleted), ("ONE", 0, false));
    assert!(first.signing_keys.is_none());
    let here = accounts.position();
    accounts.rename_device(&alice, device("ONE"), Some("Téléphone")).await.unwrap();
    assert_eq!(news(&town, &alice, here), DeviceListNews::default(), "names are not told");
    let pens: Vec<_> = (10..13).map(Pen::new).collect();
    accounts.upload_cross_signing(&alice, cross_signing(&alice, [&pens[0], &pens[1], &pens[2]])).await.unwrap();
    let keys = news(&town, &alice, here);
    assert!(keys.devices.is_empty());
    let keys = keys.signing_keys.unwrap();
    assert!(keys.master.unwrap().contains(&pens[0].public()));
    assert!(keys.self_signing.unwrap().contains(&pens[1].public()));
    let here = accounts.position();
    accounts.end_session(&alice, device("ONE")).await.unwrap();
    let gone = news(&town, &alice, here);
    let [update] = &gone.devices[..] else { panic!("{gone:?}") };
    assert_eq!((update.deleted, &update.keys), (true, &None));
    assert_eq!(update.prev_id, [first.devices[0].stream_id]);
    assert_eq!(news(&town, &alice, accounts.position()), DeviceListNews::default());
}

#[tokio::test]
async fn changes_beyond_those_remembered_make_a_server_ask() {
    let (town, alice) = town_with_device().await;
    let mut follower = Follower::default();
    follower.follow(&town, &alice);
    for round in 0..CHANGES_KEPT + 50 {
        let pen = Pen::new(u8::try_from(round % 2).unwrap() + 1);
        upload_device(&town.accounts, &alice, "ONE", &Pen::new(9)).await;
        upload_device(&town.accounts, &alice, "ONE", &pen).await;
    }
    let kept = town.rows().iter().filter(|(table, ..)| *table == DEVICE_CHANGES.number()).count();
    assert!(kept <= CHANGES_KEPT, "{kept}");
    follower.follow(&town, &alice);
    assert_eq!(follower.devices(), town.accounts.devices_for(&alice).unwrap().devices);
    assert_eq!(follower.asked, 2);
}

/// Hazard L9.
#[tokio::test]
async fn other_servers_are_told_of_users_of_this_server_alone() {
    let (town, alice) = town_with_device().await;
    let accounts = &town.accounts;
    let one_time = KeyUpload { one_time_keys: one_time_keys(0..2), ..KeyUpload::default() };
    accounts.upload_keys(&alice, device("ONE"), one_time).await.unwrap();
    let gone = town.person("gone").await;
    town.session(&gone, "G").await;
    upload_device(accounts, &gone, "G", &Pen::new(2)).await;
    accounts.deactivate(&gone).await.unwrap();
    // One whose keys are kept here, and would be a find.
    let bob: OwnedUserId = "@bob:abroad.test".try_into().unwrap();
    let devices = vec![ListedDevice {
        id: "BOBS".into(),
        keys: device_keys(&bob, "BOBS", &Pen::new(3)).to_string(),
        display_name: None,
    }];
    let list = DeviceList { user: bob.clone(), stream_id: 1, devices, master: None, self_signing: None };
    town.others.script().lists.insert(bob.clone(), list);
    accounts.refresh_list(&bob, Position::START).await.unwrap();
    let ghost: OwnedUserId = "@ghost:town1.test".try_into().unwrap();

    let all = [&alice, &gone, &bob, &ghost];
    for user in [&gone, &bob, &ghost] {
        assert!(matches!(accounts.devices_for(user), Err(Error::NoSuchUser)), "{user}");
    }
    let wanted = all.map(|user| (user.clone(), Vec::new())).into();
    let keys = accounts.query_keys_for(&wanted).unwrap();
    assert_eq!(keys.devices.keys().collect::<Vec<_>>(), [&alice]);
    let shown: Value = serde_json::from_str(&keys.devices[&alice][device("ONE")]).unwrap();
    assert!(shown.get("unsigned").is_none(), "no name of a device");
    let requests = all.map(|user| ClaimRequest {
        user: user.clone(),
        device: if *user == bob { "BOBS".into() } else { "ONE".into() },
        algorithm: "signed_curve25519".to_owned(),
    });
    let claimed = accounts.claim_keys_for(&requests).await.unwrap();
    assert_eq!(claimed.iter().map(|key| &key.user).collect::<Vec<_>>(), [&alice]);
    assert!(accounts.device_list_news(&bob, Position::START, Position::END).unwrap().devices.is_empty());
}
