//! The place of an event of another server among what is here: the room's end once it is in, and the state there.

use std::{collections::HashSet, sync::Arc};

use events::Pdu;
use kernel::id::{EventId, OwnedEventId, OwnedServerName};

use super::state_at::Before;
use crate::{
    Result, Rooms, Verdict,
    accept::{Arrival, Unit},
    room::Room,
    state::Root,
    tables::{GAPS, HeadRow},
};

/// Events that were set aside and are looked through to find what an event really follows.
const SET_ASIDE_MAX: usize = 1_000;
/// Gaps of a room that an event may fill.
const GAPS_MAX: usize = 100;

impl Rooms {
    /// Judges the event and takes it in. Waits for the room's turn, and for the disk.
    pub(crate) async fn place(
        &self,
        room: &Arc<Room>,
        pdu: Pdu,
        before: Before,
        relayed_from: Option<OwnedServerName>,
    ) -> Result<Verdict> {
        let guard = room.lock().await;
        let mut unit = Unit::new(&self.inner, room.clone(), guard);
        if let Some(known) = self.inner.event(room, pdu.event_id())?.filter(|event| !event.verdict.is_outlier()) {
            return Ok(known.verdict);
        }
        let Before { state: state_before, missing } = before;
        let verdict = self.judge(room, &pdu, state_before, Some(unit.head.state))?;
        if relayed_from.is_some() && verdict != Verdict::Accepted {
            // Who wanted to come in, or out, by way of this server and may not is turned away: nothing is kept of it.
            return Ok(verdict);
        }
        let mut arrival = Arrival {
            state_before,
            state_after: state_before,
            verdict,
            extremities: unit.head.extremities.clone(),
            room_state: unit.head.state,
            missing,
            relayed_from,
            pdu,
        };
        if verdict != Verdict::Rejected {
            arrival.state_after = self.state_after(state_before, &arrival.pdu).await?;
        }
        if verdict == Verdict::Accepted {
            (arrival.extremities, arrival.room_state) = self.end_with(room, &unit.head, &arrival).await?;
        }
        let ends = arrival.extremities.len();
        unit.receive(arrival)?;
        unit.commit().await?;
        self.inner.crowded.note(&room.id, ends);
        Ok(verdict)
    }

    /// The room's end once the event is in, and the state there.
    async fn end_with(&self, room: &Arc<Room>, head: &HeadRow, arrival: &Arrival) -> Result<(Vec<OwnedEventId>, Root)> {
        let followed = self.followed(room, &arrival.pdu)?;
        let mut extremities: Vec<OwnedEventId> =
            head.extremities.iter().filter(|id| !followed.contains(*id)).cloned().collect();
        if self.fills_gap(room, arrival.pdu.event_id())? {
            // Something that is here follows it: the room does not end with it.
            return Ok((extremities, head.state));
        }
        let mut roots = self.states_after(room, &extremities).await?;
        roots.push(arrival.state_after);
        extremities.push(arrival.pdu.event_id().to_owned());
        let fresh = [Arc::new(arrival.pdu.clone())];
        Ok((extremities, self.resolve(room, &roots, &fresh).await?))
    }

    /// The events that this one follows, also behind those that were set aside. Not behind outliers: what this server knew stays
    /// an end of the room beside what another bridges a gap with, so that the state is resolved of both (hazard S3).
    fn followed(&self, room: &Room, pdu: &Pdu) -> Result<HashSet<OwnedEventId>> {
        let mut followed = HashSet::new();
        let mut waiting: Vec<OwnedEventId> = pdu.prev_events().to_vec();
        let mut set_aside = 0;
        while let Some(id) = waiting.pop() {
            let Some(event) = self.inner.event(room, &id)?.filter(|event| !event.verdict.is_outlier()) else {
                continue;
            };
            let is_new = followed.insert(id);
            if is_new && event.verdict != Verdict::Accepted && set_aside < SET_ASIDE_MAX {
                set_aside += 1;
                waiting.extend(event.pdu.prev_events().iter().cloned());
            }
        }
        Ok(followed)
    }

    /// Whether an event that is here cites this one, which was missing.
    fn fills_gap(&self, room: &Room, id: &EventId) -> Result<bool> {
        let gaps = self.inner.scope.scan(&GAPS, (room.id.as_ref(),)).backward().limit(GAPS_MAX).rows()?;
        Ok(gaps.iter().any(|(_, gap)| gap.missing.iter().any(|missing| missing == id)))
    }
}
