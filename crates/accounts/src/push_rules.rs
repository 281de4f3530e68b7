//! Push rules: the defaults of the specification and what the user made of them. Evaluation is the edge's.

use kernel::id::UserId;
use ruma_common::push::{Action, NewPushRule, RuleKind, Ruleset};

use crate::{Accounts, Result, accounts::later};

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
    pub fn push_rules(&self, _user: &UserId) -> Result<Ruleset> {
        later()
    }

    /// Adds or replaces a rule of the user's.
    ///
    /// # Errors
    /// `InvalidParam` for ids that cannot be, `NotFound` for an unknown rule to be placed by, `TooMany`, `TooLarge`.
    pub async fn put_push_rule(&self, _user: &UserId, _rule: NewPushRule, _place: Placement<'_>) -> Result<()> {
        later()
    }

    /// # Errors
    /// `NotFound`; `InvalidParam` for a default rule.
    pub async fn delete_push_rule(&self, _user: &UserId, _rule: RuleRef<'_>) -> Result<()> {
        later()
    }

    pub async fn enable_push_rule(&self, _user: &UserId, _rule: RuleRef<'_>, _enabled: bool) -> Result<()> {
        later()
    }

    pub async fn set_push_rule_actions(&self, _user: &UserId, _rule: RuleRef<'_>, _actions: Vec<Action>) -> Result<()> {
        later()
    }
}
