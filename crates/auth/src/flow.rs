//! What a person is in the middle of: remembered from the click in a client to the way back to it.

use std::{sync::Arc, time::Duration};

use kernel::{Random, Timestamp};
use parking_lot::Mutex;
use url::Url;

use crate::{authorize::AuthorizationRequest, expiring::Expiring};

const FLOWS_MAX: usize = 4_096;
/// Time to find the telephone for the second factor.
const LIFETIME: Duration = Duration::from_secs(1_800);
const ID_LENGTH: usize = 32;

pub(crate) struct Flow {
    pub(crate) purpose: Purpose,
    /// A session of the browser does not do: the person must pass ProConnect now, by hand.
    pub(crate) fresh: bool,
    /// An e-mail address, for ProConnect's own page.
    pub(crate) login_hint: Option<String>,
}

pub(crate) enum Purpose {
    /// A client asked for authorization: on to the consent page.
    Authorize(Box<AuthorizationRequest>),
    /// An older client asked for a login token: on to the page that names where it goes.
    Sso(Url),
    /// A page of ours, as path and query.
    Page(String),
}

impl Flow {
    pub(crate) fn page(path: String) -> Self {
        Self { purpose: Purpose::Page(path), fresh: false, login_hint: None }
    }

    /// Where it goes on once the person is known.
    pub(crate) fn next(&self, id: &str) -> String {
        match &self.purpose {
            Purpose::Authorize(_) => format!("/consent/{id}"),
            Purpose::Sso(_) => format!("/sso/{id}"),
            Purpose::Page(path) => path.clone(),
        }
    }
}

pub(crate) struct Flows(Mutex<Expiring<Arc<Flow>>>);

impl Flows {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Expiring::new(FLOWS_MAX, LIFETIME)))
    }

    /// Returns the flow's id, which is secret as long as the person does not show the address bar to others.
    pub(crate) fn start(&self, flow: Flow, random: &dyn Random, now: Timestamp) -> String {
        let id = random.token(ID_LENGTH);
        self.0.lock().insert(&id, Arc::new(flow), now);
        id
    }

    pub(crate) fn get(&self, id: &str, now: Timestamp) -> Option<Arc<Flow>> {
        self.0.lock().get(id, now).cloned()
    }

    /// Ends it: of two requests at once, only one gets it.
    pub(crate) fn take(&self, id: &str, now: Timestamp) -> Option<Arc<Flow>> {
        self.0.lock().remove(id, now)
    }
}
