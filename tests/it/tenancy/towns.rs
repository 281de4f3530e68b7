//! Two towns of one process over one store in memory, one of them full of things that the other must never see.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use accounts::{NewSession, NewUser, SessionKind, UserKind};
use beffroi::{
    app::{self, App, Parts},
    config,
    mock_proconnect::{Client, MockProConnect, Running, Switches},
    tenants::Tenants,
};
use bytes::Bytes;
use federation::{Alone, Names, Network, NetworkSettings};
use http::{Method, header};
use http_body_util::BodyExt;
use kernel::{SystemClock, SystemRandom};
use serde_json::{Value, json};
use store::{
    Direction, Space, Store,
    kv::{Range, Read},
    memory::Memory,
};

use super::fill::encode;

/// The town that has something to hide, and the one that asks.
pub(super) const AMIENS: &str = "amiens.example";
pub(super) const METZ: &str = "metz.example";

pub(super) struct Towns {
    pub(super) amiens: Arc<App>,
    pub(super) metz: Arc<App>,
    /// What Amiens has, by the names that paths give to such things.
    pub(super) things: BTreeMap<&'static str, String>,
    /// What nobody in Metz may read.
    pub(super) canaries: BTreeSet<String>,
    pub(super) routes: Vec<web::RouteInfo>,
    engine: Memory,
    site: web::Site<App>,
    /// Where files lie.
    _folder: tempfile::TempDir,
}

/// A request as it comes from the network.
#[derive(Clone, Debug, Default)]
pub(super) struct Ask<'a> {
    pub(super) token: Option<&'a str>,
    pub(super) cookie: Option<&'a str>,
    /// Its type is that of a form, or of JSON if it begins so.
    pub(super) body: String,
}

/// What came back, headers and all.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) text: String,
    pub(super) body: Value,
    /// `name=value` pairs.
    pub(super) cookies: Vec<String>,
    pub(super) location: String,
}

fn tenant_file(name: &str, issuer: &str) -> String {
    format!(
        r#"
        server_name = "{name}"
        base_url = "https://matrix.{name}"
        contact = "dsi@{name}"
        service_name = "Messagerie of {name}"
        [proconnect]
        issuer = "{issuer}"
        id_token_alg = "ES256"
        userinfo_alg = "none"
        client_id = "canary-client-{name}"
        client_secret = {{ value = "canary-secret-{name}" }}
        [proconnect.rules]
        sirets = ["21990001600011"]
        "#
    )
}

/// A ProConnect that signs in an agent of Amiens without asking.
async fn proconnect(clock: Arc<SystemClock>, random: Arc<SystemRandom>) -> Running {
    let back = format!("https://matrix.{AMIENS}/upstream/callback");
    let client = Client::new(format!("canary-client-{AMIENS}"), format!("canary-secret-{AMIENS}"), back);
    let address = (Ipv4Addr::LOCALHOST, 0).into();
    let running = MockProConnect::start(address, vec![client], clock, random).await.unwrap();
    running.switch(Switches { auto: true, agent: Some("marie".to_owned()), ..Switches::default() });
    running
}

impl Towns {
    /// The towns with the whole table of routes, and these besides.
    pub(super) async fn open(more: impl FnOnce(&Arc<App>) -> web::Routes<App>) -> Self {
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let proconnect = proconnect(clock.clone(), random.clone()).await;
        let folder = tempfile::tempdir().unwrap();
        for name in [AMIENS, METZ] {
            std::fs::write(folder.path().join(format!("{name}.toml")), tenant_file(name, &proconnect.issuer)).unwrap();
        }
        let engine = Memory::new();
        let policy = web::OutboundPolicy { loopback: true, ..web::OutboundPolicy::default() };
        let outbound = web::Outbound::new(policy, |_| true).unwrap();
        let network =
            Network::new(NetworkSettings::default(), Names::default(), Arc::new(Alone), clock.clone(), random.clone());
        let network = Arc::new(network.unwrap());
        let shutdown = web::Shutdown::new();
        let parts = Parts {
            clock: clock.clone(),
            random,
            outbound,
            network,
            media_folder: folder.path().join("media"),
            file_bytes_max: 1_000_000,
            shutdown,
            dev: true,
        };
        let tenants = Tenants::new(Store::open(engine.clone()).unwrap(), parts);
        let opened = tenants.apply(config::read_tenants(folder.path()).unwrap()).await.unwrap();
        assert_eq!(opened.opened, [AMIENS, METZ], "so that Amiens has the number 1");
        let (amiens, metz) = (tenants.get(AMIENS).unwrap(), tenants.get(METZ).unwrap());
        let routes = app::routes().merge(more(&amiens));
        let list = routes.list();
        let limiter = Arc::new(web::Limiter::new(web::Limits::off(), clock));
        let site = web::Site::new(tenants.hosts().clone(), routes, limiter, web::Proxies::default()).unwrap();
        let (things, canaries) = (BTreeMap::new(), BTreeSet::new());
        let mut towns = Self { amiens, metz, things, canaries, routes: list, engine, site, _folder: folder };
        towns.furnish().await;
        proconnect.shutdown().await;
        towns
    }

