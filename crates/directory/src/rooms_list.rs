//! The list of the tenant's public rooms (spec, "Published room directory").

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use kernel::id::{OwnedRoomId, RoomId};
use parking_lot::Mutex;
use rooms::{Change, Rooms, Summary, TOPIC};
use store::Announcement;

use crate::{Directory, Error, Result, fold};

/// Rooms of one page.
pub(crate) const PAGE_MAX: usize = 500;
/// Listed rooms whose summaries stay in memory.
const LISTINGS_MAX: usize = 5_000;

/// Which of the listed rooms.
#[derive(Clone, Debug, Default)]
pub struct RoomsFilter<'a> {
    /// Words that name, topic or alias must all hold; none: any room.
    pub term: Option<&'a str>,
    /// The types wanted, `None` among them for rooms without one; no list: any type.
    pub room_types: Option<Vec<Option<&'a str>>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicRoom {
    pub room: OwnedRoomId,
    pub summary: Summary,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomsPage {
    /// Most joined members first.
    pub rooms: Vec<Arc<PublicRoom>>,
    /// How many the filter lets through on all pages.
    pub total: usize,
    pub next: Option<String>,
    pub previous: Option<String>,
}

impl Directory {
    /// A page of the listed rooms; `since` is the `next` or `previous` of an earlier one. Rooms that cannot be read are left
    /// out, so that one does not hide the others (hazard E17).
    ///
    /// # Errors
    /// `NoSuchPage`.
    pub fn public_rooms(&self, filter: &RoomsFilter<'_>, limit: usize, since: Option<&str>) -> Result<RoomsPage> {
        let since = since.map(|token| Since::parse(token).ok_or(Error::NoSuchPage)).transpose()?;
        let limit = limit.clamp(1, PAGE_MAX);
        let terms = filter.term.map(fold::words).unwrap_or_default();
        let mut listed = Vec::new();
        for room in self.inner.rooms.published()? {
            match self.inner.listed.get(&self.inner.rooms, &room) {
                Ok(listing) if listing.passes(filter, &terms) => listed.push(listing),
                Ok(_) => {}
                Err(error) => tracing::error!(%room, %error, "a listed room cannot be read"),
            }
        }
        listed.sort_by(|a, b| a.place().cmp(&b.place()));
        let (start, end) = match &since {
            None => (0, limit),
            Some(Since::After(joined, room)) => {
                let start = listed.partition_point(|listing| listing.place() <= (Reverse(*joined), room));
                (start, start + limit)
            }
            Some(Since::Before(joined, room)) => {
                let end = listed.partition_point(|listing| listing.place() < (Reverse(*joined), room));
                (end.saturating_sub(limit), end)
            }
        };
        let end = end.min(listed.len());
        let rooms: Vec<_> = listed.get(start..end).unwrap_or_default().iter().map(|l| l.room.clone()).collect();
        Ok(RoomsPage {
            total: listed.len(),
            next: rooms.last().filter(|_| end < listed.len()).map(|room| Since::token('n', room)),
            previous: rooms.first().filter(|_| start > 0).map(|room| Since::token('p', room)),
            rooms,
        })
    }
}

/// Where a page begins or ends: a room's place in the order, whether or not it is still listed.
enum Since {
    After(u64, OwnedRoomId),
    Before(u64, OwnedRoomId),
}

impl Since {
    fn token(direction: char, room: &PublicRoom) -> String {
        format!("{direction}{}_{}", room.summary.joined, room.room)
    }

    fn parse(token: &str) -> Option<Self> {
        let (joined, room) = token.get(1..)?.split_once('_')?;
        let (joined, room) = (joined.parse().ok()?, RoomId::parse(room).ok()?);
        match token.chars().next()? {
            'n' => Some(Self::After(joined, room)),
            'p' => Some(Self::Before(joined, room)),
            _ => None,
        }
    }
}

/// A listed room with the text that terms are looked for in.
pub(crate) struct Listing {
    room: Arc<PublicRoom>,
    text: String,
}

impl Listing {
    fn place(&self) -> (Reverse<u64>, &OwnedRoomId) {
        (Reverse(self.room.summary.joined), &self.room.room)
    }

    fn passes(&self, filter: &RoomsFilter<'_>, terms: &[String]) -> bool {
        let of_type = |types: &Vec<_>| types.contains(&self.room.summary.room_type.as_deref());
        terms.iter().all(|term| self.text.contains(term.as_str())) && filter.room_types.as_ref().is_none_or(of_type)
    }
}

/// Summaries in memory, each until its room changes.
#[derive(Default)]
pub(crate) struct Listings {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    slots: HashMap<OwnedRoomId, Slot>,
    reads: u64,
}

#[derive(Clone)]
enum Slot {
    /// Being read, by the reader of this number: a change meanwhile removes the slot, and what was read is not kept.
    Reading(u64),
    Read(Arc<Listing>),
}

impl Listings {
    /// Forgets what a commit made untrue. On the committer: reads nothing.
    pub(crate) fn note(&self, announcements: &[Announcement]) {
        let mut known = self.known.lock();
        if known.slots.is_empty() {
            return;
        }
        for announcement in announcements.iter().filter(|announcement| announcement.topic == TOPIC) {
            match announcement.read::<Change>() {
                Ok(Change::Event { room, .. } | Change::Published { room }) => {
                    known.slots.remove(&room);
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "an entry of the feed cannot be read"),
            }
        }
    }

    fn get(&self, rooms: &Rooms, room: &RoomId) -> Result<Arc<Listing>> {
        let reader = {
            let mut known = self.known.lock();
            if let Some(Slot::Read(listing)) = known.slots.get(room) {
                return Ok(listing.clone());
            }
            if known.slots.len() >= LISTINGS_MAX {
                known.slots.clear();
            }
            known.reads += 1;
            let reader = known.reads;
            known.slots.insert(room.to_owned(), Slot::Reading(reader));
            reader
        };
        let summary = rooms.summary(room)?;
        let alias = summary.canonical_alias.as_deref().unwrap_or_default();
        let (name, topic) = (summary.name.as_deref().unwrap_or_default(), summary.topic.as_deref().unwrap_or_default());
        let text = fold::fold(&format!("{name}\n{topic}\n{alias}"));
        let listing = Arc::new(Listing { room: Arc::new(PublicRoom { room: room.to_owned(), summary }), text });
        let mut known = self.known.lock();
        if matches!(known.slots.get(room), Some(Slot::Reading(last)) if *last == reader) {
            known.slots.insert(room.to_owned(), Slot::Read(listing.clone()));
        }
        Ok(listing)
    }
}
