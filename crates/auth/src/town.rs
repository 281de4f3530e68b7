//! The handle of one tenant's signing in.

use std::sync::Arc;

use accounts::{Accounts, SessionKind};
use kernel::{
    Clock, Random, Timestamp,
    id::{OwnedServerName, ServerName},
};
use store::Scope;

use crate::{
    Http, Renamed, Result, Settings, browser::Browsers, end_session::Departures, flow::Flows, proconnect::Provider,
    signing::Signing,
};

/// What a [`Town`] is made of.
pub struct Parts {
    pub server_name: OwnedServerName,
    pub settings: Settings,
    pub accounts: Accounts,
    pub scope: Scope,
    /// Reaches ProConnect, and nothing else is asked of it.
    pub outbound: Arc<dyn Http>,
    pub renamed: Arc<dyn Renamed>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

/// One tenant's authorization server.
pub struct Town {
    pub(crate) server_name: OwnedServerName,
    pub(crate) settings: Settings,
    pub(crate) accounts: Accounts,
    pub(crate) provider: Provider,
    pub(crate) signing: Signing,
    pub(crate) flows: Flows,
    pub(crate) browsers: Browsers,
    pub(crate) departures: Departures,
    pub(crate) renamed: Arc<dyn Renamed>,
    pub(crate) random: Arc<dyn Random>,
    clock: Arc<dyn Clock>,
}

impl Town {
    /// Once per tenant and process. Asks nobody anything yet: ProConnect may be down.
    ///
    /// # Errors
    /// [`crate::Error::Settings`].
    pub fn open(parts: Parts) -> Result<Self> {
        let Parts { server_name, settings, accounts, scope, outbound, renamed, clock, random } = parts;
        settings.check()?;
        Ok(Self {
            server_name,
            accounts,
            provider: Provider::new(outbound),
            signing: Signing::new(scope, Arc::clone(&clock), Arc::clone(&random)),
            flows: Flows::new(),
            browsers: Browsers::new(),
            departures: Departures::new(),
            renamed,
            random,
            clock,
            settings,
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.settings.url(path)
    }
}

impl web::Town for Town {
    fn server_name(&self) -> &ServerName {
        &self.server_name
    }

    async fn authenticate(&self, token: &str) -> web::Result<web::Caller> {
        let session = self.accounts.authenticate(token).await?;
        let kind = match session.kind {
            SessionKind::Oauth { .. } => web::SessionKind::OAuth,
            SessionKind::Legacy | SessionKind::Service => web::SessionKind::Legacy,
        };
        Ok(web::Caller::new(web::Identity {
            user: session.user.clone(),
            // A device has one session.
            session: web::Session { id: session.device.to_string(), kind },
            device: Some(session.device.clone()),
            is_admin: session.admin,
            is_suspended: session.suspended,
        }))
    }
}
