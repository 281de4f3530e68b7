//! What one mock holds: its keys, its registrations, and who is in the middle of what.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use kernel::{Clock, Random, Timestamp};
use parking_lot::Mutex;

use super::{
    BASE, agents::Agents, claims::Identity, client::Client, expiring::Expiring, keys::Keys, request::Request,
    switches::Switches,
};

/// An authorization code is exchanged within a minute.
const CODE_LIFETIME: Duration = Duration::from_secs(60);
/// Access tokens; also `expires_in`.
pub(super) const ACCESS_LIFETIME: Duration = Duration::from_secs(3600);
/// What ProConnect's documentation grants; its code grants more.
const REFRESH_LIFETIME: Duration = Duration::from_secs(2 * 3600);
/// Never prolonged.
pub(super) const SESSION_LIFETIME: Duration = Duration::from_secs(12 * 3600);
/// Time to choose an agent.
const INTERACTION_LIFETIME: Duration = Duration::from_secs(3600);
/// A `jti` is remembered for as long as an assertion may be valid.
pub(super) const ASSERTION_LIFETIME: Duration = Duration::from_secs(3600);
const CLIENTS_MAX: usize = 10_000;
/// Characters of codes, tokens and ids: 258 bits.
const TOKEN_LENGTH: usize = 43;

pub(super) struct Provider {
    pub(super) issuer: String,
    /// Browsers share cookies between the ports of a host.
    pub(super) cookie: String,
    pub(super) keys: Keys,
    pub(super) desk: Mutex<Desk>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// Everything that changes, behind one lock which is never held across an await.
pub(super) struct Desk {
    pub(super) clients: BTreeMap<String, Client>,
    pub(super) agents: Agents,
    pub(super) switches: Switches,
    pub(super) interactions: Expiring<Arc<Request>>,
    pub(super) sessions: Expiring<Session>,
    pub(super) codes: Expiring<Code>,
    pub(super) access_tokens: Expiring<Grant>,
    pub(super) refresh_tokens: Expiring<Grant>,
    pub(super) assertions: Expiring<()>,
}

/// A browser in which somebody has signed in.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) sid: String,
    pub(super) identity: Arc<Identity>,
    pub(super) auth_time: Timestamp,
}

/// What a relying party was given.
#[derive(Clone)]
pub(super) struct Grant {
    /// Shared by a code and all tokens that came of it.
    pub(super) id: String,
    pub(super) session: Session,
    pub(super) request: Arc<Request>,
}

pub(super) struct Code {
    pub(super) grant: Grant,
    pub(super) used: bool,
}

impl Provider {
    pub(super) fn new(addr: SocketAddr, keys: Keys, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        let desk = Desk {
            clients: BTreeMap::new(),
            agents: Agents::sample(),
            switches: Switches::default(),
            interactions: Expiring::after(INTERACTION_LIFETIME),
            sessions: Expiring::after(SESSION_LIFETIME),
            codes: Expiring::after(CODE_LIFETIME),
            access_tokens: Expiring::after(ACCESS_LIFETIME),
            refresh_tokens: Expiring::after(REFRESH_LIFETIME),
            assertions: Expiring::after(ASSERTION_LIFETIME),
        };
        let cookie = format!("mock_proconnect_{}", addr.port());
        Self { issuer: format!("http://{addr}{BASE}"), cookie, keys, desk: Mutex::new(desk), clock, random }
    }

    pub(super) fn register(&self, client: Client) -> Result<(), String> {
        let mut desk = self.desk.lock();
        if client.redirect_uris.is_empty() {
            return Err(format!("client {} has no redirect URI", client.client_id));
        }
        if desk.clients.contains_key(&client.client_id) || desk.clients.len() >= CLIENTS_MAX {
            return Err(format!("client {} is registered already, or too many are", client.client_id));
        }
        desk.clients.insert(client.client_id.clone(), client);
        Ok(())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn token(&self) -> String {
        self.random.token(TOKEN_LENGTH)
    }
}

impl Desk {
    /// Forgets all that came of one code.
    pub(super) fn revoke(&mut self, grant: &str) {
        self.access_tokens.remove_where(|one| one.id == grant);
        self.refresh_tokens.remove_where(|one| one.id == grant);
    }

    /// Ends a session and what was granted in it.
    pub(super) fn end_session(&mut self, cookie: &str, now: Timestamp) {
        if let Some(session) = self.sessions.take(cookie, now) {
            self.access_tokens.remove_where(|grant| grant.session.sid == session.sid);
            self.refresh_tokens.remove_where(|grant| grant.session.sid == session.sid);
        }
    }
}
