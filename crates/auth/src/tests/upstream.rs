//! What comes back from ProConnect and is not believed: nobody is let in, nothing is stored, no cookie is set.

use http::StatusCode;

use super::{
    client::{DEVICE, WEB_URI, scope},
    provider::{Fault, ISSUER},
    stage::{Answer, Stage, authorize_path, param},
};
use crate::{Algorithm, TokenAuth};

const UNTRUSTED: &str = "Réponse de ProConnect non vérifiable";
const SESSION: &str = "__Host-beffroi_session";

/// Hazard A11.
#[tokio::test]
async fn what_is_asked_of_proconnect_is_unguessable_and_no_more_than_it_knows() {
    let stage = Stage::with(|settings| settings.proconnect.rules.require_mfa = true);
    let client = stage.web_client().await;
    for hint in ["marie@ville.fr", "mxid:@a:b", "not an address", "a@b@c.fr"] {
        let path = authorize_path(&client, WEB_URI, &scope(DEVICE), &[("login_hint", hint)]);
        stage.browser().until_callback(&path).await;
    }
    let visits = stage.provider.visits();
    let mut seen = Vec::new();
    for visit in &visits {
        for (name, value) in visit.query_pairs() {
            let known = ["response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge"];
            let more = ["code_challenge_method", "claims", "login_hint"];
            assert!(known.contains(&&*name) || more.contains(&&*name), "{name}");
            assert!(name != "login_hint" || value == "marie@ville.fr", "{value}");
        }
        let value = |name| param(visit, name).unwrap();
        for secret in [value("state"), value("nonce"), value("code_challenge")] {
            assert!((32..=512).contains(&secret.len()) && secret.is_ascii(), "{secret}");
            assert!(!seen.contains(&secret));
            seen.push(secret);
        }
        assert_eq!((&*value("response_type"), &*value("code_challenge_method")), ("code", "S256"));
        assert!(value("claims").contains(r#""acr":{"essential":true,"values":["eidas0-mfa""#));
        assert!(value("scope").split(' ').any(|scope| scope == "openid"));
    }
    assert_eq!(seen.len(), 12);
}

/// Hazard A10.
#[tokio::test]
async fn an_answer_is_taken_once_in_time_and_from_the_browser_that_asked() {
    let stage = Stage::new();
    let before = stage.rows();
    let (mut browser, mut other) = (stage.browser(), stage.browser());
    let callback = browser.until_callback("/account/").await;
    let others = other.until_callback("/account/").await;
    let state = |url: &str| param(&url::Url::parse(url).unwrap(), "state").unwrap();
    let (own, foreign) = (state(&callback), state(&others));
    let gone = "plus valable";
    stage.browser().get(&callback).await.is_refusal(400, gone);
    other.get(&callback).await.is_refusal(400, gone);
    let mut guess = stage.browser();
    guess.cookies.insert("__Host-beffroi_browser".to_owned(), "A".repeat(43));
    guess.get(&callback).await.is_refusal(400, gone);
    for wrong in ["", "x", &foreign, &own.to_lowercase(), &own[..42], &format!("{own}x"), &"x".repeat(5_000)] {
        browser.get(&callback.replace(&own, wrong)).await.is_refusal(400, gone);
    }
    browser.get(&callback.replace("&state=", "&stat=")).await.is_refusal(400, gone);
    browser.get(&format!("{callback}&state={own}")).await.is_refusal(400, "Demande incorrecte");
    assert!(stage.rows() == before && asked(&stage, "/token") == 0, "a code was redeemed");
    // None of it has spoilt the answer for its own browser.
    assert_eq!(browser.get(&callback).await.status, StatusCode::SEE_OTHER);
    let (after, session) = (stage.rows(), browser.cookies[SESSION].clone());
    browser.get(&callback).await.is_refusal(400, gone);
    assert!(stage.rows() == after && asked(&stage, "/token") == 1);
    assert_eq!(browser.cookies[SESSION], session);
    // Twenty minutes, and the other one is too late.
    stage.advance(1_200);
    other.get(&others).await.is_refusal(400, gone);
    assert!(stage.rows() == after && asked(&stage, "/token") == 1 && !other.cookies.contains_key(SESSION));
}

/// How often an endpoint of ProConnect's was asked.
fn asked(stage: &Stage, endpoint: &str) -> usize {
    stage.provider.requests().iter().filter(|(path, _)| path.ends_with(endpoint)).count()
}

#[tokio::test]
async fn an_answer_without_a_code_is_none() {
    for (query, status, words) in [
        ("", 400, "Demande incorrecte"),
        ("&code=", 400, "Demande incorrecte"),
        ("&code=nonsense", 400, "plus valable"),
        (
            "&error=access_denied&error_description=requested+ACRs+could+not+be+satisfied",
            403,
            "Double authentification",
        ),
        ("&error=access_denied&error_description=Y500015+no", 403, "Y500015"),
        ("&error=access_denied&code=x", 403, "access_denied"),
        ("&error=%3Cscript%3E&error_description=%3Cscript%3E", 403, "ProConnect a refusé"),
        ("&error=server_error", 503, "ProConnect ne répond pas"),
        ("&error=temporarily_unavailable", 503, "ProConnect ne répond pas"),
    ] {
        let stage = Stage::new();
        let before = stage.rows();
        let mut browser = stage.browser();
        let callback = browser.until_callback("/account/").await;
        let state = param(&url::Url::parse(&callback).unwrap(), "state").unwrap();
        let answer = browser.get(&format!("/upstream/callback?state={state}{query}")).await;
        answer.is_refusal(status, words);
        assert!(!answer.body.contains("script"), "{}", answer.body);
        assert!(stage.rows() == before && asked(&stage, "/userinfo") == 0, "{query}");
        browser.get(&callback).await.is_refusal(400, "plus valable");
    }
}

async fn answer_to(stage: &Stage) -> Answer {
    let mut browser = stage.browser();
    let callback = browser.until_callback("/account/").await;
    browser.get(&callback).await
}

/// Hazards A11, A14, A15.
#[tokio::test]
async fn an_id_token_that_does_not_verify_lets_nobody_in() {
    let stage = Stage::new();
    let before = stage.rows();
    for fault in [
        Fault::NoIdToken,
        Fault::NoNonce,
        Fault::OtherNonce,
        Fault::ShortNonce,
        Fault::WrongIss,
        Fault::WrongAud,
        Fault::SecondAud,
        Fault::Expired,
        Fault::OldIat,
        Fault::AlgNone,
        Fault::HmacOfPublicKey,
        Fault::OwnKeyInHeader,
        Fault::UnknownKid,
        Fault::BadSignature,
        Fault::BadAtHash,
        Fault::TokenNonsense,
    ] {
        stage.provider.fail(fault);
        let answer = answer_to(&stage).await;
        answer.is_refusal(502, UNTRUSTED);
        assert!(!answer.body.contains("canary"));
        assert!(stage.rows() == before && asked(&stage, "/userinfo") == 0, "{fault:?}");
        // Neither does a newer set of keys have it.
        stage.advance(11);
        answer_to(&stage).await.is_refusal(502, UNTRUSTED);
        assert!(stage.rows() == before && asked(&stage, "/userinfo") == 0, "{fault:?}");
    }
    stage.provider.fail(Fault::None);
    assert_eq!(answer_to(&stage).await.status, StatusCode::SEE_OTHER);
}

/// Hazards A15, A16.
#[tokio::test]
async fn userinfo_that_does_not_verify_lets_nobody_in() {
    let stage = Stage::new();
    let before = stage.rows();
    for fault in [
        Fault::OtherSub,
        Fault::UserinfoUnsigned,
        Fault::UserinfoAlgNone,
        Fault::UserinfoHmac,
        Fault::UserinfoBadSignature,
        Fault::UserinfoOwnKey,
        Fault::UserinfoUnknownKid,
        Fault::UserinfoWrongIss,
        Fault::UserinfoWrongAud,
        Fault::UserinfoNonsense,
    ] {
        stage.provider.fail(fault);
        answer_to(&stage).await.is_refusal(502, UNTRUSTED);
        assert!(stage.rows() == before, "{fault:?}");
    }
    stage.provider.fail(Fault::None);
    for (claim, value) in [("usual_name", "x".repeat(2_000)), ("sub", "x".repeat(2_000))] {
        let person = Stage::new();
        person.provider.say(claim, value.into());
        answer_to(&person).await.is_refusal(502, UNTRUSTED);
    }
    assert_eq!(answer_to(&stage).await.status, StatusCode::SEE_OTHER);
}

/// Hazard A15: the algorithm of the registration, and no other that the provider knows too.
#[tokio::test]
async fn only_the_registered_algorithms_are_taken() {
    const ALL: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::Hs256];
    for (registered, used) in ALL.into_iter().flat_map(|registered| ALL.map(|used| (registered, used))) {
        for (id_token, userinfo) in [(registered, used), (used, registered), (registered, registered)] {
            let stage = Stage::with(|settings| {
                settings.proconnect.id_token_alg = id_token;
                settings.proconnect.userinfo_alg = Some(userinfo);
            });
            let before = stage.rows();
            stage.provider.sign_with(used);
            let answer = answer_to(&stage).await;
            if registered == used {
                assert_eq!(answer.status, StatusCode::SEE_OTHER, "{used:?} {}", answer.body);
            } else {
                answer.is_refusal(502, UNTRUSTED);
                assert!(stage.rows() == before, "{registered:?} {used:?}");
            }
        }
    }
    let plain = Stage::with(|settings| settings.proconnect.userinfo_alg = None);
    answer_to(&plain).await.is_refusal(502, UNTRUSTED);
    plain.provider.fail(Fault::UserinfoUnsigned);
    assert_eq!(answer_to(&plain).await.status, StatusCode::SEE_OTHER);
    for fault in [Fault::HmacOfPublicKey, Fault::UserinfoHmac] {
        let hmac = Stage::with(|settings| {
            settings.proconnect.id_token_alg = Algorithm::Hs256;
            settings.proconnect.userinfo_alg = Some(Algorithm::Hs256);
        });
        hmac.provider.sign_with(Algorithm::Hs256);
        hmac.provider.fail(fault);
        answer_to(&hmac).await.is_refusal(502, UNTRUSTED);
    }
}

#[tokio::test]
async fn proconnect_may_change_its_keys_and_we_may_prove_ourselves_by_ours() {
    let stage = Stage::with(|settings| settings.proconnect.token_auth = TokenAuth::PrivateKeyJwt);
    assert_eq!(answer_to(&stage).await.status, StatusCode::SEE_OTHER);
    stage.provider.rotate("k2");
    answer_to(&stage).await.is_refusal(502, UNTRUSTED);
    stage.advance(11);
    assert_eq!(answer_to(&stage).await.status, StatusCode::SEE_OTHER);
    assert!(stage.provider.requests().iter().all(|(_, body)| !body.contains("client_secret=")));
}

/// Hazards A11, A14: tokens that are genuine, and of another sign-in, another town or another provider.
#[tokio::test]
async fn a_genuine_answer_to_somebody_else_is_refused() {
    let (stage, fresh) = (Stage::new(), Stage::new());
    let neighbour = stage.neighbour();
    assert_eq!(answer_to(&stage).await.status, StatusCode::SEE_OTHER);
    assert_eq!(answer_to(&neighbour).await.status, StatusCode::SEE_OTHER);
    let before = stage.rows();
    for (lender, borrower) in [(&stage, &stage), (&neighbour, &stage), (&stage, &neighbour)] {
        borrower.provider.lend(lender.provider.last_id_token());
        answer_to(borrower).await.is_refusal(502, UNTRUSTED);
        assert!(stage.rows() == before);
    }
    // An answer that a browser carries from one town to the other.
    let mut browser = neighbour.browser();
    let callback = browser.until_callback("/account/").await;
    let mut here = stage.browser();
    here.until_callback("/account/").await;
    here.cookies.extend(browser.cookies.clone());
    here.get(&callback).await.is_refusal(400, "plus valable");
    // RFC 9207: the answer says whose it is.
    let mut browser = fresh.browser();
    let encoded = ISSUER.replace(':', "%3A").replace('/', "%2F");
    for iss in ["https%3A%2F%2Fother.example%2Fapi%2Fv2", "", "https%3A%2F%2Fpc.example%2Fapi%2Fv2%2F"] {
        let callback = browser.until_callback("/account/").await;
        assert!(callback.contains(&encoded));
        browser.get(&callback.replace(&encoded, iss)).await.is_refusal(502, UNTRUSTED);
    }
    assert!(stage.rows() == before && fresh.rows().is_empty() && asked(&fresh, "/token") == 0);
}

/// Hazard A13: ProConnect's code lives for thirty seconds.
#[tokio::test]
async fn a_slow_browser_is_asked_to_begin_again() {
    let stage = Stage::new();
    let before = stage.rows();
    let mut browser = stage.browser();
    let callback = browser.until_callback("/account/").await;
    stage.advance(31);
    browser.get(&callback).await.is_refusal(400, "recommencez la connexion");
    assert!(stage.rows() == before && asked(&stage, "/userinfo") == 0);
    let callback = browser.until_callback("/account/").await;
    stage.advance(29);
    assert_eq!(browser.get(&callback).await.status, StatusCode::SEE_OTHER);
    stage.provider.fail(Fault::TokenRefuses);
    let answer = answer_to(&stage).await;
    answer.is_refusal(403, "ProConnect a refusé");
    assert!(answer.body.contains("invalid_client") && !answer.body.contains("canary"), "{}", answer.body);
}
