//! Which events of a room a caller wants to see: what the request's filter says, and whom they ignore.

use std::collections::HashSet;

use kernel::id::{OwnedUserId, UserId};
use rooms::Event;
use ruma_client_api::filter::RoomEventFilter;
use serde::Deserialize;
use serde_json::{Map, Value};
use web::Result;

use super::verbatim::Verbatim;
use crate::{Town, filter::EventFilter};

pub(super) struct Wanted {
    filter: EventFilter,
    relations: RelationFilter,
    ignores: HashSet<OwnedUserId>,
}

/// Fields of a filter that ruma does not read (MSC3874).
#[derive(Default, Deserialize)]
struct RelationFilter {
    #[serde(alias = "org.matrix.msc3874.rel_types")]
    rel_types: Option<Vec<String>>,
    #[serde(default, alias = "org.matrix.msc3874.not_rel_types")]
    not_rel_types: Vec<String>,
}

impl Wanted {
    /// `filter` is the one that ruma read of the request `ask`.
    pub(super) fn new<R>(town: &Town, user: &UserId, ask: &Verbatim<R>, filter: RoomEventFilter) -> Result<Self> {
        #[derive(Default, Deserialize)]
        struct Query {
            filter: Option<String>,
        }
        let asked = ask.query::<Query>().filter.unwrap_or_default();
        Ok(Self {
            filter: EventFilter::new(filter),
            relations: serde_json::from_str(&asked).unwrap_or_default(),
            ignores: town.accounts.ignores(user)?,
        })
    }

    pub(super) fn wants(&self, event: &Event) -> bool {
        self.filter.wants_room(event.pdu.room_id())
            && self.filter.wants(event)
            && self.relations.wants(event)
            && !self.ignored(event)
    }

    /// State is never ignored: a room without it is another room.
    fn ignored(&self, event: &Event) -> bool {
        !event.pdu.is_state() && self.ignores.contains(event.pdu.sender())
    }

    /// The number of events to send: what was asked for, within the filter's own limit and `max`.
    pub(super) fn limit(&self, asked: u64, max: usize) -> usize {
        let asked = usize::try_from(asked).unwrap_or(max).min(max);
        asked.min(self.filter.limit(max, max))
    }

    pub(super) fn lazy_loads_members(&self) -> bool {
        self.filter.lazy_loads_members()
    }
}

impl RelationFilter {
    fn wants(&self, event: &Event) -> bool {
        if self.rel_types.is_none() && self.not_rel_types.is_empty() {
            return true;
        }
        let own = rel_type(event);
        let is_in = |types: &[String]| own.as_ref().is_some_and(|own| types.contains(own));
        self.rel_types.as_deref().is_none_or(is_in) && !is_in(&self.not_rel_types)
    }
}

fn rel_type(event: &Event) -> Option<String> {
    let content: Map<String, Value> = event.pdu.content_as().ok()?;
    content.get("m.relates_to")?.get("rel_type")?.as_str().map(str::to_owned)
}
