//! The authorization server's refusals: where it sends people back, to whom it gives what, and who may register.

use http::StatusCode;
use serde_json::{Value, json};
use url::Url;

use super::{
    client::{DEVICE, DEVICE_GRANT, NATIVE_URI, WEB_URI, scope},
    stage::{CHALLENGE, Stage, USER, VERIFIER, authorize_path, native_metadata, param, web_metadata},
};

/// Hazard A6, for OAuth; `legacy` has it for login tokens.
#[tokio::test]
async fn people_are_sent_back_to_registered_addresses_only() {
    let stage = Stage::new();
    let (web, native) = (stage.web_client().await, stage.native_client().await);
    let loopback = native_metadata();
    let loopback = stage.register(&with(loopback, "redirect_uris", json!(["http://127.0.0.1/cb"]))).await;
    let mut browser = stage.browser();
    browser.sign_in().await;
    let (before, visits) = (stage.rows(), stage.provider.visits().len());
    for (client, redirect) in [
        (&web, ""),
        (&web, "https://app.element.io/"),
        (&web, "https://app.element.io/?no_universal_links=true&x=1"),
        (&web, "https://app.element.io/?no_universal_links=true#"),
        (&web, "https://app.element.io:444/?no_universal_links=true"),
        (&web, "http://app.element.io/?no_universal_links=true"),
        (&web, "https://APP.element.io/?no_universal_links=true"),
        (&web, "https://app.element.io.evil.example/?no_universal_links=true"),
        (&web, "https://app.element.io@evil.example/?no_universal_links=true"),
        (&web, "https://evil.example\\@app.element.io/?no_universal_links=true"),
        (&web, "//app.element.io/?no_universal_links=true"),
        (&web, "\\evil.example"),
        (&web, "https://app.element.io/../?no_universal_links=true"),
        (&web, " https://app.element.io/?no_universal_links=true"),
        (&web, "javascript:alert(1)"),
        (&web, "data:text/html,x"),
        (&web, NATIVE_URI),
        (&native, WEB_URI),
        (&native, "io.element.android:/evil"),
        (&native, "io.element.android://evil.example/"),
        (&native, "io.element.androidx:/"),
        (&loopback, "http://127.0.0.1:4711/evil"),
        (&loopback, "http://127.0.0.1:4711@evil.example/cb"),
        (&loopback, "http://localhost:4711/cb"),
        (&loopback, "https://127.0.0.1:4711/cb"),
    ] {
        let path = authorize_path(client, redirect, &scope(DEVICE), &[]);
        browser.get(&path).await.is_refusal(400, "Adresse de retour refusée");
    }
    for client in ["", "nobody", "../x", &"x".repeat(4_000)] {
        let path = authorize_path(client, WEB_URI, &scope(DEVICE), &[]);
        browser.get(&path).await.is_refusal(400, "Application inconnue");
    }
    assert!(stage.rows() == before);
    assert_eq!(stage.provider.visits().len(), visits);
    let path = authorize_path(&loopback, "http://127.0.0.1:4711/cb", &scope(DEVICE), &[]);
    browser.follow(&path).await.is_page(200, "Autoriser");
}

