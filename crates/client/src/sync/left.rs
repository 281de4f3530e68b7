//! A room that the user left, or that they were kept out of: what they saw last of it.

use ::rooms::{Event, Membership, Render, UserRoomAt, state::Root};
use kernel::{Position, id::RoomId};
use serde_json::value::RawValue;

use super::{
    response::{Events, Left, Timeline},
    rooms::{Since, news, timeline},
    state,
    v3::Ask,
};
use crate::Town;

/// The room's part of the answer; `None` when it is not told (any more).
pub(super) fn left(town: &Town, ask: &Ask<'_>, own: &UserRoomAt, upto: Position) -> web::Result<Option<Left>> {
    // Also of a room that is forgotten already: the user's other devices would not learn that they left it.
    let just_now = ask.since.is_some_and(|since| own.position > since.position);
    let wanted = just_now || (ask.is_first() && ask.filter.room.include_leave && !own.room.forgotten);
    if !wanted {
        return Ok(None);
    }
    let room = &*own.room_id;
    let end = own.position.min(upto);
    // Somebody who since then was only invited, or knocked, is told how that ended: they were not let in to more.
    let was_in = was_in(town, ask, own)?;
    let left_at = town.rooms.last_leave(ask.user, room)?;
    let outside = town.rooms.outside_event(ask.user, room)?;
    if let (Some(event), None) = (&outside, left_at) {
        // They never were in it, nor need this server have been: there is just that to tell.
        let timeline = Timeline { events: vec![shown(town, ask, room, event)?], limited: false, prev_batch: None };
        return Ok(Some(Left { timeline, state: state::of_nothing(ask), account_data: Events::default() }));
    }
    let came = town.rooms.last_join(ask.user, room)?.is_some_and(|at| at > ask.since());
    let since = match ask.since {
        Some(since) if was_in || !came => Since::Position(since.position),
        _ => Since::Nothing,
    };
    let mut viewer = town.rooms.viewer(room, ask.user)?;
    let fresh = news(town, ask, &mut viewer, since, end)?;
    let state = if was_in || came {
        let left_at = left_at.map_or(end, |at| at.min(end));
        state::of_left(town, ask, &mut viewer, since, left_at, &fresh)?
    } else {
        state::of_nothing(ask)
    };
    let mut timeline = timeline(town, ask, &mut viewer, &fresh.news)?;
    if let Some(event) = outside {
        timeline.events.push(shown(town, ask, room, &event)?);
    }
    Ok(Some(Left { timeline, state, account_data: Events::default() }))
}

/// How an invite or a knock ended of which the room, as it is here, does not know.
fn shown(town: &Town, ask: &Ask<'_>, room: &RoomId, event: &Event) -> web::Result<Box<RawValue>> {
    let mut viewer = town.rooms.viewer(room, ask.user)?;
    let how = Render { without_room_id: true, device: Some(ask.device), bundle: false };
    Ok(town.rooms.render(&mut viewer, event, how)?)
}

/// Whether the user was in the room when they last looked.
fn was_in(town: &Town, ask: &Ask<'_>, own: &UserRoomAt) -> web::Result<bool> {
    let Some(since) = ask.since else { return Ok(false) };
    let then = town.rooms.root_at(&own.room_id, since.position)?;
    if then == Root::EMPTY {
        return Ok(false);
    }
    let member = town.rooms.state_event(&own.room_id, then, "m.room.member", ask.user.as_str())?;
    Ok(member.is_some_and(|event| event.membership() == Some(Membership::Join)))
}
