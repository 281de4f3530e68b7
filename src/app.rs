//! Builds everything once: a tenant's owners and edges, and the table of all routes. The only place where a port meets its
//! implementation.

use std::{path::PathBuf, sync::Arc};

use accounts::Accounts;
use anyhow::Context;
use async_trait::async_trait;
use federation::{Outbound, OutboundParts, OwnKeys, Peers, PeersParts, Places, Queries, Wall};
use kernel::{Clock, Random, id::UserId};
use media::Media;
use rooms::{Actor, Rooms};
use store::Scope;

use crate::config::TenantConfig;

/// One tenant of the process: what its requests and its administration reach.
pub struct App {
    pub config: TenantConfig,
    pub accounts: Accounts,
    pub rooms: Rooms,
    pub client: Arc<client::Town>,
    pub device_lists: client::DeviceLists,
    pub auth: Arc<auth::Town>,
    pub federation: Arc<federation::Town>,
    /// What waits to be sent to other servers, and its sending.
    pub outbound: Outbound,
}

/// What all tenants are built with.
pub struct Parts {
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub outbound: web::Outbound,
    /// The way to other servers.
    pub network: Arc<federation::Network>,
    /// Where the tenants' files lie, each tenant's in a folder of its number.
    pub media_folder: PathBuf,
    pub file_bytes_max: u64,
    pub shutdown: web::Shutdown,
    /// See [`crate::config::ServerConfig::dev`].
    pub dev: bool,
}

impl App {
    /// Opens a tenant over its share of the store. Needs a tokio runtime, for its long polls.
    ///
    /// # Errors
    /// When its rows cannot be read, or its settings cannot be.
    pub fn open(config: TenantConfig, scope: Scope, keys: OwnKeys, parts: &Parts) -> anyhow::Result<Self> {
        let server_name = config.server_name.clone();
        let (clock, random) = (parts.clock.clone(), parts.random.clone());
        let signer = keys.current();
        let peers = Arc::new(Peers::open(PeersParts {
            server_name: server_name.clone(),
            wall: Wall::new(server_name.clone(), config.federation.allowlist()),
            keys,
            notaries: config.federation.notaries.clone(),
            network: parts.network.clone(),
            scope: scope.clone(),
            clock: clock.clone(),
        }));
        let accounts =
            Accounts::open(scope.clone(), server_name.clone(), clock.clone(), random.clone(), peers.clone())?;
        accounts.set_sign_in_age_max(config.sign_in_age_max());
        let settings = config.room_settings();
        let rooms = Rooms::open(
            scope.clone(),
            server_name.clone(),
            signer,
            clock.clone(),
            random.clone(),
            settings,
            peers.clone(),
        );
        let directory = directory::Directory::open(&scope, accounts.clone(), rooms.clone())?;
        let media = Media::open(
            scope.clone(),
            server_name.clone(),
            media::Settings {
                folder: parts.media_folder.join(scope.tenant().0.to_string()),
                file_bytes_max: parts.file_bytes_max,
            },
            clock.clone(),
            random.clone(),
            peers.clone(),
        )
        .with_context(|| parts.media_folder.display().to_string())?;
        let client = client::Town {
            server_name: server_name.clone(),
            settings: config.client_settings(),
            sync: client::Sync::new(&scope, rooms.clone()),
            accounts: accounts.clone(),
            rooms: rooms.clone(),
            directory: directory.clone(),
            media: media.clone(),
            clock: clock.clone(),
            random: random.clone(),
            shutdown: parts.shutdown.clone(),
        };
        let device_lists = client::DeviceLists::new(accounts.clone(), rooms.clone());
        let federation = federation::Town {
            server_name: server_name.clone(),
            settings: config.federation_settings(),
            peers,
            accounts: accounts.clone(),
            rooms: rooms.clone(),
            directory,
            media,
            clock: clock.clone(),
            random: random.clone(),
            places: Places::default(),
            queries: Queries::default(),
        };
        let outbound = Outbound::start(OutboundParts {
            scope: scope.clone(),
            accounts: accounts.clone(),
            rooms: rooms.clone(),
            carrier: federation.peers.clone(),
            clock: clock.clone(),
            random: random.clone(),
        });
        let issuer = config.issuer().clone();
        let auth = auth::Town::open(auth::Parts {
            server_name,
            settings: config.auth_settings(parts.dev),
            accounts: accounts.clone(),
            scope,
            // Sign-in reaches this tenant's ProConnect and no other host.
            outbound: Arc::new(parts.outbound.for_owner(move |url| url.origin() == issuer.origin())),
            renamed: Arc::new(Renames { accounts: accounts.clone(), rooms: rooms.clone() }),
            clock,
            random,
        })?;
        let (client, auth, federation) = (Arc::new(client), Arc::new(auth), Arc::new(federation));
        Ok(Self { config, accounts, rooms, client, device_lists, auth, federation, outbound })
    }
}

/// The whole table, of all edges.
pub fn routes() -> web::Routes<App> {
    client::routes()
        .lift(|app: &App| &app.client)
        .merge(auth::routes().lift(|app: &App| &app.auth))
        .merge(federation::routes().lift(|app: &App| &app.federation))
}

/// Carries a new name from sign-in to the rooms that show it.
struct Renames {
    accounts: Accounts,
    rooms: Rooms,
}

#[async_trait]
impl auth::Renamed for Renames {
    async fn renamed(&self, user: &UserId, display_name: &str) {
        let avatar_url = self.accounts.profile(user).ok().flatten().and_then(|profile| profile.avatar_url);
        let actor = Actor { user: user.to_owned(), display_name: Some(display_name.to_owned()), avatar_url };
        if let Err(error) = self.rooms.update_profile(&actor).await {
            tracing::error!(%error, %user, "a new name did not reach all rooms");
        }
    }
}
