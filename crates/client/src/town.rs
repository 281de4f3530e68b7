//! What the client-server API needs of one tenant.

use std::sync::Arc;

use accounts::{Accounts, SessionKind};
use directory::Directory;
use kernel::{
    Clock, Random,
    id::{OwnedServerName, ServerName, UserId},
};
use media::Media;
use rooms::{Actor, Rooms};

/// How a tenant shows itself to clients.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The URL that clients talk to, without a slash at its end: `https://matrix.metz.example`.
    pub base_url: String,
    /// Where `/.well-known/matrix/support` sends people; a page or an e-mail address.
    pub support: Option<String>,
}

/// One tenant, as this edge sees it.
pub struct Town {
    pub server_name: OwnedServerName,
    pub settings: Settings,
    pub accounts: Accounts,
    pub rooms: Rooms,
    pub directory: Directory,
    pub media: Media,
    pub sync: crate::sync::Sync,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub shutdown: web::Shutdown,
}

impl Town {
    /// A local user with the profile that rooms show.
    pub(crate) fn actor(&self, user: &UserId) -> web::Result<Actor> {
        let profile = self.accounts.profile(user)?.unwrap_or_default();
        Ok(Actor { user: user.to_owned(), display_name: profile.display_name, avatar_url: profile.avatar_url })
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
            SessionKind::Legacy => web::SessionKind::Legacy,
            SessionKind::Service => web::SessionKind::AppService,
        };
        Ok(web::Caller::new(web::Identity {
            user: session.user.clone(),
            device: Some(session.device.clone()),
            // A device has one session at a time.
            session: web::Session { id: session.device.to_string(), kind },
            is_admin: session.admin,
            is_suspended: session.suspended,
        }))
    }
}
