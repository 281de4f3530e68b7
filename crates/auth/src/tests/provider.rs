//! A ProConnect that does as it is told, faults included.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::StatusCode;
use kernel::{Clock, Random, clock::FakeClock, random::SeededRandom};
use openidconnect::{
    JsonWebKeyId, PrivateSigningKey,
    core::{CoreHmacKey, CoreJwsSigningAlgorithm, CoreRsaPrivateSigningKey},
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use crate::{Http, HttpError, signing};

pub(super) const ISSUER: &str = "https://pc.example/api/v2";
pub(super) const SECRET: &str = "canary-client-secret";

/// What is wrong with what it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fault {
    #[default]
    None,
    Down,
    Hang,
    TokenDown,
    TokenNonsense,
    TokenRefuses,
    UserinfoDown,
    NoIdToken,
    NoNonce,
    OtherNonce,
    WrongIss,
    WrongAud,
    SecondAud,
    Expired,
    OldIat,
    AlgNone,
    HmacOfPublicKey,
    OwnKeyInHeader,
    UnknownKid,
    BadSignature,
    BadAtHash,
    OtherSub,
    UserinfoUnsigned,
    UserinfoAlgNone,
    UserinfoHmac,
    UserinfoBadSignature,
    UserinfoWrongIss,
    UserinfoWrongAud,
    UserinfoNonsense,
}

pub(super) struct Fake {
    clock: Arc<FakeClock>,
    random: SeededRandom,
    key: CoreRsaPrivateSigningKey,
    other: CoreRsaPrivateSigningKey,
    state: Mutex<State>,
}

struct State {
    fault: Fault,
    person: Value,
    acr: String,
    auth_time: Option<u64>,
    kid: String,
    codes: HashMap<String, HashMap<String, String>>,
    tokens: Vec<String>,
    /// Every request, as method, path and body.
    requests: Vec<(String, String)>,
    /// Every URL that a browser came with.
    visits: Vec<Url>,
}

fn key(number: usize, kid: &str) -> CoreRsaPrivateSigningKey {
    static PEMS: [OnceLock<String>; 2] = [OnceLock::new(), OnceLock::new()];
    let pem = PEMS[number].get_or_init(|| signing::make_pem(&SeededRandom::new(number as u64)).unwrap());
    CoreRsaPrivateSigningKey::from_pem(pem, Some(JsonWebKeyId::new(kid.to_owned()))).unwrap()
}

impl Fake {
    pub(super) fn new(clock: Arc<FakeClock>) -> Self {
        let person = json!({
            "sub": "704e0242-2901-4d2b-bd47-f7a5e5ab05b3",
            "given_name": "Marie Jeanne",
            "usual_name": "Durand",
            "email": "Marie.Durand@ville.fr",
            "siret": "21380151200016",
            "roles": ["agent_public", "agent_public_territorial"],
            "organization_label": "Commune d'Exemple",
        });
        let state = State {
            fault: Fault::None,
            person,
            acr: "eidas1".to_owned(),
            auth_time: None,
            kid: "k1".to_owned(),
            codes: HashMap::new(),
            tokens: Vec::new(),
            requests: Vec::new(),
            visits: Vec::new(),
        };
        Self { clock, random: SeededRandom::new(7), key: key(0, "k1"), other: key(1, "k1"), state: Mutex::new(state) }
    }

    pub(super) fn fail(&self, fault: Fault) {
        self.state.lock().fault = fault;
    }

    /// From now on this is said of the person.
    pub(super) fn say(&self, claim: &str, value: Value) {
        self.state.lock().person[claim] = value;
    }

    pub(super) fn acr(&self, acr: &str) {
        self.state.lock().acr = acr.to_owned();
    }

    pub(super) fn auth_time(&self, seconds: Option<u64>) {
        self.state.lock().auth_time = seconds;
    }

    /// Signs with a key of another name, and publishes it under that.
    pub(super) fn rotate(&self, kid: &str) {
        self.state.lock().kid = kid.to_owned();
    }

    pub(super) fn requests(&self) -> Vec<(String, String)> {
        self.state.lock().requests.clone()
    }

    pub(super) fn visits(&self) -> Vec<Url> {
        self.state.lock().visits.clone()
    }

