//! `GET /upstream/authorize/{flow}`: the browser goes to ProConnect, with a state and a nonce of its own and PKCE.

use std::sync::Arc;

use openidconnect::{
    AuthenticationFlow, ClientId, CsrfToken, LoginHint, Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    core::{CoreAuthPrompt, CoreClient, CoreResponseType},
};
use web::{Response, Visit};

use super::{Failure, Pending, discovery::Known};
use crate::{Secret, Town, expiring::Hash, flow::Flow, pages, problem::Problem};

/// ProConnect wants 32 characters or more of each.
const STATE_LENGTH: usize = 43;
const NONCE_LENGTH: usize = 43;
const VERIFIER_LENGTH: usize = 64;
/// Asks for two factors, in the only way that binds ProConnect (`acr_values` does not).
const MFA_CLAIMS: &str =
    r#"{"id_token":{"amr":null,"acr":{"essential":true,"values":["eidas0-mfa","eidas1-mfa","eidas2","eidas3"]}}}"#;

pub(crate) async fn start(town: Arc<Town>, visit: Visit) -> Result<Response, Problem> {
    let id = visit.param("flow");
    let flow = town.flows.get(id, town.now()).ok_or(Problem::Expired)?;
    let known = town.known_provider().await?;
    let (browser, new) = town.name_browser(&visit);
    let url = town.begin(&known, id, &flow, browser)?;
    let mut response = pages::see_other(&url)?;
    if let Some(secret) = new {
        town.set_browser(&mut response, &secret);
    }
    Ok(response)
}

impl Town {
    /// The URL of ProConnect's authorization endpoint, once the way back is prepared.
    fn begin(&self, known: &Known, id: &str, flow: &Flow, browser: Hash) -> Result<String, Failure> {
        let settings = &self.settings.proconnect;
        let redirect = RedirectUrl::new(self.settings.redirect_uri());
        let redirect = redirect.map_err(|_| Failure::Untrusted("the redirect URI is no URL".to_owned()))?;
        let client =
            CoreClient::from_provider_metadata(known.metadata.clone(), ClientId::new(settings.client_id.clone()), None)
                .set_redirect_uri(redirect);
        let state = self.random.token(STATE_LENGTH);
        let nonce = self.random.token(NONCE_LENGTH);
        let (csrf, asked_nonce) = (CsrfToken::new(state.clone()), Nonce::new(nonce.clone()));
        let verifier = self.random.token(VERIFIER_LENGTH);
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier.clone()));
        let scopes = settings.scopes.iter().filter(|scope| *scope != "openid").cloned().map(Scope::new);
        let mut request = client
            .authorize_url(AuthenticationFlow::<CoreResponseType>::AuthorizationCode, move || csrf, move || asked_nonce)
            .add_scopes(scopes)
            .set_pkce_challenge(challenge);
        if settings.rules.require_mfa {
            request = request.add_extra_param("claims", MFA_CLAIMS);
        }
        if flow.fresh {
            request = request.add_prompt(CoreAuthPrompt::Login);
        }
        // ProConnect takes nothing but an address here, and clients send other things (`mxid:@…`).
        let hint = flow.login_hint.as_deref().and_then(|hint| policy::Email::parse(hint).ok());
        if let Some(hint) = hint {
            request = request.set_login_hint(LoginHint::new(hint.to_string()));
        }
        let (url, ..) = request.url();
        let pending =
            Pending { browser, flow: id.to_owned(), nonce: Secret::new(nonce), verifier: Secret::new(verifier) };
        self.provider.pending.lock().insert(&state, pending, self.now());
        Ok(url.into())
    }
}
