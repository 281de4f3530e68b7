//! Every page as an attacker and as a person without a mouse meet it (hazards A7, A8).

use http::{Method, StatusCode, header};
use serde_json::json;

use super::{
    client::{DEVICE, NATIVE_URI, scope},
    stage::{Answer, Browser, Stage, USER, authorize_path, native_metadata},
};
use crate::routes;

/// Each page, with a text of an attacker's choice wherever one can be.
async fn gallery(text: &str, lang: &'static str) -> Vec<(&'static str, Answer)> {
    let stage = Stage::with(|settings| {
        settings.service_name = text.to_owned();
        settings.contact = text.to_owned();
    });
    stage.provider.say("given_name", json!("Marie"));
    stage.provider.say("usual_name", json!(text));
    stage.provider.say("organization_label", json!(text));
    let mut metadata = native_metadata();
    metadata["client_name"] = json!(text);
    let client = stage.register(&metadata).await;
    let path =
        authorize_path(&client, NATIVE_URI, &scope(DEVICE), &[("state", "x")]).replace("state=client-state&", "");
    let (_, user_code) = stage.device_grant(&client, "a'b&c*(d)!$").await;
    let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let short: String = text.chars().take(8).collect();
    let short: String = url::form_urlencoded::byte_serialize(short.as_bytes()).collect();
    let mut browser = stage.browser();
    browser.lang = lang;
    let mut pages = Vec::new();
    let sign_in = browser.get(&path).await.location().to_owned();
    pages.push(("sign in", browser.get(&sign_in).await));
    pages.push(("consent", browser.follow(&path).await));
    let id = USER.try_into().unwrap();
    let token = stage.accounts.issue_login_token(id).await.unwrap();
    let login =
        json!({ "type": "m.login.token", "token": token, "device_id": "PHONE", "initial_device_display_name": text });
    assert_eq!(stage.post_json("/_matrix/client/v3/login", &login).await.status, StatusCode::OK);
    for (name, path) in [
        ("account", "/account/".to_owned()),
        ("device", "/account/?action=org.matrix.device_view&device_id=PHONE".to_owned()),
        ("end of a device", "/account/?action=org.matrix.session_end&device_id=PHONE".to_owned()),
        ("reset", "/account/?action=org.matrix.cross_signing_reset".to_owned()),
        ("deactivation", "/account/?action=org.matrix.account_deactivate".to_owned()),
        ("link", format!("/link?unknown={encoded}")),
        ("link, unknown", format!("/link?code={short}")),
        ("link, known", format!("/link?code={user_code}")),
        ("sign out", format!("/oauth2/end_session?state={encoded}&client_id={encoded}&id_token_hint={encoded}")),
        ("another person", "/account/?action=org.matrix.device_view&device_id=NOBODYS".to_owned()),
        // No path holds NUL.
        ("no such flow", format!("/consent/{}", encoded.replace("%00", ""))),
        ("no such client", format!("/authorize?client_id={encoded}&redirect_uri={encoded}")),
        (
            "no such provider",
            format!("/_matrix/client/v3/login/sso/redirect/{}?redirectUrl={encoded}", encoded.replace("%00", "")),
        ),
        ("bad target", format!("/_matrix/client/v3/login/sso/redirect?redirectUrl={encoded}")),
        ("no answer", format!("/upstream/callback?state={encoded}&error={encoded}&error_description={encoded}")),
        ("signed out", format!("/upstream/logged-out?state={encoded}")),
    ] {
        pages.push((name, browser.get(&path).await));
    }
    pages.push(("login token", browser.follow("/_matrix/client/v3/login/sso/redirect?redirectUrl=element://x").await));
    let session = browser.cookies.remove("__Host-beffroi_session").unwrap();
    let callback = browser.until_callback("/account/").await;
    browser.cookies.insert("__Host-beffroi_session".to_owned(), session);
    pages
        .push(("refused by ProConnect", browser.get(&callback.replace("code=", &format!("error={encoded}&x="))).await));
    pages.push(("left", browser.submit(&pages[2].1, &[]).await));
    pages
}

fn is_guarded(name: &str, answer: &Answer) {
    let policy = answer.header("content-security-policy");
    for rule in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
        assert!(policy.contains(rule), "{name}: {policy}");
    }
    for hole in ["unsafe", "script-src", "http:", "data:", "*"] {
        assert!(!policy.contains(hole), "{name}: {policy}");
    }
    for (header, value) in [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("access-control-allow-origin", ""),
    ] {
        assert_eq!(answer.header(header), value, "{name}: {header}");
    }
    for active in ["<script", "<style", " style=", "javascript:", " onclick", " onload", "<iframe", "<img", "<svg"] {
        assert!(!answer.body.contains(active), "{name}: {}", answer.body);
    }
}

