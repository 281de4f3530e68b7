//! `GET /capabilities`: what a client should offer its user.

use std::{collections::BTreeMap, sync::Arc};

use ruma_client_api::discovery::get_capabilities::v3::Request;
use serde_json::json;
use web::Json;

use crate::Town;

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(capabilities);
}

/// All is said in full: a capability that is left out means "yes" for some and "no" for others.
async fn capabilities(town: Arc<Town>, caller: web::Caller, _: Request) -> web::Result<Json> {
    let may_moderate = caller.is_admin;
    let versions: BTreeMap<_, _> = town.rooms.creatable_versions().map(|version| (version, "stable")).collect();
    Json::of(&json!({ "capabilities": {
        "m.change_password": { "enabled": false },
        // Names are computed at sign-in and changed by nobody (DESIGN §6).
        "m.set_displayname": { "enabled": false },
        "m.set_avatar_url": { "enabled": true },
        "m.profile_fields": { "enabled": true, "disallowed": ["displayname"] },
        "uk.tcpip.msc4133.profile_fields": { "enabled": true, "disallowed": ["displayname"] },
        "m.3pid_changes": { "enabled": false },
        "m.get_login_token": { "enabled": false },
        "m.account_moderation": { "lock": may_moderate, "suspend": may_moderate },
        "m.room_versions": { "default": town.rooms.default_version(), "available": versions },
    } }))
}
