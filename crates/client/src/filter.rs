//! Filters of events, as clients write them (spec, "Filtering").

use kernel::id::{OwnedUserId, RoomId, UserId};
use rooms::Event;
use ruma_client_api::filter::{LazyLoadOptions, RoomEventFilter, RoomFilter, UrlFilter};

/// A filter of room events, with its limit.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventFilter {
    filter: RoomEventFilter,
}

impl EventFilter {
    pub(crate) fn new(filter: RoomEventFilter) -> Self {
        Self { filter }
    }

    /// The limit asked for, within `max`; `default` when none was. Some ask for no event at all, for the state alone.
    pub(crate) fn limit(&self, default: usize, max: usize) -> usize {
        self.filter.limit.map_or(default, |limit| usize::try_from(u64::from(limit)).unwrap_or(max)).min(max)
    }

    pub(crate) fn lazy_loads_members(&self) -> bool {
        !matches!(self.filter.lazy_load_options, LazyLoadOptions::Disabled)
    }

    /// Whether events of this room are wanted at all.
    pub(crate) fn wants_room(&self, room: &RoomId) -> bool {
        listed(self.filter.rooms.as_deref(), &self.filter.not_rooms, |wanted| wanted == room)
    }

    pub(crate) fn wants(&self, event: &Event) -> bool {
        let has_url = || {
            #[derive(serde::Deserialize)]
            struct Content {
                #[serde(default)]
                url: Option<serde::de::IgnoredAny>,
            }
            event.pdu.content_as::<Content>().is_ok_and(|content| content.url.is_some())
        };
        self.wants_type(event.pdu.kind())
            && self.wants_sender(event.pdu.sender())
            && match self.filter.url_filter {
                None => true,
                Some(UrlFilter::EventsWithUrl) => has_url(),
                Some(UrlFilter::EventsWithoutUrl) => !has_url(),
            }
    }

    pub(crate) fn wants_type(&self, event_type: &str) -> bool {
        wants_type(self.filter.types.as_deref(), &self.filter.not_types, event_type)
    }

    pub(crate) fn wants_sender(&self, sender: &UserId) -> bool {
        listed(self.filter.senders.as_deref(), &self.filter.not_senders, |wanted: &OwnedUserId| wanted == sender)
    }
}

/// Whether the filter wants this room.
pub(crate) fn wants_room(filter: &RoomFilter, room: &RoomId) -> bool {
    listed(filter.rooms.as_deref(), &filter.not_rooms, |wanted| wanted == room)
}

/// Whether lists of types, in which `*` stands for anything, want this one.
pub(crate) fn wants_type(types: Option<&[String]>, not_types: &[String], event_type: &str) -> bool {
    listed(types, not_types, |pattern: &String| matches(pattern, event_type))
}

fn listed<T>(wanted: Option<&[T]>, unwanted: &[T], is: impl Fn(&T) -> bool) -> bool {
    wanted.is_none_or(|wanted| wanted.iter().any(&is)) && !unwanted.iter().any(&is)
}

/// `*` stands for any characters; in linear time, whatever the pattern (hazard D2).
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, expected) in [
            ("m.room.*", "m.room.message", true),
            ("m.room.*", "m.reaction", false),
            ("*", "", true),
            ("m.*.a*e", "m.room.avatar_here", true),
            ("m.room.message", "m.room.message", true),
            ("m.room.message", "m.room.messages", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
        let text = "a".repeat(65_536);
        assert!(!matches(&format!("{}b", "*a".repeat(200)), &text));
    }
}
