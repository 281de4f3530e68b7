//! `/oauth2/userinfo`: whose token it is (OpenID Connect Core §5.3), and no more: names are in the Matrix profile.

use std::sync::Arc;

use serde_json::json;
use web::{Caller, Error, Json, Result, Visit};

use crate::Town;

pub(crate) async fn userinfo(_: Arc<Town>, caller: Option<Caller>, _: Visit) -> Result<Json> {
    let caller = caller.ok_or_else(Error::missing_token)?;
    Json::of(&json!({ "sub": caller.user }))
}
