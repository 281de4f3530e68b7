//! `/health`, `/ready` and `/metrics`, on a listener of their own: for the machine and its monitoring, never for the world.

use std::sync::Arc;

use axum::{Router, http::StatusCode, routing::get};
use metrics_exporter_prometheus::PrometheusHandle;
use store::Store;
use tokio::net::TcpListener;

pub(super) async fn serve(
    listener: TcpListener,
    store: Arc<Store>,
    metrics: Option<PrometheusHandle>,
    shutdown: web::Shutdown,
) {
    let (ready, ending, figures) = (store.clone(), shutdown.clone(), store);
    let router = Router::new()
        .route("/health", get(|| async { "ok" }))
        .route("/ready", get(move || is_ready(ready.clone(), ending.clone())))
        .route("/metrics", get(move || render(figures.clone(), metrics.clone())));
    let ended = async move { shutdown.begun().await };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(ended).await {
        tracing::error!(%error, "the operations listener ended");
    }
}

/// Ready means: a write would be acknowledged.
async fn is_ready(store: Arc<Store>, shutdown: web::Shutdown) -> (StatusCode, &'static str) {
    if !store.ready() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the store failed");
    }
    if shutdown.has_begun() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping");
    }
    (StatusCode::OK, "ok")
}

async fn render(store: Arc<Store>, metrics: Option<PrometheusHandle>) -> String {
    for (name, value) in store.figures() {
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; figures are far below 2^53")]
        metrics::gauge!(format!("beffroi_store_{name}")).set(value as f64);
    }
    metrics.map(|handle| handle.render()).unwrap_or_default()
}
