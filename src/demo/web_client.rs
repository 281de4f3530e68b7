//! Serves a web client's built files beside the demo.

use std::{net::SocketAddr, path::Path};

use anyhow::Context;
use axum::Router;
use tokio::{net::TcpListener, task::JoinHandle};
use tower_http::services::ServeDir;

pub(super) async fn serve(address: SocketAddr, dist: &Path, shutdown: web::Shutdown) -> anyhow::Result<JoinHandle<()>> {
    anyhow::ensure!(dist.join("index.html").exists(), "{} holds no index.html: build the client first", dist.display());
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let router = Router::new().fallback_service(ServeDir::new(dist));
    Ok(tokio::spawn(async move {
        let ended = async move { shutdown.begun().await };
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(ended).await {
            tracing::error!(%error, "the web client's listener ended");
        }
    }))
}
