//! Runs every tenant's background work, step by step, one tenant after the other.

use std::{sync::Arc, time::Duration};

use kernel::{Progress, Worker};

use crate::tenants::Tenants;

/// Between two rounds when nothing was left to do.
const PAUSE: Duration = Duration::from_secs(30);
/// Steps that one tenant's worker takes before the next one's turn.
const STEPS_MAX: usize = 10;

pub(crate) async fn run(tenants: Arc<Tenants>, shutdown: web::Shutdown) {
    while !shutdown.has_begun() {
        for app in tenants.all() {
            steps(&accounts::Sweeper(app.accounts.clone()), app.config.server_name.as_str()).await;
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = shutdown.begun() => {}
        }
    }
}

async fn steps(worker: &impl Worker, tenant: &str) {
    for _ in 0..STEPS_MAX {
        match worker.work().await {
            Ok(Progress::Busy) => {}
            Ok(Progress::Idle) => return,
            Err(error) => {
                tracing::error!(worker = worker.name(), tenant, error, "a step of background work failed");
                return;
            }
        }
    }
}
