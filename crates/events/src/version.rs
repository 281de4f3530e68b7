//! Room versions: the set of rules that a room was created with and keeps for ever (spec, "Room Versions").

use std::{fmt, str::FromStr};

use kernel::id::RoomVersionId;
use ruma_common::room_version_rules::{EventIdFormatVersion, RoomVersionRules};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Error, Pdu, Result, content::CreateContent};

static RULES: [RoomVersionRules; 12] = [
    RoomVersionRules::V1,
    RoomVersionRules::V2,
    RoomVersionRules::V3,
    RoomVersionRules::V4,
    RoomVersionRules::V5,
    RoomVersionRules::V6,
    RoomVersionRules::V7,
    RoomVersionRules::V8,
    RoomVersionRules::V9,
    RoomVersionRules::V10,
    RoomVersionRules::V11,
    RoomVersionRules::V12,
];

static NAMES: [&str; 12] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"];

/// A room version that this server understands, so that a room of an unknown version cannot even be spoken of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomVersion(u8);

impl RoomVersion {
    pub const V1: Self = Self(1);
    pub const V2: Self = Self(2);
    pub const V3: Self = Self(3);
    pub const V6: Self = Self(6);
    pub const V10: Self = Self(10);
    pub const V11: Self = Self(11);
    pub const V12: Self = Self(12);

    /// The version of a new room when nobody asks for another.
    pub const DEFAULT: Self = Self::V12;

    /// # Errors
    /// [`Error::UnsupportedRoomVersion`] for anything but `"1"` to `"12"`, written exactly so.
    pub fn parse(id: &str) -> Result<Self> {
        Self::all().find(|version| version.as_str() == id).ok_or_else(|| {
            // A hostile name could be long; the error is told to people.
            Error::UnsupportedRoomVersion(id.chars().take(32).collect())
        })
    }

    /// The version that a room's create event names, which is the room's whatever anybody says elsewhere.
    ///
    /// # Errors
    /// As [`RoomVersion::parse`], and [`Error::Malformed`] for another event.
    pub fn of_create(create: &Pdu) -> Result<Self> {
        if !create.is("m.room.create", "") {
            return Err(Error::Malformed("it is not the create event of a room".into()));
        }
        Self::parse(&CreateContent::of(create).room_version)
    }

    /// All versions that this server understands, oldest first.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=12).map(Self)
    }

    /// The versions that this server can create a room of; the configuration narrows them.
    pub fn creatable() -> impl Iterator<Item = Self> {
        Self::all()
    }

    pub fn as_str(self) -> &'static str {
        NAMES[usize::from(self.0 - 1)]
    }

    pub fn id(self) -> RoomVersionId {
        match self.0 {
            1 => RoomVersionId::V1,
            2 => RoomVersionId::V2,
            3 => RoomVersionId::V3,
            4 => RoomVersionId::V4,
            5 => RoomVersionId::V5,
            6 => RoomVersionId::V6,
            7 => RoomVersionId::V7,
            8 => RoomVersionId::V8,
            9 => RoomVersionId::V9,
            10 => RoomVersionId::V10,
            11 => RoomVersionId::V11,
            _ => RoomVersionId::V12,
        }
    }

    pub fn rules(self) -> &'static RoomVersionRules {
        &RULES[usize::from(self.0 - 1)]
    }

    /// Versions 1 and 2: the sender's server chose the event's id, which is a field of the event.
    pub fn ids_are_given(self) -> bool {
        self.rules().event_id_format == EventIdFormatVersion::V1
    }

    /// Since version 12 the room's id is the id of its create event, with another sigil.
    pub fn room_id_is_create_event(self) -> bool {
        self.rules().authorization.room_create_event_id_as_room_id
    }

    /// Since version 11 the creator is who sent the create event; before, its content names them.
    pub fn creator_is_sender(self) -> bool {
        self.rules().authorization.use_room_create_sender
    }

    /// Since version 12 creators stand above all power levels.
    pub fn privileges_creators(self) -> bool {
        self.rules().authorization.explicitly_privilege_room_creators
    }

    /// Since version 5 an event does not count if its key had expired when it was sent.
    pub fn enforces_key_validity(self) -> bool {
        self.rules().enforce_key_validity
    }

    /// Since version 8 a room may let in the members of other rooms, and a server that is in it vouches for who joins so.
    pub fn has_restricted_joins(self) -> bool {
        self.rules().authorization.restricted_join_rule
    }

    /// Since version 7 one may ask to be let in.
    pub fn has_knocking(self) -> bool {
        self.rules().authorization.knocking
    }

    /// Since version 11 a redaction names its target in `content`.
    pub fn redacts_in_content(self) -> bool {
        self.rules().redaction.content_field_redacts
    }
}

