//! Browsers: two cookies, and who is signed in behind the second.
//!
//! The first only tells browsers apart, so that an answer of ProConnect's is taken from the browser that asked (hazard
//! A10). The second is a session, made anew at each sign-in. Both are `__Host-` cookies that no script reads.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderValue, header};
use kernel::{Timestamp, id::OwnedUserId};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use web::{Response, Visit};

use crate::{
    Error, Secret, Town,
    expiring::{self, Expiring, Hash},
    problem::Problem,
};

const SESSIONS_MAX: usize = 20_000;
/// As long as ProConnect's own session.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);
/// How long a sign-in counts as just made (hazard K7).
const FRESH: Duration = Duration::from_secs(600);
const COOKIE_LENGTH: usize = 43;
const BROWSER: &str = "beffroi_browser";
const SESSION: &str = "beffroi_session";

/// A person who passed ProConnect in this browser.
#[derive(Clone)]
pub(crate) struct SignedIn {
    pub(crate) user: OwnedUserId,
    /// ProConnect's, to sign out there.
    pub(crate) id_token: Secret,
    /// When the person last proved by hand who they are, as ProConnect says.
    pub(crate) proven: Option<Timestamp>,
}

/// The session of a request.
pub(crate) struct Session {
    secret: String,
    pub(crate) signed_in: SignedIn,
}

impl Session {
    /// Goes into a form, so that no other site can send it (double submit, bound to the session).
    pub(crate) fn csrf(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(format!("csrf {}", self.secret)))
    }

    pub(crate) fn is_proven(&self, now: Timestamp) -> bool {
        self.signed_in.proven.is_some_and(|at| now.since(at) < FRESH)
    }
}

pub(crate) struct Browsers(Mutex<Expiring<SignedIn>>);

impl Browsers {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Expiring::new(SESSIONS_MAX, LIFETIME)))
    }
}

impl Town {
    /// Whether [`SignedIn::proven`] would count a proof of then as fresh.
    pub(crate) fn is_fresh(&self, at: Timestamp) -> bool {
        self.now().since(at) < FRESH
    }

    /// Who is signed in in this browser, if their account may be used at all.
    pub(crate) fn session(&self, visit: &Visit) -> Result<Option<Session>, Problem> {
        let Some(secret) = visit.cookie(&self.cookie_name(SESSION)) else { return Ok(None) };
        let Some(signed_in) = self.browsers.0.lock().get(secret, self.now()).cloned() else { return Ok(None) };
        let user = self.accounts.user(&signed_in.user).map_err(Error::from)?;
        let usable = user.is_some_and(|user| !user.deactivated && !user.locked && !user.suspended);
        Ok(usable.then(|| Session { secret: secret.to_owned(), signed_in }))
    }

    /// The session that a form was made for and is sent in.
    ///
    /// # Errors
    /// [`Problem::Expired`] without a session, with a form that this session was not given, or from another site's page.
    pub(crate) fn session_of_form(&self, visit: &Visit, csrf: &str) -> Result<Session, Problem> {
        let session = self.session(visit)?.ok_or(Problem::Expired)?;
        // Compared as hashes, so that the time taken tells nothing.
        let own = expiring::hash(&session.csrf()) == expiring::hash(csrf);
        if own && self.is_from_own_page(visit) { Ok(session) } else { Err(Problem::Expired) }
    }

    /// What browsers say of the page that sends a form, where they say it. Our pages have them send `Origin: null`, since
    /// they tell nobody where they are (`Referrer-Policy`).
    fn is_from_own_page(&self, visit: &Visit) -> bool {
        let origin = visit.header(header::ORIGIN);
        let own = self.settings.base_url.origin().ascii_serialization();
        matches!(visit.header("sec-fetch-site"), "" | "same-origin" | "none")
            && (matches!(origin, "" | "null") || origin == own)
    }

    /// Starts a session under a new secret, and has the browser told of it.
    pub(crate) fn open_session(&self, signed_in: SignedIn, response: &mut Response) {
        let secret = self.random.token(COOKIE_LENGTH);
        self.browsers.0.lock().insert(&secret, signed_in, self.now());
        self.set_cookie(response, SESSION, &secret, "");
    }

    /// Ends the session of this browser. Returns who was signed in.
    pub(crate) fn close_session(&self, visit: &Visit) -> Option<SignedIn> {
        let secret = visit.cookie(&self.cookie_name(SESSION))?;
        self.browsers.0.lock().remove(secret, self.now())
    }

    /// Ends the sessions of all browsers of a user whose account may not be used.
    pub(crate) fn close_sessions_of(&self, user: &kernel::id::UserId) {
        self.browsers.0.lock().retain(|signed_in| signed_in.user != user);
    }

    /// Which browser it is, as a hash; `None`: it has not been here.
    pub(crate) fn browser(&self, visit: &Visit) -> Option<Hash> {
        let secret = visit.cookie(&self.cookie_name(BROWSER)).filter(|secret| secret.len() == COOKIE_LENGTH)?;
        Some(expiring::hash(secret))
    }

    /// The same, given a name if it has none.
    pub(crate) fn name_browser(&self, visit: &Visit) -> (Hash, Option<String>) {
        match self.browser(visit) {
            Some(browser) => (browser, None),
            None => {
                let secret = self.random.token(COOKIE_LENGTH);
                (expiring::hash(&secret), Some(secret))
            }
        }
    }

    pub(crate) fn set_browser(&self, response: &mut Response, secret: &str) {
        self.set_cookie(response, BROWSER, secret, "");
    }

    pub(crate) fn forget_session(&self, response: &mut Response) {
        self.set_cookie(response, SESSION, "", "; Max-Age=0");
    }

    fn cookie_name(&self, name: &str) -> String {
        if self.is_secure() { format!("__Host-{name}") } else { name.to_owned() }
    }

    fn is_secure(&self) -> bool {
        self.settings.base_url.scheme() == "https"
    }

    fn set_cookie(&self, response: &mut Response, name: &str, value: &str, age: &str) {
        let secure = if self.is_secure() { "; Secure" } else { "" };
        let cookie = format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}", self.cookie_name(name));
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
}
