//! To-device messages from other servers: each is delivered once, however often it is sent.

use std::time::Duration;

use kernel::{
    Timestamp,
    id::{ServerName, UserId},
};
use store::Batch;

use super::{ATTEMPTS_MAX, KIND_BYTES_MAX, TXN_ID_BYTES_MAX, checked};
use crate::{
    Accounts, Error, Result, ToDevice,
    accounts::check_length,
    tables::{RECEIVED, RECEIVED_LOG, ReceivedRow},
};

/// How long a message id is remembered, and how many of one server: longer than servers go on trying.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 3600);
const REMEMBERED_MAX: u64 = 50_000;

impl Accounts {
    /// `m.direct_to_device` of another server: puts the messages into the inboxes of those local devices that exist. The
    /// same message id of the same sender is done once, also across restarts; nothing is kept of what reaches nobody
    /// (hazard K3).
    ///
    /// # Errors
    /// `Forbidden` when the sender is not of that server; `BadJson`, `InvalidParam`, `TooLarge`, `TooMany`.
    pub async fn receive_to_device(
        &self,
        origin: &ServerName,
        sender: &UserId,
        kind: &str,
        message_id: &str,
        messages: Vec<ToDevice>,
    ) -> Result<()> {
        self.check_origin(origin, sender)?;
        check_length(kind, "an event type", KIND_BYTES_MAX)?;
        check_length(message_id, "a message id", TXN_ID_BYTES_MAX)?;
        let mut messages = checked(messages)?;
        messages.retain(|message| self.is_local(&message.user));
        for _ in 0..ATTEMPTS_MAX {
            let recipients = self.recipients(&messages)?;
            if recipients.is_empty() || self.scope().has(&RECEIVED, (sender, message_id))? {
                return Ok(());
            }
            let mut batch = self.scope().batch();
            batch.expect(&RECEIVED, (sender, message_id), None);
            batch.put(&RECEIVED, (sender, message_id), &());
            self.log_received(&mut batch, origin, sender, message_id)?;
            for recipient in recipients {
                self.put_message(&mut batch, sender, kind, recipient)?;
            }
            match self.commit(batch).await {
                // Either the message came twice at once, or a device went away: look again.
                Err(Error::Conflict) => {}
                other => return other.map(|_| ()),
            }
        }
        Err(Error::Conflict)
    }

    /// Refuses what a server says of a user who is not its own.
    pub(crate) fn check_origin(&self, origin: &ServerName, user: &UserId) -> Result<()> {
        if user.server_name() == origin && !self.is_local(user) {
            return Ok(());
        }
        Err(Error::Forbidden("This server does not speak for this user"))
    }

    /// Notes the message in its server's log, and forgets the oldest ones.
    fn log_received(&self, batch: &mut Batch, origin: &ServerName, sender: &UserId, message_id: &str) -> Result<()> {
        let now = self.now();
        let log = || self.scope().scan(&RECEIVED_LOG, (origin,));
        let last = log().backward().first()?.map_or(0, |(_, row)| row.number);
        // Two go for each that comes, so the log shrinks to its bounds from any length.
        for (key, row) in log().limit(2).rows()? {
            if is_forgotten(&row, last, now) {
                batch.delete(&RECEIVED, (&*row.sender, row.message_id.as_str()));
                batch.delete(&RECEIVED_LOG, key);
            }
        }
        let stamp = batch.stamp();
        let (sender, message_id) = (sender.to_owned(), message_id.to_owned());
        let row = ReceivedRow { sender, message_id, at: now, number: last + 1 };
        batch.put(&RECEIVED_LOG, (origin, stamp), &row);
        Ok(())
    }
}

fn is_forgotten(row: &ReceivedRow, last: u64, now: Timestamp) -> bool {
    now.since(row.at) > REMEMBERED || last.saturating_sub(row.number) >= REMEMBERED_MAX
}

#[cfg(test)]
mod tests {
    use kernel::{
        Position,
        id::{OwnedServerName, OwnedUserId},
    };
    use ruma_common::to_device::DeviceIdOrAllDevices::{AllDevices, DeviceId as One};

    use super::*;
    use crate::testing::{Town, device, town};

    fn server(name: &str) -> OwnedServerName {
        name.try_into().unwrap()
    }

    fn user(id: &str) -> OwnedUserId {
        id.try_into().unwrap()
    }

    fn to(user: &UserId, content: &str) -> ToDevice {
        ToDevice { user: user.to_owned(), device: AllDevices, content: content.to_owned() }
    }

    fn inbox(town: &Town, user: &UserId, id: &str) -> Vec<String> {
        let items = town.accounts.inbox(user, device(id), Position::START, Position::END, 100).unwrap();
        items.into_iter().map(|item| format!("{} {} {}", item.sender, item.kind, item.content)).collect()
    }

