//! A room's ends are kept few: where its graph ends in many events, one that says nothing follows them, so that what comes next
//! need not make one state of many again. Such an event is as Synapse makes it; clients are never shown one.

use std::{collections::HashSet, time::Duration};

use async_trait::async_trait;
use events::{CanonicalJsonObject, Draft, Pdu};
use kernel::{
    Progress, Worker,
    id::{EventId, OwnedEventId, OwnedRoomId, RoomId},
    limits::PREV_EVENTS_MAX,
};
use parking_lot::Mutex;

use crate::{Membership, Result, Rooms, accept::Unit, room::Room, state::Root};

/// The type of the event that says nothing.
const DUMMY: &str = "org.matrix.dummy_event";
/// Ends that a room may have.
const ENDS_MAX: usize = 10;
/// Rooms with too many that are remembered; others are noticed again at their next event.
const CROWDED_MAX: usize = 1_000;
/// Local members who are tried as the sender.
const SPEAKERS_MAX: usize = 10;
/// Between two rounds when there is nothing to do.
const INTERVAL: Duration = Duration::from_secs(60);

/// The rooms of a tenant that have too many ends.
#[derive(Default)]
pub(crate) struct Crowded(Mutex<HashSet<OwnedRoomId>>);

impl Crowded {
    pub(crate) fn note(&self, room: &RoomId, ends: usize) {
        let mut rooms = self.0.lock();
        if ends > ENDS_MAX && rooms.len() < CROWDED_MAX {
            rooms.insert(room.to_owned());
        }
    }

    fn take(&self) -> Option<OwnedRoomId> {
        let mut rooms = self.0.lock();
        let room = rooms.iter().next().cloned()?;
        rooms.take(&room)
    }
}

/// The worker that brings the ends of a tenant's rooms together. It comes round in its own time: servers that answered each
/// other's forks at once would make new ones.
pub struct Merger(pub Rooms);

#[async_trait]
impl Worker for Merger {
    fn name(&self) -> &'static str {
        "ends of rooms"
    }

    async fn work(&self) -> std::result::Result<Progress, Box<dyn std::error::Error + Send + Sync>> {
        let Self(rooms) = self;
        let Some(room) = rooms.inner.crowded.take() else { return Ok(Progress::Idle) };
        let room = rooms.inner.room(&room)?;
        let mut unit = Unit::new(&rooms.inner, room.clone(), room.lock().await);
        if rooms.merge_ends(&mut unit, ENDS_MAX).await? {
            unit.commit().await?;
        }
        Ok(Progress::Busy)
    }

    async fn wait_for_work(&self) {
        tokio::time::sleep(INTERVAL).await;
    }
}

impl Rooms {
    /// Lets events that say nothing follow the room's ends, each as many as it may cite, until there are no more than `max`.
    /// False if there is nothing to do, or nobody here who may.
    pub(crate) async fn merge_ends(&self, unit: &mut Unit<'_>, max: usize) -> Result<bool> {
        let room = unit.room.clone();
        let mut ends: Vec<(OwnedEventId, Root)> = Vec::new();
        if unit.head.extremities.len() > max {
            let ids = unit.head.extremities.clone();
            let states = self.states_after(&room, &ids).await?;
            ends.extend(ids.into_iter().zip(states));
        }
        let mut merged = false;
        while ends.len() > max {
            let some: Vec<(OwnedEventId, Root)> = ends.drain(..ends.len().min(PREV_EVENTS_MAX)).collect();
            let (ids, states): (Vec<OwnedEventId>, Vec<Root>) = some.into_iter().unzip();
            let before = self.resolve(&room, &states, &[]).await?;
            let Some(pdu) = self.say_nothing(unit, ids, before)? else { break };
            ends.push((pdu.event_id().to_owned(), before));
            let (ids, states): (Vec<OwnedEventId>, Vec<Root>) = ends.iter().cloned().unzip();
            let now = self.resolve(&room, &states, &[]).await?;
            unit.follow(pdu, before, now, ids)?;
            merged = true;
        }
        Ok(merged)
    }

    /// The states after ends of the room, also of those that are still on their way to the disk.
    pub(crate) async fn states_after(&self, room: &Room, ids: &[OwnedEventId]) -> Result<Vec<Root>> {
        if !self.unknown(room, ids)?.is_empty() {
            // What is queued before this is written before it.
            self.inner.scope.commit(self.inner.scope.batch()).await?;
        }
        Ok(self.inner.events(room, ids)?.iter().map(|event| event.state_after).collect())
    }

    /// An event behind these by a local member who may send one in the room as it is there and now; `None` if nobody may.
    fn say_nothing(&self, unit: &Unit<'_>, prev_events: Vec<OwnedEventId>, before: Root) -> Result<Option<Pdu>> {
        let (room, powers) = (&unit.room, unit.power_levels()?);
        let members = self.members(&room.id)?.into_iter().filter(|member| {
            let local = member.user.server_name() == self.server_name();
            local && member.membership == Membership::Join && powers.may_send(&member.user, DUMMY, false)
        });
        for member in members.take(SPEAKERS_MAX) {
            let content = CanonicalJsonObject::new();
            let mut auth_events = Vec::new();
            for (kind, key) in events::auth_types(room.version, DUMMY, &member.user, None, &content)? {
                auth_events.extend(self.inner.trees.get(before, &kind, &key)?);
            }
            let draft = Draft {
                room_id: Some(room.id.clone()),
                sender: member.user,
                event_type: DUMMY.to_owned(),
                state_key: None,
                content,
                redacts: None,
                prev_events: prev_events.clone(),
                auth_events,
                depth: unit.head.depth.saturating_add(1),
                origin_server_ts: self.inner.clock.now(),
            };
            let hash = |id: &EventId| unit.event(id).ok()?.reference_hash(room.version).ok();
            let pdu = draft.seal_citing(room.version, &self.inner.signer.load(), hash)?;
            if self.is_allowed_in(room, &pdu, before)? && self.is_allowed_in(room, &pdu, unit.head.state)? {
                return Ok(Some(pdu));
            }
        }
        tracing::info!(room = %room.id, "the room has many ends, and nobody here may bring them together");
        Ok(None)
    }
}

/// Whether the event only brings ends of the graph together: nothing for anybody to see.
pub(crate) fn says_nothing(pdu: &Pdu) -> bool {
    pdu.kind() == DUMMY
}