    /// The person signs in: where the browser is sent back to.
    pub(super) fn authorize(&self, url: &str) -> String {
        let url = Url::parse(url).unwrap();
        let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
        let code = format!("canary-code-{}", self.random.token(20));
        let mut back = Url::parse(&query["redirect_uri"]).unwrap();
        back.query_pairs_mut().append_pair("code", &code).append_pair("state", &query["state"]);
        back.query_pairs_mut().append_pair("iss", ISSUER);
        let mut state = self.state.lock();
        state.codes.insert(code, query);
        state.visits.push(url);
        back.into()
    }

    fn answer(&self, request: &http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let body = String::from_utf8(request.body().to_vec()).unwrap();
        let fault = self.state.lock().fault;
        let path = request.uri().path().to_owned();
        self.state.lock().requests.push((path.clone(), body.clone()));
        match &*path {
            _ if fault == Fault::Down => Err(HttpError("connection refused".to_owned())),
            "/api/v2/.well-known/openid-configuration" => Ok(as_json(&self.discovery())),
            "/api/v2/jwks" => Ok(as_json(&self.jwks())),
            "/api/v2/token" => self.token(&body, fault),
            "/api/v2/userinfo" => self.userinfo(request, fault),
            other => panic!("nobody asks for {other}"),
        }
    }

