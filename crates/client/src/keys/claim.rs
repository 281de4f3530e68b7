//! `POST /keys/claim`: one-time keys, one for each session to be opened with another device.

use std::{collections::BTreeMap, sync::Arc};

use accounts::ClaimRequest;
use kernel::Kind;
use ruma_client_api::keys::claim_keys::v3::{Request, Response};
use web::Rate;

use super::unreachable;
use crate::{Town, stored};

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(claim).limited(Rate::Keys);
}

async fn claim(town: Arc<Town>, _: web::Caller, ask: Request) -> web::Result<Response> {
    let mut failures = BTreeMap::new();
    let mut requests = Vec::new();
    for (user, devices) in ask.one_time_keys {
        if !town.accounts.is_local(&user) {
            failures.extend([unreachable(user.server_name())]);
            continue;
        }
        let of_user = devices.into_iter().map(|(device, algorithm)| ClaimRequest {
            user: user.clone(),
            device,
            algorithm: algorithm.to_string(),
        });
        requests.extend(of_user);
    }
    let mut response = Response::new(BTreeMap::new());
    response.failures = failures;
    for claimed in town.accounts.claim_keys(&requests).await? {
        let key_id = claimed.key_id.try_into().map_err(|_| damaged())?;
        let of_user = response.one_time_keys.entry(claimed.user).or_default();
        of_user.entry(claimed.device).or_default().insert(key_id, stored::raw(claimed.key)?);
    }
    Ok(response)
}

/// Key ids are checked when they are uploaded.
fn damaged() -> web::Error {
    tracing::error!("a stored one-time key has an id that is none");
    web::Error::new(Kind::Internal, "Internal server error")
}
