//! Events that are known only because others cite them: as their authorization, or as state at a place that is not here.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use events::Pdu;
use kernel::id::{EventId, OwnedEventId, ServerName};
use store::Batch;
use tokio::task::JoinSet;

use super::by_citation;
use crate::{
    Error, Result, Rooms, Verdict,
    room::Room,
    state::Root,
    tables::{EVENTS, EventRow},
};

/// Events fetched one by one for one purpose, and at once.
const SINGLY_MAX: usize = 500;
const SINGLY_AT_ONCE: usize = 5;
/// How often events are kept again after another task kept one of them.
const ATTEMPTS_MAX: usize = 8;
/// Bytes of events that one commit holds.
const COMMIT_BYTES: usize = 2_000_000;

impl Rooms {
    /// Sees to it that all that the event cites as its authorization is here.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if some cannot be had: the event cannot be judged.
    pub(crate) async fn ensure_auth_events(&self, origin: &ServerName, room: &Arc<Room>, pdu: &Pdu) -> Result<()> {
        if self.unknown(room, pdu.auth_events())?.is_empty() {
            return Ok(());
        }
        match self.inner.remote.event_auth(origin, &room.id, pdu.event_id()).await {
            Ok(chain) => self.keep_outliers(room, chain).await?,
            Err(error) => tracing::info!(%origin, room = %room.id, %error, "an auth chain cannot be had"),
        }
        self.fetch_singly(origin, room, pdu.auth_events()).await?;
        match self.unknown(room, pdu.auth_events())?.is_empty() {
            true => Ok(()),
            false => Err(Error::Unavailable("What authorizes the event cannot be had".to_owned())),
        }
    }

    /// Fetches those of these events that are not here, one by one. An event whose own authorization is not here either is
    /// left out.
    pub(crate) async fn fetch_singly(&self, origin: &ServerName, room: &Arc<Room>, ids: &[OwnedEventId]) -> Result<()> {
        let mut found = Vec::new();
        let mut unknown = self.unknown(room, ids)?.into_iter().take(SINGLY_MAX);
        let mut asked = JoinSet::new();
        loop {
            while asked.len() < SINGLY_AT_ONCE
                && let Some(id) = unknown.next()
            {
                let (inner, origin) = (self.inner.clone(), origin.to_owned());
                asked.spawn(async move { (inner.remote.event(&origin, &id).await, id) });
            }
            match asked.join_next().await {
                Some(Ok((Ok(event), _))) => found.push(event),
                Some(Ok((Err(error), id))) => tracing::info!(%origin, event = %id, %error, "an event cannot be had"),
                Some(Err(_)) => {}
                None => break,
            }
        }
        self.keep_outliers(room, found).await
    }

    /// Those of these events that are not here in any form.
    pub(crate) fn unknown(&self, room: &Room, ids: &[OwnedEventId]) -> Result<Vec<OwnedEventId>> {
        let keys: Vec<_> = ids.iter().map(|id| (room.id.as_ref(), id.as_ref())).collect();
        let rows = self.inner.scope.multi_get(&EVENTS, &keys)?;
        Ok(ids.iter().zip(rows).filter(|(_, row)| row.is_none()).map(|(id, _)| id.clone()).collect())
    }

    /// Verifies events and keeps those that are new as outliers, each judged by what it cites. One whose authorization is
    /// neither here nor among them is not kept.
    pub(crate) async fn keep_outliers(&self, room: &Arc<Room>, pdus: Vec<String>) -> Result<()> {
        if pdus.is_empty() {
            return Ok(());
        }
        let verified = self.verified(&room.id, room.version, pdus).await;
        self.keep_verified_outliers(room, verified).await
    }

    pub(crate) async fn keep_verified_outliers(&self, room: &Arc<Room>, pdus: Vec<Pdu>) -> Result<()> {
        for _ in 0..ATTEMPTS_MAX {
            match self.try_keep_outliers(room, pdus.clone()).await {
                // Somebody brought one of them meanwhile.
                Err(Error::Store(store::Error::Conflict)) => {}
                outcome => return outcome,
            }
        }
        Err(store::Error::Conflict.into())
    }

    async fn try_keep_outliers(&self, room: &Arc<Room>, pdus: Vec<Pdu>) -> Result<()> {
        let ids: Vec<OwnedEventId> = pdus.iter().map(|pdu| pdu.event_id().to_owned()).collect();
        let new: HashSet<OwnedEventId> = self.unknown(room, &ids)?.into_iter().collect();
        let new: Vec<Pdu> = pdus.into_iter().filter(|pdu| new.contains(pdu.event_id())).collect();
        let mut judged = HashMap::<OwnedEventId, Arc<Pdu>>::new();
        let mut batch = self.inner.scope.batch();
        let mut bytes = 0;
        for pdu in by_citation(new, Pdu::auth_events) {
            let fetch = |id: &EventId| match judged.get(id) {
                Some(pdu) => Ok(Some(pdu.clone())),
                None => Ok(self.inner.event(room, id)?.map(|event| event.pdu.clone())),
            };
            let Some(rejected) = self.is_rejected_by_citation(room, &pdu, fetch)? else {
                tracing::info!(room = %room.id, event = %pdu.event_id(), "an event without its authorization is dropped");
                continue;
            };
            let pdu = Arc::new(pdu.with_rejected(rejected));
            bytes += pdu.json().len();
            put_outlier(&mut batch, room, &pdu);
            judged.insert(pdu.event_id().to_owned(), pdu);
            if bytes > COMMIT_BYTES {
                self.inner.scope.commit(std::mem::replace(&mut batch, self.inner.scope.batch())).await?;
                bytes = 0;
            }
        }
        if !batch.is_empty() {
            self.inner.scope.commit(batch).await?;
        }
        Ok(())
    }
}

fn put_outlier(batch: &mut Batch, room: &Room, pdu: &Pdu) {
    let stamp = batch.stamp();
    let row = EventRow {
        json: pdu.json().to_owned(),
        verdict: if pdu.rejected() { Verdict::RejectedOutlier } else { Verdict::Outlier },
        order: 0,
        state_before: Root::EMPTY,
        state_after: None,
        room_state: Root::EMPTY,
        redacted_by: None,
        transaction: None,
        replaces: None,
    };
    // Whoever brought it meanwhile may have found its place.
    batch.expect(&EVENTS, (room.id.as_ref(), pdu.event_id()), None);
    batch.put_stamped(&EVENTS, (room.id.as_ref(), pdu.event_id()), stamp, &row);
}
