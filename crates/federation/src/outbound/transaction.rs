//! One transaction: as much of a destination's queue as fits, in its order (spec, server-server API, "Transactions").

use kernel::{
    Position,
    id::{EventId, OwnedUserId, RoomId, ServerName, UserId},
};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    Inner,
    destination::{Destination, OutboundError},
    receipts::Receipts,
    tables::{QUEUE, QueueRow, TOLD},
};

/// Events and ephemeral units of one transaction.
const PDUS_MAX: usize = 50;
const EDUS_MAX: usize = 100;
/// Rows of the queue that go into one.
pub(super) const ITEMS_MAX: usize = 100;
/// Messages to devices that go into one, each up to 65 kB.
const OUTBOX_MAX: usize = 40;
/// Changes of one user's devices that are told one by one.
const UPDATES_MAX: usize = 20;
/// Characters of its id.
const ID_LENGTH: usize = 24;

pub(super) struct Transaction {
    pub(super) id: String,
    pub(super) body: String,
    /// The rows of the queue that it tells.
    pub(super) rows: Vec<Position>,
    pub(super) outbox_upto: Option<Position>,
    /// Up to where it tells of whose devices.
    pub(super) told: Vec<(OwnedUserId, Position)>,
    pub(super) items: usize,
}

/// What a transaction is made of, so far.
#[derive(Default)]
struct Load {
    pdus: Vec<Box<RawValue>>,
    edus: Vec<Value>,
    receipts: Receipts,
    rows: Vec<Position>,
    outbox_upto: Option<Position>,
    told: Vec<(OwnedUserId, Position)>,
    items: usize,
}

impl Load {
    fn is_full(&self) -> bool {
        self.pdus.len() >= PDUS_MAX || self.edus.len() + self.receipts.edus() >= EDUS_MAX
    }

    fn add_edu(&mut self, kind: &str, content: &Value) {
        self.edus.push(json!({ "edu_type": kind, "content": content }));
    }
}

impl Inner {
    /// The next transaction; `None` when nothing waits.
    pub(super) fn compose(&self, destination: &Destination) -> Result<Option<Transaction>, OutboundError> {
        let server: &ServerName = &destination.server;
        let width = destination.width();
        let mut load = Load::default();
        self.add_outbox(server, width, &mut load)?;
        let waiting = self.scope.scan(&QUEUE, (server,)).limit(width).rows()?;
        let nothing_else = load.items == 0;
        for ((_, position), row) in waiting {
            if load.is_full() || (width == 1 && !nothing_else) {
                break;
            }
            self.add_row(server, position, row, &mut load)?;
        }
        for typed in destination.take_typing() {
            let content = json!({ "room_id": typed.room, "user_id": typed.user, "typing": typed.typing });
            load.add_edu("m.typing", &content);
            load.items += 1;
        }
        if load.items == 0 {
            return Ok(None);
        }
        let Load { pdus, mut edus, receipts, rows, outbox_upto, told, items } = load;
        edus.extend(receipts.into_edus());
        let body = json!({
            "origin": self.rooms.server_name(),
            "origin_server_ts": self.clock.now(),
            "pdus": pdus,
            "edus": edus,
        });
        let id = self.random.token(ID_LENGTH);
        Ok(Some(Transaction { id, body: serde_json::to_string(&body)?, rows, outbox_upto, told, items }))
    }

    fn add_outbox(&self, server: &ServerName, width: usize, load: &mut Load) -> Result<(), OutboundError> {
        for item in self.accounts.outbox(server, Position::START, OUTBOX_MAX.min(width))? {
            let messages: Value = serde_json::from_str(&item.messages)?;
            let content = json!({
                "sender": item.sender, "type": item.kind, "message_id": item.message_id, "messages": messages,
            });
            load.add_edu("m.direct_to_device", &content);
            load.outbox_upto = Some(item.position);
            load.items += 1;
        }
        Ok(())
    }