    fn discovery(&self) -> Value {
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": format!("{ISSUER}/authorize"),
            "token_endpoint": format!("{ISSUER}/token"),
            "userinfo_endpoint": format!("{ISSUER}/userinfo"),
            "jwks_uri": format!("{ISSUER}/jwks"),
            "end_session_endpoint": format!("{ISSUER}/session/end"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256", "RS256", "HS256"],
        })
    }

    fn jwks(&self) -> Value {
        let mut key = json!(self.key.as_verification_key());
        key["kid"] = self.state.lock().kid.clone().into();
        key["alg"] = "RS256".into();
        json!({ "keys": [key] })
    }

    fn token(&self, body: &str, fault: Fault) -> Result<http::Response<Bytes>, HttpError> {
        let form: HashMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let Some(asked) = self.state.lock().codes.remove(&form["code"]) else {
            return Ok(refusal("invalid_grant"));
        };
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
        let proven = form.get("client_secret").is_some_and(|secret| secret == SECRET)
            || form.get("client_assertion").is_some_and(|assertion| assertion.split('.').count() == 3);
        if !proven || challenge != asked["code_challenge"] || form["redirect_uri"] != asked["redirect_uri"] {
            return Ok(refusal("invalid_grant"));
        }
        match fault {
            Fault::TokenDown => return Ok(status(StatusCode::BAD_GATEWAY, format!("<html>{SECRET}"))),
            Fault::TokenNonsense => return Ok(as_text("application/json", format!("{{\"leak\":\"{SECRET}\"}}"))),
            Fault::TokenRefuses => return Ok(refusal("invalid_client")),
            _ => {}
        }
        let access = format!("canary-access-{}", self.random.token(20));
        self.state.lock().tokens.push(access.clone());
        let mut answer = json!({ "access_token": access, "token_type": "Bearer", "expires_in": 3600, "refresh_token": "canary-refresh" });
        if fault != Fault::NoIdToken {
            answer["id_token"] = self.id_token(&asked, &access, fault).into();
        }
        Ok(as_json(&answer))
    }

    fn id_token(&self, asked: &HashMap<String, String>, access: &str, fault: Fault) -> String {
        let state = self.state.lock();
        let now = self.clock.now().as_secs();
        let hash = Sha256::digest(access);
        let mut claims = json!({
            "iss": ISSUER, "sub": state.person["sub"], "aud": asked["client_id"], "exp": now + 3600, "iat": now,
            "nonce": asked["nonce"], "acr": state.acr, "auth_time": state.auth_time.unwrap_or(now), "sid": "s",
            "at_hash": BASE64_URL_SAFE_NO_PAD.encode(&hash[..16]),
        });
        match fault {
            Fault::NoNonce => drop(claims.as_object_mut().unwrap().remove("nonce")),
            Fault::OtherNonce => claims["nonce"] = "another-nonce-of-32-characters-or-more".into(),
            Fault::WrongIss => claims["iss"] = "https://other.example/api/v2".into(),
            Fault::WrongAud => claims["aud"] = "another-client".into(),
            Fault::SecondAud => claims["aud"] = json!([asked["client_id"], "another-client"]),
            Fault::Expired => claims["exp"] = (now - 1).into(),
            Fault::OldIat => claims["iat"] = (now - 3_600).into(),
            Fault::BadAtHash => claims["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA".into(),
            _ => {}
        }
        self.jws(
            &claims,
            &state.kid,
            match fault {
                Fault::AlgNone
                | Fault::HmacOfPublicKey
                | Fault::OwnKeyInHeader
                | Fault::UnknownKid
                | Fault::BadSignature => fault,
                _ => Fault::None,
            },
        )
    }

    fn userinfo(&self, request: &http::Request<Bytes>, fault: Fault) -> Result<http::Response<Bytes>, HttpError> {
        let bearer = request.headers()["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
        let state = self.state.lock();
        if !state.tokens.contains(&bearer) {
            return Ok(status(StatusCode::UNAUTHORIZED, String::new()));
        }
        if fault == Fault::UserinfoDown {
            return Ok(status(StatusCode::SERVICE_UNAVAILABLE, bearer));
        }
        let mut claims = state.person.clone();
        claims["iss"] = ISSUER.into();
        claims["aud"] = "beffroi".into();
        match fault {
            Fault::OtherSub => claims["sub"] = "00000000-0000-4000-8000-000000000000".into(),
            Fault::UserinfoWrongIss => claims["iss"] = "https://other.example".into(),
            Fault::UserinfoWrongAud => claims["aud"] = "another-client".into(),
            Fault::UserinfoNonsense => claims = json!({ "sub": 12 }),
            Fault::UserinfoUnsigned => return Ok(as_json(&claims)),
            _ => {}
        }
        let fault = match fault {
            Fault::UserinfoAlgNone => Fault::AlgNone,
            Fault::UserinfoHmac => Fault::HmacOfPublicKey,
            Fault::UserinfoBadSignature => Fault::BadSignature,
            _ => Fault::None,
        };
        Ok(as_text("application/jwt; charset=utf-8", self.jws(&claims, &state.kid, fault)))
    }

    fn jws(&self, claims: &Value, kid: &str, fault: Fault) -> String {
        let public = json!(self.key.as_verification_key());
        let mut header = json!({ "alg": "RS256", "typ": "JWT", "kid": kid });
        match fault {
            Fault::AlgNone => header = json!({ "alg": "none", "typ": "JWT" }),
            Fault::HmacOfPublicKey => header["alg"] = "HS256".into(),
            Fault::OwnKeyInHeader => {
                header["jwk"] = json!(self.other.as_verification_key());
                header["jku"] = "https://evil.example/jwks".into();
            }
            Fault::UnknownKid => header["kid"] = "never-published".into(),
            _ => {}
        }
        let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(&header), encode(claims));
        let rs256 = CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256;
        let signature = match fault {
            Fault::AlgNone => Vec::new(),
            Fault::HmacOfPublicKey => {
                let secret = BASE64_URL_SAFE_NO_PAD.decode(public["n"].as_str().unwrap()).unwrap();
                CoreHmacKey::new(secret).sign(&CoreJwsSigningAlgorithm::HmacSha256, message.as_bytes()).unwrap()
            }
            Fault::OwnKeyInHeader | Fault::BadSignature => self.other.sign(&rs256, message.as_bytes()).unwrap(),
            _ => self.key.sign(&rs256, message.as_bytes()).unwrap(),
        };
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

#[async_trait]
impl Http for Fake {
    async fn execute(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        if self.state.lock().fault == Fault::Hang {
            std::future::pending::<()>().await;
        }
        self.answer(&request)
    }
}

fn as_json(value: &Value) -> http::Response<Bytes> {
    as_text("application/json", value.to_string())
}

fn as_text(content_type: &str, text: String) -> http::Response<Bytes> {
    http::Response::builder().header("content-type", content_type).body(text.into()).unwrap()
}

fn status(status: StatusCode, text: String) -> http::Response<Bytes> {
    http::Response::builder().status(status).header("content-type", "text/html").body(text.into()).unwrap()
}

fn refusal(error: &str) -> http::Response<Bytes> {
    let body = json!({ "error": error, "error_description": format!("canary {SECRET}") });
    let mut response = as_json(&body);
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}
