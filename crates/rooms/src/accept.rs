//! The one door: every event, made here or received, passes through [`Unit::accept`] to become part of its room.
//!
//! A unit is one change of one room: the events that are accepted in it, and all rows and indexes that follow from them,
//! are one batch, written together or not at all.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use events::{Pdu, content::MemberContent};
use kernel::id::{EventId, OwnedDeviceId, OwnedEventId, OwnedTransactionId, OwnedUserId, RoomId};
use store::{Batch, Stamp, Stamped};
use tokio::sync::OwnedMutexGuard;

use crate::{
    Change, Error, Inner, MemberChange, Membership, Result, Rooms, TOPIC,
    event::Event,
    room::{Room, Writer},
    state::{Growth, Root},
    tables::{
        BY_TIME, EVENTS, EventRow, HEADS, HeadRow, LAST_JOINS, LAST_LEAVES, MEMBERS, MemberRow, OwnedEventIdRow,
        STATE_NOW, TIMELINE, TRANSACTIONS, USER_ROOMS,
    },
};

/// What accompanies an event that a client sent.
pub(crate) type Transaction = (OwnedUserId, OwnedDeviceId, OwnedTransactionId);

/// A change of a room under construction, by the one who holds the room's lock.
pub(crate) struct Unit<'a> {
    pub(crate) inner: &'a Inner,
    pub(crate) room: Arc<Room>,
    guard: OwnedMutexGuard<Writer>,
    /// The room's end as this unit leaves it.
    pub(crate) head: HeadRow,
    pub(crate) batch: Batch,
    growth: Growth<'a>,
    roots: Vec<Root>,
    fresh: HashMap<OwnedEventId, Arc<Pdu>>,
    sent: Vec<(Transaction, OwnedEventId)>,
    changes_state: bool,
}

impl<'a> Unit<'a> {
    /// Begins a change of the room whose lock `guard` is.
    pub(crate) fn new(inner: &'a Inner, room: Arc<Room>, guard: OwnedMutexGuard<Writer>) -> Self {
        Self {
            inner,
            head: guard.head.clone(),
            batch: inner.scope.batch(),
            growth: Growth::new(&inner.trees),
            roots: Vec::new(),
            fresh: HashMap::new(),
            sent: Vec::new(),
            changes_state: false,
            room,
            guard,
        }
    }

    /// Checks the event against the rules and, if it may, puts it and all that follows from it into the batch.
    ///
    /// # Errors
    /// [`Error::Denied`] when the authorization rules refuse it; the unit is then as it was before.
    pub(crate) fn accept(&mut self, pdu: Pdu, transaction: Option<Transaction>) -> Result<Arc<Pdu>> {
        self.authorise(&pdu)?;
        let pdu = Arc::new(pdu);
        let state_before = self.head.state;
        let stamp = self.batch.stamp();
        let replaces = match pdu.state_key() {
            Some(state_key) => self.set_state(&pdu, state_key)?,
            None => None,
        };
        let member = self.follow_membership(&pdu, replaces.as_deref(), stamp)?;
        let redacts = self.redact(&pdu)?;
        crate::relations::index(self, &pdu, stamp);

        let id = pdu.event_id();
        let row = EventRow {
            json: pdu.json().to_owned(),
            state_before,
            room_state: self.head.state,
            redacted_by: None,
            transaction: transaction.as_ref().map(|(_, device, id)| (device.clone(), id.clone())),
            replaces,
        };
        let room = self.room.id.clone();
        let id_row = OwnedEventIdRow(id.to_owned());
        self.batch.put_stamped(&EVENTS, (room.as_ref(), id), stamp, &row);
        self.batch.put(&TIMELINE, (room.as_ref(), stamp), &id_row);
        self.batch.put(&BY_TIME, (room.as_ref(), pdu.origin_server_ts(), id), &());
        if let Some((user, device, txn)) = &transaction {
            let key = (user.as_ref(), device.as_ref(), room.as_ref(), txn.as_ref());
            self.batch.put(&TRANSACTIONS, key, &id_row);
        }
        let sender = pdu.sender().to_owned();
        let change = Change::Event { room, event_id: id.to_owned(), sender, member, redacts };
        self.batch.announce(TOPIC, stamp, &change);

        // Linear for now: what is made here cites all extremities.
        self.head.extremities = vec![id.to_owned()];
        self.head.depth = self.head.depth.max(pdu.depth());
        self.fresh.insert(id.to_owned(), pdu.clone());
        self.sent.extend(transaction.map(|key| (key, id.to_owned())));
        self.roots.push(self.head.state);
        Ok(pdu)
    }

