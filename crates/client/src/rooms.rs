//! Handlers of the `rooms` folder, and their routes.

mod aliases;
mod context;
mod create;
mod directory;
mod event;
mod filter;
mod hierarchy;
mod invite;
mod join;
mod joined;
mod knock;
mod leave;
mod members;
mod membership_state;
mod messages;
mod receipts;
mod relations;
mod removal;
mod report;
mod send;
mod shown;
mod state;
mod summary;
mod threads;
mod timestamp;
mod typing;
mod upgrade;
mod verbatim;

#[cfg(test)]
mod tests;

use web::Rate;

use crate::Town;

pub(crate) fn routes(routes: &mut web::Routes<Town>) {
    membership(routes);
    sending(routes);
    reading(routes);
    directory(routes);
}

fn membership(routes: &mut web::Routes<Town>) {
    routes.active(create::create_room).limited(Rate::RoomCreation);
    routes.active(upgrade::upgrade).limited(Rate::RoomCreation);
    routes.active(join::join).limited(Rate::Join);
    routes.active(join::join_by_id).limited(Rate::Join);
    routes.active(knock::knock).limited(Rate::Join);
    routes.active(invite::invite).limited(Rate::Invite);
    routes.active(removal::kick).limited(Rate::Message);
    routes.active(removal::ban).limited(Rate::Message);
    routes.active(removal::unban).limited(Rate::Message);
    routes.user(leave::leave);
    routes.user(leave::forget);
    routes.user(joined::joined_rooms);
    routes.user(joined::joined_members);
    routes.user(members::members);
}

fn sending(routes: &mut web::Routes<Town>) {
    routes.active(send::send).limited(Rate::Message);
    // The suspended may still take back what they said (spec, "Account suspension").
    routes.user(send::redact).limited(Rate::Message);
    // An empty state key has no segment of its own.
    routes
        .active(state::put_state)
        .limited(Rate::Message)
        .also("/_matrix/client/v3/rooms/{room_id}/state/{event_type}")
        .also("/_matrix/client/v3/rooms/{room_id}/state/{event_type}/");
    routes.active(typing::typing);
    routes.user(receipts::receipt);
    routes.user(receipts::read_markers);
    routes.active(report::report_event).limited(Rate::Message);
    routes.active(report::report_room).limited(Rate::Message);
    routes.active(report::report_user).limited(Rate::Message);
}

fn reading(routes: &mut web::Routes<Town>) {
    routes.user(state::state);
    routes
        .user(state::get_state)
        .also("/_matrix/client/v3/rooms/{room_id}/state/{event_type}")
        .also("/_matrix/client/v3/rooms/{room_id}/state/{event_type}/");
    routes.user(messages::messages);
    routes.user(context::context);
    routes.user(event::event);
    routes.user(timestamp::timestamp_to_event);
    routes.user(relations::relations);
    routes.user(relations::relations_of_type);
    routes.user(relations::relations_of_both_types);
    routes.user(threads::threads);
}

fn directory(routes: &mut web::Routes<Town>) {
    routes.active(aliases::create);
    routes.optional(aliases::resolve);
    routes.active(aliases::delete);
    routes.user(aliases::list);
    routes.public(directory::visibility);
    routes.active(directory::set_visibility);
    routes.user(directory::public_rooms).limited(Rate::Search);
    routes.user(directory::search_public_rooms).limited(Rate::Search);
    routes.user(summary::summary);
    routes.user(hierarchy::hierarchy);
}
