//! Codes and tokens: what opens nothing, what opens once, and what ends when a copy of it turns up.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::json;

use super::{
    client::{DEVICE, NATIVE_URI, Signed, WEB_URI, scope, signed},
    stage::{CHALLENGE, Stage, USER, VERIFIER, authorize_path},
};

const OTHER_VERIFIER: &str = "another-verifier-of-43-characters-and-no-less";
/// Its SHA-256 as base64url.
const OTHER_CHALLENGE: &str = "0FjEBnHyGw60Q56h-B_CKz08YXDY3prNG0HNT1sNf_Y";

/// Hazard A3. `web` has the table of all forms; these are the ones that reach our own tokens.
#[tokio::test]
async fn what_is_no_access_token_opens_nothing() {
    let stage = Stage::new();
    let tokens = stage.signed_in(DEVICE).await;
    let code = stage.code(&mut stage.browser(), &tokens.client, "SECONDDEVI").await;
    let login_token = stage.accounts.issue_login_token(USER.try_into().unwrap()).await.unwrap();
    let native = stage.native_client().await;
    let (device_code, _) = stage.device_grant(&native, "THIRDDEVIC").await;
    let before = stage.rows();
    let bearers = [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer {}", "x".repeat(1_000_000)),
        format!("Bearer {code}"),
        format!("Bearer {login_token}"),
        format!("Bearer {device_code}"),
        format!("Bearer {} ", &tokens.access[..tokens.access.len() - 1]),
        format!("Bearer {0} {0}", tokens.access),
        format!("Basic {}", tokens.access),
        tokens.access.clone(),
    ];
    for bearer in &bearers {
        for (method, path) in [
            (Method::GET, "/oauth2/userinfo"),
            (Method::POST, "/_matrix/client/v3/logout"),
            (Method::POST, "/_matrix/client/v3/logout/all"),
        ] {
            let answer = stage.ask(with_authorization(method, path, bearer)).await;
            let errcode = answer.json()["errcode"].as_str().unwrap_or_default().to_owned();
            let known = ["M_MISSING_TOKEN", "M_UNKNOWN_TOKEN"].contains(&&*errcode);
            assert!(answer.status == StatusCode::UNAUTHORIZED && known, "{path} {bearer:.60} {}", answer.body);
        }
    }
    assert!(!stage.accepts(&tokens.refresh).await);
    for query in ["", "access_token=", "access_token=%00", &format!("access_token={}%00", tokens.access)] {
        let answer = stage.get(&format!("/oauth2/userinfo?{query}")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{query}");
    }
    for token in ["", " ", "\0", "bfr_", &"x".repeat(60_000), &tokens.access, &code, &login_token] {
        stage.refresh(&tokens.client, token).await.is_oauth_error(400, "invalid_grant");
        let body = json!({ "refresh_token": token });
        stage.post_json("/_matrix/client/v3/refresh", &body).await.is_matrix_error(401, "M_UNKNOWN_TOKEN");
    }
    assert!(stage.rows() == before && stage.accepts(&tokens.access).await);
}

fn with_authorization(method: Method, path: &str, value: &str) -> http::Request<Bytes> {
    let mut request = http::Request::builder().method(method).uri(path).header(header::HOST, "matrix.metz.example");
    if !value.is_empty() {
        request = request.header(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    }
    request.body(Bytes::new()).unwrap()
}

/// Hazard A12.
#[tokio::test]
async fn a_code_is_redeemed_only_with_the_verifier_address_and_client_of_its_request() {
    let stage = Stage::new();
    let (client, other) = (stage.web_client().await, stage.native_client().await);
    let mut browser = stage.browser();
    let code = stage.code(&mut browser, &client, DEVICE).await;
    let others = authorize_path(&other, NATIVE_URI, &scope("OTHERDEVIC"), &[]).replace(CHALLENGE, OTHER_CHALLENGE);
    let others = stage.code_at(&mut browser, &others).await;
    let before = stage.rows();
    let long = "a".repeat(129);
    let wrong: [(&str, &[(&str, &str)]); 12] = [
        (&client, &[("redirect_uri", WEB_URI)]),
        (&client, &[("redirect_uri", WEB_URI), ("code_verifier", "")]),
        (&client, &[("redirect_uri", WEB_URI), ("code_verifier", OTHER_VERIFIER)]),
        // As if the method had been `plain`.
        (&client, &[("redirect_uri", WEB_URI), ("code_verifier", CHALLENGE)]),
        (&client, &[("redirect_uri", WEB_URI), ("code_verifier", CHALLENGE), ("code_challenge_method", "plain")]),
        (&client, &[("redirect_uri", WEB_URI), ("code_verifier", &VERIFIER[..42])]),
        (&client, &[("redirect_uri", WEB_URI), ("code_verifier", &long)]),
        (&client, &[("code_verifier", VERIFIER)]),
        (&client, &[("redirect_uri", "https://app.element.io/"), ("code_verifier", VERIFIER)]),
        (&client, &[("redirect_uri", NATIVE_URI), ("code_verifier", VERIFIER)]),
        (&other, &[("redirect_uri", WEB_URI), ("code_verifier", VERIFIER)]),
        (&other, &[("redirect_uri", NATIVE_URI), ("code_verifier", OTHER_VERIFIER)]),
    ];
    for (client, more) in wrong {
        stage.redeem_with(client, &code, more).await.is_oauth_error(400, "invalid_grant");
    }
    let theirs = [("redirect_uri", NATIVE_URI), ("code_verifier", VERIFIER)];
    stage.redeem_with(&other, &others, &theirs).await.is_oauth_error(400, "invalid_grant");
    for code in ["", "bfc_", "nonsense", &code[..code.len() - 1], &"x".repeat(10_000)] {
        stage.redeem(&client, code).await.is_oauth_error(400, "invalid_grant");
    }
    let twice = [("redirect_uri", WEB_URI), ("code_verifier", OTHER_VERIFIER), ("code_verifier", VERIFIER)];
    stage.redeem_with(&client, &code, &twice).await.is_oauth_error(400, "invalid_request");
    assert!(stage.rows() == before, "a refusal stored something");
    assert_eq!(stage.redeem(&client, &code).await.status, StatusCode::OK);
    let theirs = [("redirect_uri", NATIVE_URI), ("code_verifier", OTHER_VERIFIER)];
    assert_eq!(stage.redeem_with(&other, &others, &theirs).await.status, StatusCode::OK);
}

/// Hazard A13.
#[tokio::test]
async fn a_code_that_comes_twice_ends_what_it_gave() {
    let stage = Stage::new();
    let mut browser = stage.browser();
    let client = stage.web_client().await;
    let bystander = stage.signed_in("BYSTANDERX").await;
    for thief in [client.clone(), stage.native_client().await] {
        let code = stage.code(&mut browser, &client, DEVICE).await;
        let first = signed(&client, &stage.redeem(&client, &code).await);
        assert!(stage.accepts(&first.access).await);
        stage.redeem(&thief, &code).await.is_oauth_error(400, "invalid_grant");
        assert!(!stage.accepts(&first.access).await);
        stage.refresh(&client, &first.refresh).await.is_oauth_error(400, "invalid_grant");
        assert_eq!(stage.devices(), ["BYSTANDERX"]);
        let before = stage.rows();
        stage.redeem(&client, &code).await.is_oauth_error(400, "invalid_grant");
        assert!(stage.rows() == before);
    }
    assert!(stage.accepts(&bystander.access).await);
    let code = stage.code(&mut browser, &client, DEVICE).await;
    stage.advance(301);
    stage.redeem(&client, &code).await.is_oauth_error(400, "invalid_grant");
    assert_eq!(stage.devices(), ["BYSTANDERX"], "a code lives for five minutes");
}

/// Hazard A20.
#[tokio::test]
async fn a_retired_refresh_token_ends_its_family() {
    let stage = Stage::new();
    let (first, bystander) = (stage.signed_in(DEVICE).await, stage.signed_in("BYSTANDERX").await);
    let second = signed(&first.client, &stage.refresh(&first.client, &first.refresh).await);
    assert!(stage.accepts(&second.access).await, "the new pair has arrived, and the old one retires");
    assert!(!stage.accepts(&first.access).await);
    stage.refresh(&first.client, &first.refresh).await.is_oauth_error(400, "invalid_grant");
    assert!(stage.accepts(&second.access).await, "a repetition within seconds is no theft");
    stage.advance(11);
    stage.refresh(&first.client, &first.refresh).await.is_oauth_error(400, "invalid_grant");
    assert!(!stage.accepts(&second.access).await);
    stage.refresh(&first.client, &second.refresh).await.is_oauth_error(400, "invalid_grant");
    assert_eq!(stage.devices(), ["BYSTANDERX"]);
    assert!(stage.accepts(&bystander.access).await);
}

#[tokio::test]
async fn a_refresh_token_serves_its_own_client_and_api_only() {
    let stage = Stage::new();
    let tokens = stage.signed_in(DEVICE).await;
    let metadata = json!({ "client_uri": "https://app.element.io/", "redirect_uris": ["https://app.element.io/x"],
        "grant_types": ["authorization_code", "refresh_token"] });
    let other = stage.register(&metadata).await;
    let login = stage.accounts.issue_login_token(USER.try_into().unwrap()).await.unwrap();
    let login = json!({ "type": "m.login.token", "token": login, "device_id": "LEGACY", "refresh_token": true });
    let legacy = stage.post_json("/_matrix/client/v3/login", &login).await.json();
    let legacy = legacy["refresh_token"].as_str().unwrap();
    let before = stage.rows();
    stage.refresh(&other, &tokens.refresh).await.is_oauth_error(400, "invalid_grant");
    stage.refresh(&tokens.client, legacy).await.is_oauth_error(400, "invalid_grant");
    let body = json!({ "refresh_token": tokens.refresh });
    stage.post_json("/_matrix/client/v3/refresh", &body).await.is_matrix_error(401, "M_UNKNOWN_TOKEN");
    assert!(stage.rows() == before);
    let body = json!({ "refresh_token": legacy });
    assert_eq!(stage.post_json("/_matrix/client/v3/refresh", &body).await.status, StatusCode::OK);
}

#[tokio::test]
async fn tokens_end_by_the_clock_softly() {
    let stage = Stage::new();
    let tokens = stage.signed_in(DEVICE).await;
    stage.advance(299);
    assert!(stage.accepts(&tokens.access).await);
    stage.advance(1);
    let answer = stage.authorized(Method::GET, "/oauth2/userinfo", &tokens.access).await;
    answer.is_matrix_error(401, "M_UNKNOWN_TOKEN");
    assert_eq!(answer.json()["soft_logout"], true);
    let tokens = signed(&tokens.client, &stage.refresh(&tokens.client, &tokens.refresh).await);
    assert!(stage.accepts(&tokens.access).await);
    // ProConnect tells of no departure: past thirty days the person must pass it again.
    stage.advance(31 * 24 * 3600);
    let before = stage.rows();
    stage.refresh(&tokens.client, &tokens.refresh).await.is_oauth_error(400, "invalid_grant");
    assert!(stage.rows() == before, "the session waits");
    stage.browser().sign_in().await.is_page(200, "Votre compte");
    assert_eq!(stage.refresh(&tokens.client, &tokens.refresh).await.status, StatusCode::OK);
}

#[tokio::test]
async fn either_token_ends_the_session_and_no_other_client_may() {
    let stage = Stage::new();
    let other = stage.native_client().await;
    for end in [|tokens: &Signed| tokens.access.clone(), |tokens: &Signed| tokens.refresh.clone()] {
        let tokens = stage.signed_in(DEVICE).await;
        let before = stage.rows();
        let form = [("token", &*end(&tokens)), ("client_id", &other)];
        stage.post_form("/oauth2/revoke", &form).await.is_oauth_error(400, "unauthorized_client");
        stage
            .post_form("/oauth2/revoke", &[("client_id", &tokens.client)])
            .await
            .is_oauth_error(400, "invalid_request");
        for unknown in ["", "bfa_", "nonsense", &"x".repeat(60_000)] {
            let answer = stage.post_form("/oauth2/revoke", &[("token", unknown)]).await;
            assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "{}"));
        }
        assert!(stage.rows() == before && stage.accepts(&tokens.access).await);
        let form = [("token", &*end(&tokens)), ("client_id", &*tokens.client)];
        assert_eq!(stage.post_form("/oauth2/revoke", &form).await.body, "{}");
        assert!(!stage.accepts(&tokens.access).await && stage.devices().is_empty());
        stage.refresh(&tokens.client, &tokens.refresh).await.is_oauth_error(400, "invalid_grant");
    }
}

