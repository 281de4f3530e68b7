//! What follows from a change of a room's state: the indexes of the current state, member lists, counters, servers, and the
//! lists of rooms of local users.

use std::{collections::BTreeMap, sync::Arc};

use events::{Pdu, content::MemberContent};
use kernel::id::{EventId, OwnedEventId, OwnedServerName, OwnedUserId};
use store::Stamp;

use super::{Unit, member_of};
use crate::{
    Change, MemberChange, Membership, Result, TOPIC,
    state::{Difference, Entry, Root},
    tables::{
        GAPS, GapRow, LAST_JOINS, LAST_LEAVES, MEMBERS, MemberRow, OwnedEventIdRow, RootRow, SERVER_ROOMS, SERVERS,
        STATE_LOG, STATE_NOW, ServerRow, USER_ROOMS,
    },
};

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
        self.changes_state = true;
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
        if !members.is_empty() {
            let stamp = self.batch.stamp();
            self.batch.announce(TOPIC, stamp, &Change::Members { room: self.room.id.clone(), members });
        }
        Ok(())
    }

    /// Files an event under its key in the current state.
    fn set_state(&mut self, old: Option<&EventId>, new: &Entry, stamp: Stamp) -> Result<Option<MemberChange>> {
        let key = (self.room.id.as_ref(), new.event_type.as_str(), new.state_key.as_str());
        self.batch.put(&STATE_NOW, key, &OwnedEventIdRow(new.event_id.clone()));
        if new.event_type != "m.room.member" {
            return Ok(None);
        }
        let pdu = self.event(&new.event_id)?;
        self.follow_membership(&pdu, old, stamp)
    }

    /// A piece of state that there is no more: a resolution found that it never was.
    fn unset_state(&mut self, old: &Entry, stamp: Stamp) -> Result<Option<MemberChange>> {
        let key = (self.room.id.as_ref(), old.event_type.as_str(), old.state_key.as_str());
        self.batch.delete(&STATE_NOW, key);
        let Some((user, before)) = member_of(&*self.event(&old.event_id)?) else { return Ok(None) };
        self.count(&user, Some(before), None);
        self.batch.delete(&MEMBERS, (self.room.id.as_ref(), user.as_ref()));
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

    /// Brings the member lists, the counters and the local user's list of rooms up to date.
    fn follow_membership(&mut self, pdu: &Pdu, old: Option<&EventId>, stamp: Stamp) -> Result<Option<MemberChange>> {
        let Some((user, membership)) = member_of(pdu) else { return Ok(None) };
        let before = match old {
            Some(id) => member_of(&*self.event(id)?).map(|(_, membership)| membership),
            None => None,
        };
        self.count(&user, before, Some(membership));
        let content = MemberContent::of(pdu);
        let row = MemberRow {
            membership,
            event_id: pdu.event_id().to_owned(),
            display_name: content.displayname,
            avatar_url: content.avatar_url,
        };
        self.batch.put(&MEMBERS, (self.room.id.as_ref(), user.as_ref()), &row);
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

    /// The stripped state that goes with an invite or a knock (spec, "Stripped state"), the event itself last.
    pub(crate) fn stripped(&self, member: &Pdu) -> Result<Vec<String>> {
        const SHOWN: [&str; 7] = [
            "m.room.create",
            "m.room.join_rules",
            "m.room.canonical_alias",
            "m.room.avatar",
            "m.room.name",
            "m.room.encryption",
            "m.room.topic",
        ];
        let mut stripped = Vec::new();
        for event_type in SHOWN {
            stripped.extend(self.state(event_type, "")?.and_then(|pdu| events::stripped_event(&pdu)));
        }
        let inviter = member.sender().as_str();
        if member.state_key() != Some(inviter) {
            stripped.extend(self.state("m.room.member", inviter)?.and_then(|pdu| events::stripped_event(&pdu)));
        }
        stripped.extend(events::stripped_event(member));
        Ok(stripped)
    }
}

fn adjust(counter: &mut u64, counted: Membership, before: Option<Membership>, after: Option<Membership>) {
    match (before == Some(counted), after == Some(counted)) {
        (false, true) => *counter += 1,
        (true, false) => *counter = counter.saturating_sub(1),
        _ => {}
    }
}
