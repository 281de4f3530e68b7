//! Profiles of users of other servers, remembered for a short while: a client asks for the same one many times.

use std::{collections::BTreeMap, time::Duration};

use kernel::{
    Timestamp,
    id::{OwnedUserId, UserId},
};
use quick_cache::sync::Cache;
use serde_json::{Map, Value};

use crate::{Accounts, Profile, RemoteError, RemoteResult, Result, json};

/// How long an answer is remembered.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Answers that are remembered, per tenant, and how long they may be: 8 MB.
const PROFILES_MAX: usize = 2_000;
const REMEMBERED_BYTES_MAX: usize = 4_096;
/// Longest profile that is taken (spec, "Profiles").
const PROFILE_BYTES_MAX: usize = 65_536;
/// Longest name and address of a picture that are taken.
const TEXT_BYTES_MAX: usize = 1_000;

/// (user, field) → when it was asked for, and the answer.
pub(crate) struct RemoteProfiles(Cache<(OwnedUserId, Option<String>), (Timestamp, Profile)>);

impl Default for RemoteProfiles {
    fn default() -> Self {
        Self(Cache::new(PROFILES_MAX))
    }
}

impl Accounts {
    /// The profile of a user of another server: all of it, or this field and perhaps others.
    ///
    /// # Errors
    /// `Remote`, `NotFound` there for a user whom the server does not know.
    pub async fn remote_profile(&self, user: &UserId, field: Option<&str>) -> Result<Profile> {
        let key = (user.to_owned(), field.map(str::to_owned));
        let now = self.now();
        if let Some((asked, profile)) = self.inner.remote_profiles.0.get(&key)
            && now.since(asked) < REMEMBERED
        {
            return Ok(profile);
        }
        let answer = self.inner.remote.profile(user, field).await?;
        let profile = read(user, &answer)?;
        if answer.len() <= REMEMBERED_BYTES_MAX {
            self.inner.remote_profiles.0.insert(key, (now, profile.clone()));
        }
        Ok(profile)
    }
}

/// Takes of an answer what can be a profile.
fn read(user: &UserId, answer: &str) -> RemoteResult<Profile> {
    let malformed = || RemoteError::Malformed(user.server_name().to_owned());
    let value = json::compact_value(answer, "a profile", PROFILE_BYTES_MAX).map_err(|_| malformed())?;
    let Value::Object(mut fields) = value else { return Err(malformed()) };
    let display_name = text(&mut fields, "displayname");
    let avatar_url = text(&mut fields, "avatar_url").filter(|url| url.starts_with("mxc://"));
    let fields: BTreeMap<_, _> = fields.into_iter().map(|(field, value)| (field, value.to_string())).collect();
    Ok(Profile { display_name, avatar_url, fields })
}

fn text(fields: &mut Map<String, Value>, field: &str) -> Option<String> {
    let value = fields.remove(field)?;
    let text = value.as_str().filter(|text| !text.is_empty() && text.len() <= TEXT_BYTES_MAX)?;
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, testing::town};

    #[tokio::test]
    async fn an_answer_is_remembered_for_a_minute_and_a_failure_not_at_all() {
        let town = town();
        let bob: OwnedUserId = "@bob:abroad.test".try_into().unwrap();
        let ask = async |field: Option<&'static str>| town.accounts.remote_profile(&bob, field).await;
        for _ in 0..2 {
            assert!(matches!(ask(None).await, Err(Error::Remote(RemoteError::Unreachable(_)))));
        }
        assert_eq!(town.others.asked().len(), 2);
        let answer = r#"{"displayname":"Bob","avatar_url":"https://tracker.test/x","m.tz":"Europe/Paris","n":[1.5]}"#;
        town.others.script().profiles.insert(bob.clone(), Ok(answer.to_owned()));
        for _ in 0..3 {
            let profile = ask(None).await.unwrap();
            assert_eq!((profile.display_name.as_deref(), profile.avatar_url), (Some("Bob"), None));
            assert_eq!(profile.fields["m.tz"], "\"Europe/Paris\"");
            assert_eq!(profile.fields["n"], "[1.5]");
            ask(Some("m.tz")).await.unwrap();
        }
        assert_eq!(town.others.asked(), ["profile @bob:abroad.test *", "profile @bob:abroad.test m.tz"]);
        town.advance(REMEMBERED);
        ask(None).await.unwrap();
        assert_eq!(town.others.asked().len(), 1);
    }

    #[tokio::test]
    async fn what_can_be_no_profile_is_none() {
        let town = town();
        let bob: OwnedUserId = "@bob:abroad.test".try_into().unwrap();
        let long = "y".repeat(70_000);
        for wrong in ["[]", "\"Bob\"", "{", "", &format!("{{\"displayname\":\"{long}\"}}")] {
            town.others.script().profiles.insert(bob.clone(), Ok(wrong.to_owned()));
            let answer = town.accounts.remote_profile(&bob, None).await;
            assert!(matches!(answer, Err(Error::Remote(RemoteError::Malformed(_)))));
        }
        for odd in ["{\"displayname\":7}", "{\"displayname\":\"\",\"avatar_url\":null}"] {
            town.others.script().profiles.insert(bob.clone(), Ok(odd.to_owned()));
            assert_eq!(town.accounts.remote_profile(&bob, None).await.unwrap(), Profile::default());
            town.advance(REMEMBERED);
        }
    }
}
