//! What rooms ask of other servers.

use async_trait::async_trait;
use events::Pdu;
use kernel::{
    Timestamp,
    id::{EventId, OwnedEventId, OwnedRoomId, OwnedServerName, RoomAliasId, RoomId, RoomVersionId, ServerName, UserId},
};
use rooms::{
    AskedRooms, Gap, Handshake, JoinAnswer, Remote, RemoteError, RemoteKey, RemoteResult, RemoteTemplate, StateEvents,
    StateIds,
};
use ruma_common::{MilliSecondsSinceUnixEpoch, api::Direction as AskedDirection};
use ruma_federation_api::{
    authorization::get_event_authorization::v1 as get_event_auth,
    backfill::get_backfill::v1 as get_backfill,
    directory::get_public_rooms_filtered::v1 as get_public_rooms,
    event::{
        get_event::v1 as get_event, get_event_by_timestamp::v1 as get_event_by_timestamp,
        get_missing_events::v1 as get_missing_events, get_room_state::v1 as get_state,
        get_room_state_ids::v1 as get_state_ids,
    },
    membership::{
        RawStrippedState, create_invite::v2 as send_invite, create_join_event::v2 as send_join,
        create_knock_event::v1 as send_knock, create_leave_event::v2 as send_leave,
        prepare_join_event::v1 as make_join, prepare_knock_event::v1 as make_knock,
        prepare_leave_event::v1 as make_leave,
    },
    query::get_room_information::v1 as query_directory,
    space::get_hierarchy::v1 as get_hierarchy,
};
use serde_json::value::RawValue;
use store::Direction;

use super::{
    Peers,
    ask::{Patience, text, texts},
};

/// Events of one state, or of one auth chain.
const STATE_EVENTS_MAX: usize = 200_000;
/// Events of the stripped state of a knock or an invite.
pub(crate) const STRIPPED_EVENTS_MAX: usize = 100;
/// Servers that an alias's server names for its room.
const ALIAS_SERVERS_MAX: usize = 50;

#[async_trait]
impl Remote for Peers {
    fn reaches(&self, server: &ServerName) -> bool {
        self.link.wall.allows(server)
    }

    async fn keys(&self, wanted: &[(OwnedServerName, String)], sent_at: Timestamp) -> Vec<RemoteKey> {
        self.keys.find(wanted, sent_at).await
    }

    async fn template(
        &self,
        to: &ServerName,
        handshake: Handshake,
        room: &RoomId,
        user: &UserId,
        versions: &[&str],
    ) -> RemoteResult<RemoteTemplate> {
        let (room, user) = (room.to_owned(), user.to_owned());
        let versions: Vec<_> = versions.iter().filter_map(|version| RoomVersionId::try_from(*version).ok()).collect();
        let patience = Patience::HANDSHAKE;
        let (version, event) = match handshake {
            Handshake::Join => {
                let mut request = make_join::Request::new(room, user);
                request.ver = versions;
                let answer = self.link.ask(to, request, patience).await?;
                (answer.room_version, answer.event)
            }
            Handshake::Leave => {
                let answer = self.link.ask(to, make_leave::Request::new(room, user), patience).await?;
                (answer.room_version, answer.event)
            }
            Handshake::Knock => {
                let mut request = make_knock::Request::new(room, user);
                request.ver = versions;
                let answer = self.link.ask(to, request, patience).await?;
                (Some(answer.room_version), answer.event)
            }
        };
        Ok(RemoteTemplate { room_version: version.map(|version| version.to_string()), event: text(event) })
    }

    async fn send_join(&self, to: &ServerName, room: &RoomId, event: &Pdu) -> RemoteResult<JoinAnswer> {
        let request = send_join::Request::new(room.to_owned(), event.event_id().to_owned(), raw(to, event.json())?);
        let state = self.link.ask(to, request, Patience::JOIN).await?.room_state;
        Ok(JoinAnswer {
            event: state.event.map(text),
            state: all_texts(to, state.state)?,
            auth_chain: all_texts(to, state.auth_chain)?,
        })
    }

    async fn send_leave(&self, to: &ServerName, room: &RoomId, event: &Pdu) -> RemoteResult<()> {
        let request = send_leave::Request::new(room.to_owned(), event.event_id().to_owned(), raw(to, event.json())?);
        self.link.ask(to, request, Patience::HANDSHAKE).await.map(|_| ())
    }

    async fn send_knock(&self, to: &ServerName, room: &RoomId, event: &Pdu) -> RemoteResult<Vec<String>> {
        let request = send_knock::Request::new(room.to_owned(), event.event_id().to_owned(), raw(to, event.json())?);
        let stripped = self.link.ask(to, request, Patience::HANDSHAKE).await?.knock_room_state;
        Ok(stripped.into_iter().take(STRIPPED_EVENTS_MAX).filter_map(stripped_text).collect())
    }

    async fn send_invite(
        &self,
        to: &ServerName,
        event: &Pdu,
        room_version: &str,
        stripped_state: &[String],
    ) -> RemoteResult<String> {
        let version = RoomVersionId::try_from(room_version).map_err(|_| RemoteError::Malformed(to.to_owned()))?;
        let stripped = stripped_state.iter().map(|event| raw(to, event).map(RawStrippedState::Pdu));
        let request = send_invite::Request::new(
            event.room_id().to_owned(),
            event.event_id().to_owned(),
            version,
            raw(to, event.json())?,
            stripped.collect::<RemoteResult<_>>()?,
        );
        Ok(text(self.link.ask(to, request, Patience::HANDSHAKE).await?.event))
    }

