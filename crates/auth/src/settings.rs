//! What a tenant's file says about signing in.

use std::{fmt, time::Duration};

use url::Url;

use crate::{Error, Lang, Result};

/// Scopes that every tenant needs: the claims of `proconnect/claims.rs` and nothing more.
const SCOPES: [&str; 10] =
    ["openid", "given_name", "usual_name", "email", "uid", "siret", "idp_id", "idp_acr", "roles", "organization_label"];
const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_secs(300);

/// How one tenant signs people in.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where browsers reach this tenant's pages: an origin, which is also the OAuth issuer. `https://matrix.metz.example`.
    pub base_url: Url,
    /// Lets `http` and loopback through where OAuth wants `https`: for a developer's machine, tests and `beffroi demo`.
    pub dev: bool,
    /// What the pages call the service: "Messagerie de Metz".
    pub service_name: String,
    /// Whom to ask when somebody is refused: an e-mail address, a telephone number, a sentence.
    pub contact: String,
    /// The language for browsers that ask for neither French nor English.
    pub default_lang: Lang,
    /// How long an access token of the OAuth 2.0 API lives, and one of the older API whose client can refresh.
    pub access_token_lifetime: Duration,
    /// URLs that the older SSO login returns to without asking: same origin, and a path that begins so. Schemes of
    /// applications are allowed only here, beside those of [`crate::legacy`]'s known clients.
    pub sso_redirects: Vec<Url>,
    pub proconnect: ProConnect,
}

/// This tenant's registration with ProConnect ("fournisseur de service").
#[derive(Clone, Debug)]
pub struct ProConnect {
    /// `https://auth.agentconnect.gouv.fr/api/v2`, exactly as ProConnect writes it.
    pub issuer: Url,
    pub client_id: String,
    /// Keys HS256 and `client_secret_post`.
    pub client_secret: Secret,
    pub token_auth: TokenAuth,
    /// What the registration says that id tokens are signed with; any other is refused.
    pub id_token_alg: Algorithm,
    /// The same for userinfo; `None`: plain JSON.
    pub userinfo_alg: Option<Algorithm>,
    pub scopes: Vec<String>,
    /// Who may come in. `require_mfa` also asks ProConnect for it.
    pub rules: policy::Rules,
}

/// How we prove to ProConnect's token endpoint who we are. It knows no other ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAuth {
    ClientSecretPost,
    /// Signed with this tenant's key of `/oauth2/keys.json`.
    PrivateKeyJwt,
}

/// What a JWT of ProConnect's is signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Rs256,
    Es256,
    /// Keyed with the client secret.
    Hs256,
}

/// Text that is never shown, not even by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Settings {
    /// The least that a tenant must say; the rest as DESIGN §5 has it.
    pub fn new(base_url: Url, proconnect: ProConnect) -> Self {
        Self {
            base_url,
            dev: false,
            service_name: "Messagerie".to_owned(),
            contact: String::new(),
            default_lang: Lang::Fr,
            access_token_lifetime: ACCESS_TOKEN_LIFETIME,
            sso_redirects: Vec::new(),
            proconnect,
        }
    }

    /// # Errors
    /// [`Error::Settings`]: what an administrator must change.
    pub fn check(&self) -> Result<()> {
        let wrong = |reason: &'static str| Err(Error::Settings(reason));
        if !self.is_safe(&self.base_url) {
            return wrong("base_url must be https");
        }
        let url = &self.base_url;
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return wrong("base_url must be an origin: scheme, host, port");
        }
        if !self.is_safe(&self.proconnect.issuer) {
            return wrong("the issuer of ProConnect must be https");
        }
        if self.proconnect.client_id.is_empty() {
            return wrong("ProConnect's client_id is missing");
        }
        if self.proconnect.needs_secret() && self.proconnect.client_secret.expose().is_empty() {
            return wrong("ProConnect's client_secret is missing");
        }
        if !self.proconnect.scopes.iter().any(|scope| scope == "openid") {
            return wrong("the scopes for ProConnect must have openid");
        }
        Ok(())
    }

    /// `https`, or `http` to this very machine when a developer says so.
    pub(crate) fn is_safe(&self, url: &Url) -> bool {
        match url.scheme() {
            "https" => url.has_host(),
            "http" => self.dev && (is_loopback(url) || is_under_localhost(url)),
            _ => false,
        }
    }

    /// A path of ours as a whole URL.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{}", self.base_url, path.trim_start_matches('/'))
    }

    /// What ProConnect has registered as `redirect_uri`.
    pub fn redirect_uri(&self) -> String {
        self.url("/upstream/callback")
    }

    /// What ProConnect has registered as `post_logout_redirect_uri`.
    pub fn post_logout_redirect_uri(&self) -> String {
        self.url("/upstream/logged-out")
    }
}

impl ProConnect {
    /// With the usual scopes, `client_secret_post`, RS256 for both and the default rules, which let nobody in until
    /// establishments are named.
    pub fn new(issuer: Url, client_id: impl Into<String>, client_secret: Secret) -> Self {
        Self {
            issuer,
            client_id: client_id.into(),
            client_secret,
            token_auth: TokenAuth::ClientSecretPost,
            id_token_alg: Algorithm::Rs256,
            userinfo_alg: Some(Algorithm::Rs256),
            scopes: SCOPES.map(str::to_owned).to_vec(),
            rules: policy::Rules::default(),
        }
    }

    fn needs_secret(&self) -> bool {
        self.token_auth == TokenAuth::ClientSecretPost
            || self.id_token_alg == Algorithm::Hs256
            || self.userinfo_alg == Some(Algorithm::Hs256)
    }

    /// As `iss` has it: a URL without the slash that its parser adds to a bare origin.
    pub(crate) fn issuer(&self) -> &str {
        let issuer = self.issuer.as_str();
        if self.issuer.path() == "/" { issuer.trim_end_matches('/') } else { issuer }
    }
}

/// The machine itself, by any of its names.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// `town.localhost`, which is loopback too (RFC 6761 §6.3): each town of a demo has a host of its own. Not for redirect URIs.
fn is_under_localhost(url: &Url) -> bool {
    url.domain().is_some_and(|domain| domain.ends_with(".localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(base_url: &str, issuer: &str) -> Settings {
        let proconnect = ProConnect::new(issuer.parse().unwrap(), "beffroi", Secret::new("canary-secret"));
        Settings::new(base_url.parse().unwrap(), proconnect)
    }

    #[test]
    fn only_https_and_an_origin_will_do_unless_a_developer_says_so() {
        let issuer = "https://auth.example/api/v2";
        for (base_url, dev, fine) in [
            ("https://matrix.metz.example", false, true),
            ("https://matrix.metz.example:8448", false, true),
            ("http://matrix.metz.example", false, false),
            ("http://matrix.metz.example", true, false),
            ("http://localhost:8008", false, false),
            ("http://localhost:8008", true, true),
            ("http://127.0.0.1:8008", true, true),
            ("https://matrix.metz.example/auth", false, false),
            ("https://matrix.metz.example/?a", false, false),
        ] {
            let settings = Settings { dev, ..settings(base_url, issuer) };
            assert_eq!(settings.check().is_ok(), fine, "{base_url} {dev}");
        }
        assert!(settings("https://a.example", "http://auth.example/api/v2").check().is_err());
    }

    #[test]
    fn a_secret_is_not_shown() {
        let shown = format!("{:?}", settings("https://a.example", "https://b.example"));
        assert!(!shown.contains("canary"), "{shown}");
    }
}
