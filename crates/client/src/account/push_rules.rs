//! Push rules: the specification's defaults and what the user made of them (spec, "Push Rules").

use std::sync::Arc;

use accounts::{Placement, RuleRef};
use kernel::id::UserId;
use ruma_client_api::push::{
    PushRule, RuleKind, delete_pushrule, get_pushrule, get_pushrule_actions, get_pushrule_enabled, get_pushrules_all,
    get_pushrules_global_scope, set_pushrule, set_pushrule_actions, set_pushrule_enabled,
};

use super::not_found;
use crate::Town;

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    // Element Web does not begin to sync before this one answers.
    routes.user(all).also("/_matrix/client/v3/pushrules");
    routes.user(global).also("/_matrix/client/v3/pushrules/global");
    routes.user(get);
    routes.user(put);
    routes.user(delete);
    routes.user(get_enabled);
    routes.user(set_enabled);
    routes.user(get_actions);
    routes.user(set_actions);
}

async fn all(
    town: Arc<Town>,
    caller: web::Caller,
    _: get_pushrules_all::v3::Request,
) -> web::Result<get_pushrules_all::v3::Response> {
    Ok(get_pushrules_all::v3::Response::new(town.accounts.push_rules(&caller.user)?))
}

async fn global(
    town: Arc<Town>,
    caller: web::Caller,
    _: get_pushrules_global_scope::v3::Request,
) -> web::Result<get_pushrules_global_scope::v3::Response> {
    Ok(get_pushrules_global_scope::v3::Response::new(town.accounts.push_rules(&caller.user)?))
}

async fn get(
    town: Arc<Town>,
    caller: web::Caller,
    ask: get_pushrule::v3::Request,
) -> web::Result<get_pushrule::v3::Response> {
    Ok(get_pushrule::v3::Response::new(rule(&town, &caller.user, ask.kind, &ask.rule_id)?))
}

async fn put(
    town: Arc<Town>,
    caller: web::Caller,
    ask: set_pushrule::v3::Request,
) -> web::Result<set_pushrule::v3::Response> {
    let place = Placement { after: ask.after.as_deref(), before: ask.before.as_deref() };
    town.accounts.put_push_rule(&caller.user, ask.rule, place).await?;
    Ok(set_pushrule::v3::Response::new())
}

async fn delete(
    town: Arc<Town>,
    caller: web::Caller,
    ask: delete_pushrule::v3::Request,
) -> web::Result<delete_pushrule::v3::Response> {
    town.accounts.delete_push_rule(&caller.user, RuleRef { kind: ask.kind, id: &ask.rule_id }).await?;
    Ok(delete_pushrule::v3::Response::new())
}

async fn get_enabled(
    town: Arc<Town>,
    caller: web::Caller,
    ask: get_pushrule_enabled::v3::Request,
) -> web::Result<get_pushrule_enabled::v3::Response> {
    let rule = rule(&town, &caller.user, ask.kind, &ask.rule_id)?;
    Ok(get_pushrule_enabled::v3::Response::new(rule.enabled))
}

async fn set_enabled(
    town: Arc<Town>,
    caller: web::Caller,
    ask: set_pushrule_enabled::v3::Request,
) -> web::Result<set_pushrule_enabled::v3::Response> {
    let rule = RuleRef { kind: ask.kind, id: &ask.rule_id };
    town.accounts.enable_push_rule(&caller.user, rule, ask.enabled).await?;
    Ok(set_pushrule_enabled::v3::Response::new())
}

async fn get_actions(
    town: Arc<Town>,
    caller: web::Caller,
    ask: get_pushrule_actions::v3::Request,
) -> web::Result<get_pushrule_actions::v3::Response> {
    let rule = rule(&town, &caller.user, ask.kind, &ask.rule_id)?;
    Ok(get_pushrule_actions::v3::Response::new(rule.actions))
}

async fn set_actions(
    town: Arc<Town>,
    caller: web::Caller,
    ask: set_pushrule_actions::v3::Request,
) -> web::Result<set_pushrule_actions::v3::Response> {
    let rule = RuleRef { kind: ask.kind, id: &ask.rule_id };
    town.accounts.set_push_rule_actions(&caller.user, rule, ask.actions).await?;
    Ok(set_pushrule_actions::v3::Response::new())
}

fn rule(town: &Town, user: &UserId, kind: RuleKind, id: &str) -> web::Result<PushRule> {
    let rules = town.accounts.push_rules(user)?;
    rules.get(kind, id).map(PushRule::from).ok_or_else(|| not_found("There is no such push rule"))
}
