//! To-device messages that wait for their device.

mod received;

use std::time::Duration;

use kernel::{
    Position, Timestamp,
    id::{DeviceId, OwnedDeviceId, OwnedUserId, UserId},
};
use quick_cache::sync::Cache;
use ruma_common::to_device::DeviceIdOrAllDevices;
use store::Batch;

use crate::{
    Accounts, Change, Error, Result, TOPIC,
    accounts::check_length,
    json,
    tables::{DEVICES, DeviceRow, INBOX, InboxRow, SENT, SENT_LOG, SentRow},
};

/// Longest content: two of them fit into an EDU's transaction (hazard D9).
const CONTENT_BYTES_MAX: usize = 65_535;
const KIND_BYTES_MAX: usize = 255;
const TXN_ID_BYTES_MAX: usize = 255;
/// Devices that one request reaches, and bytes that it puts into inboxes.
const RECIPIENTS_MAX: usize = 5_000;
const REQUEST_BYTES_MAX: usize = 4_000_000;
/// Messages that wait for one device, and their bytes. Beyond, the oldest make room (hazard K6).
const WAITING_MAX: usize = 10_000;
const WAITING_BYTES_MAX: usize = 10_000_000;
/// Messages deleted to make room at once.
const ROOM_MADE: usize = 100;
/// How long a transaction id is remembered, and how many of one device.
const TXN_REMEMBERED: Duration = Duration::from_secs(24 * 3600);
const TXNS_MAX: u64 = 2_000;
/// Times that a send starts again because a recipient's device was changed meanwhile.
const ATTEMPTS_MAX: usize = 10;
/// Devices whose inbox is measured in memory.
const LOADS_MAX: usize = 20_000;
/// Rows of an inbox read at once.
const PAGE: usize = 2_000;

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToDevice {
    pub user: OwnedUserId,
    pub device: DeviceIdOrAllDevices,
    /// JSON object.
    pub content: String,
}

/// A message that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxItem {
    pub position: Position,
    pub sender: OwnedUserId,
    pub kind: String,
    /// JSON object.
    pub content: String,
}

/// How full an inbox is: an estimate, for it is measured once and then counted in memory.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    items: usize,
    bytes: usize,
}

pub(crate) struct InboxLoads(Cache<(OwnedUserId, OwnedDeviceId), Load>);

impl Default for InboxLoads {
    fn default() -> Self {
        Self(Cache::new(LOADS_MAX))
    }
}

/// A device that a message goes to, as it was when that was decided.
struct Recipient<'a> {
    user: OwnedUserId,
    device: OwnedDeviceId,
    row: DeviceRow,
    content: &'a str,
}

impl Accounts {
    /// Puts the messages into the inboxes of those local devices that exist, and into the outboxes of other servers. The same
    /// transaction id of the same device and `kind` is done once, also across restarts.
    ///
    /// # Errors
    /// `BadJson`, `InvalidParam`, `TooLarge`, `TooMany`.
    pub async fn send_to_device(
        &self,
        sender: &UserId,
        sender_device: &DeviceId,
        kind: &str,
        txn_id: &str,
        messages: Vec<ToDevice>,
    ) -> Result<()> {
        check_length(kind, "an event type", KIND_BYTES_MAX)?;
        check_length(txn_id, "a transaction id", TXN_ID_BYTES_MAX)?;
        let messages = checked(messages)?;
        let parcels = self.parcels(sender, kind, &messages)?;
        let txn = (sender, sender_device, kind, txn_id);
        for _ in 0..ATTEMPTS_MAX {
            if self.scope().has(&SENT, txn)? {
                return Ok(());
            }
            let mut batch = self.scope().batch();
            batch.expect(&SENT, txn, None);
            batch.put(&SENT, txn, &());
            self.log_txn(&mut batch, sender, sender_device, kind, txn_id)?;
            for recipient in self.recipients(&messages)? {
                self.put_message(&mut batch, sender, kind, recipient)?;
            }
            self.post(&mut batch, sender, kind, &parcels)?;
            match self.commit(batch).await {
                // Either this transaction was done by another request, or a device went away: look again.
                Err(Error::Conflict) => {}
                other => return other.map(|_| ()),
            }
        }
        Err(Error::Conflict)
    }

