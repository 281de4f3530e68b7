//! What is kept of each request: one log line and two metrics, without ids, tokens or bodies.

use std::{sync::Arc, time::Duration};

use http::{Method, StatusCode, Version};
use kernel::id::ServerName;
use metrics::SharedString;

/// A request and how it was answered.
pub(crate) struct Record<'a> {
    pub(crate) method: &'a Method,
    pub(crate) version: Version,
    /// The tenant, and the route's path with `{names}`; None if no route was reached: then the path is never written.
    pub(crate) reached: Option<(&'a ServerName, &'a Arc<str>)>,
    pub(crate) status: StatusCode,
    pub(crate) took: Duration,
}

impl Record<'_> {
    pub(crate) fn write(&self) {
        let method = method_text(self.method);
        let route = match self.reached {
            Some((_, template)) => SharedString::from(Arc::clone(template)),
            None => SharedString::const_str("none"),
        };
        let status = SharedString::from(self.status.as_str().to_owned());
        let labels = [("route", route.clone()), ("method", method.into()), ("status", status)];
        metrics::counter!("beffroi_http_requests_total", &labels).increment(1);
        metrics::histogram!("beffroi_http_request_seconds", "route" => route).record(self.took.as_secs_f64());
        tracing::info!(
            target: "access",
            tenant = self.reached.map_or("none", |(tenant, _)| tenant.as_str()),
            method,
            route = self.reached.map_or("none", |(_, template)| &**template),
            status = self.status.as_u16(),
            micros = u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX),
            http = ?self.version,
            "request"
        );
    }
}

/// The methods that routes have; a stranger's invention must not grow the metrics.
fn method_text(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}
