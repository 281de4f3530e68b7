//! A state that is too large for one commit, as that of a room that a user comes in to: it is indexed before the room becomes it.

use std::sync::Arc;

use events::Pdu;
use kernel::id::{EventId, ServerName, UserId};

use super::indexes::{index, unindex};
use crate::{
    Result, Rooms,
    room::Room,
    state::{Difference, Entry, Root},
    tables::{HEADS, INDEXED_AHEAD, RootRow},
};

/// Pieces of state that are indexed in one commit: each is a row, a member's are two, and a commit is to have 5,000 at most.
/// More are indexed ahead.
const AT_ONCE_MAX: usize = 2_000;

/// Whether a state that differs so from the one before is indexed ahead.
pub(super) fn is_large(changes: &[Difference]) -> bool {
    changes.len() > AT_ONCE_MAX
}

/// Whether it is the membership of a user of this server. These are never indexed ahead: what people here are shown of
/// themselves changes with the room.
pub(super) fn is_membership_of(server: &ServerName, entry: &Entry) -> bool {
    entry.event_type == "m.room.member"
        && UserId::parse(entry.state_key.as_str()).is_ok_and(|user| user.server_name() == server)
}

impl Rooms {
    /// Indexes a large state, which is on disk, before the room becomes it; does nothing for another. Nobody of this server is
    /// in the room yet, so that nobody sees it half done, and [`Rooms::take_back_index`] undoes what is left half done. Tells
    /// after each commit how many pieces are done.
    pub(crate) async fn index_ahead(
        &self,
        room: &Room,
        state: Root,
        changes: &[Difference],
        find: impl Fn(&EventId) -> Result<Option<Arc<Pdu>>>,
        tell: impl FnMut(usize),
    ) -> Result<()> {
        if !is_large(changes) {
            return Ok(());
        }
        let mut batch = self.inner.scope.batch();
        batch.put(&INDEXED_AHEAD, (room.id.as_ref(),), &RootRow(state));
        self.inner.scope.commit(batch).await?;
        self.index_apart(room, changes, find, tell).await
    }

    /// Gives a room the indexes of its own state again, where a join that was cut short had begun to write others: those of
    /// the room as another server told it then, which may not be how it is told next.
    pub(crate) async fn take_back_index(&self, room: &Room) -> Result<()> {
        let Some(RootRow(told)) = self.inner.scope.get(&INDEXED_AHEAD, (room.id.as_ref(),))? else { return Ok(()) };
        let own = self.inner.scope.get(&HEADS, (room.id.as_ref(),))?.map_or(Root::EMPTY, |head| head.state);
        let changes = self.inner.trees.difference(told, own)?;
        tracing::info!(room = %room.id, changes = changes.len(), "a join was cut short: its indexes are taken back");
        let find = |id: &EventId| Ok(self.inner.event(room, id)?.map(|event| event.pdu.clone()));
        self.index_apart(room, &changes, find, |_| ()).await?;
        let mut batch = self.inner.scope.batch();
        batch.delete(&INDEXED_AHEAD, (room.id.as_ref(),));
        self.inner.scope.commit(batch).await?;
        Ok(())
    }

    async fn index_apart(
        &self,
        room: &Room,
        changes: &[Difference],
        find: impl Fn(&EventId) -> Result<Option<Arc<Pdu>>>,
        mut tell: impl FnMut(usize),
    ) -> Result<()> {
        let mut done = 0;
        for some in changes.chunks(AT_ONCE_MAX) {
            let mut batch = self.inner.scope.batch();
            for Difference { old, new } in some {
                let Some(entry) = new.as_ref().or(old.as_ref()) else { continue };
                if is_membership_of(&self.inner.server_name, entry) {
                    continue;
                }
                if new.is_none() {
                    unindex(&mut batch, &room.id, entry);
                    continue;
                }
                let member = if entry.event_type == "m.room.member" { find(&entry.event_id)? } else { None };
                index(&mut batch, &room.id, entry, member.as_deref());
            }
            self.inner.scope.commit(batch).await?;
            done += some.len();
            tell(done);
        }
        Ok(())
    }
}
