//! Spaces: rooms that name other rooms, walked from a root down, also through rooms that only other servers have (spec,
//! "Spaces").

mod child;
mod look;
mod preview;
mod told;

use std::collections::HashSet;

use kernel::id::{OwnedRoomId, OwnedServerName, RoomId, UserId};

pub(crate) use child::Child;
pub(crate) use look::Remembered;
use look::{Look, Stop};
pub(crate) use told::{Hierarchy, Told};

use crate::{Error, Result, Rooms, Summary, tables::STATE_NOW};

/// Rooms that one walk visits at most, those that the user may not see included.
const VISITED_MAX: usize = 2_000;
/// Children of one space that are looked at.
const CHILDREN_MAX: usize = 1_000;

/// Which part of a space's hierarchy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpaceQuery {
    /// How many steps from the root; no limit when `None`.
    pub depth_max: Option<usize>,
    pub suggested_only: bool,
}

/// A room of a hierarchy.
#[derive(Clone, Debug)]
pub struct SpaceRoom {
    pub room_id: OwnedRoomId,
    pub summary: Summary,
    /// Its `m.space.child` events as stripped state with `origin_server_ts`, JSON texts; none unless it is a space.
    pub children: Vec<String>,
}

/// Some rooms of a hierarchy, in the order of the walk.
#[derive(Clone, Debug, Default)]
pub struct SpacePage {
    pub rooms: Vec<SpaceRoom>,
    /// There are rooms after these.
    pub more: bool,
}

impl Rooms {
    /// A page of the rooms below `root` that the user may look at, each once, depth first. Rooms that are not here are asked of
    /// the servers that the links to them name, and left out if none tells of them.
    ///
    /// # Errors
    /// [`Error::NotMember`] for a root that they may not look at or that is not there.
    pub async fn space(
        &self,
        root: &RoomId,
        user: &UserId,
        query: &SpaceQuery,
        skip: usize,
        limit: usize,
    ) -> Result<SpacePage> {
        let mut look = Look::new(self, user, query.suggested_only);
        let mut page = SpacePage::default();
        let (mut shown, mut visited) = (0, HashSet::new());
        let mut to_visit = vec![Stop::root(root, &[])];
        while let Some(stop) = to_visit.pop() {
            if visited.len() >= VISITED_MAX || !visited.insert(stop.room.clone()) {
                continue;
            }
            let deepest = query.depth_max.is_some_and(|max| stop.depth >= max);
            let Some(seen) = look.at(&stop, deepest).await? else {
                if stop.depth == 0 {
                    return Err(Error::NotMember);
                }
                continue;
            };
            if page.rooms.len() >= limit {
                page.more = true;
                return Ok(page);
            }
            if !deepest {
                to_visit.extend(seen.below(stop.depth + 1));
            }
            if shown >= skip {
                let children = seen.children.into_iter().map(|child| child.json).collect();
                page.rooms.push(SpaceRoom { room_id: stop.room, summary: seen.summary, children });
            }
            shown += 1;
        }
        Ok(page)
    }

    /// What the room is, for a user who may look at it; by the word of one of the servers `via` if it is not here.
    ///
    /// # Errors
    /// [`Error::NoSuchRoom`], alike for a room that they may not look at.
    pub async fn summary_for(&self, room: &RoomId, user: &UserId, via: &[OwnedServerName]) -> Result<Summary> {
        let seen = Look::new(self, user, true).at(&Stop::root(room, via), true).await?;
        Ok(seen.ok_or(Error::NoSuchRoom)?.summary)
    }

    /// What the room links to, if it is a space.
    pub(crate) fn children(&self, room: &RoomId, suggested_only: bool) -> Result<Vec<Child>> {
        if self.room_type(room)?.as_deref() != Some("m.space") {
            return Ok(Vec::new());
        }
        let scan = self.inner.scope.scan(&STATE_NOW, (room, "m.space.child")).limit(CHILDREN_MAX);
        let ids: Vec<_> = scan.rows()?.into_iter().map(|(_, id)| id.0).collect();
        let events = self.inner.events(&*self.inner.room(room)?, &ids)?;
        let mut children: Vec<_> = events.iter().filter_map(|event| Child::of(&event.pdu)).collect();
        children.retain(|child| child.suggested || !suggested_only);
        children.sort_unstable();
        Ok(children)
    }
}
