//! `beffroi serve`: opens the store and the tenants, listens, and ends in order.

mod operations;
mod tls;

use std::{path::Path, sync::Arc};

use anyhow::Context;
use federation::{Names, Network};
use kernel::{Clock, Random, SystemClock, SystemRandom};
use store::{
    Store,
    rocks::{Options, Rocks},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};

use crate::{
    admin, app,
    config::{self, ServerConfig},
    loopback::Loopback,
    telemetry,
    tenants::Tenants,
    workers,
};

/// A server that runs: its parts, for whoever started it.
pub struct Running {
    pub tenants: Arc<Tenants>,
    pub shutdown: web::Shutdown,
    store: Arc<Store>,
    tasks: JoinSet<()>,
}

/// Serves until SIGTERM or SIGINT, or until the store fails.
///
/// # Errors
/// What keeps it from starting, and a failure of the store.
pub async fn run(file: &Path) -> anyhow::Result<()> {
    let config = config::read_server(file)?;
    telemetry::log(&config);
    let running = start(&config, file).await?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tracing::info!("serving");
    let failure = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        failure = running.store.failed() => Some(failure),
    };
    running.stop().await;
    match failure {
        // An acknowledged write is on disk: with a store that cannot write there is nothing left to do here.
        Some(failure) => Err(anyhow::Error::new(failure).context("the store failed, so the server stopped")),
        None => Ok(()),
    }
}

/// Opens everything and listens.
///
/// # Errors
/// What keeps it from starting.
pub async fn start(config: &ServerConfig, file: &Path) -> anyhow::Result<Running> {
    let metrics = telemetry::measure();
    let tenants_config = config::read_tenants(&config.tenants_dir)?;
    if tenants_config.is_empty() {
        tracing::warn!(folder = %config.tenants_dir.display(), "there is no tenant; `beffroi tenant add` makes one");
    }
    std::fs::create_dir_all(&config.data_dir).with_context(|| config.data_dir.display().to_string())?;
    let store = open_store(config)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let shutdown = web::Shutdown::new();
    let policy = web::OutboundPolicy { loopback: config.dev, ..web::OutboundPolicy::default() };
    // Nothing is allowed but what a tenant's own client is narrowed to.
    let outbound = web::Outbound::new(policy, |_| true)?;
    let loopback = Arc::new(Loopback::default());
    let network = network(config, loopback.clone(), &clock, &random)
        .with_context(|| format!("{}: [federation]", file.display()))?;
    let parts = app::Parts {
        clock: clock.clone(),
        random,
        outbound,
        network,
        media_folder: config.data_dir.join("media"),
        file_bytes_max: config.media.file_bytes_max(),
        shutdown: shutdown.clone(),
        dev: config.dev,
    };
    let tenants = Arc::new(Tenants::new(store.clone(), parts));
    tenants.apply(tenants_config).await?;

    let mut tasks = JoinSet::new();
    // First: whoever sees the server answer may administrate it.
    let socket = admin::listen(&config.admin_socket())?;
    tasks.spawn(admin::serve(socket, config.clone(), tenants.clone(), shutdown.clone()));
    let site = site(config, &tenants, clock)?;
    loopback.connect(tenants.hosts(), &site);
    let server = web::Server::new(site, web::Capacity::default(), shutdown.clone());
    for listener in &config.listen {
        let socket = TcpListener::bind(listener.address).await.with_context(|| {
            format!("{}: cannot listen on {}; is another server running?", file.display(), listener.address)
        })?;
        let tls = tls::source(listener)?;
        tracing::info!(address = %socket.local_addr()?, tls = tls.is_some(), "listening");
        let server = server.clone();
        tasks.spawn(async move { server.run(socket, tls).await });
    }
    if let Some(address) = config.operations_address {
        let socket = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
        tasks.spawn(operations::serve(socket, store.clone(), metrics, shutdown.clone()));
    }
    tasks.spawn(workers::run(tenants.clone(), shutdown.clone()));
    Ok(Running { tenants, shutdown, store, tasks })
}

/// Opens the database of this configuration.
///
/// # Errors
/// When it is another program's, newer, in use, or damaged.
pub fn open_store(config: &ServerConfig) -> anyhow::Result<Arc<Store>> {
    let path = config.data_dir.join("db");
    let options = Options { memory_mb: config.store.memory_mb };
    let rocks = Rocks::open(&path, &options).with_context(|| path.display().to_string())?;
    Ok(Store::open(rocks)?)
}

/// The way to other servers, of this process's tenants among them.
fn network(
    config: &ServerConfig,
    loopback: Arc<Loopback>,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
) -> anyhow::Result<Arc<Network>> {
    let settings = config.federation.settings();
    Ok(Arc::new(Network::new(settings, Names::default(), loopback, clock.clone(), random.clone())?))
}

fn site(config: &ServerConfig, tenants: &Tenants, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<web::Site<app::App>>> {
    let limiter = Arc::new(web::Limiter::new(config.limits.limits(), clock));
    let proxies = web::Proxies::parse(config.trusted_proxies.iter().map(String::as_str))
        .map_err(|odd| anyhow::anyhow!("trusted_proxies: {odd:?} is no address or network"))?;
    Ok(Arc::new(web::Site::new(tenants.hosts().clone(), app::routes(), limiter, proxies)?))
}

impl Running {
    /// Lets requests finish, wakes long polls, and closes the store.
    pub async fn stop(mut self) {
        tracing::info!("stopping");
        self.shutdown.begin();
        while self.tasks.join_next().await.is_some() {}
        let store = self.store;
        drop(self.tenants);
        let _ = tokio::task::spawn_blocking(move || store.close()).await;
        tracing::info!("stopped");
    }
}
