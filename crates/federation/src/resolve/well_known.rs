//! `/.well-known/matrix/server` of other servers: where they have delegated to, for as long as they say (spec, "Resolving server
//! names", step 3).

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use http::{HeaderMap, StatusCode, header};
use kernel::{
    Clock, Timestamp,
    id::{OwnedServerName, ServerName},
};
use serde::Deserialize;
use url::Url;
use web::Outbound;

use crate::per_server::PerServer;

const BYTES_MAX: usize = 51_200;
const TIMEOUT: Duration = Duration::from_secs(10);
const REDIRECTS_MAX: usize = 5;
/// How long an answer counts that does not say; at least and at most if it does (spec: 24 and 48 hours).
const FRESH: Duration = Duration::from_hours(24);
const FRESH_MIN: Duration = Duration::from_mins(5);
const FRESH_MAX: Duration = Duration::from_hours(48);
/// How long nothing is asked after a failure (spec: an hour).
const FAILED: Duration = Duration::from_hours(1);

pub(crate) struct WellKnown {
    outbound: Outbound,
    clock: Arc<dyn Clock>,
    known: PerServer<Option<Known>>,
}

struct Known {
    delegate: Option<OwnedServerName>,
    found_at: Timestamp,
    fresh_until: Timestamp,
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "m.server")]
    server: OwnedServerName,
}

impl WellKnown {
    /// `outbound` is narrowed to the one URL of each request.
    pub(crate) fn new(outbound: Outbound, clock: Arc<dyn Clock>) -> Self {
        let outbound = outbound.capped(BYTES_MAX).within(TIMEOUT);
        Self { outbound, clock, known: PerServer::default() }
    }

    /// Where this server, a name without a port, has delegated to; None if it has not. Callers at one time share one request.
    pub(crate) async fn delegate(&self, server: &ServerName) -> Option<OwnedServerName> {
        let entry = self.known.get(server);
        let mut known = entry.lock().await;
        let now = self.clock.now();
        if let Some(known) = known.as_ref().filter(|known| known.fresh_until > now) {
            return known.delegate.clone();
        }
        let delegate = match self.fetch(server).await {
            Some((delegate, fresh)) => {
                *known = Some(Known { delegate: Some(delegate), found_at: now, fresh_until: now.plus(fresh) });
                return known.as_ref().and_then(|known| known.delegate.clone());
            }
            // An outage of the web server does not move the homeserver; for as long as an answer may count at all.
            None => known.take().filter(|known| now.since(known.found_at) < FRESH_MAX && known.delegate.is_some()),
        };
        let (delegate, found_at) = delegate.map_or((None, now), |known| (known.delegate, known.found_at));
        *known = Some(Known { delegate: delegate.clone(), found_at, fresh_until: now.plus(FAILED) });
        delegate
    }

    async fn fetch(&self, server: &ServerName) -> Option<(OwnedServerName, Duration)> {
        let mut url = Url::parse(&format!("https://{}/.well-known/matrix/server", server.host())).ok()?;
        for _ in 0..=REDIRECTS_MAX {
            let only = url.clone();
            let answer = self.outbound.for_owner(move |url| *url == only).get(url.as_str()).await.ok()?;
            if answer.status().is_redirection() {
                let location = answer.headers().get(header::LOCATION)?.to_str().ok()?;
                url = url.join(location).ok()?;
                continue;
            }
            if answer.status() != StatusCode::OK {
                return None;
            }
            let document: Document = serde_json::from_slice(answer.body()).ok()?;
            return Some((document.server, fresh_for(answer.headers(), self.clock.now())));
        }
        None
    }
}

/// How long an answer counts: its `max-age`, or else until it `Expires` (RFC 9111 §4.2.1).
fn fresh_for(headers: &HeaderMap, now: Timestamp) -> Duration {
    let lines = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    let directives: Vec<_> =
        lines.flat_map(|line| line.split(',')).map(|one| one.trim().to_ascii_lowercase()).collect();
    if directives.iter().any(|directive| directive == "no-store" || directive == "no-cache") {
        return FRESH_MIN;
    }
    let age = directives.iter().find_map(|directive| directive.strip_prefix("max-age=")?.parse().ok());
    let expires = || {
        let date = httpdate::parse_http_date(headers.get(header::EXPIRES)?.to_str().ok()?).ok()?;
        date.duration_since(UNIX_EPOCH).ok()?.checked_sub(Duration::from_millis(now.0))
    };
    age.map(Duration::from_secs).or_else(expires).unwrap_or(FRESH).clamp(FRESH_MIN, FRESH_MAX)
}
