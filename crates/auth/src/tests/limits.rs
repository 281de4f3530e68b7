//! Whatever is sent, too long or of the wrong kind, is refused in words: no fault of ours, nothing stored (hazard A25).

use bytes::Bytes;
use http::{Method, header};
use serde_json::json;

use super::stage::Stage;
use crate::routes;

#[tokio::test]
async fn a_megabyte_in_any_parameter_is_refused() {
    let stage = Stage::new();
    let mut browser = stage.browser();
    browser.sign_in().await;
    let cookies: Vec<_> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let before = stage.rows();
    // `http` itself reads no URI of more than 64 kB.
    let (long, query) = ("x".repeat(1_000_000), "x".repeat(60_000));
    let names = ["client_id", "redirect_uri", "state", "scope", "code", "csrf", "token", "device_code", "redirectUrl"];
    for line in routes().list() {
        let path = line.path.replace(['{', '}'], "");
        for name in names {
            let request = http::Request::builder().method(&line.method).header(header::HOST, "matrix.metz.example");
            let request = request.header(header::COOKIE, cookies.join("; "));
            let (path, body) = match line.method {
                Method::GET => (format!("{path}?{name}={query}"), String::new()),
                _ => (path.clone(), format!("{name}={long}")),
            };
            let answer = stage.ask(request.uri(path).body(Bytes::from(body)).unwrap()).await;
            assert!(answer.status.is_client_error(), "{} {} {name}: {}", line.method, line.path, answer.status);
            assert!(answer.body.len() < 10_000, "{} {name}: it is sent back", line.path);
        }
    }
    assert!(stage.rows() == before);
}

#[tokio::test]
async fn as_much_as_fits_is_no_fault_of_ours_either() {
    let stage = Stage::new();
    let mut browser = stage.browser();
    browser.sign_in().await;
    let csrf = browser.get("/account/").await.field("csrf");
    // The town's key is made when somebody first asks for it.
    stage.get("/oauth2/keys.json").await;
    let before = stage.rows();
    let (long, query) = ("\u{e9}".repeat(1_500), "%C3%A9".repeat(1_200));
    let names = [
        "client_id",
        "redirect_uri",
        "state",
        "scope",
        "code",
        "code_verifier",
        "token",
        "device_code",
        "device_id",
        "refresh_token",
        "grant_type",
        "decision",
        "id_token_hint",
        "post_logout_redirect_uri",
    ];
    for line in routes().list() {
        let path = line.path.replace(['{', '}'], "");
        // These need no parameter but `csrf`, and would do what they are for.
        if ["/account/sign-out", "/account/reset", "/oauth2/end_session"].contains(&&*path)
            && line.method == Method::POST
        {
            continue;
        }
        for name in names {
            let answer = match line.method {
                Method::GET => browser.clone().get(&format!("{path}?{name}={query}")).await,
                _ => browser.clone().post(&path, &[("csrf", &*csrf), (name, &*long)]).await,
            };
            assert!(!answer.status.is_server_error(), "{} {} {name}: {}", line.method, line.path, answer.body);
        }
        let nested = json!({ "type": { "token": [[[[]]]] }, "client_uri": 1e308, "redirect_uris": { "a": null } });
        if line.method == Method::POST {
            let answer = stage.post_json(&path, &nested).await;
            assert!(answer.status.is_client_error(), "{}: {} {}", line.path, answer.status, answer.body);
        }
    }
    assert!(stage.rows() == before);
}
