//! What follows from a change of a room's state: the indexes of the current state, member lists, counters, servers, and the
//! lists of rooms of local users.

use std::{collections::BTreeMap, sync::Arc};

use events::{Pdu, content::MemberContent};
use kernel::id::{EventId, OwnedEventId, OwnedServerName, OwnedUserId, RoomId, UserId};
use store::{Batch, Stamp};

use super::{Unit, member_of};
use crate::{
    Change, MemberChange, Membership, Result, TOPIC,
    state::{Difference, Entry, Root},
    tables::{
        GAPS, GapRow, LAST_JOINS, LAST_LEAVES, MEMBERS, MemberRow, OUTSIDE, OwnedEventIdRow, RootRow, SERVER_ROOMS,
        SERVERS, STATE_LOG, STATE_NOW, ServerRow, USER_ROOMS,
    },
};

/// Memberships in one entry of the feed, which must not be too large.
const ANNOUNCED_AT_ONCE: usize = 200;

impl Unit<'_> {
    /// The event that this one takes the place of, as the state before it has it.
    pub(super) fn replaced(&self, pdu: &Pdu, state_before: Root) -> Result<Option<OwnedEventId>> {
        match pdu.state_key() {
            Some(state_key) => self.growth.get(state_before, pdu.kind(), state_key),
            None => Ok(None),
        }
    }

    /// Makes `after` the current state of the room. Nearly always the event itself is all that differs; where branches met,
    /// much may.
    pub(super) fn become_state(&mut self, after: Root, pdu: &Pdu, stamp: Stamp) -> Result<()> {
        let before = self.head.state;
        if before == after {
            return Ok(());
        }
        let alone = match pdu.state_key() {
            Some(key) => self.growth.insert(before, pdu.kind(), key, pdu.event_id())? == after,
            None => false,
        };
        self.head.state = after;
        self.holds_on = true;
        self.batch.put(&STATE_LOG, (self.room.id.as_ref(), stamp), &RootRow(after));
        if let (true, Some(state_key)) = (alone, pdu.state_key()) {
            let old = self.growth.get(before, pdu.kind(), state_key)?;
            let entry = Entry {
                event_type: pdu.kind().to_owned(),
                state_key: state_key.to_owned(),
                event_id: pdu.event_id().to_owned(),
            };
            return self.set_state(old.as_deref(), &entry, stamp).map(drop);
        }
        let mut members = Vec::new();
        for Difference { old, new } in self.inner.trees.difference(before, after)? {
            match (old, new) {
                (old, Some(new)) => {
                    let own = new.event_id == pdu.event_id();
                    let member = self.set_state(old.as_ref().map(|old| old.event_id.as_ref()), &new, stamp)?;
                    members.extend(member.filter(|_| !own));
                }
                (Some(old), None) => members.extend(self.unset_state(&old, stamp)?),
                (None, None) => {}
            }
        }
        self.announce_members(&members);
        Ok(())
    }

    /// Announces memberships that no event of the timeline tells of.
    pub(super) fn announce_members(&mut self, members: &[MemberChange]) {
        for members in members.chunks(ANNOUNCED_AT_ONCE) {
            let stamp = self.batch.stamp();
            let change = Change::Members { room: self.room.id.clone(), members: members.to_vec() };
            self.batch.announce(TOPIC, stamp, &change);
        }
    }

    /// Files an event under its key in the current state.
    fn set_state(&mut self, old: Option<&EventId>, new: &Entry, stamp: Stamp) -> Result<Option<MemberChange>> {
        let member = (new.event_type == "m.room.member").then(|| self.event(&new.event_id)).transpose()?;
        index(&mut self.batch, &self.room.id, new, member.as_deref());
        member.map_or(Ok(None), |pdu| self.follow_membership(&pdu, old, stamp))
    }

    /// A piece of state that there is no more: a resolution found that it never was.
    fn unset_state(&mut self, old: &Entry, stamp: Stamp) -> Result<Option<MemberChange>> {
        unindex(&mut self.batch, &self.room.id, old);
        self.unfollow(old, stamp)
    }

    /// What follows when a membership ceases to be.
    pub(super) fn unfollow(&mut self, old: &Entry, stamp: Stamp) -> Result<Option<MemberChange>> {
        let Some((user, before)) = member_of(&*self.event(&old.event_id)?) else { return Ok(None) };
        self.count(&user, Some(before), None);
        if user.server_name() == self.inner.server_name {
            let row = crate::UserRoom {
                membership: Membership::Leave,
                event_id: old.event_id.clone(),
                sender: user.clone(),
                forgotten: false,
                stripped: Vec::new(),
            };
            let key = (user.as_ref(), self.room.id.as_ref());
            self.batch.put_stamped(&USER_ROOMS, key, stamp, &row);
            self.batch.put_stamped(&LAST_LEAVES, key, stamp, &());
        }
        Ok(Some(MemberChange { user, membership: Membership::Leave }))
    }

    /// Brings the counters and the local user's list of rooms up to date.
    pub(super) fn follow_membership(
        &mut self,
        pdu: &Pdu,
        old: Option<&EventId>,
        stamp: Stamp,
    ) -> Result<Option<MemberChange>> {
        let Some((user, membership)) = member_of(pdu) else { return Ok(None) };
        let before = match old {
            Some(id) => member_of(&*self.event(id)?).map(|(_, membership)| membership),
            None => None,
        };
        self.count(&user, before, Some(membership));
        if user.server_name() == self.inner.server_name {
            self.follow_local(&user, membership, before, pdu, stamp)?;
        }
        Ok(Some(MemberChange { user, membership }))
    }

    fn follow_local(
        &mut self,
        user: &OwnedUserId,
        membership: Membership,
        before: Option<Membership>,
        pdu: &Pdu,
        stamp: Stamp,
    ) -> Result<()> {
        let stripped = match membership {
            Membership::Invite | Membership::Knock => self.stripped(pdu)?,
            _ => Vec::new(),
        };
        let row = crate::UserRoom {
            membership,
            event_id: pdu.event_id().to_owned(),
            sender: pdu.sender().to_owned(),
            forgotten: false,
            stripped,
        };
        let key = (user.as_ref(), self.room.id.as_ref());
        self.batch.put_stamped(&USER_ROOMS, key, stamp, &row);
        self.batch.delete(&OUTSIDE, key);
        if membership == Membership::Join {
            self.batch.put_stamped(&LAST_JOINS, key, stamp, &());
        } else if before == Some(Membership::Join) {
            self.batch.put_stamped(&LAST_LEAVES, key, stamp, &());
        }
        Ok(())
    }

    fn count(&mut self, user: &OwnedUserId, before: Option<Membership>, after: Option<Membership>) {
        adjust(&mut self.head.joined, Membership::Join, before, after);
        adjust(&mut self.head.invited, Membership::Invite, before, after);
        let was_in = before == Some(Membership::Join);
        if was_in == (after == Some(Membership::Join)) {
            return;
        }
        let servers = Arc::make_mut(&mut self.servers);
        let joined = servers.entry(user.server_name().to_owned()).or_default();
        *joined = if was_in { joined.saturating_sub(1) } else { joined.saturating_add(1) };
        if *joined == 0 {
            servers.remove(user.server_name());
        }
    }

    /// Writes the counts of servers that this unit changed.
    pub(super) fn count_servers(&mut self) {
        if Arc::ptr_eq(&self.servers, &self.guard.servers) {
            return;
        }
        let room = self.room.id.clone();
        let (before, after): (&BTreeMap<OwnedServerName, u32>, _) = (&self.guard.servers, &self.servers);
        for (server, joined) in after.iter().filter(|(server, joined)| before.get(*server) != Some(*joined)) {
            self.batch.put(&SERVERS, (room.as_ref(), server.as_ref()), &ServerRow { joined: *joined });
            if !before.contains_key(server) {
                self.batch.put(&SERVER_ROOMS, (server.as_ref(), room.as_ref()), &());
            }
        }
        for server in before.keys().filter(|server| !after.contains_key(*server)) {
            self.batch.delete(&SERVERS, (room.as_ref(), server.as_ref()));
            self.batch.delete(&SERVER_ROOMS, (server.as_ref(), room.as_ref()));
        }
    }

    /// Notes that the timeline lacks what comes before the next event of this unit.
    pub(super) fn leave_gap(&mut self, missing: &[OwnedEventId]) {
        // The position of the gap is the one before the event's: a stamp of its own makes sure that it is this unit's.
        let stamp = self.batch.stamp();
        let row = GapRow { missing: missing.to_vec(), fetched: 0 };
        self.batch.put(&GAPS, (self.room.id.as_ref(), stamp), &row);
    }

    /// The state that somebody who is not in the room may know it by (spec, "Stripped state").
    pub(crate) fn introduction(&self) -> Result<Vec<Arc<Pdu>>> {
        const SHOWN: [&str; 7] = [
            "m.room.create",
            "m.room.join_rules",
            "m.room.canonical_alias",
            "m.room.avatar",
            "m.room.name",
            "m.room.encryption",
            "m.room.topic",
        ];
        let mut shown = Vec::new();
        for event_type in SHOWN {
            shown.extend(self.state(event_type, "")?);
        }
        Ok(shown)
    }

    /// The same for somebody who is invited, with who invites them.
    pub(crate) fn introduction_by(&self, inviter: &UserId) -> Result<Vec<Arc<Pdu>>> {
        let mut shown = self.introduction()?;
        shown.extend(self.state("m.room.member", inviter.as_str())?);
        Ok(shown)
    }

    /// The stripped state that goes with an invite or a knock, the event itself last.
    fn stripped(&self, member: &Pdu) -> Result<Vec<String>> {
        let own = member.state_key() == Some(member.sender().as_str());
        let shown = if own { self.introduction()? } else { self.introduction_by(member.sender())? };
        Ok(shown.iter().map(AsRef::as_ref).chain([member]).filter_map(events::stripped_event).collect())
    }
}

