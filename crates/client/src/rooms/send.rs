//! `PUT /rooms/{roomId}/send/{eventType}/{txnId}` and `PUT /rooms/{roomId}/redact/{eventId}/{txnId}`.

use std::sync::Arc;

use http::StatusCode;
use kernel::id::OwnedTransactionId;
use rooms::NewEvent;
use ruma_client_api::{message::send_message_event, redact::redact_event};
use serde::Deserialize;
use serde_json::{json, value::to_raw_value};
use web::{Caller, Error, Result};

use super::verbatim::Verbatim;
use crate::Town;

pub(super) async fn send(
    town: Arc<Town>,
    caller: Caller,
    ask: Verbatim<send_message_event::v3::Request>,
) -> Result<send_message_event::v3::Response> {
    #[derive(Default, Deserialize)]
    struct Redaction {
        redacts: Option<kernel::id::OwnedEventId>,
    }
    let event_type = ask.path(1).to_owned();
    let content = ask.ask.body.into_json();
    let redacts = (event_type == "m.room.redaction")
        .then(|| serde_json::from_str::<Redaction>(content.get()).unwrap_or_default().redacts)
        .flatten();
    let event = NewEvent { event_type, content, state_key: None, redacts };
    let transaction = transaction(&caller, ask.ask.txn_id)?;
    match town.rooms.send(&town.actor(&caller.user)?, &ask.ask.room_id, event, transaction).await {
        Ok(event_id) => Ok(send_message_event::v3::Response::new(event_id)),
        Err(error @ rooms::Error::DuplicateAnnotation) => {
            Err(Error::custom(StatusCode::BAD_REQUEST, "M_DUPLICATE_ANNOTATION", error.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn redact(
    town: Arc<Town>,
    caller: Caller,
    ask: redact_event::v3::Request,
) -> Result<redact_event::v3::Response> {
    let content = ask.reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
    let content = to_raw_value(&content).map_err(|error| rooms::Error::Invalid(error.to_string()))?;
    let event =
        NewEvent { event_type: "m.room.redaction".to_owned(), content, state_key: None, redacts: Some(ask.event_id) };
    let transaction = transaction(&caller, ask.txn_id)?;
    let event_id = town.rooms.send(&town.actor(&caller.user)?, &ask.room_id, event, transaction).await?;
    Ok(redact_event::v3::Response::new(event_id))
}

/// A repetition of a request is known by its device and transaction id.
fn transaction(
    caller: &Caller,
    id: OwnedTransactionId,
) -> Result<Option<(kernel::id::OwnedDeviceId, OwnedTransactionId)>> {
    Ok(Some((caller.device()?.to_owned(), id)))
}
