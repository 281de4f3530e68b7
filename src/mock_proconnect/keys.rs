//! Signing keys of one mock, and the JWS that they make and check (RFC 7515, compact form).

use std::io;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use kernel::Random;
use openidconnect::{
    JsonWebKey, JsonWebKeyId, JsonWebKeySet, PrivateSigningKey, SigningError,
    core::{
        CoreHmacKey, CoreJsonCurveType, CoreJsonWebKey, CoreJsonWebKeySet, CoreJwsSigningAlgorithm,
        CoreRsaPrivateSigningKey,
    },
};
use p256::ecdsa::{Signature, SigningKey, signature::Signer};
use rsa::{
    RsaPrivateKey,
    pkcs1::{EncodeRsaPrivateKey, LineEnding},
    rand_core::{CryptoRng, Error, RngCore},
};
use serde_json::{Value, json};

use super::client::Algorithm;

const RSA_BITS: usize = 2048;
/// Draws of an EC scalar; one in 2^32 is refused.
const EC_DRAWS_MAX: usize = 8;

pub(super) struct Keys {
    rsa: CoreRsaPrivateSigningKey,
    ec: SigningKey,
    rsa_id: String,
    ec_id: String,
    public: CoreJsonWebKeySet,
}

impl Keys {
    /// New keys under new ids. Takes a good part of a second: RSA.
    pub(super) fn generate(random: &dyn Random) -> io::Result<Self> {
        let rsa_id = format!("rs256-{}", random.token(8));
        let ec_id = format!("es256-{}", random.token(8));
        let private = RsaPrivateKey::new(&mut Chance(random), RSA_BITS).map_err(io::Error::other)?;
        let pem = private.to_pkcs1_pem(LineEnding::LF).map_err(io::Error::other)?;
        let rsa = CoreRsaPrivateSigningKey::from_pem(&pem, Some(JsonWebKeyId::new(rsa_id.clone())))
            .map_err(io::Error::other)?;
        let ec = ec_key(random)?;
        let public = JsonWebKeySet::new(vec![rsa.as_verification_key(), public_ec(&ec, &ec_id)?]);
        Ok(Self { rsa, ec, rsa_id, ec_id, public })
    }

    /// The public keys, each with its `alg`, as `/jwks` serves them.
    pub(super) fn document(&self) -> Value {
        let keys: Vec<Value> = [Algorithm::Rs256, Algorithm::Es256]
            .into_iter()
            .zip(self.public.keys())
            .map(|(algorithm, key)| {
                let mut key = json!(key);
                key["alg"] = json!(algorithm.name());
                key
            })
            .collect();
        json!({ "keys": keys })
    }

    /// A compact JWS. `secret` keys HS256 and is not used otherwise.
    pub(super) fn sign(&self, algorithm: Algorithm, secret: &str, claims: &Value) -> Result<String, SigningError> {
        let header = match algorithm {
            Algorithm::Rs256 => json!({ "alg": "RS256", "typ": "JWT", "kid": self.rsa_id }),
            Algorithm::Es256 => json!({ "alg": "ES256", "typ": "JWT", "kid": self.ec_id }),
            Algorithm::Hs256 => json!({ "alg": "HS256", "typ": "JWT" }),
        };
        let message = format!("{}.{}", encode(&header), encode(claims));
        let signature = match algorithm {
            Algorithm::Rs256 => self.rsa.sign(&CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256, message.as_bytes())?,
            Algorithm::Hs256 => {
                CoreHmacKey::new(secret).sign(&CoreJwsSigningAlgorithm::HmacSha256, message.as_bytes())?
            }
            Algorithm::Es256 => {
                let signature: Signature = self.ec.sign(message.as_bytes());
                signature.to_bytes().to_vec()
            }
        };
        Ok(format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The claims of a JWS that this mock signed for the client with this secret, however old it is.
    pub(super) fn open(&self, token: &str, secret: &str) -> Option<Value> {
        let hmac = CoreJsonWebKey::new_symmetric(secret.as_bytes().to_vec());
        let keys: Vec<&CoreJsonWebKey> = self.public.keys().iter().chain([&hmac]).collect();
        open(token, &keys)
    }
}

/// The claims of a JWS that one of the keys signed with RS256, ES256 or HS256.
pub(super) fn open(token: &str, keys: &[&CoreJsonWebKey]) -> Option<Value> {
    let (message, signature) = token.rsplit_once('.')?;
    let (header, claims) = message.split_once('.')?;
    let algorithm = match decode(header)?.get("alg")?.as_str()? {
        "RS256" => CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
        "ES256" => CoreJwsSigningAlgorithm::EcdsaP256Sha256,
        "HS256" => CoreJwsSigningAlgorithm::HmacSha256,
        _ => return None,
    };
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
    let signed = keys.iter().any(|key| key.verify_signature(&algorithm, message.as_bytes(), &signature).is_ok());
    signed.then(|| decode(claims)).flatten()
}

/// The claims of a JWS, unverified: to learn who claims to have signed it.
pub(super) fn peek(token: &str) -> Option<Value> {
    decode(token.split('.').nth(1)?)
}

/// A JWS of `alg` `none`: what a relying party must never accept.
pub(super) fn unsigned(claims: &Value) -> String {
    format!("{}.{}.", encode(&json!({ "alg": "none", "typ": "JWT" })), encode(claims))
}

/// The same JWS with another signature, of the same length.
pub(super) fn with_a_bad_signature(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').unwrap_or((token, ""));
    let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    for byte in &mut bytes {
        *byte ^= 1;
    }
    format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

fn encode(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

fn decode(part: &str) -> Option<Value> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn ec_key(random: &dyn Random) -> io::Result<SigningKey> {
    for _ in 0..EC_DRAWS_MAX {
        let mut scalar = [0; 32];
        random.fill(&mut scalar);
        if let Ok(key) = SigningKey::from_slice(&scalar) {
            return Ok(key);
        }
    }
    Err(io::Error::other("no scalar of P-256 was drawn"))
}

fn public_ec(key: &SigningKey, id: &str) -> io::Result<CoreJsonWebKey> {
    let point = key.verifying_key().to_sec1_point(false);
    let (Some(x), Some(y)) = (point.x(), point.y()) else {
        return Err(io::Error::other("the public point has no coordinates"));
    };
    Ok(CoreJsonWebKey::new_ec(x.to_vec(), y.to_vec(), CoreJsonCurveType::P256, Some(JsonWebKeyId::new(id.to_owned()))))
}

/// The server's source of chance, as the `rsa` crate wants it.
struct Chance<'a>(&'a dyn Random);

impl RngCore for Chance<'_> {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl CryptoRng for Chance<'_> {}
