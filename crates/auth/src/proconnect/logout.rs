//! Signing out of ProConnect by the browser (OpenID Connect RP-Initiated Logout 1.0); it has no other way.

use openidconnect::{CsrfToken, EndSessionUrl, LogoutRequest, PostLogoutRedirectUrl, core::CoreIdToken};
use url::Url;

use crate::{Secret, Town};

impl Town {
    /// Where the browser goes to be signed out; `None` when ProConnect does not answer or offers no logout.
    pub(crate) async fn provider_logout(&self, id_token: &Secret, state: &str) -> Option<Url> {
        let known = self.known_provider().await.ok()?;
        let endpoint: EndSessionUrl = known.metadata.additional_metadata().end_session_endpoint.clone()?;
        let hint: CoreIdToken = id_token.expose().parse().ok()?;
        let back = PostLogoutRedirectUrl::new(self.settings.post_logout_redirect_uri()).ok()?;
        let request = LogoutRequest::from(endpoint)
            .set_id_token_hint(&hint)
            .set_post_logout_redirect_uri(back)
            .set_state(CsrfToken::new(state.to_owned()));
        Some(request.http_get_url())
    }
}