#[tokio::test]
async fn a_request_that_cannot_be_granted_goes_back_as_an_error() {
    let stage = Stage::new();
    let client = stage.web_client().await;
    let device_only = stage.register(&with(native_metadata(), "grant_types", json!([DEVICE_GRANT]))).await;
    let mut browser = stage.browser();
    browser.sign_in().await;
    let before = stage.rows();
    let good = authorize_path(&client, WEB_URI, &scope(DEVICE), &[]);
    let stable = "scope=urn%3Amatrix%3Aclient%3Aapi%3A*+urn%3Amatrix%3Aclient%3Adevice%3AABCDEFGHIJ";
    assert!(good.contains(stable));
    let foreign = good
        .replace(&client, &device_only)
        .replace("https%3A%2F%2Fapp.element.io%2F%3Fno_universal_links%3Dtrue", "io.element.android%3A%2F");
    let cases = [
        (good.replace("response_type=code", "response_type=token"), "unsupported_response_type"),
        (good.replace("response_type=code", "response_type=code+id_token"), "unsupported_response_type"),
        (good.replace("response_type=code", "response_type="), "unsupported_response_type"),
        (good.replace("response_type=code&", ""), "unsupported_response_type"),
        (good.replace("method=S256", "method=plain"), "invalid_request"),
        (good.replace("method=S256", "method=s256"), "invalid_request"),
        (good.replace("&code_challenge_method=S256", ""), "invalid_request"),
        (good.replace(CHALLENGE, ""), "invalid_request"),
        (good.replace(CHALLENGE, VERIFIER).replace(VERIFIER, &VERIFIER[1..]), "invalid_request"),
        (good.replace(CHALLENGE, &CHALLENGE.replace('-', "%2B")), "invalid_request"),
        (good.replace(stable, ""), "invalid_scope"),
        (good.replace(stable, "scope=openid"), "invalid_scope"),
        (good.replace("ABCDEFGHIJ", "SHORT"), "invalid_scope"),
        (format!("{good}&nonce={}", "n".repeat(513)), "invalid_request"),
        (format!("{good}&prompt=none"), "interaction_required"),
        (format!("{good}&request=eyJhbGciOiJub25lIn0.e30."), "request_not_supported"),
        (format!("{good}&request_uri=https%3A%2F%2Fevil.example%2F"), "request_not_supported"),
        (foreign, "unauthorized_client"),
    ];
    for (path, error) in cases {
        for (mode, in_fragment) in [("", false), ("&response_mode=fragment", true)] {
            let answer = browser.get(&format!("{path}{mode}")).await;
            let back = Url::parse(answer.location()).unwrap();
            assert_eq!(param(&back, "error").as_deref(), Some(error), "{path}");
            assert_eq!(param(&back, "state").as_deref(), Some("client-state"), "{path}");
            assert!(param(&back, "code").is_none() && back.fragment().is_some() == in_fragment, "{back}");
        }
    }
    // What leaves the way back in doubt is told to the person.
    for more in
        ["&response_mode=form_post", "&response_mode=web_message", "&client_id=x", "&redirect_uri=x", "&state=x"]
    {
        browser.get(&format!("{good}{more}")).await.is_refusal(400, "Demande incorrecte");
    }
    let long = good.replace("client-state", &"s".repeat(2_049));
    browser.get(&long).await.is_refusal(400, "Demande incorrecte");
    assert!(stage.rows() == before);
}

#[tokio::test]
async fn prompts_ask_and_a_refusal_is_told_to_the_client() {
    let stage = Stage::new();
    let client = stage.web_client().await;
    let mut browser = stage.browser();
    let path = authorize_path(&client, WEB_URI, &scope(DEVICE), &[]);
    let consent = browser.follow(&path).await;
    let (action, _) = consent.form();
    let csrf = consent.field("csrf");
    let before = stage.rows();
    for form in [
        vec![("csrf", &*csrf)],
        vec![("csrf", &csrf), ("decision", "")],
        vec![("csrf", &csrf), ("decision", "maybe")],
        vec![("csrf", &csrf), ("decision", "allow"), ("decision", "deny")],
    ] {
        browser.post(&action, &form).await.is_refusal(400, "Demande incorrecte");
    }
    let answer = browser.post(&action, &[("csrf", &csrf), ("decision", "deny")]).await;
    let back = Url::parse(answer.location()).unwrap();
    assert_eq!(param(&back, "error").as_deref(), Some("access_denied"));
    assert_eq!((param(&back, "state").as_deref(), param(&back, "code")), (Some("client-state"), None));
    // It is over: nobody can change their mind, by button or by going back.
    browser.post(&action, &[("csrf", &csrf), ("decision", "allow")]).await.is_refusal(400, "plus valable");
    browser.get(&action).await.is_refusal(400, "plus valable");
    assert!(stage.rows() == before, "a refusal is not remembered");
    let again = browser.follow(&path).await;
    browser.allow(&again).await;
    assert!(browser.follow(&path).await.location().contains("code="), "now it is remembered");
    browser.follow(&format!("{path}&prompt=consent")).await.is_page(200, "Autoriser");
    for prompt in ["login", "login+consent", "create"] {
        let answer = browser.get(&format!("{path}&prompt={prompt}")).await;
        let page = if prompt == "create" { "/consent/" } else { "/sign-in/" };
        assert!(answer.location().contains(page), "{prompt} {}", answer.location());
    }
    // Half an hour, and the flow is forgotten.
    let consent = browser.follow(&format!("{path}&prompt=consent")).await;
    stage.advance(1_801);
    let form = [("csrf", &*consent.field("csrf")), ("decision", "allow")];
    browser.post(&consent.form().0, &form).await.is_refusal(400, "plus valable");
}

