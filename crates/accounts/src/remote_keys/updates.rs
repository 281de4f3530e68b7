//! What other servers tell of their users' keys by themselves: one change at a time, each naming the one before it, so that
//! a gap is seen (spec, "Device Management").

use kernel::{
    Position,
    id::{ServerName, UserId},
};
use ruma_common::CanonicalJsonObject;
use store::Batch;

use super::{DEVICES_MAX, answers};
use crate::{
    Accounts, DeviceListUpdate, Error, Result, SigningKeyUpdate,
    accounts::check_length,
    json,
    keys::cross_signing::{Usage, public_key},
    tables::{REMOTE_DEVICES, RemoteDeviceRow, RemoteListRow, StaleRow},
};

/// The public part of a key, and its object.
type SigningKey = (String, CanonicalJsonObject);

/// Longest device id.
const ID_BYTES_MAX: usize = 255;

impl Accounts {
    /// `m.device_list_update`. `shared`: whether anybody here shares a room with the user; nothing is kept of others.
    ///
    /// Whatever cannot be fitted to what is kept makes the list stale. Syncs are told of the change, but for a first device
    /// without keys.
    ///
    /// # Errors
    /// `Forbidden` when the user is not of that server; `BadJson`, `InvalidParam`, `TooLarge`. Nothing is stored then.
    pub async fn receive_device_list(&self, origin: &ServerName, update: DeviceListUpdate, shared: bool) -> Result<()> {
        let DeviceListUpdate { user, device, display_name, stream_id, prev_id, deleted, keys } = update;
        self.check_origin(origin, &user)?;
        check_length(device.as_str(), "a device id", ID_BYTES_MAX)?;
        let keys = keys.filter(|_| !deleted);
        let row = keys.map(|text| answers::device(&user, &device, &text, display_name)).transpose()?;
        if !shared {
            return self.forget_list(&user).await;
        }
        let _changing = self.change(&user).await;
        let before = self.remote_list(&user)?;
        let kept = before.as_ref().filter(|list| list.stale.is_none());
        let came_before = before.as_ref().is_some_and(|list| list.seen.contains(&stream_id));
        if came_before || kept.is_some_and(|list| list.knows(stream_id)) {
            return Ok(());
        }
        let mut batch = self.scope().batch();
        // Of somebody new without keys there is nothing that a client could ask for.
        let is_news = deleted || row.is_some() || before.is_some();
        match kept {
            Some(list) if follows(list, &prev_id) && self.has_room(&user, row.as_ref())? => {
                match row {
                    Some(row) => batch.put(&REMOTE_DEVICES, (&*user, &*device), &row),
                    None => batch.delete(&REMOTE_DEVICES, (&*user, &*device)),
                }
                let mut list = RemoteListRow { stream_id, ..list.clone() };
                list.saw(stream_id);
                self.put_list(&mut batch, &user, before.as_ref(), Some(&list));
            }
            _ => self.mark_stale(&mut batch, &user, before.clone(), Some(stream_id)),
        }
        if is_news {
            self.note_device_list(&mut batch, &user, &[])?;
        }
        self.commit(batch).await?;
        Ok(())
    }

    /// `m.signing_key_update`. `shared` as for [`Accounts::receive_device_list`].
    ///
    /// # Errors
    /// `Forbidden` when the user is not of that server; `InvalidSignature` when the self-signing key is not signed by the
    /// master key; `BadJson`, `InvalidParam`, `TooLarge`. Nothing is stored then.
    pub async fn receive_signing_keys(
        &self,
        origin: &ServerName,
        update: SigningKeyUpdate,
        shared: bool,
    ) -> Result<()> {
        let SigningKeyUpdate { user, master, self_signing } = update;
        self.check_origin(origin, &user)?;
        let key = |usage, text: Option<String>| text.map(|text| answers::signing_key(&user, usage, &text)).transpose();
        let (master, self_signing) = (key(Usage::Master, master)?, key(Usage::SelfSigning, self_signing)?);
        if !shared {
            return self.forget_list(&user).await;
        }
        let _changing = self.change(&user).await;
        let before = self.remote_list(&user)?;
        let mut batch = self.scope().batch();
        match before.as_ref().filter(|list| list.stale.is_none()) {
            Some(list) => {
                let list = with_signing_keys(&user, list, master, self_signing)?;
                if before.as_ref() == Some(&list) {
                    return Ok(());
                }
                self.put_list(&mut batch, &user, before.as_ref(), Some(&list));
            }
            None => self.mark_stale(&mut batch, &user, before, None),
        }
        self.note_device_list(&mut batch, &user, &[])?;
        self.commit(batch).await?;
        Ok(())
    }

    /// Whether one more device may be kept of the user.
    fn has_room(&self, user: &UserId, added: Option<&RemoteDeviceRow>) -> Result<bool> {
        Ok(added.is_none() || self.scope().scan(&REMOTE_DEVICES, (user,)).keys()?.len() < DEVICES_MAX)
    }

    /// Something was missed, or nothing is known yet: the list is to be asked for, soon, for its server is there. `came` is
    /// the update that showed it.
    fn mark_stale(&self, batch: &mut Batch, user: &UserId, before: Option<RemoteListRow>, came: Option<u64>) {
        let (failures, missed) =
            before.as_ref().and_then(|list| list.stale.as_ref()).map_or((0, 0), |stale| (stale.failures, stale.missed));
        let mut list = before.clone().unwrap_or(RemoteListRow {
            stream_id: 0,
            seen: Vec::new(),
            asked: Position::START,
            master: None,
            self_signing: None,
            stale: None,
        });
        list.stale = Some(StaleRow { due: self.now(), failures, missed: missed.wrapping_add(1) });
        came.into_iter().for_each(|stream_id| list.saw(stream_id));
        self.put_list(batch, user, before.as_ref(), Some(&list));
    }
}

/// Whether nothing is missing between what is kept and this update. One that names none before it begins a series: nothing
/// tells what it follows.
fn follows(list: &RemoteListRow, prev_id: &[u64]) -> bool {
    !prev_id.is_empty() && prev_id.iter().all(|id| list.knows(*id))
}

/// The list with these keys in place of its own.
fn with_signing_keys(
    user: &UserId,
    list: &RemoteListRow,
    master: Option<SigningKey>,
    self_signing: Option<SigningKey>,
) -> Result<RemoteListRow> {
    let kept = |text: &Option<String>| text.as_deref().map(json::stored_object).transpose();
    let master = match master {
        Some((_, object)) => Some(object),
        None => kept(&list.master)?,
    };
    let public = master.as_ref().and_then(public_key).unwrap_or_default();
    let self_signing = match self_signing {
        Some((_, object)) if answers::is_signed_by(user, &public, &object) => Some(object),
        Some(_) => {
            return Err(Error::InvalidSignature("The self-signing key is not signed by the master key".to_owned()));
        }
        // What an old master key signed is worth nothing under a new one.
        None => kept(&list.self_signing)?.filter(|object| answers::is_signed_by(user, &public, object)),
    };
    let text = |object: Option<CanonicalJsonObject>| object.as_ref().map(json::text).transpose();
    Ok(RemoteListRow { master: text(master)?, self_signing: text(self_signing)?, ..list.clone() })
}
