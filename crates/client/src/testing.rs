//! A town in memory, with people and their tokens, and requests to it: what the tests of this edge share.
//!
//! ```ignore
//! let site = TestSite::open();
//! let alice = site.person("alice").await;
//! let rules = site.get(&alice, "/_matrix/client/v3/pushrules/").await.ok();
//! site.put(&alice, "/_matrix/client/v3/…", json!({})).await.refused(403, "M_FORBIDDEN");
//! ```

mod neighbour;
mod others;

use std::{net::Ipv4Addr, sync::Arc};

use accounts::{Accounts, NewSession, NewUser, SessionKind, UserKind};
use bytes::Bytes;
use directory::Directory;
use http::Method;
use http_body_util::BodyExt;
use kernel::{
    Clock, Random, TenantId, Timestamp,
    clock::FakeClock,
    id::{OwnedDeviceId, OwnedServerName, OwnedUserId},
    random::SeededRandom,
};
use media::Media;
use rooms::Rooms;
use serde_json::Value;
use store::{Scope, Store, memory::Memory};

use neighbour::Neighbour;
pub(crate) use others::Others;

use crate::{Settings, Town};

pub(crate) const SERVER_NAME: &str = "metz.example";
/// The other server whose users may be in rooms here.
pub(crate) const NEIGHBOUR: &str = "nancy.example";
pub(crate) const BASE_URL: &str = "https://matrix.metz.example";

/// A town with the whole table of this edge before it.
pub(crate) struct TestSite {
    pub(crate) town: Arc<Town>,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) others: Arc<Others>,
    neighbour: Arc<Neighbour>,
    site: web::Site<Town>,
    _files: tempfile::TempDir,
}

/// Somebody signed in with a device.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) user: OwnedUserId,
    pub(crate) device: OwnedDeviceId,
    pub(crate) token: String,
}

/// What the town answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Null if it is not JSON.
    pub(crate) body: Value,
}

impl Answer {
    /// The body of a 200.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    /// The body of a refusal, of this status and errcode (empty: none).
    #[track_caller]
    pub(crate) fn refused(self, status: u16, errcode: &str) -> Value {
        let code = self.body["errcode"].as_str().unwrap_or_default();
        assert_eq!((self.status, code), (status, errcode), "{}", self.body);
        self.body
    }
}

impl TestSite {
    pub(crate) fn open() -> Self {
        Self::on(&Memory::new())
    }

    /// The town whose data lie in this engine; opened again on the same one, it has restarted.
    pub(crate) fn on(engine: &Memory) -> Self {
        let clock = Arc::new(FakeClock::at(Timestamp(1_780_000_000_000)));
        let random: Arc<dyn Random> = Arc::new(SeededRandom::new(1));
        let server_name: OwnedServerName = SERVER_NAME.try_into().unwrap();
        let store = Store::open(engine.clone()).unwrap();
        let scope = Scope::new(&store, TenantId(1)).unwrap();
        let (others, neighbour) = (Arc::new(Others::default()), Arc::new(Neighbour::new(NEIGHBOUR)));
        let (time, chance) = (clock.clone() as Arc<dyn Clock>, random.clone());
        let accounts =
            Accounts::open(scope.clone(), server_name.clone(), time.clone(), chance.clone(), others.clone()).unwrap();
        let secret = events::Signer::generate_secret(random.as_ref());
        let signer = events::Signer::from_secret(server_name.clone(), "1", &secret).unwrap();
        let rooms = Rooms::open(
            scope.clone(),
            server_name.clone(),
            signer,
            time.clone(),
            chance,
            rooms::Settings::default(),
            neighbour.clone(),
        );
        let directory = Directory::open(&scope, accounts.clone(), rooms.clone()).unwrap();
        let files = tempfile::tempdir().unwrap();
        let settings = media::Settings { folder: files.path().to_owned(), file_bytes_max: 100_000 };
        let media = Media::open(
            scope.clone(),
            server_name.clone(),
            settings,
            time.clone(),
            random.clone(),
            Arc::new(media::Offline),
        );
        let town = Arc::new(Town {
            media: media.unwrap(),
            server_name,
            settings: Settings { base_url: BASE_URL.to_owned(), support: Some("dsi@metz.example".to_owned()) },
            sync: crate::Sync::new(&scope, rooms.clone()),
            accounts,
            rooms,
            directory,
            clock: time.clone(),
            random,
            shutdown: web::Shutdown::new(),
        });
        let limiter = Arc::new(web::Limiter::new(web::Limits::off(), time));
        let hosts = Arc::new(web::Hosts::only(town.clone()));
        let site = web::Site::new(hosts, crate::routes(), limiter, web::Proxies::default()).unwrap();
        Self { town, clock, others, neighbour, site, _files: files }
    }

