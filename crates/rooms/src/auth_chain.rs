//! Auth chains: all that events rest on.

use std::collections::HashSet;

use kernel::id::OwnedEventId;

use crate::{Error, Inner, Result, room::Room};

/// Events that one chain may have.
const CHAIN_MAX: usize = 100_000;
/// Events read at a time.
pub(crate) const AT_A_TIME: usize = 1_000;

impl Inner {
    /// What these events cite as their authorization, directly or not; without themselves unless cited. From version 12 on
    /// the room's creation is among it, though none cites it.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for more than this server tells at once.
    pub(crate) fn auth_chain(&self, room: &Room, events: &[OwnedEventId]) -> Result<Vec<OwnedEventId>> {
        let creation = room.creation();
        let (mut chain, mut known) = (Vec::new(), HashSet::new());
        let mut front = events.to_vec();
        while !front.is_empty() {
            let mut next = Vec::new();
            for ids in front.chunks(AT_A_TIME) {
                for event in self.events(room, ids)? {
                    let silent = creation.as_ref().filter(|id| *id != event.pdu.event_id());
                    let cited = event.pdu.auth_events().iter().chain(silent);
                    next.extend(cited.filter(|id| known.insert((*id).clone())).cloned());
                }
            }
            if known.len() > CHAIN_MAX {
                return Err(Error::TooLarge("Too much authorizes this event".to_owned()));
            }
            chain.extend(next.iter().cloned());
            front = next;
        }
        Ok(chain)
    }
}
