//! The owner of rooms: one door for every event, the timeline, state, members, receipts, and what changed since when.
//!
//! Never calls federation, never knows HTTP, never reads another owner's tables. A [`Rooms`] is one tenant's.

mod accept;
mod aliases;
mod auth_chain;
mod compose;
mod create;
mod ends;
mod error;
mod event;
mod feed;
mod handshake;
mod history;
mod members;
mod membership;
mod outside;
mod published;
mod receipts;
mod receive;
mod relations;
mod remote;
mod render;
mod resolution;
mod room;
mod served;
mod servers;
mod spaces;
pub mod state;
mod state_reads;
mod tables;
mod timeline;
mod typing;
mod upgrade;
mod views;
mod visibility;

use std::sync::Arc;

use events::{RoomVersion, Signer};
use kernel::{Clock, Random, id::OwnedServerName};
use store::Scope;

pub use compose::{Actor, NewEvent};
pub use create::{CreateRoom, Preset, Visibility};
pub use ends::Merger;
pub use error::Error;
pub use event::Event;
pub use feed::{Change, MemberChange, TOPIC};
pub use handshake::{Joined, OfferedInvite, Template};
pub use kernel::{RemoteError, RemoteResult};
pub use members::{Member, Membership, UserRoom, UserRoomAt, UserRooms};
pub use published::Summary;
pub use receipts::{Receipt, ReceiptType};
pub use receive::Received;
pub use relations::{Aggregations, Related, RelationQuery, ThreadSummary};
pub use remote::{
    AskedRooms, Gap, Handshake, JoinAnswer, Offline, Remote, RemoteKey, RemoteTemplate, StateEvents, StateIds,
};
pub use render::Render;
pub use spaces::{SpacePage, SpaceQuery, SpaceRoom};
pub use tables::Verdict;
pub use timeline::{Boundary, News, Page};
pub use typing::Typing;
pub use visibility::{Standing, Viewer};

/// States of other servers' telling that are kept in mind for each tenant.
const BRIDGED_MAX: usize = 1_000;

pub type Result<T> = std::result::Result<T, Error>;

/// One tenant's rooms. Cheap to clone.
#[derive(Clone)]
pub struct Rooms {
    inner: Arc<Inner>,
}

/// How a tenant wants its rooms.
#[derive(Clone)]
pub struct Settings {
    /// The version of rooms whose creator asks for none.
    pub default_version: RoomVersion,
}

impl Default for Settings {
    fn default() -> Self {
        Self { default_version: RoomVersion::DEFAULT }
    }
}

struct Inner {
    scope: Scope,
    server_name: OwnedServerName,
    signer: arc_swap::ArcSwap<Signer>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    settings: Settings,
    remote: Arc<dyn Remote>,
    trees: state::Trees,
    views: views::Views,
    events: event::Events,
    loaded: room::Loaded,
    typing: Arc<Typing>,
    resolutions: resolution::Resolutions,
    crowded: ends::Crowded,
    hierarchies: spaces::Remembered,
    /// The state after events that are not here, as other servers told it.
    bridged: quick_cache::sync::Cache<kernel::id::OwnedEventId, state::Root>,
    arrivals: handshake::Arrivals,
    /// The time, in milliseconds, that the last room was given.
    last_creation: std::sync::atomic::AtomicU64,
}

impl Rooms {
    /// Opens the tenant's rooms and begins to follow its commits.
    pub fn open(
        scope: Scope,
        server_name: OwnedServerName,
        signer: impl Into<Arc<Signer>>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        settings: Settings,
        remote: Arc<dyn Remote>,
    ) -> Self {
        let typing = Arc::new(Typing::new(clock.now()));
        let inner = Arc::new(Inner {
            trees: state::Trees::new(scope.clone()),
            views: views::Views::new(),
            events: event::Events::new(),
            loaded: room::Loaded::default(),
            server_name,
            signer: arc_swap::ArcSwap::new(signer.into()),
            clock,
            random,
            settings,
            remote,
            typing,
            resolutions: resolution::Resolutions::default(),
            crowded: ends::Crowded::default(),
            hierarchies: spaces::Remembered::default(),
            bridged: quick_cache::sync::Cache::new(BRIDGED_MAX),
            arrivals: handshake::Arrivals::default(),
            last_creation: std::sync::atomic::AtomicU64::new(0),
            scope: scope.clone(),
        });
        let weak = Arc::downgrade(&inner);
        scope.view(move |announcements| {
            if let Some(inner) = weak.upgrade() {
                inner.views.update(announcements);
                inner.events.update(announcements);
            }
        });
        Self { inner }
    }

    /// Signs events with another key from now on.
    pub fn sign_with(&self, signer: Arc<Signer>) {
        self.inner.signer.store(signer);
    }

    pub fn server_name(&self) -> &kernel::id::ServerName {
        &self.inner.server_name
    }

    /// The version of rooms whose creator asks for none.
    pub fn default_version(&self) -> &'static str {
        self.inner.settings.default_version.as_str()
    }

    /// The versions that rooms can be created with.
    pub fn creatable_versions(&self) -> impl Iterator<Item = &'static str> + use<> {
        RoomVersion::creatable().map(RoomVersion::as_str)
    }

    /// Who is typing where; lost at a restart, by design.
    pub fn typing(&self) -> &Arc<Typing> {
        &self.inner.typing
    }

    /// The last position of the tenant's stream that can be read.
    pub fn position(&self) -> kernel::Position {
        self.inner.scope.position()
    }
}
