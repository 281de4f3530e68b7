//! Whose devices a client must ask for again, and whose it may forget (spec, "Tracking the device list for a user").

use std::collections::HashSet;

use ::rooms::Membership;
use kernel::{
    Position,
    id::{OwnedUserId, UserId},
};

use super::response::DeviceLists;
use crate::Town;

/// What changed after `since`, up to and including `upto`, for this user.
pub(crate) fn device_lists(town: &Town, user: &UserId, since: Position, upto: Position) -> web::Result<DeviceLists> {
    let mut changed: HashSet<OwnedUserId> = HashSet::new();
    let mut gone: HashSet<OwnedUserId> = HashSet::new();
    // Other servers learn of the user's devices by such a join: the user's other devices look whether they are what they know.
    let mut met_others = false;
    for own in town.rooms.rooms_of(user)?.values() {
        let in_it = own.room.membership == Membership::Join;
        if own.position > since && own.position <= upto {
            met_others |= in_it && town.rooms.servers(&own.room_id)?.len() > 1;
            // The user came or went: everybody there is new to them, or gone.
            let others = town.rooms.members(&own.room_id)?;
            let others = others.into_iter().filter(|member| member.membership == Membership::Join);
            if in_it { &mut changed } else { &mut gone }.extend(others.map(|member| member.user));
        }
        if in_it && town.rooms.last_change(&own.room_id)? > since {
            for (other, membership) in town.rooms.member_changes(&own.room_id, since, upto)? {
                if membership == Membership::Join { &mut changed } else { &mut gone }.insert(other);
            }
        }
    }
    changed.remove(user);
    if met_others {
        changed.insert(user.to_owned());
    }
    if town.sync.device_lists_touched(since) {
        for other in town.accounts.device_list_changes(since, upto)? {
            if other == user || town.rooms.share_a_room(user, &other)? {
                changed.insert(other);
            }
        }
    }
    if town.sync.account_touched(user, since) {
        changed.extend(town.accounts.signed_users(user, since, upto)?);
    }
    let mut left = Vec::new();
    for other in gone {
        if other != user && !town.rooms.share_a_room(user, &other)? {
            changed.remove(&other);
            left.push(other);
        }
    }
    Ok(DeviceLists { changed: changed.into_iter().collect(), left })
}
