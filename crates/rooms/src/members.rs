//! Who is in which room, and what changed for whom.

use std::{collections::HashMap, sync::Arc};

pub use events::content::Membership;
use kernel::{
    Position,
    id::{OwnedEventId, OwnedRoomId, OwnedUserId, RoomId, UserId},
};
use serde::{Deserialize, Serialize};

use crate::{
    Result, Rooms,
    tables::{HEADS, LAST_JOINS, MEMBERS, USER_ROOMS},
};

/// A room as one local user has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRoom {
    pub membership: Membership,
    /// The member event that says so.
    pub event_id: OwnedEventId,
    /// Who sent it: a leave that another sent is a kick, which an initial sync shows.
    pub sender: OwnedUserId,
    /// The user has forgotten the room: it is shown nowhere until they are invited or join again.
    pub forgotten: bool,
    /// For an invite or a knock: the stripped state events, each as JSON text.
    pub stripped: Vec<String>,
}

/// A [`UserRoom`] with the position at which it became so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRoomAt {
    pub room_id: OwnedRoomId,
    pub position: Position,
    pub room: UserRoom,
}

/// A member as lists show one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub user: OwnedUserId,
    pub membership: Membership,
    pub event_id: OwnedEventId,
    pub display_name: Option<String>,
    pub avatar_url: Option<String>,
}

/// The rooms of one user, as a shared list.
pub type UserRooms = Arc<HashMap<OwnedRoomId, UserRoomAt>>;

impl Rooms {
    /// The user's membership of the room now; `None` if they never had one.
    pub fn membership(&self, room: &RoomId, user: &UserId) -> Result<Option<Membership>> {
        Ok(self.inner.scope.get(&MEMBERS, (room, user))?.map(|member| member.membership))
    }

    pub fn member(&self, room: &RoomId, user: &UserId) -> Result<Option<Member>> {
        Ok(self.inner.scope.get(&MEMBERS, (room, user))?.map(|row| Member {
            user: user.to_owned(),
            membership: row.membership,
            event_id: row.event_id,
            display_name: row.display_name,
            avatar_url: row.avatar_url,
        }))
    }

    /// All users with a membership in the room, those who left included.
    pub fn members(&self, room: &RoomId) -> Result<Vec<Member>> {
        let mut members = Vec::new();
        let mut after: Option<OwnedUserId> = None;
        loop {
            let scan = self.inner.scope.scan(&MEMBERS, (room,));
            let scan = match &after {
                Some(user) => scan.after((room, user.as_ref())),
                None => scan,
            };
            let rows = scan.rows()?;
            let Some(((_, last), _)) = rows.last() else { return Ok(members) };
            after = Some(last.clone());
            members.extend(rows.into_iter().map(|((_, user), row)| Member {
                user,
                membership: row.membership,
                event_id: row.event_id,
                display_name: row.display_name,
                avatar_url: row.avatar_url,
            }));
        }
    }

    /// (joined, invited), as counted by the commits that changed them.
    pub fn member_counts(&self, room: &RoomId) -> Result<(u64, u64)> {
        Ok(self.inner.scope.get(&HEADS, (room,))?.map_or((0, 0), |head| (head.joined, head.invited)))
    }

    /// The rooms of a local user, whatever their membership; forgotten ones included.
    pub fn rooms_of(&self, user: &UserId) -> Result<UserRooms> {
        self.inner.views.rooms_of(user, || {
            let rows = self.inner.scope.scan(&USER_ROOMS, (user,)).rows()?;
            Ok(rows
                .into_iter()
                .map(|((_, room_id), row)| {
                    let room = UserRoomAt { room_id: room_id.clone(), position: row.position, room: row.value };
                    (room_id, room)
                })
                .collect())
        })
    }

    /// The ids of the rooms that the user is in.
    pub fn joined_rooms(&self, user: &UserId) -> Result<Vec<OwnedRoomId>> {
        let rooms = self.rooms_of(user)?;
        Ok(rooms.values().filter(|r| r.room.membership == Membership::Join).map(|r| r.room_id.clone()).collect())
    }

    /// Whether both are in one room.
    pub fn share_a_room(&self, a: &UserId, b: &UserId) -> Result<bool> {
        for room in self.joined_rooms(a)? {
            if self.membership(&room, b)? == Some(Membership::Join) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(crate) fn last_join(&self, user: &UserId, room: &RoomId) -> Result<Option<Position>> {
        Ok(self.inner.scope.get(&LAST_JOINS, (user, room))?.map(|row| row.position))
    }
}
