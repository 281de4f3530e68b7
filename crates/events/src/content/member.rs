//! `m.room.member`.

use kernel::id::OwnedUserId;
use serde::{Deserialize, Serialize};

use super::lenient::{lenient, object, read};
use crate::Pdu;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Membership {
    Join,
    Invite,
    Knock,
    Leave,
    Ban,
}

impl Membership {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Invite => "invite",
            Self::Knock => "knock",
            Self::Leave => "leave",
            Self::Ban => "ban",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct MemberContent {
    /// None for a word that the specification does not have: the authorisation rules refuse such an event.
    #[serde(default, deserialize_with = "lenient")]
    pub membership: Option<Membership>,
    #[serde(default, deserialize_with = "lenient")]
    pub displayname: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub avatar_url: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub reason: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub is_direct: Option<bool>,
    /// The local user whose server let somebody in to a restricted room.
    #[serde(default, deserialize_with = "lenient")]
    pub join_authorised_via_users_server: Option<OwnedUserId>,
    #[serde(default, deserialize_with = "object")]
    pub third_party_invite: Option<ThirdPartyInvite>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ThirdPartyInvite {
    #[serde(default, deserialize_with = "lenient")]
    pub display_name: Option<String>,
}

impl MemberContent {
    pub fn of(event: &Pdu) -> Self {
        read(event)
    }
}

impl Pdu {
    /// The membership that a member event gives its state key's user; none for other events.
    pub fn membership(&self) -> Option<Membership> {
        #[derive(Default, Deserialize)]
        struct Fields {
            #[serde(default, deserialize_with = "lenient")]
            membership: Option<Membership>,
        }
        let is_member = self.kind() == "m.room.member" && self.is_state();
        is_member.then(|| read::<Fields>(self).membership).flatten()
    }
}
