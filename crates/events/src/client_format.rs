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

/// What somebody who is invited, or looks at a public room, may see of a state event. None if it is not state. The creation of
/// the room also has its time.
pub fn stripped_event(event: &Pdu) -> Option<String> {
    let state_key = event.state_key()?;
    let content = event.content().get();
    let mut json = String::with_capacity(content.len() + 192);
    json.push_str("{\"content\":");
    json.push_str(content);
    if event.kind() == "m.room.create" {
        let _ = write!(json, ",\"origin_server_ts\":{}", event.origin_server_ts());
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        Draft, RoomVersion,
        fixture::{ALICE, BOB, Room, telling_versions},
    };

    fn rendered(event: &Pdu, format: ClientFormat<'_>) -> Value {
        serde_json::from_str(&client_event(event, format)).unwrap()
    }

    #[test]
    fn clients_see_what_is_theirs_to_see() {
        for version in telling_versions() {
            let room = Room::busy(version);
            let content = json!({"body": "\"à\u{1}\u{2028}\\", "unsigned": 1, "hashes": {}});
            let event = room.seal(room.draft(BOB, "org.example.\"type\"\n", None, content.clone())).unwrap();
            let expected = json!({
                "content": content, "event_id": event.event_id(), "origin_server_ts": event.origin_server_ts(),
                "room_id": room.id, "sender": BOB, "type": "org.example.\"type\"\n",
            });
            assert_eq!(rendered(&event, ClientFormat::default()), expected);
            let mut expected = expected;
            expected.as_object_mut().unwrap().remove("room_id");
            expected["unsigned"] = json!({"age": 5});
            let format = ClientFormat { without_room_id: true, unsigned: Some("{\"age\":5}") };
            assert_eq!(rendered(&event, format), expected);
            let state = room.seal(room.draft(BOB, "m.room.topic", Some("k\"\u{0}"), json!({}))).unwrap();
            assert_eq!(rendered(&state, ClientFormat::default())["state_key"], "k\"\u{0}");
        }
    }

    /// The create event of version 12 bears no room id among servers; clients still get one.
    #[test]
    fn every_event_has_a_room_for_clients() {
        for version in telling_versions() {
            let room = Room::busy(version);
            let create = room.state_event("m.room.create", "").unwrap();
            assert_eq!(rendered(&create, ClientFormat::default())["room_id"], room.id.as_str());
        }
    }

    /// What another server wrote beside what is signed reaches nobody (hazard L11).
    #[test]
    fn foreign_fields_and_unsigned_are_not_shown() {
        let room = Room::busy(RoomVersion::V11);
        let event = room.seal(room.draft(BOB, "m.room.message", None, json!({}))).unwrap();
        let mut json: Value = serde_json::from_str(event.json()).unwrap();
        json["unsigned"] = json!({"transaction_id": "canary"});
        json["canary"] = true.into();
        let event = Pdu::parse(&json.to_string(), RoomVersion::V11).unwrap();
        assert!(event.unsigned().is_some());
        assert!(!client_event(&event, ClientFormat::default()).contains("canary"));
    }

    #[test]
    fn a_redaction_names_its_target_in_both_places() {
        for version in RoomVersion::all() {
            let mut room = Room::busy(version);
            let target = room.send(ALICE, "m.room.message", None, json!({}));
            for content in [json!({}), json!({"reason": "spam"}), json!({"redacts": "$other:one.example"})] {
                let draft = room.draft(ALICE, "m.room.redaction", None, content.clone());
                let draft = Draft { redacts: Some(target.event_id().to_owned()), ..draft };
                let shown = rendered(&room.seal(draft).unwrap(), ClientFormat::default());
                assert_eq!(shown["redacts"], target.event_id().as_str(), "{version} {content}");
                assert_eq!(shown["content"]["redacts"], target.event_id().as_str(), "{version} {content}");
                assert_eq!(shown["content"].get("reason"), content.get("reason"));
            }
        }
    }

    #[test]
    fn stripped_state_has_four_fields_and_the_creation_its_time() {
        let room = Room::busy(RoomVersion::V12);
        let stripped = |kind: &str| -> Value {
            serde_json::from_str(&stripped_event(&room.state_event(kind, "").unwrap()).unwrap()).unwrap()
        };
        let rules =
            json!({"content": {"join_rule": "public"}, "sender": ALICE, "state_key": "", "type": "m.room.join_rules"});
        assert_eq!(stripped("m.room.join_rules"), rules);
        let content = json!({"room_version": "12"});
        let time = room.state_event("m.room.create", "").unwrap().origin_server_ts();
        let create = json!({
            "content": content, "origin_server_ts": time, "sender": ALICE, "state_key": "", "type": "m.room.create",
        });
        assert_eq!(stripped("m.room.create"), create);
        let message = room.seal(room.draft(BOB, "m.room.message", None, json!({}))).unwrap();
        assert_eq!(stripped_event(&message), None);
    }
}
