//! Userinfo: the person, as JSON or as a signed JWT, whichever is registered and nothing else (hazards A15, A16).

use openidconnect::{OAuth2TokenResponse, core::CoreTokenResponse};
use serde::Deserialize;

use super::{Failure, discovery::Known, jws};
use crate::Town;

/// Longest claim that is looked at.
const CLAIM_BYTES_MAX: usize = 1_024;
const ROLES_MAX: usize = 50;

/// What ProConnect says of a person (`identity-for-sp.dto.ts` of ProConnect's source). Other claims are not asked for.
#[derive(Clone, Deserialize)]
pub(crate) struct Person {
    #[serde(rename = "sub")]
    pub(crate) subject: String,
    #[serde(default)]
    pub(crate) given_name: String,
    #[serde(default)]
    pub(crate) usual_name: String,
    #[serde(default)]
    pub(crate) email: String,
    pub(crate) siret: Option<String>,
    #[serde(default)]
    pub(crate) roles: Vec<String>,
    #[serde(default)]
    pub(crate) organization_label: String,
}

/// What a signed userinfo has besides.
#[derive(Deserialize)]
struct Envelope {
    iss: Option<String>,
    aud: Option<Audience>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Town {
    /// # Errors
    /// Also when it is about another person than the id token.
    pub(crate) async fn fetch_person(
        &self,
        known: &Known,
        answer: &CoreTokenResponse,
        subject: &str,
    ) -> Result<Person, Failure> {
        let (content_type, body) = self.fetch(known, answer).await?;
        let settings = &self.settings.proconnect;
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let payload = match (settings.userinfo_alg, &*essence) {
            (None, "application/json") => body,
            (Some(algorithm), "application/jwt") => {
                let token = String::from_utf8(body).map_err(|_| untrusted("it is not text"))?;
                let secret = settings.client_secret.expose();
                let opened = match jws::open(token.trim(), algorithm, &known.keys, secret) {
                    Err(jws::Refusal::UnknownKey) => {
                        let known = self.with_newer_keys(known).await?;
                        jws::open(token.trim(), algorithm, &known.keys, secret)
                    }
                    other => other,
                };
                let payload = opened.map_err(|refusal| match refusal {
                    jws::Refusal::UnknownKey => untrusted("its key is not published"),
                    jws::Refusal::Invalid(reason) => untrusted(reason),
                })?;
                self.check_envelope(&payload)?;
                payload
            }
            _ => return Err(untrusted("it is not in the registered form")),
        };
        let person: Person = serde_json::from_slice(&payload).map_err(|_| untrusted("its shape is not known"))?;
        if person.subject != subject {
            return Err(untrusted("it is about another person than the id token"));
        }
        if !person.is_bounded() {
            return Err(untrusted("a claim is too long"));
        }
        Ok(person)
    }

    async fn fetch(&self, known: &Known, answer: &CoreTokenResponse) -> Result<(String, Vec<u8>), Failure> {
        let endpoint = known.metadata.userinfo_endpoint();
        let endpoint = endpoint.ok_or_else(|| untrusted("discovery names no endpoint"))?;
        let request = http::Request::get(endpoint.as_str())
            .header(http::header::AUTHORIZATION, format!("Bearer {}", answer.access_token().secret()))
            .header(http::header::ACCEPT, "application/jwt, application/json")
            .body(Vec::new())
            .map_err(|_| untrusted("the access token is no header"))?;
        let answer = self.provider.client.send(request).await.map_err(|error| Failure::Down(error.to_string()))?;
        if answer.status() != http::StatusCode::OK {
            return Err(untrusted("the endpoint refused our access token"));
        }
        let content_type = answer.headers().get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        Ok((content_type.unwrap_or_default().to_owned(), answer.into_body()))
    }

    fn check_envelope(&self, payload: &[u8]) -> Result<(), Failure> {
        let envelope: Envelope = serde_json::from_slice(payload).map_err(|_| untrusted("its shape is not known"))?;
        let settings = &self.settings.proconnect;
        if envelope.iss.as_deref() != Some(settings.issuer()) {
            return Err(untrusted("it is another issuer's"));
        }
        let ours = match &envelope.aud {
            Some(Audience::One(audience)) => *audience == settings.client_id,
            Some(Audience::Several(audiences)) => matches!(&**audiences, [audience] if *audience == settings.client_id),
            None => false,
        };
        if ours { Ok(()) } else { Err(untrusted("it is for another service")) }
    }
}

impl Person {
    fn is_bounded(&self) -> bool {
        let texts = [
            &self.subject,
            &self.given_name,
            &self.usual_name,
            &self.email,
            self.siret.as_ref().unwrap_or(&self.email),
            &self.organization_label,
        ];
        let short = |text: &String| text.len() <= CLAIM_BYTES_MAX;
        texts.into_iter().all(short) && self.roles.len() <= ROLES_MAX && self.roles.iter().all(short)
    }
}

fn untrusted(reason: &str) -> Failure {
    Failure::Untrusted(format!("userinfo: {reason}"))
}
