//! `openid/userinfo`: who gave a token to whoever shows it, be that a server of the federation or not.

use std::sync::Arc;

use ruma_federation_api::openid::get_openid_userinfo::v1::{Request, Response};

use crate::Town;

pub(super) async fn user_info(town: Arc<Town>, ask: Request) -> web::Result<Response> {
    Ok(Response::new(town.accounts.openid_user(&ask.access_token)?))
}
