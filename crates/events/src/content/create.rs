//! `m.room.create`.

use kernel::id::{OwnedEventId, OwnedRoomId, OwnedUserId};
use serde::Deserialize;
use serde_json::Value;

use super::lenient::{lenient, list, object, read};
use crate::{Pdu, RoomVersion};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateContent {
    /// `"1"` when absent; empty, which is no version, when it is something else than a string.
    pub room_version: String,
    /// `m.space` for a space.
    pub room_type: Option<String>,
    /// False when the room is closed to users of other servers than its creator's.
    pub federate: bool,
    /// The room that this one replaces.
    pub predecessor: Option<Predecessor>,
    creator: Option<OwnedUserId>,
    additional_creators: Vec<OwnedUserId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Predecessor {
    pub room_id: OwnedRoomId,
    #[serde(default, deserialize_with = "lenient")]
    pub event_id: Option<OwnedEventId>,
}

#[derive(Deserialize)]
struct Fields {
    #[serde(default = "first_version")]
    room_version: Value,
    #[serde(default, rename = "type", deserialize_with = "lenient")]
    room_type: Option<String>,
    #[serde(default, rename = "m.federate", deserialize_with = "lenient")]
    federate: Option<bool>,
    #[serde(default, deserialize_with = "object")]
    predecessor: Option<Predecessor>,
    #[serde(default, deserialize_with = "lenient")]
    creator: Option<OwnedUserId>,
    #[serde(default, deserialize_with = "list")]
    additional_creators: Vec<OwnedUserId>,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            room_version: first_version(),
            room_type: None,
            federate: None,
            predecessor: None,
            creator: None,
            additional_creators: Vec::new(),
        }
    }
}

fn first_version() -> Value {
    "1".into()
}

impl CreateContent {
    pub fn of(create: &Pdu) -> Self {
        let fields: Fields = read(create);
        Self {
            room_version: match fields.room_version {
                Value::String(version) => version,
                _ => String::new(),
            },
            room_type: fields.room_type,
            federate: fields.federate.unwrap_or(true),
            predecessor: fields.predecessor,
            creator: fields.creator,
            additional_creators: fields.additional_creators,
        }
    }

    /// The creators: whom `content.creator` names up to version 10, the sender since, and others beside since version 12.
    pub fn creators(&self, create: &Pdu, version: RoomVersion) -> Vec<OwnedUserId> {
        let rules = &version.rules().authorization;
        let mut creators = Vec::new();
        if rules.use_room_create_sender {
            creators.push(create.sender().to_owned());
        } else {
            creators.extend(self.creator.clone());
        }
        if rules.additional_room_creators {
            creators.extend(self.additional_creators.iter().cloned());
        }
        creators
    }
}
