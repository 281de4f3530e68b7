//! A look at a room from outside: as it is here, or as another server tells it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use kernel::{
    Timestamp,
    id::{OwnedRoomId, OwnedServerName, RoomId, UserId},
};
use quick_cache::sync::Cache;
use tokio::time::{Instant, timeout_at};

use super::{Child, Hierarchy, Told};
use crate::{Result, Rooms, Summary};

/// Servers that are asked about one room.
const SERVERS_MAX: usize = 3;
/// Questions, and time, that one page of a walk may cost.
const QUESTIONS_MAX: usize = 60;
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an answer holds; and how many are remembered. That a room is not told of is not: it may be at any moment.
const REMEMBERED: Duration = Duration::from_secs(30);
const REMEMBERED_MAX: usize = 200;

/// Answers of other servers, by room and whether only suggested rooms were asked for.
pub(crate) struct Remembered(Cache<(OwnedRoomId, bool), (Timestamp, Arc<Hierarchy>)>);

impl Default for Remembered {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED_MAX))
    }
}

/// A room that a walk comes to.
pub(super) struct Stop {
    pub(super) room: OwnedRoomId,
    pub(super) depth: usize,
    /// Servers to ask about it.
    via: Vec<OwnedServerName>,
    /// What was told of it with the space that links to it.
    told: Option<Told>,
}

impl Stop {
    pub(super) fn root(room: &RoomId, via: &[OwnedServerName]) -> Self {
        Self { room: room.to_owned(), depth: 0, via: via.to_vec(), told: None }
    }
}

/// What the user is shown of a room.
pub(super) struct Seen {
    pub(super) summary: Summary,
    pub(super) children: Vec<Child>,
    /// Of its children, by the word of another server: what they are, and those that nobody here can be told of.
    told: HashMap<OwnedRoomId, Told>,
    closed: HashSet<OwnedRoomId>,
}

impl Seen {
    /// The rooms to visit below, the first last.
    pub(super) fn below(&self, depth: usize) -> Vec<Stop> {
        let open = self.children.iter().rev().filter(|child| !self.closed.contains(&child.room));
        let stop = |child: &Child| Stop {
            room: child.room.clone(),
            depth,
            via: child.via.clone(),
            told: self.told.get(&child.room).cloned(),
        };
        open.map(stop).collect()
    }
}

/// One user's look round, within bounds.
pub(super) struct Look<'a> {
    rooms: &'a Rooms,
    user: &'a UserId,
    suggested_only: bool,
    deadline: Instant,
    questions: usize,
}

impl<'a> Look<'a> {
    pub(super) fn new(rooms: &'a Rooms, user: &'a UserId, suggested_only: bool) -> Self {
        Self { rooms, user, suggested_only, deadline: Instant::now() + PATIENCE, questions: 0 }
    }

    /// What the user may see of the room; its children are not sought if it is the deepest of the walk.
    pub(super) async fn at(&mut self, stop: &Stop, deepest: bool) -> Result<Option<Seen>> {
        let ways = self.ways(stop)?;
        if ways.is_empty() || self.rooms.has_server(&stop.room, self.rooms.server_name())? {
            return self.here(&stop.room);
        }
        if let Some(told) = stop.told.as_ref().filter(|told| deepest || !told.is_space()) {
            return Ok(self.rooms.may_preview_told(told, self.user)?.then(|| seen(told, None)));
        }
        let Some(answer) = self.ask(&stop.room, ways).await else { return Ok(None) };
        Ok(self.rooms.may_preview_told(&answer.room, self.user)?.then(|| seen(&answer.room, Some(&answer))))
    }

    fn here(&self, room: &RoomId) -> Result<Option<Seen>> {
        if !self.rooms.may_preview(room, self.user)? {
            return Ok(None);
        }
        let children = self.rooms.children(room, self.suggested_only)?;
        let summary = self.rooms.summary(room)?;
        Ok(Some(Seen { summary, children, told: HashMap::new(), closed: HashSet::new() }))
    }

    /// The other servers to ask: those that were named, the inviter's, and the one that the room is named after.
    fn ways(&self, stop: &Stop) -> Result<Vec<OwnedServerName>> {
        let own = self.rooms.rooms_of(self.user)?;
        let inviter = own.get(&stop.room).map(|own| own.room.sender.server_name().to_owned());
        let namesake = stop.room.server_name().map(ToOwned::to_owned);
        let mut ways: Vec<OwnedServerName> = Vec::new();
        for server in stop.via.iter().cloned().chain(inviter).chain(namesake) {
            if server != self.rooms.server_name() && !ways.contains(&server) && ways.len() < SERVERS_MAX {
                ways.push(server);
            }
        }
        Ok(ways)
    }

    async fn ask(&mut self, room: &RoomId, ways: Vec<OwnedServerName>) -> Option<Arc<Hierarchy>> {
        let inner = &self.rooms.inner;
        let (key, now) = ((room.to_owned(), self.suggested_only), inner.clock.now());
        let remembered = inner.hierarchies.0.get(&key);
        if let Some((_, answer)) = remembered.filter(|(told, _)| now.since(*told) < REMEMBERED) {
            return Some(answer);
        }
        for server in ways {
            self.questions += 1;
            if self.questions > QUESTIONS_MAX {
                break;
            }
            let asked = inner.remote.hierarchy(&server, room, self.suggested_only);
            let answer = match timeout_at(self.deadline, asked).await {
                Ok(Ok(json)) => Hierarchy::read(room, &json),
                Ok(Err(error)) => {
                    tracing::debug!(%server, %room, %error, "a room is not told of");
                    None
                }
                Err(_) => break,
            };
            if let Some(answer) = answer {
                let answer = Arc::new(answer);
                inner.hierarchies.0.insert(key, (now, answer.clone()));
                return Some(answer);
            }
        }
        None
    }
}

/// The room as it is told, with what is told of its children.
fn seen(room: &Told, answer: Option<&Hierarchy>) -> Seen {
    let told = answer.iter().flat_map(|answer| &answer.children);
    let closed = answer.iter().flat_map(|answer| &answer.inaccessible_children);
    Seen {
        summary: room.summary(),
        children: room.children(),
        told: told.map(|told| (told.room_id.clone(), told.clone())).collect(),
        closed: closed.cloned().collect(),
    }
}
