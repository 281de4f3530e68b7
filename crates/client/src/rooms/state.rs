//! `GET /rooms/{roomId}/state`, and `GET` and `PUT` of `/rooms/{roomId}/state/{eventType}/{stateKey}`.

use std::sync::Arc;

use rooms::{NewEvent, Standing};
use ruma_client_api::state::{
    get_state_event_for_key::{self, v3::StateEventFormat},
    get_state_events, send_state_event,
};
use ruma_common::serde::Raw;
use web::{Caller, Result};

use super::{membership_state::put_membership, shown::Shown, verbatim::Verbatim};
use crate::Town;

pub(super) async fn state(
    town: Arc<Town>,
    caller: Caller,
    ask: get_state_events::v3::Request,
) -> Result<get_state_events::v3::Response> {
    let root = match town.rooms.standing(&ask.room_id, &caller.user)? {
        Standing::Present => town.rooms.current_root(&ask.room_id)?,
        Standing::Left { state, .. } => state,
    };
    let mut shown = Shown::new(&town, &caller, &ask.room_id)?;
    let events = town.rooms.state_events(&ask.room_id, root)?;
    let rendered = events.iter().map(|event| Ok(Raw::from_json(shown.event(event)?))).collect::<Result<_>>()?;
    Ok(get_state_events::v3::Response::new(rendered))
}

pub(super) async fn get_state(
    town: Arc<Town>,
    caller: Caller,
    ask: Verbatim<get_state_event_for_key::v3::Request>,
) -> Result<get_state_event_for_key::v3::Response> {
    let (room, event_type, state_key) = (&ask.ask.room_id, ask.path(1), ask.path(2));
    let event = match town.rooms.standing(room, &caller.user)? {
        Standing::Present => town.rooms.current_state(room, event_type, state_key)?,
        Standing::Left { state, .. } => town.rooms.state_event(room, state, event_type, state_key)?,
    };
    let event = event.ok_or(rooms::Error::NoSuchState)?;
    let shown = match ask.ask.format {
        StateEventFormat::Event => Shown::new(&town, &caller, room)?.event(&event)?,
        _ => event.pdu.content().to_owned(),
    };
    Ok(get_state_event_for_key::v3::Response::new(shown))
}

pub(super) async fn put_state(
    town: Arc<Town>,
    caller: Caller,
    ask: Verbatim<send_state_event::v3::Request>,
) -> Result<send_state_event::v3::Response> {
    let (event_type, state_key) = (ask.path(1).to_owned(), ask.path(2).to_owned());
    let (room, content) = (ask.ask.room_id, ask.ask.body.into_json());
    if event_type == "m.room.member" {
        let event_id = put_membership(&town, &caller, &room, &state_key, &content).await?;
        return Ok(send_state_event::v3::Response::new(event_id));
    }
    let event = NewEvent { event_type, content, state_key: Some(state_key), redacts: None };
    let event_id = town.rooms.send(&town.actor(&caller.user)?, &room, event, None).await?;
    Ok(send_state_event::v3::Response::new(event_id))
}
