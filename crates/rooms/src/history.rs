//! History that this server does not have: asked of other servers when somebody reads so far back.

mod answer;
mod by_time;

use std::{sync::Arc, time::Duration};

use kernel::{
    Position,
    id::{OwnedEventId, OwnedServerName, RoomId, ServerName},
};
use store::Direction;
use tokio::time::{Instant, timeout_at};

use crate::{
    Boundary, Error, Event, Page, Result, Rooms, Viewer,
    room::Room,
    tables::{GAPS, GapRow, SERVERS},
};

/// Servers that are asked for the same history.
const SERVERS_MAX: usize = 4;
/// Events that one request asks for.
const EVENTS_MAX: usize = 100;
/// Events that one request begins from.
const BEGINNINGS_MAX: usize = 20;
/// Requests, and time, that one reader's page may cost.
const ROUNDS_MAX: usize = 10;
const PATIENCE: Duration = Duration::from_secs(10);

impl Rooms {
    /// As [`Rooms::page`], with what other servers have where history is missing here. Where it cannot be had the page goes on
    /// behind the gap.
    pub async fn page_of_all(
        &self,
        viewer: &mut Viewer<'_>,
        from: Boundary,
        to: Option<Boundary>,
        direction: Direction,
        limit: usize,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<Page> {
        let deadline = Instant::now() + PATIENCE;
        let (mut events, mut at, mut rounds, mut fetched) = (Vec::new(), from, 0, false);
        loop {
            let page = self.page(viewer, at, to, direction, limit.saturating_sub(events.len()), &wanted)?;
            events.extend(page.events);
            let (Some(gap), Some(opens)) = (page.gap, page.next) else { return Ok(Page { events, ..page }) };
            rounds += 1;
            let more = match rounds <= ROUNDS_MAX {
                true => timeout_at(deadline, self.fetch_history(viewer.room_id(), gap)).await.ok().transpose()?,
                false => None,
            };
            at = match more {
                Some(true) => opens,
                // The reader may come back for the rest.
                None if fetched => return Ok(Page { events, next: Some(opens), gap: Some(gap) }),
                _ => opens.over_gap(),
            };
            fetched = more == Some(true);
        }
    }

    /// Fills some of the history that is missing at a gap ([`Page::gap`]) with what other servers tell of it. False if none can
    /// be had; true also if nothing is missing there any more.
    pub async fn fetch_history(&self, room: &RoomId, gap: Position) -> Result<bool> {
        let row = self.inner.scope.get(&GAPS, (room, gap))?;
        let Some(row) = row.filter(|row| !row.missing.is_empty()) else { return Ok(true) };
        if !self.has_server(room, self.server_name())? {
            return Ok(false);
        }
        let room = self.inner.room(room)?;
        let mut sought = Vec::new();
        for id in &row.missing {
            if !self.has_place(&room, id)? {
                sought.push(id.clone());
            }
        }
        if sought.is_empty() {
            // All that was missing has come by itself.
            return self.insert(&room, gap, &row, Vec::new(), Vec::new()).await.map(|()| true);
        }
        for server in self.historians(&room)? {
            match self.fetch_from(&server, &room, gap, &row, &sought).await {
                Ok(true) => return Ok(true),
                Ok(false) => tracing::info!(%server, room = %room.id, "a server tells no usable history"),
                Err(error @ (Error::Store(_) | Error::Damaged(_))) => return Err(error),
                Err(error) => tracing::info!(%server, room = %room.id, %error, "history cannot be had"),
            }
        }
        Ok(false)
    }

    async fn fetch_from(
        &self,
        server: &ServerName,
        room: &Arc<Room>,
        gap: Position,
        row: &GapRow,
        sought: &[OwnedEventId],
    ) -> Result<bool> {
        let (asked, later) = sought.split_at(sought.len().min(BEGINNINGS_MAX));
        let mut told = self.inner.remote.backfill(server, &room.id, asked, EVENTS_MAX).await?;
        told.truncate(EVENTS_MAX);
        let Some((past, mut missing)) = self.read_history(server, room, told, asked).await? else { return Ok(false) };
        missing.extend(later.iter().cloned());
        self.insert(room, gap, row, past, missing).await?;
        Ok(true)
    }

    /// The servers to ask: those of most members first, for one of them is the likeliest to have been there for long.
    fn historians(&self, room: &Room) -> Result<Vec<OwnedServerName>> {
        let mut servers = self.inner.scope.scan(&SERVERS, (room.id.as_ref(),)).rows()?;
        servers.sort_by_key(|(_, row)| std::cmp::Reverse(row.joined));
        let others = servers.into_iter().map(|((_, server), _)| server).filter(|server| server != self.server_name());
        Ok(others.take(SERVERS_MAX).collect())
    }
}
