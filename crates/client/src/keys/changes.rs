//! `GET /keys/changes`: whose devices changed between two syncs.

use std::sync::Arc;

use ruma_client_api::keys::get_key_changes::v3::{Request, Response};
use web::Rate;

use crate::{Town, sync::Token};

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(changes).limited(Rate::Keys);
}

async fn changes(town: Arc<Town>, caller: web::Caller, ask: Request) -> web::Result<Response> {
    let (from, to) = (Token::parse(&ask.from)?.position, Token::parse(&ask.to)?.position);
    let lists = crate::sync::device_lists(&town, &caller.user, from, to.min(town.accounts.position()))?;
    Ok(Response::new(lists.changed, lists.left))
}
