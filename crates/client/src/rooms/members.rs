//! `GET /rooms/{roomId}/members`.

use std::sync::Arc;

use rooms::{Event, Standing};
use ruma_client_api::membership::get_member_events::v3::{Request, Response};
use ruma_common::serde::Raw;
use serde::Deserialize;
use web::{Caller, Result};

use super::shown::Shown;
use crate::{Town, sync::Token};

pub(super) async fn members(town: Arc<Town>, caller: Caller, ask: Request) -> Result<Response> {
    let (room, user) = (&ask.room_id, &caller.user);
    let at = ask.at.as_deref().map(Token::boundary).transpose()?;
    let state = match (town.rooms.standing(room, user)?, at) {
        (Standing::Left { state, position }, Some(at)) if at.position >= position => state,
        (Standing::Left { state, .. }, None) => state,
        (_, Some(at)) => town.rooms.root_at(room, at.position)?,
        (Standing::Present, None) => town.rooms.current_root(room)?,
    };
    let wanted = |event: &Event| {
        let membership = membership_of(event);
        let is = |asked: &str| membership.as_deref() == Some(asked);
        event.pdu.kind() == "m.room.member"
            && ask.membership.as_ref().is_none_or(|asked| is(asked.as_str()))
            && ask.not_membership.as_ref().is_none_or(|asked| !is(asked.as_str()))
    };
    let mut shown = Shown::new(&town, &caller, room)?;
    let mut chunk = Vec::new();
    for event in town.rooms.state_events(room, state)?.iter().filter(|event| wanted(event)) {
        chunk.push(Raw::from_json(shown.event(event)?));
    }
    Ok(Response::new(chunk))
}

fn membership_of(event: &Event) -> Option<String> {
    #[derive(Deserialize)]
    struct Content {
        membership: Option<String>,
    }
    event.pdu.content_as::<Content>().ok()?.membership
}
