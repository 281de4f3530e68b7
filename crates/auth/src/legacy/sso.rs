//! `/login/sso/redirect` and the page that names where the login token goes (spec, "SSO client login"; hazard A6).
//!
//! A login token is the account. It is sent only to https, to this machine, or to the schemes of known applications; and
//! only after the person has read where, unless the tenant's file lists the address.

use std::sync::Arc;

use askama::Template;
use serde::Deserialize;
use url::Url;
use web::{Response, Visit};

use crate::{
    Settings, Town,
    browser::Session,
    flow::{Flow, Purpose},
    pages::{self, Frame},
    problem::Problem,
    settings::is_loopback,
};

pub(super) const PROVIDER: &str = "proconnect";

const URL_BYTES_MAX: usize = 2_048;
const HINT_BYTES_MAX: usize = 254;
/// Applications that come back by a scheme of their own: classic Element, SchildiChat, Tchap.
const KNOWN_SCHEMES: [&str; 6] = ["element", "riot", "schildichat", "tchap", "io.element.desktop", "fr.gouv.tchap"];

#[derive(Deserialize)]
struct Query {
    #[serde(rename = "redirectUrl")]
    redirect_url: Option<String>,
    login_hint: Option<String>,
}

#[derive(Deserialize)]
struct Form {
    csrf: String,
}

#[derive(Template)]
#[template(path = "sso_confirm.html")]
struct Confirm<'a> {
    frame: Frame,
    target: &'a str,
    /// The target is an application on this device, not a site.
    is_application: bool,
    name: String,
    action: String,
    csrf: String,
}

/// `GET /_matrix/client/v3/login/sso/redirect[/{provider}]?redirectUrl=…`
pub(crate) async fn redirect(town: Arc<Town>, visit: Visit) -> Result<Response, Problem> {
    if !["", PROVIDER].contains(&visit.param("provider")) {
        return Err(Problem::NotFound);
    }
    let query: Query = visit.query()?;
    let target =
        check(query.redirect_url.as_deref().unwrap_or_default(), &town.settings).ok_or(Problem::BadRedirect)?;
    let login_hint = query.login_hint.filter(|hint| hint.len() <= HINT_BYTES_MAX);
    let id = town.flows.start(
        Flow { purpose: Purpose::Sso(target), fresh: false, login_hint },
        town.random.as_ref(),
        town.now(),
    );
    pages::see_other(&town.url(&format!("/sso/{id}")))
}

/// `GET /sso/{flow}`
pub(crate) async fn confirm(town: Arc<Town>, visit: Visit) -> Result<Response, Problem> {
    let id = visit.param("flow");
    let flow = town.flows.get(id, town.now()).ok_or(Problem::Expired)?;
    let target = target(&flow)?;
    let Some(session) = town.session(&visit)? else {
        return pages::see_other(&town.url(&format!("/sign-in/{id}")));
    };
    if is_listed(target, &town.settings) {
        return town.send_token(id, &session).await;
    }
    let is_application = !matches!(target.scheme(), "http" | "https");
    let host = target.host_str().filter(|_| !is_application).unwrap_or(target.scheme());
    let page = Confirm {
        frame: Frame::of(&town, &visit),
        target: host,
        is_application,
        name: town.shown_name(&session.signed_in.user)?,
        action: format!("/sso/{id}"),
        csrf: session.csrf(),
    };
    pages::page_leading_to(&page, Some(target))
}

/// `POST /sso/{flow}`: the person read it and agreed.
pub(crate) async fn send(town: Arc<Town>, visit: Visit) -> Result<Response, Problem> {
    let form: Form = visit.form()?;
    let session = town.session_of_form(&visit, &form.csrf)?;
    town.send_token(visit.param("flow"), &session).await
}

fn target(flow: &Flow) -> Result<&Url, Problem> {
    match &flow.purpose {
        Purpose::Sso(target) => Ok(target),
        Purpose::Authorize(_) | Purpose::Page(_) => Err(Problem::NotFound),
    }
}

impl Town {
    async fn send_token(&self, id: &str, session: &Session) -> Result<Response, Problem> {
        let flow = self.flows.take(id, self.now()).ok_or(Problem::Expired)?;
        let mut target = target(&flow)?.clone();
        let token = self.accounts.issue_login_token(&session.signed_in.user).await?;
        target.query_pairs_mut().append_pair("loginToken", &token);
        pages::see_other(target.as_str())
    }
}

