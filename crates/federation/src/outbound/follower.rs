//! From the feed to the queues: which servers must be told of a change.

use std::sync::Arc;

use kernel::{
    Position,
    id::{OwnedServerName, RoomId, UserId},
};
use store::{Announcement, feed};
use tokio::{sync::broadcast::error::RecvError, time::MissedTickBehavior};

use super::{
    Inner, TICK,
    tables::{QUEUE, QueueRow},
};

/// The follower's name among the feed's cursors.
const NAME: &str = "federation";
/// Entries of the feed read at once.
const PAGE: usize = 500;
/// Entries without news for anybody after which the cursor is kept all the same.
const UNSAVED_MAX: u64 = 4_096;

/// Follows the feed until the task is aborted or the store fails.
pub(super) async fn run(inner: Arc<Inner>) {
    // Subscribed before it is read, so that nothing falls between.
    let mut announcements = inner.scope.announcements();
    let mut typing = inner.rooms.typing().changes();
    let mut typed = *typing.borrow_and_update();
    let mut back = inner.carrier.back();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut follower = match Follower::begin(&inner).await {
        Ok(follower) => follower,
        Err(error) => return tracing::error!(%error, "the queues to other servers cannot be read: nothing is sent"),
    };
    loop {
        let followed = tokio::select! {
            committed = announcements.recv() => match committed {
                Ok(committed) => follower.follow(&committed).await,
                Err(RecvError::Lagged(_)) => follower.catch_up().await,
                Err(RecvError::Closed) => return,
            },
            _ = tick.tick() => {
                inner.wake_due();
                Ok(())
            },
            // One that was missed is found by the clock.
            Ok(server) = back.recv() => {
                inner.alive(&server);
                Ok(())
            },
            changed = typing.changed() => {
                if changed.is_err() {
                    return;
                }
                let since = std::mem::replace(&mut typed, *typing.borrow_and_update());
                inner.note_typing(since);
                Ok(())
            },
        };
        if let Err(error) = followed {
            // The feed is on disk: the next entry, or the next start, begins where this one failed.
            tracing::error!(%error, "the feed cannot be followed");
        }
    }
}

struct Follower<'a> {
    inner: &'a Arc<Inner>,
    /// How far the feed was looked through, and how far that is on disk.
    seen: Position,
    saved: Position,
}

impl<'a> Follower<'a> {
    async fn begin(inner: &'a Arc<Inner>) -> store::Result<Self> {
        let seen = feed::cursor(&inner.scope, NAME)?;
        let mut follower = Self { inner, seen, saved: seen };
        follower.catch_up().await?;
        for server in inner.waiting_servers()? {
            inner.wake(&server);
        }
        Ok(follower)
    }

    async fn catch_up(&mut self) -> store::Result<()> {
        loop {
            let entries = feed::read(&self.inner.scope, self.seen, PAGE)?;
            if entries.is_empty() {
                return Ok(());
            }
            self.follow(&entries).await?;
        }
    }

    /// Puts what these entries say into the queues, in one commit with the cursor, and wakes their destinations.
    async fn follow(&mut self, entries: &[Announcement]) -> store::Result<()> {
        let Some(last) = entries.last().map(|entry| entry.position).filter(|last| *last > self.seen) else {
            return Ok(());
        };
        let mut batch = self.inner.scope.batch();
        let mut wake: Vec<OwnedServerName> = Vec::new();
        for entry in entries.iter().filter(|entry| entry.position > self.seen) {
            let News { row, to, wake_only } = self.inner.news(entry);
            wake.extend(wake_only);
            let Some(row) = row else { continue };
            for server in to.into_iter().filter(|server| self.inner.carrier.allows(server)) {
                batch.put(&QUEUE, (&*server, entry.position), &row);
                wake.push(server);
            }
        }
        if !batch.is_empty() || last.0 - self.saved.0 > UNSAVED_MAX {
            feed::advance(&mut batch, NAME, last);
            self.inner.scope.commit(batch).await?;
            self.saved = last;
        }
        self.seen = last;
        wake.sort_unstable();
        wake.dedup();
        wake.iter().for_each(|server| self.inner.wake(server));
        Ok(())
    }
}

/// What an entry of the feed means for other servers.
#[derive(Default)]
struct News {
    row: Option<QueueRow>,
    to: Vec<OwnedServerName>,
    /// A server whose messages to devices wait elsewhere.
    wake_only: Option<OwnedServerName>,
}

impl Inner {
    fn news(&self, entry: &Announcement) -> News {
        let news = match entry.topic {
            rooms::TOPIC => self.news_of_rooms(entry),
            accounts::TOPIC => self.news_of_accounts(entry),
            _ => Ok(News::default()),
        };
        news.unwrap_or_else(|error| {
            tracing::error!(%error, position = %entry.position, "an entry of the feed cannot be told to other servers");
            News::default()
        })
    }

    fn news_of_rooms(&self, entry: &Announcement) -> rooms::Result<News> {
        use rooms::{Change, Membership};
        Ok(match entry.read::<Change>()? {
            Change::Event { room, event_id, to, .. } if !to.is_empty() => {
                News { row: Some(QueueRow::Event { room, event_id }), to, wake_only: None }
            }
            // Who came in by way of another server: that one tells the event to the others, and nobody the devices.
            Change::Event { room, member: Some(change), .. }
                if change.membership == Membership::Join && self.is_ours(&change.user) =>
            {
                let to = self.others(&room)?;
                News { row: Some(QueueRow::Devices { user: change.user }), to, wake_only: None }
            }
            Change::Receipt { room, user, private: false } if self.is_ours(&user) => {
                let to = self.others(&room)?;
                News { row: Some(QueueRow::Receipt { room, user }), to, wake_only: None }
            }
            _ => News::default(),
        })
    }

    fn news_of_accounts(&self, entry: &Announcement) -> rooms::Result<News> {
        use accounts::Change;
        Ok(match entry.read::<Change>()? {
            Change::DeviceKeys { user } if self.is_ours(&user) => {
                let to = self.rooms.servers_sharing_with(&user)?.into_iter().collect();
                News { row: Some(QueueRow::Devices { user }), to, wake_only: None }
            }
            Change::Outbox { server } => News { wake_only: Some(server), ..News::default() },
            _ => News::default(),
        })
    }

    pub(super) fn is_ours(&self, user: &UserId) -> bool {
        user.server_name() == self.rooms.server_name()
    }

    /// The other servers in a room.
    pub(super) fn others(&self, room: &RoomId) -> rooms::Result<Vec<OwnedServerName>> {
        let mut servers = self.rooms.servers(room)?;
        servers.retain(|server| server != self.rooms.server_name());
        Ok(servers)
    }

    /// All servers that something waits for.
    fn waiting_servers(&self) -> store::Result<Vec<OwnedServerName>> {
        let mut servers: Vec<OwnedServerName> = Vec::new();
        loop {
            let scan = self.scope.scan(&QUEUE, ());
            let scan = match servers.last() {
                Some(last) => scan.after((&**last, Position::END)),
                None => scan,
            };
            let Some((server, _)) = scan.limit(1).keys()?.pop() else { break };
            servers.push(server);
        }
        match self.accounts.outbox_servers() {
            Ok(more) => servers.extend(more),
            Err(error) => tracing::error!(%error, "the messages that wait for devices of other servers cannot be read"),
        }
        servers.sort_unstable();
        servers.dedup();
        Ok(servers)
    }
}