    pub(super) async fn ask(&self, host: &str, method: &Method, uri: &str, ask: &Ask<'_>) -> Answer {
        let mut request = http::Request::builder().method(method.clone()).uri(uri);
        request = request.header(header::HOST, format!("matrix.{host}"));
        let kind = if ask.body.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
        request = request.header(header::CONTENT_TYPE, kind);
        if let Some(token) = ask.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(cookie) = ask.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let peer = web::Peer::plain(Ipv4Addr::new(192, 0, 2, 1).into());
        let body = Bytes::from(ask.body.clone());
        let (parts, body) = self.site.answer(request.body(body).unwrap(), &peer).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let value = |name| parts.headers.get_all(name).iter().map(|v| v.to_str().unwrap().to_owned());
        Answer {
            status: parts.status.as_u16(),
            text: format!("{:?}\n{}", parts.headers, String::from_utf8_lossy(&bytes)),
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
            cookies: value(header::SET_COOKIE).map(|c| c.split(';').next().unwrap_or_default().to_owned()).collect(),
            location: value(header::LOCATION).next().unwrap_or_default(),
        }
    }

    /// All rows of Amiens.
    pub(super) fn rows(&self) -> Vec<(Vec<u8>, Bytes)> {
        let range = Range::prefix(1_u32.to_be_bytes().to_vec());
        let of = |space| self.engine.scan(space, &range, usize::MAX, Direction::Forward).unwrap();
        let rows: Vec<_> = Space::ALL.into_iter().flat_map(of).collect();
        assert!(rows.len() > 100, "Amiens has rows");
        rows
    }

    /// Somebody of a town who is signed in, an administrator; with a refresh token.
    pub(super) async fn somebody(app: &App, localpart: &str) -> accounts::Tokens {
        let new = NewUser {
            localpart: localpart.to_owned(),
            display_name: Some(format!("Canari {localpart} [{}]", app.config.server_name)),
            kind: UserKind::Person,
            identity: None,
            email: Some(format!("{localpart}@agents.{}", app.config.server_name)),
        };
        let user = app.accounts.create_user(new).await.unwrap();
        app.accounts.set_admin(&user, true).await.unwrap();
        let new = NewSession {
            user,
            device: Some(format!("{}DEVICE", localpart.to_ascii_uppercase()).into()),
            display_name: Some(format!("canary phone of {localpart}")),
            kind: SessionKind::Legacy,
            access_lifetime: None,
            refresh: true,
        };
        app.accounts.start_session(new).await.unwrap()
    }

