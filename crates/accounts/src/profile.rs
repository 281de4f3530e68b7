//! Profiles: a computed display name, an avatar, and the user's own fields (MSC4133).

use std::collections::BTreeMap;

use kernel::id::UserId;

use crate::{Accounts, Result, accounts::later};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    pub display_name: Option<String>,
    pub avatar_url: Option<String>,
    /// Field → its value as JSON text (`m.tz` and the like).
    pub fields: BTreeMap<String, String>,
}

/// The name of a profile's field, told apart by what may be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileField<'a> {
    DisplayName,
    AvatarUrl,
    Other(&'a str),
}

impl<'a> From<&'a str> for ProfileField<'a> {
    fn from(name: &'a str) -> Self {
        match name {
            "displayname" => Self::DisplayName,
            "avatar_url" => Self::AvatarUrl,
            other => Self::Other(other),
        }
    }
}

impl Accounts {
    /// `None`: no such user. A deactivated user's is empty.
    pub fn profile(&self, _user: &UserId) -> Result<Option<Profile>> {
        later()
    }

    /// `None` unsets. Returns whether it changed.
    pub async fn set_avatar(&self, _user: &UserId, _url: Option<&str>) -> Result<bool> {
        later()
    }

    /// Sets one of the user's own fields, or the avatar, to a JSON value. Returns whether it changed.
    ///
    /// # Errors
    /// `Forbidden` for the display name, which is computed; `BadJson`; `InvalidParam` for a name that is none; `TooLarge`.
    pub async fn set_profile_field(&self, _user: &UserId, _field: ProfileField<'_>, _value: &str) -> Result<bool> {
        later()
    }

    pub async fn delete_profile_field(&self, _user: &UserId, _field: ProfileField<'_>) -> Result<bool> {
        later()
    }
}
