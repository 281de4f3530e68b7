//! A room that begins in its middle: with the state that another server told, as a user of this one comes in.

use std::{collections::HashMap, sync::Arc};

use events::Pdu;
use kernel::id::{OwnedEventId, RoomId};
use store::Stamp;

use super::{
    Unit,
    indexes::{index, unindex},
    member_of,
};
use crate::{
    Error, MemberChange, Membership, Result, Rooms,
    state::{Difference, Entry, Root},
    tables::{MEMBERS, ROOMS, RoomRow, RootRow, STATE_LOG, STATE_NOW, USER_ROOMS},
};

/// Pieces of state that are indexed in the commit that lets the user in; more are indexed before it.
const AT_ONCE_MAX: usize = 10_000;
/// Pieces of state that one commit indexes ahead.
const AHEAD: usize = 5_000;

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
    /// before.
    pub(crate) fn begin_with(&mut self, state: Root, changes: Vec<Difference>, told: Told) -> Result<()> {
        let at_once = changes.len() <= AT_ONCE_MAX;
        let stamp = self.batch.stamp();
        self.batch.put(&STATE_LOG, (self.room.id.as_ref(), stamp), &RootRow(state));
        self.head.state = state;
        self.changes_state = true;
        self.fresh.extend(told);
        let mut members = Vec::new();
        for Difference { old, new } in changes {
            let member = match (old, new) {
                (old, Some(new)) => self.begin_piece(old, &new, at_once, stamp)?,
                (Some(old), None) => {
                    if at_once {
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
        at_once: bool,
        stamp: Stamp,
    ) -> Result<Option<MemberChange>> {
        let member = (new.event_type == "m.room.member").then(|| self.event(&new.event_id)).transpose()?;
        if at_once {
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

impl Rooms {
    /// Indexes a state that is too large for one commit, before the room becomes it. Nobody is in the room yet, so that
    /// nobody sees it half done; what an attempt that failed left is overwritten.
    pub(crate) async fn index_ahead(&self, room: &RoomId, changes: &[Difference], told: &Told) -> Result<()> {
        if changes.len() <= AT_ONCE_MAX {
            return Ok(());
        }
        for some in changes.chunks(AHEAD) {
            let mut batch = self.inner.scope.batch();
            for Difference { old, new } in some {
                match (old, new) {
                    (_, Some(new)) => {
                        let member = told.get(&new.event_id).filter(|pdu| pdu.kind() == "m.room.member");
                        index(&mut batch, room, new, member.map(AsRef::as_ref));
                    }
                    (Some(old), None) => unindex(&mut batch, room, old),
                    (None, None) => {}
                }
            }
            self.inner.scope.commit(batch).await?;
            tracing::info!(%room, of = changes.len(), "a large state is being indexed");
        }
        Ok(())
    }

    /// Takes away what an attempt to come in that was cut short left in the indexes of a room that is not here.
    pub(crate) async fn sweep_indexes(&self, room: &RoomId) -> Result<()> {
        if self.inner.scope.has(&ROOMS, (room,))? {
            return Err(Error::Damaged(format!("the indexes of {room} are in use")));
        }
        loop {
            let state = self.inner.scope.scan(&STATE_NOW, (room,)).limit(AHEAD).keys()?;
            let members = self.inner.scope.scan(&MEMBERS, (room,)).limit(AHEAD).keys()?;
            if state.is_empty() && members.is_empty() {
                return Ok(());
            }
            let mut batch = self.inner.scope.batch();
            for (_, event_type, state_key) in &state {
                batch.delete(&STATE_NOW, (room, event_type.as_str(), state_key.as_str()));
            }
            for (_, user) in &members {
                batch.delete(&MEMBERS, (room, user.as_ref()));
            }
            self.inner.scope.commit(batch).await?;
        }
    }
}
