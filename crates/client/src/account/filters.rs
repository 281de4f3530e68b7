//! Filters that a client defines once and names by an id in its syncs (spec, "Filtering").

use std::sync::Arc;

use kernel::Kind;
use ruma_client_api::filter::{create_filter, get_filter};
use web::Json;

use super::{not_found, own};
use crate::Town;

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(create);
    routes.user(get);
}

/// Stored as it was understood, so that every stored filter can be applied.
async fn create(
    town: Arc<Town>,
    caller: web::Caller,
    ask: create_filter::v3::Request,
) -> web::Result<create_filter::v3::Response> {
    own(&caller, &ask.user_id)?;
    let filter =
        serde_json::to_string(&ask.filter).map_err(|error| web::Error::new(Kind::BadJson, error.to_string()))?;
    Ok(create_filter::v3::Response::new(town.accounts.add_filter(&caller.user, &filter).await?))
}

async fn get(town: Arc<Town>, caller: web::Caller, ask: get_filter::v3::Request) -> web::Result<Json> {
    own(&caller, &ask.user_id)?;
    let filter = town.accounts.filter(&caller.user, &ask.filter_id)?;
    filter.map(Json::text).ok_or_else(|| not_found("There is no such filter"))
}
