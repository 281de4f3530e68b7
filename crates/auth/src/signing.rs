//! The tenant's own key: signs id tokens for clients, and assertions for ProConnect's token endpoint.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use kernel::{Clock, Random};
use openidconnect::{
    JsonWebKey, JsonWebKeyId, PrivateSigningKey,
    core::{CoreJsonWebKey, CoreJwsSigningAlgorithm, CoreRsaPrivateSigningKey},
};
use rsa::{
    RsaPrivateKey,
    pkcs1::{EncodeRsaPrivateKey, LineEnding},
    rand_core::{self, CryptoRng, RngCore},
};
use serde_json::{Value, json};
use store::Scope;
use tokio::sync::OnceCell;

use crate::{
    Error, Result,
    tables::{SIGNING_KEYS, SigningKeyRow},
};

const RSA_BITS: usize = 2048;
const KEY_ID_LENGTH: usize = 12;
const ALGORITHM_NAME: &str = "RS256";
const ALGORITHM: CoreJwsSigningAlgorithm = CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256;

/// The key, made when it is first needed: a process with a thousand tenants must not make a thousand keys to start.
pub(crate) struct Signing {
    scope: Scope,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    key: OnceCell<Key>,
}

pub(crate) struct Key {
    private: CoreRsaPrivateSigningKey,
    public: CoreJsonWebKey,
    id: String,
}

impl Signing {
    pub(crate) fn new(scope: Scope, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { scope, clock, random, key: OnceCell::new() }
    }

    pub(crate) async fn key(&self) -> Result<&Key> {
        self.key.get_or_try_init(|| self.load_or_make()).await
    }

    async fn load_or_make(&self) -> Result<Key> {
        if let Some(row) = self.scope.get(&SIGNING_KEYS, (ALGORITHM_NAME,))? {
            return Key::read(&row);
        }
        let (random, created) = (Arc::clone(&self.random), self.clock.now());
        let made = tokio::task::spawn_blocking(move || make(random.as_ref(), created)).await;
        let row = made.map_err(|_| Error::SigningKey("its making was cut off"))??;
        let mut batch = self.scope.batch();
        batch.expect(&SIGNING_KEYS, (ALGORITHM_NAME,), None);
        batch.put(&SIGNING_KEYS, (ALGORITHM_NAME,), &row);
        match self.scope.commit(batch).await {
            Ok(_) => Key::read(&row),
            // Another process made one meanwhile.
            Err(store::Error::Conflict) => match self.scope.get(&SIGNING_KEYS, (ALGORITHM_NAME,))? {
                Some(row) => Key::read(&row),
                None => Err(Error::SigningKey("it came and went")),
            },
            Err(error) => Err(error.into()),
        }
    }
}

impl Key {
    fn read(row: &SigningKeyRow) -> Result<Self> {
        let private = CoreRsaPrivateSigningKey::from_pem(&row.pem, Some(JsonWebKeyId::new(row.id.clone())))
            .map_err(|_| Error::SigningKey("the stored one cannot be read"))?;
        Ok(Self { public: private.as_verification_key(), private, id: row.id.clone() })
    }

    /// A compact JWS of the claims (RFC 7515), RS256.
    pub(crate) fn sign(&self, claims: &Value) -> Result<String> {
        let header = json!({ "alg": ALGORITHM_NAME, "typ": "JWT", "kid": self.id });
        let message = format!("{}.{}", encode(&header), encode(claims));
        let signature = self.private.sign(&ALGORITHM, message.as_bytes());
        let signature = signature.map_err(|_| Error::SigningKey("it would not sign"))?;
        Ok(format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The claims of a JWS that this key signed, whatever they say and however old they are.
    pub(crate) fn open(&self, token: &str) -> Option<Value> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        if decode(header)?.get("alg")?.as_str()? != ALGORITHM_NAME {
            return None;
        }
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.public.verify_signature(&ALGORITHM, message.as_bytes(), &signature).ok()?;
        decode(claims)
    }

    /// As a member of a JWK set (RFC 7517).
    pub(crate) fn public(&self) -> Value {
        let mut key = json!(self.public);
        if let Some(key) = key.as_object_mut() {
            key.insert("alg".to_owned(), ALGORITHM_NAME.into());
        }
        key
    }
}

fn encode(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

fn decode(part: &str) -> Option<Value> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn make(random: &dyn Random, created: kernel::Timestamp) -> Result<SigningKeyRow> {
    Ok(SigningKeyRow { id: random.token(KEY_ID_LENGTH), pem: make_pem(random)?, created })
}

/// Takes a good part of a second.
pub(crate) fn make_pem(random: &dyn Random) -> Result<String> {
    let failed = |_| Error::SigningKey("none could be made");
    let key = RsaPrivateKey::new(&mut Chance(random), RSA_BITS).map_err(failed)?;
    let pem = key.to_pkcs1_pem(LineEnding::LF).map_err(|_| Error::SigningKey("it cannot be written"))?;
    Ok(pem.to_string())
}

/// The server's source of chance, as the `rsa` crate wants it.
struct Chance<'a>(&'a dyn Random);

impl RngCore for Chance<'_> {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> std::result::Result<(), rand_core::Error> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl CryptoRng for Chance<'_> {}