    /// The current state of this key, as this unit has it so far.
    pub(crate) fn state(&self, event_type: &str, state_key: &str) -> Result<Option<Arc<Pdu>>> {
        match self.growth.get(self.head.state, event_type, state_key)? {
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

    /// Hands the batch to the committer and returns once it is on disk.
    ///
    /// A change of state keeps the room until then, so that the next writer reads it from the store; other events only
    /// move the end of the graph, and the next may be made while these are being written.
    pub(crate) async fn commit(self) -> Result<()> {
        self.commit_all(None).await
    }

    /// The same, together with the change of another room.
    pub(crate) async fn commit_with(self, other: Unit<'_>) -> Result<()> {
        self.commit_all(Some(other)).await
    }

    async fn commit_all(mut self, other: Option<Unit<'_>>) -> Result<()> {
        let scope = &self.inner.scope;
        let mut batch = self.take_batch();
        let other = other.map(|mut other| {
            batch.append(other.take_batch());
            other
        });
        let ticket = scope.enqueue(batch)?;
        let held = [Some(self), other].map(|unit| unit.map(Unit::hand_over));
        // A task of its own: if the client goes away meanwhile, the room must stay in memory, and locked, until the disk
        // has what its head says.
        let written = tokio::spawn(async move {
            let written = ticket.wait().await;
            drop(held);
            written
        });
        written.await.map_err(|_| store::Error::Unavailable)??;
        Ok(())
    }

    /// All that the unit writes.
    fn take_batch(&mut self) -> Batch {
        let mut batch = std::mem::replace(&mut self.batch, self.inner.scope.batch());
        batch.put(&HEADS, (self.room.id.as_ref(),), &self.head);
        for root in self.roots.drain(..) {
            self.growth.write(root, &mut batch);
        }
        batch
    }

    /// Lets the next writer build on this unit; what is returned keeps the room, and its lock if the state changed.
    fn hand_over(mut self) -> (Arc<Room>, Option<OwnedMutexGuard<Writer>>) {
        self.guard.head = self.head;
        for (key, event) in self.sent {
            self.guard.remember(key, event);
        }
        (self.room, self.changes_state.then_some(self.guard))
    }

    fn authorise(&self, pdu: &Pdu) -> Result<()> {
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

    /// Makes the event the state of its key; returns the one that was before it.
    fn set_state(&mut self, pdu: &Pdu, state_key: &str) -> Result<Option<OwnedEventId>> {
        let event_type = pdu.kind();
        let old = self.growth.get(self.head.state, event_type, state_key)?;
        self.head.state = self.growth.insert(self.head.state, event_type, state_key, pdu.event_id())?;
        self.changes_state = true;
        let key = (self.room.id.as_ref(), event_type, state_key);
        self.batch.put(&STATE_NOW, key, &OwnedEventIdRow(pdu.event_id().to_owned()));
        Ok(old)
    }

    /// Brings the member lists, the counters and the local user's list of rooms up to date.
    fn follow_membership(
        &mut self,
        pdu: &Pdu,
        replaces: Option<&EventId>,
        stamp: Stamp,
    ) -> Result<Option<MemberChange>> {
        let Some((user, membership)) = member_of(pdu) else { return Ok(None) };
        let before = match replaces {
            Some(id) => member_of(&*self.event(id)?).map(|(_, membership)| membership),
            None => None,
        };
        count(&mut self.head.joined, Membership::Join, before, membership);
        count(&mut self.head.invited, Membership::Invite, before, membership);
        let content = MemberContent::of(pdu);
        let row = MemberRow {
            membership,
            event_id: pdu.event_id().to_owned(),
            display_name: content.displayname,
            avatar_url: content.avatar_url,
        };
        let room = self.room.id.clone();
        self.batch.put(&MEMBERS, (room.as_ref(), user.as_ref()), &row);
        if user.server_name() == self.inner.server_name {
            let stripped = match membership {
                Membership::Invite | Membership::Knock => self.stripped(pdu)?,
                _ => Vec::new(),
            };
            let row = crate::UserRoom {
                membership,
                event_id: pdu.event_id().to_owned(),
                sender: pdu.sender().to_owned(),
                forgotten: false,
                stripped,
            };
            self.batch.put_stamped(&USER_ROOMS, (user.as_ref(), room.as_ref()), stamp, &row);
            if membership == Membership::Join {
                self.batch.put_stamped(&LAST_JOINS, (user.as_ref(), room.as_ref()), stamp, &());
            } else if before == Some(Membership::Join) {
                self.batch.put_stamped(&LAST_LEAVES, (user.as_ref(), room.as_ref()), stamp, &());
            }
        }
        Ok(Some(MemberChange { user, membership }))
    }

    /// The stripped state that goes with an invite or a knock (spec, "Stripped state"), the event itself last.
    fn stripped(&self, member: &Pdu) -> Result<Vec<String>> {
        const SHOWN: [&str; 7] = [
            "m.room.create",
            "m.room.join_rules",
            "m.room.canonical_alias",
            "m.room.avatar",
            "m.room.name",
            "m.room.encryption",
            "m.room.topic",
        ];
        let mut stripped = Vec::new();
        for event_type in SHOWN {
            stripped.extend(self.state(event_type, "")?.and_then(|pdu| events::stripped_event(&pdu)));
        }
        let inviter = member.sender().as_str();
        if member.state_key() != Some(inviter) {
            stripped.extend(self.state("m.room.member", inviter)?.and_then(|pdu| events::stripped_event(&pdu)));
        }
        stripped.extend(events::stripped_event(member));
        Ok(stripped)
    }

    /// Prunes the event that this one redacts, if it is here and the redaction may; returns its id then.
    fn redact(&mut self, pdu: &Pdu) -> Result<Option<OwnedEventId>> {
        if pdu.kind() != "m.room.redaction" {
            return Ok(None);
        }
        let Some(target) = pdu.redacts() else { return Ok(None) };
        let Some(event) = self.inner.event(&self.room, target)? else { return Ok(None) };
        let power_levels = self.power_levels()?;
        if !events::may_redact(self.room.version, pdu, &event.pdu, &power_levels) {
            return Ok(None);
        }
        let pruned = events::redact(&event.pdu, self.room.version)?;
        let row = event_row(&event, pruned.into_json(), Some(pdu.event_id().to_owned()));
        let row = Stamped { position: event.position, value: row };
        self.batch.put(&EVENTS, (self.room.id.as_ref(), target), &row);
        crate::relations::forget(self, &event);
        Ok(Some(target.to_owned()))
    }

    /// The power levels of the room as this unit has it.
    pub(crate) fn power_levels(&self) -> Result<events::PowerLevels> {
        let create =
            self.state("m.room.create", "")?.ok_or_else(|| Error::Damaged("a room without creation".into()))?;
        let levels = self.state("m.room.power_levels", "")?;
        Ok(events::PowerLevels::read(self.room.version, &create, levels.as_deref()))
    }
}

fn event_row(event: &Event, json: String, redacted_by: Option<OwnedEventId>) -> EventRow {
    EventRow {
        json,
        state_before: event.state_before,
        room_state: event.room_state,
        redacted_by,
        transaction: event.transaction.clone(),
        replaces: event.replaces.clone(),
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

fn count(counter: &mut u64, counted: Membership, before: Option<Membership>, after: Membership) {
    match (before == Some(counted), after == counted) {
        (false, true) => *counter += 1,
        (true, false) => *counter = counter.saturating_sub(1),
        _ => {}
    }
}

impl Rooms {
    /// Waits for the room's turn and begins a change of it.
    pub(crate) async fn change(&self, id: &RoomId) -> Result<Unit<'_>> {
        let room = self.inner.room(id)?;
        let guard = room.lock().await;
        Ok(Unit::new(&self.inner, room, guard))
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
