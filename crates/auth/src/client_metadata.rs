//! What an OAuth client says of itself (RFC 7591 §2; Matrix 1.15, "Client registration"), checked and brought to one form.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    oauth_error::OauthError,
    redirect_uri::{self, ApplicationType},
};

const REDIRECT_URIS_MAX: usize = 10;
/// Longest name, in characters; longer ones are cut.
const NAME_CHARS_MAX: usize = 80;

pub(crate) const AUTHORIZATION_CODE: &str = "authorization_code";
pub(crate) const REFRESH_TOKEN: &str = "refresh_token";
pub(crate) const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const GRANTS: [&str; 3] = [AUTHORIZATION_CODE, REFRESH_TOKEN, DEVICE_CODE];

/// What is kept of a registration, echoed to the client and stored. Members that we do not know are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClientMetadata {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_name: Option<String>,
    pub(crate) client_uri: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    logo_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tos_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy_uri: Option<String>,
    #[serde(default)]
    pub(crate) redirect_uris: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) post_logout_redirect_uris: Vec<String>,
    #[serde(default)]
    pub(crate) application_type: ApplicationType,
    #[serde(default = "default_grants")]
    pub(crate) grant_types: Vec<String>,
    #[serde(default = "default_responses")]
    response_types: Vec<String>,
    #[serde(default = "no_authentication")]
    token_endpoint_auth_method: String,
}

fn default_grants() -> Vec<String> {
    vec![AUTHORIZATION_CODE.to_owned()]
}

fn default_responses() -> Vec<String> {
    vec!["code".to_owned()]
}

/// RFC 7591 has `client_secret_basic` as the default; Matrix clients have no secret, and are told so.
fn no_authentication() -> String {
    "none".to_owned()
}

impl ClientMetadata {
    /// The checked metadata of a registration request.
    ///
    /// # Errors
    /// `invalid_redirect_uri` and `invalid_client_metadata` (RFC 7591 §3.2.2).
    pub(crate) fn check(mut self, dev: bool) -> Result<Self, OauthError> {
        let home = self.check_home(dev)?;
        for uri in [&self.logo_uri, &self.tos_uri, &self.policy_uri].into_iter().flatten() {
            let url =
                page(uri, dev).ok_or_else(|| OauthError::metadata("logo_uri, tos_uri and policy_uri must be https"))?;
            if !redirect_uri::is_at(&url, &home) {
                return Err(OauthError::metadata("logo_uri, tos_uri and policy_uri must be at the host of client_uri"));
            }
        }
        self.grant_types.retain(|grant| GRANTS.contains(&&**grant));
        self.grant_types.sort_unstable();
        self.grant_types.dedup();
        if self.grant_types.is_empty() {
            return Err(OauthError::metadata("none of grant_types is supported"));
        }
        self.response_types.retain(|response| response == "code");
        self.response_types.truncate(1);
        let with_code = self.may(AUTHORIZATION_CODE);
        if with_code && self.response_types.is_empty() {
            return Err(OauthError::metadata("response_types must have code"));
        }
        if self.token_endpoint_auth_method != "none" {
            return Err(OauthError::metadata("token_endpoint_auth_method must be none"));
        }
        self.check_redirects(with_code, &home, dev)?;
        self.client_name = self.client_name.as_deref().map(clean_name).filter(|name| !name.is_empty());
        Ok(self)
    }

    fn check_home(&self, dev: bool) -> Result<Url, OauthError> {
        page(&self.client_uri, dev).ok_or_else(|| OauthError::metadata("client_uri must be an https URL"))
    }

    fn check_redirects(&self, needed: bool, home: &Url, dev: bool) -> Result<(), OauthError> {
        if needed && self.redirect_uris.is_empty() {
            return Err(OauthError::redirect("redirect_uris is empty"));
        }
        for uris in [&self.redirect_uris, &self.post_logout_redirect_uris] {
            if uris.len() > REDIRECT_URIS_MAX {
                return Err(OauthError::redirect("there are too many URIs"));
            }
            for uri in uris {
                redirect_uri::may_register(uri, self.application_type, home, dev).map_err(OauthError::redirect)?;
            }
        }
        Ok(())
    }

    pub(crate) fn may(&self, grant: &str) -> bool {
        self.grant_types.iter().any(|registered| registered == grant)
    }

    /// What people see: the name that it gives itself, and where it lives, which it cannot choose.
    pub(crate) fn shown_name(&self) -> &str {
        self.client_name.as_deref().unwrap_or(&self.client_uri)
    }

    pub(crate) fn shown_host(&self) -> String {
        Url::parse(&self.client_uri).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
    }
}

fn page(uri: &str, dev: bool) -> Option<Url> {
    let url = redirect_uri::parse(uri).ok()?;
    let safe = url.scheme() == "https" || dev && url.scheme() == "http" && crate::settings::is_loopback(&url);
    (safe && url.has_host()).then_some(url)
}

/// One line without characters that are not seen.
fn clean_name(name: &str) -> String {
    let seen = |c: &char| {
        !c.is_control()
            && !matches!(*c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    name.chars().filter(seen).take(NAME_CHARS_MAX).collect::<String>().trim().to_owned()
}
