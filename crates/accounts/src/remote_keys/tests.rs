//! Lists that are kept count exactly as long as nothing was missed, and no server speaks for another's users.

use std::time::Duration;

use kernel::id::OwnedServerName;
use serde_json::{Value, json};

use super::*;
use crate::{
    ClaimRequest, ClaimedKey, DeviceList, DeviceListUpdate, Error, ListedDevice, PublicKeys, RemoteError,
    SigningKeyUpdate, Wanted,
    testing::{Pen, Town, cross_signing, cross_signing_key, curve_key, device, device_keys, town},
};
const SOON: Duration = Duration::from_secs(10);

fn user(id: &str) -> OwnedUserId {
    id.try_into().unwrap()
}

fn server(name: &str) -> OwnedServerName {
    name.try_into().unwrap()
}

fn abroad() -> OwnedServerName {
    server("abroad.test")
}

/// A list with a device of each name, the n-th signed by the n-th pen.
fn list(of: &UserId, stream_id: u64, names: &[&str]) -> DeviceList {
    let devices = names.iter().zip(1..).map(|(name, seed)| ListedDevice {
        id: (*name).into(),
        keys: device_keys(of, name, &Pen::new(seed)).to_string(),
        display_name: Some(format!("{name} of theirs")),
    });
    DeviceList { user: of.to_owned(), stream_id, devices: devices.collect(), master: None, self_signing: None }
}

fn update(of: &UserId, name: &str, stream_id: u64, prev_id: &[u64], pen: &Pen) -> DeviceListUpdate {
    DeviceListUpdate {
        user: of.to_owned(),
        device: name.into(),
        display_name: None,
        stream_id,
        prev_id: prev_id.to_vec(),
        deleted: false,
        keys: Some(device_keys(of, name, pen).to_string()),
    }
}

fn wanted(of: &UserId) -> Wanted {
    Wanted::from([(of.to_owned(), Vec::new())])
}

/// What a local user sees who shares a room since that position, or none; the servers that did not answer.
async fn seen(
    town: &Town,
    caller: &UserId,
    of: &UserId,
    since: Option<Position>,
) -> (Option<UserKeys>, Vec<OwnedServerName>) {
    let shared = since.map(|since| (of.to_owned(), since)).into_iter().collect();
    let answer = town.accounts.query_remote_keys(caller, &wanted(of), &shared, SOON).await.unwrap();
    let mut found = answer.found;
    (found.remove(of), answer.failures.into_iter().collect())
}

