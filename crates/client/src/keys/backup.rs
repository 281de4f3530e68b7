//! The backup of room keys (spec, "Server-side key backups"): its versions here, its keys in `keys`.

mod keys;

use std::sync::Arc;

use accounts::BackupVersion;
use kernel::Kind;
use ruma_client_api::backup::{
    BackupAlgorithm, create_backup_version, delete_backup_version, get_backup_info, get_latest_backup_info,
    update_backup_version,
};
use ruma_common::serde::Raw;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use web::Json;

use crate::{Town, stored};

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(create);
    routes.user(latest);
    routes.user(get);
    routes.user(update);
    routes.user(delete);
    keys::routes(routes);
}

/// What a client says of a version.
#[derive(Deserialize)]
struct Description {
    algorithm: String,
    auth_data: Box<RawValue>,
    version: Option<String>,
}

/// A version as clients are told of it.
#[derive(Serialize)]
struct Shown {
    algorithm: String,
    auth_data: Box<RawValue>,
    count: u64,
    etag: String,
    version: String,
}

async fn create(
    town: Arc<Town>,
    caller: web::Caller,
    ask: create_backup_version::v3::Request,
) -> web::Result<create_backup_version::v3::Response> {
    let new = described(&ask.algorithm)?;
    let version = town.accounts.create_backup(&caller.user, &new.algorithm, new.auth_data.get()).await?;
    Ok(create_backup_version::v3::Response::new(version))
}

async fn latest(town: Arc<Town>, caller: web::Caller, _: get_latest_backup_info::v3::Request) -> web::Result<Json> {
    shown(town.accounts.backup(&caller.user, None)?)
}

async fn get(town: Arc<Town>, caller: web::Caller, ask: get_backup_info::v3::Request) -> web::Result<Json> {
    shown(town.accounts.backup(&caller.user, Some(&ask.version))?)
}

async fn update(
    town: Arc<Town>,
    caller: web::Caller,
    ask: update_backup_version::v3::Request,
) -> web::Result<update_backup_version::v3::Response> {
    let new = described(&ask.algorithm)?;
    if new.version.is_some_and(|version| version != ask.version) {
        return Err(web::Error::new(Kind::InvalidParam, "The body is about another version"));
    }
    town.accounts.update_backup(&caller.user, &ask.version, &new.algorithm, new.auth_data.get()).await?;
    Ok(update_backup_version::v3::Response::new())
}

async fn delete(
    town: Arc<Town>,
    caller: web::Caller,
    ask: delete_backup_version::v3::Request,
) -> web::Result<delete_backup_version::v3::Response> {
    town.accounts.delete_backup(&caller.user, &ask.version).await?;
    Ok(delete_backup_version::v3::Response::new())
}

/// Read twice: by ruma, which knows what the algorithm demands, and as it is, so that nothing is lost of it.
fn described(raw: &Raw<BackupAlgorithm>) -> web::Result<Description> {
    let wrong = |error: serde_json::Error| web::Error::new(Kind::BadJson, error.to_string());
    raw.deserialize().map_err(wrong)?;
    serde_json::from_str(raw.json().get()).map_err(wrong)
}

fn shown(version: Option<BackupVersion>) -> web::Result<Json> {
    let Some(version) = version else {
        return Err(web::Error::new(Kind::NotFound, "There is no such backup"));
    };
    Json::of(&Shown {
        algorithm: version.algorithm,
        auth_data: stored::value(version.auth_data)?,
        count: version.state.count,
        etag: version.state.etag,
        version: version.version,
    })
}
