//! A town at the edge of its federation, and the process that it is in.

use std::{
    net::IpAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use accounts::Accounts;
use async_trait::async_trait;
use bytes::Bytes;
use directory::Directory;
use federation::{
    Alone, Loopback, Network, NetworkSettings, OwnKeys, Peers, PeersParts, Places, Queries, Settings, Town, Wall,
};
use http::{Method, Request, header};
use kernel::{
    Clock, Random, TenantId, Timestamp,
    clock::FakeClock,
    id::{OwnedServerName, ServerName},
    random::SeededRandom,
};
use media::Media;
use policy::Allowlist;
use rooms::Rooms;
use serde_json::{Value, json};
use store::{Scope, Store, memory::Memory};
use web::{Homeserver, Json, Visit};

use crate::{certificates::Authority, internet::Internet, peer::signer};

pub const NOW: Timestamp = Timestamp(1_780_000_000_000);
/// A path that only servers may ask for.
pub const ECHO: &str = "/_matrix/federation/v1/echo/x";

/// What the towns of one process share.
pub struct Process {
    pub clock: Arc<FakeClock>,
    pub internet: Internet,
    pub authority: Authority,
    pub network: Arc<Network>,
    /// Requests that reached the handler of [`ECHO`], in any town.
    pub echoed: Arc<AtomicUsize>,
}

impl Process {
    pub fn new() -> Self {
        Self::with(|_, _| {}, Arc::new(Alone))
    }

    /// With what the operator says besides of the network.
    pub fn with(settle: impl FnOnce(&Authority, &mut NetworkSettings), loopback: Arc<dyn Loopback>) -> Self {
        let (clock, internet, authority) = (Arc::new(FakeClock::at(NOW)), Internet::default(), Authority::new());
        let roots_pem = vec![authority.pem.clone().into_bytes()];
        let mut settings = NetworkSettings { dev: true, roots_pem, ..NetworkSettings::default() };
        settle(&authority, &mut settings);
        let random = Arc::new(SeededRandom::new(3));
        let network = Network::new(settings, internet.names(), loopback, clock.clone(), random).unwrap();
        Self { clock, internet, authority, network: Arc::new(network), echoed: Arc::default() }
    }

    pub fn town(&self, name: &str, allow: &[&str]) -> TestTown {
        self.town_with(name, allow, &[], &Memory::new())
    }

    /// With notaries, over a store that was there before.
    pub fn town_with(&self, name: &str, allow: &[&str], notaries: &[&ServerName], engine: &Memory) -> TestTown {
        TestTown::open(self, name, allow, notaries, engine)
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn echoed(&self) -> usize {
        self.echoed.load(Ordering::SeqCst)
    }
}

pub struct TestTown {
    pub name: OwnedServerName,
    pub peers: Arc<Peers>,
    pub town: Arc<Town>,
    pub site: Arc<web::Site<Town>>,
    /// The table without [`ECHO`].
    pub routes: Vec<web::RouteInfo>,
    pub scope: Scope,
    _files: tempfile::TempDir,
}

impl TestTown {
    fn open(process: &Process, name: &str, allow: &[&str], notaries: &[&ServerName], engine: &Memory) -> Self {
        let name = ServerName::parse(name).unwrap();
        let scope = Scope::new(&Store::open(engine.clone()).unwrap(), TenantId(1)).unwrap();
        let (clock, random): (Arc<dyn Clock>, Arc<dyn Random>) =
            (process.clock.clone(), Arc::new(SeededRandom::new(4)));
        let current = Arc::new(signer(&name, "town", 200));
        let peers = Arc::new(Peers::open(PeersParts {
            server_name: name.clone(),
            wall: Wall::new(name.clone(), Allowlist::parse(allow).unwrap()),
            keys: OwnKeys::new(current.clone(), Vec::new(), clock.clone()),
            notaries: notaries.iter().map(|notary| (*notary).to_owned()).collect(),
            network: process.network.clone(),
            scope: scope.clone(),
            clock: clock.clone(),
        }));
        let accounts =
            Accounts::open(scope.clone(), name.clone(), clock.clone(), random.clone(), peers.clone()).unwrap();
        let settings = rooms::Settings::default();
        let rooms =
            Rooms::open(scope.clone(), name.clone(), current, clock.clone(), random.clone(), settings, peers.clone());
        let files = tempfile::tempdir().unwrap();
        let settings = media::Settings { folder: files.path().to_owned(), file_bytes_max: 1_000_000 };
        let media = Media::open(scope.clone(), name.clone(), settings, clock.clone(), random.clone(), peers.clone());
        let town = Arc::new(Town {
            media: media.unwrap(),
            server_name: name.clone(),
            settings: Settings { delegate: ServerName::parse("matrix.metz.example:443").unwrap() },
            peers: peers.clone(),
            directory: Directory::open(&scope, accounts.clone(), rooms.clone()).unwrap(),
            accounts,
            rooms,
            clock: clock.clone(),
            random,
            places: Places::default(),
            queries: Queries::default(),
        });
        let echoed = process.echoed.clone();
        let echo = move |_: Arc<Town>, origin: Homeserver, visit: Visit| {
            echoed.fetch_add(1, Ordering::SeqCst);
            let body = String::from_utf8(visit.body.to_vec()).unwrap();
            async move { Json::of(&json!({ "origin": origin.as_str(), "body": body })) }
        };
        let mut routes = federation::routes();
        let table = routes.list();
        routes.server_json(Method::GET, "/_matrix/federation/v1/echo/{what}", echo.clone());
        routes.server_json(Method::PUT, "/_matrix/federation/v1/echo/{what}", echo.clone());
        routes.server_json(Method::POST, "/_matrix/federation/v1/echo/{what}", echo);
        let hosts = Arc::new(web::Hosts::only(town.clone()));
        let limiter = Arc::new(web::Limiter::new(web::Limits::default(), clock));
        let site = web::Site::new(hosts, routes, limiter, web::Proxies::default()).unwrap();
        Self { name, peers, town, site: Arc::new(site), routes: table, scope, _files: files }
    }

    /// Asks as another town, by its signature.
    pub async fn asked_by(&self, town: &TestTown, method: Method, uri: &str, body: &str) -> (u16, Value) {
        let content = Some(body).filter(|body| !body.is_empty());
        let to_sign = events::RequestToSign { method: method.as_str(), uri, destination: &self.name, content };
        let signed = signer(&town.name, "town", 200).sign_request(&to_sign).unwrap();
        self.ask(method, uri, &[&signed], body).await
    }

    /// Asks as somebody on the Internet. Returns status and body.
    pub async fn ask(&self, method: Method, uri: &str, authorization: &[&str], body: &str) -> (u16, Value) {
        let mut request = Request::builder().method(method).uri(uri).header(header::HOST, self.name.as_str());
        for value in authorization {
            request = request.header(header::AUTHORIZATION, *value);
        }
        let request = request.body(Bytes::from(body.to_owned())).unwrap();
        let answer = self.site.answer(request, &web::Peer::plain(IpAddr::from([192, 0, 2, 1]))).await;
        let (status, body) = (answer.status().as_u16(), answer.into_body().into_bytes().await.unwrap());
        (status, serde_json::from_slice(&body).unwrap())
    }
}

/// Leads from one town of a process to another.
#[derive(Default)]
pub struct Neighbours(OnceLock<Vec<(OwnedServerName, Arc<web::Site<Town>>)>>);

impl Neighbours {
    pub fn know(&self, towns: &[&TestTown]) {
        let towns = towns.iter().map(|town| (town.name.clone(), town.site.clone())).collect();
        assert!(self.0.set(towns).is_ok());
    }

    fn site(&self, server: &str) -> Option<&Arc<web::Site<Town>>> {
        self.0.get()?.iter().find(|(name, _)| name == server).map(|(_, site)| site)
    }
}

#[async_trait]
impl Loopback for Neighbours {
    fn serves(&self, server: &ServerName) -> bool {
        self.site(server.as_str()).is_some()
    }

    async fn answer(&self, request: Request<Bytes>) -> web::Response {
        let host = request.headers()[header::HOST].to_str().unwrap().to_owned();
        let peer = web::Peer::plain(IpAddr::from([127, 0, 0, 1]));
        self.site(&host).unwrap().answer(request, &peer).await
    }
}