/// Hazard A18.
#[tokio::test]
async fn a_client_uses_the_grants_that_it_registered_and_no_others() {
    const CODE: &str = "authorization_code";
    const REFRESH: &str = "refresh_token";
    let stage = Stage::new();
    let tokens = stage.signed_in(DEVICE).await;
    for registered in [vec![CODE], vec![DEVICE_GRANT], vec![CODE, REFRESH], vec![REFRESH], vec![CODE, DEVICE_GRANT]] {
        let metadata = with(native_metadata(), "grant_types", json!(registered));
        let client = stage.register(&metadata).await;
        let before = stage.rows();
        for grant in [CODE, REFRESH, DEVICE_GRANT] {
            let form = [
                ("grant_type", grant),
                ("client_id", &client),
                ("code", "bfc_x"),
                ("refresh_token", &tokens.refresh),
                ("device_code", "bfd_x"),
                ("redirect_uri", NATIVE_URI),
                ("code_verifier", VERIFIER),
            ];
            let error = match (registered.contains(&grant), grant) {
                (false, _) => "unauthorized_client",
                (true, DEVICE_GRANT) => "expired_token",
                (true, _) => "invalid_grant",
            };
            stage.post_form("/oauth2/token", &form).await.is_oauth_error(400, error);
        }
        let form = [("client_id", &*client), ("scope", &scope(DEVICE))];
        if !registered.contains(&DEVICE_GRANT) {
            stage.post_form("/oauth2/device", &form).await.is_oauth_error(400, "unauthorized_client");
        }
        assert!(stage.rows() == before, "{registered:?}");
    }
    let before = stage.rows();
    for grant in ["password", "client_credentials", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer", ""] {
        let form = [("grant_type", grant), ("client_id", &*tokens.client), ("username", "x"), ("password", "")];
        stage.post_form("/oauth2/token", &form).await.is_oauth_error(400, "unsupported_grant_type");
    }
    for client in ["", "nobody", &"x".repeat(10_000)] {
        stage.refresh(client, &tokens.refresh).await.is_oauth_error(401, "invalid_client");
        let form = [("client_id", client), ("scope", &scope(DEVICE))];
        stage.post_form("/oauth2/device", &form).await.is_oauth_error(401, "invalid_client");
    }
    stage.post_form("/oauth2/token", &[("client_id", &tokens.client)]).await.is_oauth_error(400, "invalid_request");
    assert!(stage.rows() == before && stage.accepts(&tokens.access).await);
    // Without the grant, no refresh token is given either.
    let client = stage.register(&with(web_metadata(), "grant_types", json!([CODE]))).await;
    let code = stage.code(&mut stage.browser(), &client, "SECONDDEVI").await;
    assert!(stage.redeem(&client, &code).await.json().get("refresh_token").is_none());
}

/// Hazard A19; the table of addresses is in `redirect_uri`.
#[tokio::test]
async fn registrations_that_could_deceive_are_refused() {
    let stage = Stage::new();
    let before = stage.rows();
    let web = web_metadata;
    for (metadata, error) in [
        (json!([]), "invalid_client_metadata"),
        (json!({}), "invalid_client_metadata"),
        (without(web(), "client_uri"), "invalid_client_metadata"),
        (with(web(), "client_uri", json!("http://app.element.io/")), "invalid_client_metadata"),
        (with(web(), "client_uri", json!("javascript:alert(1)")), "invalid_client_metadata"),
        (with(web(), "client_uri", json!("https://user@app.element.io/")), "invalid_client_metadata"),
        (with(web(), "logo_uri", json!("https://evil.example/logo.png")), "invalid_client_metadata"),
        (with(web(), "tos_uri", json!("data:text/html,x")), "invalid_client_metadata"),
        (with(web(), "policy_uri", json!("http://app.element.io/")), "invalid_client_metadata"),
        (with(web(), "grant_types", json!(["password", "implicit"])), "invalid_client_metadata"),
        (with(web(), "response_types", json!(["token"])), "invalid_client_metadata"),
        (with(web(), "token_endpoint_auth_method", json!("client_secret_post")), "invalid_client_metadata"),
        (with(web(), "application_type", json!("service")), "invalid_client_metadata"),
        (with(web(), "client_name", json!({ "a": 1 })), "invalid_client_metadata"),
        (with(web(), "redirect_uris", json!("https://app.element.io/")), "invalid_client_metadata"),
        (with(web(), "redirect_uris", json!([])), "invalid_redirect_uri"),
        (with(web(), "redirect_uris", json!(["https://evil.example/"])), "invalid_redirect_uri"),
        (
            with(web(), "redirect_uris", json!([WEB_URI, "https://app.element.io.evil.example/"])),
            "invalid_redirect_uri",
        ),
        (with(web(), "redirect_uris", json!(["https://app.element.io/#x"])), "invalid_redirect_uri"),
        (with(web(), "redirect_uris", json!(["http://localhost/"])), "invalid_redirect_uri"),
        (with(web(), "redirect_uris", json!(["io.element.app:/"])), "invalid_redirect_uri"),
        (with(web(), "redirect_uris", json!(vec![WEB_URI; 11])), "invalid_redirect_uri"),
        (with(web(), "post_logout_redirect_uris", json!(["https://evil.example/"])), "invalid_redirect_uri"),
        (with(native_metadata(), "redirect_uris", json!(["element:/"])), "invalid_redirect_uri"),
        (with(native_metadata(), "redirect_uris", json!(["com.evil.android:/"])), "invalid_redirect_uri"),
        (with(native_metadata(), "redirect_uris", json!(["javascript:/"])), "invalid_redirect_uri"),
    ] {
        let answer = stage.post_json("/oauth2/registration", &metadata).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (400, &error.into()), "{metadata}");
        answer.is_oauth_error(400, error);
    }
    let huge = with(web(), "client_name", json!("x".repeat(1_000_000)));
    assert_eq!(stage.post_json("/oauth2/registration", &huge).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let not_json = http::Request::post("/oauth2/registration").header("host", "matrix.metz.example");
    stage.ask(not_json.body("client_name=x".into()).unwrap()).await.is_oauth_error(400, "invalid_client_metadata");
    assert!(stage.rows() == before);
}

