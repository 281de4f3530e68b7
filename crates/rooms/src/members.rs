//! Who is in which room, and what changed for whom.

use std::{collections::HashMap, sync::Arc};

pub use events::content::Membership;
use kernel::{
    Position,
    id::{OwnedEventId, OwnedRoomId, OwnedUserId, RoomId, UserId},
    limits::SCAN_ROWS_MAX,
};
use serde::{Deserialize, Serialize};

use crate::{
    Result, Rooms,
    accept::member_of,
    tables::{HEADS, LAST_JOINS, LAST_LEAVES, MEMBERS, STATE_NOW, TIMELINE, USER_ROOMS},
};

/// Heroes of a room (spec, "m.heroes").
const HEROES_MAX: usize = 5;
/// Members that are looked at to find them.
const HEROES_SOUGHT_MAX: usize = 200;
/// Timeline rows read at a time when looking for changes of membership.
const CHANGES_AT_A_TIME: usize = 500;

/// A room as one local user has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRoom {
    pub membership: Membership,
    /// The member event that says so.
    pub event_id: OwnedEventId,
    /// Who sent it: a leave that another sent is a kick, which an initial sync shows.
    pub sender: OwnedUserId,
    /// The user has forgotten the room: but for the news that they left, it is shown nowhere until they are invited or join
    /// again.
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
            let scan = self.inner.scope.scan(&MEMBERS, (room,)).limit(SCAN_ROWS_MAX);
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

    /// Whether the local user ever was in the room.
    pub fn was_member(&self, room: &RoomId, user: &UserId) -> Result<bool> {
        Ok(self.last_join(user, room)?.is_some())
    }

    /// Whom a room without a name is named after: the first others who are in it or invited, or else who were; `None` for
    /// a room that has a name (spec, "Calculating the display name for a room").
    pub fn heroes(&self, room: &RoomId, user: &UserId) -> Result<Option<Vec<OwnedUserId>>> {
        for event_type in ["m.room.name", "m.room.canonical_alias"] {
            if self.inner.scope.has(&STATE_NOW, (room, event_type, ""))? {
                return Ok(None);
            }
        }
        let rows = self.inner.scope.scan(&MEMBERS, (room,)).limit(HEROES_SOUGHT_MAX).rows()?;
        let others = || rows.iter().filter(|((_, member), _)| member != user);
        let these = |wanted: &[Membership]| -> Vec<OwnedUserId> {
            let found = others().filter(|(_, row)| wanted.contains(&row.membership));
            found.take(HEROES_MAX).map(|((_, member), _)| member.clone()).collect()
        };
        let present = these(&[Membership::Join, Membership::Invite]);
        Ok(Some(if present.is_empty() { these(&[Membership::Leave, Membership::Ban]) } else { present }))
    }

    /// Who came or went after `since`, up to and including `upto`, and what they are now.
    pub fn member_changes(
        &self,
        room: &RoomId,
        since: Position,
        upto: Position,
    ) -> Result<HashMap<OwnedUserId, Membership>> {
        let loaded = self.inner.room(room)?;
        let mut changes = HashMap::new();
        let mut after = (since, u32::MAX);
        loop {
            let scan =
                self.inner.scope.scan(&TIMELINE, (room,)).after((room, after.0, after.1)).through((room, upto, 0));
            let rows = scan.limit(CHANGES_AT_A_TIME).rows()?;
            let Some(((_, position, order), _)) = rows.last() else { return Ok(changes) };
            after = (*position, *order);
            let live = rows.into_iter().filter(|((_, _, order), _)| *order == 0);
            let ids: Vec<OwnedEventId> = live.map(|(_, id)| id.0).collect();
            for event in self.inner.events(&loaded, &ids)? {
                let Some((user, membership)) = member_of(&event.pdu) else { continue };
                let before = match &event.replaces {
                    Some(id) => self.inner.event(&loaded, id)?.and_then(|event| event.membership()),
                    None => None,
                };
                if before != Some(membership) {
                    changes.insert(user, membership);
                }
            }
        }
    }

    /// When the user last went out of the room, or was put out; `None` if they never did.
    pub fn last_leave(&self, user: &UserId, room: &RoomId) -> Result<Option<Position>> {
        Ok(self.inner.scope.get(&LAST_LEAVES, (user, room))?.map(|row| row.position))
    }

    /// When the user last came into the room; `None` if they never were in it.
    pub fn last_join(&self, user: &UserId, room: &RoomId) -> Result<Option<Position>> {
        Ok(self.inner.scope.get(&LAST_JOINS, (user, room))?.map(|row| row.position))
    }
}
