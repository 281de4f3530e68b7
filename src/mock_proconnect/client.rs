//! A relying party (ProConnect says "fournisseur de service"), as it is registered with the mock.

use openidconnect::core::CoreJsonWebKeySet;
use serde::{Deserialize, Serialize};

/// Scopes that a relying party may ask for unless it is registered otherwise: all but those kept to the State.
const SCOPES: [&str; 16] = [
    "openid",
    "given_name",
    "usual_name",
    "email",
    "uid",
    "siret",
    "siren",
    "phone",
    "organizational_unit",
    "belonging_population",
    "idp_id",
    "idp_acr",
    "roles",
    "organization_label",
    "custom",
    "amr",
];

/// What a JWT is signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "RS256")]
    Rs256,
    /// Keyed with the client secret.
    #[serde(rename = "HS256")]
    Hs256,
}

impl Algorithm {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Hs256 => "HS256",
        }
    }
}

/// How `/userinfo` answers: `application/json`, or `application/jwt` signed with the algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UserinfoFormat {
    #[serde(rename = "json")]
    Json,
    #[serde(untagged)]
    Signed(Algorithm),
}

/// A relying party's registration.
#[derive(Clone)]
pub struct Client {
    pub client_id: String,
    /// Sent as `client_secret_post`; also the key of HS256.
    pub client_secret: String,
    /// Matched to the letter, trailing slash included.
    pub redirect_uris: Vec<String>,
    pub post_logout_redirect_uris: Vec<String>,
    pub id_token_alg: Algorithm,
    pub userinfo_alg: UserinfoFormat,
    /// Scopes granted; asking for another that ProConnect knows is `invalid_scope`.
    pub scopes: Vec<String>,
    /// With keys, the client authenticates by `private_key_jwt` and its secret is refused.
    pub jwks: Option<CoreJsonWebKeySet>,
}

impl Client {
    /// A registration with ProConnect's defaults: ES256 id tokens, userinfo in JSON, `client_secret_post`, no logout URI.
    pub fn new(
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
        redirect_uri: impl Into<String>,
    ) -> Self {
        Self {
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            redirect_uris: vec![redirect_uri.into()],
            post_logout_redirect_uris: Vec::new(),
            id_token_alg: Algorithm::Es256,
            userinfo_alg: UserinfoFormat::Json,
            scopes: SCOPES.map(str::to_owned).to_vec(),
            jwks: None,
        }
    }
}