    /// An agent whose name is `Alice Exemple [Metz]` for the localpart `alice`, signed in with the device `ALICE1`.
    pub(crate) async fn person(&self, localpart: &str) -> Person {
        let mut name = localpart.to_owned();
        name.get_mut(..1).unwrap().make_ascii_uppercase();
        self.person_named(localpart, &format!("{name} Exemple [Metz]")).await
    }

    pub(crate) async fn person_named(&self, localpart: &str, name: &str) -> Person {
        let new = NewUser {
            localpart: localpart.to_owned(),
            display_name: Some(name.to_owned()),
            kind: UserKind::Person,
            identity: None,
            email: None,
        };
        let user = self.town.accounts.create_user(new).await.unwrap();
        self.sign_in(&user, &format!("{}1", localpart.to_ascii_uppercase())).await
    }

    /// Another device of a person.
    pub(crate) async fn sign_in(&self, user: &kernel::id::UserId, device: &str) -> Person {
        let new = NewSession {
            user: user.to_owned(),
            device: Some(device.into()),
            display_name: Some(format!("{device} in a test")),
            kind: SessionKind::Legacy,
            access_lifetime: None,
            refresh: false,
        };
        let tokens = self.town.accounts.start_session(new).await.unwrap();
        Person { user: tokens.user, device: tokens.device, token: tokens.access }
    }

    pub(crate) async fn admin(&self, localpart: &str) -> Person {
        let person = self.person(localpart).await;
        self.town.accounts.set_admin(&person.user, true).await.unwrap();
        person
    }

    pub(crate) async fn get(&self, who: &Person, path: &str) -> Answer {
        self.ask(Method::GET, Some(who), path, None).await
    }

    pub(crate) async fn put(&self, who: &Person, path: &str, body: Value) -> Answer {
        self.ask(Method::PUT, Some(who), path, Some(body)).await
    }

    pub(crate) async fn post(&self, who: &Person, path: &str, body: Value) -> Answer {
        self.ask(Method::POST, Some(who), path, Some(body)).await
    }

    pub(crate) async fn delete(&self, who: &Person, path: &str) -> Answer {
        self.ask(Method::DELETE, Some(who), path, None).await
    }

    /// A request as it comes from the network; `path` with its query, percent-encoded.
    pub(crate) async fn ask(&self, method: Method, who: Option<&Person>, path: &str, body: Option<Value>) -> Answer {
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let (status, _, bytes) = self.raw(method, who, path, Vec::new(), bytes).await;
        Answer { status: status.as_u16(), body: serde_json::from_slice(&bytes).unwrap_or_default() }
    }

    /// The same with any body and headers, and all that comes back.
    pub(crate) async fn raw(
        &self,
        method: Method,
        who: Option<&Person>,
        path: &str,
        headers: Vec<(&str, &str)>,
        body: Bytes,
    ) -> (http::StatusCode, http::HeaderMap, Bytes) {
        let mut request = http::Request::builder().method(method).uri(path).header("host", SERVER_NAME);
        if let Some(person) = who {
            request = request.header("authorization", format!("Bearer {}", person.token));
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let peer = web::Peer::plain(Ipv4Addr::new(192, 0, 2, 1).into());
        let (parts, body) = self.site.answer(request.body(body).unwrap(), &peer).await.into_parts();
        (parts.status, parts.headers, body.collect().await.unwrap().to_bytes())
    }
}