    /// Adds what the row says; what is no longer there to be told is passed over.
    fn add_row(
        &self,
        server: &ServerName,
        position: Position,
        row: QueueRow,
        load: &mut Load,
    ) -> Result<(), OutboundError> {
        match row {
            QueueRow::Event { room, event_id } => match self.rooms.pdu(&room, &event_id)? {
                Some(pdu) => {
                    // Whoever comes into a room is followed by servers there from then on (spec, "Device Management").
                    if let Some(user) = self.joined(&pdu) {
                        self.add_devices(server, &user, position, load)?;
                    }
                    load.pdus.push(RawValue::from_string(pdu)?);
                }
                None => tracing::warn!(%room, event = %event_id, "an event that waits to be sent is not there"),
            },
            QueueRow::Receipt { room, user } => {
                let since = Position(position.0.saturating_sub(1));
                for receipt in self.rooms.receipts(&room, &user, since, position)? {
                    if receipt.user == user && receipt.receipt_type == "m.read" {
                        load.receipts.add(&room, receipt);
                    }
                }
            }
            QueueRow::Devices { user } => self.add_devices(server, &user, position, load)?,
        }
        load.rows.push(position);
        load.items += 1;
        Ok(())
    }

    /// The user of this server who comes into the room by the event, if anybody does.
    pub(super) fn joined_by(&self, room: &RoomId, event: &EventId) -> Result<Option<OwnedUserId>, OutboundError> {
        Ok(self.rooms.pdu(room, event)?.and_then(|pdu| self.joined(&pdu)))
    }

    fn joined(&self, pdu: &str) -> Option<OwnedUserId> {
        joined(pdu).filter(|user| self.is_ours(user))
    }

    fn add_devices(
        &self,
        server: &ServerName,
        user: &UserId,
        upto: Position,
        load: &mut Load,
    ) -> Result<(), OutboundError> {
        let in_this = load.told.iter().rev().find(|(told, _)| told == user).map(|(_, upto)| *upto);
        let since = match in_this {
            Some(since) => since,
            None => self.scope.get(&TOLD, (server, user))?.unwrap_or(Position::START),
        };
        let mut news = self.accounts.device_list_news(user, since, upto)?;
        if news.devices.len() > UPDATES_MAX {
            // The last one names another before it, which the destination then lacks: it asks for the whole list.
            news.devices.drain(..news.devices.len() - 1);
        }
        for update in news.devices {
            let keys = update.keys.as_deref().map(serde_json::from_str::<Value>).transpose()?;
            let mut content = json!({
                "user_id": update.user,
                "device_id": update.device,
                "stream_id": update.stream_id,
                "prev_id": update.prev_id,
                "deleted": update.deleted,
            });
            if let Some(fields) = content.as_object_mut() {
                fields.extend(keys.map(|keys| ("keys".to_owned(), keys)));
                let name = update.display_name.map(|name| ("device_display_name".to_owned(), json!(name)));
                fields.extend(name);
            }
            load.add_edu("m.device_list_update", &content);
        }
        if let Some(update) = news.signing_keys {
            let mut content = json!({ "user_id": update.user });
            if let Some(fields) = content.as_object_mut() {
                for (name, key) in [("master_key", update.master), ("self_signing_key", update.self_signing)] {
                    if let Some(key) = key {
                        fields.insert(name.to_owned(), serde_json::from_str(&key)?);
                    }
                }
            }
            load.add_edu("m.signing_key_update", &content);
        }
        load.told.push((user.to_owned(), upto));
        Ok(())
    }
}

/// Who comes into the room by this event, if anybody does.
fn joined(pdu: &str) -> Option<OwnedUserId> {
    #[derive(Deserialize)]
    struct Member {
        #[serde(rename = "type")]
        kind: String,
        state_key: Option<OwnedUserId>,
        content: Content,
    }
    #[derive(Deserialize)]
    struct Content {
        membership: String,
    }
    if !pdu.contains(r#""m.room.member""#) {
        return None;
    }
    let member: Member = serde_json::from_str(pdu).ok()?;
    member.state_key.filter(|_| member.kind == "m.room.member" && member.content.membership == "join")
}

impl Transaction {
    /// Notes what the destination says against single events: it has them, and there is nothing to be done.
    pub(super) fn log_refusals(&self, server: &ServerName, answer: &str) {
        let Ok(answer) = serde_json::from_str::<Value>(answer) else { return };
        let pdus = answer.get("pdus").and_then(Value::as_object).into_iter().flatten();
        for (event, outcome) in pdus.take(PDUS_MAX) {
            if let Some(error) = outcome.get("error").and_then(Value::as_str) {
                let error: String = error.chars().take(200).collect();
                tracing::info!(%server, %event, error, "the destination did not take an event");
            }
        }
    }
}
