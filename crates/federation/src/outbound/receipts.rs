//! Receipts packed into as few `m.receipt` as hold them: each holds one for each room, type and user (spec, server-server
//! API, "Receipts").

use std::collections::BTreeMap;

use kernel::id::{OwnedRoomId, OwnedUserId, RoomId};
use rooms::Receipt;
use serde_json::{Map, Value, json};

type Content = BTreeMap<OwnedRoomId, BTreeMap<String, BTreeMap<OwnedUserId, Value>>>;

#[derive(Default)]
pub(super) struct Receipts(Vec<Content>);

impl Receipts {
    pub(super) fn add(&mut self, room: &RoomId, receipt: Receipt) {
        let Receipt { user, receipt_type, thread, event_id, at, .. } = receipt;
        let mut data = Map::from_iter([("ts".to_owned(), json!(at))]);
        data.extend(thread.map(|thread| ("thread_id".to_owned(), json!(thread))));
        let value = json!({ "event_ids": [event_id], "data": data });
        let holds = |content: &Content| {
            content.get(room).and_then(|types| types.get(&receipt_type)).is_some_and(|users| users.contains_key(&user))
        };
        let free = self.0.iter().position(|content| !holds(content));
        let index = free.unwrap_or_else(|| {
            self.0.push(Content::new());
            self.0.len() - 1
        });
        if let Some(content) = self.0.get_mut(index) {
            content.entry(room.to_owned()).or_default().entry(receipt_type).or_default().insert(user, value);
        }
    }

    /// How many units they take.
    pub(super) fn edus(&self) -> usize {
        self.0.len()
    }

    pub(super) fn into_edus(self) -> impl Iterator<Item = Value> {
        self.0.into_iter().map(|content| json!({ "edu_type": "m.receipt", "content": content }))
    }
}
