//! `/api/v2/interaction/{id}`: the page on which a person, or a script, says which sample agent signs in.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, State},
    response::Response,
};

use super::{
    pages::{self, Choice},
    params::Params,
    provider::Provider,
    refusal::Refusal,
    sign_in,
};

/// Agents on the page; load tests add more, and name theirs by `login_hint`.
const CHOICES_MAX: usize = 100;

pub(super) async fn get(State(provider): State<Arc<Provider>>, Path(id): Path<String>) -> Response {
    let desk = provider.desk.lock();
    let Some(request) = desk.interactions.get(&id, provider.now()) else {
        return lost(&provider);
    };
    let hinted = request.login_hint.as_deref().and_then(|email| desk.agents.key_of_email(email));
    let mut choices: Vec<Choice<'_>> = desk
        .agents
        .iter()
        .filter(|(key, _)| Some(*key) != hinted)
        .take(CHOICES_MAX)
        .map(|(key, agent)| Choice::new(key, agent, false))
        .collect();
    if let Some((key, agent)) = hinted.and_then(|key| Some((key, desk.agents.get(key)?))) {
        choices.insert(0, Choice::new(key, agent, true));
    }
    pages::choose(&request.client_id, choices)
}

/// Form: `agent`, the key of one.
pub(super) async fn post(State(provider): State<Arc<Provider>>, Path(id): Path<String>, body: Bytes) -> Response {
    let now = provider.now();
    let mut desk = provider.desk.lock();
    let Some(request) = desk.interactions.get(&id, now).cloned() else {
        return lost(&provider);
    };
    let key = Params::parse(&body).and_then(|form| form.get("agent").map(str::to_owned));
    let Some(key) = key.filter(|key| desk.agents.get(key).is_some()) else {
        let message = "agent must be the key of one".to_owned();
        return Refusal::Page { code: "Y500001", message }.into_response(&provider.issuer);
    };
    desk.interactions.take(&id, now);
    sign_in::agent(&provider, &mut desk, request, &key, now)
}

fn lost(provider: &Provider) -> Response {
    let message = "the interaction has ended, expired or never begun".to_owned();
    Refusal::Page { code: "Y190001", message }.into_response(&provider.issuer)
}
