//! Another server whose events are believed here: its users come into public rooms and go.

use async_trait::async_trait;
use events::{Draft, Pdu, RoomVersion, Signer};
use kernel::{
    Timestamp,
    id::{EventId, OwnedEventId, OwnedRoomId, OwnedServerName, RoomAliasId, RoomId, ServerName, UserId},
    random::SeededRandom,
};
use rooms::{
    AskedRooms, Gap, Handshake, JoinAnswer, OfferedInvite, Offline, Remote, RemoteKey, RemoteResult, RemoteTemplate,
    StateEvents, StateIds,
};
use serde_json::{Value, json};
use store::Direction;

use super::TestSite;

/// Gives its key, and answers nothing else.
pub(crate) struct Neighbour(Signer);

impl Neighbour {
    pub(crate) fn new(name: &str) -> Self {
        let secret = Signer::generate_secret(&SeededRandom::new(7));
        Self(Signer::from_secret(name.try_into().unwrap(), "1", &secret).unwrap())
    }
}

impl TestSite {
    /// A user of the neighbour joins (`join`) or leaves (`leave`) a public room.
    pub(crate) async fn member_abroad(&self, user: &UserId, room: &RoomId, membership: &str) {
        let rooms = &self.town.rooms;
        let state = |kind: &str, key: &str| {
            rooms.current_state(room, kind, key).unwrap().map(|event| event.pdu.event_id().to_owned())
        };
        // The rules of joining bear on a join alone.
        let join_rules = (membership == "join").then_some(("m.room.join_rules", ""));
        let auth_events = [("m.room.power_levels", ""), ("m.room.member", user.as_str())].into_iter().chain(join_rules);
        let content = json!({ "membership": membership, "displayname": user.localpart() });
        let draft = Draft {
            room_id: Some(room.to_owned()),
            sender: user.to_owned(),
            event_type: "m.room.member".to_owned(),
            state_key: Some(user.to_string()),
            content: serde_json::from_value(content).unwrap(),
            redacts: None,
            prev_events: state("m.room.member", user.as_str()).or(state("m.room.join_rules", "")).into_iter().collect(),
            auth_events: auth_events.filter_map(|(kind, key)| state(kind, key)).collect(),
            depth: 100,
            origin_server_ts: kernel::Clock::now(&*self.clock),
        };
        let pdu = draft.seal(RoomVersion::DEFAULT, &self.neighbour.0).unwrap();
        let received = rooms.receive(user.server_name(), vec![pdu.into_json()]).await;
        received.into_iter().next().unwrap().outcome.unwrap();
        let now = rooms.membership(room, user).unwrap().map(|membership| membership.as_str().to_owned());
        assert_eq!(now.as_deref(), Some(membership));
    }
}

impl TestSite {
    /// Eve of the neighbour invites a user (`invite`) to a room of hers, or takes the invite back (`leave`), which `after` names.
    pub(crate) async fn invite_from_abroad(
        &self,
        user: &UserId,
        membership: &str,
        after: &[OwnedEventId],
    ) -> (String, OwnedEventId) {
        let version = RoomVersion::V11;
        let room = RoomId::parse("!eves:nancy.example").unwrap();
        let draft = |kind: &str, key: &str, content: Value, prev_events: Vec<OwnedEventId>| Draft {
            room_id: Some(room.clone()),
            sender: UserId::parse("@eve:nancy.example").unwrap(),
            event_type: kind.to_owned(),
            state_key: Some(key.to_owned()),
            content: serde_json::from_value(content).unwrap(),
            redacts: None,
            auth_events: prev_events.clone(),
            prev_events,
            depth: 5,
            origin_server_ts: kernel::Clock::now(&*self.clock),
        };
        let create = draft("m.room.create", "", json!({ "room_version": "11" }), Vec::new());
        let create = create.seal(version, &self.neighbour.0).unwrap();
        let content = json!({ "membership": membership, "is_direct": true });
        let prev_events = if after.is_empty() { vec![create.event_id().to_owned()] } else { after.to_vec() };
        let member =
            draft("m.room.member", user.as_str(), content, prev_events).seal(version, &self.neighbour.0).unwrap();
        let (rooms, origin, id) = (&self.town.rooms, self.neighbour.0.server_name(), member.event_id().to_owned());
        if membership == "invite" {
            let stripped = vec![create.into_json()];
            let invite = OfferedInvite { event: member.into_json(), room_version: "11".to_owned(), stripped };
            rooms.receive_invite(origin, &room, &id, invite, |_| true).await.unwrap();
        } else {
            let received = rooms.receive(origin, vec![member.into_json()]).await;
            received.into_iter().next().unwrap().outcome.unwrap();
        }
        (room.to_string(), id)
    }
}

