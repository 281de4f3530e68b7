//! The whole way in, as each generation of clients goes it (`docs/` on clients).

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{Method, StatusCode};
use serde_json::Value;

use super::stage::{BASE, Stage, USER, VERIFIER, authorize_path, param};

const WEB_URI: &str = "https://app.element.io/?no_universal_links=true";

#[tokio::test]
async fn older_js_sdk_with_openid_nonce_and_discovery_under_the_issuer() {
    let stage = Stage::new();
    let issuer = stage.get("/_matrix/client/unstable/org.matrix.msc2965/auth_issuer").await.json();
    assert_eq!(issuer["issuer"], format!("{BASE}/"));
    let metadata = stage.get("/.well-known/openid-configuration").await;
    assert_eq!(metadata.header("access-control-allow-origin"), "*");
    assert_eq!(metadata.json()["issuer"], issuer["issuer"]);
    assert_eq!(metadata.json()["jwks_uri"], format!("{BASE}/oauth2/keys.json"));
    let client = stage.web_client().await;
    let scope =
        "openid urn:matrix:org.matrix.msc2967.client:api:* urn:matrix:org.matrix.msc2967.client:device:ABCDEFGHIJ";
    let mut browser = stage.browser();
    let consent = browser
        .follow(&authorize_path(&client, WEB_URI, scope, &[("nonce", "n-0S6_WzA2Mj"), ("response_mode", "query")]))
        .await;
    consent.is_page(200, "Autoriser « Element » ?");
    assert!(consent.header("content-security-policy").contains("form-action 'self' https://app.element.io;"));
    let back = browser.allow(&consent).await;
    assert_eq!(back.host_str(), Some("app.element.io"));
    assert_eq!(param(&back, "state").as_deref(), Some("client-state"));
    assert_eq!(param(&back, "no_universal_links").as_deref(), Some("true"));
    let tokens = exchange(&stage, &client, WEB_URI, &param(&back, "code").unwrap()).await;
    assert_eq!(tokens["scope"], scope);
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&"Bearer".into(), &300.into()));
    let claims = claims(&stage, tokens["id_token"].as_str().unwrap()).await;
    assert_eq!(claims["iss"], format!("{BASE}/"));
    assert_eq!(claims["sub"], USER);
    assert_eq!(claims["aud"], *client);
    assert_eq!(claims["nonce"], "n-0S6_WzA2Mj");
    let device = stage.accounts.sessions(USER.try_into().unwrap()).unwrap().remove(0).device;
    assert_eq!(device, "ABCDEFGHIJ");
    let userinfo = stage.authorized(Method::GET, "/oauth2/userinfo", tokens["access_token"].as_str().unwrap()).await;
    assert_eq!(userinfo.json()["sub"], USER);
}

#[tokio::test]
async fn rust_sdk_with_unstable_scopes_and_a_private_scheme() {
    let stage = Stage::new();
    let metadata = stage.get("/_matrix/client/v1/auth_metadata").await.json();
    for (name, value) in metadata.as_object().unwrap() {
        let url = value.as_str().filter(|_| name.ends_with("_endpoint") || name.ends_with("_uri") || name == "issuer");
        assert!(url.is_none_or(|url| url.starts_with("https://") && !url.contains(['?', '#'])), "{name}");
    }
    let client = stage.native_client().await;
    let scope = "urn:matrix:org.matrix.msc2967.client:api:* urn:matrix:org.matrix.msc2967.client:device:aBcDeFgHiJ";
    let mut browser = stage.browser();
    let path =
        authorize_path(&client, "io.element.android:/", scope, &[("prompt", "login"), ("login_hint", "mxid:@a:b")]);
    let consent = browser.follow(&path).await;
    assert!(consent.header("content-security-policy").contains("form-action 'self' io.element.android:;"));
    let back = browser.allow(&consent).await;
    assert!(back.as_str().starts_with("io.element.android:/?code="), "{back}");
    let tokens = exchange(&stage, &client, "io.element.android:/", &param(&back, "code").unwrap()).await;
    assert_eq!(tokens["scope"], scope);
    assert!(tokens.get("id_token").is_none() && tokens["refresh_token"].is_string());
    // A private scheme is asked for each time; ProConnect is not, since this browser is signed in.
    let visits = stage.provider.visits().len();
    let path = authorize_path(&client, "io.element.android:/", scope, &[("prompt", "consent")]);
    browser.follow(&path).await.is_page(200, "Autoriser « Element X » ?");
    assert_eq!(stage.provider.visits().len(), visits);
}

