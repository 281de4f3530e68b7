//! A relying party and a browser, to drive the mock with.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use kernel::{Clock, SystemClock, clock::FakeClock, random::SeededRandom};
use openidconnect::{
    ClientId, ClientSecret, IssuerUrl, Nonce,
    core::{CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJwsSigningAlgorithm},
};
use reqwest::{StatusCode, header, redirect};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::super::{Client, MockProConnect, Running, Switches};

pub(super) const CALLBACK: &str = "https://ville.example/callback?tenant=1";
pub(super) const GOODBYE: &str = "https://ville.example/goodbye";
pub(super) const STATE: &str = "state-of-more-than-thirty-two-characters";
pub(super) const NONCE: &str = "nonce-of-more-than-thirty-two-characters";
pub(super) const SECRET: &str = "the client's secret";
pub(super) const MFA: &str =
    r#"{"id_token":{"acr":{"essential":true,"values":["eidas0-mfa","eidas1-mfa","eidas2","eidas3"]}}}"#;

pub(super) struct World {
    pub(super) mock: Running,
    pub(super) clock: Arc<FakeClock>,
    pub(super) http: reqwest::Client,
}

/// Somebody's browser: follows no redirect, keeps the mock's cookie.
pub(super) struct Browser<'a> {
    world: &'a World,
    pub(super) cookie: Option<String>,
}

/// Where the mock sent the browser.
#[derive(Debug)]
pub(super) struct Redirect {
    pub(super) uri: String,
    pub(super) params: BTreeMap<String, String>,
}

pub(super) fn client() -> Client {
    let mut client = Client::new("beffroi", SECRET, CALLBACK);
    client.post_logout_redirect_uris.push(GOODBYE.to_owned());
    client
}

pub(super) async fn world(clients: Vec<Client>) -> World {
    // Real time, so that openidconnect's own clock agrees.
    let clock = Arc::new(FakeClock::at(SystemClock.now()));
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mock = MockProConnect::start(any, clients, clock.clone(), Arc::new(SeededRandom::new(7))).await.unwrap();
    // Another test may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    World { mock, clock, http: http() }
}

#[expect(clippy::disallowed_methods, reason = "a test's peer, not the server's outbound traffic")]
fn http() -> reqwest::Client {
    let builder = reqwest::Client::builder().redirect(redirect::Policy::none()).timeout(Duration::from_secs(20));
    builder.build().unwrap()
}

