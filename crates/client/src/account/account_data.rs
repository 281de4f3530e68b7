//! Account data: what clients keep here for their user, globally and for a room (spec, "Client Config").

use std::sync::Arc;

use http::StatusCode;
use kernel::{
    Kind,
    id::{RoomId, UserId},
};
use ruma_client_api::config::{
    get_global_account_data, get_room_account_data, set_global_account_data, set_room_account_data,
};
use web::Json;

use super::{not_found, own};
use crate::{Town, stored};

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(get_global);
    routes.user(set_global);
    routes.user(get_of_room);
    routes.user(set_of_room);
}

async fn get_global(
    town: Arc<Town>,
    caller: web::Caller,
    ask: get_global_account_data::v3::Request,
) -> web::Result<Json> {
    own(&caller, &ask.user_id)?;
    read(&town, &caller.user, None, &ask.event_type.to_string())
}

async fn get_of_room(
    town: Arc<Town>,
    caller: web::Caller,
    ask: get_room_account_data::v3::Request,
) -> web::Result<Json> {
    own(&caller, &ask.user_id)?;
    read(&town, &caller.user, Some(&ask.room_id), &ask.event_type.to_string())
}

fn read(town: &Town, user: &UserId, room: Option<&RoomId>, kind: &str) -> web::Result<Json> {
    let content = town.accounts.data(user, room, kind)?;
    content.map(Json::text).ok_or_else(|| not_found("There is no account data of this type"))
}

async fn set_global(
    town: Arc<Town>,
    caller: web::Caller,
    ask: set_global_account_data::v3::Request,
) -> web::Result<set_global_account_data::v3::Response> {
    own(&caller, &ask.user_id)?;
    write(&town, &caller.user, None, &ask.event_type.to_string(), &stored::text(&ask.data)).await?;
    Ok(set_global_account_data::v3::Response::new())
}

async fn set_of_room(
    town: Arc<Town>,
    caller: web::Caller,
    ask: set_room_account_data::v3::Request,
) -> web::Result<set_room_account_data::v3::Response> {
    own(&caller, &ask.user_id)?;
    write(&town, &caller.user, Some(&ask.room_id), &ask.event_type.to_string(), &stored::text(&ask.data)).await?;
    Ok(set_room_account_data::v3::Response::new())
}

async fn write(town: &Town, user: &UserId, room: Option<&RoomId>, kind: &str, content: &str) -> web::Result<()> {
    if accounts::is_managed(kind) {
        let message = format!("{kind} has an endpoint of its own");
        return Err(web::Error::new(Kind::BadJson, message).status(StatusCode::METHOD_NOT_ALLOWED));
    }
    Ok(town.accounts.set_data(user, room, kind, content).await?)
}
