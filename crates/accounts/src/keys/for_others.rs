//! What other servers are told of our users' devices and keys: of local users only (hazard L9), and without the names of
//! devices, which say more about people than a server needs.

use std::collections::BTreeSet;

use kernel::{
    Position,
    id::{OwnedDeviceId, OwnedUserId, UserId},
};

use super::device_lists::CHANGES_KEPT;
use crate::{
    Accounts, ClaimRequest, ClaimedKey, DeviceList, DeviceListUpdate, Error, ListedDevice, PublicKeys, Result,
    SigningKeyUpdate, UserKeys, Wanted,
    tables::{DEVICE_CHANGES, DeviceChangeRow},
};

/// Users of one query.
const USERS_MAX: usize = 5_000;

/// What other servers must be told of a user's devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceListNews {
    /// In the order in which they are to be sent.
    pub devices: Vec<DeviceListUpdate>,
    pub signing_keys: Option<SigningKeyUpdate>,
}

impl Accounts {
    /// `GET /user/devices/{userId}`
    ///
    /// # Errors
    /// `NoSuchUser` for whoever is not a living user of this server.
    pub fn devices_for(&self, user: &UserId) -> Result<DeviceList> {
        // Before the devices: what changes in between is told once more by its update.
        let stream_id = self.last_device_change(user, Position::END)?;
        let stream_id = stream_id.map_or_else(|| self.device_list_position(user), Ok)?.0;
        let keys = self.public_keys(user, &[])?.ok_or(Error::NoSuchUser)?;
        let devices = keys.devices.into_iter().map(|(id, keys)| ListedDevice { id, keys, display_name: None });
        Ok(DeviceList {
            user: user.to_owned(),
            stream_id,
            devices: devices.collect(),
            master: keys.master,
            self_signing: keys.self_signing,
        })
    }

    /// `POST /user/keys/query`: those of the users who live here; nothing is said of others.
    ///
    /// # Errors
    /// `TooMany`
    pub fn query_keys_for(&self, wanted: &Wanted) -> Result<PublicKeys> {
        if wanted.len() > USERS_MAX {
            return Err(Error::TooMany { what: "users of one query", limit: USERS_MAX });
        }
        let mut found = PublicKeys::default();
        for (user, devices) in wanted {
            let Some(keys) = self.public_keys(user, devices)? else { continue };
            found.devices.insert(user.clone(), keys.devices);
            found.master.extend(keys.master.map(|key| (user.clone(), key)));
            found.self_signing.extend(keys.self_signing.map(|key| (user.clone(), key)));
        }
        Ok(found)
    }

    /// `POST /user/keys/claim`: as for a local caller.
    ///
    /// # Errors
    /// As [`Accounts::claim_keys`].
    pub async fn claim_keys_for(&self, requests: &[ClaimRequest]) -> Result<Vec<ClaimedKey>> {
        let local: Vec<_> = requests.iter().filter(|request| self.is_local(&request.user)).cloned().collect();
        self.claim_keys(&local).await
    }

    /// What a server that was told of everything up to `since` must be told of this local user, up to and including `upto`.
    ///
    /// Its cursor moves to `upto` then. For a server that was told nothing yet, with `since` at the start, it is the last
    /// change alone: an update that refers to none before it makes the other server ask for the whole list.
    pub fn device_list_news(&self, user: &UserId, since: Position, upto: Position) -> Result<DeviceListNews> {
        let log = || self.scope().scan(&DEVICE_CHANGES, (user,)).through((user, upto));
        let rows = match since {
            Position::START => log().backward().limit(1).rows()?,
            _ => log().after((user, since)).limit(CHANGES_KEPT * 2).rows()?,
        };
        let keys = self.public_keys(user, &[])?.unwrap_or_default();
        let mut before = if since == Position::START { None } else { self.last_device_change(user, since)? };
        let mut news = DeviceListNews::default();
        if since == Position::START && rows.is_empty() {
            news.devices.extend(self.keyless_device(user)?);
        }
        for (position, device) in last_of_each(rows) {
            let Some(device) = device else {
                news.signing_keys = signing_keys(user, &keys);
                continue;
            };
            let keys = keys.devices.get(&device).cloned();
            news.devices.push(DeviceListUpdate {
                user: user.to_owned(),
                device,
                display_name: None,
                stream_id: position.0,
                prev_id: before.iter().map(|position| position.0).collect(),
                deleted: keys.is_none(),
                keys,
            });
            before = Some(position);
        }
        Ok(news)
    }

    /// An update about a device of a user who has no keys yet: that too begins the series which others follow.
    fn keyless_device(&self, user: &UserId) -> Result<Option<DeviceListUpdate>> {
        let device = self.devices(user)?.into_iter().next();
        Ok(device.map(|device| DeviceListUpdate {
            user: user.to_owned(),
            device: device.id,
            display_name: None,
            stream_id: Position::START.0,
            prev_id: Vec::new(),
            deleted: false,
            keys: None,
        }))
    }

    /// The keys of a living local user as everybody may see them.
    fn public_keys(&self, user: &UserId, devices: &[OwnedDeviceId]) -> Result<Option<UserKeys>> {
        if self.is_local(user) { self.query_keys(None, user, devices) } else { Ok(None) }
    }

    /// The last change of one of the user's devices up to `upto`, as far as it is remembered.
    fn last_device_change(&self, user: &UserId, upto: Position) -> Result<Option<Position>> {
        let log = self.scope().scan(&DEVICE_CHANGES, (user,)).through((user, upto));
        let rows = log.backward().limit(CHANGES_KEPT * 2).rows()?;
        Ok(rows.into_iter().find(|(_, row)| row.device.is_some()).map(|((_, position), _)| position))
    }
}

/// The last change of each device, and of the signing keys (`None`), oldest first.
fn last_of_each(
    rows: Vec<((OwnedUserId, Position), DeviceChangeRow)>,
) -> impl Iterator<Item = (Position, Option<OwnedDeviceId>)> {
    let mut seen = BTreeSet::new();
    let mut last: Vec<_> = rows.into_iter().rev().map(|((_, position), row)| (position, row.device)).collect();
    last.retain(|(_, device)| seen.insert(device.clone()));
    last.into_iter().rev()
}

/// `None` if the user has none: there is nothing to say, for keys are replaced and never taken back.
fn signing_keys(user: &UserId, keys: &UserKeys) -> Option<SigningKeyUpdate> {
    let update = SigningKeyUpdate {
        user: user.to_owned(),
        master: keys.master.clone(),
        self_signing: keys.self_signing.clone(),
    };
    keys.master.is_some().then_some(update)
}

#[cfg(test)]
mod tests;
