//! Push rules: the defaults of the specification and what the user made of them. Evaluation is the edge's.
//!
//! They are stored as the global account data `m.push_rules`, as which syncs show them.

mod order;

use kernel::id::UserId;
use ruma_common::push::{Action, AnyPushRuleRef, NewPushRule, RuleKind, Ruleset};
use serde_json::{Value, json};

use crate::{Accounts, Error, Result, tables::DATA};

/// The type of account data in which they are stored.
pub(crate) const KIND: &str = "m.push_rules";
/// Rules that a user may add (hazard D4).
const RULES_MAX: usize = 1_000;
const RULE_ID_BYTES_MAX: usize = 255;
/// Longest rule, as JSON.
const RULE_BYTES_MAX: usize = 4_096;

/// Which rule.
#[derive(Clone, Debug)]
pub struct RuleRef<'a> {
    pub kind: RuleKind,
    pub id: &'a str,
}

/// Where a rule goes among those of its kind: right after or right before another of the user's; first if neither.
#[derive(Clone, Copy, Debug, Default)]
pub struct Placement<'a> {
    pub after: Option<&'a str>,
    pub before: Option<&'a str>,
}

impl Accounts {
    /// The whole ruleset: read single rules with [`Ruleset::get`].
    pub fn push_rules(&self, user: &UserId) -> Result<Ruleset> {
        let Some(row) = self.scope().get(&DATA, (user, "", KIND))? else { return Ok(Ruleset::server_default(user)) };
        let text = self.content(user, "", KIND, row.value)?;
        let damaged = |error: serde_json::Error| Error::Damaged(format!("push rules: {error}"));
        let mut content: Value = serde_json::from_str(&text).map_err(damaged)?;
        let global = content.get_mut("global").map(Value::take).unwrap_or_default();
        let mut rules: Ruleset = serde_json::from_value(global).map_err(damaged)?;
        // Defaults that came with a newer version of this server.
        rules.update_with_server_default(Ruleset::server_default(user));
        Ok(rules)
    }

    /// Adds or replaces a rule of the user's. A rule that is replaced stays enabled or disabled.
    ///
    /// # Errors
    /// `InvalidParam` for ids that cannot be and for an unknown rule to be placed by, `TooMany`, `TooLarge`.
    pub async fn put_push_rule(&self, user: &UserId, rule: NewPushRule, place: Placement<'_>) -> Result<()> {
        check_id(rule.rule_id())?;
        for other in [place.after, place.before].into_iter().flatten() {
            if other.starts_with('.') {
                return Err(invalid("A rule cannot be placed by a default rule"));
            }
        }
        self.alter_push_rules(user, |rules| order::put(rules, rule, place)).await
    }

    /// # Errors
    /// `NotFound`; `InvalidParam` for a default rule.
    pub async fn delete_push_rule(&self, user: &UserId, rule: RuleRef<'_>) -> Result<()> {
        self.alter_push_rules(user, |rules| {
            if find(rules, &rule)?.is_server_default() {
                return Err(invalid("Default rules cannot be deleted"));
            }
            rules.remove(rule.kind, rule.id).map_err(|_| no_such_rule())
        })
        .await
    }

    /// # Errors
    /// `NotFound`.
    pub async fn enable_push_rule(&self, user: &UserId, rule: RuleRef<'_>, enabled: bool) -> Result<()> {
        self.alter_push_rules(user, |rules| rules.set_enabled(rule.kind, rule.id, enabled).map_err(|_| no_such_rule()))
            .await
    }

    /// # Errors
    /// `NotFound`, `TooLarge`.
    pub async fn set_push_rule_actions(&self, user: &UserId, rule: RuleRef<'_>, actions: Vec<Action>) -> Result<()> {
        check_actions(&actions)?;
        self.alter_push_rules(user, |rules| rules.set_actions(rule.kind, rule.id, actions).map_err(|_| no_such_rule()))
            .await
    }

    async fn alter_push_rules(&self, user: &UserId, alter: impl FnOnce(&mut Ruleset) -> Result<()>) -> Result<()> {
        let _changing = self.change(user).await;
        let mut rules = self.push_rules(user)?;
        alter(&mut rules)?;
        if rules.iter().filter(|rule| !rule.is_server_default()).count() > RULES_MAX {
            return Err(Error::TooMany { what: "push rules", limit: RULES_MAX });
        }
        self.write_data(user, None, KIND, &content(&rules)?).await
    }

    /// The account data of the user's ruleset, up to date with this version's default rules, as syncs show it.
    pub(crate) fn push_rules_content(&self, user: &UserId) -> Result<String> {
        content(&self.push_rules(user)?)
    }
}

/// The account data of a ruleset. Every kind is there, for clients that count on it.
fn content(rules: &Ruleset) -> Result<String> {
    let mut global = serde_json::to_value(rules).map_err(|error| Error::Damaged(error.to_string()))?;
    if let Some(kinds) = global.as_object_mut() {
        for kind in ["override", "content", "room", "sender", "underride"] {
            kinds.entry(kind).or_insert_with(|| json!([]));
        }
    }
    Ok(json!({ "global": global }).to_string())
}

fn find<'a>(rules: &'a Ruleset, rule: &RuleRef<'_>) -> Result<AnyPushRuleRef<'a>> {
    rules.get(rule.kind.clone(), rule.id).ok_or_else(no_such_rule)
}

fn check_id(id: &str) -> Result<()> {
    if id.is_empty() || id.len() > RULE_ID_BYTES_MAX || id.starts_with('.') || id.contains(['/', '\\']) {
        return Err(invalid("A rule id is not empty, begins with no dot and has no slash or backslash"));
    }
    Ok(())
}

fn check_actions(actions: &[Action]) -> Result<()> {
    let bytes = serde_json::to_vec(actions).map_or(usize::MAX, |json| json.len());
    if bytes > RULE_BYTES_MAX { Err(Error::TooLarge { what: "a push rule", limit: RULE_BYTES_MAX }) } else { Ok(()) }
}

fn invalid(reason: &str) -> Error {
    Error::InvalidParam(reason.to_owned())
}

fn no_such_rule() -> Error {
    Error::NotFound("push rule")
}

#[cfg(test)]
mod tests;