    /// A request in Amiens that succeeds.
    async fn done(&self, who: &accounts::Tokens, method: Method, path: &str, body: Value) -> Value {
        let body = if method == Method::GET { String::new() } else { body.to_string() };
        let ask = Ask { token: Some(&who.access), body, ..Ask::default() };
        let answer = self.ask(AMIENS, &method, path, &ask).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text);
        answer.body
    }

    fn keep(&mut self, names: &[&'static str], value: &str) {
        assert!(!value.is_empty(), "{names:?}");
        for name in names {
            self.things.insert(name, value.to_owned());
        }
        if value.len() >= 6 {
            self.canaries.insert(value.to_owned());
        }
    }

    async fn furnish(&mut self) {
        let alice = Self::somebody(&self.amiens, "canary-alice").await;
        let bob = Self::somebody(&self.amiens, "canary-bob").await;
        // Metz has people of its own, so that there is something to be seen there.
        Self::somebody(&self.metz, "marie").await;
        self.keep(&["user_id", "target", "userId"], alice.user.as_str());
        self.keep(&["device_id"], alice.device.as_str());
        self.keep(&["access_token"], &alice.access);
        self.keep(&["refresh_token"], alice.refresh.as_deref().unwrap());
        self.keep(&["other_user"], bob.user.as_str());
        for canary in [
            AMIENS,
            "Canari canary-alice",
            "Canari canary-bob",
            "canary-alice@agents",
            "canary phone of canary",
            "canary-secret",
        ] {
            self.canaries.insert(canary.to_owned());
        }
        self.furnish_rooms(&alice, &bob).await;
        self.furnish_account(&alice, &bob).await;
        self.furnish_sign_in(&alice).await;
        let path = "/_matrix/media/v3/upload?filename=canary.txt";
        let uploaded = self.done(&alice, Method::POST, path, json!({ "text": "canary file" })).await;
        let (_, id) = uploaded["content_uri"].as_str().unwrap().rsplit_once('/').unwrap();
        self.keep(&["media_id"], id);
    }

    async fn furnish_rooms(&mut self, alice: &accounts::Tokens, bob: &accounts::Tokens) {
        let create = "/_matrix/client/v3/createRoom";
        let body = json!({ "preset": "public_chat", "visibility": "public", "room_alias_name": "canary-public",
            "name": "canary name of a public room", "topic": "canary topic" });
        let public = self.done(alice, Method::POST, create, body).await["room_id"].as_str().unwrap().to_owned();
        let body = json!({ "preset": "private_chat", "room_alias_name": "canary-private", "name": "canary name",
            "invite": [bob.user], "initial_state": [
                { "type": "m.room.history_visibility", "content": { "history_visibility": "world_readable" } }] });
        let private = self.done(alice, Method::POST, create, body).await["room_id"].as_str().unwrap().to_owned();
        self.done(bob, Method::POST, &format!("/_matrix/client/v3/join/{}", encode(&private)), json!({})).await;
        for room in [&public, &private] {
            let at = format!("/_matrix/client/v3/rooms/{}", encode(room));
            let message = json!({ "msgtype": "m.text", "body": "canary body", "format": "org.matrix.custom.html" });
            let sent = self.done(alice, Method::PUT, &format!("{at}/send/m.room.message/canary1"), message).await;
            let event = sent["event_id"].as_str().unwrap().to_owned();
            let thread = json!({ "body": "canary reply", "msgtype": "m.text",
                "m.relates_to": { "rel_type": "m.thread", "event_id": event } });
            self.done(alice, Method::PUT, &format!("{at}/send/m.room.message/canary2"), thread).await;
            self.done(alice, Method::PUT, &format!("{at}/state/fr.canary.data/x"), json!({ "v": "canary state" }))
                .await;
            self.done(alice, Method::POST, &format!("{at}/receipt/m.read/{}", encode(&event)), json!({})).await;
            let typing = format!("{at}/typing/{}", encode(alice.user.as_str()));
            self.done(alice, Method::PUT, &typing, json!({ "typing": true, "timeout": 60_000 })).await;
            self.keep(&["event_id"], &event);
            self.keep(&["room_id", "room_id_or_alias"], room);
        }
        self.keep(&["room_alias"], &format!("#canary-public:{AMIENS}"));
        self.keep(&["public_room"], &public);
        for canary in ["canary name", "canary topic", "canary body", "canary reply", "canary state", "canary-private"] {
            self.canaries.insert(canary.to_owned());
        }
    }

    async fn furnish_account(&mut self, alice: &accounts::Tokens, bob: &accounts::Tokens) {
        let v3 = "/_matrix/client/v3";
        let (user, room) = (encode(alice.user.as_str()), encode(&self.things["room_id"]));
        let own = format!("{v3}/user/{user}");
        let filter = json!({ "room": { "rooms": [self.things["room_id"]] }, "event_fields": ["canary filter"] });
        let filter = self.done(alice, Method::POST, &format!("{own}/filter"), filter).await;
        self.keep(&["filter_id"], filter["filter_id"].as_str().unwrap());
        let data = json!({ "v": "canary data" });
        self.done(alice, Method::PUT, &format!("{own}/account_data/fr.canary.data"), data.clone()).await;
        self.done(alice, Method::PUT, &format!("{own}/rooms/{room}/account_data/fr.canary.data"), data).await;
        self.done(alice, Method::PUT, &format!("{own}/rooms/{room}/tags/u.canary"), json!({ "order": 0.5 })).await;
        let avatar = json!({ "avatar_url": format!("mxc://{AMIENS}/canaryavatar") });
        self.done(alice, Method::PUT, &format!("{v3}/profile/{user}/avatar_url"), avatar).await;
        let rule = json!({ "actions": ["notify"], "pattern": "canary pattern" });
        self.done(alice, Method::PUT, &format!("{v3}/pushrules/global/content/canaryrule"), rule).await;
        let pusher = json!({ "kind": "http", "app_id": "canary.app", "pushkey": "canary pushkey", "app_display_name": "c",
            "device_display_name": "c", "lang": "fr", "data": { "url": "https://push.example/_matrix/push/v1/notify" } });
        self.done(alice, Method::POST, &format!("{v3}/pushers/set"), pusher).await;
        let keys = json!({ "one_time_keys": { "signed_curve25519:AAAA": { "key": "canarykeycanarykeycanarykeycanarykeycanaryk",
            "signatures": {} } } });
        self.done(alice, Method::POST, &format!("{v3}/keys/upload"), keys).await;
        let backup = json!({ "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2",
            "auth_data": { "public_key": "canarypubkey", "signatures": {} } });
        let backup = self.done(alice, Method::POST, &format!("{v3}/room_keys/version"), backup).await;
        let version = backup["version"].as_str().unwrap().to_owned();
        let key = json!({ "first_message_index": 0, "forwarded_count": 0, "is_verified": true,
            "session_data": { "ciphertext": "canaryciphertext", "ephemeral": "AAAA", "mac": "AAAA" } });
        let path = format!("{v3}/room_keys/keys/{room}/canarysession?version={version}");
        self.done(alice, Method::PUT, &path, key).await;
        self.keep(&["version"], &version);
        let message = json!({ "messages": { alice.user.as_str(): { "*": { "v": "canary to-device" } } } });
        self.done(bob, Method::PUT, &format!("{v3}/sendToDevice/fr.canary/canary3"), message).await;
        let synced = self.done(alice, Method::GET, &format!("{v3}/sync"), Value::Null).await;
        assert!(synced.to_string().contains("canary to-device"), "there is something to be seen: {synced}");
        self.things.insert("since", synced["next_batch"].as_str().unwrap().to_owned());
        for canary in [
            "canary data",
            "u.canary",
            "canaryavatar",
            "canary pattern",
            "canary pushkey",
            "canarykey",
            "canarypubkey",
            "canaryciphertext",
            "canarysession",
            "canary to-device",
            "canary filter",
        ] {
            self.canaries.insert(canary.to_owned());
        }
    }

    async fn furnish_sign_in(&mut self, alice: &accounts::Tokens) {
        let login = self.amiens.accounts.issue_login_token(&alice.user).await.unwrap();
        self.keep(&["login_token"], &login);
        let client = json!({ "client_name": "canary client", "client_uri": "https://app.example/",
            "redirect_uris": ["https://app.example/canary"], "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
            "response_types": ["code"], "application_type": "web" });
        let ask = Ask { body: client.to_string(), ..Ask::default() };
        let client = self.ask(AMIENS, &Method::POST, "/oauth2/registration", &ask).await;
        self.keep(&["client_id"], client.body["client_id"].as_str().expect(&client.text));
        let scope = "urn:matrix:client:api:* urn:matrix:client:device:CANARYSCOPE";
        let body = format!("client_id={}&scope={}", encode(&self.things["client_id"]), encode(scope));
        let ask = Ask { body, ..Ask::default() };
        let grant = self.ask(AMIENS, &Method::POST, "/oauth2/device", &ask).await;
        self.keep(&["device_code"], grant.body["device_code"].as_str().expect(&grant.text));
        self.keep(&["user_code"], grant.body["user_code"].as_str().unwrap());
        let query = format!(
            "/authorize?response_type=code&client_id={}&redirect_uri={}&scope={}&state=canarystate&code_challenge={}&code_challenge_method=S256",
            encode(&self.things["client_id"]),
            encode("https://app.example/canary"),
            encode(scope),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
        let flow = self.begin(&query, None).await;
        let cookie = self.sign_in(&flow).await;
        // The first ended in a consent; the second waits for one.
        let flow = self.begin(&query, Some(&cookie)).await;
        self.keep(&["flow"], &flow);
        self.keep(&["cookie"], &cookie);
        self.canaries.insert("canary client".to_owned());
    }

    /// The flow that an authorization begins.
    async fn begin(&self, authorize: &str, cookie: Option<&str>) -> String {
        let answer = self.ask(AMIENS, &Method::GET, authorize, &Ask { cookie, ..Ask::default() }).await;
        let id = answer.location.rsplit('/').next().unwrap_or_default().to_owned();
        assert!(id.len() > 20, "{}", answer.text);
        id
    }

    /// Passes ProConnect as a browser does. Returns its cookies, with which Amiens knows who sits before it.
    #[expect(clippy::disallowed_methods, reason = "a browser, which is no part of the server")]
    async fn sign_in(&self, flow: &str) -> String {
        let path = format!("/upstream/authorize/{flow}");
        let away = self.ask(AMIENS, &Method::GET, &path, &Ask::default()).await;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let back = browser.get(&away.location).send().await.expect(&away.text);
        let back = back.headers()[header::LOCATION].to_str().unwrap().to_owned();
        let back = back.strip_prefix(&format!("https://matrix.{AMIENS}")).expect(&back);
        let cookie = away.cookies.join("; ");
        let home = self.ask(AMIENS, &Method::GET, back, &Ask { cookie: Some(&cookie), ..Ask::default() }).await;
        let cookie = away.cookies.iter().chain(&home.cookies).cloned().collect::<Vec<_>>().join("; ");
        let known = self.ask(AMIENS, &Method::GET, "/account/", &Ask { cookie: Some(&cookie), ..Ask::default() }).await;
        assert!(known.status == 200 && home.cookies.len() == 1, "{}\n{}", home.text, known.text);
        cookie
    }
}