    #[tokio::test]
    async fn a_message_is_delivered_once_also_after_a_restart() {
        let town = town();
        let alice = town.person("alice").await;
        for id in ["A", "B"] {
            town.session(&alice, id).await;
        }
        let (origin, bob) = (server("abroad.test"), user("@bob:abroad.test"));
        let messages = vec![
            to(&alice, " {\"n\": 1} "),
            ToDevice { device: One("B".into()), ..to(&alice, "{\"n\":2}") },
            ToDevice { device: One("GHOST".into()), ..to(&alice, "{}") },
        ];
        for _ in 0..2 {
            town.accounts.receive_to_device(&origin, &bob, "m.x", "id", messages.clone()).await.unwrap();
        }
        let town = town.restart();
        town.accounts.receive_to_device(&origin, &bob, "m.x", "id", messages).await.unwrap();
        assert_eq!(inbox(&town, &alice, "A"), ["@bob:abroad.test m.x {\"n\":1}"]);
        assert_eq!(inbox(&town, &alice, "B"), ["@bob:abroad.test m.x {\"n\":1}", "@bob:abroad.test m.x {\"n\":2}"]);
        // Another sender's id is another.
        let carl = user("@carl:abroad.test");
        town.accounts.receive_to_device(&origin, &carl, "m.x", "id", vec![to(&alice, "{}")]).await.unwrap();
        assert_eq!(inbox(&town, &alice, "A").len(), 2);
    }

    /// Hazards F9, K3 and D9.
    #[tokio::test]
    async fn nothing_is_kept_of_what_is_refused_or_reaches_nobody() {
        let town = town();
        let (alice, gone) = (town.person("alice").await, town.person("gone").await);
        town.session(&alice, "A").await;
        town.session(&gone, "G").await;
        town.accounts.deactivate(&gone).await.unwrap();
        let origin = server("abroad.test");
        let bob = user("@bob:abroad.test");
        let before = town.rows();
        for n in 0..1_000 {
            let nobody = [user(&format!("@ghost{n}:town1.test")), user(&format!("@x{n}:third.test")), gone.clone()];
            let messages = nobody.iter().map(|user| to(user, "{}")).collect();
            town.accounts.receive_to_device(&origin, &bob, "m.x", &n.to_string(), messages).await.unwrap();
        }
        assert!(town.rows() == before);
        let large = format!("{{\"x\":\"{}\"}}", "y".repeat(70_000));
        let long = "x".repeat(256);
        let refused = [
            ("abroad.test", "@bob:third.test", "m.x", "id", "{}"),
            ("abroad.test", "@alice:town1.test", "m.x", "id", "{}"),
            ("town1.test", "@alice:town1.test", "m.x", "id", "{}"),
            ("abroad.test", "@bob:abroad.test", &*long, "id", "{}"),
            ("abroad.test", "@bob:abroad.test", "m.x", &*long, "{}"),
            ("abroad.test", "@bob:abroad.test", "m.x", "id", "[]"),
            ("abroad.test", "@bob:abroad.test", "m.x", "id", "{"),
            ("abroad.test", "@bob:abroad.test", "m.x", "id", &*large),
        ];
        for (number, (origin, sender, kind, id, content)) in refused.into_iter().enumerate() {
            let messages = vec![to(&alice, "{}"), to(&alice, content)];
            let received = town.accounts.receive_to_device(&server(origin), &user(sender), kind, id, messages).await;
            assert!(received.is_err(), "{number}");
            assert!(town.rows() == before, "{number}");
        }
        // The id that was refused is free.
        town.accounts.receive_to_device(&origin, &bob, "m.x", "id", vec![to(&alice, "{}")]).await.unwrap();
        assert_eq!(inbox(&town, &alice, "A").len(), 1);
    }

    #[tokio::test]
    async fn message_ids_are_forgotten_in_time_and_number() {
        let town = town();
        let alice = town.person("alice").await;
        town.session(&alice, "A").await;
        let (origin, bob) = (server("abroad.test"), user("@bob:abroad.test"));
        let send = async |id: String| {
            town.accounts.receive_to_device(&origin, &bob, "m.x", &id, vec![to(&alice, "{}")]).await.unwrap();
        };
        let remembered = || town.rows().iter().filter(|(table, ..)| *table == RECEIVED.number()).count();
        for n in 0..300 {
            send(n.to_string()).await;
        }
        assert_eq!(remembered(), 300);
        town.advance(REMEMBERED + Duration::from_secs(1));
        for n in 0..200 {
            send(format!("later{n}")).await;
        }
        assert_eq!(remembered(), 200);
        // Those that many others have followed are forgotten before their time.
        let last = ReceivedRow {
            sender: bob.clone(),
            message_id: "far".to_owned(),
            at: town.accounts.now(),
            number: REMEMBERED_MAX * 2,
        };
        let mut batch = town.accounts.scope().batch();
        let stamp = batch.stamp();
        batch.put(&RECEIVED_LOG, (&*origin, stamp), &last);
        town.accounts.commit(batch).await.unwrap();
        for n in 0..100 {
            send(format!("last{n}")).await;
        }
        assert_eq!(remembered(), 100);
    }
}
