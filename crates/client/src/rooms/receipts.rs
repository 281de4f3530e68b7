//! `POST /rooms/{roomId}/receipt/{receiptType}/{eventId}` and `POST /rooms/{roomId}/read_markers`.

use std::sync::Arc;

use kernel::{
    Kind,
    id::{EventId, RoomId},
};
use rooms::{Event, Membership, ReceiptType};
use ruma_client_api::{
    read_marker::set_read_marker,
    receipt::create_receipt::{self, v3::ReceiptType as AskedType},
};
use ruma_events::receipt::ReceiptThread;
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
    let thread = match thread {
        ReceiptThread::Unthreaded => return Ok(()),
        ReceiptThread::Main => "main",
        ReceiptThread::Thread(root) => root.as_str(),
        _ => return Err(invalid("thread_id is neither \"main\" nor an event id")),
    };
    let event = check_event(town, caller, room, event)?;
    match town.rooms.is_of_thread(&event, thread)? {
        true => Ok(()),
        false => Err(invalid("The event is not of this thread")),
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(Kind::InvalidParam, message)
}
