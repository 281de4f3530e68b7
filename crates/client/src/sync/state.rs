//! The state that goes with a timeline: what changed before it, or, for those who ask so, up to its end.

use std::{collections::HashMap, sync::Arc};

use ::rooms::{Event, Render, Viewer, state::Root};
use kernel::{Position, id::OwnedUserId};

use super::{
    response::{Events, SharedEvents, State},
    rooms::{Fresh, Since, senders, start},
    v3::Ask,
};
use crate::Town;

/// State to be shown.
pub(super) struct Found {
    pub(super) shown: State,
    pub(super) is_empty: bool,
    pub(super) members_changed: bool,
}

/// State by what it is the state of: type and key.
type Pieces = HashMap<(String, String), Arc<Event>>;

/// Of a room that the user is in.
pub(super) fn of_joined(
    town: &Town,
    ask: &Ask<'_>,
    viewer: &mut Viewer<'_>,
    since: Since,
    upto: Position,
    fresh: &Fresh,
) -> web::Result<Found> {
    let pieces = gather(town, ask, viewer, since, upto, fresh)?;
    show(town, ask, viewer, pieces)
}

fn gather(
    town: &Town,
    ask: &Ask<'_>,
    viewer: &Viewer<'_>,
    since: Since,
    upto: Position,
    Fresh { news, hides_state }: &Fresh,
) -> web::Result<Pieces> {
    let room = viewer.room_id();
    let end = if ask.state_after { upto } else { start(news).position.min(upto) };
    let whole = matches!(since, Since::Nothing) || ask.full_state;
    let has_state = news.events.iter().any(|event| event.pdu.is_state());
    let mut pieces = Pieces::new();
    let mut at = None;
    if whole {
        let root = town.rooms.root_at(room, end)?;
        at = Some(root);
        pieces.extend(town.rooms.state_events(room, root)?.into_iter().map(piece));
        if ask.state.lazy_loads_members() {
            pieces.retain(|(event_type, _), _| event_type != "m.room.member");
        }
    } else if news.limited || *hides_state || (ask.state_after && has_state) {
        // Changes of membership too for those who load members lazily: they would be lost to them (spec, `GET /sync`).
        let root = town.rooms.root_at(room, end)?;
        at = Some(root);
        pieces.extend(changes(town, viewer, town.rooms.root_at(room, since.position())?, root)?.into_iter().map(piece));
    }
    if ask.state.lazy_loads_members() {
        let mut wanted = senders(news);
        if whole {
            wanted.insert(ask.user.to_owned());
        }
        let root = match at {
            Some(root) => root,
            None if wanted.is_empty() => Root::EMPTY,
            None => town.rooms.root_at(room, end)?,
        };
        lazy_members(town, viewer, root, wanted, &mut pieces)?;
    }
    if *hides_state && !ask.state_after {
        // What changed since the timeline began and is not in it: the client has no other way to know.
        let then = town.rooms.root_at(room, end)?;
        let mut hidden = changes(town, viewer, then, town.rooms.root_at(room, upto)?)?;
        hidden.retain(|event| !news.events.iter().any(|shown| shown.pdu.event_id() == event.pdu.event_id()));
        pieces.extend(hidden.into_iter().map(piece));
    }
    Ok(pieces)
}

fn piece(event: Arc<Event>) -> ((String, String), Arc<Event>) {
    let state_key = event.pdu.state_key().unwrap_or_default().to_owned();
    ((event.pdu.kind().to_owned(), state_key), event)
}

/// The events by which the newer state differs from the older.
fn changes(town: &Town, viewer: &Viewer<'_>, old: Root, new: Root) -> web::Result<Vec<Arc<Event>>> {
    let mut events = Vec::new();
    for entry in town.rooms.difference(old, new)?.into_iter().filter_map(|change| change.new) {
        events.extend(town.rooms.state_event(viewer.room_id(), new, &entry.event_type, &entry.state_key)?);
    }
    Ok(events)
}

/// The membership events of these users, as the state has them.
fn lazy_members(
    town: &Town,
    viewer: &Viewer<'_>,
    root: Root,
    users: impl IntoIterator<Item = OwnedUserId>,
    pieces: &mut Pieces,
) -> web::Result<()> {
    for user in users {
        if let Some(event) = town.rooms.state_event(viewer.room_id(), root, "m.room.member", user.as_str())? {
            pieces.extend([piece(event)]);
        }
    }
    Ok(())
}

fn show(town: &Town, ask: &Ask<'_>, viewer: &mut Viewer<'_>, pieces: Pieces) -> web::Result<Found> {
    let members_changed = pieces.keys().any(|(event_type, _)| event_type == "m.room.member");
    let wanted = |event: &Arc<Event>| ask.state.wants_room(viewer.room_id()) && ask.state.wants(event);
    let mut events: Vec<_> = pieces.into_values().filter(wanted).collect();
    events.sort_unstable_by_key(|event| event.position);
    let how = Render { without_room_id: true, device: Some(ask.device), bundle: false };
    let rendered = events.iter().map(|event| town.rooms.render(viewer, event, how));
    let events = Events { events: rendered.collect::<Result<_, _>>()? };
    let is_empty = events.is_empty();
    let shown = placed(ask, events);
    Ok(Found { shown, is_empty, members_changed })
}

fn placed(ask: &Ask<'_>, events: Events) -> State {
    if ask.state_after {
        let events = SharedEvents(Arc::new(events));
        State { before: None, after: Some(events.clone()), after_unstable: Some(events) }
    } else {
        State { before: Some(events), ..State::default() }
    }
}

/// No state, said in the place where it would be.
pub(super) fn of_nothing(ask: &Ask<'_>) -> State {
    placed(ask, Events::default())
}

/// Of a room that the user left, up to when they did: later events of their own may be in the timeline, but what the room
/// became meanwhile is not theirs to know.
pub(super) fn of_left(
    town: &Town,
    ask: &Ask<'_>,
    viewer: &mut Viewer<'_>,
    since: Since,
    upto: Position,
    fresh: &Fresh,
) -> web::Result<State> {
    let mut pieces = gather(town, ask, viewer, since, upto, fresh)?;
    if matches!(since, Since::Position(_)) && !ask.full_state {
        // Between a kick and a ban, say, things went on that are not theirs to know.
        let mut seen = Pieces::new();
        for (key, event) in pieces.drain() {
            if viewer.sees(&event)? {
                seen.insert(key, event);
            }
        }
        pieces = seen;
    }
    Ok(show(town, ask, viewer, pieces)?.shown)
}
