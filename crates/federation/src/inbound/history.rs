//! `backfill` and `get_missing_events`: what came before events that the other server has.

use std::sync::Arc;

use rooms::Gap;
use ruma_federation_api::{backfill::get_backfill::v1 as get_backfill, event::get_missing_events::v1 as get_missing};
use web::Homeserver;

use super::events::{now, raws, read};
use crate::Town;

pub(super) async fn backfill(
    town: Arc<Town>,
    origin: Homeserver,
    ask: get_backfill::Request,
) -> web::Result<get_backfill::Response> {
    let limit = limit(ask.limit.into());
    let events = read(&town, move |rooms| rooms.backfill_for(&origin, &ask.room_id, &ask.v, limit)).await?;
    Ok(get_backfill::Response::new(town.server_name.clone(), now(&town)?, raws(events)?))
}

pub(super) async fn missing_events(
    town: Arc<Town>,
    origin: Homeserver,
    ask: get_missing::Request,
) -> web::Result<get_missing::Response> {
    let events = read(&town, move |rooms| {
        let gap = Gap {
            earliest: &ask.earliest_events,
            latest: &ask.latest_events,
            limit: limit(ask.limit.into()),
            min_depth: ask.min_depth.into(),
        };
        rooms.missing_events_for(&origin, &ask.room_id, &gap)
    });
    Ok(get_missing::Response::new(raws(events.await?)?))
}

/// Rooms have bounds of their own.
fn limit(asked: u64) -> usize {
    usize::try_from(asked).unwrap_or(usize::MAX)
}