/// Puts a piece of state into the indexes of the current state; `member` is the event if it is a membership.
pub(super) fn index(batch: &mut Batch, room: &RoomId, entry: &Entry, member: Option<&Pdu>) {
    let key = (room, entry.event_type.as_str(), entry.state_key.as_str());
    batch.put(&STATE_NOW, key, &OwnedEventIdRow(entry.event_id.clone()));
    let Some((pdu, (user, membership))) = member.and_then(|pdu| Some((pdu, member_of(pdu)?))) else { return };
    let content = MemberContent::of(pdu);
    let row = MemberRow {
        membership,
        event_id: pdu.event_id().to_owned(),
        display_name: content.displayname,
        avatar_url: content.avatar_url,
    };
    batch.put(&MEMBERS, (room, user.as_ref()), &row);
}

/// Takes a piece of state out of them.
pub(super) fn unindex(batch: &mut Batch, room: &RoomId, entry: &Entry) {
    batch.delete(&STATE_NOW, (room, entry.event_type.as_str(), entry.state_key.as_str()));
    if entry.event_type == "m.room.member"
        && let Ok(user) = UserId::parse(entry.state_key.as_str())
    {
        batch.delete(&MEMBERS, (room, user.as_ref()));
    }
}

fn adjust(counter: &mut u64, counted: Membership, before: Option<Membership>, after: Option<Membership>) {
    match (before == Some(counted), after == Some(counted)) {
        (false, true) => *counter += 1,
        (true, false) => *counter = counter.saturating_sub(1),
        _ => {}
    }
}
