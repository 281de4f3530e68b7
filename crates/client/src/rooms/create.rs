//! `POST /createRoom`.

use std::sync::Arc;

use kernel::{Kind, id::OwnedRoomAliasId};
use rooms::{CreateRoom, NewEvent, Preset, Visibility};
use ruma_client_api::room::{
    Visibility as AskedVisibility,
    create_room::v3::{Request, Response, RoomPreset},
};
use ruma_common::serde::Raw;
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};
use web::{Caller, Error, Result};

use super::invite::{invitee_of, no_third_party};
use crate::Town;

/// People that one request invites; more are invited one by one, under the limits of invites.
const INVITES_MAX: usize = 100;

pub(super) async fn create_room(town: Arc<Town>, caller: Caller, ask: Request) -> Result<Response> {
    let request = translate(&town, ask)?;
    let room_id = town.rooms.create(&town.actor(&caller.user)?, request).await?;
    Ok(Response::new(room_id))
}

fn translate(town: &Town, ask: Request) -> Result<CreateRoom> {
    if !ask.invite_3pid.is_empty() {
        return Err(no_third_party());
    }
    if ask.invite.len() > INVITES_MAX {
        return Err(Error::new(Kind::InvalidParam, format!("At most {INVITES_MAX} people are invited at once")));
    }
    let mut invite = Vec::with_capacity(ask.invite.len());
    for user in &ask.invite {
        if !invite.iter().any(|invitee: &rooms::Actor| invitee.user == *user) {
            invite.push(invitee_of(town, user)?);
        }
    }
    Ok(CreateRoom {
        version: ask.room_version.map(|version| version.as_str().to_owned()),
        visibility: match ask.visibility {
            AskedVisibility::Public => Visibility::Public,
            _ => Visibility::Private,
        },
        preset: ask.preset.map(preset).transpose()?,
        alias: ask.room_alias_name.as_deref().map(|name| local_alias(town, name)).transpose()?,
        name: ask.name,
        topic: ask.topic,
        invite,
        is_direct: ask.is_direct,
        creation_content: fields(ask.creation_content)?,
        initial_state: ask.initial_state.iter().map(|event| initial_event(event.json())).collect::<Result<_>>()?,
        power_level_content_override: fields(ask.power_level_content_override)?,
    })
}

fn preset(asked: RoomPreset) -> Result<Preset> {
    match asked {
        RoomPreset::PrivateChat => Ok(Preset::PrivateChat),
        RoomPreset::TrustedPrivateChat => Ok(Preset::TrustedPrivateChat),
        RoomPreset::PublicChat => Ok(Preset::PublicChat),
        other => Err(Error::new(Kind::InvalidParam, format!("There is no preset {}", other.as_str()))),
    }
}

/// The alias of this server with that name.
fn local_alias(town: &Town, name: &str) -> Result<OwnedRoomAliasId> {
    let wrong = || Error::new(Kind::InvalidParam, "This cannot be the name of an alias");
    if name.is_empty() || name.contains(|c: char| c == ':' || c.is_whitespace() || c.is_control()) {
        return Err(wrong());
    }
    format!("#{name}:{}", town.server_name).try_into().map_err(|_| wrong())
}

fn initial_event(json: &RawValue) -> Result<NewEvent> {
    #[derive(Deserialize)]
    struct Asked {
        #[serde(rename = "type")]
        event_type: String,
        #[serde(default)]
        state_key: String,
        content: Box<RawValue>,
    }
    let asked: Asked = serde_json::from_str(json.get())
        .map_err(|error| Error::new(Kind::BadJson, format!("initial_state: {error}")))?;
    Ok(NewEvent {
        event_type: asked.event_type,
        content: asked.content,
        state_key: Some(asked.state_key),
        redacts: None,
    })
}

/// The fields as they were written, those that ruma does not know included.
fn fields<T>(raw: Option<Raw<T>>) -> Result<Map<String, Value>> {
    let Some(raw) = raw else { return Ok(Map::new()) };
    serde_json::from_str(raw.json().get()).map_err(|error| Error::new(Kind::BadJson, error.to_string()))
}
