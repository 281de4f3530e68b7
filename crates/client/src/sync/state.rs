//! The state that goes with a timeline: what changed before it, or, for those who ask so, up to its end.

use std::{collections::HashMap, sync::Arc};

use ::rooms::{Event, News, Render, Viewer, state::Root};
use kernel::{Position, id::OwnedUserId};

use super::{
    response::{Events, SharedEvents, State},
    rooms::{Since, senders, start},
    v3::Ask,
};
use crate::Town;

/// State to be shown.
pub(super) struct Found {
    pub(super) shown: State,
    pub(super) is_empty: bool,
    pub(super) members_changed: bool,
}

/// Of a room that the user is in.
pub(super) fn of_joined(
    town: &Town,
    ask: &Ask<'_>,
    viewer: &mut Viewer<'_>,
    since: Since,
    upto: Position,
    news: &News,
) -> web::Result<Found> {
    let room = viewer.room_id().to_owned();
    let end = if ask.state_after { upto } else { start(news).0 };
    let whole = matches!(since, Since::Nothing) || ask.full_state;
    let has_state = news.events.iter().any(|event| event.pdu.is_state());
    let mut events: HashMap<String, Arc<Event>> = HashMap::new();
    let mut keep = |event: Arc<Event>| {
        events.insert(event.pdu.event_id().to_string(), event);
    };
    let mut at = None;
    if whole {
        let root = town.rooms.root_at(&room, end)?;
        at = Some(root);
        town.rooms.state_events(&room, root)?.into_iter().for_each(&mut keep);
    } else if news.limited || (ask.state_after && has_state) {
        let root = town.rooms.root_at(&room, end)?;
        at = Some(root);
        for change in town.rooms.difference(town.rooms.root_at(&room, since.position())?, root)? {
            if let Some(entry) = change.new
                && let Some(event) = town.rooms.state_event(&room, root, &entry.event_type, &entry.state_key)?
            {
                keep(event);
            }
        }
    }
    let members_changed = events.values().any(|event| event.pdu.kind() == "m.room.member");
    if ask.state.lazy_loads_members() {
        events.retain(|_, event| event.pdu.kind() != "m.room.member");
        let mut wanted = senders(news);
        if whole {
            wanted.insert(ask.user.to_owned());
        }
        let root = match at {
            Some(root) => root,
            None if wanted.is_empty() => Root::EMPTY,
            None => town.rooms.root_at(&room, end)?,
        };
        lazy_members(town, viewer, root, wanted, &mut events)?;
    }
    show(town, ask, viewer, events, members_changed)
}

/// The membership events of these users, as the state has them.
fn lazy_members(
    town: &Town,
    viewer: &Viewer<'_>,
    root: Root,
    users: impl IntoIterator<Item = OwnedUserId>,
    events: &mut HashMap<String, Arc<Event>>,
) -> web::Result<()> {
    for user in users {
        if let Some(event) = town.rooms.state_event(viewer.room_id(), root, "m.room.member", user.as_str())? {
            events.insert(event.pdu.event_id().to_string(), event);
        }
    }
    Ok(())
}

fn show(
    town: &Town,
    ask: &Ask<'_>,
    viewer: &mut Viewer<'_>,
    events: HashMap<String, Arc<Event>>,
    members_changed: bool,
) -> web::Result<Found> {
    let mut events: Vec<_> = events.into_values().filter(|event| ask.state.wants(event)).collect();
    events.sort_unstable_by_key(|event| event.position);
    let how = Render { without_room_id: true, device: Some(ask.device), bundle: false };
    let rendered = events.iter().map(|event| town.rooms.render(viewer, event, how));
    let events = Events { events: rendered.collect::<Result<_, _>>()? };
    let is_empty = events.is_empty();
    let shown = if ask.state_after {
        let events = SharedEvents(Arc::new(events));
        State { before: None, after: Some(events.clone()), after_unstable: Some(events) }
    } else {
        State { before: Some(events), ..State::default() }
    };
    Ok(Found { shown, is_empty, members_changed })
}

/// Of a room that the user left: up to when they did.
pub(super) fn of_left(
    town: &Town,
    ask: &Ask<'_>,
    viewer: &mut Viewer<'_>,
    since: Since,
    upto: Position,
    news: &News,
) -> web::Result<State> {
    Ok(of_joined(town, ask, viewer, since, upto, news)?.shown)
}
