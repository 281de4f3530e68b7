//! Nothing secret and nothing personal reaches a log, at any level (hazard L15), whatever goes well or wrong.

use std::{cell::RefCell, io, sync::Once};

use http::{Method, StatusCode};
use serde_json::json;
use tracing::Level;
use url::Url;

use super::{
    client::{DEVICE, NATIVE_URI, WEB_URI, scope, signed},
    provider::{Fault, SECRET},
    stage::{CHALLENGE, Stage, USER, VERIFIER, authorize_path, param},
};

thread_local! {
    /// What this thread logs, while a test listens.
    static HEARD: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// One subscriber for all threads, since those of single threads miss what others have met before them.
struct Ear;

impl io::Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        HEARD.with_borrow_mut(|heard| heard.as_mut().map(|heard| heard.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// From now on everything that this thread does is heard, at every level.
fn listen() {
    static SUBSCRIBER: Once = Once::new();
    SUBSCRIBER.call_once(|| {
        let subscriber = tracing_subscriber::fmt().with_max_level(Level::TRACE).with_ansi(false).with_writer(|| Ear);
        tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    });
    HEARD.set(Some(Vec::new()));
}

fn heard() -> String {
    String::from_utf8(HEARD.take().unwrap()).unwrap()
}

/// Signs in in every way, and fails in every way; returns what must not be found.
async fn live(stage: &Stage) -> Vec<String> {
    let mut secrets = vec![SECRET.to_owned(), VERIFIER.to_owned(), CHALLENGE.to_owned(), "canary".to_owned()];
    let mut browser = stage.browser();
    let client = stage.web_client().await;
    let more = [("nonce", "nonce-of-the-client"), ("login_hint", "hint@ville.fr")];
    let path = authorize_path(&client, WEB_URI, &format!("openid {}", scope(DEVICE)), &more);
    let code = stage.code_at(&mut browser, &path).await;
    let answer = stage.redeem(&client, &code).await;
    secrets.push(answer.json()["id_token"].as_str().unwrap().to_owned());
    let tokens = signed(&client, &answer);
    let second = signed(&client, &stage.refresh(&client, &tokens.refresh).await);
    assert!(stage.accepts(&second.access).await);
    stage.get(&format!("/oauth2/userinfo?access_token={}", second.access)).await;
    let page = browser.follow("/_matrix/client/v3/login/sso/redirect?redirectUrl=element://x").await;
    secrets.push(page.field("csrf"));
    let back = Url::parse(browser.submit(&page, &[]).await.location()).unwrap();
    let login = param(&back, "loginToken").unwrap();
    let body = json!({ "type": "m.login.token", "token": login, "refresh_token": true });
    stage.post_json("/_matrix/client/v3/login", &body).await;
    let native = stage.native_client().await;
    let (device_code, user_code) = stage.device_grant(&native, "THIRDDEVIC").await;
    let form = [("csrf", &*page.field("csrf")), ("code", &user_code), ("decision", "allow")];
    browser.post("/link", &form).await;
    assert_eq!(stage.poll(&native, &device_code).await.status, StatusCode::OK);
    let path = authorize_path(&native, NATIVE_URI, &scope("FOURTHDEVI"), &[]);
    secrets.push(browser.get(&path).await.location().rsplit('/').next().unwrap().to_owned());
    stage.browser().sign_in().await.is_page(200, USER);
    // And now what goes wrong.
    stage.redeem(&client, &code).await.is_oauth_error(400, "invalid_grant");
    stage.advance(20);
    stage.refresh(&client, &tokens.refresh).await;
    stage.authorized(Method::POST, "/_matrix/client/v3/logout", &second.access).await;
    for fault in [
        Fault::Down,
        Fault::TokenDown,
        Fault::TokenNonsense,
        Fault::TokenRefuses,
        Fault::UserinfoDown,
        Fault::BadSignature,
        Fault::OtherNonce,
        Fault::OtherSub,
        Fault::UserinfoNonsense,
        Fault::UserinfoBadSignature,
    ] {
        stage.provider.fail(fault);
        let mut browser = stage.browser();
        let callback = browser.until_callback("/account/").await;
        assert!(browser.get(&callback).await.status.as_u16() >= 400, "{fault:?}");
        secrets.extend(browser.cookies.into_values());
    }
    stage.provider.fail(Fault::None);
    stage.provider.say("siret", json!("00000000000000"));
    stage.browser().sign_in().await.is_page(403, "SIRET");
    browser.get("/upstream/callback?state=secret-state&error=secret%20error&error_description=secret").await;
    secrets.extend([code, tokens.access, tokens.refresh, second.access, second.refresh, login, device_code, user_code]);
    secrets.extend(browser.cookies.into_values());
    secrets.extend(["nonce-of-the-client", "client-state", "hint@ville.fr", "secret"].map(str::to_owned));
    secrets
}

#[tokio::test]
async fn no_token_code_cookie_nonce_state_address_or_subject_is_logged() {
    listen();
    let stage = Stage::new();
    let mut secrets = live(&stage).await;
    for visit in stage.provider.visits() {
        secrets.extend(["state", "nonce", "code_challenge"].map(|name| param(&visit, name).unwrap()));
    }
    for (_, body) in stage.provider.requests() {
        let form = url::form_urlencoded::parse(body.as_bytes()).into_owned();
        secrets.extend(form.filter(|(name, _)| name == "code" || name == "code_verifier").map(|(_, value)| value));
    }
    secrets.push(stage.provider.last_id_token());
    let person = ["704e0242-2901-4d2b-bd47-f7a5e5ab05b3", "@ville.fr", "@VILLE", "Durand", "21380151200016"];
    secrets.extend(person.map(str::to_owned));
    let log = heard();
    for secret in &secrets {
        assert!(secret.len() >= 6 && !log.contains(secret), "{secret} in {log}");
    }
    assert!(secrets.len() >= 80, "{}", secrets.len());
    // It did listen: these are for administrators.
    for line in
        ["signed in", "account created at the first sign-in", "sign-in refused", "a sign-in failed at ProConnect"]
    {
        assert!(log.contains(line), "no {line:?} in {log}");
    }
}

/// Hazard A20: whoever administers learns that a token was copied, and whose it was.
#[tokio::test]
async fn a_copied_token_is_in_the_audit_log() {
    let stage = Stage::new();
    let first = stage.signed_in(DEVICE).await;
    let second = signed(&first.client, &stage.refresh(&first.client, &first.refresh).await);
    assert!(stage.accepts(&second.access).await);
    stage.advance(11);
    listen();
    stage.refresh(&first.client, &first.refresh).await.is_oauth_error(400, "invalid_grant");
    let client = stage.web_client().await;
    let code = stage.code(&mut stage.browser(), &client, DEVICE).await;
    assert_eq!(stage.redeem(&client, &code).await.status, StatusCode::OK);
    stage.redeem(&client, &code).await.is_oauth_error(400, "invalid_grant");
    let log = heard();
    for what in ["a retired refresh token came back", "an authorization code came twice"] {
        let line = log.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("no {what:?} in {log}"));
        assert!(line.contains("audit") && line.contains(USER) && line.contains(DEVICE), "{line}");
    }
}
