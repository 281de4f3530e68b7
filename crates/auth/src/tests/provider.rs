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
use p256::ecdsa::{Signature, SigningKey, signature::Signer};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use crate::{Algorithm, Http, HttpError, signing};

pub(super) const ISSUER: &str = "https://pc.example/api/v2";
pub(super) const SECRET: &str = "canary-client-secret";
const EC_KID: &str = "ec1";
/// How long a code lives: 30 seconds by ProConnect's documentation, 60 by its source.
const CODE_SECS: u64 = 30;

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
    ShortNonce,
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
    UserinfoOwnKey,
    UserinfoUnknownKid,
    UserinfoWrongIss,
    UserinfoWrongAud,
    UserinfoNonsense,
}

pub(super) struct Fake {
    /// The one service that is registered.
    client: &'static str,
    clock: Arc<FakeClock>,
    random: SeededRandom,
    key: CoreRsaPrivateSigningKey,
    other: CoreRsaPrivateSigningKey,
    curve: SigningKey,
    state: Mutex<State>,
}

struct State {
    fault: Fault,
    person: Value,
    acr: Option<String>,
    auth_time: Option<u64>,
    kid: String,
    algorithm: Algorithm,
    /// When each was given, and for what.
    codes: HashMap<String, (u64, HashMap<String, String>)>,
    /// Every id token that it gave.
    issued: Vec<String>,
    /// Given instead of a new id token.
    borrowed: Option<String>,
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
    pub(super) fn new(client: &'static str, clock: Arc<FakeClock>) -> Self {
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
            acr: Some("eidas1".to_owned()),
            auth_time: None,
            kid: "k1".to_owned(),
            algorithm: Algorithm::Rs256,
            codes: HashMap::new(),
            issued: Vec::new(),
            borrowed: None,
            tokens: Vec::new(),
            requests: Vec::new(),
            visits: Vec::new(),
        };
        Self {
            client,
            clock,
            random: SeededRandom::new(7),
            key: key(0, "k1"),
            other: key(1, "k1"),
            curve: SigningKey::from_slice(&[7; 32]).unwrap(),
            state: Mutex::new(state),
        }
    }

    pub(super) fn fail(&self, fault: Fault) {
        self.state.lock().fault = fault;
    }

    /// From now on this is said of the person.
    pub(super) fn say(&self, claim: &str, value: Value) {
        self.state.lock().person[claim] = value;
    }

    pub(super) fn acr(&self, acr: Option<&str>) {
        self.state.lock().acr = acr.map(str::to_owned);
    }

    pub(super) fn auth_time(&self, seconds: Option<u64>) {
        self.state.lock().auth_time = seconds;
    }

    /// Signs with a key of another name, and publishes it under that.
    pub(super) fn rotate(&self, kid: &str) {
        self.state.lock().kid = kid.to_owned();
    }

    /// What it signs with, id tokens and userinfo alike.
    pub(super) fn sign_with(&self, algorithm: Algorithm) {
        self.state.lock().algorithm = algorithm;
    }

    /// The id token that it gave last.
    pub(super) fn last_id_token(&self) -> String {
        self.state.lock().issued.last().unwrap().clone()
    }

    /// From now on it gives this id token, whoever asks.
    pub(super) fn lend(&self, id_token: String) {
        self.state.lock().borrowed = Some(id_token);
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
        state.codes.insert(code, (self.clock.now().as_secs(), query));
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
        let mut rsa = json!(self.key.as_verification_key());
        rsa["kid"] = self.state.lock().kid.clone().into();
        rsa["alg"] = "RS256".into();
        let point = self.curve.verifying_key().to_sec1_point(false);
        let part = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let ec = json!({ "kty": "EC", "use": "sig", "alg": "ES256", "kid": EC_KID, "crv": "P-256",
            "x": part(point.x().unwrap()), "y": part(point.y().unwrap()) });
        json!({ "keys": [rsa, ec] })
    }

    fn token(&self, body: &str, fault: Fault) -> Result<http::Response<Bytes>, HttpError> {
        let form: HashMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let Some((given, asked)) = self.state.lock().codes.remove(&form["code"]) else {
            return Ok(refusal("invalid_grant"));
        };
        if self.clock.now().as_secs() > given + CODE_SECS {
            return Ok(refusal("invalid_grant"));
        }
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
            let token = self.id_token(&asked, &access, fault);
            self.state.lock().issued.push(token.clone());
            answer["id_token"] = self.state.lock().borrowed.clone().unwrap_or(token).into();
        }
        Ok(as_json(&answer))
    }

    fn id_token(&self, asked: &HashMap<String, String>, access: &str, fault: Fault) -> String {
        let state = self.state.lock();
        let now = self.clock.now().as_secs();
        let hash = Sha256::digest(access);
        let mut claims = json!({
            "iss": ISSUER, "sub": state.person["sub"], "aud": asked["client_id"], "exp": now + 3600, "iat": now,
            "nonce": asked["nonce"], "auth_time": state.auth_time.unwrap_or(now), "sid": "s",
            "at_hash": BASE64_URL_SAFE_NO_PAD.encode(&hash[..16]),
        });
        if let Some(acr) = &state.acr {
            claims["acr"] = acr.as_str().into();
        }
        match fault {
            Fault::NoNonce => drop(claims.as_object_mut().unwrap().remove("nonce")),
            Fault::OtherNonce => claims["nonce"] = "another-nonce-of-32-characters-or-more".into(),
            Fault::WrongIss => claims["iss"] = "https://other.example/api/v2".into(),
            Fault::WrongAud => claims["aud"] = "another-client".into(),
            Fault::SecondAud => claims["aud"] = json!([asked["client_id"], "another-client"]),
            Fault::Expired => claims["exp"] = (now - 1).into(),
            Fault::ShortNonce => claims["nonce"] = asked["nonce"].get(..32).into(),
            Fault::OldIat => claims["iat"] = (now - 3_600).into(),
            Fault::BadAtHash => claims["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA".into(),
            _ => {}
        }
        self.jws(&claims, &state, fault)
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
        claims["aud"] = self.client.into();
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
            Fault::UserinfoOwnKey => Fault::OwnKeyInHeader,
            Fault::UserinfoUnknownKid => Fault::UnknownKid,
            _ => Fault::None,
        };
        Ok(as_text("application/jwt; charset=utf-8", self.jws(&claims, &state, fault)))
    }

    /// A compact JWS; the key and the header are those of the fault, if it is one of keys or headers.
    fn jws(&self, claims: &Value, state: &State, fault: Fault) -> String {
        let mut header = json!({ "alg": "RS256", "typ": "JWT", "kid": state.kid });
        match (fault, state.algorithm) {
            (Fault::AlgNone, _) => header = json!({ "alg": "none", "typ": "JWT" }),
            (Fault::HmacOfPublicKey, _) => header["alg"] = "HS256".into(),
            (Fault::OwnKeyInHeader, _) => {
                header["jwk"] = json!(self.other.as_verification_key());
                header["jku"] = "https://evil.example/jwks".into();
            }
            (Fault::UnknownKid, _) => header["kid"] = "never-published".into(),
            (_, Algorithm::Rs256) => {}
            (_, Algorithm::Es256) => header = json!({ "alg": "ES256", "typ": "JWT", "kid": EC_KID }),
            (_, Algorithm::Hs256) => header = json!({ "alg": "HS256", "typ": "JWT" }),
        }
        let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(&header), encode(claims));
        let rsa = |key: &CoreRsaPrivateSigningKey| {
            key.sign(&CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256, message.as_bytes()).unwrap()
        };
        let hmac = |secret: &[u8]| {
            CoreHmacKey::new(secret).sign(&CoreJwsSigningAlgorithm::HmacSha256, message.as_bytes()).unwrap()
        };
        let signature = match (fault, state.algorithm) {
            (Fault::AlgNone, _) => Vec::new(),
            (Fault::HmacOfPublicKey, _) => {
                let public = json!(self.key.as_verification_key());
                hmac(&BASE64_URL_SAFE_NO_PAD.decode(public["n"].as_str().unwrap()).unwrap())
            }
            (Fault::OwnKeyInHeader | Fault::BadSignature, _) => rsa(&self.other),
            (Fault::UnknownKid, _) | (_, Algorithm::Rs256) => rsa(&self.key),
            (_, Algorithm::Hs256) => hmac(SECRET.as_bytes()),
            (_, Algorithm::Es256) => {
                let signature: Signature = self.curve.sign(message.as_bytes());
                signature.to_bytes().to_vec()
            }
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
