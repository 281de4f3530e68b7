//! What towns must agree on, once they have been told the same.

use std::fmt::Write;

use kernel::id::OwnedEventId;
use rooms::Membership;

use super::{World, world::Town};

impl World {
    /// How many towns agree; what they differ in, if they do.
    pub(super) fn compare(&self) -> Result<usize, String> {
        let present = self.together();
        let Some(first) = present.first() else { return Ok(0) };
        let mut differences = String::new();
        let (state, members) = (first.state(&self.room), first.members(&self.room));
        let joined = members.0.values().filter(|membership| **membership == Membership::Join).count();
        if joined as u64 != members.1 {
            writeln!(differences, "{} counts {} of {members:?}", first.name, members.1).unwrap();
        }
        for town in &present[1..] {
            let (theirs, both) = (town.state(&self.room), format!("{} and {}", first.name, town.name));
            for key in state.keys().chain(theirs.keys()).filter(|key| state.get(*key) != theirs.get(*key)) {
                writeln!(differences, "{both}: {key:?}: {:?} and {:?}", state.get(key), theirs.get(key)).unwrap();
            }
            if members != town.members(&self.room) {
                writeln!(differences, "{both}: {members:?} and {:?}", town.members(&self.room)).unwrap();
            }
            differences += &self.redacted_differently(first, town);
        }
        if differences.is_empty() { Ok(present.len()) } else { Err(differences) }
    }

    /// Events that only one of two towns has redacted, though both have all redactions of them in their room: one that is
    /// soft-failed, or lies in a gap, does nothing there.
    fn redacted_differently(&self, a: &Town, b: &Town) -> String {
        let texts = |id: &OwnedEventId| [a, b].map(|town| town.app.rooms.pdu(&self.room, id).unwrap());
        let is_at_both = |id: &OwnedEventId| texts(id).iter().all(Option::is_some);
        let mut differences = String::new();
        let redactions = self.redactions.lock();
        for (_, event) in redactions.iter() {
            let mut of_it = redactions.iter().filter(|(_, target)| target == event);
            if of_it.all(|(redaction, _)| is_at_both(redaction))
                && let [Some(here), Some(there)] = texts(event)
                && here != there
            {
                writeln!(differences, "{} and {}: redacted: {here} and {there}", a.name, b.name).unwrap();
            }
        }
        differences
    }
}
