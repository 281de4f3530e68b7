//! Presence is off, as in Tchap: what clients say of themselves is taken and told to nobody (spec, "Presence").

use std::sync::Arc;

use ruma_client_api::presence::{get_presence, set_presence};
use ruma_common::presence::PresenceState;

use super::{not_found, own};
use crate::Town;

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(get);
    routes.user(set);
}

async fn get(
    town: Arc<Town>,
    _: web::Caller,
    ask: get_presence::v3::Request,
) -> web::Result<get_presence::v3::Response> {
    if !town.accounts.is_active(&ask.user_id)? {
        return Err(not_found("There is no such user"));
    }
    Ok(get_presence::v3::Response::new(PresenceState::Offline))
}

async fn set(
    _: Arc<Town>,
    caller: web::Caller,
    ask: set_presence::v3::Request,
) -> web::Result<set_presence::v3::Response> {
    own(&caller, &ask.user_id)?;
    Ok(set_presence::v3::Response::new())
}
