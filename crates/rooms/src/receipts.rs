//! Read receipts, public and private, threaded or not (spec, "Receipts").

use kernel::{
    Position, Timestamp,
    id::{EventId, OwnedEventId, OwnedUserId, RoomId, ServerName, UserId},
};

use serde::Deserialize;

use crate::{
    Change, Error, Event, Membership, Result, Rooms, TOPIC, Verdict,
    tables::{RECEIPT_LOG, RECEIPTS, ReceiptKey, ReceiptRow},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptType {
    Read,
    ReadPrivate,
}

impl ReceiptType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "m.read",
            Self::ReadPrivate => "m.read.private",
        }
    }
}

/// Where a user has read up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub user: OwnedUserId,
    /// `m.read` or `m.read.private`.
    pub receipt_type: String,
    /// The thread's root, `main`, or none for an unthreaded one.
    pub thread: Option<String>,
    pub event_id: OwnedEventId,
    pub at: Timestamp,
    pub position: Position,
}

/// Where a receipt is to go.
struct Move<'a> {
    user: &'a UserId,
    room: &'a RoomId,
    receipt_type: ReceiptType,
    thread: Option<&'a str>,
    event: &'a Event,
    at: Timestamp,
}

/// The key of an unthreaded receipt: no thread has an empty root.
const UNTHREADED: &str = "";
/// The thread of what is in no thread.
const MAIN: &str = "main";
/// Receipts of one room that are told at once: of more, those that moved last.
const TOLD_MAX: usize = 5_000;
/// How often a receipt is tried again when another device of the user moves it at the same moment.
const RACES_MAX: usize = 8;

impl Rooms {
    /// Moves the user's receipt to the event. One that would move it back is taken and changes nothing.
    ///
    /// # Errors
    /// [`Error::NotMember`], [`Error::NoSuchEvent`].
    pub async fn set_receipt(
        &self,
        user: &UserId,
        room: &RoomId,
        receipt_type: ReceiptType,
        thread: Option<&str>,
        event_id: &EventId,
    ) -> Result<()> {
        if self.membership(room, user)? != Some(Membership::Join) {
            return Err(Error::NotMember);
        }
        let event = self.visible_event(room, user, event_id)?;
        let at = self.inner.clock.now();
        self.move_receipt(&Move { user, room, receipt_type, thread, event: &event, at }).await
    }

    /// Moves the public receipt of a user of another server, as that tells; `at` is now if it does not say. One for an event
    /// that is not here is passed over.
    ///
    /// # Errors
    /// [`Error::Denied`] for a user who is not of that server, or a room that it has no part in; [`Error::NotMember`],
    /// [`Error::InvalidParam`] for a thread that cannot be.
    pub async fn receive_receipt(
        &self,
        origin: &ServerName,
        user: &UserId,
        room: &RoomId,
        thread: Option<&str>,
        event_id: &EventId,
        at: Option<Timestamp>,
    ) -> Result<()> {
        self.check_speaks_for(origin, room, user)?;
        if self.membership(room, user)? != Some(Membership::Join) {
            return Err(Error::NotMember);
        }
        let event = self.inner.event(&*self.inner.room(room)?, event_id)?;
        let Some(event) = event.filter(|event| event.verdict == Verdict::Accepted) else { return Ok(()) };
        if let Some(thread) = thread
            && !self.is_of_thread(&event, thread)?
        {
            return Err(Error::InvalidParam("The event is not of this thread".to_owned()));
        }
        let at = at.unwrap_or_else(|| self.inner.clock.now());
        self.move_receipt(&Move { user, room, receipt_type: ReceiptType::Read, thread, event: &event, at }).await
    }

    /// Whether a receipt of this thread, `main` or the id of a root, may point at the event (spec, "Threaded read receipts"). What
    /// relates to an event of a thread is in it too.
    pub fn is_of_thread(&self, event: &Event, thread: &str) -> Result<bool> {
        let root = self.thread_of(event)?;
        Ok(match thread {
            MAIN => root.is_none(),
            thread => event.pdu.event_id() == thread || root.is_some_and(|root| root == thread),
        })
    }

