//! The order of rules, what may be changed, and its bounds.

use ruma_common::push::{
    ConditionalPushRule, NewConditionalPushRule, NewPatternedPushRule, NewSimplePushRule, PredefinedOverrideRuleId,
};

use super::*;
use crate::testing::{Town, town};

fn rule(id: &str) -> NewPushRule {
    NewPushRule::Override(NewConditionalPushRule::new(id.to_owned(), Vec::new(), vec![Action::Notify]))
}

fn named(id: &str) -> RuleRef<'_> {
    RuleRef { kind: RuleKind::Override, id }
}

fn own(town: &Town, user: &UserId) -> Vec<String> {
    let rules = town.accounts.push_rules(user).unwrap().override_;
    assert_eq!(rules[0].rule_id, ".m.rule.master");
    let own: Vec<_> = rules.iter().skip(1).take_while(|rule| !rule.default).map(|rule| rule.rule_id.clone()).collect();
    assert!(rules.iter().skip(1 + own.len()).all(|rule: &ConditionalPushRule| rule.default));
    own
}

#[tokio::test]
async fn rules_are_placed_where_they_are_wanted() {
    let town = town();
    let accounts = &town.accounts;
    let alice = town.person("alice").await;
    let put =
        async |id: &str, after, before| accounts.put_push_rule(&alice, rule(id), Placement { after, before }).await;
    for id in ["a", "b", "c"] {
        put(id, None, None).await.unwrap();
    }
    assert_eq!(own(&town, &alice), ["c", "b", "a"]);
    put("d", Some("c"), None).await.unwrap();
    put("e", None, Some("c")).await.unwrap();
    put("f", Some("d"), Some("a")).await.unwrap();
    assert_eq!(own(&town, &alice), ["e", "c", "d", "b", "f", "a"]);
    // An existing rule after the last one: what made others panic (hazard D4).
    put("e", Some("a"), None).await.unwrap();
    put("a", None, None).await.unwrap();
    assert_eq!(own(&town, &alice), ["c", "d", "b", "f", "a", "e"]);
    for (after, before) in [
        (Some("ghost"), None),
        (None, Some("ghost")),
        (Some(".m.rule.master"), None),
        (None, Some(".m.rule.suppress_notices")),
        (Some("e"), Some("c")),
        (Some("c"), Some("c")),
        (Some("z"), None),
        (None, Some("z")),
    ] {
        assert!(matches!(put("z", after, before).await, Err(Error::InvalidParam(_))), "{after:?} {before:?}");
    }
    assert_eq!(own(&town, &alice), ["c", "d", "b", "f", "a", "e"]);
}

#[tokio::test]
async fn rules_are_enabled_changed_and_deleted() {
    let town = town();
    let accounts = &town.accounts;
    let alice = town.person("alice").await;
    let before = accounts.position();
    accounts.put_push_rule(&alice, rule("a"), Placement::default()).await.unwrap();
    accounts.enable_push_rule(&alice, named("a"), false).await.unwrap();
    accounts.put_push_rule(&alice, rule("a"), Placement::default()).await.unwrap();
    let get = |id: &str| accounts.push_rules(&alice).unwrap().get(RuleKind::Override, id).map(|rule| rule.to_owned());
    assert!(!get("a").unwrap().enabled(), "a rule that is written again stays as it was");
    accounts.set_push_rule_actions(&alice, named("a"), vec![]).await.unwrap();
    assert!(get("a").unwrap().actions().is_empty());
    accounts.enable_push_rule(&alice, named(PredefinedOverrideRuleId::Master.as_str()), true).await.unwrap();
    assert!(get(".m.rule.master").unwrap().enabled());
    let changes = accounts.data_changes(&alice, before, accounts.position()).unwrap();
    assert_eq!((changes.len(), changes[0].kind.as_str()), (1, "m.push_rules"));
    assert_eq!(accounts.data(&alice, None, "m.push_rules").unwrap().unwrap(), changes[0].content);
    let shown: Value = serde_json::from_str(&changes[0].content).unwrap();
    assert_eq!(shown["global"]["sender"], json!([]));

    accounts.delete_push_rule(&alice, named("a")).await.unwrap();
    assert!(get("a").is_none());
    assert!(matches!(accounts.delete_push_rule(&alice, named("a")).await, Err(Error::NotFound(_))));
    assert!(matches!(accounts.delete_push_rule(&alice, named(".m.rule.master")).await, Err(Error::InvalidParam(_))));
    assert!(matches!(accounts.enable_push_rule(&alice, named("ghost"), true).await, Err(Error::NotFound(_))));
    assert!(matches!(accounts.set_push_rule_actions(&alice, named("ghost"), vec![]).await, Err(Error::NotFound(_))));
    assert!(get(".m.rule.master").unwrap().enabled());
}

/// Hazard D4.
#[tokio::test]
async fn rules_are_bounded_in_shape_size_and_number() {
    let town = town();
    let accounts = &town.accounts;
    let alice = town.person("alice").await;
    let long = "x".repeat(256);
    for id in ["", ".mine", "a/b", "a\\b", &long] {
        assert!(accounts.put_push_rule(&alice, rule(id), Placement::default()).await.is_err(), "{id}");
    }
    let pattern = NewPatternedPushRule::new("p".to_owned(), "x".repeat(5_000), vec![]);
    let large = accounts.put_push_rule(&alice, NewPushRule::Content(pattern), Placement::default()).await;
    assert!(matches!(large, Err(Error::TooLarge { .. })));
    assert!(own(&town, &alice).is_empty());

    let room = "!r:town1.test".try_into().unwrap();
    let room = NewPushRule::Room(NewSimplePushRule::new(room, vec![]));
    accounts.put_push_rule(&alice, room, Placement::default()).await.unwrap();
    // Far fewer than a thousand calls: the rules before are put in at once.
    let mut rules = accounts.push_rules(&alice).unwrap();
    for n in 0..999 {
        order::put(&mut rules, rule(&n.to_string()), Placement::default()).unwrap();
    }
    accounts.write_data(&alice, None, KIND, &content(&rules).unwrap()).await.unwrap();
    let more = accounts.put_push_rule(&alice, rule("more"), Placement::default()).await;
    assert!(matches!(more, Err(Error::TooMany { .. })));
    accounts.put_push_rule(&alice, rule("5"), Placement { after: Some("0"), before: None }).await.unwrap();
    assert_eq!(own(&town, &alice).last().unwrap(), "5");
    assert_eq!(own(&town, &alice).len(), 999);
}
