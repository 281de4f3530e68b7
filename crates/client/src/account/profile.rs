//! Profiles: names computed by the house, avatars and further fields of the user's own (spec, "Profiles"; DESIGN §6).

use std::sync::Arc;

use accounts::{Profile, ProfileField, RemoteError};
use http::StatusCode;
use kernel::id::UserId;
use ruma_client_api::profile::{delete_profile_field, get_profile, get_profile_field, set_profile_field};
use serde_json::Map;
use web::Json;

use super::{not_found, own};
use crate::Town;

/// Longest name of a field (spec, "Profiles").
const FIELD_BYTES_MAX: usize = 255;

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    // The specification lets anybody ask; here names are for the signed in, or the town's staff could be listed from outside.
    routes.user(get);
    routes.user(get_field);
    routes.active(set_field);
    routes.active(delete_field);
}

async fn get(town: Arc<Town>, _: web::Caller, ask: get_profile::v3::Request) -> web::Result<Json> {
    Json::of(&profile(&town, &ask.user_id, None).await?.shown()?)
}

async fn get_field(town: Arc<Town>, _: web::Caller, ask: get_profile_field::v3::Request) -> web::Result<Json> {
    let field = ask.field.as_str();
    check_length(field)?;
    let mut all = profile(&town, &ask.user_id, Some(field)).await?.shown()?;
    match all.remove(field) {
        Some(value) => Json::of(&Map::from_iter([(field.to_owned(), value)])),
        // Clients have always taken an empty object for "no name" and "no avatar".
        None if matches!(field, "displayname" | "avatar_url") => Json::of(&Map::new()),
        None => Err(not_found("This profile has no such field")),
    }
}

async fn set_field(
    town: Arc<Town>,
    caller: web::Caller,
    ask: set_profile_field::v3::Request,
) -> web::Result<set_profile_field::v3::Response> {
    own(&caller, &ask.user_id)?;
    let field = ask.value.field_name();
    check_length(field.as_str())?;
    let value = ask.value.value().to_string();
    let changed = town.accounts.set_profile_field(&caller.user, field.as_str().into(), &value).await;
    show_in_rooms(&town, &caller.user, field.as_str(), changed.map_err(refusal)?).await?;
    Ok(set_profile_field::v3::Response::new())
}

async fn delete_field(
    town: Arc<Town>,
    caller: web::Caller,
    ask: delete_profile_field::v3::Request,
) -> web::Result<delete_profile_field::v3::Response> {
    own(&caller, &ask.user_id)?;
    let field = ask.field.as_str();
    check_length(field)?;
    let changed = town.accounts.delete_profile_field(&caller.user, field.into()).await.map_err(refusal)?;
    show_in_rooms(&town, &caller.user, field, changed).await?;
    Ok(delete_profile_field::v3::Response::new())
}

/// Rooms show the avatar beside the name, and know no other field.
async fn show_in_rooms(town: &Town, user: &UserId, field: &str, changed: bool) -> web::Result<()> {
    if changed && ProfileField::from(field) == ProfileField::AvatarUrl {
        town.rooms.update_profile(&town.actor(user)?).await?;
    }
    Ok(())
}

/// The profile of a user of this server, or what another server says of its user: this field, or all.
async fn profile(town: &Town, user: &UserId, field: Option<&str>) -> web::Result<Profile> {
    if town.accounts.is_local(user) {
        return town.accounts.profile(user)?.ok_or_else(|| not_found("There is no such user"));
    }
    town.accounts.remote_profile(user, field).await.map_err(|error| match error {
        accounts::Error::Remote(error) => unknown_there(&error),
        other => other.into(),
    })
}

/// What a client is told when another server gives no profile: never that server's own words (hazard F14).
fn unknown_there(error: &RemoteError) -> web::Error {
    match error {
        RemoteError::NotFound(_) | RemoteError::NotAllowed(_) => not_found("There is no such user"),
        RemoteError::Refused { status: 403, .. } => not_found("This profile is not shown"),
        error => {
            tracing::info!(%error, "another server gives no profile");
            let message = "The user's server does not answer";
            web::Error::custom(StatusCode::BAD_GATEWAY, "M_UNKNOWN", message)
        }
    }
}

fn check_length(field: &str) -> web::Result<()> {
    if field.len() <= FIELD_BYTES_MAX {
        return Ok(());
    }
    let message = format!("The name of a field has at most {FIELD_BYTES_MAX} bytes");
    Err(web::Error::custom(StatusCode::BAD_REQUEST, "M_KEY_TOO_LARGE", message))
}

/// A profile that is too large has an errcode of its own.
fn refusal(error: accounts::Error) -> web::Error {
    match error {
        accounts::Error::TooLarge { .. } => {
            web::Error::custom(StatusCode::BAD_REQUEST, "M_PROFILE_TOO_LARGE", error.to_string())
        }
        other => other.into(),
    }
}
