//! `POST /keys/query`: the public keys of users, with the signatures that the caller may see.

use std::sync::Arc;

use accounts::{UserKeys, Wanted};
use kernel::id::OwnedUserId;
use ruma_client_api::keys::get_keys::v3::{Request, Response};
use web::Rate;

use super::{WITHIN, WITHIN_MAX, sharing::shared_since, unreachable};
use crate::{Town, stored};

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(query).limited(Rate::Keys);
}

async fn query(town: Arc<Town>, caller: web::Caller, ask: Request) -> web::Result<Response> {
    let within = ask.timeout.unwrap_or(WITHIN).min(WITHIN_MAX);
    let (local, remote): (Wanted, Wanted) =
        ask.device_keys.into_iter().partition(|(user, _)| town.accounts.is_local(user));
    let mut response = Response::new();
    for (user, devices) in local {
        if let Some(keys) = town.accounts.query_keys(Some(&caller.user), &user, &devices)? {
            add(&mut response, user, keys)?;
        }
    }
    if !remote.is_empty() {
        let shared = shared_since(&town, &caller.user, &remote)?;
        let answer = town.accounts.query_remote_keys(&caller.user, &remote, &shared, within).await?;
        response.failures = answer.failures.iter().map(|server| unreachable(server)).collect();
        for (user, keys) in answer.found {
            add(&mut response, user, keys)?;
        }
    }
    Ok(response)
}

fn add(response: &mut Response, user: OwnedUserId, keys: UserKeys) -> web::Result<()> {
    let devices = keys.devices.into_iter().map(|(device, keys)| Ok((device, stored::raw(keys)?)));
    response.device_keys.insert(user.clone(), devices.collect::<web::Result<_>>()?);
    if let Some(key) = keys.master {
        response.master_keys.insert(user.clone(), stored::raw(key)?);
    }
    if let Some(key) = keys.self_signing {
        response.self_signing_keys.insert(user.clone(), stored::raw(key)?);
    }
    if let Some(key) = keys.user_signing {
        response.user_signing_keys.insert(user, stored::raw(key)?);
    }
    Ok(())
}
