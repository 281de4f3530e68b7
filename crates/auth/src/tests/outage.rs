//! ProConnect is down (hazard A27): who is signed in goes on, who is not is told at once, and it mends by itself.

use std::time::Duration;

use http::{Method, StatusCode};
use tokio::time::Instant;

use super::{
    client::{DEVICE, WEB_URI, scope, signed},
    provider::Fault,
    stage::{Answer, Browser, Stage, authorize_path},
};

const DOWN: &str = "ProConnect ne répond pas";

/// Presses ProConnect's button.
async fn press(browser: &mut Browser<'_>) -> Answer {
    let location = browser.get("/account/").await.location().to_owned();
    let page = browser.get(&location).await;
    let (_, rest) = page.body.split_once("href=\"/upstream/authorize/").unwrap();
    browser.get(&format!("/upstream/authorize/{}", rest.split('"').next().unwrap())).await
}

#[tokio::test]
async fn the_signed_in_go_on_and_others_are_told_at_once() {
    let stage = Stage::new();
    let tokens = stage.signed_in(DEVICE).await;
    let client = &tokens.client;
    let mut known = stage.browser();
    known.sign_in().await.is_page(200, "Votre compte");
    stage.provider.fail(Fault::Down);
    // Two hours, in which the discovery document grows old.
    for _ in 0..8 {
        stage.advance(900);
        let before = stage.rows();
        let answer = press(&mut stage.browser()).await;
        // While it is still known where ProConnect is, the browser finds out by itself.
        assert!(answer.status == StatusCode::SEE_OTHER || answer.status == StatusCode::SERVICE_UNAVAILABLE);
        let mut browser = stage.browser();
        let callback = browser.until_callback("/account/").await;
        browser.get(&callback).await.is_refusal(503, DOWN);
        assert!(stage.rows() == before);
        known.get("/account/").await.is_page(200, "Votre compte");
    }
    let tokens = signed(client, &stage.refresh(client, &tokens.refresh).await);
    assert!(stage.accepts(&tokens.access).await);
    // Even a new device, for who is signed in in the browser.
    let code = stage.code(&mut known, client, "SECONDDEVI").await;
    let second = signed(client, &stage.redeem(client, &code).await);
    let answer = stage.authorized(Method::POST, "/_matrix/client/v3/logout", &second.access).await;
    assert_eq!(answer.status, StatusCode::OK);
    let csrf = known.get("/account/").await.field("csrf");
    let left = known.post("/account/sign-out", &[("csrf", &csrf)]).await;
    assert!(left.status == StatusCode::OK && !known.cookies.contains_key("__Host-beffroi_session"), "{}", left.body);
    // It mends by itself.
    stage.provider.fail(Fault::None);
    stage.advance(6);
    stage.browser().sign_in().await.is_page(200, "Votre compte");
}

#[tokio::test]
async fn a_crowd_does_not_ask_again_and_again() {
    let stage = Stage::new();
    stage.provider.fail(Fault::Down);
    for _ in 0..20 {
        let page = press(&mut stage.browser()).await;
        page.is_refusal(503, DOWN);
        assert!(page.body.contains("Les personnes déjà connectées peuvent continuer"));
    }
    assert_eq!(stage.provider.requests().len(), 1);
    assert!(stage.rows().is_empty());
    stage.provider.fail(Fault::None);
    stage.advance(6);
    stage.browser().sign_in().await.is_page(200, "Votre compte");
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_is_given_three_seconds() {
    let stage = Stage::new();
    stage.provider.fail(Fault::Hang);
    let start = Instant::now();
    press(&mut stage.browser()).await.is_refusal(503, DOWN);
    assert!(start.elapsed() <= Duration::from_secs(3), "{:?}", start.elapsed());
    stage.provider.fail(Fault::None);
    stage.advance(6);
    let mut browser = stage.browser();
    let callback = browser.until_callback("/account/").await;
    stage.provider.fail(Fault::Hang);
    let start = Instant::now();
    browser.get(&callback).await.is_refusal(503, DOWN);
    assert!(start.elapsed() <= Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(stage.rows().is_empty());
}

#[tokio::test]
async fn half_an_answer_is_none() {
    for fault in [Fault::TokenDown, Fault::UserinfoDown] {
        let stage = Stage::new();
        let mut browser = stage.browser();
        let callback = browser.until_callback("/account/").await;
        stage.provider.fail(fault);
        let page = browser.get(&callback).await;
        page.is_refusal(503, DOWN);
        assert!(!page.body.contains("canary") && stage.rows().is_empty(), "{fault:?} {}", page.body);
    }
}

#[tokio::test]
async fn one_town_s_outage_is_not_another_s() {
    let stage = Stage::new();
    let neighbour = stage.neighbour();
    stage.provider.fail(Fault::Down);
    let client = neighbour.web_client().await;
    let path = authorize_path(&client, WEB_URI, &scope(DEVICE), &[]);
    press(&mut stage.browser()).await.is_refusal(503, DOWN);
    neighbour.browser().follow(&path).await.is_page(200, "Autoriser");
    press(&mut stage.browser()).await.is_refusal(503, DOWN);
}
