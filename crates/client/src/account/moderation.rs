//! What administrators see and decide of accounts by the client API (spec, "Server Administration").

use std::{collections::BTreeMap, sync::Arc};

use accounts::User;
use kernel::{Kind, id::UserId};
use ruma_client_api::admin::{
    get_user_info::{
        self,
        v3::{ConnectionInfo, DeviceInfo, SessionInfo},
    },
    is_user_locked, is_user_suspended, lock_user, suspend_user,
};
use ruma_common::MilliSecondsSinceUnixEpoch;

use super::{not_found, own};
use crate::Town;

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(whois);
    routes.admin(is_locked);
    routes.admin(set_locked);
    routes.admin(is_suspended);
    routes.admin(set_suspended);
}

/// Where the user's devices were last seen; for administrators, and for the user.
async fn whois(
    town: Arc<Town>,
    caller: web::Caller,
    ask: get_user_info::v3::Request,
) -> web::Result<get_user_info::v3::Response> {
    if !caller.is_admin {
        own(&caller, &ask.user_id)?;
    }
    let user = account(&town, &ask.user_id)?;
    let mut devices = BTreeMap::new();
    for device in town.accounts.devices(&user.id)? {
        let mut connection = ConnectionInfo::new();
        connection.ip = device.last_seen_ip;
        connection.last_seen = device.last_seen_at.and_then(|at| at.0.try_into().ok()).map(MilliSecondsSinceUnixEpoch);
        let mut session = SessionInfo::new();
        session.connections = vec![connection];
        let mut info = DeviceInfo::new();
        info.sessions = vec![session];
        devices.insert(device.id.to_string(), info);
    }
    let mut response = get_user_info::v3::Response::new();
    response.user_id = Some(user.id);
    response.devices = devices;
    Ok(response)
}

async fn is_locked(
    town: Arc<Town>,
    _: web::Caller,
    ask: is_user_locked::v1::Request,
) -> web::Result<is_user_locked::v1::Response> {
    Ok(is_user_locked::v1::Response::new(account(&town, &ask.user_id)?.locked))
}

async fn set_locked(
    town: Arc<Town>,
    caller: web::Caller,
    ask: lock_user::v1::Request,
) -> web::Result<lock_user::v1::Response> {
    let user = other_account(&town, &caller, &ask.user_id)?;
    if ask.locked {
        town.accounts.lock(&user.id).await?;
    } else {
        town.accounts.unlock(&user.id).await?;
    }
    Ok(lock_user::v1::Response::new(ask.locked))
}

async fn is_suspended(
    town: Arc<Town>,
    _: web::Caller,
    ask: is_user_suspended::v1::Request,
) -> web::Result<is_user_suspended::v1::Response> {
    Ok(is_user_suspended::v1::Response::new(account(&town, &ask.user_id)?.suspended))
}

async fn set_suspended(
    town: Arc<Town>,
    caller: web::Caller,
    ask: suspend_user::v1::Request,
) -> web::Result<suspend_user::v1::Response> {
    let user = other_account(&town, &caller, &ask.user_id)?;
    if ask.suspended {
        town.accounts.suspend(&user.id).await?;
    } else {
        town.accounts.unsuspend(&user.id).await?;
    }
    Ok(suspend_user::v1::Response::new(ask.suspended))
}

fn account(town: &Town, user: &UserId) -> web::Result<User> {
    if !town.accounts.is_local(user) {
        return Err(web::Error::new(Kind::InvalidParam, "This user is not of this server"));
    }
    let user = town.accounts.user(user)?.filter(|user| !user.deactivated);
    user.ok_or_else(|| not_found("There is no such user"))
}

/// Administrators shut out neither themselves nor each other by this API: the console does, and keeps one of them.
fn other_account(town: &Town, caller: &web::Caller, user: &UserId) -> web::Result<User> {
    let user = account(town, user)?;
    if user.admin || user.id == caller.user {
        return Err(web::Error::new(Kind::Forbidden, "Administrators are not locked or suspended this way"));
    }
    Ok(user)
}
