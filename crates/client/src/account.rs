//! What users keep here, what is shown of them, and what they may decide: discovery, devices, profile, account data, push rules.

mod account_data;
mod calls;
mod capabilities;
mod devices;
mod filters;
mod identifiers;
mod moderation;
mod mutual_rooms;
mod openid;
mod presence;
mod profile;
mod push_rules;
mod pushers;
mod refused;
mod tags;
mod third_party;
mod user_directory;
mod versions;
mod well_known;
mod whoami;

use kernel::{Kind, id::UserId};

use crate::Town;

pub(crate) fn routes(routes: &mut web::Routes<Town>) {
    account_data::routes(routes);
    calls::routes(routes);
    capabilities::routes(routes);
    devices::routes(routes);
    filters::routes(routes);
    identifiers::routes(routes);
    moderation::routes(routes);
    mutual_rooms::routes(routes);
    openid::routes(routes);
    presence::routes(routes);
    profile::routes(routes);
    push_rules::routes(routes);
    pushers::routes(routes);
    refused::routes(routes);
    tags::routes(routes);
    third_party::routes(routes);
    user_directory::routes(routes);
    versions::routes(routes);
    well_known::routes(routes);
    whoami::routes(routes);
}

/// Refuses whoever is not the user that the path names.
fn own(caller: &web::Caller, user: &UserId) -> web::Result<()> {
    if caller.user == *user {
        return Ok(());
    }
    Err(web::Error::new(Kind::Forbidden, "This is another user's"))
}

/// Where people manage their sessions and keys in a browser (spec, "Account management URL discovery").
pub(crate) fn account_page(town: &Town) -> String {
    format!("{}/account/", town.settings.base_url)
}

fn not_found(what: &str) -> web::Error {
    web::Error::new(Kind::NotFound, what)
}

#[cfg(test)]
mod tests;