#[tokio::test]
async fn current_js_sdk_with_stable_scopes_and_an_answer_in_the_fragment() {
    let stage = Stage::new();
    let metadata = stage.get("/_matrix/client/v1/auth_metadata").await.json();
    let has = |name: &str, value: &str| metadata[name].as_array().unwrap().contains(&value.into());
    for name in ["issuer", "authorization_endpoint", "token_endpoint", "revocation_endpoint", "registration_endpoint"] {
        assert!(metadata[name].is_string(), "{name}");
    }
    assert!(has("response_modes_supported", "query") && has("response_modes_supported", "fragment"));
    assert!(has("response_types_supported", "code") && has("code_challenge_methods_supported", "S256"));
    assert!(has("grant_types_supported", "authorization_code") && has("grant_types_supported", "refresh_token"));
    let client = stage.web_client().await;
    assert_eq!(stage.web_client().await, client, "equal metadata is one client");
    let scope = "urn:matrix:client:api:* urn:matrix:client:device:ABCDEFGHIJ";
    let mut browser = stage.browser();
    let path = authorize_path(&client, WEB_URI, scope, &[("response_mode", "fragment")]);
    let consent = browser.follow(&path).await;
    let back = browser.allow(&consent).await;
    assert_eq!(back.query(), Some("no_universal_links=true"));
    assert!(back.fragment().unwrap().starts_with("code="));
    let tokens = exchange(&stage, &client, WEB_URI, &param(&back, "code").unwrap()).await;
    assert_eq!(tokens["scope"], scope);
    assert!(tokens.get("id_token").is_none());
    // The second time the web client is known, and so is the person: straight back, without ProConnect or a question.
    let visits = stage.provider.visits().len();
    let again = browser.follow(&path).await;
    assert!(again.location().starts_with("https://app.element.io/"));
    assert_eq!(stage.provider.visits().len(), visits);
}

#[tokio::test]
async fn a_device_without_a_browser() {
    let stage = Stage::new();
    let client = stage.native_client().await;
    let scope = "urn:matrix:client:api:* urn:matrix:client:device:ABCDEFGHIJ";
    let started = stage.post_form("/oauth2/device", &[("client_id", &client), ("scope", scope)]).await.json();
    let code = started["device_code"].as_str().unwrap().to_owned();
    let poll = async || {
        let grant = "urn:ietf:params:oauth:grant-type:device_code";
        stage.post_form("/oauth2/token", &[("grant_type", grant), ("client_id", &client), ("device_code", &code)]).await
    };
    assert_eq!(poll().await.json()["error"], "authorization_pending");
    assert_eq!(poll().await.json()["error"], "slow_down");
    let mut browser = stage.browser();
    let page = browser.follow(started["verification_uri_complete"].as_str().unwrap()).await;
    page.is_page(200, started["user_code"].as_str().unwrap());
    let (csrf, user_code) = (page.field("csrf"), page.field("code"));
    let forged = browser.post("/link", &[("csrf", "x"), ("code", &user_code), ("decision", "allow")]).await;
    forged.is_page(400, "plus valable");
    browser
        .post("/link", &[("csrf", &csrf), ("code", &user_code), ("decision", "allow")])
        .await
        .is_page(200, "Appareil connecté");
    let tokens = poll().await;
    assert_eq!(tokens.status, StatusCode::OK);
    assert_eq!(tokens.json()["scope"], scope);
    assert_eq!(poll().await.json()["error"], "expired_token");
    browser.get("/link?code=WRONGONE").await.is_page(200, "pas connu");
}

pub(super) async fn exchange(stage: &Stage, client: &str, redirect: &str, code: &str) -> Value {
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("redirect_uri", redirect),
        ("code", code),
        ("code_verifier", VERIFIER),
    ];
    let answer = stage.post_form("/oauth2/token", &form).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    answer.json()
}

/// The claims of an id token, verified with the published key.
async fn claims(stage: &Stage, token: &str) -> Value {
    use openidconnect::{
        JsonWebKey,
        core::{CoreJsonWebKeySet, CoreJwsSigningAlgorithm},
    };
    let keys: CoreJsonWebKeySet = serde_json::from_value(stage.get("/oauth2/keys.json").await.json()).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    let algorithm = CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256;
    keys.keys()[0].verify_signature(&algorithm, message.as_bytes(), &signature).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(message.split('.').nth(1).unwrap()).unwrap()).unwrap()
}
