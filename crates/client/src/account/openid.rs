//! `POST /user/{userId}/openid/request_token`: a token by which a widget or another service learns who its user is.

use std::sync::Arc;

use ruma_client_api::account::request_openid_token::v3::{Request, Response};
use ruma_common::authentication::TokenType;
use web::Rate;

use super::own;
use crate::Town;

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(request_token).limited(Rate::Login);
}

async fn request_token(town: Arc<Town>, caller: web::Caller, ask: Request) -> web::Result<Response> {
    own(&caller, &ask.user_id)?;
    let (token, lifetime) = town.accounts.openid_token(&caller.user).await?;
    Ok(Response::new(token, TokenType::Bearer, town.server_name.clone(), lifetime))
}