    /// At most `limit` messages after `after`, up to and including `upto`, oldest first.
    pub fn inbox(
        &self,
        user: &UserId,
        device: &DeviceId,
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Result<Vec<InboxItem>> {
        let scan = self.scope().scan(&INBOX, (user, device)).after((user, device, after)).through((user, device, upto));
        let rows = scan.limit(limit.min(PAGE)).rows()?.into_iter();
        Ok(rows
            .map(|((_, _, position), InboxRow { sender, kind, content })| InboxItem { position, sender, kind, content })
            .collect())
    }

    /// The device has seen its messages up to and including this position: they are deleted in the background. Losing
    /// that in a crash does no harm, for readers ask for what comes after.
    pub fn delete_up_to(&self, user: &UserId, device: &DeviceId, position: Position) -> Result<()> {
        let mut after = Position::START;
        loop {
            let scan = self.scope().scan(&INBOX, (user, device)).after((user, device, after));
            let seen = scan.through((user, device, position)).limit(PAGE).keys()?;
            let Some((_, _, last)) = seen.last() else { return Ok(()) };
            after = *last;
            let mut batch = self.scope().batch();
            for key in seen {
                batch.delete(&INBOX, key);
            }
            self.inner.inbox_loads.0.remove(&(user.to_owned(), device.to_owned()));
            drop(self.scope().enqueue(batch)?);
        }
    }

    /// The devices here that the messages go to: existing ones of living local users (hazard K3).
    fn recipients<'a>(&self, messages: &'a [ToDevice]) -> Result<Vec<Recipient<'a>>> {
        let mut recipients = Vec::new();
        let (here, elsewhere): (Vec<_>, Vec<_>) = messages.iter().partition(|message| self.is_local(&message.user));
        let mut bytes = elsewhere.iter().map(|message| message.content.len()).sum::<usize>();
        for ToDevice { user, device, content } in here {
            if !self.is_active(user)? {
                continue;
            }
            let devices = match device {
                DeviceIdOrAllDevices::DeviceId(device) => {
                    let row = self.scope().get(&DEVICES, (&**user, &**device))?;
                    row.map(|row| (device.clone(), row)).into_iter().collect()
                }
                DeviceIdOrAllDevices::AllDevices => {
                    let rows = self.scope().scan(&DEVICES, (&**user,)).rows()?.into_iter();
                    rows.map(|((_, device), row)| (device, row)).collect::<Vec<_>>()
                }
            };
            for (device, row) in devices {
                bytes += content.len();
                recipients.push(Recipient { user: user.clone(), device, row, content });
            }
        }
        if recipients.len() + elsewhere.len() > RECIPIENTS_MAX {
            return Err(Error::TooMany { what: "recipients", limit: RECIPIENTS_MAX });
        }
        if bytes > REQUEST_BYTES_MAX {
            return Err(Error::TooLarge { what: "the messages together", limit: REQUEST_BYTES_MAX });
        }
        Ok(recipients)
    }

    fn put_message(&self, batch: &mut Batch, sender: &UserId, kind: &str, recipient: Recipient<'_>) -> Result<()> {
        let Recipient { user, device, row, content } = recipient;
        // A device that is deleted meanwhile gets nothing, or another of the same id would find it.
        batch.expect(&DEVICES, (&*user, &*device), Some(&row));
        self.make_room(batch, &user, &device, content.len())?;
        let stamp = batch.stamp();
        let message = InboxRow { sender: sender.to_owned(), kind: kind.to_owned(), content: content.to_owned() };
        batch.put(&INBOX, (&*user, &*device, stamp), &message);
        batch.announce(TOPIC, stamp, &Change::ToDevice { user, device });
        Ok(())
    }

    /// Counts a message into its inbox, and deletes the oldest there if it is full.
    fn make_room(&self, batch: &mut Batch, user: &OwnedUserId, device: &OwnedDeviceId, bytes: usize) -> Result<()> {
        let key = (user.clone(), device.clone());
        let mut load = match self.inner.inbox_loads.0.get(&key) {
            Some(load) => load,
            None => self.measure(user, device)?,
        };
        load = Load { items: load.items + 1, bytes: load.bytes + bytes };
        if load.items > WAITING_MAX || load.bytes > WAITING_BYTES_MAX {
            tracing::warn!(%user, %device, "an inbox is full: its oldest messages are dropped");
            for (key, row) in self.scope().scan(&INBOX, (&**user, &**device)).limit(ROOM_MADE).rows()? {
                load.items = load.items.saturating_sub(1);
                load.bytes = load.bytes.saturating_sub(row.content.len());
                batch.delete(&INBOX, key);
            }
        }
        self.inner.inbox_loads.0.insert(key, load);
        Ok(())
    }

    fn measure(&self, user: &UserId, device: &DeviceId) -> Result<Load> {
        let mut load = Load::default();
        let mut after = Position::START;
        loop {
            let scan = self.scope().scan(&INBOX, (user, device)).after((user, device, after)).limit(PAGE);
            let rows = scan.rows()?;
            let Some(((_, _, last), _)) = rows.last() else { return Ok(load) };
            after = *last;
            load.items += rows.len();
            load.bytes += rows.iter().map(|(_, row)| row.content.len()).sum::<usize>();
        }
    }

    /// Notes the transaction in the device's log, and forgets its oldest ones.
    fn log_txn(&self, batch: &mut Batch, sender: &UserId, device: &DeviceId, kind: &str, txn_id: &str) -> Result<()> {
        let now = self.now();
        let log = || self.scope().scan(&SENT_LOG, (sender, device));
        let last = log().backward().first()?.map_or(0, |(_, row)| row.number);
        // Two go for each that comes, so the log shrinks to its bounds from any length.
        for (key, row) in log().limit(2).rows()? {
            if is_forgotten(&row, last, now) {
                batch.delete(&SENT, (sender, device, row.kind.as_str(), row.txn_id.as_str()));
                batch.delete(&SENT_LOG, key);
            }
        }
        let stamp = batch.stamp();
        let row = SentRow { kind: kind.to_owned(), txn_id: txn_id.to_owned(), at: now, number: last + 1 };
        batch.put(&SENT_LOG, (sender, device, stamp), &row);
        Ok(())
    }

    /// Deletes what waits for the device and what it is remembered to have sent.
    pub(crate) fn erase_inbox(&self, batch: &mut Batch, user: &UserId, device: &DeviceId) -> Result<()> {
        self.inner.inbox_loads.0.remove(&(user.to_owned(), device.to_owned()));
        let mut after = Position::START;
        loop {
            let scan = self.scope().scan(&INBOX, (user, device)).after((user, device, after)).limit(PAGE);
            let rows = scan.keys()?;
            let Some((_, _, last)) = rows.last() else { break };
            after = *last;
            for row in rows {
                batch.delete(&INBOX, row);
            }
        }
        for (key, row) in self.scope().scan(&SENT_LOG, (user, device)).rows()? {
            batch.delete(&SENT, (user, device, row.kind.as_str(), row.txn_id.as_str()));
            batch.delete(&SENT_LOG, key);
        }
        Ok(())
    }
}

/// The messages with their contents as they are stored.
fn checked(messages: Vec<ToDevice>) -> Result<Vec<ToDevice>> {
    let checked = messages.into_iter().map(|message| {
        let content = json::compact_object(&message.content, "a to-device content", CONTENT_BYTES_MAX)?;
        Ok(ToDevice { content, ..message })
    });
    checked.collect()
}

fn is_forgotten(row: &SentRow, last: u64, now: Timestamp) -> bool {
    now.since(row.at) > TXN_REMEMBERED || last.saturating_sub(row.number) >= TXNS_MAX
}

#[cfg(test)]
mod tests;
