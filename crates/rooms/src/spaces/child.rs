//! A link from a space to a room in it (spec, `m.space.child`).

use events::Pdu;
use kernel::{
    Timestamp,
    id::{OwnedRoomId, OwnedServerName, OwnedUserId, UserId},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

/// Servers that one link names.
const VIA_MAX: usize = 10;

/// By what the specification orders them: those with an `order` first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Child {
    unordered: bool,
    order: Option<String>,
    sent: Timestamp,
    pub(crate) room: OwnedRoomId,
    /// Servers to ask about the room.
    pub(crate) via: Vec<OwnedServerName>,
    pub(crate) suggested: bool,
    /// The event as stripped state with `origin_server_ts`.
    pub(crate) json: String,
}

/// The event as servers and clients are told of it.
#[derive(Serialize)]
struct Stripped<'a> {
    content: &'a RawValue,
    origin_server_ts: Timestamp,
    sender: &'a UserId,
    state_key: &'a str,
    r#type: &'a str,
}

impl Child {
    /// The link that the event makes; none without `via`, as after its redaction.
    pub(crate) fn of(pdu: &Pdu) -> Option<Self> {
        Self::from_stripped(&Stripped {
            content: pdu.content(),
            origin_server_ts: pdu.origin_server_ts(),
            sender: pdu.sender(),
            state_key: pdu.state_key()?,
            r#type: pdu.kind(),
        })
    }

    /// The same of what another server tells.
    pub(crate) fn told(json: &RawValue) -> Option<Self> {
        #[derive(Deserialize)]
        struct Told {
            content: Box<RawValue>,
            origin_server_ts: Timestamp,
            sender: OwnedUserId,
            state_key: String,
            r#type: String,
        }
        let told: Told = serde_json::from_str(json.get()).ok()?;
        let stripped = Stripped {
            content: &told.content,
            origin_server_ts: told.origin_server_ts,
            sender: &told.sender,
            state_key: &told.state_key,
            r#type: &told.r#type,
        };
        if told.r#type == "m.space.child" { Self::from_stripped(&stripped) } else { None }
    }

    fn from_stripped(event: &Stripped<'_>) -> Option<Self> {
        #[derive(Deserialize)]
        struct Content {
            via: Vec<String>,
            order: Option<Value>,
            suggested: Option<Value>,
        }
        let content: Content = serde_json::from_str(event.content.get()).ok()?;
        if content.via.is_empty() {
            return None;
        }
        let order = content.order.as_ref().and_then(|order| order.as_str()).filter(|order| is_order(order));
        Some(Self {
            unordered: order.is_none(),
            order: order.map(str::to_owned),
            sent: event.origin_server_ts,
            room: event.state_key.try_into().ok()?,
            via: content.via.iter().filter_map(|server| server.as_str().try_into().ok()).take(VIA_MAX).collect(),
            suggested: content.suggested == Some(Value::Bool(true)),
            json: serde_json::to_string(event).ok()?,
        })
    }
}

/// At most 50 printable ASCII characters.
fn is_order(order: &str) -> bool {
    order.len() <= 50 && order.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}
