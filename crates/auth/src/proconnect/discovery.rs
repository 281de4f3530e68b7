//! ProConnect's discovery document and keys: kept, asked for again in time, and still used for a while when it is down.

use std::{sync::Arc, time::Duration};

use kernel::Timestamp;
use openidconnect::{DiscoveryError, IssuerUrl, JsonWebKeySet, ProviderMetadataWithLogout, core::CoreJsonWebKey};
use url::Url;

use super::{Failure, http::HttpError};
use crate::Town;

/// Asked for again after this.
const FRESH: Duration = Duration::from_secs(3_600);
/// No longer used after this, should ProConnect be down for so long.
const STALE: Duration = Duration::from_secs(24 * 3_600);
/// After a failure the next attempt waits for this, so that a crowd fails at once and not one by one.
const PAUSE: Duration = Duration::from_secs(5);
/// A key that is not known has the keys asked for again, this often at most.
const KEYS_PAUSE: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(crate) struct Cache {
    known: Option<Arc<Known>>,
    failed: Option<(Timestamp, String)>,
}

/// What ProConnect says of itself.
pub(crate) struct Known {
    pub(crate) metadata: ProviderMetadataWithLogout,
    pub(crate) keys: JsonWebKeySet<CoreJsonWebKey>,
    since: Timestamp,
    keys_since: Timestamp,
}

impl Town {
    pub(crate) async fn known_provider(&self) -> Result<Arc<Known>, Failure> {
        if let Some(known) = self.cached(FRESH) {
            return Ok(known);
        }
        let _asking = self.provider.asking.lock().await;
        if let Some(known) = self.cached(FRESH) {
            return Ok(known);
        }
        if let Some(reason) = self.failed_just_now() {
            return self.cached(STALE).ok_or(Failure::Down(reason));
        }
        let now = self.now();
        match self.discover().await {
            Ok(known) => {
                let known = Arc::new(known);
                *self.provider.known.lock() = Cache { known: Some(Arc::clone(&known)), failed: None };
                Ok(known)
            }
            Err(failure) => {
                self.provider.known.lock().failed = Some((now, failure.to_string()));
                match (self.cached(STALE), failure) {
                    (Some(known), Failure::Down(_)) => Ok(known),
                    (_, failure) => Err(failure),
                }
            }
        }
    }

    /// The same with keys asked for anew: a token names one that is not among those known.
    pub(crate) async fn with_newer_keys(&self, known: &Known) -> Result<Arc<Known>, Failure> {
        let _asking = self.provider.asking.lock().await;
        let current = self.cached(STALE);
        if let Some(current) = current.filter(|current| current.keys_since > known.keys_since) {
            return Ok(current);
        }
        if self.now().since(known.keys_since) < KEYS_PAUSE {
            return Err(Failure::Untrusted("signed by a key that is not published".to_owned()));
        }
        let keys = JsonWebKeySet::fetch_async(known.metadata.jwks_uri(), &self.provider.client);
        let keys = keys.await.map_err(|error| explain(&error))?;
        let newer =
            Arc::new(Known { metadata: known.metadata.clone(), keys, since: known.since, keys_since: self.now() });
        self.provider.known.lock().known = Some(Arc::clone(&newer));
        Ok(newer)
    }

    fn cached(&self, age_max: Duration) -> Option<Arc<Known>> {
        let now = self.now();
        let cache = self.provider.known.lock();
        cache.known.clone().filter(|known| now.since(known.since) < age_max)
    }

    fn failed_just_now(&self) -> Option<String> {
        let now = self.now();
        let cache = self.provider.known.lock();
        cache.failed.as_ref().filter(|(at, _)| now.since(*at) < PAUSE).map(|(_, reason)| reason.clone())
    }

    async fn discover(&self) -> Result<Known, Failure> {
        let issuer = IssuerUrl::new(self.settings.proconnect.issuer().to_owned());
        let issuer = issuer.map_err(|_| Failure::Untrusted("the issuer is no URL".to_owned()))?;
        let metadata = ProviderMetadataWithLogout::discover_async(issuer, &self.provider.client);
        let metadata = metadata.await.map_err(|error| explain(&error))?;
        let logout = metadata.additional_metadata().end_session_endpoint.as_ref();
        let endpoints = [
            Some(metadata.authorization_endpoint().url()),
            metadata.token_endpoint().map(|endpoint| endpoint.url()),
            metadata.userinfo_endpoint().map(|endpoint| endpoint.url()),
            Some(metadata.jwks_uri().url()),
            logout.map(|endpoint| endpoint.url()),
        ];
        if !endpoints.into_iter().flatten().all(|url: &Url| self.settings.is_safe(url)) {
            return Err(Failure::Untrusted("an endpoint is not https".to_owned()));
        }
        let keys = metadata.jwks().clone();
        Ok(Known { metadata, keys, since: self.now(), keys_since: self.now() })
    }
}

/// Without the answer's body, which is nothing for a log.
fn explain(error: &DiscoveryError<HttpError>) -> Failure {
    match error {
        DiscoveryError::Request(error) => Failure::Down(error.to_string()),
        DiscoveryError::Response(status, ..) => Failure::Down(format!("status {}", status.as_u16())),
        other => Failure::Untrusted(format!("discovery: {other}")),
    }
}
