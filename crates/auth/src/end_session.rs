//! Signing out of the browser, and then of ProConnect, whose own session would let the next person straight in
//! (OpenID Connect RP-Initiated Logout 1.0, both as its server and as its client).

use std::{sync::Arc, time::Duration};

use askama::Template;
use parking_lot::Mutex;
use serde::Deserialize;
use url::Url;
use web::{Response, Visit};

use crate::{
    Town,
    client_metadata::ClientMetadata,
    expiring::Expiring,
    pages::{self, Frame},
    problem::{Message, Problem},
    redirect_uri,
};

const DEPARTURES_MAX: usize = 1_024;
const LIFETIME: Duration = Duration::from_secs(600);
const STATE_LENGTH: usize = 43;
const STATE_BYTES_MAX: usize = 2_048;

/// Where browsers go on once ProConnect has signed them out.
pub(crate) struct Departures(Mutex<Expiring<Url>>);

impl Departures {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Expiring::new(DEPARTURES_MAX, LIFETIME)))
    }
}

#[derive(Deserialize)]
struct Query {
    id_token_hint: Option<String>,
    client_id: Option<String>,
    post_logout_redirect_uri: Option<String>,
    state: Option<String>,
}

#[derive(Deserialize)]
struct Form {
    csrf: String,
    #[serde(flatten)]
    query: Query,
}

#[derive(Deserialize)]
struct Returned {
    state: Option<String>,
}

#[derive(Template)]
#[template(path = "sign_out.html")]
struct Ask<'a> {
    frame: Frame,
    name: String,
    csrf: String,
    hidden: Vec<(&'a str, &'a str)>,
}

/// `GET /oauth2/end_session`: at once if the hint is an id token of ours for who is signed in; else the person is asked.
pub(crate) async fn start(town: Arc<Town>, visit: Visit) -> Result<Response, Problem> {
    let query: Query = visit.query()?;
    let hinted = town.hinted_user(&query).await?;
    let target = town.target(&query).await?;
    match town.session(&visit)? {
        Some(session) if hinted.as_deref() != Some(session.signed_in.user.as_str()) => {
            let fields = [
                ("id_token_hint", &query.id_token_hint),
                ("client_id", &query.client_id),
                ("post_logout_redirect_uri", &query.post_logout_redirect_uri),
                ("state", &query.state),
            ];
            let hidden = fields.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
            let name = town.shown_name(&session.signed_in.user)?;
            pages::page(&Ask { frame: Frame::of(&town, &visit), name, csrf: session.csrf(), hidden })
        }
        _ => town.depart(&visit, target).await,
    }
}

/// `POST /oauth2/end_session`: the person said yes.
pub(crate) async fn confirmed(town: Arc<Town>, visit: Visit) -> Result<Response, Problem> {
    let form: Form = visit.form()?;
    town.session_of_form(&visit, &form.csrf)?;
    let target = town.target(&form.query).await?;
    town.depart(&visit, target).await
}

/// `GET /upstream/logged-out`: ProConnect sends the browser back.
pub(crate) async fn returned(town: Arc<Town>, visit: Visit) -> Result<Response, Problem> {
    let query: Returned = visit.query()?;
    let target = query.state.and_then(|state| town.departures.0.lock().remove(&state, town.now()));
    match target {
        Some(target) => pages::see_other(target.as_str()),
        None => signed_out(&town, &visit),
    }
}

fn signed_out(town: &Town, visit: &Visit) -> Result<Response, Problem> {
    let frame = Frame::of(town, visit);
    let lang = frame.lang;
    let message = Message {
        title: lang.pick("Vous êtes déconnecté", "You are signed out"),
        paragraphs: vec![lang.pick("Vous pouvez fermer cette page.", "You may close this page.")],
        code: None,
        ask_contact: false,
        link: None,
        frame,
    };
    pages::page(&message)
}

