//! To-device messages on their way to other servers: kept in the batch of the sender's transaction, so that what was
//! acknowledged leaves, and sent by whoever follows [`crate::Change::Outbox`].

use std::collections::BTreeMap;

use kernel::{
    Position,
    id::{OwnedServerName, OwnedUserId, ServerName, UserId},
    limits::SCAN_ROWS_MAX,
};
use serde::Serialize;
use serde_json::value::RawValue;
use store::Batch;

use crate::{
    Accounts, Change, Error, Result, TOPIC, ToDevice,
    tables::{OUTBOX, OutboxRow},
};

/// Longest `m.direct_to_device`, as an EDU with all that is around the messages (hazard D9).
const EDU_BYTES_MAX: usize = 65_535;
/// Rows that wait for one server, and their bytes. Beyond, the oldest make room.
const WAITING_MAX: u64 = 10_000;
const WAITING_BYTES_MAX: u64 = 50_000_000;
/// Rows deleted to make room for one.
const ROOM_MADE: usize = 20;
/// Characters of a message id, which the specification gives 32.
const MESSAGE_ID_LENGTH: usize = 24;

/// One `m.direct_to_device` to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxItem {
    pub position: Position,
    pub sender: OwnedUserId,
    pub kind: String,
    /// What the other server knows a repetition by.
    pub message_id: String,
    /// JSON object: user → device or `*` → content.
    pub messages: String,
}

/// The content of the EDU.
#[derive(Serialize)]
struct DirectToDevice<'a> {
    sender: &'a UserId,
    #[serde(rename = "type")]
    kind: &'a str,
    message_id: &'a str,
    messages: Messages<'a>,
}

type Messages<'a> = BTreeMap<&'a UserId, BTreeMap<String, &'a RawValue>>;

/// Messages of one sending to one server, each text as long as one EDU allows.
pub(crate) type Parcels = BTreeMap<OwnedServerName, Vec<String>>;

impl Accounts {
    /// The servers for which something waits.
    pub fn outbox_servers(&self) -> Result<Vec<OwnedServerName>> {
        let mut servers: Vec<OwnedServerName> = Vec::new();
        loop {
            let scan = self.scope().scan(&OUTBOX, ());
            let scan = match servers.last() {
                Some(last) => scan.after((&**last, Position::END)),
                None => scan,
            };
            let Some((server, _)) = scan.limit(1).keys()?.pop() else { return Ok(servers) };
            servers.push(server);
        }
    }

    /// At most `limit` of the messages that wait for this server, after `after`, oldest first.
    pub fn outbox(&self, server: &ServerName, after: Position, limit: usize) -> Result<Vec<OutboxItem>> {
        let scan = self.scope().scan(&OUTBOX, (server,)).after((server, after));
        let rows = scan.limit(limit.min(SCAN_ROWS_MAX)).rows()?.into_iter();
        Ok(rows
            .map(|((_, position), row)| {
                let OutboxRow { sender, kind, message_id, messages, .. } = row;
                OutboxItem { position, sender, kind, message_id, messages }
            })
            .collect())
    }

    /// The server has taken everything up to and including this position, or never will: it is deleted.
    pub async fn outbox_done(&self, server: &ServerName, upto: Position) -> Result<()> {
        loop {
            let scan = self.scope().scan(&OUTBOX, (server,)).through((server, upto));
            let keys = scan.limit(SCAN_ROWS_MAX).keys()?;
            if keys.is_empty() {
                return Ok(());
            }
            let mut batch = self.scope().batch();
            for key in keys {
                batch.delete(&OUTBOX, key);
            }
            self.commit(batch).await?;
        }
    }

    /// Those of the messages that go to other servers which may be reached, packed into as few EDUs as hold them.
    ///
    /// # Errors
    /// `TooLarge` for a message that fits into none.
    pub(crate) fn parcels(&self, sender: &UserId, kind: &str, messages: &[ToDevice]) -> Result<Parcels> {
        let mut of_servers: BTreeMap<&ServerName, Vec<&ToDevice>> = BTreeMap::new();
        for message in messages.iter().filter(|message| !self.is_local(&message.user)) {
            of_servers.entry(message.user.server_name()).or_default().push(message);
        }
        of_servers.retain(|server, _| self.inner.remote.allows(server));
        let room = EDU_BYTES_MAX.saturating_sub(around(sender, kind)?);
        let packed = of_servers.into_iter().map(|(server, messages)| Ok((server.to_owned(), pack(&messages, room)?)));
        packed.collect()
    }

