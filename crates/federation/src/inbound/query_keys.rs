//! `/_matrix/key/v2/query`: the keys of other servers, on this town's word, for those who cannot reach them.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use kernel::{
    Kind, Timestamp,
    id::{OwnedServerName, ServerName},
};
use ruma_common::MilliSecondsSinceUnixEpoch;
use ruma_federation_api::discovery::get_remote_server_keys_batch::v2 as get_keys_batch;
use serde::Deserialize;
use web::{Caller, Error, Json, Visit};

use crate::Town;

/// Servers of one query.
const SERVERS_MAX: usize = 100;
/// Servers that are asked for their keys at one time, for one query.
const FETCHES_MAX: usize = 8;

#[derive(Deserialize)]
struct Query {
    minimum_valid_until_ts: Option<u64>,
}

/// ruma's type would fill in the machine's time where none is said, and not this town's.
pub(super) async fn query_one(town: Arc<Town>, _: Option<Caller>, visit: Visit) -> web::Result<Json> {
    let server = ServerName::parse(visit.param("server_name"));
    let server = server.map_err(|error| Error::new(Kind::InvalidParam, error.to_string()))?;
    let until = visit.query::<Query>()?.minimum_valid_until_ts.map_or_else(|| town.clock.now(), Timestamp);
    answer(&town, vec![(server, until)]).await
}

pub(super) async fn query(town: Arc<Town>, ask: get_keys_batch::Request) -> web::Result<Json> {
    if ask.server_keys.len() > SERVERS_MAX {
        let message = format!("More than {SERVERS_MAX} servers in one query");
        return Err(Error::new(Kind::TooLarge, message));
    }
    let now = town.clock.now();
    // A document lists all keys of its server, so that their ids do not matter.
    let until = |criteria: &get_keys_batch::QueryCriteria| criteria.minimum_valid_until_ts.map(timestamp);
    let wanted = ask.server_keys.into_iter().map(|(server, keys)| {
        let until = keys.values().filter_map(until).max().unwrap_or(now);
        (server, until)
    });
    answer(&town, wanted.collect()).await
}

/// The documents that can be had; servers beyond the wall have none here.
async fn answer(town: &Town, wanted: Vec<(OwnedServerName, Timestamp)>) -> web::Result<Json> {
    let documents = wanted.into_iter().map(|(server, until)| document(town, server, until));
    let documents: Vec<_> = stream::iter(documents).buffered(FETCHES_MAX).collect().await;
    let mut text = String::from(r#"{"server_keys":["#);
    let mut is_first = true;
    for document in documents {
        let Some(document) = document? else { continue };
        text.push_str(if is_first { "" } else { "," });
        text.push_str(&document);
        is_first = false;
    }
    text.push_str("]}");
    Ok(Json::text(text))
}

async fn document(town: &Town, server: OwnedServerName, until: Timestamp) -> web::Result<Option<String>> {
    if server == town.server_name {
        return Ok(Some(town.peers.own_keys().document()?));
    }
    Ok(town.peers.keys.notarised(&server, until).await?)
}

fn timestamp(time: MilliSecondsSinceUnixEpoch) -> Timestamp {
    Timestamp(time.0.into())
}