    fn thread_of(&self, event: &Event) -> Result<Option<OwnedEventId>> {
        let Some(relation) = Relation::of(event) else { return Ok(None) };
        if relation.is_thread() {
            return Ok(relation.event_id);
        }
        let Some(target) = relation.event_id.filter(|_| relation.rel_type.is_some()) else { return Ok(None) };
        let target = self.inner.event(&*self.inner.room(event.pdu.room_id())?, &target)?;
        let relation = target.and_then(|target| Relation::of(&target)).filter(Relation::is_thread);
        Ok(relation.and_then(|relation| relation.event_id))
    }

    async fn move_receipt(&self, to: &Move<'_>) -> Result<()> {
        for _ in 0..RACES_MAX {
            match self.try_receipt(to).await {
                Err(Error::Store(store::Error::Conflict)) => {}
                outcome => return outcome,
            }
        }
        Err(store::Error::Conflict.into())
    }

    async fn try_receipt(&self, to: &Move<'_>) -> Result<()> {
        let Move { user, room, receipt_type, thread, event, at } = *to;
        let thread = thread.unwrap_or(UNTHREADED);
        let key = (room, receipt_type.as_str(), thread, user);
        let old = self.inner.scope.get(&RECEIPTS, key)?;
        let mut batch = self.inner.scope.batch();
        // The log must have each receipt once: whoever moved it meanwhile goes first.
        batch.expect(&RECEIPTS, key, old.as_ref());
        if let Some(old) = old {
            let before = self.inner.event(&*self.inner.room(room)?, &old.value.event_id)?;
            if before.is_some_and(|before| before.position >= event.position) {
                return Ok(());
            }
            batch.delete(&RECEIPT_LOG, (room, old.position));
        }
        let stamp = batch.stamp();
        let row = ReceiptRow { event_id: event.pdu.event_id().to_owned(), at };
        batch.put_stamped(&RECEIPTS, key, stamp, &row);
        let log = ReceiptKey {
            receipt_type: receipt_type.as_str().to_owned(),
            thread: thread.to_owned(),
            user: user.to_owned(),
        };
        batch.put(&RECEIPT_LOG, (room, stamp), &log);
        let private = receipt_type == ReceiptType::ReadPrivate;
        batch.announce(TOPIC, stamp, &Change::Receipt { room: room.to_owned(), user: user.to_owned(), private });
        self.inner.scope.commit(batch).await?;
        Ok(())
    }

    /// The receipts that moved after `since`, up to and including `upto`: everybody's public ones, and the viewer's own.
    pub fn receipts(&self, room: &RoomId, viewer: &UserId, since: Position, upto: Position) -> Result<Vec<Receipt>> {
        let scan = self.inner.scope.scan(&RECEIPT_LOG, (room,)).after((room, since)).through((room, upto));
        let mut moved = scan.backward().limit(TOLD_MAX).rows()?;
        moved.reverse();
        let mut receipts = Vec::new();
        for ((_, position), key) in moved {
            if key.receipt_type == ReceiptType::ReadPrivate.as_str() && key.user != viewer {
                continue;
            }
            let row = (room, key.receipt_type.as_str(), key.thread.as_str(), key.user.as_ref());
            let Some(row) = self.inner.scope.get(&RECEIPTS, row)? else { continue };
            receipts.push(Receipt {
                user: key.user,
                receipt_type: key.receipt_type,
                thread: Some(key.thread).filter(|thread| thread != UNTHREADED),
                event_id: row.value.event_id,
                at: row.value.at,
                position,
            });
        }
        Ok(receipts)
    }

    pub(crate) fn last_receipt(&self, room: &RoomId) -> Result<Position> {
        let last = self.inner.scope.scan(&RECEIPT_LOG, (room,)).backward().limit(1).keys()?.pop();
        Ok(last.map_or(Position::START, |(_, position)| position))
    }
}

/// `m.relates_to`, as far as threads go.
#[derive(Deserialize)]
struct Relation {
    rel_type: Option<String>,
    event_id: Option<OwnedEventId>,
}

impl Relation {
    fn of(event: &Event) -> Option<Self> {
        #[derive(Deserialize)]
        struct Content {
            #[serde(rename = "m.relates_to")]
            relation: Option<Relation>,
        }
        event.pdu.content_as::<Content>().ok()?.relation
    }

    fn is_thread(&self) -> bool {
        self.rel_type.as_deref() == Some("m.thread")
    }
}
