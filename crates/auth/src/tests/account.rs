//! The account page: one's own devices and no others', the window for a reset, and the way out through ProConnect.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::StatusCode;
use serde_json::json;
use url::Url;

use super::{
    client::{DEVICE, Signed, WEB_URI, scope, signed},
    provider::ISSUER,
    stage::{Browser, Stage, USER, VERIFIER, authorize_path, param},
};

const SESSION: &str = "__Host-beffroi_session";
const RESET: &str = "/account/?action=org.matrix.cross_signing_reset";

fn device_page(action: &str, device: &str) -> String {
    format!("/account/?action=org.matrix.{action}&device_id={device}")
}

#[tokio::test]
async fn people_see_and_end_their_own_devices_only() {
    let stage = Stage::new();
    let (mine, second) = (stage.signed_in(DEVICE).await, stage.signed_in("SECONDDEVI").await);
    let mut browser = stage.browser();
    browser.sign_in().await;
    stage.provider.say("sub", json!("another-sub"));
    let theirs = stage.signed_in("THEIRPHONE").await;
    let mut other = stage.browser();
    let page = other.sign_in().await;
    assert!(page.body.contains("THEIRPHONE") || page.body.contains("Element"), "{}", page.body);
    assert!(!page.body.contains(DEVICE) && !page.body.contains("SECONDDEVI"), "{}", page.body);
    let before = stage.rows();
    let csrf = page.field("csrf");
    for device in [DEVICE, "SECONDDEVI", "", "NOBODYS", "../x", &"x".repeat(3_000)] {
        for action in ["device_view", "session_view", "device_delete", "session_end"] {
            other.get(&device_page(action, device)).await.is_refusal(404, "existe pas");
        }
        other.post("/account/device", &[("csrf", &csrf), ("device_id", device)]).await;
    }
    // Looking, and following a link that a client or a stranger made up, ends nothing.
    for action in ["device_view", "session_view", "device_delete", "session_end"] {
        browser.get(&device_page(action, DEVICE)).await.is_page(200, DEVICE);
    }
    assert!(stage.rows() == before);
    let page = browser.get(&device_page("device_delete", DEVICE)).await;
    assert!(browser.submit(&page, &[]).await.location().ends_with("/account/?action=org.matrix.devices_list"));
    assert!(!stage.accepts(&mine.access).await, "its tokens end with it");
    stage.refresh(&mine.client, &mine.refresh).await.is_oauth_error(400, "invalid_grant");
    assert!(stage.accepts(&second.access).await && stage.accepts(&theirs.access).await);
    assert_eq!(stage.devices(), ["SECONDDEVI"]);
}

fn window(stage: &Stage) -> bool {
    stage.accounts.reset_window_is_open(USER.try_into().unwrap()).unwrap()
}

/// Hazard K7.
#[tokio::test]
async fn the_window_for_a_reset_opens_only_after_a_new_proof_and_closes() {
    let stage = Stage::new();
    let mut browser = stage.browser();
    browser.sign_in().await;
    let page = browser.get(RESET).await;
    page.is_page(200, "Réinitialiser votre identité numérique");
    assert!(!window(&stage), "to look is not to agree");
    // Ten minutes later the form has lost its worth.
    stage.advance(600);
    let before = stage.rows();
    assert!(browser.submit(&page, &[]).await.location().ends_with(RESET));
    let sign_in = browser.get(RESET).await.location().to_owned();
    browser.get(&sign_in).await.is_page(200, "prouvez de nouveau");
    assert!(stage.rows() == before && !window(&stage));
    // ProConnect is told to ask the person; if it did not, that is noticed.
    let now = kernel::Clock::now(&*stage.clock).as_secs();
    stage.provider.auth_time(Some(now - 601));
    let callback = browser.until_callback(RESET).await;
    assert_eq!(param(stage.provider.visits().last().unwrap(), "prompt").as_deref(), Some("login"));
    let answer = browser.get(&callback).await;
    assert!(browser.get(answer.location()).await.location().contains("/sign-in/"));
    assert!(!window(&stage));
    stage.provider.auth_time(None);
    let page = browser.follow(RESET).await;
    browser.submit(&page, &[]).await.is_page(200, "Réinitialisation autorisée");
    assert!(window(&stage));
    stage.advance(599);
    assert!(window(&stage));
    stage.advance(1);
    assert!(!window(&stage));
    // A session without a proof of late opens nothing, whatever was open before.
    let csrf = browser.get("/account/").await.field("csrf");
    assert_eq!(browser.post("/account/reset", &[("csrf", &csrf)]).await.status, StatusCode::SEE_OTHER);
    assert!(!window(&stage));
}

/// A web client with an id token, as those of before May 2026 are.
async fn with_id_token(stage: &Stage, browser: &mut Browser<'_>) -> (Signed, String) {
    let client = stage.web_client().await;
    let path = authorize_path(&client, WEB_URI, &format!("openid {}", scope(DEVICE)), &[]);
    let code = stage.code_at(browser, &path).await;
    let answer = stage.redeem_with(&client, &code, &[("redirect_uri", WEB_URI), ("code_verifier", VERIFIER)]).await;
    let id_token = answer.json()["id_token"].as_str().unwrap().to_owned();
    (signed(&client, &answer), id_token)
}

