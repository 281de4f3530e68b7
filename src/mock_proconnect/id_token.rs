//! The id token: who signed in, when and how, and neither name nor e-mail address.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use kernel::Timestamp;
use openidconnect::SigningError;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    client::Client,
    keys,
    provider::{Grant, Provider},
    switches::{Switches, Wrong},
};

const LIFETIME_SECS: u64 = 3600;

/// The signed token, or one with the faults that are switched on.
pub(super) fn issue(
    provider: &Provider,
    switches: &Switches,
    client: &Client,
    grant: &Grant,
    access_token: &str,
    now: Timestamp,
) -> Result<String, SigningError> {
    let mut claims = claims(provider, client, grant, access_token, now);
    spoil(&mut claims, switches);
    if switches.is(Wrong::AlgNone) {
        return Ok(keys::unsigned(&claims));
    }
    let algorithm = switches.id_token.unwrap_or(client.id_token_alg);
    let token = provider.keys.sign(algorithm, &client.client_secret, &claims)?;
    Ok(if switches.is(Wrong::BadSignature) { keys::with_a_bad_signature(&token) } else { token })
}

fn claims(provider: &Provider, client: &Client, grant: &Grant, access_token: &str, now: Timestamp) -> Value {
    let identity = &grant.session.identity;
    // OpenID Connect Core §3.1.3.6: the left half; every algorithm here hashes with SHA-256.
    let hash = Sha256::digest(access_token);
    let (left, _) = hash.split_at(hash.len() / 2);
    let mut claims = json!({
        "iss": provider.issuer,
        "sub": identity.sub,
        "aud": client.client_id,
        "exp": now.as_secs() + LIFETIME_SECS,
        "iat": now.as_secs(),
        "nonce": grant.request.nonce,
        "acr": identity.acr,
        "auth_time": grant.session.auth_time.as_secs(),
        "sid": grant.session.sid,
        "at_hash": BASE64_URL_SAFE_NO_PAD.encode(left),
    });
    if grant.request.wants_amr {
        claims["amr"] = json!(identity.amr);
    }
    claims
}

fn spoil(claims: &mut Value, switches: &Switches) {
    let replaced = [
        (Wrong::BadNonce, "nonce", json!("another-nonce-of-more-than-32-characters")),
        (Wrong::WrongIss, "iss", json!("https://proconnect.invalid/api/v2")),
        (Wrong::WrongAud, "aud", json!("another-client")),
        (Wrong::BadAtHash, "at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA")),
        (Wrong::LowAcr, "acr", json!("eidas1")),
    ];
    for (wrong, claim, value) in replaced {
        if switches.is(wrong) {
            claims[claim] = value;
        }
    }
    if switches.is(Wrong::Expired) {
        for claim in ["exp", "iat", "auth_time"] {
            claims[claim] = json!(claims[claim].as_u64().unwrap_or_default().saturating_sub(2 * LIFETIME_SECS));
        }
    }
    for (wrong, claim) in [(Wrong::NoNonce, "nonce"), (Wrong::NoAcr, "acr")] {
        if let (true, Some(claims)) = (switches.is(wrong), claims.as_object_mut()) {
            claims.remove(claim);
        }
    }
}