/// Hazard A7, driven by the table of routes: a new page is covered by default.
#[tokio::test]
async fn every_page_and_redirect_is_guarded() {
    let stage = Stage::new();
    let client = stage.native_client().await;
    let mut known = stage.browser();
    known.sign_in().await;
    let csrf = known.get("/account/").await.field("csrf");
    let path = authorize_path(&client, NATIVE_URI, &scope(DEVICE), &[]);
    let mut seen = 0;
    for line in routes().list() {
        for (browser, is_known) in [(known.clone(), true), (stage.browser(), false)] {
            let mut browser = browser;
            let mut flow = browser.get(&path).await.location().rsplit('/').next().unwrap().to_owned();
            if line.path.starts_with("/sso/") {
                let start = "/_matrix/client/v3/login/sso/redirect?redirectUrl=element://x";
                flow = browser.get(start).await.location().rsplit('/').next().unwrap().to_owned();
            }
            let url = line.path.replace("{flow}", &flow).replace("{provider}", "proconnect");
            let answer = match line.method {
                Method::GET => browser.get(&url).await,
                _ => {
                    browser
                        .post(&url, &[("csrf", &csrf), ("decision", "deny"), ("device_id", "X"), ("code", "Y")])
                        .await
                }
            };
            let is_page = answer.header("content-type").starts_with("text/html");
            if is_page || answer.status.is_redirection() {
                is_guarded(&line.path, &answer);
                seen += 1;
            } else {
                let plain = ["application/json", "text/css; charset=utf-8"].contains(&answer.header("content-type"));
                assert!(plain, "{} {} {is_known}: {:?}", line.method, line.path, answer.headers);
                assert_eq!(answer.header("x-content-type-options"), "nosniff", "{}", line.path);
            }
        }
    }
    assert!(seen >= 40, "{seen} pages and redirects");
    for (name, page) in gallery("text", "fr").await {
        is_guarded(name, &page);
    }
}

/// Hazards A7, A8: whatever a name says, the page has the same tags and attributes as with a harmless one.
#[tokio::test]
async fn what_others_wrote_is_shown_as_text() {
    let harmless: Vec<_> =
        gallery("harmless words", "en").await.into_iter().map(|(_, page)| skeleton(&page.body)).collect();
    assert!(harmless.iter().all(|tags| tags.len() > 15), "{harmless:?}");
    for payload in PAYLOADS {
        for ((name, page), expected) in gallery(payload, "en").await.iter().zip(&harmless) {
            assert_eq!(&skeleton(&page.body), expected, "{payload:?} in {name}: {}", page.body);
            is_guarded(name, page);
        }
    }
    assert_eq!(PAYLOADS.len(), 30);
}

const PAYLOADS: [&str; 30] = [
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</h1><h1>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe srcdoc='<b>'>",
    "<a href=\"https://evil.example\">",
    "<form action=https://evil.example>",
    "</form><form action=https://evil.example method=post>",
    "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content=0;url=https://evil.example>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>*{display:none}</style>",
    "<input name=csrf value=x>",
    "<button formaction=https://evil.example>",
    "\"><b>",
    "\" autofocus onfocus=alert(1) x=\"",
    "'><b>",
    "' onmouseover='alert(1)",
    "` onmouseover=`alert(1)",
    "--><b>",
    "<!--",
    "]]><b>",
    "<%2Fp><b>",
    "&lt;script&gt;",
    "&#60;b&#62;",
    "<b\u{0}>",
    "\u{ff1c}b\u{ff1e}<b>",
    "{{ 7 * 7 }}<b>",
    "<plaintext>",
];

/// Names of tags and of their attributes, in order: what an HTML parser would make of it.
fn skeleton(html: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once('<') {
        let mut quote = None;
        let end = after.find(|c| match (quote, c) {
            (None, '"' | '\'') => {
                quote = Some(c);
                false
            }
            (Some(open), c) if c == open => {
                quote = None;
                false
            }
            (None, '>') => true,
            _ => false,
        });
        let (tag, next) = after.split_at(end.unwrap_or(after.len()));
        let outside: String = tag.split('"').step_by(2).collect::<Vec<_>>().join(" ");
        tags.push(outside.split_whitespace().collect::<Vec<_>>().join(" "));
        rest = next;
    }
    tags
}

