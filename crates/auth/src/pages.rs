//! Pages: how a template becomes an answer, and the headers that keep it safe (hazard A7).
//!
//! Everything works without scripts, and none may run. `form-action` names every place to which a form may lead, since
//! Chromium holds it against the redirects that follow a form too.

use askama::Template;
use http::{HeaderValue, StatusCode, header};
use url::Url;
use web::{Body, Response, Visit};

use crate::{Error, Lang, Town, problem::Problem};

/// What every page shows around its own part.
pub(crate) struct Frame {
    pub(crate) lang: Lang,
    pub(crate) service: String,
    pub(crate) contact: String,
}

impl Frame {
    pub(crate) fn of(town: &Town, visit: &Visit) -> Self {
        let lang = Lang::of(visit.header(header::ACCEPT_LANGUAGE), town.settings.default_lang);
        Self::new(town, lang)
    }

    pub(crate) fn new(town: &Town, lang: Lang) -> Self {
        Self { lang, service: town.settings.service_name.clone(), contact: town.settings.contact.clone() }
    }

    pub(crate) fn tag(&self) -> &'static str {
        self.lang.pick("fr", "en")
    }

    pub(crate) fn fr(&self) -> bool {
        self.lang == Lang::Fr
    }
}

/// A page whose forms lead nowhere but here.
pub(crate) fn page(template: &impl Template) -> Result<Response, Problem> {
    page_leading_to(template, None)
}

/// A page whose form may end at this URL.
pub(crate) fn page_leading_to(template: &impl Template, target: Option<&Url>) -> Result<Response, Problem> {
    let text = template.render().map_err(|_| Error::Unwritten("a page's template"))?;
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    guard(&mut response, target);
    Ok(response)
}

pub(crate) fn with_status(mut response: Response, status: StatusCode) -> Response {
    *response.status_mut() = status;
    response
}

/// To another page or place, by `GET`.
pub(crate) fn see_other(location: &str) -> Result<Response, Problem> {
    let location = HeaderValue::from_str(location).map_err(|_| Error::Unwritten("a redirect's target"))?;
    let mut response = with_status(Response::new(Body::empty()), StatusCode::SEE_OTHER);
    response.headers_mut().insert(header::LOCATION, location);
    guard(&mut response, None);
    Ok(response)
}

fn guard(response: &mut Response, target: Option<&Url>) {
    let target = target.map(|target| format!(" {}", source_of(target))).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'{target}; frame-ancestors 'none'; \
         base-uri 'none'"
    );
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// The URL as a source of a content security policy (CSP Level 3, §2.3.1): an origin, or an application's scheme.
fn source_of(url: &Url) -> String {
    match url.scheme() {
        "http" | "https" => url.origin().ascii_serialization(),
        scheme => format!("{scheme}:"),
    }
}
