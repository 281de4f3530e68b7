//! Users' devices and keys: `user/devices`, `user/keys/query` and `user/keys/claim`.

use std::{collections::BTreeMap, sync::Arc};

use accounts::ClaimRequest;
use kernel::id::OwnedUserId;
use ruma_common::serde::Raw;
use ruma_federation_api::{
    device::get_devices::v1 as get_devices,
    keys::{claim_keys::v1 as claim_keys, get_keys::v1 as get_keys},
};
use web::{Error, Homeserver};

use super::events::raw;
use crate::Town;

pub(super) async fn devices(
    town: Arc<Town>,
    _: Homeserver,
    ask: get_devices::Request,
) -> web::Result<get_devices::Response> {
    let list = town.accounts.devices_for(&ask.user_id)?;
    let stream_id = list.stream_id.try_into().map_err(Error::internal)?;
    let mut answer = get_devices::Response::new(list.user, stream_id);
    for device in list.devices {
        let mut shown = get_devices::UserDevice::new(device.id, key(device.keys)?);
        shown.device_display_name = device.display_name;
        answer.devices.push(shown);
    }
    answer.master_key = list.master.map(key).transpose()?;
    answer.self_signing_key = list.self_signing.map(key).transpose()?;
    Ok(answer)
}

pub(super) async fn query_keys(
    town: Arc<Town>,
    _: Homeserver,
    ask: get_keys::Request,
) -> web::Result<get_keys::Response> {
    let found = town.accounts.query_keys_for(&ask.device_keys)?;
    let mut answer = get_keys::Response::new(BTreeMap::new());
    for (user, devices) in found.devices {
        let keys = devices.into_iter().map(|(device, keys)| Ok((device, key(keys)?)));
        answer.device_keys.insert(user, keys.collect::<web::Result<_>>()?);
    }
    answer.master_keys = keys(found.master)?;
    answer.self_signing_keys = keys(found.self_signing)?;
    Ok(answer)
}

pub(super) async fn claim_keys(
    town: Arc<Town>,
    _: Homeserver,
    ask: claim_keys::Request,
) -> web::Result<claim_keys::Response> {
    let mut wanted = Vec::new();
    for (user, devices) in ask.one_time_keys {
        wanted.extend(devices.into_iter().map(|(device, algorithm)| ClaimRequest {
            user: user.clone(),
            device,
            algorithm: algorithm.to_string(),
        }));
    }
    let mut claimed = claim_keys::OneTimeKeys::new();
    for one in town.accounts.claim_keys_for(&wanted).await? {
        let key_id = one.key_id.as_str().try_into().map_err(Error::internal)?;
        claimed.entry(one.user).or_default().entry(one.device).or_default().insert(key_id, key(one.key)?);
    }
    Ok(claim_keys::Response::new(claimed))
}

fn keys<T>(keys: BTreeMap<OwnedUserId, String>) -> web::Result<BTreeMap<OwnedUserId, Raw<T>>> {
    keys.into_iter().map(|(user, text)| Ok((user, key(text)?))).collect()
}

fn key<T>(text: String) -> web::Result<Raw<T>> {
    Ok(Raw::from_json(raw(text)?))
}
