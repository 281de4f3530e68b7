//! What accounts ask of other servers.

use std::collections::BTreeMap;

use accounts::{ClaimRequest, ClaimedKey, DeviceList, ListedDevice, PublicKeys, Remote, RemoteResult, Wanted};
use async_trait::async_trait;
use kernel::id::{OwnedDeviceId, OwnedUserId, ServerName, UserId};
use ruma_common::serde::Raw;
use ruma_federation_api::{
    device::get_devices::v1 as get_devices,
    keys::{claim_keys::v1 as claim_keys, get_keys::v1 as get_keys},
    query::get_profile_information::v1 as get_profile,
};

use super::{
    Peers,
    ask::{Patience, text},
};

/// Devices of one user that are listened to.
const DEVICES_MAX: usize = 10_000;

#[async_trait]
impl Remote for Peers {
    fn allows(&self, server: &ServerName) -> bool {
        Self::allows(self, server)
    }

    async fn devices(&self, user: &UserId) -> RemoteResult<DeviceList> {
        let request = get_devices::Request::new(user.to_owned());
        let answer = self.link.ask(user.server_name(), request, Patience::LOOKUP).await?;
        let devices = answer.devices.into_iter().take(DEVICES_MAX).map(|device| ListedDevice {
            id: device.device_id,
            keys: json(device.keys),
            display_name: device.device_display_name,
        });
        Ok(DeviceList {
            user: answer.user_id,
            stream_id: answer.stream_id.into(),
            devices: devices.collect(),
            master: answer.master_key.map(json),
            self_signing: answer.self_signing_key.map(json),
        })
    }

    async fn query_keys(&self, to: &ServerName, wanted: &Wanted) -> RemoteResult<PublicKeys> {
        let request = get_keys::Request::new(wanted.clone());
        let answer = self.link.ask(to, request, Patience::LOOKUP).await?;
        let of_devices = |(user, devices): (OwnedUserId, BTreeMap<OwnedDeviceId, _>)| {
            (user, devices.into_iter().take(DEVICES_MAX).map(|(device, keys)| (device, json(keys))).collect())
        };
        Ok(PublicKeys {
            devices: answer.device_keys.into_iter().map(of_devices).collect(),
            master: answer.master_keys.into_iter().map(|(user, key)| (user, json(key))).collect(),
            self_signing: answer.self_signing_keys.into_iter().map(|(user, key)| (user, json(key))).collect(),
        })
    }

    async fn claim_keys(&self, to: &ServerName, wanted: &[ClaimRequest]) -> RemoteResult<Vec<ClaimedKey>> {
        let mut claims = claim_keys::OneTimeKeyClaims::new();
        for ClaimRequest { user, device, algorithm } in wanted {
            claims.entry(user.clone()).or_default().insert(device.clone(), algorithm.as_str().into());
        }
        let request = claim_keys::Request::new(claims);
        let answer = self.link.ask(to, request, Patience::LOOKUP).await?;
        let mut claimed = Vec::new();
        for (user, devices) in answer.one_time_keys {
            for (device, keys) in devices {
                let keys = keys.into_iter().take(1).map(|(key_id, key)| ClaimedKey {
                    user: user.clone(),
                    device: device.clone(),
                    key_id: key_id.to_string(),
                    key: json(key),
                });
                claimed.extend(keys);
            }
        }
        Ok(claimed)
    }

    async fn profile(&self, user: &UserId, field: Option<&str>) -> RemoteResult<String> {
        let mut request = get_profile::Request::new(user.to_owned());
        request.field = field.map(Into::into);
        self.link.ask_text(user.server_name(), request, Patience::LOOKUP).await
    }
}

fn json<T>(raw: Raw<T>) -> String {
    text(raw.into_json())
}
