//! Memberships of local users that have no place in a room's graph here: invites and knocks that came or went while this
//! server was not in the room, and how they ended.

use std::{collections::BTreeMap, sync::Arc};

use events::{Pdu, RoomVersion};
use kernel::id::{OwnedServerName, OwnedUserId, RoomId, UserId};

use crate::{
    Change, Error, Event, MemberChange, Membership, Result, Rooms, TOPIC, UserRoom, Verdict,
    accept::member_of,
    room::Room,
    state::Root,
    tables::{HeadRow, OUTSIDE, OutsideRow, SERVERS, USER_ROOMS},
};

/// A membership to be kept so.
pub(crate) struct Outside<'a> {
    pub(crate) version: RoomVersion,
    pub(crate) event: &'a Pdu,
    /// The server of the inviter, or the one that took the knock.
    pub(crate) through: OwnedServerName,
    pub(crate) stripped: Vec<String>,
    /// What it takes the place of; none where it must not find this server in the room.
    pub(crate) replaces: Option<OutsideRow>,
}

impl Rooms {
    pub(crate) fn outside(&self, user: &UserId, room: &RoomId) -> Result<Option<OutsideRow>> {
        Ok(self.inner.scope.get(&OUTSIDE, (user, room))?)
    }

    /// Whether the user holds an invite of which the room as it is here does not know.
    pub(crate) fn is_invited_outside(&self, user: &UserId, room: &RoomId) -> Result<bool> {
        Ok(self.outside(user, room)?.is_some() && self.own_membership(user, room)? == Some(Membership::Invite))
    }

    /// The user's membership as their own list of rooms has it.
    pub(crate) fn own_membership(&self, user: &UserId, room: &RoomId) -> Result<Option<Membership>> {
        Ok(self.inner.scope.get(&USER_ROOMS, (user, room))?.map(|row| row.value.membership))
    }

    /// The event by which the user's membership last changed outside the room's timeline, for their own eyes; `None` if their
    /// membership has its place in the room.
    pub fn outside_event(&self, user: &UserId, room: &RoomId) -> Result<Option<Arc<Event>>> {
        let (Some(row), Some(own)) = (self.outside(user, room)?, self.inner.scope.get(&USER_ROOMS, (user, room))?)
        else {
            return Ok(None);
        };
        let pdu = read(&row, &own.value)?;
        Ok(Some(Arc::new(Event {
            pdu: Arc::new(pdu),
            verdict: Verdict::Outlier,
            position: own.position,
            order: 0,
            state_before: Root::EMPTY,
            state_after: Root::EMPTY,
            room_state: Root::EMPTY,
            redacted_by: None,
            transaction: None,
            replaces: None,
        })))
    }

    /// A room that is not here, as far as it must be known to show the user that event.
    pub(crate) fn room_outside(&self, user: &UserId, room: &RoomId) -> Result<Option<Arc<Room>>> {
        let Some(row) = self.outside(user, room)? else { return Ok(None) };
        let version = version(&row)?;
        Ok(Some(Arc::new(Room::new(room.to_owned(), version, HeadRow::EMPTY, BTreeMap::new()))))
    }

    /// Keeps a membership outside the room, and has the user's clients told.
    ///
    /// # Errors
    /// A conflict if meanwhile the room, or that which is replaced, is not as it was.
    pub(crate) async fn keep_outside(&self, room: &RoomId, membership: Outside<'_>) -> Result<()> {
        let Outside { version, event, through, stripped, replaces } = membership;
        let (user, membership) = local_member(event)?;
        let key = (user.as_ref(), room);
        let mut batch = self.inner.scope.batch();
        let stamp = batch.stamp();
        match &replaces {
            Some(row) => batch.expect(&OUTSIDE, key, Some(row)),
            None => batch.expect(&SERVERS, (room, self.server_name()), None),
        }
        let own = UserRoom {
            membership,
            event_id: event.event_id().to_owned(),
            sender: event.sender().to_owned(),
            forgotten: false,
            stripped,
        };
        batch.put_stamped(&USER_ROOMS, key, stamp, &own);
        let row = OutsideRow { version: version.as_str().to_owned(), event: event.json().to_owned(), through };
        batch.put(&OUTSIDE, key, &row);
        let members = vec![MemberChange { user: user.clone(), membership }];
        batch.announce(TOPIC, stamp, &Change::Members { room: room.to_owned(), members });
        self.inner.scope.commit(batch).await?;
        Ok(())
    }
}

pub(crate) fn version(row: &OutsideRow) -> Result<RoomVersion> {
    RoomVersion::parse(&row.version).map_err(|error| Error::Damaged(error.to_string()))
}

/// The event of the row, whose id the user's list of rooms has.
pub(crate) fn read(row: &OutsideRow, own: &UserRoom) -> Result<Pdu> {
    let pdu = Pdu::from_stored(own.event_id.clone(), row.event.clone(), version(row)?, false);
    pdu.map_err(|error| Error::Damaged(error.to_string()))
}

fn local_member(event: &Pdu) -> Result<(OwnedUserId, Membership)> {
    member_of(event).ok_or_else(|| Error::Damaged("a membership that is none was to be kept".to_owned()))
}