/// The parameters of a login that nothing is wrong with, changed: `""` removes one.
pub(super) fn params<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut params = BTreeMap::from([
        ("response_type", "code"),
        ("client_id", "beffroi"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid given_name usual_name email siret roles"),
        ("state", STATE),
        ("nonce", NONCE),
    ]);
    params.extend(changes.iter().copied());
    params.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

impl World {
    pub(super) fn browser(&self) -> Browser<'_> {
        Browser { world: self, cookie: None }
    }

    pub(super) fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.mock.addr)
    }

    pub(super) fn automatic(&self, agent: &str) {
        self.mock.switch(Switches { auto: true, agent: Some(agent.to_owned()), ..Switches::default() });
    }

    pub(super) async fn get_json(&self, path: &str) -> Value {
        json_of(self.http.get(self.at(path)).send().await.unwrap()).await
    }

    /// `POST /token` with client authentication in the form; `""` removes a field.
    pub(super) async fn token(&self, changes: &[(&str, &str)]) -> (StatusCode, Value) {
        let mut form = BTreeMap::from([
            ("grant_type", "authorization_code"),
            ("client_id", "beffroi"),
            ("client_secret", SECRET),
            ("redirect_uri", CALLBACK),
        ]);
        form.extend(changes.iter().copied());
        let body = encode(form.into_iter().filter(|(_, value)| !value.is_empty()));
        let request = self.http.post(self.at("/api/v2/token"));
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
        let response = request.send().await.unwrap();
        (response.status(), json_of(response).await)
    }

    /// One login of this agent, with these parameters changed, up to the tokens.
    pub(super) async fn log_in(&self, agent: &str, changes: &[(&str, &str)]) -> Value {
        let code = self.browser().choose(agent, changes).await.params["code"].clone();
        let (status, tokens) = self.token(&[("code", &code)]).await;
        assert_eq!(status, StatusCode::OK, "{tokens}");
        tokens
    }

    /// (status, content type, body).
    pub(super) async fn userinfo(&self, access_token: &str) -> (StatusCode, String, String) {
        let response = self.http.get(self.at("/api/v2/userinfo")).bearer_auth(access_token).send().await.unwrap();
        let content_type = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        (response.status(), content_type, response.text().await.unwrap())
    }

    /// What openidconnect, with the keys that the mock serves, makes of an id token.
    pub(super) async fn verify(&self, id_token: &str, algorithm: CoreJwsSigningAlgorithm) -> Result<Value, String> {
        let keys: CoreJsonWebKeySet = serde_json::from_value(self.get_json("/api/v2/jwks").await).unwrap();
        let verifier = CoreIdTokenVerifier::new_confidential_client(
            ClientId::new("beffroi".to_owned()),
            ClientSecret::new(SECRET.to_owned()),
            IssuerUrl::new(self.mock.issuer.clone()).unwrap(),
            keys,
        );
        let id_token: CoreIdToken = id_token.parse().map_err(|error| format!("{error}"))?;
        let claims = id_token.claims(&verifier.set_allowed_algs([algorithm]), &Nonce::new(NONCE.to_owned()));
        claims.map(|claims| json!(claims)).map_err(|error| error.to_string())
    }

    pub(super) async fn control(&self, path: &str, body: &str) -> StatusCode {
        let request = self.http.post(self.at(path)).header(header::CONTENT_TYPE, "application/json");
        request.body(body.to_owned()).send().await.unwrap().status()
    }
}

impl Browser<'_> {
    pub(super) async fn get(&mut self, path: &str, params: &[(&str, &str)]) -> reqwest::Response {
        let query = encode(params.iter().copied());
        self.send(self.world.http.get(self.world.at(&format!("{path}?{query}")))).await
    }

    pub(super) async fn authorize(&mut self, changes: &[(&str, &str)]) -> reqwest::Response {
        self.get("/api/v2/authorize", &params(changes)).await
    }

    /// The same, for a request that is answered by a redirect.
    pub(super) async fn redirected(&mut self, changes: &[(&str, &str)]) -> Redirect {
        redirect_of(&self.authorize(changes).await)
    }

    /// A whole login on the page: authorize, then the agent's button.
    pub(super) async fn choose(&mut self, agent: &str, changes: &[(&str, &str)]) -> Redirect {
        let page = self.redirected(changes).await;
        redirect_of(&self.submit(&page.uri, agent).await)
    }

    pub(super) async fn submit(&mut self, page: &str, agent: &str) -> reqwest::Response {
        let request = self.world.http.post(self.world.at(page));
        self.send(request.body(encode([("agent", agent)]))).await
    }

    async fn send(&mut self, mut request: reqwest::RequestBuilder) -> reqwest::Response {
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let response = request.send().await.unwrap();
        if let Some(set) = response.headers().get(header::SET_COOKIE) {
            self.cookie = set.to_str().unwrap().split(';').next().map(str::to_owned);
        }
        response
    }
}

pub(super) fn redirect_of(response: &reqwest::Response) -> Redirect {
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    let location = response.headers()[header::LOCATION].to_str().unwrap();
    let url = Url::options().base_url(Some(&Url::parse("http://mock").unwrap())).parse(location).unwrap();
    let params = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    Redirect { uri: location.to_owned(), params }
}

pub(super) async fn json_of(response: reqwest::Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

fn encode<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}
