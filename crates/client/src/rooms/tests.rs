//! The room handlers at their boundary: requests as they come from the network, and what is stored and shown after them.

mod aliases;
mod create;
mod leaks;
mod membership;
mod receipts;
mod sending;
mod spaces;
mod timeline;
mod visibility;

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
};

use serde_json::{Value, json};

use crate::testing::{Answer, Person, TestSite};

/// A path's segment or a query's value, percent-encoded.
fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            write!(encoded, "%{byte:02X}").unwrap();
        }
        encoded
    })
}

/// `…/v3/rooms/{room}/{rest}`.
fn at(room: &str, rest: &str) -> String {
    format!("/_matrix/client/v3/rooms/{}/{rest}", encode(room))
}

/// `…/v1/rooms/{room}/{rest}`.
fn at_v1(room: &str, rest: &str) -> String {
    format!("/_matrix/client/v1/rooms/{}/{rest}", encode(room))
}

fn transaction() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl TestSite {
    pub(crate) async fn room(&self, creator: &Person, body: Value) -> String {
        let room = self.post(creator, "/_matrix/client/v3/createRoom", body).await.ok();
        room["room_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn open_room(&self, creator: &Person) -> String {
        self.room(creator, json!({ "preset": "public_chat" })).await
    }

    /// `POST …/rooms/{room}/{act}`.
    pub(crate) async fn act(&self, who: &Person, room: &str, act: &str, body: Value) -> Answer {
        self.post(who, &at(room, act), body).await
    }

    pub(crate) async fn join(&self, who: &Person, room: &str) {
        self.act(who, room, "join", json!({})).await.ok();
    }

    pub(crate) async fn send(&self, who: &Person, room: &str, kind: &str, content: Value) -> Answer {
        self.put(who, &at(room, &format!("send/{kind}/t{}", transaction())), content).await
    }

    pub(crate) async fn say(&self, who: &Person, room: &str, text: &str) -> String {
        let sent = self.send(who, room, "m.room.message", json!({ "msgtype": "m.text", "body": text })).await;
        event_id(&sent.ok())
    }

    pub(crate) async fn relate(&self, who: &Person, room: &str, target: &str, rel_type: &str, text: &str) -> String {
        let relation = json!({ "rel_type": rel_type, "event_id": target });
        let content = json!({
            "msgtype": "m.text", "body": text, "m.relates_to": relation, "m.new_content": { "body": text },
        });
        event_id(&self.send(who, room, "m.room.message", content).await.ok())
    }

    pub(crate) async fn set_state(&self, who: &Person, room: &str, kind: &str, content: Value) -> String {
        event_id(&self.put(who, &at(room, &format!("state/{kind}")), content).await.ok())
    }

    pub(crate) async fn redact(&self, who: &Person, room: &str, event: &str) -> Answer {
        self.put(who, &at(room, &format!("redact/{}/t{}", encode(event), transaction())), json!({})).await
    }

    /// The membership of somebody as the room's state has it.
    pub(crate) async fn membership(&self, asking: &Person, room: &str, of: &Person) -> Value {
        let member = self.get(asking, &at(room, &format!("state/m.room.member/{}", encode(of.user.as_str())))).await;
        member.ok()["membership"].clone()
    }

    /// Where the tenant's stream stands: it moves with every change that is stored.
    pub(crate) fn position(&self) -> kernel::Position {
        self.town.rooms.position()
    }
}

fn event_id(answer: &Value) -> String {
    answer["event_id"].as_str().unwrap().to_owned()
}

/// The ids of a list of events.
fn ids(events: &Value) -> Vec<String> {
    events.as_array().unwrap().iter().map(event_id).collect()
}

fn bodies(events: &Value) -> Vec<&str> {
    events.as_array().unwrap().iter().filter_map(|event| event["content"]["body"].as_str()).collect()
}
