//! A room that begins in its middle: with the state that another server told, as a user of this one comes in.

use std::{collections::HashMap, sync::Arc};

use events::Pdu;
use kernel::id::OwnedEventId;
use store::Stamp;

use super::{
    Unit,
    ahead::{is_large, is_membership_of},
    indexes::{index, unindex},
    member_of,
};
use crate::{
    MemberChange, Membership, Result,
    state::{Difference, Entry, Root},
    tables::{INDEXED_AHEAD, ROOMS, RoomRow, RootRow, STATE_LOG, USER_ROOMS},
};

pub(crate) type Told = HashMap<OwnedEventId, Arc<Pdu>>;

impl Unit<'_> {
    /// Makes a room that is new here known, in the batch that brings its first member of this server.
    pub(crate) fn found_here(&mut self) {
        let row = RoomRow { version: self.room.version.as_str().to_owned() };
        self.batch.expect(&ROOMS, (self.room.id.as_ref(),), None);
        self.batch.put(&ROOMS, (self.room.id.as_ref(),), &row);
    }

    /// Makes a state the room's, at a position of its own before that of the join which follows: what a first sync shows as
    /// the state before the timeline. The state and its events, `told`, are on disk; `changes` is how it differs from the state
    /// before; if it is large, it was indexed ahead, but for the users of this server.
    pub(crate) fn begin_with(&mut self, state: Root, changes: Vec<Difference>, told: Told) -> Result<()> {
        let ahead = is_large(&changes);
        if ahead {
            self.batch.delete(&INDEXED_AHEAD, (self.room.id.as_ref(),));
        }
        let stamp = self.batch.stamp();
        self.batch.put(&STATE_LOG, (self.room.id.as_ref(), stamp), &RootRow(state));
        self.head.state = state;
        self.holds_on = true;
        self.fresh.extend(told);
        let mut members = Vec::new();
        for Difference { old, new } in changes {
            let member = match (old, new) {
                (old, Some(new)) => self.begin_piece(old, &new, ahead, stamp)?,
                (Some(old), None) => {
                    if !ahead || is_membership_of(&self.inner.server_name, &old) {
                        unindex(&mut self.batch, &self.room.id, &old);
                    }
                    self.unfollow(&old, stamp)?
                }
                (None, None) => None,
            };
            members.extend(member.filter(|member| member.user.server_name() == self.inner.server_name));
        }
        self.announce_members(&members);
        Ok(())
    }

    fn begin_piece(
        &mut self,
        old: Option<Entry>,
        new: &Entry,
        ahead: bool,
        stamp: Stamp,
    ) -> Result<Option<MemberChange>> {
        let member = (new.event_type == "m.room.member").then(|| self.event(&new.event_id)).transpose()?;
        if !ahead || is_membership_of(&self.inner.server_name, new) {
            index(&mut self.batch, &self.room.id, new, member.as_deref());
        }
        let Some((pdu, (user, membership))) = member.and_then(|pdu| Some((pdu.clone(), member_of(&pdu)?))) else {
            return Ok(None);
        };
        let is_out = matches!(membership, Membership::Leave | Membership::Ban);
        if user.server_name() == self.inner.server_name && is_out {
            let row = self.inner.scope.get(&USER_ROOMS, (user.as_ref(), self.room.id.as_ref()))?;
            if row.is_none_or(|row| matches!(row.value.membership, Membership::Leave | Membership::Ban)) {
                // Old news: they are out, and were before this server came in again.
                return Ok(None);
            }
        }
        self.follow_membership(&pdu, old.as_ref().map(|old| old.event_id.as_ref()), stamp)
    }
}
