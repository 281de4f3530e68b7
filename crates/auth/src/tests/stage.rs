//! A tenant in memory, its site, and browsers that keep cookies and follow redirects.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use accounts::Accounts;
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use kernel::{TenantId, Timestamp, clock::FakeClock, id::UserId, random::SeededRandom};
use serde_json::{Value, json};
use store::{
    Scope, Space, Store,
    kv::{Direction, Range, Read},
    memory::Memory,
};
use url::Url;
use web::{Hosts, Limiter, Limits, Peer, Proxies, Site};

use super::provider::{Fake, ISSUER, SECRET};
use crate::{Parts, ProConnect, Renamed, Secret, Settings, Town, routes};

pub(super) const BASE: &str = "https://matrix.metz.example";
pub(super) const USER: &str = "@marie.durand-ville.fr:metz.example";
pub(super) const SIRET: &str = "21380151200016";
/// RFC 7636, appendix B.
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const START: Timestamp = Timestamp(1_795_000_000_000);

pub(super) struct Stage {
    pub(super) accounts: Accounts,
    pub(super) clock: Arc<FakeClock>,
    pub(super) provider: Arc<Fake>,
    pub(super) renames: Arc<Renames>,
    memory: Memory,
    store: Arc<Store>,
    site: Site<Town>,
}

#[derive(Default)]
pub(super) struct Renames(pub(super) AtomicUsize);

#[async_trait]
impl Renamed for Renames {
    async fn renamed(&self, _: &UserId, _: &str) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Stage {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut proconnect = ProConnect::new(ISSUER.parse().unwrap(), "beffroi", Secret::new(SECRET));
        proconnect.rules.sirets = vec![SIRET.to_owned()];
        let mut settings = Settings::new(BASE.parse().unwrap(), proconnect);
        settings.contact = "dsi@ville.fr".to_owned();
        change(&mut settings);
        let memory = Memory::new();
        let store = Store::open(memory.clone()).unwrap();
        let clock = Arc::new(FakeClock::at(START));
        Self::open(memory, store, clock, ("metz.example", "beffroi"), settings)
    }

    /// Another town of the same process, store and ProConnect, where it has a registration of its own.
    pub(super) fn neighbour(&self) -> Self {
        let mut proconnect = ProConnect::new(ISSUER.parse().unwrap(), "cloche", Secret::new(SECRET));
        proconnect.rules.sirets = vec![SIRET.to_owned()];
        let settings = Settings::new(BASE.parse().unwrap(), proconnect);
        let (memory, store, clock) = (self.memory.clone(), Arc::clone(&self.store), Arc::clone(&self.clock));
        Self::open(memory, store, clock, ("cloche.example", "cloche"), settings)
    }

    fn open(
        memory: Memory,
        store: Arc<Store>,
        clock: Arc<FakeClock>,
        (name, client): (&str, &'static str),
        settings: Settings,
    ) -> Self {
        let tenant = if name == "metz.example" { TenantId(1) } else { TenantId(2) };
        let scope = Scope::new(&store, tenant).unwrap();
        let random = Arc::new(SeededRandom::new(tenant.0.into()));
        let server_name: kernel::id::OwnedServerName = name.try_into().unwrap();
        let accounts = Accounts::open(
            scope.clone(),
            server_name.clone(),
            clock.clone(),
            random.clone(),
            Arc::new(accounts::Offline),
        )
        .unwrap();
        let provider = Arc::new(Fake::new(client, clock.clone()));
        let renames = Arc::new(Renames::default());
        let parts = Parts {
            server_name,
            settings,
            accounts: accounts.clone(),
            scope,
            outbound: provider.clone(),
            renamed: renames.clone(),
            clock: clock.clone(),
            random,
        };
        let town = Arc::new(Town::open(parts).unwrap());
        let limiter = Arc::new(Limiter::new(Limits::off(), clock.clone()));
        let site = Site::new(Arc::new(Hosts::only(town)), routes(), limiter, Proxies::none()).unwrap();
        Self { accounts, clock, provider, renames, memory, store, site }
    }

    pub(super) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(super) fn browser(&self) -> Browser<'_> {
        Browser { stage: self, cookies: BTreeMap::new(), lang: "fr", headers: Vec::new() }
    }

