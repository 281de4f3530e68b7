//! After a long outage a destination is told what matters: the last event of each room, from which it finds what came
//! before by itself, and whose devices changed. Everything else that waited is stale.

use std::collections::HashSet;

use kernel::{Position, id::ServerName};

use super::{
    Inner,
    destination::OutboundError,
    tables::{QUEUE, QueueRow},
};

/// Rows looked at, and deleted, at once.
const PAGE: usize = 1_000;

impl Inner {
    /// Thins the destination's queue out.
    pub(super) async fn keep_what_matters(&self, server: &ServerName) -> Result<(), OutboundError> {
        let (mut rooms, mut users) = (HashSet::new(), HashSet::new());
        let mut end = Position::END;
        let mut dropped = 0;
        loop {
            let scan = self.scope.scan(&QUEUE, (server,)).until((server, end)).backward();
            let rows = scan.limit(PAGE).rows()?;
            let Some(((_, first), _)) = rows.last() else { break };
            end = *first;
            let mut batch = self.scope.batch();
            for ((_, position), row) in rows {
                let matters = match row {
                    QueueRow::Event { room, event_id } if rooms.contains(&room) => {
                        // Whoever came in by it is followed by the destination from then on: that must be told all the same.
                        if let Some(user) = self.joined_by(&room, &event_id)?.filter(|user| users.insert(user.clone()))
                        {
                            batch.put(&QUEUE, (server, position), &QueueRow::Devices { user });
                            continue;
                        }
                        false
                    }
                    QueueRow::Event { room, .. } => rooms.insert(room),
                    QueueRow::Devices { user } => users.insert(user),
                    QueueRow::Receipt { .. } => false,
                };
                if !matters {
                    batch.delete(&QUEUE, (server, position));
                    dropped += 1;
                }
            }
            if !batch.is_empty() {
                self.scope.commit(batch).await?;
            }
        }
        if dropped > 0 {
            tracing::info!(%server, dropped, "a long outage: only the last event of each room waits");
        }
        Ok(())
    }
}
