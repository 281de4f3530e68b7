//! The older login: a login token is the account, so where it goes and how often it serves is everything (hazard A6).

use http::StatusCode;
use serde_json::{Value, json};
use url::Url;

use super::stage::{Answer, Browser, Stage, USER, param};

const LOGIN: &str = "/_matrix/client/v3/login";

fn sso(redirect: &str) -> String {
    let redirect: String = url::form_urlencoded::byte_serialize(redirect.as_bytes()).collect();
    format!("{LOGIN}/sso/redirect?redirectUrl={redirect}")
}

/// Agrees on the page: the token.
async fn agree(browser: &mut Browser<'_>, page: &Answer) -> String {
    let answer = browser.submit(page, &[]).await;
    param(&Url::parse(answer.location()).unwrap(), "loginToken").unwrap()
}

async fn login(stage: &Stage, token: &str) -> Answer {
    stage.post_json(LOGIN, &json!({ "type": "m.login.token", "token": token, "device_id": "PHONE" })).await
}

/// The table of all forms is in `legacy::sso`.
#[tokio::test]
async fn no_login_token_goes_where_a_person_could_be_deceived() {
    let stage = Stage::new();
    let mut browser = stage.browser();
    browser.sign_in().await;
    let before = stage.rows();
    for target in [
        "",
        "/relative",
        "//evil.example",
        "\\\\evil.example",
        "https:evil.example",
        "https://app.element.io@evil.example/",
        "https://app.element.io\\@evil.example/",
        "http://evil.example/",
        "http://localhost.evil.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "evil://connect",
        "https://evil.example/\nx",
        "https://\u{435}lement.io/",
    ] {
        browser.get(&sso(target)).await.is_refusal(400, "Adresse de retour refusée");
    }
    browser.get(&format!("{LOGIN}/sso/redirect")).await.is_refusal(400, "Adresse de retour refusée");
    browser
        .get(&format!("{LOGIN}/sso/redirect?redirectUrl=element%3A%2F%2Fx&redirectUrl=element%3A%2F%2Fy"))
        .await
        .is_refusal(400, "Demande incorrecte");
    for provider in ["google", "proconnect2", "PROCONNECT"] {
        let path = sso("element://connect").replace("/redirect?", &format!("/redirect/{provider}?"));
        browser.get(&path).await.is_refusal(404, "existe pas");
    }
    // Any other site may get one, but only when the person has read its name and agreed.
    let page = browser.follow(&sso("https://evil.example/")).await;
    page.is_page(200, "Le site <strong>evil.example</strong> demande à se connecter");
    assert!(stage.rows() == before);
}

#[tokio::test]
async fn every_older_client_s_way_in() {
    let stage = Stage::with(|settings| settings.sso_redirects = vec!["https://chat.metz.example/".parse().unwrap()]);
    let flows = stage.get("/_matrix/client/r0/login").await.json();
    assert_eq!(flows["flows"][0]["type"], "m.login.sso");
    assert_eq!(flows["flows"][0]["oauth_aware_preferred"], true);
    let mut browser = stage.browser();
    for prefix in ["/_matrix/client/r0/login", LOGIN] {
        for provider in ["", "/proconnect"] {
            let query =
                "redirectUrl=element%3A%2F%2Fconnect&device_id=ABC&org.matrix.msc3824.action=login&action=register";
            let page = browser.follow(&format!("{prefix}/sso/redirect{provider}?{query}")).await;
            page.is_page(200, "Une application de cet appareil (<strong>element</strong>)");
            let token = agree(&mut browser, &page).await;
            let answer = login(&stage, &token).await;
            let tokens = answer.json();
            assert_eq!((&tokens["user_id"], &tokens["device_id"]), (&json!(USER), &json!("PHONE")));
            // Classic Android never refreshes: it gets a token that lasts.
            assert!(tokens.get("refresh_token").is_none() && tokens.get("expires_in_ms").is_none());
            assert!(stage.accepts(tokens["access_token"].as_str().unwrap()).await);
        }
    }
    let answer = browser.follow(&sso("https://chat.metz.example/web")).await;
    assert!(
        answer.location().starts_with("https://chat.metz.example/web?loginToken="),
        "a listed site is not asked about"
    );
}

