//! Who has how much power in a room (spec, `m.room.power_levels`).
//!
//! Reads what is there and falls back to the default where a value cannot be read: a room must stay usable whatever
//! somebody wrote. The authorisation rules are stricter and are not here, see [`crate::authorise`].

use std::collections::{HashMap, HashSet};

use kernel::id::{OwnedUserId, UserId};
use serde_json::{Map, Value};

use crate::{Pdu, RoomVersion, content::CreateContent, format::INTEGER_MAX};

/// A user's power. Creators of a room of version 12 have more than any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Power {
    Finite(i64),
    Infinite,
}

impl From<i64> for Power {
    fn from(level: i64) -> Self {
        Self::Finite(level)
    }
}

/// The power levels of a room at one state of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PowerLevels {
    /// Those with infinite power: none before version 12.
    pub creators: HashSet<OwnedUserId>,
    pub users: HashMap<OwnedUserId, i64>,
    pub users_default: i64,
    pub events: HashMap<String, i64>,
    pub events_default: i64,
    pub state_default: i64,
    pub ban: i64,
    pub kick: i64,
    pub invite: i64,
    pub redact: i64,
    /// `notifications`: who may use a kind of notification, such as `room` for `@room`.
    pub notifications: HashMap<String, i64>,
}

impl PowerLevels {
    /// Of the room's create event and its power levels event, if it has one.
    pub fn read(version: RoomVersion, create: &Pdu, power_levels: Option<&Pdu>) -> Self {
        let creators = CreateContent::of(create).creators(create, version);
        let content: Map<String, Value> = power_levels.and_then(|event| event.content_as().ok()).unwrap_or_default();
        let reader = Reader { content: &content, strings: !version.rules().authorization.integer_power_levels };
        let mut levels = Self {
            creators: HashSet::new(),
            users: reader.map("users").filter_map(|(user, level)| Some((UserId::parse(user).ok()?, level))).collect(),
            users_default: reader.level("users_default", 0),
            events: reader.map("events").map(|(kind, level)| (kind.to_owned(), level)).collect(),
            events_default: reader.level("events_default", 0),
            state_default: reader.level("state_default", 50),
            ban: reader.level("ban", 50),
            kick: reader.level("kick", 50),
            invite: reader.level("invite", 0),
            redact: reader.level("redact", 50),
            notifications: reader.map("notifications").map(|(kind, level)| (kind.to_owned(), level)).collect(),
        };
        if version.rules().authorization.explicitly_privilege_room_creators {
            levels.creators = creators.into_iter().collect();
        } else if power_levels.is_none() {
            levels.users.extend(creators.into_iter().map(|creator| (creator, 100)));
        }
        levels
    }

    pub fn of(&self, user: &UserId) -> Power {
        if self.creators.contains(user) {
            return Power::Infinite;
        }
        Power::Finite(self.users.get(user).copied().unwrap_or(self.users_default))
    }

    /// What sending an event of this type takes.
    pub fn needed_for(&self, event_type: &str, is_state: bool) -> i64 {
        let default = if is_state { self.state_default } else { self.events_default };
        self.events.get(event_type).copied().unwrap_or(default)
    }

    pub fn may_send(&self, user: &UserId, event_type: &str, is_state: bool) -> bool {
        self.of(user) >= Power::Finite(self.needed_for(event_type, is_state))
    }

    /// What a kind of notification takes: `room` for `@room`.
    pub fn needed_to_notify(&self, kind: &str) -> i64 {
        self.notifications.get(kind).copied().unwrap_or(50)
    }
}

struct Reader<'a> {
    content: &'a Map<String, Value>,
    /// Versions up to 9 take levels written as strings too.
    strings: bool,
}

impl<'a> Reader<'a> {
    fn level(&self, field: &str, default: i64) -> i64 {
        self.content.get(field).and_then(|value| self.integer(value)).unwrap_or(default)
    }

    fn map(&self, field: &str) -> impl Iterator<Item = (&'a str, i64)> {
        let entries = self.content.get(field).and_then(Value::as_object);
        entries.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), self.integer(value)?)))
    }

    fn integer(&self, value: &Value) -> Option<i64> {
        let level = match value {
            Value::Number(number) => number.as_i64()?,
            Value::String(text) if self.strings => text.trim().parse().ok()?,
            _ => return None,
        };
        (level.unsigned_abs() <= INTEGER_MAX).then_some(level)
    }
}

#[cfg(test)]
mod tests;
