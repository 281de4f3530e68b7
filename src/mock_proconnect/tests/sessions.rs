//! The session of twelve hours, and its end.

use std::time::Duration;

use reqwest::{StatusCode, header};

use super::harness::{GOODBYE, MFA, World, client, redirect_of, world};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_session_spares_the_choice_for_twelve_hours_and_no_more() {
    let world = world(vec![client()]).await;
    let mut browser = world.browser();
    assert!(browser.choose("marie", &[]).await.params.contains_key("code"));
    for changes in [&[][..], &[("prompt", "none")], &[("prompt", "consent")], &[("claims", MFA)]] {
        assert!(browser.redirected(changes).await.params.contains_key("code"), "{changes:?}");
    }
    let strong = r#"{"id_token":{"acr":{"essential":true,"value":"eidas2"}}}"#;
    for changes in [&[("prompt", "login")], &[("claims", strong)]] {
        assert!(browser.redirected(changes).await.uri.starts_with("/api/v2/interaction/"), "{changes:?}");
    }
    assert!(world.browser().redirected(&[]).await.uri.starts_with("/api/v2/interaction/"), "another browser");
    world.clock.advance(HOUR * 11);
    assert!(browser.redirected(&[]).await.params.contains_key("code"));
    world.clock.advance(HOUR);
    assert_eq!(
        browser.redirected(&[("prompt", "none")]).await.params["error"],
        "login_required",
        "not prolonged by use"
    );
}

#[tokio::test]
async fn the_strongest_levels_are_passed_anew_each_time() {
    let world = world(vec![client()]).await;
    assert_eq!(world.control("/control/agents/marie", r#"{"acr":"eidas2"}"#).await, StatusCode::OK);
    let mut browser = world.browser();
    assert!(browser.choose("marie", &[("claims", MFA)]).await.params.contains_key("code"));
    assert!(browser.redirected(&[("claims", MFA)]).await.uri.starts_with("/api/v2/interaction/"));
    assert!(browser.redirected(&[]).await.params.contains_key("code"));
}

/// A browser with a session, and the tokens of it.
async fn signed_in(world: &World) -> (super::harness::Browser<'_>, serde_json::Value) {
    let mut browser = world.browser();
    let code = browser.choose("marie", &[]).await.params["code"].clone();
    let (_, tokens) = world.token(&[("code", &code)]).await;
    (browser, tokens)
}

#[tokio::test]
async fn logout_ends_the_session_and_comes_back_with_the_state() {
    let world = world(vec![client()]).await;
    let (mut browser, tokens) = signed_in(&world).await;
    let hint = tokens["id_token"].as_str().unwrap();
    let params = [("id_token_hint", hint), ("post_logout_redirect_uri", GOODBYE), ("state", "abc&d")];
    let response = browser.get("/api/v2/session/end", &params).await;
    assert_eq!(redirect_of(&response).uri, format!("{GOODBYE}?state=abc%26d"));
    assert!(response.headers()[header::SET_COOKIE].to_str().unwrap().ends_with("Max-Age=0"));
    assert!(browser.redirected(&[]).await.uri.starts_with("/api/v2/interaction/"));
    let (status, ..) = world.userinfo(tokens["access_token"].as_str().unwrap()).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
    assert_eq!(world.token(&refresh).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn a_bad_logout_ends_nothing() {
    let world = world(vec![client()]).await;
    let (mut browser, tokens) = signed_in(&world).await;
    let hint = tokens["id_token"].as_str().unwrap();
    let forged = super::super::keys::with_a_bad_signature(hint);
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[("id_token_hint", hint), ("post_logout_redirect_uri", "https://ville.example/goodbye/")], "Y030111"),
        (&[("post_logout_redirect_uri", GOODBYE)], "Y030111"),
        (&[("id_token_hint", &forged), ("post_logout_redirect_uri", GOODBYE)], "Y000400"),
        (&[("id_token_hint", hint), ("client_id", "another")], "Y000400"),
        (&[("id_token_hint", "no token")], "Y000400"),
    ];
    for (params, code) in cases {
        let response = browser.get("/api/v2/session/end", params).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{params:?}");
        assert!(response.text().await.unwrap().contains(code), "{params:?}");
        assert!(browser.redirected(&[("prompt", "none")]).await.params.contains_key("code"), "{params:?}");
    }
    let by_name = [("client_id", "beffroi"), ("post_logout_redirect_uri", GOODBYE)];
    assert_eq!(redirect_of(&browser.get("/api/v2/session/end", &by_name).await).uri, GOODBYE);
    let nowhere = browser.get("/api/v2/session/end", &[]).await;
    assert_eq!(nowhere.status(), StatusCode::OK);
}
