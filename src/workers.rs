//! Runs every tenant's background work, step by step, one tenant after the other.

use std::{sync::Arc, time::Duration};

use kernel::{Progress, Worker};

use crate::{app::App, tenants::Tenants};

/// Between two rounds when nothing was left to do.
const PAUSE: Duration = Duration::from_secs(30);
/// Steps that one tenant's worker takes before the next one's turn.
const STEPS_MAX: usize = 10;

pub(crate) async fn run(tenants: Arc<Tenants>, shutdown: web::Shutdown) {
    // What waits for other servers holds nothing else up.
    tokio::join!(
        each(&tenants, &shutdown, |app| accounts::Sweeper(app.accounts.clone())),
        each(&tenants, &shutdown, |app| app.device_lists.clone()),
        each(&tenants, &shutdown, |app| rooms::Merger(app.rooms.clone())),
    );
}

/// Every tenant's worker in turns. A step that waits for another server is cut off by the shutdown.
async fn each<W: Worker>(tenants: &Tenants, shutdown: &web::Shutdown, worker: impl Fn(&App) -> W) {
    let rounds = async {
        loop {
            for app in tenants.all() {
                steps(&worker(&app), app.config.server_name.as_str()).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::select! {
        () = rounds => {}
        () = shutdown.begun() => {}
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