#[async_trait]
impl Remote for Neighbour {
    fn reaches(&self, server: &ServerName) -> bool {
        server == self.0.server_name()
    }

    async fn keys(&self, _: &[(OwnedServerName, String)], _: Timestamp) -> Vec<RemoteKey> {
        vec![RemoteKey {
            server: self.0.server_name().to_owned(),
            key_id: self.0.key_id().to_owned(),
            key: self.0.public_key(),
            valid_until: Timestamp(u64::MAX),
        }]
    }

    async fn template(
        &self,
        a: &ServerName,
        b: Handshake,
        c: &RoomId,
        d: &UserId,
        e: &[&str],
    ) -> RemoteResult<RemoteTemplate> {
        Offline.template(a, b, c, d, e).await
    }

    async fn send_join(&self, a: &ServerName, b: &RoomId, c: &Pdu) -> RemoteResult<JoinAnswer> {
        Offline.send_join(a, b, c).await
    }

    async fn send_leave(&self, a: &ServerName, b: &RoomId, c: &Pdu) -> RemoteResult<()> {
        Offline.send_leave(a, b, c).await
    }

    async fn send_knock(&self, a: &ServerName, b: &RoomId, c: &Pdu) -> RemoteResult<Vec<String>> {
        Offline.send_knock(a, b, c).await
    }

    async fn send_invite(&self, a: &ServerName, b: &Pdu, c: &str, d: &[String]) -> RemoteResult<String> {
        Offline.send_invite(a, b, c, d).await
    }

    async fn missing_events(&self, a: &ServerName, b: &RoomId, c: &Gap<'_>) -> RemoteResult<Vec<String>> {
        Offline.missing_events(a, b, c).await
    }

    async fn state_ids(&self, a: &ServerName, b: &RoomId, c: &EventId) -> RemoteResult<StateIds> {
        Offline.state_ids(a, b, c).await
    }

    async fn state(&self, a: &ServerName, b: &RoomId, c: &EventId) -> RemoteResult<StateEvents> {
        Offline.state(a, b, c).await
    }

    async fn event(&self, a: &ServerName, b: &EventId) -> RemoteResult<String> {
        Offline.event(a, b).await
    }

    async fn event_auth(&self, a: &ServerName, b: &RoomId, c: &EventId) -> RemoteResult<Vec<String>> {
        Offline.event_auth(a, b, c).await
    }

    async fn backfill(&self, a: &ServerName, b: &RoomId, c: &[OwnedEventId], d: usize) -> RemoteResult<Vec<String>> {
        Offline.backfill(a, b, c, d).await
    }

    async fn event_by_time(
        &self,
        a: &ServerName,
        b: &RoomId,
        c: Timestamp,
        d: Direction,
    ) -> RemoteResult<(OwnedEventId, Timestamp)> {
        Offline.event_by_time(a, b, c, d).await
    }

    async fn resolve_alias(&self, a: &RoomAliasId) -> RemoteResult<(OwnedRoomId, Vec<OwnedServerName>)> {
        Offline.resolve_alias(a).await
    }

    async fn public_rooms(&self, to: &ServerName, ask: &AskedRooms<'_>) -> RemoteResult<String> {
        Offline.public_rooms(to, ask).await
    }

    async fn hierarchy(&self, a: &ServerName, b: &RoomId, c: bool) -> RemoteResult<String> {
        Offline.hierarchy(a, b, c).await
    }
}
