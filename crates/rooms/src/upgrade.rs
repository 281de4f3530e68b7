//! Replacing a room by one of another version (spec, "Room upgrades").

use events::{RoomVersion, content::CreateContent};
use kernel::id::{OwnedRoomId, OwnedUserId, RoomId};
use serde_json::{Map, Value, json};

use crate::{
    Actor, CreateRoom, Error, NewEvent, Preset, Result, Rooms, Visibility,
    compose::raw,
    tables::{ALIASES, AliasRow, PUBLISHED, ROOM_ALIASES},
};

/// State that the new room takes over from the old one.
const CARRIED_OVER: [&str; 11] = [
    "m.room.join_rules",
    "m.room.history_visibility",
    "m.room.guest_access",
    "m.room.name",
    "m.room.topic",
    "m.room.avatar",
    "m.room.encryption",
    "m.room.server_acl",
    "m.room.related_groups",
    "m.room.policy",
    "im.vector.room.access_rules",
];

impl Rooms {
    /// Makes the new room, points the old one at it, and moves aliases and the directory's entry: one change, in one
    /// batch. Versions before 12 have no `additional_creators`.
    ///
    /// # Errors
    /// [`Error::UnsupportedRoomVersion`]; [`Error::Denied`] without the power to send `m.room.tombstone`.
    pub async fn upgrade(
        &self,
        actor: &Actor,
        room: &RoomId,
        version: &str,
        additional_creators: &[OwnedUserId],
    ) -> Result<OwnedRoomId> {
        let version = RoomVersion::parse(version)?;
        let mut old = self.change(room).await?;
        let powers = old.power_levels()?;
        if old.membership(&actor.user)? != Some(crate::Membership::Join)
            || !powers.may_send(&actor.user, "m.room.tombstone", true)
        {
            return Err(Error::Denied("You may not upgrade this room".to_owned()));
        }
        let mut request = self.successor(actor, room, version)?;
        if version.privileges_creators() && !additional_creators.is_empty() {
            request.creation_content.insert("additional_creators".to_owned(), json!(additional_creators));
            let users = request.power_level_content_override.get_mut("users").and_then(Value::as_object_mut);
            if let Some(users) = users {
                users.retain(|user, _| !additional_creators.iter().any(|creator| creator.as_str() == user));
            }
        }
        let mut new = self.found(actor, version, &request).await?;
        let id = new.room.id.clone();
        let content = json!({ "body": "This room has been replaced", "replacement_room": id });
        old.compose(actor, NewEvent::state("m.room.tombstone", "", &content)?, None)?;
        for alias in self.aliases(room)? {
            let Some(row) = self.inner.scope.get(&ALIASES, (alias.as_ref(),))? else { continue };
            new.batch.delete(&ROOM_ALIASES, (room, alias.as_ref()));
            new.batch.put(&ROOM_ALIASES, (id.as_ref(), alias.as_ref()), &());
            new.batch.put(&ALIASES, (alias.as_ref(),), &AliasRow { room_id: id.clone(), ..row });
        }
        if let Some(alias) = old.state("m.room.canonical_alias", "")? {
            let event = NewEvent { content: alias.content().to_owned(), ..empty_state("m.room.canonical_alias")? };
            new.compose(actor, event, None)?;
            if powers.may_send(&actor.user, "m.room.canonical_alias", true) {
                old.compose(actor, empty_state("m.room.canonical_alias")?, None)?;
            }
        }
        if self.is_published(room)? {
            new.batch.delete(&PUBLISHED, (room,));
        }
        restrict(&mut old, actor)?;
        new.commit_with(old).await?;
        Ok(id)
    }

    /// What to ask of the new room.
    fn successor(&self, actor: &Actor, room: &RoomId, version: RoomVersion) -> Result<CreateRoom> {
        let state = |event_type: &str| self.current_state(room, event_type, "");
        let create = state("m.room.create")?.ok_or(Error::NoSuchRoom)?;
        let mut creation_content: Map<String, Value> = create.pdu.content_as().unwrap_or_default();
        creation_content.remove("additional_creators");
        let predecessor = json!({ "room_id": room });
        creation_content.insert("predecessor".to_owned(), predecessor);
        let mut initial_state = Vec::new();
        for event_type in CARRIED_OVER {
            if let Some(event) = state(event_type)? {
                initial_state.push(NewEvent { content: event.pdu.content().to_owned(), ..empty_state(event_type)? });
            }
        }
        let levels = state("m.room.power_levels")?;
        let mut levels: Map<String, Value> = levels.and_then(|event| event.pdu.content_as().ok()).unwrap_or_default();
        if version.privileges_creators()
            && let Some(users) = levels.get_mut("users").and_then(Value::as_object_mut)
        {
            users.remove(actor.user.as_str());
        } else if !version.privileges_creators() {
            // Creators of the old room that stood above all levels stand at the top of the new one's.
            let create = CreateContent::of(&create.pdu).creators(&create.pdu, self.inner.room(room)?.version);
            let users = levels.entry("users").or_insert_with(|| json!({}));
            if let Some(users) = users.as_object_mut() {
                for creator in create {
                    users.entry(creator.to_string()).or_insert(json!(100));
                }
                users.entry(actor.user.to_string()).or_insert(json!(100));
            }
        }
        let visibility = if self.is_published(room)? { Visibility::Public } else { Visibility::Private };
        Ok(CreateRoom {
            version: Some(version.as_str().to_owned()),
            visibility,
            preset: Some(Preset::PrivateChat),
            creation_content,
            initial_state,
            power_level_content_override: levels,
            ..CreateRoom::default()
        })
    }
}

/// Nobody but those with power speaks in a room that was replaced, or brings people into it.
fn restrict(old: &mut crate::accept::Unit<'_>, actor: &Actor) -> Result<()> {
    let powers = old.power_levels()?;
    if !powers.may_send(&actor.user, "m.room.power_levels", true) {
        return Ok(());
    }
    let levels = old.state("m.room.power_levels", "")?;
    let mut content: Map<String, Value> = levels.and_then(|pdu| pdu.content_as().ok()).unwrap_or_default();
    let quiet = powers.users_default.saturating_add(50).max(50);
    for (field, now) in [("events_default", powers.events_default), ("invite", powers.invite)] {
        content.insert(field.to_owned(), json!(now.max(quiet)));
    }
    let event = NewEvent { content: raw(&Value::Object(content))?, ..empty_state("m.room.power_levels")? };
    match old.compose(actor, event, None) {
        Ok(_) | Err(Error::Denied(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn empty_state(event_type: &str) -> Result<NewEvent> {
    NewEvent::state(event_type, "", &json!({}))
}
