//! `POST /_matrix/client/v3/refresh`: new tokens for a session of the older API (spec, "Refreshing access tokens").

use std::sync::Arc;

use accounts::SessionKind;
use serde::Deserialize;
use web::{Caller, Error, Json, Result, Visit};

use super::login;
use crate::Town;

#[derive(Deserialize)]
struct Ask {
    refresh_token: String,
}

pub(crate) async fn refresh(town: Arc<Town>, _: Option<Caller>, visit: Visit) -> Result<Json> {
    let ask: Ask = visit.json()?;
    let unknown = || Error::unknown_token(false);
    // Unknown or retired: accounts tells the two apart.
    if let Some((.., SessionKind::Oauth { .. })) = town.accounts.token_owner(&ask.refresh_token)? {
        return Err(unknown());
    }
    match town.accounts.refresh(&ask.refresh_token).await {
        Ok(tokens) => Json::of(&login::answer(&tokens)),
        Err(accounts::Error::Replayed) => Err(unknown()),
        Err(error) => Err(error.into()),
    }
}
