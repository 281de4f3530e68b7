//! One tenant, as this edge sees it.

use std::sync::Arc;

use accounts::Accounts;
use directory::Directory;
use kernel::{
    Clock, Random,
    id::{OwnedServerName, ServerName},
};
use media::Media;
use rooms::Rooms;
use web::{Arrival, Caller, Homeserver};

use crate::{
    inbound::{Places, Queries},
    peers::Peers,
};

/// How a tenant shows itself to other servers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where its server-server API is: host and port, for `/.well-known/matrix/server`.
    pub delegate: OwnedServerName,
}

pub struct Town {
    pub server_name: OwnedServerName,
    pub settings: Settings,
    pub peers: Arc<Peers>,
    pub accounts: Accounts,
    pub rooms: Rooms,
    pub directory: Directory,
    pub media: Media,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub places: Places,
    pub queries: Queries,
}

impl web::Town for Town {
    fn server_name(&self) -> &ServerName {
        &self.server_name
    }

    async fn authenticate(&self, _: &str) -> web::Result<Caller> {
        Err(web::Error::unknown_token(false))
    }

    async fn authenticate_server(&self, request: &mut Arrival<'_>) -> web::Result<Homeserver> {
        self.signed_by(request).await
    }
}