/// Hazard A9: everything secret that is given has 128 bits of chance or more, at 6 per character.
#[tokio::test]
async fn what_is_secret_is_long_enough_not_to_be_guessed() {
    let stage = Stage::new();
    let mut browser = stage.browser();
    let client = stage.native_client().await;
    let path = authorize_path(&client, NATIVE_URI, &scope(DEVICE), &[]);
    let code = stage.code_at(&mut browser, &path).await;
    let form = [("redirect_uri", NATIVE_URI), ("code_verifier", VERIFIER)];
    let tokens = signed(&client, &stage.redeem_with(&client, &code, &form).await);
    let (device_code, user_code) = stage.device_grant(&client, "THIRDDEVIC").await;
    let login_token = stage.accounts.issue_login_token(USER.try_into().unwrap()).await.unwrap();
    let flow = browser.get("/account/?action=org.matrix.cross_signing_reset").await;
    let mut secrets = vec![code, tokens.access, tokens.refresh, device_code, login_token];
    secrets.extend(browser.cookies.values().cloned());
    secrets.push(flow.field("csrf"));
    for secret in &secrets {
        let random =
            secret.split_once('_').filter(|(prefix, _)| prefix.starts_with("bf")).map_or(&**secret, |(_, rest)| rest);
        assert!(random.len() * 6 >= 128, "{secret}");
        assert!(random.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{secret}");
    }
    assert_eq!(secrets.len(), 8);
    // A person types it, within twenty minutes and at a limited rate.
    assert!(user_code.len() == 8 && user_code.bytes().all(|byte| byte.is_ascii_uppercase()));
}