impl fmt::Display for RoomVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RoomVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoomVersion({})", self.0)
    }
}

impl FromStr for RoomVersion {
    type Err = Error;

    fn from_str(id: &str) -> Result<Self> {
        Self::parse(id)
    }
}

impl TryFrom<&RoomVersionId> for RoomVersion {
    type Error = Error;

    fn try_from(id: &RoomVersionId) -> Result<Self> {
        Self::parse(id.as_str())
    }
}

/// As its number: small in stored records. In JSON use [`RoomVersion::as_str`].
impl Serialize for RoomVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.0)
    }
}

impl<'de> Deserialize<'de> for RoomVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u8::deserialize(deserializer)?;
        Self::all().find(|version| version.0 == number).ok_or_else(|| de::Error::custom("unknown room version"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twelve_versions_are_understood_and_nothing_else() {
        for (number, version) in (1..).zip(RoomVersion::all()) {
            assert_eq!(RoomVersion::parse(&number.to_string()), Ok(version));
            assert_eq!(version.id().as_str(), version.as_str());
            assert_eq!(RoomVersion::try_from(&version.id()), Ok(version));
        }
        assert_eq!(RoomVersion::all().count(), 12);
        assert_eq!(RoomVersion::DEFAULT.as_str(), "12");
        for unknown in ["0", "13", "", "01", " 12", "org.matrix.msc2870", "99"] {
            assert_eq!(RoomVersion::parse(unknown), Err(Error::UnsupportedRoomVersion(unknown.into())));
        }
    }

    /// Hazard F13.
    #[test]
    fn a_rooms_version_is_what_its_create_event_says() {
        use crate::fixture::{ALICE, Room};
        for version in RoomVersion::all() {
            let room = Room::new(version, ALICE);
            assert_eq!(RoomVersion::of_create(&room.state_event("m.room.create", "").unwrap()), Ok(version));
            let join = room.state_event("m.room.member", ALICE).unwrap();
            assert!(matches!(RoomVersion::of_create(&join), Err(Error::Malformed(_))));
        }
        let room = Room::new(RoomVersion::V6, ALICE);
        for (content, expected) in [
            (serde_json::json!({}), Ok(RoomVersion::V1)),
            (serde_json::json!({"room_version": "99"}), Err(Error::UnsupportedRoomVersion("99".into()))),
            (serde_json::json!({"room_version": 6}), Err(Error::UnsupportedRoomVersion(String::new()))),
        ] {
            let create = room.seal(room.draft(ALICE, "m.room.create", Some(""), content)).unwrap();
            assert_eq!(RoomVersion::of_create(&create), expected);
        }
    }

    #[test]
    fn the_rules_are_those_of_the_version() {
        for version in RoomVersion::all() {
            assert_eq!(version.ids_are_given(), version <= RoomVersion::V2, "{version}");
            assert_eq!(version.enforces_key_validity(), version.0 >= 5, "{version}");
            assert_eq!(version.has_knocking(), version.0 >= 7, "{version}");
            assert_eq!(version.has_restricted_joins(), version.0 >= 8, "{version}");
            assert_eq!(version.redacts_in_content(), version >= RoomVersion::V11, "{version}");
            assert_eq!(version.room_id_is_create_event(), version == RoomVersion::V12, "{version}");
        }
    }
}
