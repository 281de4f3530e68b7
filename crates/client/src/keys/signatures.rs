//! `POST /keys/signatures/upload`: signatures over one's own devices and others' master keys.

use std::{collections::BTreeMap, sync::Arc};

use kernel::id::OwnedUserId;
use ruma_client_api::keys::upload_signatures::v3::Request;
use serde::Serialize;
use web::{Json, Rate};

use crate::Town;

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(upload).limited(Rate::Keys);
}

/// ruma's type of it can only be read.
#[derive(Serialize)]
struct Failure {
    errcode: String,
    error: String,
}

#[derive(Serialize)]
struct Response {
    failures: BTreeMap<OwnedUserId, BTreeMap<String, Failure>>,
}

async fn upload(town: Arc<Town>, caller: web::Caller, ask: Request) -> web::Result<Json> {
    let signed = ask.signed_keys.iter().map(|(user, keys)| {
        let keys = keys.iter().map(|(key, object)| (key.to_owned(), object.get().to_owned()));
        (user.clone(), keys.collect())
    });
    let failures = town.accounts.upload_signatures(&caller.user, signed.collect()).await?.into_iter();
    let failures = failures.map(|(user, keys)| {
        let keys = keys.into_iter().map(|(key, failure)| {
            let error = web::Error::new(failure.kind, failure.reason.as_str());
            (key, Failure { errcode: error.errcode().to_owned(), error: failure.reason })
        });
        (user, keys.collect())
    });
    Json::of(&Response { failures: failures.collect() })
}
