//! The devices of an account: a list, one of them, and its end.

use std::sync::Arc;

use accounts::{SessionInfo, SessionKind};
use askama::Template;
use kernel::{
    Timestamp,
    id::{DeviceId, UserId},
};
use serde::Deserialize;
use web::{Response, Visit};

use crate::{
    Error, Town,
    browser::Session,
    pages::{self, Frame},
    problem::Problem,
};

/// A session as a page shows it.
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The host of the application, where it is known.
    pub(crate) host: String,
    pub(crate) started: String,
    pub(crate) seen: String,
    pub(crate) ip: String,
    /// Query of its own page.
    pub(crate) query: String,
}

#[derive(Template)]
#[template(path = "device.html")]
struct Page {
    frame: Frame,
    device: Shown,
    /// The person came to end it.
    ending: bool,
    csrf: String,
}

#[derive(Deserialize)]
struct Form {
    csrf: String,
    device_id: String,
}

pub(crate) fn list(town: &Town, user: &UserId) -> Result<Vec<Shown>, Error> {
    let mut sessions = town.accounts.sessions(user)?;
    sessions.sort_by_key(|session| std::cmp::Reverse(session.last_seen_at.unwrap_or(session.started)));
    sessions.into_iter().map(|session| town.shown_device(session)).collect()
}

pub(crate) fn view(
    town: &Town,
    visit: &Visit,
    session: &Session,
    device: &str,
    ending: bool,
) -> Result<Response, Problem> {
    let mut sessions = town.accounts.sessions(&session.signed_in.user)?.into_iter();
    let found = sessions.find(|session| session.device.as_str() == device).ok_or(Problem::NotFound)?;
    let device = town.shown_device(found)?;
    pages::page(&Page { frame: Frame::of(town, visit), device, ending, csrf: session.csrf() })
}

/// `POST /account/device`: ends its session and deletes it.
pub(crate) async fn end(town: Arc<Town>, visit: Visit) -> Result<Response, Problem> {
    let form: Form = visit.form()?;
    let session = town.session_of_form(&visit, &form.csrf)?;
    let device: &DeviceId = (*form.device_id).into();
    town.accounts.end_session(&session.signed_in.user, device).await?;
    pages::see_other(&town.url("/account/?action=org.matrix.devices_list"))
}

impl Town {
    fn shown_device(&self, session: SessionInfo) -> Result<Shown, Error> {
        let host = match &session.kind {
            SessionKind::Oauth { client_id, .. } => self.client(client_id)?.map(|client| client.shown_host()),
            SessionKind::Legacy | SessionKind::Service => None,
        };
        let id = session.device.to_string();
        let pairs = [("action", "org.matrix.device_view"), ("device_id", &*id)];
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        Ok(Shown {
            name: session.display_name.unwrap_or_else(|| id.clone()),
            host: host.unwrap_or_default(),
            started: date(session.started),
            seen: session.last_seen_at.map(date).unwrap_or_default(),
            ip: session.last_seen_ip.unwrap_or_default(),
            query,
            id,
        })
    }
}

/// `2026-11-24 04:18 UTC`, which both languages read (days from the civil calendar by Howard Hinnant's algorithm).
fn date(at: Timestamp) -> String {
    let minutes = at.as_secs() / 60;
    let days = minutes / 1_440 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60 % 24, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (secs, expected) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_795_493_880, "2026-11-24 04:18 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(date(Timestamp(secs * 1_000)), expected);
        }
    }
}