async fn names(town: &Town, caller: &UserId, of: &UserId) -> Vec<OwnedDeviceId> {
    let (keys, failures) = seen(town, caller, of, Some(Position::START)).await;
    assert!(failures.is_empty(), "{failures:?}");
    keys.unwrap().devices.into_keys().collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A town where Alice's colleague Bob, of another server, has one device that is kept here.
async fn acquainted() -> (Town, OwnedUserId, OwnedUserId) {
    let town = town();
    let (alice, bob) = (town.person("alice").await, user("@bob:abroad.test"));
    town.others.script().lists.insert(bob.clone(), list(&bob, 5, &["ONE"]));
    assert_eq!(names(&town, &alice, &bob).await, ["ONE"]);
    assert_eq!(town.others.asked(), ["devices @bob:abroad.test"]);
    (town, alice, bob)
}

#[tokio::test]
async fn a_list_is_asked_for_once_and_followed_from_then_on_also_after_a_restart() {
    let (town, alice, bob) = acquainted().await;
    let accounts = &town.accounts;
    let (keys, _) = seen(&town, &alice, &bob, Some(Position::START)).await;
    let one = json(&keys.unwrap().devices[device("ONE")]);
    assert_eq!(one["unsigned"]["device_display_name"], "ONE of theirs");
    assert_eq!(one["keys"]["ed25519:ONE"], Pen::new(1).public());
    assert!(!one["signatures"][bob.as_str()]["ed25519:ONE"].is_null());

    let before = accounts.position();
    accounts.receive_device_list(&abroad(), update(&bob, "TWO", 6, &[5], &Pen::new(2)), true).await.unwrap();
    assert_eq!(accounts.device_list_changes(before, Position::END).unwrap(), [&*bob]);
    assert_eq!(names(&town, &alice, &bob).await, ["ONE", "TWO"]);
    let town = town.restart();
    let accounts = &town.accounts;
    let gone = DeviceListUpdate { deleted: true, keys: None, ..update(&bob, "ONE", 9, &[6], &Pen::new(1)) };
    accounts.receive_device_list(&abroad(), gone.clone(), true).await.unwrap();
    assert_eq!(names(&town, &alice, &bob).await, ["TWO"]);
    // The same once more tells nobody anything.
    let before = accounts.position();
    accounts.receive_device_list(&abroad(), gone, true).await.unwrap();
    assert_eq!(accounts.position(), before);
    assert!(town.others.asked().is_empty(), "what is followed need not be asked for");
}

#[tokio::test]
async fn after_a_gap_the_list_counts_no_more_until_it_was_asked_for() {
    let (town, alice, bob) = acquainted().await;
    for (number, (stream_id, prev_id)) in [(8, vec![7]), (8, vec![]), (8, vec![5, 7])].into_iter().enumerate() {
        town.others.script().lists.insert(bob.clone(), list(&bob, 5, &["ONE"]));
        names(&town, &alice, &bob).await;
        let before = town.accounts.position();
        let missed = update(&bob, "THREE", stream_id, &prev_id, &Pen::new(3));
        town.accounts.receive_device_list(&abroad(), missed, true).await.unwrap();
        assert_eq!(town.accounts.device_list_changes(before, Position::END).unwrap(), [&*bob], "{number}");
        assert_eq!(town.accounts.list_asked(&bob).unwrap(), None, "{number}");
        assert_eq!(town.accounts.stale_lists(10).unwrap(), [&*bob]);
        town.others.asked();
        town.others.script().lists.insert(bob.clone(), list(&bob, 8, &["ONE", "TWO", "THREE"]));
        assert_eq!(names(&town, &alice, &bob).await, ["ONE", "THREE", "TWO"], "{number}");
        assert_eq!(names(&town, &alice, &bob).await, ["ONE", "THREE", "TWO"], "{number}");
        assert_eq!(town.others.asked(), ["devices @bob:abroad.test"], "once");
        assert!(town.accounts.stale_lists(10).unwrap().is_empty());
        // For the next round.
        town.accounts.forget_list(&bob).await.unwrap();
    }
}

/// A first device without keys is no news, and what comes twice is none the second time.
#[tokio::test]
async fn only_what_a_client_could_ask_for_is_told_and_once() {
    let (town, _, bob) = acquainted().await;
    let told = async |update: DeviceListUpdate| {
        let before = town.accounts.position();
        town.accounts.receive_device_list(&abroad(), update, true).await.unwrap();
        !town.accounts.device_list_changes(before, Position::END).unwrap().is_empty()
    };
    town.accounts.forget_list(&bob).await.unwrap();
    let keyless = DeviceListUpdate { keys: None, ..update(&bob, "ONE", 0, &[], &Pen::new(1)) };
    assert_eq!((told(keyless.clone()).await, told(keyless).await), (false, false));
    assert_eq!(town.accounts.stale_lists(10).unwrap(), [&*bob], "it is asked for all the same");
    let first = update(&bob, "ONE", 4, &[0], &Pen::new(1));
    assert_eq!((told(first.clone()).await, told(first).await), (true, false));
}

/// Synapse numbers its answers by a count of all its users' changes, and its updates by one of those that it sent.
#[tokio::test]
async fn a_server_whose_answers_have_numbers_of_their_own_is_followed_too() {
    let (town, alice, bob) = acquainted().await;
    let receive = async |update| town.accounts.receive_device_list(&abroad(), update, true).await.unwrap();
    // The first of a series; then a list with a number that no update ever has.
    receive(update(&bob, "TWO", 11, &[], &Pen::new(2))).await;
    receive(update(&bob, "THREE", 12, &[11], &Pen::new(3))).await;
    town.others.script().lists.insert(bob.clone(), list(&bob, 4_711, &["ONE", "TWO", "THREE"]));
    assert_eq!(names(&town, &alice, &bob).await.len(), 3);
    assert_eq!(town.others.asked().len(), 1);
    // The next names what came last, and the one after that names it.
    let town = town.restart();
    let receive = async |update| town.accounts.receive_device_list(&abroad(), update, true).await.unwrap();
    receive(update(&bob, "FOUR", 15, &[12], &Pen::new(4))).await;
    for n in 16..60 {
        receive(update(&bob, "FIVE", n, &[n - 1], &Pen::new(u8::try_from(n).unwrap()))).await;
    }
    assert_eq!(names(&town, &alice, &bob).await.len(), 5);
    let before = town.accounts.position();
    receive(update(&bob, "FOUR", 58, &[57], &Pen::new(9))).await;
    assert_eq!(town.accounts.position(), before, "it came before");
    assert!(town.others.asked().is_empty());
    receive(update(&bob, "FOUR", 62, &[61], &Pen::new(4))).await;
    assert_eq!(town.accounts.list_asked(&bob).unwrap(), None, "61 is missing");
}

#[tokio::test]
async fn a_list_does_not_count_for_whom_it_was_asked_for_too_early() {
    let (town, alice, bob) = acquainted().await;
    let asked = town.accounts.list_asked(&bob).unwrap().unwrap();
    seen(&town, &alice, &bob, Some(asked)).await;
    assert!(town.others.asked().is_empty());
    // Alice left, Bob changed his devices, and nobody told us; then she came back.
    town.person("carol").await;
    town.others.script().lists.insert(bob.clone(), list(&bob, 70, &["NEW"]));
    let came = town.accounts.position();
    let (keys, _) = seen(&town, &alice, &bob, Some(came)).await;
    assert_eq!(keys.unwrap().devices.into_keys().collect::<Vec<_>>(), ["NEW"]);
    assert_eq!(town.others.asked(), ["devices @bob:abroad.test"]);
    assert!(town.accounts.list_asked(&bob).unwrap().unwrap() >= came);
}

#[tokio::test]
async fn what_comes_while_a_list_is_under_way_is_not_lost() {
    let (town, alice, bob) = acquainted().await;
    for known in [true, false] {
        if known {
            // A gap, so that the list is asked for again.
            let missed = update(&bob, "TWO", 20, &[19], &Pen::new(2));
            town.accounts.receive_device_list(&abroad(), missed, true).await.unwrap();
        } else {
            town.accounts.forget_list(&bob).await.unwrap();
        }
        town.others.asked();
        let (accounts, others, late) = (town.accounts.clone(), town.others.clone(), bob.clone());
        town.others.script().lists.insert(bob.clone(), list(&bob, 20, &["ONE", "TWO"]));
        // The answer is older than the update that overtakes it.
        town.others.script().meanwhile = Some(Box::pin(async move {
            others.script().lists.insert(late.clone(), list(&late, 21, &["ONE", "TWO", "THREE"]));
            let update = update(&late, "THREE", 21, &[20], &Pen::new(3));
            accounts.receive_device_list(&abroad(), update, true).await.unwrap();
        }));
        assert_eq!(names(&town, &alice, &bob).await, ["ONE", "THREE", "TWO"], "{known}");
        assert_eq!(town.others.asked().len(), 2, "asked again");
    }
}

#[tokio::test]
async fn of_many_who_ask_at_once_one_asks_the_server() {
    let town = town();
    let (alice, bob) = (town.person("alice").await, user("@bob:abroad.test"));
    town.others.script().lists.insert(bob.clone(), list(&bob, 5, &["ONE"]));
    let asking = (0..20).map(|_| names(&town, &alice, &bob));
    for found in futures_util::future::join_all(asking).await {
        assert_eq!(found, ["ONE"]);
    }
    assert_eq!(town.others.asked().len(), 1);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_a_failure_and_is_asked_again_later() {
    let (town, alice, bob) = acquainted().await;
    town.accounts.receive_device_list(&abroad(), update(&bob, "TWO", 9, &[8], &Pen::new(2)), true).await.unwrap();
    town.others.script().lists.clear();
    town.others.asked();
    // Never the list that may name a device which is no more.
    assert_eq!(seen(&town, &alice, &bob, Some(Position::START)).await, (None, vec![abroad()]));
    let mut pauses = Vec::new();
    for _ in 0..10 {
        assert!(town.accounts.stale_lists(10).unwrap().is_empty(), "not at once");
        let mut pause = 0;
        while town.accounts.stale_lists(10).unwrap().is_empty() {
            town.advance(Duration::from_secs(60));
            pause += 1;
        }
        pauses.push(pause);
        let failed = town.accounts.refresh_list(&bob, Position::START).await;
        assert!(matches!(failed, Err(Error::Remote(RemoteError::Unreachable(_)))));
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
    // Whoever is heard of is there.
    town.accounts.receive_device_list(&abroad(), update(&bob, "TWO", 11, &[10], &Pen::new(2)), true).await.unwrap();
    assert_eq!(town.accounts.stale_lists(10).unwrap(), [&*bob]);
    town.others.script().lists.insert(bob.clone(), list(&bob, 11, &["ONE", "TWO"]));
    let before = town.accounts.position();
    town.accounts.refresh_list(&bob, Position::START).await.unwrap();
    assert_eq!(town.accounts.device_list_changes(before, Position::END).unwrap(), [&*bob], "who waits is told");
    assert_eq!(names(&town, &alice, &bob).await, ["ONE", "TWO"]);
}

/// Hazard F9, and what else a server may not do with its updates.
#[tokio::test]
async fn refused_updates_leave_nothing_behind() {
    let (town, _, bob) = acquainted().await;
    let (accounts, alice) = (&town.accounts, user("@alice:town1.test"));
    let good = update(&bob, "TWO", 6, &[5], &Pen::new(2));
    let keys = |of: &UserId, name: &str| Some(device_keys(of, name, &Pen::new(2)).to_string());
    let [a, b, c] = [31, 32, 33].map(Pen::new);
    let cross = cross_signing(&bob, [&a, &b, &c]);
    let forged = cross_signing(&bob, [&c, &b, &a]).self_signing;
    let before = town.rows();
    let lists: [(&str, DeviceListUpdate); 8] = [
        ("evil.test", good.clone()),
        ("abroad.test:8448", good.clone()),
        ("town1.test", DeviceListUpdate { user: alice.clone(), keys: keys(&alice, "TWO"), ..good.clone() }),
        ("abroad.test", DeviceListUpdate { keys: keys(&alice, "TWO"), ..good.clone() }),
        ("abroad.test", DeviceListUpdate { keys: keys(&bob, "OTHER"), ..good.clone() }),
        ("abroad.test", DeviceListUpdate { keys: Some("{\"x\":1.5}".to_owned()), ..good.clone() }),
        ("abroad.test", DeviceListUpdate { keys: Some(format!("\"{}\"", "y".repeat(20_000))), ..good.clone() }),
        ("abroad.test", DeviceListUpdate { device: "D".repeat(300).into(), ..good.clone() }),
    ];
    for (number, (origin, update)) in lists.into_iter().enumerate() {
        assert!(accounts.receive_device_list(&server(origin), update, true).await.is_err(), "{number}");
        assert!(town.rows() == before, "{number}");
    }
    let signing = |user: &UserId, master: &Option<String>, self_signing: &Option<String>| SigningKeyUpdate {
        user: user.to_owned(),
        master: master.clone(),
        self_signing: self_signing.clone(),
    };
    let wrong = [
        ("evil.test", signing(&bob, &cross.master, &cross.self_signing)),
        ("abroad.test", signing(&user("@mallory:abroad.test"), &cross.master, &None)),
        ("abroad.test", signing(&bob, &cross.master, &forged)),
        ("abroad.test", signing(&bob, &cross.self_signing, &None)),
        ("abroad.test", signing(&bob, &None, &cross.self_signing)),
    ];
    for (number, (origin, update)) in wrong.into_iter().enumerate() {
        assert!(accounts.receive_signing_keys(&server(origin), update, true).await.is_err(), "{number}");
        assert!(town.rows() == before, "{number}");
    }
    // Nothing is kept, and nobody is told, of those with whom nobody shares a room.
    for n in 0..1_000 {
        let stranger = user(&format!("@s{n}:abroad.test"));
        let update = update(&stranger, "ONE", 1, &[], &Pen::new(1));
        accounts.receive_device_list(&abroad(), update, false).await.unwrap();
        accounts.receive_signing_keys(&abroad(), signing(&stranger, &None, &None), false).await.unwrap();
    }
    assert!(town.rows() == before);
    accounts.receive_device_list(&abroad(), good, false).await.unwrap();
    assert!(town.tables_with(bob.as_str()).iter().all(|table| *table == 0x02), "only the feed knows that he was there");
}

#[tokio::test]
async fn signing_keys_are_followed_and_a_new_master_key_ends_what_the_old_one_signed() {
    let (town, alice, bob) = acquainted().await;
    let (accounts, origin) = (&town.accounts, abroad());
    let pens: Vec<_> = (40..44).map(Pen::new).collect();
    let first = cross_signing(&bob, [&pens[0], &pens[1], &pens[2]]);
    let send = async |master: &Option<String>, self_signing: &Option<String>| {
        let update = SigningKeyUpdate { user: bob.clone(), master: master.clone(), self_signing: self_signing.clone() };
        accounts.receive_signing_keys(&origin, update, true).await.unwrap();
    };
    let keys = async || seen(&town, &alice, &bob, Some(Position::START)).await.0.unwrap();
    let before = accounts.position();
    send(&first.master, &first.self_signing).await;
    assert_eq!(accounts.device_list_changes(before, Position::END).unwrap(), [&*bob]);
    let both = keys().await;
    assert!(both.master.unwrap().contains(&pens[0].public()) && both.self_signing.unwrap().contains(&pens[1].public()));
    let here = accounts.position();
    send(&first.master, &first.self_signing).await;
    assert_eq!(accounts.position(), here, "the same again");
    let second = cross_signing_key(&bob, "master", &pens[3]).to_string();
    send(&Some(second), &None).await;
    let new = keys().await;
    assert!(new.master.unwrap().contains(&pens[3].public()));
    assert_eq!(new.self_signing, None);
    assert_eq!(town.others.asked().len(), 0);
}

/// Whoever is not met in a room is asked for each time, and nothing is kept.
#[tokio::test]
async fn a_server_speaks_of_its_own_users_and_only_of_those_asked_for() {
    let town = town();
    let alice = town.person("alice").await;
    let (bob, eve) = (user("@bob:abroad.test"), user("@eve:abroad.test"));
    let third = user("@carl:third.test");
    let device = |of: &UserId, name: &str| device_keys(of, name, &Pen::new(1)).to_string();
    let of = |of: &UserId, keys: Vec<(&str, String)>| {
        let keys = keys.into_iter().map(|(name, keys)| (name.into(), keys));
        (of.to_owned(), keys.collect::<BTreeMap<_, _>>())
    };
    let mut foreign = device_keys(&bob, "SIGNED", &Pen::new(1));
    foreign = Pen::new(2).sign(foreign, &alice, "ALICES");
    foreign["unsigned"] = json!({ "device_display_name": "Phone", "other": 1 });
    let [a, b, c] = [31, 32, 33].map(Pen::new);
    let cross = cross_signing(&bob, [&a, &b, &c]);
    let answer = PublicKeys {
        devices: BTreeMap::from([
            of(
                &bob,
                vec![
                    ("ONE", device(&bob, "ONE")),
                    ("EVES", device(&eve, "EVES")),
                    ("NAMED", device(&bob, "OTHER")),
                    ("FLOAT", "{\"a\":1.5}".to_owned()),
                    ("LARGE", json!({ "x": "y".repeat(20_000) }).to_string()),
                    ("SIGNED", foreign.to_string()),
                ],
            ),
            of(&eve, vec![("ONE", device(&eve, "ONE"))]),
            of(&third, vec![("ONE", device(&third, "ONE"))]),
            of(&alice, vec![("ONE", device(&alice, "ONE"))]),
        ]),
        master: BTreeMap::from([(bob.clone(), cross.master.unwrap()), (alice.clone(), device(&alice, "ONE"))]),
        // Not signed by the master key.
        self_signing: BTreeMap::from([(bob.clone(), cross_signing(&bob, [&c, &b, &a]).self_signing.unwrap())]),
    };
    town.others.script().keys.insert(abroad(), answer);
    let before = town.rows();
    let ask = Wanted::from([(bob.clone(), Vec::new()), (third.clone(), Vec::new())]);
    let answer = town.accounts.query_remote_keys(&alice, &ask, &SharedSince::new(), SOON).await.unwrap();
    assert_eq!(answer.failures.into_iter().collect::<Vec<_>>(), [server("third.test")]);
    assert_eq!(answer.found.keys().collect::<Vec<_>>(), [&bob]);
    let keys = &answer.found[&bob];
    assert_eq!(keys.devices.keys().collect::<Vec<_>>(), ["ONE", "SIGNED"]);
    let shown = json(&keys.devices[crate::testing::device("SIGNED")]);
    assert_eq!(shown["signatures"].as_object().unwrap().keys().collect::<Vec<_>>(), [bob.as_str()]);
    assert_eq!(shown["unsigned"], json!({ "device_display_name": "Phone" }));
    assert!(keys.master.as_ref().unwrap().contains(&a.public()));
    assert_eq!((&keys.self_signing, &keys.user_signing), (&None, &None));
    let one = Wanted::from([(bob.clone(), vec!["ONE".into(), "GHOST".into()])]);
    let answer = town.accounts.query_remote_keys(&alice, &one, &SharedSince::new(), SOON).await.unwrap();
    assert_eq!(answer.found[&bob].devices.keys().collect::<Vec<_>>(), ["ONE"]);
    assert_eq!(town.others.asked(), ["keys @bob:abroad.test", "keys @carl:third.test", "keys @bob:abroad.test"]);
    assert!(town.rows() == before);
    // A list of somebody else is no answer.
    town.others.script().lists.insert(bob.clone(), list(&eve, 1, &["ONE"]));
    assert_eq!(seen(&town, &alice, &bob, Some(Position::START)).await, (None, vec![abroad()]));
    assert!(town.rows() == before);
}

#[tokio::test]
async fn of_many_new_acquaintances_some_lists_are_asked_for_and_the_other_keys_in_one_answer() {
    let town = town();
    let alice = town.person("alice").await;
    let users: Vec<_> = (0..50).map(|n| user(&format!("@u{n:02}:abroad.test"))).collect();
    let keys = |of: &OwnedUserId| {
        (of.clone(), BTreeMap::from([("ONE".into(), device_keys(of, "ONE", &Pen::new(1)).to_string())]))
    };
    let all = PublicKeys { devices: users.iter().map(keys).collect(), ..PublicKeys::default() };
    town.others.script().keys.insert(abroad(), all);
    town.others.script().lists.extend(users.iter().map(|user| (user.clone(), list(user, 1, &["ONE"]))));
    let ask: Wanted = users.iter().map(|user| (user.clone(), Vec::new())).collect();
    let shared: SharedSince = users.iter().map(|user| (user.clone(), Position::START)).collect();
    for questions in [21, 21, 10, 0] {
        let answer = town.accounts.query_remote_keys(&alice, &ask, &shared, SOON).await.unwrap();
        assert!(answer.failures.is_empty());
        assert!(answer.found.len() == 50 && answer.found.values().all(|keys| keys.devices.len() == 1));
        assert_eq!(town.others.asked().len(), questions);
    }
}

#[tokio::test]
async fn a_silent_server_holds_nobody_up_beyond_the_deadline() {
    let town = town();
    let alice = town.person("alice").await;
    let (quick, slow) = (user("@q:quick.test"), user("@s:slow.test"));
    town.others.script().silent.insert(server("slow.test"));
    town.others.script().lists.insert(quick.clone(), list(&quick, 1, &["ONE"]));
    let ask = Wanted::from([(quick.clone(), Vec::new()), (slow.clone(), Vec::new())]);
    let shared = SharedSince::from([(quick.clone(), Position::START), (slow, Position::START)]);
    let within = Duration::from_millis(20);
    let answer = town.accounts.query_remote_keys(&alice, &ask, &shared, within).await.unwrap();
    assert_eq!(answer.found.keys().collect::<Vec<_>>(), [&quick]);
    assert_eq!(answer.failures.into_iter().collect::<Vec<_>>(), [server("slow.test")]);
    // Nobody stands in line for ever behind one who gave up.
    town.others.script().silent.clear();
    let again = user("@s:slow.test");
    town.others.script().lists.insert(again.clone(), list(&again, 1, &["TWO"]));
    assert_eq!(names(&town, &alice, &again).await, ["TWO"]);
    assert!(town.accounts.inner.refreshes.is_empty());
}

#[tokio::test]
async fn claimed_keys_are_those_that_were_asked_for() {
    let town = town();
    let (bob, eve) = (user("@bob:abroad.test"), user("@eve:abroad.test"));
    let request = |user: &UserId, device: &str| ClaimRequest {
        user: user.to_owned(),
        device: device.into(),
        algorithm: "signed_curve25519".to_owned(),
    };
    let key = json!({ "key": curve_key(1), "signatures": {} }).to_string();
    let claimed = |user: &UserId, device: &str, key_id: &str, key: &str| ClaimedKey {
        user: user.to_owned(),
        device: device.into(),
        key_id: key_id.to_owned(),
        key: key.to_owned(),
    };
    let answers = vec![
        claimed(&bob, "ONE", "signed_curve25519:A", &key),
        claimed(&bob, "ONE", "signed_curve25519:B", &key),
        claimed(&bob, "TWO", "other:A", &key),
        claimed(&bob, "TWO", "signed_curve25519", &key),
        claimed(&bob, "TWO", "signed_curve25519:A", "{\"key\":1}"),
        claimed(&bob, "THREE", "signed_curve25519:A", &key),
        claimed(&eve, "ONE", "signed_curve25519:A", &key),
        claimed(&user("@alice:town1.test"), "ONE", "signed_curve25519:A", &key),
    ];
    town.others.script().claims.insert(abroad(), answers);
    let requests = [request(&bob, "ONE"), request(&bob, "TWO"), request(&user("@x:down.test"), "ONE")];
    let answer = town.accounts.claim_remote_keys(&requests, SOON).await.unwrap();
    let found: Vec<_> = answer.found.iter().map(|key| (&*key.user, key.device.as_str(), key.key_id.as_str())).collect();
    assert_eq!(found, [(&*bob, "ONE", "signed_curve25519:A")]);
    assert_eq!(answer.failures.into_iter().collect::<Vec<_>>(), [server("down.test")]);
    assert_eq!(town.others.asked(), ["claim 2 of abroad.test", "claim 1 of down.test"]);
}