fn is_proconnect_s_logout(url: &str) -> String {
    assert!(url.starts_with(&format!("{ISSUER}/session/end?")), "{url}");
    let url = Url::parse(url).unwrap();
    assert_eq!(param(&url, "post_logout_redirect_uri").unwrap(), "https://matrix.metz.example/upstream/logged-out");
    assert_eq!(param(&url, "id_token_hint").unwrap().split('.').count(), 3);
    let state = param(&url, "state").unwrap();
    assert!(state.len() >= 32);
    state
}

#[tokio::test]
async fn signing_out_of_the_browser_leads_through_proconnect_and_leaves_devices() {
    let stage = Stage::new();
    let mut browser = stage.browser();
    let (tokens, id_token) = with_id_token(&stage, &mut browser).await;
    let stolen = browser.clone();
    let page = browser.get("/account/").await;
    let left = browser.submit(&page, &[]).await;
    left.is_page(200, "Vous êtes déconnecté");
    let link = left.body.split_once(&format!("href=\"{ISSUER}")).unwrap().1.split('"').next().unwrap();
    is_proconnect_s_logout(&format!("{ISSUER}{}", link.replace("&#38;", "&").replace("&amp;", "&")));
    assert!(!browser.cookies.contains_key(SESSION));
    let location = stolen.clone().get("/account/").await.location().to_owned();
    assert!(location.contains("/sign-in/"), "the session has ended here, not only its cookie");
    assert!(stage.accepts(&tokens.access).await);
    // By a client, with a hint of whom it means.
    browser.sign_in().await;
    let target = "https%3A%2F%2Fapp.element.io%2F%3Fno_universal_links%3Dtrue";
    let end = format!("/oauth2/end_session?id_token_hint={id_token}&post_logout_redirect_uri={target}&state=back");
    let answer = browser.get(&end).await;
    let state = is_proconnect_s_logout(answer.location());
    assert!(!browser.cookies.contains_key(SESSION));
    for unknown in ["x", "", &state.to_lowercase()] {
        browser.get(&format!("/upstream/logged-out?state={unknown}")).await.is_page(200, "Vous êtes déconnecté");
    }
    let back = format!("/upstream/logged-out?state={state}");
    assert_eq!(browser.get(&back).await.location(), format!("{WEB_URI}&state=back"));
    browser.get(&back).await.is_page(200, "Vous êtes déconnecté");
}

#[tokio::test]
async fn nobody_is_signed_out_or_sent_away_by_a_link_of_somebody_else_s() {
    let stage = Stage::new();
    let mut browser = stage.browser();
    let (tokens, id_token) = with_id_token(&stage, &mut browser).await;
    let client = &tokens.client;
    let encode = |json: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let unsigned = format!(
        "{}.{}.",
        encode(json!({ "alg": "none" })),
        encode(json!({ "sub": USER, "aud": client, "iss": "https://matrix.metz.example/" }))
    );
    let (message, signature) = id_token.rsplit_once('.').unwrap();
    let altered = format!("{message}.{}{}", &signature[1..], &signature[..1]);
    let proconnect_s = stage.provider.last_id_token();
    let before = stage.rows();
    for hint in ["", "x", "a.b.c", &unsigned, &altered, &proconnect_s] {
        let page = browser.get(&format!("/oauth2/end_session?id_token_hint={hint}")).await;
        page.is_page(200, "Se déconnecter ?");
        assert!(browser.cookies.contains_key(SESSION));
    }
    for target in [
        "https://evil.example/",
        "https://app.element.io.evil.example/",
        "https://app.element.io@evil.example/",
        "http://app.element.io/?no_universal_links=true",
        "javascript:alert(1)",
        "//evil.example",
        "\\evil.example",
        "io.element.app:/",
    ] {
        let target: String = url::form_urlencoded::byte_serialize(target.as_bytes()).collect();
        for whose in [format!("id_token_hint={id_token}"), format!("client_id={client}")] {
            let path = format!("/oauth2/end_session?{whose}&post_logout_redirect_uri={target}");
            for mut browser in [browser.clone(), stage.browser()] {
                browser.get(&path).await.is_refusal(400, "Adresse de retour refusée");
            }
        }
        let path = format!("/oauth2/end_session?client_id=nobody&post_logout_redirect_uri={target}");
        browser.get(&path).await.is_refusal(400, "Application inconnue");
        let csrf = browser.get("/account/").await.field("csrf");
        let path = [("csrf", &*csrf), ("client_id", client), ("post_logout_redirect_uri", "https://evil.example/")];
        browser.post("/oauth2/end_session", &path).await.is_refusal(400, "Adresse de retour refusée");
    }
    assert!(stage.rows() == before);
    browser.get("/account/").await.is_page(200, "Votre compte");
    // A hint about somebody else does not sign this person out.
    stage.provider.say("sub", json!("another-sub"));
    let mut other = stage.browser();
    other.sign_in().await;
    other.get(&format!("/oauth2/end_session?id_token_hint={id_token}")).await.is_page(200, "Se déconnecter ?");
}
