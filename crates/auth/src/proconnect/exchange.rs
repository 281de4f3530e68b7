//! The code for tokens, at ProConnect's token endpoint, with the secret in the form or a signed assertion.

use openidconnect::{
    AuthType, AuthorizationCode, ClientId, ClientSecret, PkceCodeVerifier, RedirectUrl, RequestTokenError,
    core::{CoreClient, CoreTokenResponse},
};

use super::{Failure, Pending, discovery::Known};
use crate::{TokenAuth, Town, problem::Problem};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl Town {
    pub(crate) async fn exchange(
        &self,
        known: &Known,
        pending: &Pending,
        code: String,
    ) -> Result<CoreTokenResponse, Problem> {
        let settings = &self.settings.proconnect;
        let secret = match settings.token_auth {
            TokenAuth::ClientSecretPost => Some(ClientSecret::new(settings.client_secret.expose().to_owned())),
            TokenAuth::PrivateKeyJwt => None,
        };
        let redirect = RedirectUrl::new(self.settings.redirect_uri());
        let redirect = redirect.map_err(|_| Failure::Untrusted("the redirect URI is no URL".to_owned()))?;
        let id = ClientId::new(settings.client_id.clone());
        let client = CoreClient::from_provider_metadata(known.metadata.clone(), id, secret)
            .set_redirect_uri(redirect)
            .set_auth_type(AuthType::RequestBody);
        let endpoint = known.metadata.token_endpoint().map(|endpoint| endpoint.as_str().to_owned());
        let no_endpoint = || Failure::Untrusted("discovery names no token endpoint".to_owned());
        let endpoint = endpoint.ok_or_else(no_endpoint)?;
        let mut request = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|_| no_endpoint())?
            .set_pkce_verifier(PkceCodeVerifier::new(pending.verifier.expose().to_owned()));
        if settings.token_auth == TokenAuth::PrivateKeyJwt {
            request = request
                .add_extra_param("client_assertion_type", ASSERTION_TYPE)
                .add_extra_param("client_assertion", self.assertion(&endpoint).await?);
        }
        request.request_async(&self.provider.client).await.map_err(|error| match error {
            RequestTokenError::Request(error) => Failure::Down(error.to_string()).into(),
            RequestTokenError::ServerResponse(answer) => refused(answer.error().as_ref()),
            // The answer's body is left out: it may hold tokens.
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                Failure::Untrusted("the token endpoint's answer cannot be read".to_owned()).into()
            }
        })
    }
}

/// A code lives for a minute: who was too slow begins again. Anything else is for the administrator.
fn refused(error: &str) -> Problem {
    if error == "invalid_grant" {
        return Problem::Expired;
    }
    let plain: String = error.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(40).collect();
    Failure::Refused(plain).into()
}
