//! `POST /keys/query`: the public keys of users, with the signatures that the caller may see.

use std::sync::Arc;

use ruma_client_api::keys::get_keys::v3::{Request, Response};
use web::Rate;

use super::unreachable;
use crate::{Town, stored};

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(query).limited(Rate::Keys);
}

async fn query(town: Arc<Town>, caller: web::Caller, ask: Request) -> web::Result<Response> {
    let mut response = Response::new();
    for (user, devices) in ask.device_keys {
        if !town.accounts.is_local(&user) {
            response.failures.extend([unreachable(user.server_name())]);
            continue;
        }
        let Some(keys) = town.accounts.query_keys(Some(&caller.user), &user, &devices)? else { continue };
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
    }
    Ok(response)
}