    async fn missing_events(&self, to: &ServerName, room: &RoomId, gap: &Gap<'_>) -> RemoteResult<Vec<String>> {
        let (earliest, latest) = (gap.earliest.to_vec(), gap.latest.to_vec());
        let mut request = get_missing_events::Request::new(room.to_owned(), earliest, latest);
        request.limit = u32::try_from(gap.limit).unwrap_or(u32::MAX).into();
        request.min_depth = gap.min_depth.try_into().unwrap_or_default();
        Ok(texts(self.link.ask(to, request, Patience::EVENTS).await?.events, gap.limit))
    }

    async fn state_ids(&self, to: &ServerName, room: &RoomId, at: &EventId) -> RemoteResult<StateIds> {
        let request = get_state_ids::Request::new(at.to_owned(), room.to_owned());
        let answer = self.link.ask(to, request, Patience::STATE).await?;
        if answer.pdu_ids.len().max(answer.auth_chain_ids.len()) > STATE_EVENTS_MAX {
            return Err(RemoteError::Malformed(to.to_owned()));
        }
        Ok(StateIds { state: answer.pdu_ids, auth_chain: answer.auth_chain_ids })
    }

    async fn state(&self, to: &ServerName, room: &RoomId, at: &EventId) -> RemoteResult<StateEvents> {
        let request = get_state::Request::new(at.to_owned(), room.to_owned());
        let answer = self.link.ask(to, request, Patience::STATE).await?;
        Ok(StateEvents { state: all_texts(to, answer.pdus)?, auth_chain: all_texts(to, answer.auth_chain)? })
    }

    async fn event(&self, to: &ServerName, id: &EventId) -> RemoteResult<String> {
        let request = get_event::Request::new(id.to_owned());
        Ok(text(self.link.ask(to, request, Patience::LOOKUP).await?.pdu))
    }

    async fn event_auth(&self, to: &ServerName, room: &RoomId, id: &EventId) -> RemoteResult<Vec<String>> {
        let request = get_event_auth::Request::new(room.to_owned(), id.to_owned());
        all_texts(to, self.link.ask(to, request, Patience::EVENTS).await?.auth_chain)
    }

    async fn backfill(
        &self,
        to: &ServerName,
        room: &RoomId,
        from: &[OwnedEventId],
        limit: usize,
    ) -> RemoteResult<Vec<String>> {
        let asked = u32::try_from(limit).unwrap_or(u32::MAX).into();
        let request = get_backfill::Request::new(room.to_owned(), from.to_vec(), asked);
        Ok(texts(self.link.ask(to, request, Patience::EVENTS).await?.pdus, limit))
    }

    async fn event_by_time(
        &self,
        to: &ServerName,
        room: &RoomId,
        at: Timestamp,
        direction: Direction,
    ) -> RemoteResult<(OwnedEventId, Timestamp)> {
        let at = MilliSecondsSinceUnixEpoch(at.0.try_into().map_err(|_| RemoteError::NotFound(to.to_owned()))?);
        let direction = match direction {
            Direction::Forward => AskedDirection::Forward,
            Direction::Backward => AskedDirection::Backward,
        };
        let request = get_event_by_timestamp::Request::new(room.to_owned(), at, direction);
        let answer = self.link.ask(to, request, Patience::LOOKUP).await?;
        Ok((answer.event_id, Timestamp(answer.origin_server_ts.0.into())))
    }

    async fn resolve_alias(&self, alias: &RoomAliasId) -> RemoteResult<(OwnedRoomId, Vec<OwnedServerName>)> {
        let request = query_directory::Request::new(alias.to_owned());
        let mut answer = self.link.ask(alias.server_name(), request, Patience::LOOKUP).await?;
        answer.servers.truncate(ALIAS_SERVERS_MAX);
        Ok((answer.room_id, answer.servers))
    }

    async fn public_rooms(&self, to: &ServerName, ask: &AskedRooms<'_>) -> RemoteResult<String> {
        let mut request = get_public_rooms::Request::new();
        request.limit = Some(u32::try_from(ask.limit).unwrap_or(u32::MAX).into());
        request.since = ask.since.map(str::to_owned);
        request.filter.generic_search_term = ask.term.map(str::to_owned);
        request.filter.room_types = ask.room_types.iter().map(|kind| kind.map(str::to_owned).into()).collect();
        self.link.ask_text(to, request, Patience::LOOKUP).await
    }

    async fn hierarchy(&self, to: &ServerName, room: &RoomId, suggested_only: bool) -> RemoteResult<String> {
        let mut request = get_hierarchy::Request::new(room.to_owned());
        request.suggested_only = suggested_only;
        self.link.ask_text(to, request, Patience::LOOKUP).await
    }
}

/// An event, or another JSON text that rooms have built.
fn raw(to: &ServerName, json: &str) -> RemoteResult<Box<RawValue>> {
    RawValue::from_string(json.to_owned()).map_err(|_| RemoteError::Malformed(to.to_owned()))
}

/// The texts of all events: of a state that is cut short nothing can be made.
fn all_texts(from: &ServerName, events: Vec<Box<RawValue>>) -> RemoteResult<Vec<String>> {
    if events.len() > STATE_EVENTS_MAX {
        return Err(RemoteError::Malformed(from.to_owned()));
    }
    Ok(texts(events, STATE_EVENTS_MAX))
}

pub(crate) fn stripped_text(event: RawStrippedState) -> Option<String> {
    // Servers before Matrix 1.16 send no whole events there, and ruma keeps their form apart.
    serde_json::value::to_raw_value(&event).ok().map(text)
}
