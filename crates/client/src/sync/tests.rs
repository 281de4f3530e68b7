//! `/sync` at its boundary: what a client is told, and in which words.

mod account;
mod devices;
mod ephemeral;
mod filters;
mod membership;
mod outside;
mod polls;
mod schedule;
mod timeline;

use std::{pin::Pin, time::Duration};

use futures_util::FutureExt;
use serde_json::{Value, json};

use crate::testing::{Answer, Person, TestSite};

/// A query's value or a path's segment, percent-encoded.
fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The room's part of an answer, `course` being `join`, `leave`, …
fn part<'a>(answer: &'a Value, course: &str, room: &str) -> &'a Value {
    &answer["rooms"][course][room]
}

fn list(events: &Value) -> Vec<Value> {
    events.as_array().cloned().unwrap_or_default()
}

/// Bodies of messages and contents' one word of other events, to compare with.
fn bodies(events: &Value) -> Vec<String> {
    let body = |event: Value| event["content"]["body"].as_str().map(ToOwned::to_owned);
    list(events).into_iter().filter_map(body).collect()
}

fn types(events: &Value) -> Vec<String> {
    list(events).iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

fn next(answer: &Value) -> String {
    answer["next_batch"].as_str().unwrap().to_owned()
}

impl TestSite {
    async fn try_sync(&self, who: &Person, since: Option<&str>, query: &str) -> Answer {
        let since = since.map(|since| format!("since={}&", encode(since))).unwrap_or_default();
        self.get(who, &format!("/_matrix/client/v3/sync?{since}{query}")).await
    }

    async fn first(&self, who: &Person) -> Value {
        self.try_sync(who, None, "").await.ok()
    }

    async fn after(&self, who: &Person, since: &Value) -> Value {
        self.try_sync(who, Some(&next(since)), "").await.ok()
    }

    /// A sync with this filter in its query; since `since`, unless that is null.
    async fn filtered(&self, who: &Person, since: &Value, filter: Value) -> Value {
        let since = since["next_batch"].as_str();
        self.try_sync(who, since, &format!("filter={}", encode(&filter.to_string()))).await.ok()
    }

    /// A poll that waits.
    async fn poll(&self, who: &Person, since: &Value) -> Poll<'_> {
        let (who, since) = (who.clone(), next(since));
        let poll = async move { self.try_sync(&who, Some(&since), "timeout=60000").await };
        let mut poll = Poll(Box::pin(poll));
        assert!(poll.waits().await, "nothing is new yet");
        poll
    }

    async fn put_data(&self, who: &Person, room: Option<&str>, kind: &str, content: Value) {
        let room = room.map(|room| format!("rooms/{}/", encode(room))).unwrap_or_default();
        let path = format!("/_matrix/client/v3/user/{}/{room}account_data/{kind}", encode(who.user.as_str()));
        self.put(who, &path, content).await.ok();
    }

    async fn read_up_to(&self, who: &Person, room: &str, kind: &str, event: &str) {
        self.act(who, room, &format!("receipt/{kind}/{}", encode(event)), json!({})).await.ok();
    }

    async fn type_in(&self, who: &Person, room: &str, typing: bool) {
        let body = if typing { json!({ "typing": true, "timeout": 30_000 }) } else { json!({ "typing": false }) };
        let path = format!("/_matrix/client/v3/rooms/{}/typing/{}", encode(room), encode(who.user.as_str()));
        self.put(who, &path, body).await.ok();
    }

    async fn send_to_device(&self, who: &Person, to: &Person, number: usize) {
        let path = format!("/_matrix/client/v3/sendToDevice/m.test/{}{number}", who.device);
        let body = json!({ "messages": { to.user.as_str(): { to.device.as_str(): { "n": number } } } });
        self.put(who, &path, body).await.ok();
    }

    async fn kick(&self, who: &Person, room: &str, whom: &Person) {
        self.act(who, room, "kick", json!({ "user_id": whom.user })).await.ok();
    }

    async fn invite(&self, who: &Person, room: &str, whom: &Person) {
        self.act(who, room, "invite", json!({ "user_id": whom.user })).await.ok();
    }

    async fn leave(&self, who: &Person, room: &str) {
        self.act(who, room, "leave", json!({})).await.ok();
    }

    /// A room of two, both of whom have synced: the second's answer.
    async fn pair(&self) -> (Person, Person, String, Value) {
        let (alice, bob) = (self.person("alice").await, self.person("bob").await);
        let room = self.open_room(&alice).await;
        self.join(&bob, &room).await;
        let synced = self.first(&bob).await;
        (alice, bob, room, synced)
    }
}

/// A long poll that was begun.
struct Poll<'a>(Pin<Box<dyn Future<Output = Answer> + 'a>>);

impl Poll<'_> {
    /// Whether it still waits, once all that was woken has run.
    async fn waits(&mut self) -> bool {
        for _ in 0..50 {
            if (&mut self.0).now_or_never().is_some() {
                return false;
            }
            tokio::task::yield_now().await;
        }
        true
    }

    async fn answered(self) -> Value {
        tokio::time::timeout(Duration::from_secs(20), self.0).await.expect("the poll is woken").ok()
    }
}
