//! The assertion of `private_key_jwt` (RFC 7523 §3): signed with the key that `/oauth2/keys.json` shows.

use serde_json::json;

use crate::{Error, Town};

const LIFETIME_SECS: u64 = 60;
const ID_LENGTH: usize = 32;

impl Town {
    pub(crate) async fn assertion(&self, token_endpoint: &str) -> Result<String, Error> {
        let now = self.now().as_secs();
        let client_id = &self.settings.proconnect.client_id;
        self.signing.key().await?.sign(&json!({
            "iss": client_id,
            "sub": client_id,
            "aud": token_endpoint,
            "jti": self.random.token(ID_LENGTH),
            "iat": now,
            "exp": now + LIFETIME_SECS,
        }))
    }
}
