//! Events as clients see them (spec, client-server API, "Room event format" and "Stripped state").
//!
//! Built as text around the raw content: a page of events is written without parsing any of them.

use std::{borrow::Cow, fmt::Write};

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use crate::Pdu;

/// What is written beside the event itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientFormat<'a> {
    /// `/sync` leaves out the `room_id`, which its caller knows.
    pub without_room_id: bool,
    /// The `unsigned` to show, a JSON object that the caller built. The one that a remote server sent is never shown.
    pub unsigned: Option<&'a str>,
}

/// The event without what only servers need.
pub fn client_event(event: &Pdu, format: ClientFormat<'_>) -> String {
    let mut json = String::with_capacity(event.content().get().len() + 384);
    json.push_str("{\"content\":");
    json.push_str(&client_content(event));
    push_field(&mut json, "event_id", event.event_id().as_str());
    let _ = write!(json, ",\"origin_server_ts\":{}", event.origin_server_ts());
    if let Some(redacts) = event.redacts() {
        push_field(&mut json, "redacts", redacts.as_str());
    }
    if !format.without_room_id {
        push_field(&mut json, "room_id", event.room_id().as_str());
    }
    push_field(&mut json, "sender", event.sender().as_str());
    if let Some(state_key) = event.state_key() {
        push_field(&mut json, "state_key", state_key);
    }
    push_field(&mut json, "type", event.kind());
    if let Some(unsigned) = format.unsigned {
        json.push_str(",\"unsigned\":");
        json.push_str(unsigned);
    }
    json.push('}');
    json
}

/// What somebody who is invited, or looks at a public room, may see of a state event. None if it is not state.
pub fn stripped_event(event: &Pdu) -> Option<String> {
    let state_key = event.state_key()?;
    let content = event.content().get();
    let mut json = String::with_capacity(content.len() + 192);
    json.push_str("{\"content\":");
    json.push_str(content);
    push_field(&mut json, "sender", event.sender().as_str());
    push_field(&mut json, "state_key", state_key);
    push_field(&mut json, "type", event.kind());
    json.push('}');
    Some(json)
}

/// A redaction names its target in the content too, for newer clients in rooms older than version 11; the field at the top
/// level serves older clients in newer rooms (spec, `m.room.redaction`).
fn client_content(event: &Pdu) -> Cow<'_, str> {
    let content = event.content().get();
    let Some(redacts) = event.redacts() else { return Cow::Borrowed(content) };
    #[derive(Deserialize)]
    struct Redaction<'a> {
        #[serde(borrow)]
        redacts: Option<&'a RawValue>,
    }
    let named = serde_json::from_str::<Redaction<'_>>(content).ok().and_then(|redaction| redaction.redacts);
    match (named, content.strip_prefix('{')) {
        (None, Some(rest)) => {
            let mut json = String::with_capacity(content.len() + 64);
            json.push_str("{\"redacts\":");
            push_string(&mut json, redacts.as_str());
            if rest != "}" {
                json.push(',');
            }
            json.push_str(rest);
            Cow::Owned(json)
        }
        // Another target than the one that the server acts on, as an older room's content may claim.
        (Some(named), _) if serde_json::from_str(named.get()).ok() != Some(redacts.as_str()) => {
            let mut fields: Map<String, Value> = event.content_as().unwrap_or_default();
            fields.insert("redacts".into(), redacts.as_str().into());
            Cow::Owned(Value::Object(fields).to_string())
        }
        _ => Cow::Borrowed(content),
    }
}

fn push_field(json: &mut String, name: &str, value: &str) {
    json.push_str(",\"");
    json.push_str(name);
    json.push_str("\":");
    push_string(json, value);
}

fn push_string(json: &mut String, value: &str) {
    let plain = value.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    if plain {
        json.push('"');
        json.push_str(value);
        json.push('"');
    } else {
        json.push_str(&Value::from(value).to_string());
    }
}
