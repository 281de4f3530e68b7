//! A room that the user is in: what is new of it.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashSet},
};

use ::rooms::{Boundary, Event, Membership, News, Receipt, Render, UserRoomAt, Viewer};
use accounts::DataChange;
use kernel::{
    Position,
    id::{OwnedUserId, RoomId},
};
use serde_json::{Value, json, value::RawValue};

use super::{
    response::{Events, Joined, Summary, Timeline},
    state,
    v3::{Ask, data_event},
};
use crate::Town;

/// Events of one room in one answer, and how many when the filter does not say.
pub(super) const TIMELINE_MAX: usize = 100;
pub(super) const TIMELINE_DEFAULT: usize = 10;

/// From where on a room is told.
#[derive(Clone, Copy)]
pub(super) enum Since {
    /// All of it: a first sync, or the user came in since.
    Nothing,
    /// What came after this position.
    Position(Position),
}

impl Since {
    pub(super) fn position(self) -> Position {
        match self {
            Self::Nothing => Position::START,
            Self::Position(position) => position,
        }
    }
}

/// The room's part of the answer; `None` when nothing is new. `typed` are the numbers of the last change of typing that
/// the client knows and that there is.
pub(super) fn joined(
    town: &Town,
    ask: &Ask<'_>,
    own: &UserRoomAt,
    upto: Position,
    typed: (u64, u64),
    data: &[DataChange],
) -> web::Result<Option<Joined>> {
    let room = &*own.room_id;
    let since = since(town, ask, own)?;
    let (known, _) = typed;
    let typing = town.rooms.typing().changed_since(room, known);
    let has_data = data.iter().any(|change| change.room.as_deref() == Some(room));
    let told = matches!(since, Since::Position(position) if town.rooms.last_change(room)? <= position);
    if told && typing.is_none() && !has_data && !ask.full_state {
        return Ok(None);
    }
    let mut viewer = town.rooms.viewer(room, ask.user)?;
    let fresh = news(town, ask, &mut viewer, since, upto)?;
    let state = state::of_joined(town, ask, &mut viewer, since, upto, &fresh)?;
    let news = fresh.news;
    let joined = Joined {
        summary: summary(town, ask, room, since, &news, state.members_changed)?,
        timeline: timeline(town, ask, &mut viewer, &news)?,
        state: state.shown,
        account_data: room_data(town, ask, room, since, data)?,
        ephemeral: ephemeral(town, ask, room, since, upto, typing)?,
        unread_notifications: super::response::Unread::default(),
    };
    let empty = joined.timeline.events.is_empty()
        && !news.limited
        && state.is_empty
        && joined.account_data.is_empty()
        && joined.ephemeral.is_empty();
    Ok((!empty || matches!(since, Since::Nothing)).then_some(joined))
}

/// A room is told from the start to somebody who was not in it when they last looked.
fn since(town: &Town, ask: &Ask<'_>, own: &UserRoomAt) -> web::Result<Since> {
    let Some(token) = ask.since else { return Ok(Since::Nothing) };
    if own.position <= token.position {
        return Ok(Since::Position(token.position));
    }
    let then = town.rooms.root_at(&own.room_id, token.position)?;
    let member = town.rooms.state_event(&own.room_id, then, "m.room.member", ask.user.as_str())?;
    let was_in = member.is_some_and(|event| event.membership() == Some(Membership::Join));
    Ok(if was_in { Since::Position(token.position) } else { Since::Nothing })
}

/// What a timeline tells.
pub(super) struct Fresh {
    pub(super) news: News,
    /// Some state among it is not told: the filter leaves it out, or the user was away then.
    pub(super) hides_state: bool,
}

pub(super) fn news(
    town: &Town,
    ask: &Ask<'_>,
    viewer: &mut Viewer<'_>,
    since: Since,
    upto: Position,
) -> web::Result<Fresh> {
    let limit = ask.timeline.limit(TIMELINE_DEFAULT, TIMELINE_MAX);
    let in_room = ask.timeline.wants_room(viewer.room_id());
    let ignored = |event: &Event| !event.pdu.is_state() && ask.ignored.contains(event.pdu.sender());
    let passed = Cell::new(0_usize);
    let wanted = |event: &Event| {
        passed.set(passed.get() + usize::from(event.pdu.is_state()));
        in_room && ask.timeline.wants(event) && !ignored(event)
    };
    let mut news = town.rooms.news(viewer, since.position(), upto, limit, wanted)?;
    // Somebody new to a room has seen none of what is before.
    news.limited |= matches!((since, ask.since), (Since::Nothing, Some(_)));
    let hides_state = passed.get() > news.events.iter().filter(|event| event.pdu.is_state()).count();
    Ok(Fresh { news, hides_state })
}