impl Town {
    /// Ends the browser's session, then leads through ProConnect's logout, if it was ProConnect that signed in, to `target`
    /// or to a page that says that it is done. ProConnect's being down does not keep anybody signed in here.
    pub(crate) async fn depart(&self, visit: &Visit, target: Option<Url>) -> Result<Response, Problem> {
        let Some(signed_in) = self.close_session(visit) else {
            return match target {
                Some(target) => pages::see_other(target.as_str()),
                None => signed_out(self, visit),
            };
        };
        let state = self.random.token(STATE_LENGTH);
        let mut response = match self.provider_logout(&signed_in.id_token, &state).await {
            Some(url) => {
                if let Some(target) = target {
                    self.departures.0.lock().insert(&state, target, self.now());
                }
                leave_by_link(self, visit, &url)?
            }
            None => match target {
                Some(target) => pages::see_other(target.as_str())?,
                None => signed_out(self, visit)?,
            },
        };
        self.forget_session(&mut response);
        Ok(response)
    }

    /// Whom the hint was issued to; `None` if it is not one of ours. It may be old, as the standard says.
    async fn hinted_user(&self, query: &Query) -> Result<Option<String>, Problem> {
        let Some(claims) = self.hint(query).await? else { return Ok(None) };
        Ok(claims.get("sub").and_then(|sub| sub.as_str()).map(str::to_owned))
    }

    async fn hint(&self, query: &Query) -> Result<Option<serde_json::Value>, Problem> {
        let Some(hint) = &query.id_token_hint else { return Ok(None) };
        Ok(self.signing.key().await?.open(hint))
    }

    /// Where the client wants the browser back, if the client is known and the place is its own.
    async fn target(&self, query: &Query) -> Result<Option<Url>, Problem> {
        let Some(uri) = query.post_logout_redirect_uri.as_deref() else { return Ok(None) };
        let hint = self.hint(query).await?;
        let hinted = hint.as_ref().and_then(|claims| claims.get("aud")).and_then(|aud| aud.as_str());
        let client_id = hinted.or(query.client_id.as_deref()).ok_or(Problem::UnknownClient)?;
        let client = self.client(client_id)?.ok_or(Problem::UnknownClient)?;
        let mut target = redirect_uri::parse(uri).map_err(|_| Problem::BadRedirect)?;
        if !is_of(&client, uri, &target) {
            return Err(Problem::BadRedirect);
        }
        if let Some(state) = query.state.as_deref().filter(|state| state.len() <= STATE_BYTES_MAX) {
            target.query_pairs_mut().append_pair("state", state);
        }
        Ok(Some(target))
    }
}

/// A registered address, or one of the same site: Tchap Web 4.21 registers none for this and comes back to its own start.
fn is_of(client: &ClientMetadata, uri: &str, target: &Url) -> bool {
    let registered = || client.post_logout_redirect_uris.iter().chain(&client.redirect_uris);
    let same_site = |known: &String| Url::parse(known).is_ok_and(|known| known.origin() == target.origin());
    registered().any(|known| redirect_uri::is_same(known, uri))
        || target.scheme() == "https" && registered().any(same_site)
}

/// By redirect after a `GET`; after a form by a page with a link, since no form may lead to ProConnect.
fn leave_by_link(town: &Town, visit: &Visit, url: &Url) -> Result<Response, Problem> {
    if visit.method != http::Method::POST {
        return pages::see_other(url.as_str());
    }
    let frame = Frame::of(town, visit);
    let lang = frame.lang;
    let message = Message {
        title: lang.pick("Vous êtes déconnecté", "You are signed out"),
        paragraphs: vec![lang.pick(
            "Sur un poste partagé, déconnectez-vous aussi de ProConnect, sans quoi la personne suivante serait connectée à votre place.",
            "On a shared computer, sign out of ProConnect too, or else the next person would be signed in as you.",
        )],
        code: None,
        ask_contact: false,
        link: Some((url.as_str(), lang.pick("Se déconnecter de ProConnect", "Sign out of ProConnect"))),
        frame,
    };
    pages::page(&message)
}
