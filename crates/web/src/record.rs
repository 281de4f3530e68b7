//! What is kept of each request: one log line and two metrics, without ids, tokens or bodies (hazard L15).

use std::{sync::Arc, time::Duration};

use http::{Method, StatusCode, Version};

/// `template` is the route's path with `{names}`; None for a request that reached no route, whose path is never written.
pub(crate) fn request(
    method: &Method,
    template: Option<&Arc<str>>,
    version: Version,
    status: StatusCode,
    took: Duration,
) {
    let route = template.map_or_else(|| metrics::SharedString::const_str("none"), |path| Arc::clone(path).into());
    let code = metrics::SharedString::from(status_text(status));
    metrics::counter!("beffroi_http_requests_total", "route" => route.clone(), "method" => method_text(method), "status" => code)
        .increment(1);
    metrics::histogram!("beffroi_http_request_seconds", "route" => route).record(took.as_secs_f64());
    tracing::info!(
        target: "access",
        method = method_text(method),
        route = template.map_or("none", |path| &**path),
        status = status.as_u16(),
        micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        http = ?version,
        "request"
    );
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

fn status_text(status: StatusCode) -> String {
    status.as_str().to_owned()
}
