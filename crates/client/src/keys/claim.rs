//! `POST /keys/claim`: one-time keys, one for each session to be opened with another device.

use std::{collections::BTreeMap, sync::Arc};

use accounts::{ClaimRequest, ClaimedKey};
use kernel::Kind;
use ruma_client_api::keys::claim_keys::v3::{Request, Response};
use web::Rate;

use super::{WITHIN, WITHIN_MAX, unreachable};
use crate::{Town, stored};

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(claim).limited(Rate::Keys);
}

async fn claim(town: Arc<Town>, _: web::Caller, ask: Request) -> web::Result<Response> {
    let within = ask.timeout.unwrap_or(WITHIN).min(WITHIN_MAX);
    let requests = ask.one_time_keys.into_iter().flat_map(|(user, devices)| {
        devices.into_iter().map(move |(device, algorithm)| ClaimRequest {
            user: user.clone(),
            device,
            algorithm: algorithm.to_string(),
        })
    });
    let (local, remote): (Vec<_>, Vec<_>) = requests.partition(|request| town.accounts.is_local(&request.user));
    let mut response = Response::new(BTreeMap::new());
    for claimed in town.accounts.claim_keys(&local).await? {
        add(&mut response, claimed)?;
    }
    if !remote.is_empty() {
        let answer = town.accounts.claim_remote_keys(&remote, within).await?;
        response.failures = answer.failures.iter().map(|server| unreachable(server)).collect();
        for claimed in answer.found {
            add(&mut response, claimed)?;
        }
    }
    Ok(response)
}

fn add(response: &mut Response, claimed: ClaimedKey) -> web::Result<()> {
    let key_id = claimed.key_id.try_into().map_err(|_| damaged())?;
    let of_user = response.one_time_keys.entry(claimed.user).or_default();
    of_user.entry(claimed.device).or_default().insert(key_id, stored::raw(claimed.key)?);
    Ok(())
}

/// Key ids are checked when they are uploaded, or come from another server.
fn damaged() -> web::Error {
    tracing::error!("a one-time key has an id that is none");
    web::Error::new(Kind::Internal, "Internal server error")
}
