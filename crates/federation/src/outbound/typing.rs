//! Who began or ceased to type here, for the other servers of their rooms: in memory only, as typing is.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kernel::id::{OwnedRoomId, OwnedUserId, RoomId};
use parking_lot::Mutex;

use super::Inner;

/// The local users who were typing in each room when it was last looked at.
#[derive(Default)]
pub(super) struct Typists(Mutex<HashMap<OwnedRoomId, HashSet<OwnedUserId>>>);

/// One `m.typing` to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Typed {
    pub(super) room: OwnedRoomId,
    pub(super) user: OwnedUserId,
    pub(super) typing: bool,
}

impl Typists {
    /// What changed in the room since it was last looked at.
    fn changes(&self, room: &RoomId, now: HashSet<OwnedUserId>) -> Vec<Typed> {
        let mut rooms = self.0.lock();
        let before = rooms.remove(room).unwrap_or_default();
        let typed =
            |typing: bool| move |user: &OwnedUserId| Typed { room: room.to_owned(), user: user.clone(), typing };
        let begun = now.difference(&before).map(typed(true));
        let changes = begun.chain(before.difference(&now).map(typed(false))).collect();
        if !now.is_empty() {
            rooms.insert(room.to_owned(), now);
        }
        changes
    }
}

impl Inner {
    /// Takes note of the rooms where somebody's typing changed after `since`, and tells the other servers there.
    pub(super) fn note_typing(self: &Arc<Self>, since: u64) {
        let typing = self.rooms.typing();
        for room in typing.rooms_changed_since(since) {
            let users = typing.changed_since(&room, since).unwrap_or_default();
            let ours = users.into_iter().filter(|user| self.is_ours(user)).collect();
            let changes = self.typists.changes(&room, ours);
            if changes.is_empty() {
                continue;
            }
            match self.others(&room) {
                Ok(servers) => {
                    for server in servers.iter().filter(|server| self.carrier.allows(server)) {
                        self.destination(server).add_typing(&changes);
                        self.wake(server);
                    }
                }
                Err(error) => tracing::error!(%room, %error, "the servers of a room cannot be read"),
            }
        }
    }
}
