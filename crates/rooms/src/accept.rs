//! The one door: every event, made here or received, passes through a [`Unit`] to become part of its room.
//!
//! A unit is one change of one room: the events that are accepted in it, and all rows and indexes that follow from them,
//! are one batch, written together or not at all.

mod ahead;
mod begin;
mod commit;
mod indexes;
mod past;
mod redaction;

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use events::{Pdu, content::MemberContent};
use kernel::{
    id::{EventId, OwnedDeviceId, OwnedEventId, OwnedServerName, OwnedTransactionId, OwnedUserId, RoomId, ServerName},
    limits::PREV_EVENTS_MAX,
};
use store::{Batch, Stamp};
use tokio::sync::OwnedMutexGuard;

use crate::{
    Change, Error, Inner, Membership, Result, Rooms, TOPIC, Verdict,
    room::{Room, Writer},
    state::{Growth, Root},
    tables::{BY_TIME, EVENTS, EventRow, HeadRow, OwnedEventIdRow, TIMELINE, TRANSACTIONS},
};

pub(crate) use begin::Told;
pub(crate) use past::Past;

/// What accompanies an event that a client sent.
pub(crate) type Transaction = (OwnedUserId, OwnedDeviceId, OwnedTransactionId);

/// A change of a room under construction, by the one who holds the room's lock.
pub(crate) struct Unit<'a> {
    pub(crate) inner: &'a Inner,
    pub(crate) room: Arc<Room>,
    guard: OwnedMutexGuard<Writer>,
    /// The room's end as this unit leaves it.
    pub(crate) head: HeadRow,
    /// The servers with joined members, as this unit leaves them.
    servers: Arc<BTreeMap<OwnedServerName, u32>>,
    pub(crate) batch: Batch,
    growth: Growth<'a>,
    roots: Vec<Root>,
    fresh: HashMap<OwnedEventId, Arc<Pdu>>,
    sent: Vec<(Transaction, OwnedEventId)>,
    /// The next writer must wait until this is on disk, for it reads there what this writes.
    holds_on: bool,
}

/// An event of another server whose place in the room has been found.
pub(crate) struct Arrival {
    pub(crate) pdu: Pdu,
    pub(crate) state_before: Root,
    /// On the event's own branch, and on disk, as is the state before.
    pub(crate) state_after: Root,
    pub(crate) verdict: Verdict,
    /// The room's end once the event is in, and the state that it resolves to, which is on disk.
    pub(crate) extremities: Vec<OwnedEventId>,
    pub(crate) room_state: Root,
    /// Events that it cites and that this server does not have: the timeline has a gap before it.
    pub(crate) missing: Vec<OwnedEventId>,
    /// Joined, left or knocked by way of this server, which tells the others in the room.
    pub(crate) relayed_from: Option<OwnedServerName>,
}

/// How an event enters the room.
struct Entry {
    verdict: Verdict,
    state_before: Root,
    state_after: Root,
    transaction: Option<Transaction>,
    /// It was stored before, as an outlier.
    known: bool,
    /// Made or relayed here: the others in the room must be told, all but the one that it came from.
    told: bool,
    from: Option<OwnedServerName>,
}

impl<'a> Unit<'a> {
    /// Begins a change of the room whose lock `guard` is.
    pub(crate) fn new(inner: &'a Inner, room: Arc<Room>, guard: OwnedMutexGuard<Writer>) -> Self {
        Self {
            inner,
            head: guard.head.clone(),
            servers: guard.servers.clone(),
            batch: inner.scope.batch(),
            growth: Growth::new(&inner.trees),
            roots: Vec::new(),
            fresh: HashMap::new(),
            sent: Vec::new(),
            holds_on: false,
            room,
            guard,
        }
    }

    /// Checks an event that was made here, on the room's end, against the rules and, if it may, puts it and all that follows
    /// from it into the batch.
    ///
    /// # Errors
    /// [`Error::Denied`] when the authorization rules refuse it; the unit is then as it was before.
    pub(crate) fn accept(&mut self, pdu: Pdu, transaction: Option<Transaction>) -> Result<Arc<Pdu>> {
        self.authorise(&pdu)?;
        let state_before = self.head.state;
        let state_after = match pdu.state_key() {
            Some(state_key) => self.growth.insert(state_before, pdu.kind(), state_key, pdu.event_id())?,
            None => state_before,
        };
        // More extremities than an event may cite are left for the next one.
        let cited = pdu.prev_events();
        self.head.extremities.retain(|id| !cited.contains(id));
        self.head.extremities.push(pdu.event_id().to_owned());
        let entry = Entry {
            verdict: Verdict::Accepted,
            state_before,
            state_after,
            transaction,
            known: false,
            told: true,
            from: None,
        };
        self.enter(pdu, entry, state_after)
    }