    /// Adds the parcels to the outboxes of their servers.
    pub(crate) fn post(&self, batch: &mut Batch, sender: &UserId, kind: &str, parcels: &Parcels) -> Result<()> {
        for (server, texts) in parcels {
            let waiting = || self.scope().scan(&OUTBOX, (&**server,));
            let last = waiting().backward().first()?.map(|(_, row)| row);
            let (mut rows, mut bytes) = last.map_or((0, 0), |last| (last.rows_before + 1, last.bytes_after()));
            for messages in texts {
                let row = OutboxRow {
                    sender: sender.to_owned(),
                    kind: kind.to_owned(),
                    message_id: self.random().token(MESSAGE_ID_LENGTH),
                    messages: messages.clone(),
                    rows_before: rows,
                    bytes_before: bytes,
                };
                (rows, bytes) = (rows + 1, row.bytes_after());
                let stamp = batch.stamp();
                batch.put(&OUTBOX, (&**server, stamp), &row);
                batch.announce(TOPIC, stamp, &Change::Outbox { server: server.clone() });
            }
            self.make_room_for(batch, server, texts.len(), (rows, bytes))?;
        }
        Ok(())
    }

    /// Deletes the oldest that wait for the server if, with the newest, more rows or bytes would wait than may.
    fn make_room_for(&self, batch: &mut Batch, server: &ServerName, added: usize, end: (u64, u64)) -> Result<()> {
        let (rows, bytes) = end;
        let oldest = self.scope().scan(&OUTBOX, (server,)).limit(added * ROOM_MADE).rows()?;
        let is_over = |row: &OutboxRow| {
            rows.saturating_sub(row.rows_before) > WAITING_MAX
                || bytes.saturating_sub(row.bytes_before) > WAITING_BYTES_MAX
        };
        let over: Vec<_> = oldest.into_iter().take_while(|(_, row)| is_over(row)).map(|(key, _)| key).collect();
        if !over.is_empty() {
            tracing::warn!(%server, dropped = over.len(), "an outbox is full: its oldest messages are dropped");
        }
        for key in over {
            batch.delete(&OUTBOX, key);
        }
        Ok(())
    }
}

impl OutboxRow {
    fn bytes_after(&self) -> u64 {
        self.bytes_before + u64::try_from(self.messages.len()).unwrap_or(u64::MAX)
    }
}

/// Bytes of an EDU without messages.
fn around(sender: &UserId, kind: &str) -> Result<usize> {
    let message_id = "x".repeat(MESSAGE_ID_LENGTH);
    let content = DirectToDevice { sender, kind, message_id: &message_id, messages: Messages::new() };
    let edu = serde_json::json!({ "edu_type": "m.direct_to_device", "content": content });
    Ok(edu.to_string().len())
}

/// The messages as few texts of at most `room` bytes.
fn pack(messages: &[&ToDevice], room: usize) -> Result<Vec<String>> {
    let mut packed = Vec::new();
    let mut parcel = Messages::new();
    let mut length = 2;
    for message in messages {
        let ToDevice { user, device, content } = message;
        let device = device.to_string();
        // With a user of its own, braces, colons and commas: rather too much than too little.
        let bytes = quoted(user.as_str())? + quoted(&device)? + content.len() + 8;
        if bytes > room {
            return Err(Error::TooLarge { what: "a message to a device of another server", limit: room });
        }
        if length + bytes > room {
            packed.push(text(&std::mem::take(&mut parcel))?);
            length = 2;
        }
        length += bytes;
        let content: &RawValue = serde_json::from_str(content).map_err(|error| Error::BadJson(error.to_string()))?;
        parcel.entry(user).or_default().insert(device, content);
    }
    packed.push(text(&parcel)?);
    Ok(packed)
}

fn quoted(text: &str) -> Result<usize> {
    Ok(self::text(&text)?.len())
}

fn text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::BadJson(error.to_string()))
}

#[cfg(test)]
mod tests;
