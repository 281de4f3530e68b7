//! `/authorize` and the page to choose from: what is let through, what is refused, and where.

use reqwest::{StatusCode, header};

use super::{
    super::{AgentChange, Switches, agents::Organization},
    harness::{CALLBACK, MFA, NONCE, STATE, client, redirect_of, world},
};

/// What differs from a request that nothing is wrong with.
type Changes<'a> = &'a [(&'a str, &'a str)];

#[tokio::test]
async fn a_page_with_one_button_per_agent_leads_back_with_a_code() {
    let world = world(vec![client()]).await;
    let mut browser = world.browser();
    let hint = [("login_hint", "helene.lefevre-koenig@beffroi-sur-mer.example"), ("unknown", "ignored")];
    let page = browser.redirected(&hint).await;
    let response = browser.get(&page.uri, &[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("default-src 'none'"));
    let html = response.text().await.unwrap();
    let first = html.find(r#"<button type="submit" name="agent" value="helene" autofocus>"#).unwrap();
    assert!(first < html.find(r#"value="marie">"#).unwrap(), "the hinted agent comes first");
    assert!(html.contains("Jean-François d&#39;Étretat") && !html.contains("<script"));

    let unknown = browser.submit(&page.uri, "nobody").await;
    assert!(unknown.status() == StatusCode::BAD_REQUEST && unknown.text().await.unwrap().contains("Y500001"));
    let back = redirect_of(&browser.submit(&page.uri, "marie").await);
    assert!(back.uri.starts_with(&format!("{CALLBACK}&code=")), "the callback's own query stays: {}", back.uri);
    assert_eq!((&*back.params["state"], &*back.params["iss"]), (STATE, &*world.mock.issuer));
    let again = browser.submit(&page.uri, "marie").await;
    assert!(again.status() == StatusCode::BAD_REQUEST && again.text().await.unwrap().contains("Y190001"));
}

#[tokio::test]
async fn a_request_that_cannot_be_trusted_ends_on_an_error_page() {
    let world = world(vec![client()]).await;
    let long = "n".repeat(513);
    let cases: [(Changes<'_>, &str); 13] = [
        (&[("client_id", "unknown")], "invalid_client"),
        (&[("client_id", "")], "invalid_client"),
        (&[("redirect_uri", "")], "Y000400"),
        (&[("redirect_uri", "https://ville.example/callback")], "Y030031"),
        (&[("redirect_uri", "https://ville.example/callback?tenant=1/")], "Y030031"),
        (&[("scope", "")], "Y000400"),
        (&[("state", "")], "Y000400"),
        (&[("state", "thirty-one-characters-are-short")], "Y000400"),
        (&[("nonce", "")], "Y000400"),
        (&[("nonce", &long)], "Y000400"),
        (&[("nonce", "nonce-non-ascii-de-plus-de-32-caractères")], "Y000400"),
        (&[("login_hint", "marie.durand")], "Y000400"),
        (&[("siret_hint", "2199000160001")], "Y000400"),
    ];
    for (changes, code) in cases {
        let response = world.browser().authorize(changes).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{changes:?}");
        assert!(!response.headers().contains_key(header::LOCATION));
        let html = response.text().await.unwrap();
        assert!(html.contains(&format!(r#"<code id="error-code">{code}</code>"#)), "{changes:?}: {html}");
    }
    let twice = [super::harness::params(&[]), vec![("state", STATE)]].concat();
    let response = world.browser().get("/api/v2/authorize", &twice).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn other_mistakes_go_back_to_the_relying_party() {
    let world = world(vec![client()]).await;
    let challenge = "test_challenge_of_at_least_43_characters_long";
    let cases: [(Changes<'_>, &str, &str); 14] = [
        (&[("response_type", "")], "invalid_request", "missing required parameter"),
        (&[("response_type", "id_token")], "unsupported_response_type", "unsupported response_type requested"),
        (&[("scope", "email")], "invalid_request", "openid scope must be requested for this request"),
        (&[("scope", "openid chorusdt")], "invalid_scope", "requested scope is not allowed"),
        (&[("prompt", "select_account")], "invalid_request", "unsupported prompt value requested"),
        (&[("prompt", "none login")], "invalid_request", "prompt none must only be used alone"),
        (&[("prompt", "none")], "login_required", "End-User authentication is required"),
        (&[("claims", "{")], "invalid_request", "could not parse the claims parameter JSON"),
        (
            &[("code_challenge", challenge), ("code_challenge_method", "plain")],
            "invalid_request",
            "not supported value of code_challenge_method",
        ),
        (
            &[("code_challenge", challenge)],
            "invalid_request",
            "plain code_challenge_method fallback disabled, code_challenge_method must be provided",
        ),
        (
            &[("code_challenge_method", "S256")],
            "invalid_request",
            "code_challenge must be provided with code_challenge_method",
        ),
        (
            &[("code_challenge", "short"), ("code_challenge_method", "S256")],
            "invalid_request",
            "code_challenge must be a string with a minimum length of 43 characters",
        ),
        (
            &[("code_challenge", "un challenge accentué d'au moins 43 caractères"), ("code_challenge_method", "S256")],
            "invalid_request",
            "code_challenge contains invalid characters",
        ),
        (
            &[("code_challenge", "short"), ("code_challenge_method", "plain")],
            "invalid_request",
            "not supported value of code_challenge_method",
        ),
    ];
    for (changes, error, description) in cases {
        let back = world.browser().redirected(changes).await;
        assert!(back.uri.starts_with(CALLBACK), "{changes:?}: {}", back.uri);
        assert_eq!((&*back.params["error"], &*back.params["error_description"]), (error, description), "{changes:?}");
        assert_eq!((&*back.params["state"], &*back.params["iss"]), (STATE, &*world.mock.issuer));
        assert!(!back.params.contains_key("code"));
    }
    let lenient =
        [("scope", "openid unknown_scope"), ("acr_values", "eidas3"), ("max_age", "0"), ("response_mode", "fragment")];
    assert!(world.browser().redirected(&lenient).await.uri.starts_with("/api/v2/interaction/"));
}

#[tokio::test]
async fn a_level_that_is_essential_is_reached_or_refused() {
    let world = world(vec![client()]).await;
    let mut browser = world.browser();
    let refused = browser.choose("sans-mfa", &[("claims", MFA)]).await;
    assert_eq!(refused.params["error"], "access_denied");
    assert_eq!(refused.params["error_description"], "requested ACRs could not be satisfied");
    assert_eq!(browser.cookie, None, "no session either");
    assert!(browser.choose("marie", &[("claims", MFA)]).await.params.contains_key("code"));
    let voluntary = r#"{"id_token":{"acr":{"values":["eidas3"]}}}"#;
    assert!(world.browser().choose("sans-mfa", &[("claims", voluntary)]).await.params.contains_key("code"));
}

#[tokio::test]
async fn a_town_may_leave_the_private_sector_to_proconnect() {
    let world = world(vec![client()]).await;
    assert!(world.browser().choose("prive", &[]).await.params.contains_key("code"));
    world.mock.switch(Switches { public_only: true, ..Switches::default() });
    for (agent, welcome) in [("marie", true), ("elu", true), ("prive", false), ("sans-roles", false)] {
        let mut browser = world.browser();
        let page = browser.redirected(&[]).await.uri;
        let response = browser.submit(&page, agent).await;
        assert_eq!(response.status() == StatusCode::SEE_OTHER, welcome, "{agent}");
        assert_eq!(response.text().await.unwrap().contains("Y500015"), !welcome, "{agent}");
    }
}

#[tokio::test]
async fn a_script_needs_no_page() {
    let world = world(vec![client()]).await;
    world.mock.switch(Switches { auto: true, ..Switches::default() });
    let hinted = [("login_hint", "Karim.Ait-Ouali@sainte-cloche.example")];
    assert!(world.browser().redirected(&hinted).await.params.contains_key("code"));
    assert!(world.browser().redirected(&[]).await.uri.starts_with("/api/v2/interaction/"), "no hint: the page");
    world.automatic("prive");
    let code = world.browser().redirected(&[("nonce", NONCE)]).await.params["code"].clone();
    let tokens = world.token(&[("code", &code)]).await.1;
    let (_, _, userinfo) = world.userinfo(tokens["access_token"].as_str().unwrap()).await;
    assert!(userinfo.contains("paul.martin@cloches-et-fils.example"));
}

#[tokio::test]
async fn an_agent_of_two_towns_and_one_who_marries() {
    let world = world(vec![client()]).await;
    let siret = async |changes: &[(&str, &str)]| {
        let tokens = world.log_in("deux-communes", changes).await;
        let (_, _, body) = world.userinfo(tokens["access_token"].as_str().unwrap()).await;
        serde_json::from_str::<serde_json::Value>(&body).unwrap()["siret"].as_str().unwrap().to_owned()
    };
    assert_eq!(siret(&[("siret_hint", "21990002400015")]).await, "21990002400015");
    world.mock.switch(Switches { siret_changes: true, ..Switches::default() });
    assert_eq!([siret(&[]).await, siret(&[]).await], ["21990001600011", "21990002400015"]);

    let before = world.log_in("marie", &[]).await;
    let married = AgentChange { usual_name: Some("Durand-Péguy".to_owned()), ..AgentChange::default() };
    world.mock.change_agent("marie", married).unwrap();
    let after = world.log_in("marie", &[]).await;
    let name = async |tokens: &serde_json::Value| world.userinfo(tokens["access_token"].as_str().unwrap()).await.2;
    assert!(name(&before).await.contains(r#""usual_name":"Durand""#), "a session keeps what its login saw");
    assert!(name(&after).await.contains(r#""usual_name":"Durand-Péguy""#));
    let nobody = world.mock.change_agent("nobody", AgentChange::default());
    assert_eq!(nobody.unwrap_err().kind(), std::io::ErrorKind::NotFound);
    let nowhere = AgentChange { organizations: Some(Vec::<Organization>::new()), ..AgentChange::default() };
    world.mock.change_agent("marie", nowhere).unwrap();
    assert!(world.browser().choose("marie", &[]).await.params.contains_key("code"), "an empty list changes nothing");
}
