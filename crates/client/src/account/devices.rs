//! A user's own devices (spec, "Device management").

use std::sync::Arc;

use accounts::Device;
use kernel::Kind;
use ruma_client_api::device::{self, delete_device, delete_devices, get_device, get_devices, update_device};
use ruma_common::MilliSecondsSinceUnixEpoch;

use super::{account_page, not_found};
use crate::Town;

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(list);
    routes.user(get);
    routes.user(rename);
    routes.user(delete);
    routes.user(delete_many);
}

async fn list(
    town: Arc<Town>,
    caller: web::Caller,
    _: get_devices::v3::Request,
) -> web::Result<get_devices::v3::Response> {
    let devices = town.accounts.devices(&caller.user)?;
    Ok(get_devices::v3::Response::new(devices.into_iter().map(shown).collect()))
}

async fn get(
    town: Arc<Town>,
    caller: web::Caller,
    ask: get_device::v3::Request,
) -> web::Result<get_device::v3::Response> {
    let device = town.accounts.device(&caller.user, &ask.device_id)?;
    let device = device.ok_or_else(|| not_found("You have no such device"))?;
    Ok(get_device::v3::Response::new(shown(device)))
}

async fn rename(
    town: Arc<Town>,
    caller: web::Caller,
    ask: update_device::v3::Request,
) -> web::Result<update_device::v3::Response> {
    match &ask.display_name {
        Some(name) => town.accounts.rename_device(&caller.user, &ask.device_id, Some(name)).await?,
        // A body without a name changes nothing, but only on a device that is there.
        None if town.accounts.device(&caller.user, &ask.device_id)?.is_none() => {
            return Err(not_found("You have no such device"));
        }
        None => {}
    }
    Ok(update_device::v3::Response::new())
}

async fn delete(
    town: Arc<Town>,
    caller: web::Caller,
    ask: delete_device::v3::Request,
) -> web::Result<delete_device::v3::Response> {
    only_this_device(&town, &caller, &[ask.device_id])?;
    town.accounts.end_session(&caller.user, caller.device()?).await?;
    Ok(delete_device::v3::Response::new())
}

async fn delete_many(
    town: Arc<Town>,
    caller: web::Caller,
    ask: delete_devices::v3::Request,
) -> web::Result<delete_devices::v3::Response> {
    only_this_device(&town, &caller, &ask.devices)?;
    if !ask.devices.is_empty() {
        town.accounts.end_session(&caller.user, caller.device()?).await?;
    }
    Ok(delete_devices::v3::Response::new())
}

/// Another device ends in the account page, after a fresh sign-in: there is no password that could be asked for here, and a
/// token alone must not be enough to sign its owner out everywhere.
fn only_this_device(town: &Town, caller: &web::Caller, devices: &[kernel::id::OwnedDeviceId]) -> web::Result<()> {
    let this = caller.device()?;
    if devices.iter().all(|device| device == this) {
        return Ok(());
    }
    let message = format!("Other sessions are ended in the account page: {}", account_page(town));
    Err(web::Error::new(Kind::Forbidden, message))
}

fn shown(device: Device) -> device::Device {
    let mut shown = device::Device::new(device.id);
    shown.display_name = device.display_name;
    shown.last_seen_ip = device.last_seen_ip;
    shown.last_seen_ts = device.last_seen_at.and_then(|at| at.0.try_into().ok()).map(MilliSecondsSinceUnixEpoch);
    shown
}