/// The URL, if a login token may go there at all and no reader can take it for another.
fn check(url: &str, settings: &Settings) -> Option<Url> {
    let plain = url.len() <= URL_BYTES_MAX
        && url.bytes().all(|byte| byte.is_ascii_graphic())
        && !url.contains(['\\', '<', '>', '"', '`', '{', '}', '|', '^']);
    if !plain {
        return None;
    }
    let parsed = Url::parse(url).ok()?;
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return None;
    }
    match parsed.scheme() {
        scheme @ ("http" | "https") => {
            // What browsers mend (`https:evil`, `https:///evil`) is not what a person reads.
            let rest = url.get(scheme.len()..)?.strip_prefix("://")?;
            let authority = rest.split(['/', '?', '#']).next()?;
            let readable = !authority.is_empty() && !authority.contains('@');
            (readable && parsed.has_host() && (scheme == "https" || is_loopback(&parsed))).then_some(parsed)
        }
        scheme => {
            let known = KNOWN_SCHEMES.contains(&scheme) || is_listed(&parsed, settings);
            // `query_pairs_mut` needs a path that is one.
            (known && !parsed.cannot_be_a_base()).then_some(parsed)
        }
    }
}

/// Of the same origin (for an application: scheme and host) as an address of the tenant's file, with a path that begins so.
fn is_listed(target: &Url, settings: &Settings) -> bool {
    settings.sso_redirects.iter().any(|listed| {
        let same_place = listed.scheme() == target.scheme()
            && listed.host() == target.host()
            && listed.port_or_known_default() == target.port_or_known_default();
        let below = target.path().strip_prefix(listed.path());
        same_place && below.is_some_and(|rest| rest.is_empty() || listed.path().ends_with('/') || rest.starts_with('/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ProConnect, Secret};

    fn settings() -> Settings {
        let proconnect = ProConnect::new("https://pc.example/api/v2".parse().unwrap(), "c", Secret::new("s"));
        let mut settings = Settings::new("https://matrix.metz.example".parse().unwrap(), proconnect);
        settings.sso_redirects =
            vec!["https://app.metz.example/web/".parse().unwrap(), "fr.metz.app:/login".parse().unwrap()];
        settings
    }

    /// Hazard A6.
    #[test]
    fn a_login_token_goes_only_where_a_person_can_read_it() {
        let settings = settings();
        for url in [
            "https://app.element.io/#/login",
            "https://hydrogen.element.io/",
            "http://localhost:8080/",
            "http://127.0.0.1:1234/cb?x=1",
            "element://connect",
            "tchap://connect",
            "io.element.desktop:/vector/webapp/",
            "fr.metz.app:/login",
        ] {
            assert!(check(url, &settings).is_some(), "{url}");
        }
        for url in [
            "",
            "/relative",
            "//evil.example",
            "\\\\evil.example",
            "\\evil.example",
            "/\\evil.example",
            "https:evil.example",
            "https:/evil.example",
            "https:///evil.example",
            "https:\\\\evil.example",
            "https://app.element.io@evil.example/",
            "https://app.element.io:pass@evil.example/",
            "https://app.element.io\\@evil.example/",
            "https://@evil.example/",
            "https://",
            "http://evil.example/",
            "http://localhost.evil.example/",
            "http://10.0.0.1/",
            "javascript:alert(1)",
            "javascript://app.element.io/%0aalert(1)",
            "data:text/html,x",
            "vbscript:x",
            "file:///etc/passwd",
            "evil://connect",
            "elementx://connect",
            "element:opaque",
            "fr.metz.app:/other",
            "com.evil.app:/",
            "https://evil.example/ x",
            "https://evil.example/\nx",
            "https://evil.example/\"><script>",
            "https://\u{435}lement.io/",
        ] {
            assert!(check(url, &settings).is_none(), "{url} was taken");
        }
    }

    #[test]
    fn only_listed_addresses_go_unasked() {
        let settings = settings();
        for (url, listed) in [
            ("https://app.metz.example/web/", true),
            ("https://app.metz.example/web/#/login", true),
            ("https://app.metz.example/webevil", false),
            ("https://app.metz.example/", false),
            ("https://app.metz.example:444/web/", false),
            ("http://app.metz.example/web/", false),
            ("https://app.metz.example.evil.example/web/", false),
            ("https://xapp.metz.example/web/", false),
            ("https://app.metz.example/web/../evil", false),
            ("fr.metz.app:/login", true),
            ("fr.metz.app:/loginevil", false),
        ] {
            assert_eq!(is_listed(&url.parse().unwrap(), &settings), listed, "{url}");
        }
    }
}
