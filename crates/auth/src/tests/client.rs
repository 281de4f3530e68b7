//! A client's program: it registers, asks for a code, redeems it, and uses and refreshes what it was given.

use http::{Method, StatusCode};
use url::Url;

use super::stage::{Answer, Browser, Stage, USER, VERIFIER, authorize_path, param};

pub(super) const WEB_URI: &str = "https://app.element.io/?no_universal_links=true";
pub(super) const NATIVE_URI: &str = "io.element.android:/";
pub(super) const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
pub(super) const DEVICE: &str = "ABCDEFGHIJ";

/// What a client of today asks for.
pub(super) fn scope(device: &str) -> String {
    format!("urn:matrix:client:api:* urn:matrix:client:device:{device}")
}

/// A client, and the tokens of its session.
pub(super) struct Signed {
    pub(super) client: String,
    pub(super) access: String,
    pub(super) refresh: String,
}

impl Stage {
    /// The code that a web client is given when the person of this browser comes and, if asked, allows it.
    pub(super) async fn code(&self, browser: &mut Browser<'_>, client: &str, device: &str) -> String {
        self.code_at(browser, &authorize_path(client, WEB_URI, &scope(device), &[])).await
    }

    pub(super) async fn code_at(&self, browser: &mut Browser<'_>, path: &str) -> String {
        let answer = browser.follow(path).await;
        let back = match answer.status {
            StatusCode::OK => browser.allow(&answer).await,
            _ => Url::parse(answer.location()).unwrap(),
        };
        param(&back, "code").unwrap_or_else(|| panic!("{back}"))
    }

    pub(super) async fn redeem(&self, client: &str, code: &str) -> Answer {
        self.redeem_with(client, code, &[("redirect_uri", WEB_URI), ("code_verifier", VERIFIER)]).await
    }

    pub(super) async fn redeem_with(&self, client: &str, code: &str, more: &[(&str, &str)]) -> Answer {
        let form = [("grant_type", "authorization_code"), ("client_id", client), ("code", code)];
        self.post_form("/oauth2/token", &[&form, more].concat()).await
    }

    /// A web client's session on this device, from registration to tokens.
    pub(super) async fn signed_in(&self, device: &str) -> Signed {
        let client = self.web_client().await;
        let code = self.code(&mut self.browser(), &client, device).await;
        signed(&client, &self.redeem(&client, &code).await)
    }

    pub(super) async fn refresh(&self, client: &str, token: &str) -> Answer {
        let form = [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token)];
        self.post_form("/oauth2/token", &form).await
    }

    /// The answer to the start of a device's grant: its codes.
    pub(super) async fn device_grant(&self, client: &str, device: &str) -> (String, String) {
        let form = [("client_id", client), ("scope", &*scope(device))];
        let started = self.post_form("/oauth2/device", &form).await.json();
        let text = |name: &str| started[name].as_str().unwrap().to_owned();
        (text("device_code"), text("user_code"))
    }

    pub(super) async fn poll(&self, client: &str, device_code: &str) -> Answer {
        let form = [("grant_type", DEVICE_GRANT), ("client_id", client), ("device_code", device_code)];
        self.post_form("/oauth2/token", &form).await
    }

    /// Whether an access token opens an endpoint that wants one.
    pub(super) async fn accepts(&self, access: &str) -> bool {
        self.authorized(Method::GET, "/oauth2/userinfo", access).await.status == StatusCode::OK
    }

    /// The ids of the person's devices.
    pub(super) fn devices(&self) -> Vec<String> {
        let devices = self.accounts.devices(USER.try_into().unwrap()).unwrap();
        devices.into_iter().map(|device| device.id.to_string()).collect()
    }
}

pub(super) fn signed(client: &str, answer: &Answer) -> Signed {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let tokens = answer.json();
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    Signed { client: client.to_owned(), access: text("access_token"), refresh: text("refresh_token") }
}