    /// Takes in an event of another server, with the verdict on it.
    pub(crate) fn receive(&mut self, arrival: Arrival) -> Result<Arc<Pdu>> {
        let Arrival { pdu, state_before, state_after, verdict, extremities, room_state, missing, relayed_from } =
            arrival;
        // It may come from two servers at once, and be redacted as soon as it is seen: who comes next must find it.
        self.holds_on = true;
        let known = self.inner.scope.has(&EVENTS, (self.room.id.as_ref(), pdu.event_id()))?;
        let entry = Entry {
            verdict,
            state_before,
            state_after,
            transaction: None,
            known,
            told: relayed_from.is_some(),
            from: relayed_from,
        };
        if verdict != Verdict::Accepted {
            return self.set_aside(pdu, entry);
        }
        if !missing.is_empty() {
            self.leave_gap(&missing);
        }
        self.head.extremities = extremities;
        self.enter(pdu, entry, room_state)
    }

    /// Takes in an event that was made here to follow some of the room's ends; `ends` are those that there are then, and
    /// `room_state` is what they resolve to, on disk.
    pub(crate) fn follow(&mut self, pdu: Pdu, state: Root, room_state: Root, ends: Vec<OwnedEventId>) -> Result<()> {
        self.head.extremities = ends;
        let entry = Entry {
            verdict: Verdict::Accepted,
            state_before: state,
            state_after: state,
            transaction: None,
            known: false,
            told: true,
            from: None,
        };
        self.enter(pdu, entry, room_state).map(drop)
    }

    /// Makes the event part of the room, whose state is `room_state` from now on.
    fn enter(&mut self, pdu: Pdu, entry: Entry, room_state: Root) -> Result<Arc<Pdu>> {
        let pdu = Arc::new(pdu);
        let id = pdu.event_id().to_owned();
        let before = self.servers.clone();
        self.fresh.insert(id.clone(), pdu.clone());
        let stamp = self.batch.stamp();
        let replaces = self.replaced(&pdu, entry.state_before)?;
        let redacted_by = if entry.told { None } else { self.early_redaction(&pdu)? };
        self.become_state(room_state, &pdu, stamp)?;
        let redacts = self.redact(&pdu, entry.state_before)?;
        let json = match &redacted_by {
            Some(_) => events::redact(&pdu, self.room.version)?.into_json(),
            None => {
                crate::relations::index(self, &pdu, stamp);
                pdu.json().to_owned()
            }
        };
        let row = EventRow {
            json,
            verdict: entry.verdict,
            order: 0,
            state_before: entry.state_before,
            state_after: (entry.state_after != room_state).then_some(entry.state_after),
            room_state,
            redacted_by,
            transaction: entry.transaction.as_ref().map(|(_, device, id)| (device.clone(), id.clone())),
            replaces,
        };
        self.write_event(&pdu, stamp, &row);
        if let Some((user, device, txn)) = &entry.transaction {
            let key = (user.as_ref(), device.as_ref(), self.room.id.as_ref(), txn.as_ref());
            self.batch.put(&TRANSACTIONS, key, &OwnedEventIdRow(id.clone()));
        }
        let member = member_of(&pdu).map(|(user, membership)| crate::MemberChange { user, membership });
        let to = if entry.told { self.destinations(&before, &pdu, entry.from.as_deref()) } else { Vec::new() };
        let change = Change::Event {
            room: self.room.id.clone(),
            event_id: id.clone(),
            sender: pdu.sender().to_owned(),
            member,
            redacts,
            known: entry.known,
            to,
        };
        self.batch.announce(TOPIC, stamp, &change);
        self.head.depth = self.head.depth.max(pdu.depth());
        self.sent.extend(entry.transaction.map(|key| (key, id)));
        self.roots.extend([entry.state_after, room_state]);
        Ok(pdu)
    }

    fn write_event(&mut self, pdu: &Pdu, stamp: Stamp, row: &EventRow) {
        let (room, id) = (self.room.id.clone(), pdu.event_id());
        self.batch.put_stamped(&EVENTS, (room.as_ref(), id), stamp, row);
        self.batch.put(&TIMELINE, (room.as_ref(), stamp, 0_u32), &OwnedEventIdRow(id.to_owned()));
        self.batch.put(&BY_TIME, (room.as_ref(), pdu.origin_server_ts(), id), &());
    }

    /// Keeps an event that is no part of the room, so that its id is known and what cites it can be judged.
    fn set_aside(&mut self, pdu: Pdu, entry: Entry) -> Result<Arc<Pdu>> {
        let pdu = Arc::new(pdu.with_rejected(entry.verdict.is_rejected()));
        let stamp = self.batch.stamp();
        let row = EventRow {
            json: pdu.json().to_owned(),
            verdict: entry.verdict,
            order: 0,
            state_before: entry.state_before,
            state_after: Some(entry.state_after),
            room_state: self.head.state,
            redacted_by: None,
            transaction: None,
            replaces: None,
        };
        self.batch.put_stamped(&EVENTS, (self.room.id.as_ref(), pdu.event_id()), stamp, &row);
        if entry.known {
            let change = Change::Known { room: self.room.id.clone(), events: vec![pdu.event_id().to_owned()] };
            self.batch.announce(TOPIC, stamp, &change);
        }
        self.fresh.insert(pdu.event_id().to_owned(), pdu.clone());
        self.roots.push(entry.state_after);
        Ok(pdu)
    }

