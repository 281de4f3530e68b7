//! `POST /rooms/{roomId}/receipt/{receiptType}/{eventId}` and `POST /rooms/{roomId}/read_markers`.

use std::sync::Arc;

use kernel::{
    Kind,
    id::{EventId, OwnedEventId, RoomId},
};
use rooms::{Event, Membership, ReceiptType};
use ruma_client_api::{
    read_marker::set_read_marker,
    receipt::create_receipt::{self, v3::ReceiptType as AskedType},
};
use ruma_events::receipt::ReceiptThread;
use serde::Deserialize;
use web::{Caller, Error, Result};

use crate::Town;

pub(super) async fn receipt(
    town: Arc<Town>,
    caller: Caller,
    ask: create_receipt::v3::Request,
) -> Result<create_receipt::v3::Response> {
    let receipt_type = match ask.receipt_type {
        AskedType::Read => ReceiptType::Read,
        AskedType::ReadPrivate => ReceiptType::ReadPrivate,
        AskedType::FullyRead if ask.thread == ReceiptThread::Unthreaded => {
            fully_read(&town, &caller, &ask.room_id, &ask.event_id).await?;
            return Ok(create_receipt::v3::Response::new());
        }
        AskedType::FullyRead => return Err(invalid("m.fully_read knows no threads")),
        other => return Err(invalid(format!("There is no receipt type {}", other.as_str()))),
    };
    check_thread(&town, &caller, &ask.room_id, &ask.event_id, &ask.thread)?;
    let thread = ask.thread.as_str();
    town.rooms.set_receipt(&caller.user, &ask.room_id, receipt_type, thread, &ask.event_id).await?;
    Ok(create_receipt::v3::Response::new())
}

pub(super) async fn read_markers(
    town: Arc<Town>,
    caller: Caller,
    ask: set_read_marker::v3::Request,
) -> Result<set_read_marker::v3::Response> {
    let receipts = [(ReceiptType::Read, ask.read_receipt), (ReceiptType::ReadPrivate, ask.private_read_receipt)];
    for event in ask.fully_read.iter().chain(receipts.iter().filter_map(|(_, event)| event.as_ref())) {
        check_event(&town, &caller, &ask.room_id, event)?;
    }
    if let Some(event) = ask.fully_read {
        fully_read(&town, &caller, &ask.room_id, &event).await?;
    }
    for (receipt_type, event) in receipts {
        if let Some(event) = event {
            town.rooms.set_receipt(&caller.user, &ask.room_id, receipt_type, None, &event).await?;
        }
    }
    Ok(set_read_marker::v3::Response::new())
}

/// `m.fully_read` is the user's own account data, told to nobody else.
async fn fully_read(town: &Town, caller: &Caller, room: &RoomId, event: &EventId) -> Result<()> {
    check_event(town, caller, room, event)?;
    Ok(town.accounts.set_fully_read(&caller.user, room, event).await?)
}

fn check_event(town: &Town, caller: &Caller, room: &RoomId, event: &EventId) -> Result<Arc<Event>> {
    if town.rooms.membership(room, &caller.user)? != Some(Membership::Join) {
        return Err(rooms::Error::NotMember.into());
    }
    Ok(town.rooms.visible_event(room, &caller.user, event)?)
}

/// A receipt of a thread points at an event of it (spec, "Threaded read receipts").
fn check_thread(town: &Town, caller: &Caller, room: &RoomId, event: &EventId, thread: &ReceiptThread) -> Result<()> {
    let wanted = match thread {
        ReceiptThread::Unthreaded => return Ok(()),
        ReceiptThread::Main => None,
        ReceiptThread::Thread(root) => Some(root),
        _ => return Err(invalid("thread_id is neither \"main\" nor an event id")),
    };
    let event = check_event(town, caller, room, event)?;
    let is_root = wanted.is_some_and(|root| root == event.pdu.event_id());
    if is_root || thread_of(town, caller, &event)?.as_ref() == wanted {
        return Ok(());
    }
    Err(invalid("The event is not of this thread"))
}

/// The root of the thread that the event is in; what relates to an event of a thread is in it too.
fn thread_of(town: &Town, caller: &Caller, event: &Event) -> Result<Option<OwnedEventId>> {
    let Some(relation) = relation(event) else { return Ok(None) };
    if relation.rel_type.as_deref() == Some("m.thread") {
        return Ok(relation.event_id);
    }
    let Some(target) = relation.event_id.filter(|_| relation.rel_type.is_some()) else { return Ok(None) };
    match town.rooms.visible_event(event.pdu.room_id(), &caller.user, &target) {
        Ok(target) => Ok(thread_root(&target)),
        Err(rooms::Error::NoSuchEvent) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn thread_root(event: &Event) -> Option<OwnedEventId> {
    relation(event).filter(|relation| relation.rel_type.as_deref() == Some("m.thread"))?.event_id
}

#[derive(Deserialize)]
struct Relation {
    rel_type: Option<String>,
    event_id: Option<OwnedEventId>,
}

fn relation(event: &Event) -> Option<Relation> {
    #[derive(Deserialize)]
    struct Content {
        #[serde(rename = "m.relates_to")]
        relates_to: Option<Relation>,
    }
    event.pdu.content_as::<Content>().ok()?.relates_to
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(Kind::InvalidParam, message)
}
