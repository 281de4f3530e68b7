//! `beffroi demo`: two towns on loopback with a mock ProConnect, sample rooms and, if its files are given, a web client. A
//! real server in all else: the same configuration files, the same store.

mod rooms;
mod web_client;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use clap::Args;
use kernel::{SystemClock, SystemRandom};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    cli::say,
    config,
    mock_proconnect::{Client, MockProConnect, Running},
    serve, telemetry,
};

/// The towns: server name and name of the service.
const TOWNS: [(&str, &str); 2] = [
    ("beffroi-sur-mer.localhost", "Messagerie de Beffroi-sur-Mer"),
    ("sainte-cloche.localhost", "Messagerie de Sainte-Cloche"),
];

#[derive(Args)]
pub struct Demo {
    /// The port of both towns.
    #[arg(long, default_value_t = 8008)]
    port: u16,
    /// The port of the mock ProConnect.
    #[arg(long, default_value_t = 8010)]
    proconnect_port: u16,
    /// The port of /health, /ready and /metrics.
    #[arg(long, default_value_t = 8009)]
    ops_port: u16,
    /// The port of the web client.
    #[arg(long, default_value_t = 8080)]
    web_port: u16,
    /// The built files of a web client, to be served too.
    #[arg(long)]
    web: Option<PathBuf>,
    /// Where the data is kept; a temporary folder, deleted at the end, unless given.
    #[arg(long)]
    data: Option<PathBuf>,
    /// No rate limits, for load tests.
    #[arg(long)]
    no_limits: bool,
}

impl Demo {
    /// Serves until SIGTERM or SIGINT.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub async fn run(self) -> anyhow::Result<()> {
        let temporary = self.data.is_none();
        let folder = match &self.data {
            Some(folder) => folder.clone(),
            None => std::env::temp_dir().join(format!("beffroi-demo-{}", std::process::id())),
        };
        let outcome = self.serve(&folder).await;
        if temporary {
            let _ = std::fs::remove_dir_all(&folder);
        }
        outcome
    }

    async fn serve(&self, folder: &Path) -> anyhow::Result<()> {
        let file = self.write_files(folder)?;
        let server = config::read_server(&file)?;
        telemetry::log(&server);
        let proconnect = self.proconnect().await.context("the mock ProConnect")?;
        let running = serve::start(&server, &file).await?;
        rooms::furnish(&running.tenants).await.context("the sample rooms")?;
        let client = match &self.web {
            Some(dist) => Some(web_client::serve(self.loopback(self.web_port), dist, running.shutdown.clone()).await?),
            None => None,
        };
        self.welcome(folder, &proconnect);
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        running.stop().await;
        if let Some(client) = client {
            let _ = client.await;
        }
        proconnect.shutdown().await;
        Ok(())
    }

    fn loopback(&self, port: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, port).into()
    }

    fn base_url(&self, server_name: &str) -> String {
        format!("http://{server_name}:{}", self.port)
    }

    async fn proconnect(&self) -> anyhow::Result<Running> {
        let clients = TOWNS.map(|(server_name, _)| {
            let base_url = self.base_url(server_name);
            let mut client = Client::new(server_name, SECRET, format!("{base_url}/upstream/callback"));
            client.post_logout_redirect_uris = vec![format!("{base_url}/upstream/logged-out")];
            client
        });
        let address = self.loopback(self.proconnect_port);
        Ok(MockProConnect::start(address, clients.into(), Arc::new(SystemClock), Arc::new(SystemRandom)).await?)
    }

    /// Writes the configuration as an administrator would, so that `beffroi user …` works on the demo too.
    fn write_files(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let tenants = folder.join("tenants");
        std::fs::create_dir_all(&tenants).with_context(|| tenants.display().to_string())?;
        let file = folder.join("beffroi.toml");
        std::fs::write(
            &file,
            format!(
                "data_dir = \"data\"\ndev = true\noperations_address = \"127.0.0.1:{}\"\n[[listen]]\naddress = \"127.0.0.1:{}\"\n\
             [limits]\noff = {}\n",
                self.ops_port, self.port, self.no_limits,
            ),
        )?;
        for (server_name, service_name) in TOWNS {
            let siret = siret_of(server_name);
            std::fs::write(
                tenants.join(format!("{server_name}.toml")),
                format!(
                    "server_name = \"{server_name}\"\nbase_url = \"{}\"\nservice_name = \"{service_name}\"\n\
                 contact = \"informatique@{server_name}\"\n[proconnect]\nissuer = \"http://127.0.0.1:{}/api/v2\"\n\
                 client_id = \"{server_name}\"\nclient_secret = {{ value = \"{SECRET}\" }}\nid_token_alg = \"ES256\"\n\
                 userinfo_alg = \"none\"\n[proconnect.rules]\nsirets = [\"{siret}\"]\n\
                 [federation]\nallow = [\"{}\", \"{}\"]\n",
                    self.base_url(server_name),
                    self.proconnect_port,
                    TOWNS[0].0,
                    TOWNS[1].0,
                ),
            )?;
        }
        Ok(file)
    }

    fn welcome(&self, folder: &Path, proconnect: &Running) {
        say("");
        say("Beffroi runs, with two towns:");
        for (server_name, _) in TOWNS {
            say(&format!("  {server_name}: {}", self.base_url(server_name)));
            if self.web.is_some() {
                say(&format!("    open http://127.0.0.1:{}/?hs={}", self.web_port, self.base_url(server_name)));
            }
        }
        say(&format!("  mock ProConnect: {} (choose any sample agent of the town)", proconnect.issuer));
        say(&format!(
            "  administration: beffroi --config {}/beffroi.toml user list --tenant {}",
            folder.display(),
            TOWNS[0].0
        ));
        say("ready");
    }
}

/// The secret that both sides of the demo know; the mock listens on loopback only.
const SECRET: &str = "demo-secret-known-to-both-sides";

/// The establishment of each town, as the mock's sample agents have it.
fn siret_of(server_name: &str) -> &'static str {
    match server_name {
        "beffroi-sur-mer.localhost" => "21990001600011",
        _ => "21990002400015",
    }
}
