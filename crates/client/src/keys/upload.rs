//! `POST /keys/upload`: the device's own keys, its one-time keys and its fallback keys.

use std::{collections::BTreeMap, sync::Arc};

use accounts::KeyUpload;
use ruma_client_api::keys::upload_keys::v3::{Request, Response};
use ruma_common::{OwnedOneTimeKeyId, encryption::OneTimeKey, serde::Raw};
use web::Rate;

use crate::{Town, stored};

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(upload).limited(Rate::Keys);
}

async fn upload(town: Arc<Town>, caller: web::Caller, ask: Request) -> web::Result<Response> {
    let keys = KeyUpload {
        device_keys: ask.device_keys.as_ref().map(stored::text),
        one_time_keys: texts(&ask.one_time_keys),
        fallback_keys: texts(&ask.fallback_keys),
    };
    let counts = town.accounts.upload_keys(&caller.user, caller.device()?, keys).await?.into_iter();
    let counts = counts.map(|(algorithm, count)| (algorithm.into(), u32::try_from(count).unwrap_or(u32::MAX).into()));
    Ok(Response::new(counts.collect()))
}

fn texts(keys: &BTreeMap<OwnedOneTimeKeyId, Raw<OneTimeKey>>) -> BTreeMap<String, String> {
    keys.iter().map(|(id, key)| (id.to_string(), stored::text(key))).collect()
}
