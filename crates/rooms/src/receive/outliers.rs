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
/// Events looked up, and committed, at once.
const LOOKED_UP_AT_ONCE: usize = 1_000;
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
    /// left out, as is one that the other server does not tell.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the other server could not be asked for all: another time it may tell them.
    pub(crate) async fn fetch_singly(&self, origin: &ServerName, room: &Arc<Room>, ids: &[OwnedEventId]) -> Result<()> {
        let mut found = Vec::new();
        let mut unknown = self.unknown(room, ids)?.into_iter().take(SINGLY_MAX);
        let (mut asked, mut unasked) = (JoinSet::new(), None);
        loop {
            while asked.len() < SINGLY_AT_ONCE
                && let Some(id) = unknown.next()
            {
                let (inner, origin) = (self.inner.clone(), origin.to_owned());
                asked.spawn(async move { (inner.remote.event(&origin, &id).await, id) });
            }
            match asked.join_next().await {
                Some(Ok((Ok(event), _))) => found.push(event),
                Some(Ok((Err(error), id))) => {
                    tracing::info!(%origin, event = %id, %error, "an event cannot be had");
                    unasked = unasked.or(error.passes().then_some(id));
                }
                Some(Err(_)) => {}
                None => break,
            }
        }
        self.keep_outliers(room, found).await?;
        match unasked {
            Some(id) => Err(Error::Unavailable(format!("The event {id} cannot be had now"))),
            None => Ok(()),
        }
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
        let judged = self.judge_outliers(room, pdus)?;
        self.put_outliers(room, &judged).await
    }

    /// Those of these events that are new, each judged by what it cites. One whose authorization is neither here nor among
    /// them is left out.
    pub(crate) fn judge_outliers(&self, room: &Room, pdus: Vec<Pdu>) -> Result<Vec<Arc<Pdu>>> {
        let ids: Vec<OwnedEventId> = pdus.iter().map(|pdu| pdu.event_id().to_owned()).collect();
        let mut new = HashSet::new();
        for ids in ids.chunks(LOOKED_UP_AT_ONCE) {
            new.extend(self.unknown(room, ids)?);
        }
        let mut pdus: Vec<Pdu> = pdus.into_iter().filter(|pdu| new.contains(pdu.event_id())).collect();
        // From version 12 on all events rest on the creation, and none cites it.
        pdus.sort_by_key(|pdu| pdu.kind() != "m.room.create");
        let mut judged = Vec::new();
        let mut by_id = HashMap::<OwnedEventId, Arc<Pdu>>::new();
        for pdu in by_citation(pdus, Pdu::auth_events) {
            let fetch = |id: &EventId| match by_id.get(id) {
                Some(pdu) => Ok(Some(pdu.clone())),
                None => Ok(self.inner.event(room, id)?.map(|event| event.pdu.clone())),
            };
            let Some(rejected) = self.is_rejected_by_citation(room, &pdu, fetch)? else {
                tracing::info!(room = %room.id, event = %pdu.event_id(), "an event without its authorization is dropped");
                continue;
            };
            let pdu = Arc::new(pdu.with_rejected(rejected));
            by_id.insert(pdu.event_id().to_owned(), pdu.clone());
            judged.push(pdu);
        }
        Ok(judged)
    }

    /// Keeps judged events, but for those that somebody brought meanwhile.
    pub(crate) async fn put_outliers(&self, room: &Room, judged: &[Arc<Pdu>]) -> Result<()> {
        for some in judged.chunk_by(sharing_a_commit()) {
            let mut attempts = 1;
            while let Err(error) = self.try_put_outliers(room, some).await {
                // Somebody brought one of them meanwhile.
                if !matches!(error, Error::Store(store::Error::Conflict)) || attempts == ATTEMPTS_MAX {
                    return Err(error);
                }
                attempts += 1;
            }
        }
        Ok(())
    }

    async fn try_put_outliers(&self, room: &Room, judged: &[Arc<Pdu>]) -> Result<()> {
        let ids: Vec<OwnedEventId> = judged.iter().map(|pdu| pdu.event_id().to_owned()).collect();
        let new: HashSet<OwnedEventId> = self.unknown(room, &ids)?.into_iter().collect();
        let mut batch = self.inner.scope.batch();
        for pdu in judged.iter().filter(|pdu| new.contains(pdu.event_id())) {
            put_outlier(&mut batch, room, pdu);
        }
        if !batch.is_empty() {
            self.inner.scope.commit(batch).await?;
        }
        Ok(())
    }
}

/// Whether the next event still goes into the commit of the one before it.
fn sharing_a_commit() -> impl FnMut(&Arc<Pdu>, &Arc<Pdu>) -> bool {
    let (mut bytes, mut events) = (0, 0);
    move |one, _| {
        (bytes, events) = (bytes + one.json().len(), events + 1);
        let shares = bytes < COMMIT_BYTES && events < LOOKED_UP_AT_ONCE;
        if !shares {
            (bytes, events) = (0, 0);
        }
        shares
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
