//! Another server, as far as its events go.

use events::{Draft, Pdu, RoomVersion, Signer, auth_types, canonical_content_of};
use kernel::{
    Clock, Timestamp,
    id::{OwnedEventId, OwnedUserId, RoomId, ServerName, UserId},
};
use rooms::RemoteKey;
use serde_json::{Value, json};

use crate::town::{Town, signer};

pub(crate) struct Neighbour<'a> {
    town: &'a Town,
    signer: Signer,
}

impl<'a> Neighbour<'a> {
    /// Whose key the town can have.
    pub(crate) fn of(town: &'a Town, server: &str) -> Self {
        let signer = signer(server);
        town.script.keys.lock().unwrap().push(RemoteKey {
            server: signer.server_name().to_owned(),
            key_id: signer.key_id().to_owned(),
            key: signer.public_key(),
            valid_until: Timestamp(u64::MAX),
        });
        Self { town, signer }
    }

    pub(crate) fn name(&self) -> &ServerName {
        self.signer.server_name()
    }

    pub(crate) fn user(&self, name: &str) -> OwnedUserId {
        OwnedUserId::try_from(format!("@{name}:{}", self.name())).unwrap()
    }

    /// An event behind these, authorized by what the room's state is now.
    pub(crate) fn event(
        &self,
        room: &RoomId,
        after: &[&Pdu],
        sender: &UserId,
        kind: &str,
        state_key: Option<&str>,
        content: Value,
    ) -> Pdu {
        self.draft(room, after, sender, kind, state_key, content).seal(self.version(room), &self.signer).unwrap()
    }

    /// A message whose sender is a member by an event that is not the room's state.
    pub(crate) fn resting_on(&self, room: &RoomId, after: &[&Pdu], sender: &UserId, member: &Pdu) -> Pdu {
        let mut draft = self.draft(room, after, sender, "m.room.message", None, json!({ "body": "here" }));
        let now = self.town.state(room, "m.room.member", sender.as_str());
        draft.auth_events.retain(|id| Some(id) != now.as_ref());
        draft.auth_events.push(member.event_id().to_owned());
        draft.seal(self.version(room), &self.signer).unwrap()
    }

    pub(crate) fn version(&self, room: &RoomId) -> RoomVersion {
        RoomVersion::parse(&self.town.rooms.summary(room).unwrap().room_version).unwrap()
    }

    fn draft(
        &self,
        room: &RoomId,
        after: &[&Pdu],
        sender: &UserId,
        kind: &str,
        state_key: Option<&str>,
        content: Value,
    ) -> Draft {
        let now = |kind: &str, key: &str| self.town.state(room, kind, key);
        self.draft_in(room, after, sender, (kind, state_key, content), now)
    }

    /// An event behind these, authorized by what the state is there.
    pub(crate) fn event_in(
        &self,
        room: &RoomId,
        after: &[&Pdu],
        sender: &UserId,
        what: (&str, Option<&str>, Value),
        state: impl Fn(&str, &str) -> Option<OwnedEventId>,
    ) -> Pdu {
        self.draft_in(room, after, sender, what, state).seal(self.version(room), &self.signer).unwrap()
    }

    fn draft_in(
        &self,
        room: &RoomId,
        after: &[&Pdu],
        sender: &UserId,
        (kind, state_key, content): (&str, Option<&str>, Value),
        state: impl Fn(&str, &str) -> Option<OwnedEventId>,
    ) -> Draft {
        let version = self.version(room);
        let redacts = content.get("redacts").and_then(|id| id.as_str()?.try_into().ok());
        let content = canonical_content_of(content).unwrap();
        let types = auth_types(version, kind, sender, state_key, &content).unwrap();
        let auth_events = types.iter().filter_map(|(kind, key)| state(kind, key)).collect();
        let prev_events: Vec<OwnedEventId> = after.iter().map(|event| event.event_id().to_owned()).collect();
        self.town.clock.advance(std::time::Duration::from_secs(1));
        Draft {
            room_id: Some(room.to_owned()),
            sender: sender.to_owned(),
            event_type: kind.to_owned(),
            state_key: state_key.map(str::to_owned),
            content,
            redacts,
            prev_events,
            auth_events,
            depth: after.iter().map(|event| event.depth()).max().unwrap_or_default() + 1,
            origin_server_ts: self.town.clock.now(),
        }
    }

    pub(crate) fn message(&self, room: &RoomId, after: &[&Pdu], sender: &UserId, text: &str) -> Pdu {
        self.event(room, after, sender, "m.room.message", None, json!({ "msgtype": "m.text", "body": text }))
    }

    pub(crate) fn member(&self, room: &RoomId, after: &[&Pdu], user: &UserId, membership: &str) -> Pdu {
        self.event(room, after, user, "m.room.member", Some(user.as_str()), json!({ "membership": membership }))
    }

    /// The town takes the user's membership in, behind its last event.
    pub(crate) async fn become_member(&self, room: &RoomId, user: &UserId, membership: &str, last: &Pdu) -> Pdu {
        let event = self.member(room, &[last], user, membership);
        self.send(&[&event]).await;
        event
    }

    pub(crate) async fn send(&self, events: &[&Pdu]) {
        for outcome in self.town.receive(self.name(), events).await {
            outcome.unwrap();
        }
    }
}
