//! Where a new rule goes among those of its kind.

use ruma_common::push::{ConditionalPushRule, NewPushRule, PatternedPushRule, Ruleset, SimplePushRule};
use serde::Serialize;

use super::{Placement, RULE_BYTES_MAX, invalid};
use crate::{Error, Result};

/// What all kinds of rules have.
trait Rule: Serialize {
    fn id(&self) -> &str;
    fn enabled(&mut self) -> &mut bool;
    fn is_default(&self) -> bool;
}

macro_rules! rules {
    ($($({$param:ident})? $type:ty),*) => {$(
        impl $(<$param: AsRef<str> + Serialize>)? Rule for $type {
            fn id(&self) -> &str {
                self.rule_id.as_ref()
            }
            fn enabled(&mut self) -> &mut bool {
                &mut self.enabled
            }
            fn is_default(&self) -> bool {
                self.default
            }
        }
    )*};
}
rules!(ConditionalPushRule, PatternedPushRule, {T} SimplePushRule<T>);

pub(super) fn put(rules: &mut Ruleset, rule: NewPushRule, place: Placement<'_>) -> Result<()> {
    match rule {
        NewPushRule::Override(rule) => insert(&mut rules.override_, ConditionalPushRule::from(rule), place),
        NewPushRule::Content(rule) => insert(&mut rules.content, PatternedPushRule::from(rule), place),
        NewPushRule::Room(rule) => insert(&mut rules.room, SimplePushRule::from(rule), place),
        NewPushRule::Sender(rule) => insert(&mut rules.sender, SimplePushRule::from(rule), place),
        NewPushRule::Underride(rule) => insert(&mut rules.underride, ConditionalPushRule::from(rule), place),
        _ => Err(invalid("This kind of push rule is not known")),
    }
}

/// A replaced rule stays where it is, unless it is placed anew; a new one goes before all others of the user's, but after
/// `.m.rule.master`, which is always first.
fn insert<S, R: Rule>(set: &mut S, mut rule: R, place: Placement<'_>) -> Result<()>
where
    S: Default + IntoIterator<Item = R> + FromIterator<R>,
{
    check_size(&rule)?;
    if [place.after, place.before].contains(&Some(rule.id())) {
        return Err(invalid("A rule cannot be placed by itself"));
    }
    let mut list: Vec<R> = std::mem::take(set).into_iter().collect();
    let there = list.iter().position(|other| other.id() == rule.id());
    if let Some(old) = there {
        *rule.enabled() = *list.remove(old).enabled();
    }
    let find = |id: &str| {
        let found = list.iter().position(|other| other.id() == id);
        found.ok_or_else(|| invalid("The rule to be placed by is not there"))
    };
    let at = match (place.after, place.before) {
        (Some(after), Some(before)) => {
            let (after, before) = (find(after)?, find(before)?);
            if before <= after {
                return Err(invalid("The rule cannot be after the one and before the other"));
            }
            before
        }
        (Some(after), None) => find(after)? + 1,
        (None, Some(before)) => find(before)?,
        (None, None) => there.unwrap_or_else(|| {
            usize::from(list.first().is_some_and(|first| first.is_default() && first.id() == ".m.rule.master"))
        }),
    };
    list.insert(at.min(list.len()), rule);
    *set = list.into_iter().collect();
    Ok(())
}

fn check_size(rule: &impl Rule) -> Result<()> {
    let bytes = serde_json::to_vec(rule).map_or(usize::MAX, |json| json.len());
    if bytes > RULE_BYTES_MAX { Err(Error::TooLarge { what: "a push rule", limit: RULE_BYTES_MAX }) } else { Ok(()) }
}