pub(super) fn timeline(town: &Town, ask: &Ask<'_>, viewer: &mut Viewer<'_>, news: &News) -> web::Result<Timeline> {
    let how = Render { without_room_id: true, device: Some(ask.device), bundle: true };
    let events = news.events.iter().map(|event| town.rooms.render(viewer, event, how));
    Ok(Timeline {
        events: events.collect::<Result<_, _>>()?,
        limited: news.limited,
        prev_batch: Some(news.before.to_string()),
    })
}

/// Counts and heroes, when they may have changed.
fn summary(
    town: &Town,
    ask: &Ask<'_>,
    room: &RoomId,
    since: Since,
    news: &News,
    members_changed: bool,
) -> web::Result<Summary> {
    let in_timeline = news.events.iter().any(|event| event.pdu.kind() == "m.room.member");
    if matches!(since, Since::Position(_)) && !in_timeline && !members_changed && !ask.full_state {
        return Ok(Summary::default());
    }
    let (joined, invited) = town.rooms.member_counts(room)?;
    Ok(Summary { heroes: town.rooms.heroes(room, ask.user)?, joined: Some(joined), invited: Some(invited) })
}

fn room_data(town: &Town, ask: &Ask<'_>, room: &RoomId, since: Since, data: &[DataChange]) -> web::Result<Events> {
    let filter = crate::filter::EventFilter::new(ask.filter.room.account_data.clone());
    let all;
    let changes = match since {
        // Somebody who came back finds what they had stored for the room.
        Since::Nothing if !ask.is_first() => {
            all = town.accounts.room_data(ask.user, room)?;
            &all
        }
        _ => data,
    };
    let changes = changes.iter().filter(|change| change.room.as_deref() == Some(room));
    let wanted = changes.filter(|change| filter.wants_room(room) && filter.wants_type(&change.kind));
    Ok(Events { events: wanted.map(data_event).collect::<web::Result<_>>()? })
}

fn ephemeral(
    town: &Town,
    ask: &Ask<'_>,
    room: &RoomId,
    since: Since,
    upto: Position,
    typing: Option<Vec<OwnedUserId>>,
) -> web::Result<Events> {
    let mut events = Vec::new();
    if ask.wants_ephemeral(room, "m.receipt") {
        let mut receipts = town.rooms.receipts(room, ask.user, since.position(), upto)?;
        receipts.retain(|receipt| !ask.ignored.contains(&receipt.user));
        if !receipts.is_empty() {
            events.push(json!({ "type": "m.receipt", "content": receipt_content(&receipts) }));
        }
    }
    if ask.wants_ephemeral(room, "m.typing")
        && let Some(mut users) = typing
        && !(users.is_empty() && matches!(since, Since::Nothing))
    {
        users.retain(|user| !ask.ignored.contains(user));
        events.push(json!({ "type": "m.typing", "content": { "user_ids": users } }));
    }
    let raw = |event: &Value| -> web::Result<Box<RawValue>> {
        serde_json::value::to_raw_value(event).map_err(web::Error::internal)
    };
    Ok(Events { events: events.iter().map(raw).collect::<web::Result<_>>()? })
}

/// Event → type → user → when (spec, "m.receipt").
fn receipt_content(receipts: &[Receipt]) -> Value {
    let mut content: BTreeMap<&str, BTreeMap<&str, BTreeMap<&str, Value>>> = BTreeMap::new();
    for receipt in receipts {
        let mut value = json!({ "ts": receipt.at });
        if let (Some(thread), Some(fields)) = (&receipt.thread, value.as_object_mut()) {
            fields.insert("thread_id".to_owned(), json!(thread));
        }
        let types = content.entry(receipt.event_id.as_str()).or_default();
        let users = types.entry(&receipt.receipt_type).or_default();
        // There is room for one of the user's: the one without a thread covers the others (spec, "Receipts", MSC4102).
        if receipt.thread.is_none() || !users.contains_key(receipt.user.as_str()) {
            users.insert(receipt.user.as_str(), value);
        }
    }
    json!(content)
}

/// The senders of the timeline's events.
pub(super) fn senders(news: &News) -> HashSet<OwnedUserId> {
    news.events.iter().map(|event| event.pdu.sender().to_owned()).collect()
}

/// Where the timeline begins.
pub(super) fn start(news: &News) -> Boundary {
    news.before
}
