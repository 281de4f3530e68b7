//! Tags of rooms (spec, "Room Tagging").

use std::{collections::BTreeMap, sync::Arc};

use kernel::Kind;
use ruma_client_api::tag::{create_tag, delete_tag, get_tags};
use serde::Serialize;
use serde_json::value::RawValue;
use web::Json;

use super::own;
use crate::{Town, stored};

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(list);
    routes.user(set);
    routes.user(delete);
}

#[derive(Serialize)]
struct Tags {
    tags: BTreeMap<String, Box<RawValue>>,
}

async fn list(town: Arc<Town>, caller: web::Caller, ask: get_tags::v3::Request) -> web::Result<Json> {
    own(&caller, &ask.user_id)?;
    let tags = town.accounts.tags(&caller.user, &ask.room_id)?.into_iter();
    Json::of(&Tags { tags: tags.map(|(tag, info)| Ok((tag, stored::value(info)?))).collect::<web::Result<_>>()? })
}

async fn set(
    town: Arc<Town>,
    caller: web::Caller,
    ask: create_tag::v3::Request,
) -> web::Result<create_tag::v3::Response> {
    own(&caller, &ask.user_id)?;
    let info =
        serde_json::to_string(&ask.tag_info).map_err(|error| web::Error::new(Kind::BadJson, error.to_string()))?;
    town.accounts.set_tag(&caller.user, &ask.room_id, &ask.tag, &info).await?;
    Ok(create_tag::v3::Response::new())
}

async fn delete(
    town: Arc<Town>,
    caller: web::Caller,
    ask: delete_tag::v3::Request,
) -> web::Result<delete_tag::v3::Response> {
    own(&caller, &ask.user_id)?;
    town.accounts.delete_tag(&caller.user, &ask.room_id, &ask.tag).await?;
    Ok(delete_tag::v3::Response::new())
}