    /// Every row of the store.
    pub(super) fn rows(&self) -> Vec<(Vec<u8>, Bytes)> {
        let all = |space| self.memory.scan(space, &Range::prefix(Vec::new()), usize::MAX, Direction::Forward).unwrap();
        Space::ALL.into_iter().flat_map(all).collect()
    }

    pub(super) async fn ask(&self, request: http::Request<Bytes>) -> Answer {
        let peer = Peer::plain(IpAddr::from([192, 0, 2, 1]));
        let (parts, body) = self.site.answer(request, &peer).await.into_parts();
        let body = String::from_utf8(body.into_bytes().await.unwrap().to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// A program's request: no cookies.
    pub(super) async fn post_form(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.ask(post(path, form).body(encoded(form)).unwrap()).await
    }

    pub(super) async fn post_json(&self, path: &str, body: &Value) -> Answer {
        let request = http::Request::post(path).header(header::HOST, "matrix.metz.example");
        self.ask(request.body(body.to_string().into()).unwrap()).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.browser().get(path).await
    }

    pub(super) async fn authorized(&self, method: Method, path: &str, token: &str) -> Answer {
        let request = http::Request::builder().method(method).uri(path).header(header::HOST, "matrix.metz.example");
        self.ask(request.header(header::AUTHORIZATION, format!("Bearer {token}")).body(Bytes::new()).unwrap()).await
    }

    /// The id of a client that registered as Element Web does.
    pub(super) async fn web_client(&self) -> String {
        self.register(&web_metadata()).await
    }

    /// The same as Element X for Android.
    pub(super) async fn native_client(&self) -> String {
        self.register(&native_metadata()).await
    }

    pub(super) async fn register(&self, metadata: &Value) -> String {
        let answer = self.post_json("/oauth2/registration", metadata).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        answer.json()["client_id"].as_str().unwrap().to_owned()
    }
}

pub(super) fn web_metadata() -> Value {
    json!({
        "client_name": "Element",
        "client_uri": "https://app.element.io/",
        "redirect_uris": ["https://app.element.io/?no_universal_links=true"],
        "response_types": ["code"],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
        "application_type": "web",
        "contacts": ["x@example.org"],
    })
}

pub(super) fn native_metadata() -> Value {
    json!({
        "client_name": "Element X",
        "client_uri": "https://element.io",
        "redirect_uris": ["io.element.android:/"],
        "response_types": ["code"],
        "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    })
}

fn post(path: &str, _: &[(&str, &str)]) -> http::request::Builder {
    http::Request::post(path)
        .header(header::HOST, "matrix.metz.example")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
}

fn encoded(form: &[(&str, &str)]) -> Bytes {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish().into()
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{} {}", self.status, self.body))
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub(super) fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        self.header("location")
    }

    /// The value of a hidden field.
    pub(super) fn field(&self, name: &str) -> String {
        let start = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.body.split_once(&start).unwrap_or_else(|| panic!("no {name} in {}", self.body));
        rest.split('"').next().unwrap().to_owned()
    }

    /// Where the page's form goes, and its hidden fields.
    pub(super) fn form(&self) -> (String, Vec<(String, String)>) {
        let (_, form) = self.body.split_once("method=\"post\" action=\"").unwrap_or_else(|| panic!("{}", self.body));
        let action = form.split('"').next().unwrap().to_owned();
        let form = form.split("</form>").next().unwrap();
        let hidden = form.split("type=\"hidden\" name=\"").skip(1).map(|rest| {
            let mut parts = rest.split('"');
            (parts.next().unwrap().to_owned(), parts.nth(1).unwrap().to_owned())
        });
        (action, hidden.collect())
    }

    /// What an OAuth client's program is told (RFC 6749 §5.2).
    pub(super) fn is_oauth_error(&self, status: u16, error: &str) {
        assert_eq!((self.status.as_u16(), &self.json()["error"]), (status, &error.into()), "{}", self.body);
        assert_eq!(self.header("cache-control"), "no-store");
        assert_eq!(self.header("access-control-allow-origin"), "*");
    }

    pub(super) fn is_matrix_error(&self, status: u16, errcode: &str) {
        assert_eq!((self.status.as_u16(), &self.json()["errcode"]), (status, &errcode.into()), "{}", self.body);
    }

    /// A page, and nothing of a way on: no redirect, no cookie.
    pub(super) fn is_refusal(&self, status: u16, words: &str) {
        self.is_page(status, words);
        assert!(!self.headers.contains_key(header::LOCATION) && !self.headers.contains_key(header::SET_COOKIE));
    }

    pub(super) fn is_page(&self, status: u16, words: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert!(self.header("content-type").starts_with("text/html"), "{}", self.body);
        assert!(self.body.contains(words), "no {words:?} in {}", self.body);
    }
}

/// A browser.
#[derive(Clone)]
pub(super) struct Browser<'s> {
    stage: &'s Stage,
    pub(super) cookies: BTreeMap<String, String>,
    pub(super) lang: &'static str,
    /// What it sends besides.
    pub(super) headers: Vec<(&'static str, &'static str)>,
}

impl Browser<'_> {
    pub(super) async fn get(&mut self, url: &str) -> Answer {
        let request = http::Request::get(own_path(url)).header(header::HOST, "matrix.metz.example");
        self.send(request, Bytes::new()).await
    }

    pub(super) async fn post(&mut self, url: &str, form: &[(&str, &str)]) -> Answer {
        self.send(post(&own_path(url), form), encoded(form)).await
    }

    async fn send(&mut self, request: http::request::Builder, body: Bytes) -> Answer {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.header(header::COOKIE, cookies.join("; ")).header(header::ACCEPT_LANGUAGE, self.lang);
        let answer = self.stage.ask(request.body(body).unwrap()).await;
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.contains("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            assert!(name.starts_with("__Host-"), "{cookie}");
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Follows redirects and presses ProConnect's button, until a page is something else or leads elsewhere.
    pub(super) async fn follow(&mut self, url: &str) -> Answer {
        let mut answer = self.get(url).await;
        for _ in 0..12 {
            let next = if answer.status == StatusCode::SEE_OTHER {
                let location = answer.location().to_owned();
                match location.strip_prefix(ISSUER) {
                    Some(_) => self.stage.provider.authorize(&location),
                    None if location.starts_with(BASE) => location,
                    None => return answer,
                }
            } else if let Some((_, rest)) = answer.body.split_once("href=\"/upstream/authorize/") {
                format!("/upstream/authorize/{}", rest.split('"').next().unwrap())
            } else {
                return answer;
            };
            answer = self.get(&next).await;
        }
        panic!("too many redirects");
    }

    /// Signs in, and ends on the account page.
    pub(super) async fn sign_in(&mut self) -> Answer {
        self.follow("/account/").await
    }

    /// Comes to the callback with what ProConnect gave, without following further.
    pub(super) async fn until_callback(&mut self, path: &str) -> String {
        let mut answer = self.get(path).await;
        while answer.location().starts_with(BASE) {
            let location = answer.location().to_owned();
            answer = self.get(&location).await;
            if answer.status == StatusCode::OK {
                let (_, rest) = answer.body.split_once("href=\"/upstream/authorize/").unwrap();
                let start = format!("/upstream/authorize/{}", rest.split('"').next().unwrap());
                answer = self.get(&start).await;
            }
        }
        self.stage.provider.authorize(answer.location())
    }

    /// Fills in the form of a page: its action, and its hidden fields with these.
    pub(super) async fn submit(&mut self, page: &Answer, more: &[(&str, &str)]) -> Answer {
        let (action, hidden) = page.form();
        let hidden: Vec<_> = hidden.iter().map(|(name, value)| (&**name, &**value)).collect();
        self.post(&action, &[&hidden, more].concat()).await
    }

    /// Presses "allow" on the consent page: the client's redirect.
    pub(super) async fn allow(&mut self, consent: &Answer) -> Url {
        let answer = self.submit(consent, &[("decision", "allow")]).await;
        Url::parse(answer.location()).unwrap()
    }
}

fn own_path(url: &str) -> String {
    url.strip_prefix(BASE).unwrap_or(url).to_owned()
}

/// The query of an authorization request, as a client of each dialect sends it.
pub(super) fn authorize_path(client: &str, redirect: &str, scope: &str, more: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", redirect),
            ("scope", scope),
            ("state", "client-state"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ])
        .extend_pairs(more)
        .finish();
    format!("/authorize?{query}")
}

/// A parameter of a redirect, from its query or its fragment.
pub(super) fn param(url: &Url, name: &str) -> Option<String> {
    let text = format!("{}&{}", url.query().unwrap_or_default(), url.fragment().unwrap_or_default());
    url::form_urlencoded::parse(text.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
