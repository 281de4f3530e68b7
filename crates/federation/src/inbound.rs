//! What other servers ask: who they are, and the endpoints, one file each.

mod devices;
mod event;
mod events;
mod hierarchy;
mod history;
mod invite;
mod join;
mod knock;
mod leave;
mod media;
mod openid;
mod places;
mod public_rooms;
mod queries;
mod query_keys;
mod server_keys;
mod signed;
mod state;
mod submitted;
mod transactions;
mod version;
mod well_known;

pub use places::Places;
pub use queries::{Queries, QueryParams};

use http::Method;

use crate::Town;

/// Longest body of a transaction: 50 events and 100 ephemeral ones of 65,535 bytes each, and what lies between them.
const TRANSACTION_BYTES_MAX: usize = 13_000_000;

pub(crate) fn routes(routes: &mut web::Routes<Town>) {
    routes.public(well_known::server);
    routes.public(version::version);
    routes.public(server_keys::server_keys);
    routes.public(query_keys::query).limited(web::Rate::Keys);
    let by_name = "/_matrix/key/v2/query/{server_name}";
    routes.json(Method::GET, by_name, web::Access::Public, query_keys::query_one).limited(web::Rate::Keys);
    routes.public(openid::user_info).limited(web::Rate::Keys);

    let path = "/_matrix/federation/v1/send/{txn_id}";
    routes.server_json(Method::PUT, path, transactions::send).body_max(TRANSACTION_BYTES_MAX);

    routes.server(join::make_join);
    routes.server(join::send_join);
    routes.server_json(Method::PUT, "/_matrix/federation/v1/send_join/{room_id}/{event_id}", join::send_join_v1);
    routes.server(leave::make_leave);
    routes.server(leave::send_leave);
    routes.server_json(Method::PUT, "/_matrix/federation/v1/send_leave/{room_id}/{event_id}", leave::send_leave_v1);
    routes.server(knock::make_knock);
    routes.server(knock::send_knock);
    routes.server(invite::invite);
    routes.server_json(Method::PUT, "/_matrix/federation/v1/invite/{room_id}/{event_id}", invite::invite_v1);

    routes.server(event::event);
    routes.server(event::event_auth);
    routes.server(event::by_time);
    routes.server(state::state);
    routes.server(state::state_ids);
    routes.server(history::backfill);
    routes.server(history::missing_events);

    routes.server_json(Method::GET, "/_matrix/federation/v1/hierarchy/{room_id}", hierarchy::hierarchy);
    routes.server(public_rooms::public_rooms);
    routes.server(public_rooms::search_public_rooms);
    routes.server_json(Method::GET, "/_matrix/federation/v1/query/{query_type}", queries::query);

    routes.server(media::download);
    routes.server(media::thumbnail);

    routes.server(devices::devices);
    routes.server(devices::query_keys);
    routes.server(devices::claim_keys);
}
