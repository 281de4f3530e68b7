//! Spaces: rooms that name other rooms, walked from a root down (spec, "Spaces"); and which rooms a user may look at from
//! outside.

use std::collections::HashSet;

use events::content::{HistoryVisibility, JoinRule, JoinRulesContent, history_visibility};
use kernel::{
    Timestamp,
    id::{OwnedRoomId, RoomId, UserId},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Error, Event, Membership, Result, Rooms, Summary, tables::STATE_NOW};

/// Rooms that one walk visits at most, those that the user may not see included.
const VISITED_MAX: usize = 2_000;
/// Children of one space that are looked at.
const CHILDREN_MAX: usize = 1_000;

/// Which part of a space's hierarchy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpaceQuery {
    /// How many steps from the root; no limit when `None`.
    pub depth_max: Option<usize>,
    pub suggested_only: bool,
}

/// A room of a hierarchy.
#[derive(Clone, Debug)]
pub struct SpaceRoom {
    pub room_id: OwnedRoomId,
    pub summary: Summary,
    /// Its `m.space.child` events as stripped state with `origin_server_ts`, JSON texts; none unless it is a space.
    pub children: Vec<String>,
}

/// Some rooms of a hierarchy, in the order of the walk.
#[derive(Clone, Debug, Default)]
pub struct SpacePage {
    pub rooms: Vec<SpaceRoom>,
    /// There are rooms after these.
    pub more: bool,
}

/// A link from a space to a room in it, by what the specification orders them: those with an `order` first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Child {
    unordered: bool,
    order: Option<String>,
    sent: Timestamp,
    room: OwnedRoomId,
    json: String,
}

impl Rooms {
    /// Whether the user may be told what the room is: they are in it or invited, or it is open to them or to all.
    pub fn may_preview(&self, room: &RoomId, user: &UserId) -> Result<bool> {
        match self.membership(room, user)? {
            Some(Membership::Join | Membership::Invite | Membership::Knock) => return Ok(true),
            Some(Membership::Ban) => return Ok(false),
            _ => {}
        }
        let visibility = self.current_state(room, "m.room.history_visibility", "")?;
        if visibility.is_some_and(|event| history_visibility(&event.pdu) == HistoryVisibility::WorldReadable) {
            return Ok(true);
        }
        let Some(rules) = self.current_state(room, "m.room.join_rules", "")? else { return Ok(false) };
        let rules = JoinRulesContent::of(&rules.pdu);
        match rules.join_rule {
            JoinRule::Public | JoinRule::Knock | JoinRule::KnockRestricted => Ok(true),
            JoinRule::Invite | JoinRule::Private => Ok(false),
            JoinRule::Restricted => {
                for allowed in &rules.allowed_rooms {
                    if self.membership(allowed, user)? == Some(Membership::Join) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    /// A page of the rooms below `root` that the user may look at, each once, depth first.
    ///
    /// # Errors
    /// [`Error::NotMember`] for a root that they may not look at or that is not there.
    pub fn space(
        &self,
        root: &RoomId,
        user: &UserId,
        query: &SpaceQuery,
        skip: usize,
        limit: usize,
    ) -> Result<SpacePage> {
        if !self.may_preview(root, user)? {
            return Err(Error::NotMember);
        }
        let mut page = SpacePage::default();
        let (mut shown, mut visited) = (0, HashSet::new());
        let mut to_visit = vec![(root.to_owned(), 0)];
        while let Some((room, depth)) = to_visit.pop() {
            if visited.len() >= VISITED_MAX || !visited.insert(room.clone()) || !self.may_preview(&room, user)? {
                continue;
            }
            if page.rooms.len() >= limit {
                page.more = true;
                return Ok(page);
            }
            let summary = self.summary(&room)?;
            let is_space = summary.room_type.as_deref() == Some("m.space");
            let children = if is_space { self.children(&room, query.suggested_only)? } else { Vec::new() };
            if query.depth_max.is_none_or(|max| depth < max) {
                to_visit.extend(children.iter().rev().map(|child| (child.room.clone(), depth + 1)));
            }
            if shown >= skip {
                let children = children.into_iter().map(|child| child.json).collect();
                page.rooms.push(SpaceRoom { room_id: room, summary, children });
            }
            shown += 1;
        }
        Ok(page)
    }

    fn children(&self, room: &RoomId, suggested_only: bool) -> Result<Vec<Child>> {
        let scan = self.inner.scope.scan(&STATE_NOW, (room, "m.space.child")).limit(CHILDREN_MAX);
        let ids: Vec<_> = scan.rows()?.into_iter().map(|(_, id)| id.0).collect();
        let events = self.inner.events(&*self.inner.room(room)?, &ids)?;
        let mut children: Vec<_> = events.iter().filter_map(|event| child(event, suggested_only)).collect();
        children.sort_unstable();
        Ok(children)
    }
}

/// The link that the event makes; none without `via`, as after its redaction.
fn child(event: &Event, suggested_only: bool) -> Option<Child> {
    #[derive(Deserialize)]
    struct Content {
        via: Vec<String>,
        order: Option<serde_json::Value>,
        suggested: Option<serde_json::Value>,
    }
    #[derive(Serialize)]
    struct Stripped<'a> {
        content: &'a RawValue,
        origin_server_ts: Timestamp,
        sender: &'a UserId,
        state_key: &'a str,
        r#type: &'a str,
    }
    let pdu = &event.pdu;
    let content: Content = pdu.content_as().ok()?;
    let suggested = content.suggested == Some(serde_json::Value::Bool(true));
    if content.via.is_empty() || (suggested_only && !suggested) {
        return None;
    }
    let state_key = pdu.state_key()?;
    let (sent, sender) = (pdu.origin_server_ts(), pdu.sender());
    let stripped = Stripped { content: pdu.content(), origin_server_ts: sent, sender, state_key, r#type: pdu.kind() };
    let order = content.order.as_ref().and_then(|order| order.as_str()).filter(|order| is_order(order));
    Some(Child {
        unordered: order.is_none(),
        order: order.map(str::to_owned),
        sent,
        room: state_key.try_into().ok()?,
        json: serde_json::to_string(&stripped).ok()?,
    })
}

/// At most 50 printable ASCII characters.
fn is_order(order: &str) -> bool {
    order.len() <= 50 && order.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}
