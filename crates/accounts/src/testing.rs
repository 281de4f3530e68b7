//! What the tests of this crate share: a tenant in memory, with a clock that they move and keys that they sign with.

mod others;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use ed25519_dalek::{Signer, SigningKey};
use kernel::{
    TenantId, Timestamp,
    clock::FakeClock,
    id::{DeviceId, OwnedDeviceId, OwnedUserId, UserId},
    random::SeededRandom,
};
use ruma_common::CanonicalJsonObject;
use serde_json::{Value, json};
use store::{
    Scope, Space, Store,
    kv::{Direction, Range, Read},
    memory::Memory,
};

pub(crate) use others::Scripted;

use crate::{Accounts, CrossSigningKeys, KeyUpload, NewSession, NewUser, SessionKind, Tokens, UserKind, json};

pub(crate) const START: Timestamp = Timestamp(1_700_000_000_000);

/// A tenant's accounts over a store in memory, and other servers that say what a test has them say.
pub(crate) struct Town {
    pub(crate) accounts: Accounts,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) memory: Memory,
    pub(crate) others: Arc<Scripted>,
    store: Arc<Store>,
}

pub(crate) fn town() -> Town {
    let memory = Memory::new();
    let store = Store::open(memory.clone()).unwrap();
    let clock = Arc::new(FakeClock::at(START));
    let others = Arc::new(Scripted::default());
    Town { accounts: open(&store, 1, 1, clock.clone(), others.clone()), clock, memory, others, store }
}

fn open(store: &Arc<Store>, tenant: u32, seed: u64, clock: Arc<FakeClock>, others: Arc<Scripted>) -> Accounts {
    let scope = Scope::new(store, TenantId(tenant)).unwrap();
    let name = format!("town{tenant}.test").try_into().unwrap();
    Accounts::open(scope, name, clock, Arc::new(SeededRandom::new(seed)), others).unwrap()
}

impl Town {
    /// Another tenant of the same store.
    pub(crate) fn neighbour(&self) -> Accounts {
        open(&self.store, 2, 2, self.clock.clone(), self.others.clone())
    }

    /// The same tenant after a restart of the process.
    pub(crate) fn restart(self) -> Self {
        self.store.close();
        let store = Store::open(self.memory.clone()).unwrap();
        Self { accounts: open(&store, 1, 99, self.clock.clone(), self.others.clone()), store, ..self }
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    pub(crate) async fn person(&self, localpart: &str) -> OwnedUserId {
        person(&self.accounts, localpart).await
    }

    pub(crate) async fn session(&self, user: &UserId, device: &str) -> Tokens {
        self.accounts.start_session(session(user, device)).await.unwrap()
    }

    /// Every row: table number, key, value.
    pub(crate) fn rows(&self) -> Vec<(u16, Vec<u8>, Vec<u8>)> {
        let all = |space| self.memory.scan(space, &Range::prefix(Vec::new()), usize::MAX, Direction::Forward).unwrap();
        let rows = Space::ALL.into_iter().flat_map(all);
        rows.map(|(key, value)| (u16::from_be_bytes([key[4], key[5]]), key, value.to_vec())).collect()
    }

    /// The numbers of the tables whose keys or values hold this text.
    pub(crate) fn tables_with(&self, text: &str) -> Vec<u16> {
        let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        let found = self.rows().into_iter().filter(|(_, key, value)| holds(key) || holds(value));
        let mut tables: Vec<_> = found.map(|(table, ..)| table).collect();
        tables.dedup();
        tables
    }
}

pub(crate) async fn person(accounts: &Accounts, localpart: &str) -> OwnedUserId {
    accounts.create_user(new_person(localpart)).await.unwrap()
}

pub(crate) fn new_person(localpart: &str) -> NewUser {
    NewUser { localpart: localpart.to_owned(), display_name: None, kind: UserKind::Person, identity: None, email: None }
}

/// An OAuth session with tokens of five minutes.
pub(crate) fn session(user: &UserId, device: &str) -> NewSession {
    NewSession {
        user: user.to_owned(),
        device: Some(device.into()),
        display_name: Some("Element".to_owned()),
        kind: SessionKind::Oauth { client_id: "client".to_owned(), scope: "api".to_owned() },
        access_lifetime: Some(Duration::from_secs(300)),
        refresh: true,
    }
}

/// An Ed25519 key of a device or for cross-signing.
pub(crate) struct Pen(SigningKey);

impl Pen {
    pub(crate) fn new(seed: u8) -> Self {
        Self(SigningKey::from_bytes(&[seed; 32]))
    }

    pub(crate) fn public(&self) -> String {
        STANDARD_NO_PAD.encode(self.0.verifying_key().as_bytes())
    }

    /// Adds this key's signature to the object, under `ed25519:name`.
    pub(crate) fn sign(&self, mut object: Value, user: &UserId, name: &str) -> Value {
        let mut bare = object.clone();
        bare.as_object_mut().unwrap().remove("signatures");
        let bare: CanonicalJsonObject = serde_json::from_value(bare).unwrap();
        let signature = self.0.sign(json::text(&bare).unwrap().as_bytes());
        object["signatures"][user.as_str()][format!("ed25519:{name}")] =
            json!(STANDARD_NO_PAD.encode(signature.to_bytes()));
        object
    }
}

/// 32 bytes in base64.
pub(crate) fn curve_key(seed: u8) -> String {
    STANDARD_NO_PAD.encode([seed; 32])
}

/// Keys of a device, signed by itself.
pub(crate) fn device_keys(user: &UserId, device: &str, pen: &Pen) -> Value {
    let keys = json!({
        "user_id": user, "device_id": device, "algorithms": ["m.olm.v1.curve25519-aes-sha2"],
        "keys": { format!("ed25519:{device}"): pen.public(), format!("curve25519:{device}"): curve_key(1) },
    });
    pen.sign(keys, user, device)
}

pub(crate) fn one_time_keys(names: impl IntoIterator<Item = u32>) -> BTreeMap<String, String> {
    let key = |name: u32| {
        let key = json!({ "key": curve_key(u8::try_from(name % 250).unwrap()), "signatures": {}, "n": name });
        (format!("signed_curve25519:{name:05}"), key.to_string())
    };
    names.into_iter().map(key).collect()
}

pub(crate) async fn upload_device(accounts: &Accounts, user: &UserId, device: &str, pen: &Pen) {
    let upload = KeyUpload { device_keys: Some(device_keys(user, device, pen).to_string()), ..KeyUpload::default() };
    let device: OwnedDeviceId = device.into();
    accounts.upload_keys(user, &device, upload).await.unwrap();
}

/// A cross-signing key, not signed yet.
pub(crate) fn cross_signing_key(user: &UserId, usage: &str, pen: &Pen) -> Value {
    json!({
        "user_id": user, "usage": [usage], "keys": { format!("ed25519:{}", pen.public()): pen.public() },
    })
}

/// All three keys; the second and third are signed by the first.
pub(crate) fn cross_signing(user: &UserId, pens: [&Pen; 3]) -> CrossSigningKeys {
    let [master, self_signing, user_signing] = pens;
    let signed =
        |usage, pen| Some(master.sign(cross_signing_key(user, usage, pen), user, &master.public()).to_string());
    CrossSigningKeys {
        master: Some(cross_signing_key(user, "master", master).to_string()),
        self_signing: signed("self_signing", self_signing),
        user_signing: signed("user_signing", user_signing),
    }
}

pub(crate) fn device(id: &str) -> &DeviceId {
    id.into()
}
