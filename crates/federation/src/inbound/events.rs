//! Events on their way out: the texts that rooms keep, as answers hold them, and reads that must not hold up others.

use ruma_common::MilliSecondsSinceUnixEpoch;
use serde_json::value::RawValue;
use web::Error;

use crate::Town;

pub(super) fn raw(event: String) -> web::Result<Box<RawValue>> {
    RawValue::from_string(event).map_err(Error::internal)
}

pub(super) fn raws(events: Vec<String>) -> web::Result<Vec<Box<RawValue>>> {
    events.into_iter().map(raw).collect()
}

/// Answers a question about a room by reading, perhaps much: beside the threads that serve.
pub(super) async fn read<T: Send + 'static>(
    town: &Town,
    read: impl FnOnce(&rooms::Rooms) -> rooms::Result<T> + Send + 'static,
) -> web::Result<T> {
    let rooms = town.rooms.clone();
    Ok(tokio::task::spawn_blocking(move || read(&rooms)).await.map_err(Error::internal)??)
}

/// The time that answers bear.
pub(super) fn now(town: &Town) -> web::Result<MilliSecondsSinceUnixEpoch> {
    town.clock.now().0.try_into().map(MilliSecondsSinceUnixEpoch).map_err(Error::internal)
}
