//! `send/{txnId}`: what happened in the rooms that both servers are in, and what passes and is not kept.
//!
//! A transaction that comes again changes nothing: events are known by their ids, messages to devices by theirs, and all else
//! says how things are. So no transaction ids are kept.

mod edus;

use std::sync::Arc;

use kernel::Kind;
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};
use web::{Error, Homeserver, Json, Visit};

use crate::{Town, peers::text};

/// Events and ephemeral units of one transaction (spec, "Transactions").
const PDUS_MAX: usize = 50;
const EDUS_MAX: usize = 100;

#[derive(Deserialize)]
struct Transaction {
    #[serde(default)]
    pdus: Vec<Box<RawValue>>,
    #[serde(default)]
    edus: Vec<Box<RawValue>>,
}

pub(super) async fn send(town: Arc<Town>, origin: Homeserver, visit: Visit) -> web::Result<Json> {
    let Transaction { pdus, edus } = visit.json()?;
    if pdus.len() > PDUS_MAX || edus.len() > EDUS_MAX {
        let message = format!("A transaction holds at most {PDUS_MAX} events and {EDUS_MAX} ephemeral ones");
        return Err(Error::new(Kind::BadJson, message));
    }
    let pdus = pdus.into_iter().map(text).collect();
    let mut answers = Map::new();
    for received in town.rooms.receive(&origin, pdus).await {
        let Some(event_id) = received.event_id else { continue };
        let answer = match received.outcome {
            Ok(()) => json!({}),
            Err(error) => json!({ "error": kernel::Fault::public(&error) }),
        };
        answers.insert(event_id.to_string(), answer);
    }
    // After the events: who types or has read may have come in by one of them.
    edus::receive(&town, &origin, edus).await;
    Json::of(&json!({ "pdus": Value::Object(answers) }))
}
