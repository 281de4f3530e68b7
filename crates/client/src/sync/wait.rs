//! Long polls: who waits, and which commit wakes whom. Wake-ups derive from the feed, never from call sites.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use ::rooms::{Change as RoomChange, Membership, Rooms};
use accounts::Change as AccountChange;
use kernel::{
    Position,
    id::{OwnedRoomId, OwnedUserId, RoomId, UserId},
};
use parking_lot::Mutex;
use store::{Announcement, Scope, feed::Announcements};
use tokio::{
    sync::{Notify, broadcast, broadcast::error::RecvError},
    task::JoinHandle,
};

/// Users whose last change is kept in memory; beyond, all are looked up anew.
const TOUCHED_MAX: usize = 50_000;

/// A tenant's long polls.
pub struct Sync {
    inner: Arc<Inner>,
    waker: JoinHandle<()>,
}

struct Inner {
    rooms: Rooms,
    waiting: Mutex<HashMap<OwnedUserId, Vec<Arc<Notify>>>>,
    touched: Mutex<Touched>,
    /// The position of the last change of anybody's device list.
    device_lists: AtomicU64,
}

/// The last change of each user's account, for those who had one since `from`.
struct Touched {
    from: Position,
    last: HashMap<OwnedUserId, Position>,
}

impl Sync {
    /// Begins to follow the tenant's feed; needs a tokio runtime.
    pub fn new(scope: &Scope, rooms: Rooms) -> Self {
        let touched = Touched { from: Position::END, last: HashMap::new() };
        let inner = Arc::new(Inner {
            rooms,
            waiting: Mutex::default(),
            touched: Mutex::new(touched),
            device_lists: AtomicU64::new(0),
        });
        let weak = Arc::downgrade(&inner);
        scope.view(move |announcements| {
            if let Some(inner) = weak.upgrade() {
                announcements.iter().for_each(|announcement| inner.touch(announcement));
            }
        });
        // What was committed before the view began to look counts as changed for everybody.
        inner.touched.lock().from = scope.position();
        inner.device_lists.fetch_max(scope.position().0, Ordering::SeqCst);
        let waker = tokio::spawn(wake(inner.clone(), scope.announcements()));
        Self { inner, waker }
    }

    /// Registers a poll. Register first, then read, then wait: whatever comes after the registration wakes it.
    pub(super) fn register(&self, user: &UserId) -> Poll<'_> {
        let notify = Arc::new(Notify::new());
        self.inner.waiting.lock().entry(user.to_owned()).or_default().push(notify.clone());
        Poll { sync: self, user: user.to_owned(), notify }
    }

    /// Whether the user's account may have changed after `since`. A change that can be read is never missed.
    pub(super) fn account_touched(&self, user: &UserId, since: Position) -> bool {
        let touched = self.inner.touched.lock();
        since < touched.from || touched.last.get(user).is_some_and(|last| *last > since)
    }

    /// Whether anybody's device list changed after `since`.
    pub(super) fn device_lists_touched(&self, since: Position) -> bool {
        self.inner.device_lists.load(Ordering::SeqCst) > since.0
    }
}

impl Drop for Sync {
    fn drop(&mut self) {
        self.waker.abort();
    }
}

/// A registered poll; its end takes it off the list.
pub(super) struct Poll<'a> {
    sync: &'a Sync,
    user: OwnedUserId,
    notify: Arc<Notify>,
}

impl Poll<'_> {
    /// Resolves when something may be new.
    pub(super) async fn woken(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Poll<'_> {
    fn drop(&mut self) {
        let mut waiting = self.sync.inner.waiting.lock();
        if let Some(polls) = waiting.get_mut(&self.user) {
            polls.retain(|notify| !Arc::ptr_eq(notify, &self.notify));
            if polls.is_empty() {
                waiting.remove(&self.user);
            }
        }
    }
}