#[tokio::test]
async fn a_login_token_serves_once_for_two_minutes_in_its_own_town() {
    let stage = Stage::new();
    let neighbour = stage.neighbour();
    let mut browser = stage.browser();
    let page = browser.follow(&sso("element://connect")).await;
    let token = agree(&mut browser, &page).await;
    browser.submit(&page, &[]).await.is_refusal(400, "plus valable");
    let before = stage.rows();
    login(&neighbour, &token).await.is_matrix_error(403, "M_FORBIDDEN");
    for wrong in ["", "bfl_", &token[1..], &token.to_lowercase(), &format!("{token} "), &"x".repeat(60_000)] {
        login(&stage, wrong).await.is_matrix_error(403, "M_FORBIDDEN");
    }
    assert!(stage.rows() == before);
    // Of two at once, one gets in.
    let (one, two) = tokio::join!(login(&stage, &token), login(&stage, &token));
    let statuses = [one.status, two.status];
    assert!(statuses.contains(&StatusCode::OK) && statuses.contains(&StatusCode::FORBIDDEN), "{statuses:?}");
    let before = stage.rows();
    login(&stage, &token).await.is_matrix_error(403, "M_FORBIDDEN");
    assert!(stage.rows() == before);
    let page = browser.follow(&sso("element://connect")).await;
    let late = agree(&mut browser, &page).await;
    let before = stage.rows();
    stage.advance(120);
    login(&stage, &late).await.is_matrix_error(403, "M_FORBIDDEN");
    assert!(stage.rows() == before);
}

/// Hazards A1, A2, A22, A23: there are no passwords, and no word of a request stands for one.
#[tokio::test]
async fn nothing_but_a_login_token_logs_in() {
    let stage = Stage::new();
    stage.signed_in("EXISTINGXX").await;
    let before = stage.rows();
    let user = json!({ "type": "m.id.user", "user": USER });
    for body in [
        json!({ "type": "m.login.password", "identifier": user, "password": "" }),
        json!({ "type": "m.login.password", "identifier": user, "password": "x" }),
        json!({ "type": "m.login.password", "identifier": user }),
        json!({ "type": "m.login.password", "user": USER, "password": null }),
        json!({ "type": "m.login.password", "medium": "email", "address": "marie.durand@ville.fr", "password": "" }),
        json!({ "type": "m.login.dummy", "identifier": user }),
        json!({ "type": "m.login.sso", "identifier": user }),
        json!({ "type": "m.login.application_service", "identifier": user }),
        json!({ "type": "org.matrix.login.jwt", "token": "e30.e30." }),
        json!({ "type": "", "identifier": user }),
    ] {
        stage.post_json(LOGIN, &body).await.is_matrix_error(400, "M_UNKNOWN");
    }
    stage.post_json(LOGIN, &json!({ "type": "m.login.token" })).await.is_matrix_error(400, "M_MISSING_PARAM");
    for body in [json!({}), json!({ "type": 1 }), json!({ "type": "m.login.token", "token": {} }), json!([])] {
        assert_eq!(stage.post_json(LOGIN, &body).await.status, StatusCode::BAD_REQUEST, "{body}");
    }
    for path in FORGOTTEN {
        let answer = stage.post_json(path, &json!({ "auth": { "type": "m.login.dummy" } })).await;
        answer.is_matrix_error(404, "M_UNRECOGNIZED");
    }
    assert!(stage.rows() == before);
}

/// Ways to make or take over an account that others have and this edge has not. (`client` answers some in words.)
const FORGOTTEN: [&str; 14] = [
    "/_matrix/client/v3/register",
    "/_matrix/client/r0/register",
    "/_matrix/client/v1/register",
    "/_matrix/client/api/v1/register",
    "/_matrix/client/v3/register/email/requestToken",
    "/_matrix/client/v3/account/password",
    "/_matrix/client/v3/account/password/email/requestToken",
    "/_matrix/client/v3/account/3pid",
    "/_matrix/client/v3/account/3pid/add",
    "/_matrix/client/v3/account/3pid/email/requestToken",
    "/_matrix/client/v1/login/get_token",
    "/_matrix/client/api/v1/login",
    "/_synapse/admin/v1/register",
    "/upstream/backchannel-logout",
];

#[tokio::test]
async fn a_device_of_an_impossible_name_is_not_made() {
    let stage = Stage::new();
    let mut browser = stage.browser();
    for device in [json!("x".repeat(1_000)), json!(1), json!({ "a": 1 })] {
        let page = browser.follow(&sso("element://connect")).await;
        let token = agree(&mut browser, &page).await;
        let body = json!({ "type": "m.login.token", "token": token, "device_id": device });
        let answer = stage.post_json(LOGIN, &body).await;
        assert!(answer.status.is_client_error(), "{} {}", answer.status, answer.body);
        assert!(stage.devices().is_empty(), "{device}");
    }
    let _: Value = stage.get(LOGIN).await.json();
}