    /// The current state of this key, as this unit has it so far.
    pub(crate) fn state(&self, event_type: &str, state_key: &str) -> Result<Option<Arc<Pdu>>> {
        self.state_in(self.head.state, event_type, state_key)
    }

    pub(crate) fn state_in(&self, root: Root, event_type: &str, state_key: &str) -> Result<Option<Arc<Pdu>>> {
        match self.growth.get(root, event_type, state_key)? {
            Some(id) => self.event(&id).map(Some),
            None => Ok(None),
        }
    }

    /// An event of the room that must be there.
    pub(crate) fn event(&self, id: &EventId) -> Result<Arc<Pdu>> {
        if let Some(pdu) = self.fresh.get(id) {
            return Ok(pdu.clone());
        }
        let event = self.inner.event(&self.room, id)?;
        event.map(|event| event.pdu.clone()).ok_or_else(|| Error::Damaged(format!("event {id} is missing")))
    }

    /// Whether other servers have members in the room.
    pub(crate) fn is_shared(&self) -> bool {
        self.servers.keys().any(|server| *server != self.inner.server_name)
    }

    /// Whether the rules allow the event on the room's end.
    pub(crate) fn authorise(&self, pdu: &Pdu) -> Result<()> {
        let failure = RefCell::new(None);
        let keep = |error: Error| {
            failure.borrow_mut().get_or_insert(error);
        };
        let version = self.room.version;
        let fetch = |id: &EventId| self.event(id).map_err(keep).ok();
        let state = |event_type: &str, key: &str| self.state(event_type, key).map_err(keep).ok().flatten();
        let verdict =
            events::authorise_stateless(version, pdu, fetch).and_then(|()| events::authorise(version, pdu, state));
        // A failure to read is not a verdict.
        if let Some(error) = failure.into_inner() {
            return Err(error);
        }
        Ok(verdict?)
    }

    /// The servers that the event must be sent to: those in the room before or after it, and that of somebody who is put
    /// out, for they may have been invited only.
    fn destinations(
        &self,
        before: &BTreeMap<OwnedServerName, u32>,
        pdu: &Pdu,
        from: Option<&ServerName>,
    ) -> Vec<OwnedServerName> {
        let mut to: HashSet<&ServerName> = before.keys().chain(self.servers.keys()).map(AsRef::as_ref).collect();
        let target = member_of(pdu).filter(|(_, membership)| matches!(membership, Membership::Leave | Membership::Ban));
        if let Some((user, _)) = &target {
            to.insert(user.server_name());
        }
        to.remove(&*self.inner.server_name);
        if let Some(from) = from {
            to.remove(from);
        }
        let mut to: Vec<OwnedServerName> = to.into_iter().map(ToOwned::to_owned).collect();
        to.sort_unstable();
        to
    }
}

/// Whose membership the event is about and what it says, if it is a well-formed member event.
pub(crate) fn member_of(pdu: &Pdu) -> Option<(OwnedUserId, Membership)> {
    if pdu.kind() != "m.room.member" {
        return None;
    }
    let user = pdu.state_key()?.try_into().ok()?;
    Some((user, MemberContent::of(pdu).membership?))
}

impl Rooms {
    /// Waits for the room's turn and begins a change of it.
    pub(crate) async fn change(&self, id: &RoomId) -> Result<Unit<'_>> {
        let room = self.inner.room(id)?;
        let guard = room.lock().await;
        let mut unit = Unit::new(&self.inner, room, guard);
        // An event cannot cite more, and must cite all that its state is made of.
        self.merge_ends(&mut unit, PREV_EVENTS_MAX).await?;
        Ok(unit)
    }

    /// What this transaction made before, once that is on disk.
    pub(crate) async fn done_before(&self, unit: &Unit<'_>, key: &Transaction) -> Result<Option<OwnedEventId>> {
        if let Some(event) = unit.guard.sent(key) {
            // It may still be on its way to the disk; what is queued behind it is not written before it.
            self.inner.scope.commit(self.inner.scope.batch()).await?;
            return Ok(Some(event));
        }
        let (user, device, transaction) = key;
        let key = (user.as_ref(), device.as_ref(), unit.room.id.as_ref(), transaction.as_ref());
        Ok(self.inner.scope.get(&TRANSACTIONS, key)?.map(|row| row.0))
    }
}