/// Wakes who is concerned, commit by commit.
async fn wake(inner: Arc<Inner>, mut announcements: broadcast::Receiver<Announcements>) {
    let mut typing = inner.rooms.typing().changes();
    let mut typed = *typing.borrow_and_update();
    loop {
        tokio::select! {
            committed = announcements.recv() => match committed {
                Ok(committed) => committed.iter().for_each(|announcement| inner.wake_for(announcement)),
                Err(RecvError::Lagged(_)) => inner.wake_all(),
                Err(RecvError::Closed) => return,
            },
            changed = typing.changed() => {
                if changed.is_err() {
                    return;
                }
                let since = std::mem::replace(&mut typed, *typing.borrow_and_update());
                for room in inner.rooms.typing().rooms_changed_since(since) {
                    inner.wake_members(&room);
                }
            }
        }
    }
}

impl Inner {
    fn touch(&self, announcement: &Announcement) {
        if announcement.topic != accounts::TOPIC {
            return;
        }
        let Ok(change) = announcement.read::<AccountChange>() else { return };
        if matches!(change, AccountChange::DeviceKeys { .. }) {
            self.device_lists.fetch_max(announcement.position.0, Ordering::SeqCst);
        }
        let mut touched = self.touched.lock();
        if touched.last.len() >= TOUCHED_MAX {
            // Everybody counts as changed up to here: one look-up each, then memory serves again.
            touched.last.clear();
            touched.from = announcement.position;
        }
        if let Some(user) = change.user() {
            touched.last.insert(user.to_owned(), announcement.position);
        }
    }

    fn wake_for(&self, announcement: &Announcement) {
        if announcement.topic == ::rooms::TOPIC {
            match announcement.read::<RoomChange>() {
                Ok(RoomChange::Event { room, member, .. }) => {
                    self.wake_members(&room);
                    if let Some(member) = member {
                        self.wake_user(&member.user);
                    }
                }
                Ok(RoomChange::Members { room, members }) => {
                    self.wake_members(&room);
                    members.iter().for_each(|member| self.wake_user(&member.user));
                }
                Ok(RoomChange::Receipt { user, private: true, .. } | RoomChange::Forgotten { user, .. }) => {
                    self.wake_user(&user);
                }
                Ok(RoomChange::Receipt { room, .. }) => self.wake_members(&room),
                Ok(RoomChange::Published { .. } | RoomChange::Known { .. }) => {}
                Err(_) => self.wake_all(),
            }
        } else if announcement.topic == accounts::TOPIC {
            match announcement.read::<AccountChange>() {
                Ok(AccountChange::DeviceKeys { user }) => self.wake_acquaintances(&user),
                Ok(change) => change.user().into_iter().for_each(|user| self.wake_user(user)),
                Err(_) => self.wake_all(),
            }
        }
    }

    fn wake_user(&self, user: &UserId) {
        if let Some(polls) = self.waiting.lock().get(user) {
            polls.iter().for_each(|notify| notify.notify_one());
        }
    }

    fn wake_all(&self) {
        self.waiting.lock().values().flatten().for_each(|notify| notify.notify_one());
    }

    /// Wakes the waiting whose rooms are such; one whose rooms cannot be read is woken too.
    fn wake_where(&self, mut concerned: impl FnMut(&UserId) -> bool) {
        let users: Vec<OwnedUserId> = self.waiting.lock().keys().cloned().collect();
        users.iter().filter(|user| concerned(user)).for_each(|user| self.wake_user(user));
    }

    fn wake_members(&self, room: &RoomId) {
        self.wake_where(|user| {
            let rooms = self.rooms.rooms_of(user);
            rooms.map_or(true, |rooms| rooms.get(room).is_some_and(|room| room.room.membership == Membership::Join))
        });
    }

    /// Wakes the user, who may be of another server, and those who share a room with them.
    fn wake_acquaintances(&self, user: &UserId) {
        // Each room is looked at once, however many of those who wait are in it.
        let mut known: HashMap<OwnedRoomId, bool> = HashMap::new();
        let mut is_in = |room: &RoomId| {
            *known.entry(room.to_owned()).or_insert_with(|| {
                let membership = self.rooms.membership(room, user);
                membership.map_or(true, |membership| membership == Some(Membership::Join))
            })
        };
        self.wake_where(|other| {
            let rooms = self.rooms.joined_rooms(other);
            other == user || rooms.map_or(true, |rooms| rooms.iter().any(|room| is_in(room)))
        });
    }
}
