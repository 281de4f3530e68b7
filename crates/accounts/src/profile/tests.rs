//! Fields, their names and bounds.

use super::*;
use crate::testing::town;

#[tokio::test]
async fn fields_are_set_replaced_and_deleted() {
    let town = town();
    let accounts = &town.accounts;
    let alice = town.person("alice").await;
    assert_eq!(accounts.profile(&alice).unwrap(), Some(Profile::default()));
    assert_eq!(accounts.profile("@ghost:town1.test".try_into().unwrap()).unwrap(), None);
    assert!(accounts.set_profile_field(&alice, "m.tz".into(), "\"Europe/Paris\"").await.unwrap());
    assert!(!accounts.set_profile_field(&alice, "m.tz".into(), " \"Europe/Paris\"").await.unwrap());
    assert!(accounts.set_profile_field(&alice, "fr.test.service".into(), "{\"n\": 1}").await.unwrap());
    assert!(accounts.set_profile_field(&alice, "avatar_url".into(), "\"mxc://town1.test/abc\"").await.unwrap());
    let profile = accounts.profile(&alice).unwrap().unwrap();
    assert_eq!(profile.avatar_url.as_deref(), Some("mxc://town1.test/abc"));
    assert_eq!(profile.fields["m.tz"], "\"Europe/Paris\"");
    assert_eq!(profile.fields["fr.test.service"], "{\"n\":1}");
    assert!(accounts.delete_profile_field(&alice, "m.tz".into()).await.unwrap());
    assert!(!accounts.delete_profile_field(&alice, "m.tz".into()).await.unwrap());
    assert!(accounts.set_avatar(&alice, Some("")).await.unwrap());
    assert_eq!(accounts.profile(&alice).unwrap().unwrap().avatar_url, None);
}

#[tokio::test]
async fn what_is_wrong_or_too_much_is_refused_and_nothing_changes() {
    let town = town();
    let accounts = &town.accounts;
    let alice = town.person("alice").await;
    let large = format!("\"{}\"", "x".repeat(60_000));
    accounts.set_profile_field(&alice, "m.a".into(), &large).await.unwrap();
    let before = accounts.profile(&alice).unwrap();
    let long = "x".repeat(256);
    for name in ["", "M.tz", "a b", "é", "1a", ".a", "a/b", &long] {
        assert!(accounts.set_profile_field(&alice, name.into(), "1").await.is_err(), "{name}");
    }
    assert!(matches!(
        accounts.set_profile_field(&alice, "m.b".into(), &large).await,
        Err(Error::TooLarge { what: "a profile", .. })
    ));
    assert!(accounts.set_profile_field(&alice, "m.b".into(), "{").await.is_err());
    for url in ["7", "\"https://x.test/a.png\"", "\"javascript:1\"", "\"mxc://a b\"", "null"] {
        assert!(accounts.set_profile_field(&alice, "avatar_url".into(), url).await.is_err(), "{url}");
    }
    assert!(matches!(accounts.delete_profile_field(&alice, "displayname".into()).await, Err(Error::Forbidden(_))));
    assert_eq!(accounts.profile(&alice).unwrap(), before);
}

#[tokio::test]
async fn other_servers_are_told_of_users_of_this_one_field_by_field() {
    let town = town();
    let accounts = &town.accounts;
    let (alice, gone) = (town.person("alice").await, town.person("gone").await);
    accounts.rename(&alice, "Alice").await.unwrap();
    accounts.set_profile_field(&alice, "m.tz".into(), "\"Europe/Paris\"").await.unwrap();
    let told = |field: Option<&str>| Value::Object(accounts.profile_for(&alice, field).unwrap());
    assert_eq!(told(None), serde_json::json!({ "displayname": "Alice", "m.tz": "Europe/Paris" }));
    assert_eq!(told(Some("displayname")), serde_json::json!({ "displayname": "Alice" }));
    assert_eq!(told(Some("avatar_url")), serde_json::json!({}));
    accounts.deactivate(&gone).await.unwrap();
    assert!(accounts.profile_for(&gone, None).unwrap().is_empty());
    for nobody in ["@nobody:town1.test", "@bob:abroad.test"] {
        let nobody: kernel::id::OwnedUserId = nobody.try_into().unwrap();
        assert!(matches!(accounts.profile_for(&nobody, None), Err(Error::NoSuchUser)));
    }
}
