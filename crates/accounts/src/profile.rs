//! Profiles: a computed display name, an avatar, and the user's own fields (MSC4133).

use std::collections::BTreeMap;

use kernel::id::UserId;
use serde_json::{Map, Value};

use crate::{
    Accounts, Change, Error, Result,
    accounts::{announce, check_length},
    json,
    tables::{PROFILES, ProfileRow},
};

/// The whole profile (spec, "Profiles").
const PROFILE_BYTES_MAX: usize = 65_536;
/// Longest name of a field (spec, "Profiles").
const FIELD_BYTES_MAX: usize = 255;
const URL_BYTES_MAX: usize = 1_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    pub display_name: Option<String>,
    pub avatar_url: Option<String>,
    /// Field → its value as JSON text (`m.tz` and the like).
    pub fields: BTreeMap<String, String>,
}

impl Profile {
    /// All that is set, as one object: the fields beside name and picture.
    ///
    /// # Errors
    /// `Damaged`
    pub fn shown(self) -> Result<Map<String, Value>> {
        let mut shown = Map::new();
        for (field, text) in self.fields {
            let value = serde_json::from_str(&text).map_err(|error| Error::Damaged(error.to_string()))?;
            shown.insert(field, value);
        }
        shown.extend(self.display_name.map(|name| ("displayname".to_owned(), name.into())));
        shown.extend(self.avatar_url.map(|url| ("avatar_url".to_owned(), url.into())));
        Ok(shown)
    }
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
    pub fn profile(&self, user: &UserId) -> Result<Option<Profile>> {
        let Some(row) = self.scope().get(&PROFILES, (user,))? else {
            return Ok(self.scope().has(&crate::tables::USERS, (user,))?.then(Profile::default));
        };
        let ProfileRow { display_name, avatar_url, fields } = row;
        Ok(Some(Profile { display_name, avatar_url, fields: fields.into_iter().collect() }))
    }

    /// What another server is told of a user of this one: all of their profile, or this field, if it is set.
    ///
    /// # Errors
    /// `NoSuchUser`, also for users of other servers.
    pub fn profile_for(&self, user: &UserId, field: Option<&str>) -> Result<Map<String, Value>> {
        let profile = self.profile(user)?.filter(|_| self.is_local(user)).ok_or(Error::NoSuchUser)?;
        let mut shown = profile.shown()?;
        shown.retain(|name, _| field.is_none_or(|field| field == name));
        Ok(shown)
    }

    /// `None` unsets. Returns whether it changed.
    ///
    /// # Errors
    /// `InvalidParam` for what is no `mxc://` URL, `TooLarge`, `NoSuchUser`, `Deactivated`.
    pub async fn set_avatar(&self, user: &UserId, url: Option<&str>) -> Result<bool> {
        let url = url.filter(|url| !url.is_empty());
        if let Some(url) = url {
            check_length(url, "an avatar's URL", URL_BYTES_MAX)?;
            if !url.starts_with("mxc://") || url.chars().any(|c| c.is_control() || c.is_whitespace()) {
                return Err(Error::InvalidParam("An avatar is an mxc:// URL".to_owned()));
            }
        }
        self.alter_profile(user, |profile| profile.avatar_url = url.map(str::to_owned)).await
    }

    /// Sets one of the user's own fields, or the avatar, to a JSON value. Returns whether it changed.
    ///
    /// # Errors
    /// `Forbidden` for the display name, which is computed; `BadJson`; `InvalidParam` for a name that is none; `TooLarge`
    /// (`what` is "a field's name" or "a profile").
    pub async fn set_profile_field(&self, user: &UserId, field: ProfileField<'_>, value: &str) -> Result<bool> {
        let value = json::compact_value(value, "a profile", PROFILE_BYTES_MAX)?;
        match field {
            ProfileField::DisplayName => Err(computed()),
            ProfileField::AvatarUrl => match value.as_str() {
                Some(url) => self.set_avatar(user, Some(url)).await,
                None => Err(Error::BadJson("avatar_url must be a string".to_owned())),
            },
            ProfileField::Other(name) => {
                check_field_name(name)?;
                let value = value.to_string();
                self.alter_profile(user, |profile| {
                    profile.fields.retain(|(other, _)| other != name);
                    profile.fields.push((name.to_owned(), value));
                    profile.fields.sort_unstable();
                })
                .await
            }
        }
    }

    /// Returns whether it was there.
    ///
    /// # Errors
    /// As for [`Accounts::set_profile_field`].
    pub async fn delete_profile_field(&self, user: &UserId, field: ProfileField<'_>) -> Result<bool> {
        match field {
            ProfileField::DisplayName => Err(computed()),
            ProfileField::AvatarUrl => self.set_avatar(user, None).await,
            ProfileField::Other(name) => {
                self.alter_profile(user, |profile| profile.fields.retain(|(other, _)| other != name)).await
            }
        }
    }

    async fn alter_profile(&self, user: &UserId, alter: impl FnOnce(&mut ProfileRow)) -> Result<bool> {
        let _changing = self.change(user).await;
        self.living(user)?;
        let before = self.scope().get(&PROFILES, (user,))?.unwrap_or_default();
        let mut profile = before.clone();
        alter(&mut profile);
        if profile == before {
            return Ok(false);
        }
        let bytes = size(&profile);
        if bytes > PROFILE_BYTES_MAX && bytes > size(&before) {
            return Err(Error::TooLarge { what: "a profile", limit: PROFILE_BYTES_MAX });
        }
        let mut batch = self.scope().batch();
        batch.put(&PROFILES, (user,), &profile);
        announce(&mut batch, &Change::Profile { user: user.to_owned() });
        self.commit(batch).await?;
        Ok(true)
    }
}

fn computed() -> Error {
    Error::Forbidden("Display names are given by the identity provider and cannot be changed here")
}

/// A namespaced identifier (spec appendices, "Common Namespaced Identifier Grammar").
fn check_field_name(name: &str) -> Result<()> {
    check_length(name, "a field's name", FIELD_BYTES_MAX)?;
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.');
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.bytes().all(allowed) {
        return Err(Error::InvalidParam("This is no name of a profile's field".to_owned()));
    }
    Ok(())
}

/// About the length of the profile as JSON.
fn size(profile: &ProfileRow) -> usize {
    let fields = profile.fields.iter().map(|(name, value)| name.len() + value.len() + 4);
    let text = |text: &Option<String>| text.as_ref().map_or(0, |text| text.len() + 20);
    fields.sum::<usize>() + text(&profile.display_name) + text(&profile.avatar_url) + 2
}

#[cfg(test)]
mod tests;
