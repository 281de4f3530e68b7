//! `POST /_matrix/client/v3/logout` and `/logout/all`: open also to the locked and to those whose token has expired
//! (spec, "Account locking" and "Soft logout").

use std::sync::Arc;

use kernel::id::{OwnedDeviceId, OwnedUserId};
use web::{Caller, Error, Json, Result, Visit};

use crate::Town;

pub(crate) async fn one(town: Arc<Town>, _: Option<Caller>, visit: Visit) -> Result<Json> {
    let (user, device) = owner(&town, &visit)?;
    town.accounts.end_session(&user, &device).await?;
    Ok(Json::text("{}"))
}

pub(crate) async fn all(town: Arc<Town>, _: Option<Caller>, visit: Visit) -> Result<Json> {
    let (user, _) = owner(&town, &visit)?;
    town.accounts.end_all_sessions(&user).await?;
    Ok(Json::text("{}"))
}

fn owner(town: &Town, visit: &Visit) -> Result<(OwnedUserId, OwnedDeviceId)> {
    let token = web::token::find(&visit.headers, &visit.uri)?.ok_or_else(Error::missing_token)?;
    let owner = town.accounts.token_owner(&token)?;
    owner.map(|(user, device, _)| (user, device)).ok_or_else(|| Error::unknown_token(false))
}
