//! Accounts that may not be used: deactivated, locked, suspended; at every door (hazard A4).

use http::StatusCode;
use serde_json::json;

use super::{
    client::{DEVICE, WEB_URI, scope, signed},
    stage::{Stage, USER, authorize_path},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Barred {
    Deactivated,
    Locked,
    Suspended,
}

use Barred::{Deactivated, Locked, Suspended};

async fn bar(stage: &Stage, how: Barred) {
    let user = USER.try_into().unwrap();
    match how {
        Deactivated => stage.accounts.deactivate(user).await.unwrap(),
        Locked => stage.accounts.lock(user).await.unwrap(),
        Suspended => stage.accounts.suspend(user).await.unwrap(),
    }
}

#[tokio::test]
async fn proconnect_does_not_let_them_in_and_their_browsers_are_signed_out() {
    for (how, words) in [
        (Deactivated, "Votre compte a été désactivé"),
        (Locked, "Votre compte a été verrouillé"),
        (Suspended, "Votre compte a été suspendu"),
    ] {
        let stage = Stage::new();
        let mut browser = stage.browser();
        browser.sign_in().await.is_page(200, "Votre compte");
        let page = browser.get("/account/").await;
        let client = stage.web_client().await;
        let consent = browser.follow(&authorize_path(&client, WEB_URI, &scope(DEVICE), &[])).await;
        bar(&stage, how).await;
        let before = stage.rows();
        // Forms that were open meanwhile lead nowhere.
        let csrf = page.field("csrf");
        let (action, _) = consent.form();
        let forms = [
            (&*action, vec![("csrf", &*csrf), ("decision", "allow")]),
            ("/link", vec![("csrf", &csrf), ("code", "ABCDEFGH"), ("decision", "allow")]),
            ("/account/reset", vec![("csrf", &csrf)]),
            ("/account/device", vec![("csrf", &csrf), ("device_id", DEVICE)]),
        ];
        for (path, form) in forms {
            browser.post(path, &form).await.is_refusal(400, "plus valable");
        }
        assert!(browser.get("/account/").await.location().contains("/sign-in/"), "{how:?}");
        browser.sign_in().await.is_refusal(403, words);
        assert!(stage.rows() == before, "{how:?}");
        let mut new = stage.browser();
        new.sign_in().await.is_refusal(403, words);
        assert!(stage.rows() == before && !new.cookies.contains_key("__Host-beffroi_session"), "{how:?}");
    }
}

#[tokio::test]
async fn what_they_were_given_before_opens_nothing_new() {
    for how in [Deactivated, Locked, Suspended] {
        let stage = Stage::new();
        let (client, native) = (stage.web_client().await, stage.native_client().await);
        let mut browser = stage.browser();
        let code = stage.code(&mut browser, &client, DEVICE).await;
        let (device_code, user_code) = stage.device_grant(&native, "THIRDDEVIC").await;
        let csrf = browser.get(&format!("/link?code={user_code}")).await.field("csrf");
        let form = [("csrf", &*csrf), ("code", &user_code), ("decision", "allow")];
        browser.post("/link", &form).await.is_page(200, "Appareil connecté");
        let login = stage.accounts.issue_login_token(USER.try_into().unwrap()).await.unwrap();
        bar(&stage, how).await;
        stage.redeem(&client, &code).await.is_oauth_error(400, "invalid_grant");
        stage.poll(&native, &device_code).await.is_oauth_error(400, "invalid_grant");
        let body = json!({ "type": "m.login.token", "token": login });
        let (status, errcode) = match how {
            Deactivated => (403, "M_USER_DEACTIVATED"),
            Locked => (401, "M_USER_LOCKED"),
            Suspended => (403, "M_USER_SUSPENDED"),
        };
        stage.post_json("/_matrix/client/v3/login", &body).await.is_matrix_error(status, errcode);
        assert!(stage.devices().is_empty(), "{how:?}");
    }
}

/// Suspension leaves people where they are signed in; the edges refuse what they may not do there (spec, "Account
/// suspension").
#[tokio::test]
async fn their_sessions_end_or_wait() {
    for how in [Deactivated, Locked, Suspended] {
        let stage = Stage::new();
        let tokens = stage.signed_in(DEVICE).await;
        let login = stage.accounts.issue_login_token(USER.try_into().unwrap()).await.unwrap();
        let login = json!({ "type": "m.login.token", "token": login, "refresh_token": true });
        let legacy = stage.post_json("/_matrix/client/v3/login", &login).await.json();
        let legacy = json!({ "refresh_token": legacy["refresh_token"] });
        bar(&stage, how).await;
        let before = stage.rows();
        if how != Suspended {
            stage.refresh(&tokens.client, &tokens.refresh).await.is_oauth_error(400, "invalid_grant");
            let errcode = if how == Locked { "M_USER_LOCKED" } else { "M_UNKNOWN_TOKEN" };
            stage.post_json("/_matrix/client/v3/refresh", &legacy).await.is_matrix_error(401, errcode);
            assert!(!stage.accepts(&tokens.access).await && stage.rows() == before, "{how:?}");
        }
        if how == Locked {
            stage.accounts.unlock(USER.try_into().unwrap()).await.unwrap();
        }
        if how != Deactivated {
            signed(&tokens.client, &stage.refresh(&tokens.client, &tokens.refresh).await);
            let answer = stage.post_json("/_matrix/client/v3/refresh", &legacy).await;
            assert_eq!(answer.status, StatusCode::OK, "{how:?} {}", answer.body);
        }
    }
}
