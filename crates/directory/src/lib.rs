//! The reader of people and rooms: who of one tenant is found by which words, and which rooms are listed.
//!
//! Owns no table: its memory is built from the owners at the first search and kept true by their feed.

mod error;
mod fold;
mod listed;
mod people;
mod rooms_list;

use std::sync::Arc;

use accounts::Accounts;
use rooms::Rooms;
use store::Scope;

pub use error::Error;
pub use listed::{ListedPage, ListedRoom};
pub use people::{PeopleFound, Person};
use rooms_list::PAGE_MAX;
pub use rooms_list::{PublicRoom, RoomsFilter, RoomsPage};

pub type Result<T> = std::result::Result<T, Error>;

/// One tenant's directory. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    inner: Arc<Inner>,
}

struct Inner {
    accounts: Accounts,
    rooms: Rooms,
    people: people::People,
    listed: rooms_list::Listings,
}

impl Directory {
    /// Opens the directory of the tenant that `scope` is of and begins to follow its commits. Reads nothing yet.
    pub fn open(scope: &Scope, accounts: Accounts, rooms: Rooms) -> Result<Self> {
        let inner = Arc::new(Inner {
            accounts,
            rooms,
            people: people::People::default(),
            listed: rooms_list::Listings::default(),
        });
        let weak = Arc::downgrade(&inner);
        scope.view(move |announcements| {
            if let Some(inner) = weak.upgrade() {
                inner.people.note(announcements);
                inner.listed.note(announcements);
            }
        });
        Ok(Self { inner })
    }
}
