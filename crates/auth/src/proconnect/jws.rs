//! Signed userinfo: a compact JWS (RFC 7515), verified with the one algorithm of our registration (hazard A15).
//!
//! `openidconnect` verifies userinfo with RS256 alone, and ProConnect signs with ES256 unless told otherwise.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use openidconnect::{
    JsonWebKey, JsonWebKeyAlgorithm, JsonWebKeySet, JsonWebKeyUse,
    core::{CoreJsonWebKey, CoreJsonWebKeyType, CoreJwsSigningAlgorithm},
};
use serde::Deserialize;

use crate::Algorithm;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No published key fits; a newer set may have it.
    UnknownKey,
    Invalid(&'static str),
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<serde_json::Value>,
}

/// The payload of the token. Keys come from the set, or are the secret for HS256: never from the token's header.
pub(crate) fn open(
    token: &str,
    algorithm: Algorithm,
    keys: &JsonWebKeySet<CoreJsonWebKey>,
    secret: &str,
) -> Result<Vec<u8>, Refusal> {
    let (message, signature) = token.rsplit_once('.').ok_or(Refusal::Invalid("it is no JWS"))?;
    let (header, payload) = message.split_once('.').ok_or(Refusal::Invalid("it is no JWS"))?;
    let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Invalid("it is not base64url"));
    let header: Header =
        serde_json::from_slice(&decode(header)?).map_err(|_| Refusal::Invalid("its header cannot be read"))?;
    if header.alg != algorithm.name() {
        return Err(Refusal::Invalid("its algorithm is not the registered one"));
    }
    if header.crit.is_some() {
        return Err(Refusal::Invalid("it has critical extensions"));
    }
    let symmetric;
    let key = match algorithm {
        Algorithm::Hs256 => {
            symmetric = CoreJsonWebKey::new_symmetric(secret.as_bytes().to_vec());
            &symmetric
        }
        Algorithm::Rs256 | Algorithm::Es256 => the_key(keys, algorithm, header.kid.as_deref())?,
    };
    let signature = decode(signature)?;
    key.verify_signature(&algorithm.core(), message.as_bytes(), &signature)
        .map_err(|_| Refusal::Invalid("its signature does not verify"))?;
    decode(payload)
}

/// The one key of the set that fits the algorithm and, if the token names one, the name.
fn the_key<'k>(
    keys: &'k JsonWebKeySet<CoreJsonWebKey>,
    algorithm: Algorithm,
    id: Option<&str>,
) -> Result<&'k CoreJsonWebKey, Refusal> {
    let fits = |key: &&CoreJsonWebKey| {
        let kind = match algorithm {
            Algorithm::Rs256 => CoreJsonWebKeyType::RSA,
            Algorithm::Es256 => CoreJsonWebKeyType::EllipticCurve,
            Algorithm::Hs256 => return false,
        };
        let named = id.is_none_or(|id| key.key_id().is_some_and(|own| own.as_str() == id));
        let for_signing = key.key_use().is_none_or(JsonWebKeyUse::allows_signature);
        *key.key_type() == kind && named && for_signing && is_for(key, &algorithm.core())
    };
    let mut fitting = keys.keys().iter().filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(key), None) => Ok(key),
        (Some(_), Some(_)) => Err(Refusal::Invalid("several keys fit")),
        (None, _) => Err(Refusal::UnknownKey),
    }
}

fn is_for(key: &CoreJsonWebKey, algorithm: &CoreJwsSigningAlgorithm) -> bool {
    match key.signing_alg() {
        JsonWebKeyAlgorithm::Algorithm(own) => own == algorithm,
        JsonWebKeyAlgorithm::Unspecified => true,
        JsonWebKeyAlgorithm::Unsupported => false,
    }
}