#[tokio::test]
async fn pages_are_usable_by_keyboard_and_ear_in_both_languages() {
    let (french, english) = (gallery("text", "fr-FR,fr").await, gallery("text", "en-GB").await);
    for (lang, pages) in [("fr", &french), ("en", &english)] {
        for (name, page) in pages {
            let count = |what: &str| page.body.matches(what).count();
            assert!(page.body.starts_with(&format!("<!DOCTYPE html>\n<html lang=\"{lang}\">")), "{name}");
            assert_eq!((count("<h1>"), count("<main>"), count("<title>")), (1, 1, 1), "{name}");
            assert!(!page.body.contains("<title> –") && !page.body.contains("<h1></h1>"), "{name}");
            assert!(!page.body.contains("tabindex") && !page.body.contains("role=\"button\""), "{name}");
            for input in page.body.split("<input ").skip(1).filter(|input| !input.starts_with("type=\"hidden\"")) {
                let id = input.split_once("id=\"").unwrap().1.split('"').next().unwrap();
                assert!(page.body.contains(&format!("<label for=\"{id}\">")), "{name}: {id} has no label");
            }
            for form in page.body.split("<form ").skip(1) {
                assert!(form.split("</form>").next().unwrap().contains("type=\"submit\""), "{name}");
            }
        }
    }
    for ((name, french), (_, english)) in french.iter().zip(&english) {
        let main = |page: &Answer| page.body.split_once("<main>").unwrap().1.to_owned();
        assert_ne!(main(french), main(english), "{name}");
    }
}

/// Hazard A10, for forms: each is refused unless it is the one that this very session was given, on our own page.
#[tokio::test]
async fn a_form_that_another_page_sends_changes_nothing() {
    let stage = Stage::new();
    let client = stage.native_client().await;
    let mut browser = stage.browser();
    browser.sign_in().await;
    let mut other = stage.browser();
    other.sign_in().await;
    let foreign = other.get("/account/").await.field("csrf");
    let token = stage.accounts.issue_login_token(USER.try_into().unwrap()).await.unwrap();
    let login = json!({ "type": "m.login.token", "token": token, "device_id": "PHONE" });
    stage.post_json("/_matrix/client/v3/login", &login).await;
    let (_, user_code) = stage.device_grant(&client, "THIRDDEVIC").await;
    let sso = "/_matrix/client/v3/login/sso/redirect?redirectUrl=element://x";
    let allow: &[(&str, &str)] = &[("decision", "allow")];
    let forms = [
        (authorize_path(&client, NATIVE_URI, &scope(DEVICE), &[]), allow, 303),
        (format!("/link?code={user_code}"), allow, 200),
        ("/account/?action=org.matrix.device_delete&device_id=PHONE".to_owned(), &[], 303),
        ("/account/?action=org.matrix.cross_signing_reset".to_owned(), &[], 200),
        (sso.to_owned(), &[], 303),
        ("/oauth2/end_session".to_owned(), &[], 200),
        ("/account/".to_owned(), &[], 200),
    ];
    for (path, more, status) in forms {
        browser.sign_in().await;
        let page = browser.follow(&path).await;
        let (action, hidden) = page.form();
        let csrf = page.field("csrf");
        let before = stage.rows();
        let with = |given: &str| -> Vec<(String, String)> {
            let mut form = hidden.clone();
            form.retain(|(name, _)| name != "csrf");
            form.push(("csrf".to_owned(), given.to_owned()));
            form.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            form
        };
        let send = async |browser: &mut Browser<'_>, csrf: &str| {
            let form = with(csrf);
            let form: Vec<_> = form.iter().map(|(name, value)| (&**name, &**value)).collect();
            browser.post(&action, &form).await
        };
        for wrong in ["", "x", &foreign, &csrf.to_lowercase(), &format!("{csrf}x")] {
            send(&mut browser, wrong).await.is_refusal(400, "plus valable");
        }
        browser.post(&action, more).await.is_refusal(400, "Demande incorrecte");
        send(&mut stage.browser(), &csrf).await.is_refusal(400, "plus valable");
        send(&mut other, &csrf).await.is_refusal(400, "plus valable");
        for header in [
            ("origin", "https://evil.example"),
            ("origin", "https://matrix.metz.example.evil.example"),
            ("origin", "http://matrix.metz.example"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            browser.headers = vec![header];
            send(&mut browser, &csrf).await.is_refusal(400, "plus valable");
        }
        assert!(stage.rows() == before, "{path}");
        browser.headers = vec![("origin", "null"), ("sec-fetch-site", "same-origin")];
        let answer = send(&mut browser, &csrf).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {}", answer.body);
        browser.headers.clear();
    }
}

#[tokio::test]
async fn the_style_sheet_is_all_that_pages_load() {
    let stage = Stage::new();
    let style = stage.get("/auth/style.css").await;
    assert_eq!(style.header(header::CONTENT_TYPE.as_str()), "text/css; charset=utf-8");
    assert!(!style.body.contains("url(") && !style.body.contains("@import"));
    for (name, page) in gallery("text", "fr").await {
        let loads = page.body.matches("src=").count() + page.body.matches("<link ").count();
        assert_eq!(loads, 1, "{name}");
    }
}
