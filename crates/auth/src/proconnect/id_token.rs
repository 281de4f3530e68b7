//! The id token: who, for whom, when, how (OpenID Connect Core §3.1.3.7; hazards A11, A14, A15).

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use kernel::Timestamp;
use openidconnect::{
    ClaimsVerificationError, ClientId, ClientSecret, Nonce, OAuth2TokenResponse, SignatureVerificationError,
    TokenResponse,
    core::{CoreIdToken, CoreIdTokenClaims, CoreIdTokenVerifier, CoreTokenResponse},
};
use sha2::{Digest, Sha256};

use super::{Failure, Pending, discovery::Known};
use crate::{Secret, Town};

/// An id token comes within seconds of its making; the rest is for clocks that are wrong.
const AGE_SECS_MAX: u64 = 600;
const AHEAD_SECS_MAX: u64 = 120;

/// What a verified id token says.
pub(crate) struct Claims {
    pub(crate) subject: String,
    pub(crate) acr: Option<String>,
    pub(crate) auth_time: Option<Timestamp>,
    pub(crate) token: Secret,
}

impl Town {
    /// Returns what is known of ProConnect too, which is newer if the keys had to be asked for again.
    pub(crate) async fn verify_id_token(
        &self,
        known: Arc<Known>,
        answer: &CoreTokenResponse,
        pending: &Pending,
    ) -> Result<(Arc<Known>, Claims), Failure> {
        let token = answer.id_token().ok_or_else(|| Failure::Untrusted("there is no id token".to_owned()))?;
        let nonce = Nonce::new(pending.nonce.expose().to_owned());
        match token.claims(&self.verifier(&known), &nonce) {
            Ok(claims) => Ok((Arc::clone(&known), read(token, claims, answer)?)),
            Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey)) => {
                let known = self.with_newer_keys(&known).await?;
                let claims = token.claims(&self.verifier(&known), &nonce).map_err(|error| explain(&error))?;
                let claims = read(token, claims, answer)?;
                Ok((known, claims))
            }
            Err(error) => Err(explain(&error)),
        }
    }

    /// One algorithm, the registered one, whatever the token's header says.
    fn verifier(&self, known: &Known) -> CoreIdTokenVerifier<'static> {
        let settings = &self.settings.proconnect;
        let now = self.now();
        let issued = move |seconds: u64| {
            let now = now.as_secs();
            let plausible = seconds + AGE_SECS_MAX >= now && seconds <= now + AHEAD_SECS_MAX;
            if plausible { Ok(()) } else { Err("issued at another time".to_owned()) }
        };
        CoreIdTokenVerifier::new_confidential_client(
            ClientId::new(settings.client_id.clone()),
            ClientSecret::new(settings.client_secret.expose().to_owned()),
            known.metadata.issuer().clone(),
            known.keys.clone(),
        )
        .set_allowed_algs([settings.id_token_alg.core()])
        .set_time_fn(move || (UNIX_EPOCH + Duration::from_millis(now.0)).into())
        .set_issue_time_verifier_fn(move |at| issued(u64::try_from(at.timestamp()).unwrap_or_default()))
    }
}

fn read(token: &CoreIdToken, claims: &CoreIdTokenClaims, answer: &CoreTokenResponse) -> Result<Claims, Failure> {
    if let Some(hash) = claims.access_token_hash() {
        let whole = Sha256::digest(answer.access_token().secret());
        let (left, _) = whole.split_at(whole.len() / 2);
        if **hash != BASE64_URL_SAFE_NO_PAD.encode(left) {
            return Err(Failure::Untrusted("at_hash is of another access token".to_owned()));
        }
    }
    let auth_time = claims.auth_time().and_then(|at| u64::try_from(at.timestamp()).ok());
    Ok(Claims {
        subject: claims.subject().as_str().to_owned(),
        acr: claims.auth_context_ref().map(|acr| acr.as_str().to_owned()),
        auth_time: auth_time.map(|seconds| Timestamp(seconds.saturating_mul(1_000))),
        token: Secret::new(token.to_string()),
    })
}

fn explain(error: &ClaimsVerificationError) -> Failure {
    Failure::Untrusted(format!("id token: {error}"))
}
