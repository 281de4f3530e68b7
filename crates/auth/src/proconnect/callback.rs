//! `GET /upstream/callback`: ProConnect sends the browser back, with a code or an error.

use std::sync::Arc;

use serde::Deserialize;
use web::{Response, Visit};

use super::{Failure, Pending};
use crate::{Secret, Town, browser::SignedIn, pages, problem::Problem};

/// Longest error code that is shown.
const CODE_BYTES_MAX: usize = 40;

#[derive(Deserialize)]
struct Query {
    state: Option<String>,
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// Somebody whom ProConnect vouches for; whether they may come in is still to be seen.
pub(crate) struct Identified {
    pub(crate) person: super::userinfo::Person,
    pub(crate) acr: Option<String>,
    pub(crate) auth_time: Option<kernel::Timestamp>,
    pub(crate) id_token: Secret,
}

pub(crate) async fn callback(town: Arc<Town>, visit: Visit) -> Result<Response, Problem> {
    let query: Query = visit.query()?;
    let browser = town.browser(&visit).ok_or(Problem::Expired)?;
    let state = query.state.as_deref().unwrap_or_default();
    let pending = town.provider.take_pending(state, browser, town.now()).ok_or(Problem::Expired)?;
    // RFC 9207: an answer that another provider's name is on (hazard A14).
    if query.iss.as_deref().is_some_and(|iss| iss != town.settings.proconnect.issuer()) {
        return Err(Failure::Untrusted("the answer is another issuer's".to_owned()).into());
    }
    if let Some(error) = &query.error {
        return Err(refusal(error, query.error_description.as_deref().unwrap_or_default()));
    }
    let code = query.code.filter(|code| !code.is_empty()).ok_or(Problem::BadRequest)?;
    let identified = town.identify(&pending, code).await?;
    let user = town.admit(&identified).await?;
    let flow = town.flows.get(&pending.flow, town.now());
    let next = flow.map_or_else(|| "/account/".to_owned(), |flow| flow.next(&pending.flow));
    let proven = identified.auth_time.filter(|at| town.is_fresh(*at));
    let mut response = pages::see_other(&town.url(&next))?;
    town.close_session(&visit);
    town.open_session(SignedIn { user, id_token: identified.id_token, proven }, &mut response);
    Ok(response)
}

fn refusal(error: &str, description: &str) -> Problem {
    tracing::info!(error = plain(error), "ProConnect sent a person back with an error");
    if error == "access_denied" && description.contains("ACR") {
        return Problem::NoSecondFactor;
    }
    if error == "temporarily_unavailable" || error == "server_error" {
        return Problem::ProviderDown;
    }
    // Some of ProConnect's own codes are within the description.
    let own = description.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| is_own_code(word));
    Problem::ProviderRefused(own.or(plain(error)).map(str::to_owned))
}

fn plain(error: &str) -> Option<&str> {
    let plain = error.len() <= CODE_BYTES_MAX && error.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    plain.then_some(error)
}

/// `Y500015` and the like.
fn is_own_code(word: &str) -> bool {
    let digits = word.strip_prefix('Y');
    digits.is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

impl Town {
    /// Redeems the code and verifies all that comes for it.
    async fn identify(&self, pending: &Pending, code: String) -> Result<Identified, Problem> {
        let known = self.known_provider().await?;
        let answer = self.exchange(&known, pending, code).await?;
        let (known, claims) = self.verify_id_token(known, &answer, pending).await?;
        let person = self.fetch_person(&known, &answer, &claims.subject).await?;
        Ok(Identified { person, acr: claims.acr, auth_time: claims.auth_time, id_token: claims.token })
    }
}
