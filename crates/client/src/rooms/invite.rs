//! `POST /rooms/{roomId}/invite`.

use std::sync::Arc;

use http::StatusCode;
use kernel::{Kind, id::UserId};
use rooms::Actor;
use ruma_client_api::membership::invite_user::v3::{InvitationRecipient, Request, Response};
use web::{Caller, Error, Result};

use crate::Town;

pub(super) async fn invite(town: Arc<Town>, caller: Caller, ask: Request) -> Result<Response> {
    let InvitationRecipient::UserId(recipient) = ask.recipient else { return Err(no_third_party()) };
    let invitee = invitee_of(&town, &recipient.user_id)?;
    let inviter = town.actor(&caller.user)?;
    town.rooms.invite(&inviter, &ask.room_id, &invitee, recipient.reason.as_deref(), false).await?;
    Ok(Response::new())
}

/// The invitee with the profile that their member event shows; somebody of another server shows none until they come.
///
/// # Errors
/// 404 for an account that should be here and is not: a wrong name should be seen when it is typed, not when nobody comes.
pub(super) fn invitee_of(town: &Town, user: &UserId) -> Result<Actor> {
    if user.server_name() != town.server_name {
        return Ok(Actor { user: user.to_owned(), display_name: None, avatar_url: None });
    }
    if !town.accounts.is_active(user)? {
        return Err(Error::new(Kind::NotFound, format!("There is no user {user}")));
    }
    town.actor(user)
}

/// No identity server, so nobody is invited by e-mail address.
pub(super) fn no_third_party() -> Error {
    let message = "People are invited by their Matrix id, not by e-mail address or telephone number";
    Error::custom(StatusCode::FORBIDDEN, "M_THREEPID_DENIED", message)
}
