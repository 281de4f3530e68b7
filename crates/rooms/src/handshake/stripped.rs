//! The stripped state that another server sends with an invite or in answer to a knock: read as the text of a stranger, and
//! written anew (hazard E5).

use std::collections::HashSet;

use events::Pdu;
use kernel::{id::UserId, limits::EVENT_BYTES_MAX};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

/// Events that are looked at.
const EVENTS_MAX: usize = 100;
/// Bytes of all that are kept; the member event, which may be large, is stored beside them.
const BYTES_MAX: usize = 20_000;

/// A whole event, or a stripped one.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(rename = "type")]
    kind: String,
    state_key: String,
    sender: String,
    #[serde(borrow)]
    content: &'a RawValue,
    /// Only the creation's is told on (spec, "Stripped state").
    #[serde(default, borrow)]
    origin_server_ts: Option<&'a RawValue>,
}

/// What clients are shown of it: what is no piece of state is left out, and so is what is too much. The invite or knock itself
/// comes last.
pub(super) fn stripped(told: &[String], member: &Pdu) -> Vec<String> {
    let own = ("m.room.member".to_owned(), member.state_key().unwrap_or_default().to_owned());
    let mut seen = HashSet::from([own]);
    let mut bytes = 0;
    let mut kept: Vec<String> = Vec::new();
    for text in told.iter().take(EVENTS_MAX).filter(|text| text.len() <= EVENT_BYTES_MAX) {
        let Ok(event) = serde_json::from_str::<Told<'_>>(text) else { continue };
        let Some(clean) = clean(&event) else { continue };
        if bytes + clean.len() <= BYTES_MAX && seen.insert((event.kind, event.state_key)) {
            bytes += clean.len();
            kept.push(clean);
        }
    }
    kept.extend(events::stripped_event(member));
    kept
}

fn clean(event: &Told<'_>) -> Option<String> {
    UserId::parse(event.sender.as_str()).ok()?;
    // No deeper, and with no other numbers, than events may have.
    let content = events::canonical_content(event.content.get()).ok()?;
    let mut clean = json!({
        "type": event.kind,
        "state_key": event.state_key,
        "sender": event.sender,
        "content": content,
    });
    let time = event.origin_server_ts.and_then(|time| time.get().parse::<u64>().ok());
    if let (Some(time), "m.room.create") = (time, event.kind.as_str()) {
        clean["origin_server_ts"] = time.into();
    }
    Some(clean.to_string())
}

#[cfg(test)]
mod tests {
    use events::RoomVersion;
    use serde_json::Value;

    use super::*;

    fn invite() -> Pdu {
        let json = json!({
            "auth_events": [], "content": {"membership": "invite", "is_direct": true}, "depth": 1, "origin_server_ts": 1,
            "prev_events": [], "room_id": "!r:nancy.example", "sender": "@bob:nancy.example",
            "state_key": "@anne:metz.example", "type": "m.room.member", "hashes": {"sha256": "x"}, "signatures": {},
        });
        Pdu::from_stored("$invite".try_into().unwrap(), json.to_string(), RoomVersion::V11, false).unwrap()
    }

    fn event(kind: &str, fields: Value) -> Value {
        let mut event = json!({"type": kind, "state_key": "", "sender": "@bob:nancy.example", "content": {}});
        for (field, value) in fields.as_object().unwrap() {
            event[field] = value.clone();
        }
        event
    }

    fn kept(told: &[Value]) -> Vec<Value> {
        let told: Vec<String> = told.iter().map(Value::to_string).collect();
        stripped(&told, &invite()).iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    #[test]
    fn whole_events_come_out_stripped_and_the_creation_with_its_time() {
        let create = event("m.room.create", json!({"origin_server_ts": 5, "depth": 1, "signatures": {}}));
        let name = event("m.room.name", json!({"content": {"name": "Mairie"}, "origin_server_ts": 6, "unsigned": {}}));
        let own = event("m.room.member", json!({"state_key": "@anne:metz.example", "content": {"membership": "ban"}}));
        let kept = kept(&[create, name.clone(), name, own]);
        assert_eq!(kept.len(), 3, "each key once, the invitee's own from the invite: {kept:?}");
        assert_eq!(kept[0], event("m.room.create", json!({"origin_server_ts": 5})));
        assert_eq!(kept[1], event("m.room.name", json!({"content": {"name": "Mairie"}})));
        assert_eq!(kept[2]["content"]["is_direct"], true);
    }

    #[test]
    fn what_is_no_state_or_too_much_of_it_is_left_out() {
        let long = "x".repeat(BYTES_MAX);
        let mut deep = json!(1);
        for _ in 0..125 {
            deep = json!([deep]);
        }
        for bad in [
            json!("text"),
            json!(5),
            json!(null),
            json!([]),
            json!({}),
            event("m.room.name", json!({"type": 5})),
            event("m.room.name", json!({"state_key": null})),
            event("m.room.name", json!({"sender": "bob"})),
            event("m.room.name", json!({"content": "x"})),
            event("m.room.name", json!({"content": {"name": 1.5}})),
            event("m.room.name", json!({"content": {"name": deep}})),
            event("m.room.name", json!({"content": {"name": long}})),
        ] {
            assert_eq!(kept(std::slice::from_ref(&bad)).len(), 1, "{bad}");
        }
        let many: Vec<Value> = (0..10_000).map(|n| event("m.room.x", json!({"state_key": n.to_string()}))).collect();
        assert_eq!(kept(&many).len(), EVENTS_MAX + 1);
        assert!(stripped(&["{".to_owned()], &invite()).len() == 1);
    }
}
