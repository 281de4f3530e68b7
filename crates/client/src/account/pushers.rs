//! Pushers: where the user's devices want their notifications (spec, "Push Notifications").

use std::sync::Arc;

use accounts::Pusher;
use kernel::Kind;
use ruma_client_api::push::{
    PusherKind, get_notifications, get_pushers,
    set_pusher::{self, v3::PusherAction},
};
use serde::Serialize;
use serde_json::value::RawValue;
use web::Json;

use crate::{Town, stored};

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(list);
    routes.user(set);
    routes.user(notifications);
}

#[derive(Serialize)]
struct Pushers {
    pushers: Vec<Box<RawValue>>,
}

async fn list(town: Arc<Town>, caller: web::Caller, _: get_pushers::v3::Request) -> web::Result<Json> {
    let pushers = town.accounts.pushers(&caller.user)?.into_iter();
    Json::of(&Pushers { pushers: pushers.map(|pusher| stored::value(pusher.json)).collect::<web::Result<_>>()? })
}

async fn set(
    town: Arc<Town>,
    caller: web::Caller,
    ask: set_pusher::v3::Request,
) -> web::Result<set_pusher::v3::Response> {
    match ask.action {
        PusherAction::Post(post) => {
            if !matches!(post.pusher.kind, PusherKind::Http(_)) {
                return Err(web::Error::new(Kind::InvalidParam, "Only pushers of kind http are served"));
            }
            let json = serde_json::to_string(&post.pusher)
                .map_err(|error| web::Error::new(Kind::BadJson, error.to_string()))?;
            let ids = post.pusher.ids;
            let device = caller.device()?.to_owned();
            let pusher = Pusher { app_id: ids.app_id, pushkey: ids.pushkey, device, json };
            town.accounts.set_pusher(&caller.user, pusher, post.append).await?;
        }
        PusherAction::Delete(ids) => town.accounts.delete_pusher(&caller.user, &ids.app_id, &ids.pushkey).await?,
        _ => return Err(web::Error::new(Kind::InvalidParam, "This is no way to set a pusher")),
    }
    Ok(set_pusher::v3::Response::new())
}

/// No history of notifications is kept: what was not read is in the rooms' unread counts.
async fn notifications(
    _: Arc<Town>,
    _: web::Caller,
    _: get_notifications::v3::Request,
) -> web::Result<get_notifications::v3::Response> {
    Ok(get_notifications::v3::Response::new(Vec::new()))
}
