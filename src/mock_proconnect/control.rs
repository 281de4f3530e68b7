//! `/control`: the levers of the mock, for tests and demonstrations. Answers even while the rest is down.
//!
//! - `GET /control` the switches; `POST /control` sets them all: what is left out returns to its default.
//! - `GET /control/agents` everybody; `POST /control/agents/{key}` changes what is named, `PUT` adds or replaces an agent.
//!
//! Bodies must be `application/json`, which a page of another origin cannot send without being asked first.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{answer, provider::Provider};

pub(super) async fn get(State(provider): State<Arc<Provider>>) -> Response {
    answer::json(StatusCode::OK, &json!(provider.desk.lock().switches))
}

pub(super) async fn post(State(provider): State<Arc<Provider>>, headers: HeaderMap, body: Bytes) -> Response {
    match read(&headers, &body) {
        Ok(switches) => {
            let mut desk = provider.desk.lock();
            desk.switches = switches;
            answer::json(StatusCode::OK, &json!(desk.switches))
        }
        Err(unread) => unread.into_response(),
    }
}

pub(super) async fn get_agents(State(provider): State<Arc<Provider>>) -> Response {
    let desk = provider.desk.lock();
    let agents: Map<String, Value> = desk.agents.iter().map(|(key, agent)| (key.to_owned(), json!(agent))).collect();
    answer::json(StatusCode::OK, &Value::Object(agents))
}

pub(super) async fn post_agent(
    State(provider): State<Arc<Provider>>,
    Path(key): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match read(&headers, &body) {
        Ok(change) => match provider.desk.lock().agents.change(&key, change) {
            Some(agent) => answer::json(StatusCode::OK, &json!(agent)),
            None => refusal(StatusCode::NOT_FOUND, "there is no agent of that key"),
        },
        Err(unread) => unread.into_response(),
    }
}

pub(super) async fn put_agent(
    State(provider): State<Arc<Provider>>,
    Path(key): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match read(&headers, &body) {
        Ok(agent) => match provider.desk.lock().agents.put(&key, agent) {
            Ok(true) => answer::json(StatusCode::CREATED, &json!({})),
            Ok(false) => answer::json(StatusCode::OK, &json!({})),
            Err(reason) => refusal(StatusCode::BAD_REQUEST, reason),
        },
        Err(unread) => unread.into_response(),
    }
}

/// A body that is not what the endpoint takes. Nothing was changed.
enum Unread {
    NotJson,
    Malformed(serde_json::Error),
}

impl Unread {
    fn into_response(self) -> Response {
        match self {
            Self::NotJson => refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be application/json"),
            Self::Malformed(error) => refusal(StatusCode::BAD_REQUEST, &error.to_string()),
        }
    }
}

fn read<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Unread> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.starts_with("application/json") {
        return Err(Unread::NotJson);
    }
    serde_json::from_slice(body).map_err(Unread::Malformed)
}

fn refusal(status: StatusCode, reason: &str) -> Response {
    answer::json(status, &json!({ "error": reason }))
}