fn with(mut metadata: Value, name: &str, value: Value) -> Value {
    metadata[name] = value;
    metadata
}

fn without(mut metadata: Value, name: &str) -> Value {
    metadata.as_object_mut().unwrap().remove(name);
    metadata
}

#[tokio::test]
async fn a_device_waits_is_slowed_down_is_denied_or_too_late() {
    let stage = Stage::new();
    let (client, other) =
        (stage.native_client().await, stage.register(&with(native_metadata(), "client_name", json!("X"))).await);
    let mut browser = stage.browser();
    browser.sign_in().await;
    for scope in ["", "openid", "urn:matrix:client:api:*"] {
        let form = [("client_id", &*client), ("scope", scope)];
        stage.post_form("/oauth2/device", &form).await.is_oauth_error(400, "invalid_scope");
    }
    let (code, user_code) = stage.device_grant(&client, DEVICE).await;
    stage.poll(&client, &code).await.is_oauth_error(400, "authorization_pending");
    stage.advance(4);
    stage.poll(&client, &code).await.is_oauth_error(400, "slow_down");
    stage.advance(5);
    stage.poll(&client, &code).await.is_oauth_error(400, "authorization_pending");
    for (client, code) in [(&other, &*code), (&client, "bfd_x"), (&client, ""), (&client, &user_code)] {
        stage.poll(client, code).await.is_oauth_error(400, "expired_token");
    }
    let decide = async |browser: &mut super::stage::Browser<'_>, user_code: &str, decision: &str| {
        let csrf = browser.get("/account/").await.field("csrf");
        browser.post("/link", &[("csrf", &csrf), ("code", user_code), ("decision", decision)]).await
    };
    decide(&mut browser, "ZZZZZZZZ", "allow").await.is_refusal(404, "existe pas");
    decide(&mut browser, &user_code, "maybe").await.is_refusal(400, "Demande incorrecte");
    decide(&mut browser, &user_code, "deny").await.is_page(200, "Appareil refusé");
    decide(&mut browser, &user_code, "allow").await.is_refusal(400, "plus valable");
    stage.poll(&client, &code).await.is_oauth_error(400, "access_denied");
    let (late, user_code) = stage.device_grant(&client, DEVICE).await;
    stage.advance(1_201);
    decide(&mut browser, &user_code, "allow").await.is_refusal(404, "existe pas");
    browser.get(&format!("/link?code={user_code}")).await.is_page(200, "pas connu");
    stage.poll(&client, &late).await.is_oauth_error(400, "expired_token");
    assert!(stage.accounts.devices(USER.try_into().unwrap()).unwrap().is_empty());
    let (code, user_code) = stage.device_grant(&client, DEVICE).await;
    decide(&mut browser, &user_code.to_lowercase(), "allow").await.is_page(200, "Appareil connecté");
    stage.poll(&other, &code).await.is_oauth_error(400, "expired_token");
    assert_eq!(stage.poll(&client, &code).await.status, StatusCode::OK);
    stage.poll(&client, &code).await.is_oauth_error(400, "expired_token");
    assert_eq!(stage.devices(), [DEVICE]);
}
