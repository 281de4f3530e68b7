//! `POST /oauth2/registration`: a client introduces itself (RFC 7591). Clients do so at each sign-in; equal metadata is one
//! client.

use std::sync::Arc;

use http::StatusCode;
use serde_json::Value;
use web::{Json, Response, Visit};

use crate::{
    Error, Town,
    client_metadata::ClientMetadata,
    oauth_error::{OauthError, no_store},
};

pub(crate) async fn register(town: Arc<Town>, visit: Visit) -> Result<Response, OauthError> {
    let metadata: ClientMetadata =
        visit.json().map_err(|_| OauthError::metadata("the metadata is not JSON of the known shape"))?;
    let metadata = metadata.check(town.settings.dev)?;
    let text = serde_json::to_string(&metadata).map_err(|_| Error::Unwritten("client metadata"))?;
    let client = town.accounts.register_client(&text).await.map_err(|error| match error {
        accounts::Error::TooMany { .. } => OauthError::metadata("no more clients can be registered now"),
        other => other.into(),
    })?;
    let mut answer = serde_json::to_value(&metadata).map_err(|_| Error::Unwritten("client metadata"))?;
    if let Value::Object(answer) = &mut answer {
        answer.insert("client_id".to_owned(), client.id.into());
        answer.insert("client_id_issued_at".to_owned(), client.registered.as_secs().into());
    }
    Ok(no_store(Json::text(answer.to_string()).status(StatusCode::CREATED)))
}

impl Town {
    /// A registered client's metadata, if there is such a client.
    pub(crate) fn client(&self, id: &str) -> Result<Option<ClientMetadata>, Error> {
        let Some(client) = self.accounts.oauth_client(id)? else { return Ok(None) };
        let metadata =
            serde_json::from_str(&client.metadata).map_err(|_| Error::Unwritten("stored client metadata"))?;
        Ok(Some(metadata))
    }
}
