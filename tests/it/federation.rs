//! Two towns of one process as each other's peers, by the loopback that the binary has, from their files on.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{sync::Arc, time::Duration};

use beffroi::{
    app::{self, App, Parts},
    config,
    loopback::Loopback,
    tenants::Tenants,
};
use federation::{Call, Names, Network, NetworkSettings};
use http::Method;
use kernel::{Random, SystemClock, SystemRandom, id::ServerName};
use rooms::{Remote, RemoteError};
use serde_json::Value;
use store::{Store, memory::Memory};

const TOWNS: [&str; 2] = ["metz.example", "nancy.example"];

struct Process {
    folder: tempfile::TempDir,
    tenants: Tenants,
    engine: Memory,
    _site: Arc<web::Site<App>>,
}

impl Process {
    async fn start(folder: tempfile::TempDir, engine: Memory) -> Self {
        let (clock, random): (_, Arc<dyn Random>) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let outbound = web::Outbound::new(web::OutboundPolicy::default(), |_| false).unwrap();
        let loopback = Arc::new(Loopback::default());
        let (settings, names) = (NetworkSettings::default(), Names::default());
        let network = Network::new(settings, names, loopback.clone(), clock.clone(), random.clone()).unwrap();
        let (network, shutdown) = (Arc::new(network), web::Shutdown::new());
        let parts = Parts {
            clock: clock.clone(),
            random,
            outbound,
            network,
            media_folder: folder.path().join("media"),
            file_bytes_max: 1_000_000,
            shutdown,
            dev: false,
        };
        let tenants = Tenants::new(Store::open(engine.clone()).unwrap(), parts);
        tenants.apply(config::read_tenants(folder.path()).unwrap()).await.unwrap();
        let limiter = Arc::new(web::Limiter::new(web::Limits::default(), clock));
        let site = web::Site::new(tenants.hosts().clone(), app::routes(), limiter, web::Proxies::default()).unwrap();
        let site = Arc::new(site);
        loopback.connect(tenants.hosts(), &site);
        Self { folder, tenants, engine, _site: site }
    }

    fn town(&self, name: &str) -> Arc<App> {
        self.tenants.get(name).unwrap()
    }

    async fn allow(&self, town: &str, allowed: &str) {
        write_file(self.folder.path(), town, allowed);
        self.tenants.apply(config::read_tenants(self.folder.path()).unwrap()).await.unwrap();
    }
}

pub(crate) fn write_file(folder: &std::path::Path, town: &str, allowed: &str) {
    let text = format!(
        r#"
        server_name = "{town}"
        base_url = "https://matrix.{town}"
        [proconnect]
        issuer = "https://proconnect.example"
        client_id = "{town}"
        client_secret = {{ value = "secret" }}
        [federation]
        allow = [{allowed}]
        "#
    );
    std::fs::write(folder.join(format!("{town}.toml")), text).unwrap();
}

async fn ask(from: &App, to: &str, uri: &str) -> Result<Value, RemoteError> {
    let to = ServerName::parse(to).unwrap();
    let (method, deadline) = (Method::GET, Duration::from_secs(5));
    let call = Call { to: &to, method, uri: uri.to_owned(), body: None, deadline, bytes_max: 10_000 };
    let answer = from.federation.peers.call(call).await?;
    Ok(serde_json::from_slice(&answer).unwrap())
}

#[tokio::test]
async fn a_change_of_the_allowlist_and_of_a_key_takes_effect_at_once_and_survives() {
    let folder = tempfile::tempdir().unwrap();
    TOWNS.iter().for_each(|town| write_file(folder.path(), town, r#""*.example""#));
    let process = Process::start(folder, Memory::new()).await;
    let (metz, nancy) = (process.town(TOWNS[0]), process.town(TOWNS[1]));

    let version = ask(&metz, TOWNS[1], "/_matrix/federation/v1/version").await.unwrap();
    assert_eq!(version["server"]["name"], "Beffroi");
    let delegate = ask(&metz, TOWNS[1], "/.well-known/matrix/server").await.unwrap();
    assert_eq!(delegate["m.server"], "matrix.nancy.example:443");
    process.allow(TOWNS[0], "").await;
    let refusal = ask(&metz, TOWNS[1], "/_matrix/federation/v1/version").await.unwrap_err();
    assert!(matches!(refusal, RemoteError::NotAllowed(_)));
    process.allow(TOWNS[0], r#""nancy.example""#).await;
    ask(&metz, TOWNS[1], "/_matrix/federation/v1/version").await.unwrap();

    let old = metz.federation.peers.own_keys().current();
    let key_id = process.tenants.rotate_key(TOWNS[0]).await.unwrap();
    let new = metz.federation.peers.own_keys().current();
    assert!(key_id == new.key_id() && key_id != old.key_id());
    // Nancy finds both, and the one that signs now.
    let now = kernel::Clock::now(&SystemClock);
    let wanted = [&old, &new].map(|signer| (signer.server_name().to_owned(), signer.key_id().to_owned()));
    let found = nancy.federation.peers.keys(&wanted, now).await;
    let found: Vec<_> = found.iter().map(|key| key.key).collect();
    assert_eq!(found, [old.public_key(), new.public_key()]);

    drop((metz, nancy));
    let Process { folder, engine, .. } = process;
    let process = Process::start(folder, engine).await;
    assert_eq!(process.town(TOWNS[0]).federation.peers.own_keys().current().key_id(), key_id);
    process.tenants.rotate_key(TOWNS[0]).await.unwrap();
    let document = ask(&process.town(TOWNS[1]), TOWNS[0], "/_matrix/key/v2/server").await.unwrap();
    assert_eq!(document["verify_keys"].as_object().unwrap().len(), 3);
    assert!(process.tenants.rotate_key("other.example").await.is_err());
}
