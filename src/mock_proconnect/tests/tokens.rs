//! `/token`, `/userinfo`, `/jwks` and discovery: what a relying party is told, and in which form.

use std::{collections::BTreeSet, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use kernel::{Clock, random::SeededRandom};
use openidconnect::core::{CoreJsonWebKey, CoreJsonWebKeySet, CoreJwsSigningAlgorithm};
use reqwest::{StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    super::{Algorithm, Client, UserinfoFormat, keys},
    harness::{CALLBACK, NONCE, SECRET, World, client, world},
};

#[tokio::test]
async fn discovery_names_what_there_is() {
    let world = world(vec![]).await;
    let document = world.get_json("/api/v2/.well-known/openid-configuration").await;
    assert_eq!(document["issuer"], format!("http://127.0.0.1:{}/api/v2", world.mock.addr.port()));
    assert_eq!(document["token_endpoint_auth_methods_supported"], json!(["client_secret_post", "private_key_jwt"]));
    for (endpoint, path) in [("authorization_endpoint", "authorize"), ("end_session_endpoint", "session/end")] {
        assert_eq!(document[endpoint], format!("{}/{path}", world.mock.issuer));
    }
    let _: openidconnect::core::CoreProviderMetadata = serde_json::from_value(document).unwrap();
}

#[tokio::test]
async fn id_tokens_verify_in_every_algorithm_and_say_nothing_of_the_person() {
    let algorithms = [
        (Algorithm::Es256, CoreJwsSigningAlgorithm::EcdsaP256Sha256),
        (Algorithm::Rs256, CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256),
        (Algorithm::Hs256, CoreJwsSigningAlgorithm::HmacSha256),
    ];
    let world = world(vec![client()]).await;
    for (ours, theirs) in algorithms {
        world.mock.switch(super::super::Switches { id_token: Some(ours), ..Default::default() });
        let tokens = world.log_in("marie", &[]).await;
        let members: BTreeSet<&str> = tokens.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = ["access_token", "expires_in", "id_token", "refresh_token", "scope", "token_type"];
        assert_eq!(members, BTreeSet::from(expected));
        assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(3600)));
        let id_token = tokens["id_token"].as_str().unwrap();
        world.verify(id_token, theirs).await.unwrap();
        let claims = keys::peek(id_token).unwrap();
        let names: BTreeSet<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = ["acr", "at_hash", "aud", "auth_time", "exp", "iat", "iss", "nonce", "sid", "sub"];
        assert_eq!(names, BTreeSet::from(expected));
        let hash = Sha256::digest(tokens["access_token"].as_str().unwrap());
        assert_eq!(claims["at_hash"], BASE64_URL_SAFE_NO_PAD.encode(&hash[..16]));
        assert_eq!((&claims["acr"], &claims["nonce"]), (&json!("eidas1-mfa"), &json!(NONCE)));
    }
    let tokens = world.log_in("marie", &[("claims", r#"{"id_token":{"amr":null}}"#)]).await;
    assert_eq!(keys::peek(tokens["id_token"].as_str().unwrap()).unwrap()["amr"], json!(["pwd", "otp", "mfa"]));
}

#[tokio::test]
async fn userinfo_holds_what_the_scopes_open_signed_or_not() {
    let world = world(vec![client()]).await;
    let scope =
        "openid given_name usual_name email uid siret siren phone idp_id idp_acr roles organization_label custom";
    let tokens = world.log_in("karim", &[("scope", scope)]).await;
    let access_token = tokens["access_token"].as_str().unwrap();
    let (status, content_type, body) = world.userinfo(access_token).await;
    assert_eq!((status, &*content_type), (StatusCode::OK, "application/json; charset=utf-8"));
    let plain: Value = serde_json::from_str(&body).unwrap();
    let expected = json!({
        "sub": "8d116ece-1738-47d9-bd9c-172411e20b8f", "given_name": "Karim", "usual_name": "Aït-Ouali",
        "email": "karim.ait-ouali@sainte-cloche.example", "uid": "17", "siret": "21990002400015", "siren": "219900024",
        "phone_number": "+33 4 76 00 00 00", "idp_id": "6513270e-269e-4d37-b2a7-4de452e6b438", "idp_acr": "eidas1-mfa",
        "roles": ["agent_public", "agent_public_territorial"], "organization_label": "Commune de Sainte-Cloche", "custom": {},
    });
    assert_eq!(plain, expected);

    let jwks: CoreJsonWebKeySet = serde_json::from_value(world.get_json("/api/v2/jwks").await).unwrap();
    let hmac = <CoreJsonWebKey as openidconnect::JsonWebKey>::new_symmetric(SECRET.as_bytes().to_vec());
    let trusted: Vec<&CoreJsonWebKey> = jwks.keys().iter().chain([&hmac]).collect();
    for algorithm in [Algorithm::Es256, Algorithm::Rs256, Algorithm::Hs256] {
        let userinfo = Some(UserinfoFormat::Signed(algorithm));
        world.mock.switch(super::super::Switches { userinfo, ..Default::default() });
        let (_, content_type, body) = world.userinfo(access_token).await;
        assert_eq!(content_type, "application/jwt; charset=utf-8");
        let mut signed = keys::open(&body, &trusted).unwrap();
        let members = signed.as_object_mut().unwrap();
        assert_eq!(members.remove("iss").unwrap(), *world.mock.issuer);
        assert_eq!(members.remove("aud").unwrap(), "beffroi");
        assert_eq!(signed, expected);
    }
    let (status, ..) = world.userinfo("another token").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    world.mock.switch(super::super::Switches::default());
    let few = world.log_in("karim", &[("scope", "openid"), ("claims", r#"{"userinfo":{"email":null}}"#)]).await;
    let (_, _, body) = world.userinfo(few["access_token"].as_str().unwrap()).await;
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap().as_object().unwrap().len(), 2, "sub and email: {body}");
}

async fn code(world: &World, changes: &[(&str, &str)]) -> String {
    world.browser().choose("marie", changes).await.params["code"].clone()
}

#[tokio::test]
async fn a_code_is_good_once_for_a_minute_for_its_client() {
    let other = Client::new("other", "other secret", CALLBACK);
    let world = world(vec![client(), other]).await;
    let used = code(&world, &[]).await;
    let (_, tokens) = world.token(&[("code", &used)]).await;
    let refused =
        (StatusCode::BAD_REQUEST, json!({ "error": "invalid_grant", "error_description": "grant request is invalid" }));
    assert_eq!(world.token(&[("code", &used)]).await, refused);
    let (status, ..) = world.userinfo(tokens["access_token"].as_str().unwrap()).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "a code used twice was stolen: what it gave is taken back");

    let stolen = code(&world, &[]).await;
    let thief = [("code", &*stolen), ("client_id", "other"), ("client_secret", "other secret")];
    assert_eq!(world.token(&thief).await, refused);
    assert_eq!(world.token(&[("code", &stolen)]).await.0, StatusCode::OK, "and its owner may still use it");
    let elsewhere = [("code", &*code(&world, &[]).await), ("redirect_uri", "https://ville.example/")];
    assert_eq!(world.token(&elsewhere).await, refused);
    let late = code(&world, &[]).await;
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.token(&[("code", &late)]).await, refused);
}

#[tokio::test]
async fn a_verifier_is_demanded_when_a_challenge_was_sent() {
    let world = world(vec![client()]).await;
    let verifier = "verifier-of-at-least-forty-three-characters-as-the-rfc-wants";
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    let pkce = [("code_challenge", &*challenge), ("code_challenge_method", "S256")];
    let good = [("code", &*code(&world, &pkce).await), ("code_verifier", verifier)];
    assert_eq!(world.token(&good).await.0, StatusCode::OK);
    let missing = [("code", &*code(&world, &pkce).await)];
    let wrong = [("code", &*code(&world, &pkce).await), ("code_verifier", &verifier[1..])];
    let unasked = [("code", &*code(&world, &[]).await), ("code_verifier", verifier)];
    for form in [&missing[..], &wrong, &unasked] {
        assert_eq!(world.token(form).await.1["error"], "invalid_grant", "{form:?}");
    }
    let alone = [("code", &*code(&world, &pkce).await), ("code_verifier", verifier), ("client_secret", "")];
    assert_eq!(world.token(&alone).await.0, StatusCode::UNAUTHORIZED, "PKCE does not replace the secret");
}

#[tokio::test]
async fn clients_authenticate_as_they_are_registered() {
    let world = world(vec![client()]).await;
    let code = code(&world, &[]).await;
    let refused = json!({ "error": "invalid_client", "error_description": "client authentication failed" });
    for wrong in [("client_secret", "wrong"), ("client_secret", ""), ("client_id", "nobody"), ("client_id", "")] {
        assert_eq!(
            world.token(&[("code", &code), wrong]).await,
            (StatusCode::UNAUTHORIZED, refused.clone()),
            "{wrong:?}"
        );
    }
    let request = world.http.post(world.at("/api/v2/token")).basic_auth("beffroi", Some(SECRET));
    let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let response = request.body(format!("grant_type=authorization_code&code={code}")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "client_secret_basic");
    let request = world.http.post(world.at("/api/v2/token")).header(header::CONTENT_TYPE, "application/json");
    assert_eq!(request.body("{}").send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    assert_eq!(world.token(&[("code", &code), ("grant_type", "password")]).await.1["error"], "unsupported_grant_type");
    assert_eq!(world.token(&[("code", &code)]).await.0, StatusCode::OK, "none of these used the code up");
}

#[tokio::test]
async fn a_client_with_keys_asserts_itself_once() {
    let its = keys::Keys::generate(&SeededRandom::new(8)).unwrap();
    let jwks: CoreJsonWebKeySet = serde_json::from_value(its.document()).unwrap();
    let world = world(vec![Client { jwks: Some(jwks), ..client() }]).await;
    let assertion = |changes: &[(&str, Value)]| {
        let now = world.clock.now().as_secs();
        let mut claims = json!({
            "iss": "beffroi", "sub": "beffroi", "aud": world.mock.issuer, "exp": now + 60, "jti": "1",
        });
        for (claim, value) in changes {
            claims[*claim] = value.clone();
        }
        its.sign(Algorithm::Es256, "", &claims).unwrap()
    };
    let code = code(&world, &[]).await;
    let exchange = async |assertion: &str| {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let form =
            [("code", &*code), ("client_secret", ""), ("client_assertion_type", kind), ("client_assertion", assertion)];
        world.token(&form).await.0
    };
    let expired = json!(world.clock.now().as_secs());
    for wrong in [("aud", json!("https://other")), ("iss", json!("x")), ("exp", expired), ("jti", json!(null))] {
        assert_eq!(
            exchange(&assertion(&[("jti", json!("2")), wrong.clone()])).await,
            StatusCode::UNAUTHORIZED,
            "{wrong:?}"
        );
    }
    assert_eq!(exchange(&keys::with_a_bad_signature(&assertion(&[]))).await, StatusCode::UNAUTHORIZED);
    assert_eq!(world.token(&[("code", &code)]).await.0, StatusCode::UNAUTHORIZED, "its secret is refused");
    assert_eq!(exchange(&assertion(&[])).await, StatusCode::OK);
    assert_eq!(exchange(&assertion(&[])).await, StatusCode::UNAUTHORIZED, "replayed");
}

#[tokio::test]
async fn a_refresh_gives_a_new_id_token_with_the_first_nonce() {
    let world = world(vec![client()]).await;
    let first = world.log_in("marie", &[]).await;
    world.clock.advance(Duration::from_secs(3600));
    let (status, ..) = world.userinfo(first["access_token"].as_str().unwrap()).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "the access token has expired");
    let form = [("grant_type", "refresh_token"), ("refresh_token", first["refresh_token"].as_str().unwrap())];
    let (status, second) = world.token(&form).await;
    assert_eq!((status, second.as_object().unwrap().len()), (StatusCode::OK, 6));
    let of = |tokens: &Value, claim: &str| keys::peek(tokens["id_token"].as_str().unwrap()).unwrap()[claim].clone();
    assert_eq!((of(&second, "nonce"), of(&second, "auth_time")), (json!(NONCE), of(&first, "auth_time")));
    assert_ne!(of(&second, "iat"), of(&first, "iat"));
    world.clock.advance(Duration::from_secs(3600));
    assert_eq!(world.token(&form).await.1["error"], "invalid_grant");
}
