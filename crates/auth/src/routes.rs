//! The table of this edge's endpoints.

use std::sync::Arc;

use http::{Method, header};
use web::{Access, Rate, Response, Route, Routes, Visit};

use crate::{
    Lang, Town, account, assets, authorize, consent, device_code, end_session, jwks, legacy, link, metadata,
    oauth_error::OauthError, problem::Problem, proconnect, register, revoke, sign_in, token, userinfo,
};

pub fn routes() -> Routes<Town> {
    let mut routes = Routes::new();
    oauth_routes(&mut routes);
    legacy_routes(&mut routes);
    page_routes(&mut routes);
    account_routes(&mut routes);
    routes
}

fn oauth_routes(routes: &mut Routes<Town>) {
    routes
        .json(Method::GET, "/_matrix/client/v1/auth_metadata", Access::Public, metadata::server)
        .also("/_matrix/client/unstable/org.matrix.msc2965/auth_metadata")
        .also("/.well-known/openid-configuration")
        .also("/.well-known/oauth-authorization-server");
    let issuer = "/_matrix/client/unstable/org.matrix.msc2965/auth_issuer";
    routes.json(Method::GET, issuer, Access::Public, metadata::issuer);
    routes.json(Method::GET, "/oauth2/keys.json", Access::Public, jwks::keys);
    oauth(routes, "/oauth2/registration", register::register).limited(Rate::Registration).body_max(65_536);
    oauth(routes, "/oauth2/token", token::token).limited(Rate::Login).body_max(65_536);
    oauth(routes, "/oauth2/revoke", revoke::revoke).limited(Rate::Login).body_max(65_536);
    oauth(routes, "/oauth2/device", device_code::start).limited(Rate::Login).body_max(65_536);
    routes.json(Method::GET, "/oauth2/userinfo", Access::User, userinfo::userinfo);
    routes.json(Method::POST, "/oauth2/userinfo", Access::User, userinfo::userinfo);
}

fn legacy_routes(routes: &mut Routes<Town>) {
    let public = Access::Public;
    routes.json(Method::GET, "/_matrix/client/v3/login", public, legacy::login::flows);
    routes.json(Method::POST, "/_matrix/client/v3/login", public, legacy::login::login).limited(Rate::Login);
    routes.json(Method::POST, "/_matrix/client/v3/refresh", public, legacy::refresh::refresh).limited(Rate::Login);
    routes.json(Method::POST, "/_matrix/client/v3/logout", public, legacy::logout::one);
    routes.json(Method::POST, "/_matrix/client/v3/logout/all", public, legacy::logout::all);
    let redirect = "/_matrix/client/v3/login/sso/redirect";
    page(routes, Method::GET, redirect, legacy::sso::redirect).limited(Rate::Login);
    let with_provider = "/_matrix/client/v3/login/sso/redirect/{provider}";
    page(routes, Method::GET, with_provider, legacy::sso::redirect).limited(Rate::Login);
    page(routes, Method::GET, "/sso/{flow}", legacy::sso::confirm);
    page(routes, Method::POST, "/sso/{flow}", legacy::sso::send).limited(Rate::Login).body_max(4_096);
}

fn page_routes(routes: &mut Routes<Town>) {
    page(routes, Method::GET, "/auth/style.css", assets::style);
    page(routes, Method::GET, "/authorize", authorize::authorize).limited(Rate::Login);
    page(routes, Method::GET, "/sign-in/{flow}", sign_in::show);
    page(routes, Method::GET, "/upstream/authorize/{flow}", proconnect::login::start).limited(Rate::Login);
    page(routes, Method::GET, "/upstream/callback", proconnect::callback::callback).limited(Rate::Login);
    page(routes, Method::GET, "/upstream/logged-out", end_session::returned);
    page(routes, Method::GET, "/consent/{flow}", consent::show);
    page(routes, Method::POST, "/consent/{flow}", consent::decide).limited(Rate::Login).body_max(4_096);
    page(routes, Method::GET, "/link", link::show).limited(Rate::Login);
    page(routes, Method::POST, "/link", link::decide).limited(Rate::Login).body_max(4_096);
    page(routes, Method::GET, "/oauth2/end_session", end_session::start);
    page(routes, Method::POST, "/oauth2/end_session", end_session::confirmed).body_max(16_384);
}

fn account_routes(routes: &mut Routes<Town>) {
    page(routes, Method::GET, "/account/", account::show).also("/account");
    page(routes, Method::POST, "/account/sign-out", account::sign_out).body_max(4_096);
    page(routes, Method::POST, "/account/device", account::devices::end).body_max(4_096);
    page(routes, Method::POST, "/account/reset", account::reset::open).limited(Rate::Login).body_max(4_096);
}

/// A page of which every problem is a page too.
fn page<'r, H, Fut>(routes: &'r mut Routes<Town>, method: Method, path: &'static str, handler: H) -> &'r mut Route<Town>
where
    H: Fn(Arc<Town>, Visit) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response, Problem>> + Send + 'static,
{
    routes.page(method, path, move |town: Arc<Town>, visit: Visit| {
        let lang = Lang::of(visit.header(header::ACCEPT_LANGUAGE), town.settings.default_lang);
        let answer = handler(Arc::clone(&town), visit);
        async move { Ok(answer.await.unwrap_or_else(|problem| problem.page(&town, lang))) }
    })
}

/// An endpoint for clients' programs, which call it from web pages of any origin, with errors as OAuth words them.
fn oauth<'r, H, Fut>(routes: &'r mut Routes<Town>, path: &'static str, handler: H) -> &'r mut Route<Town>
where
    H: Fn(Arc<Town>, Visit) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response, OauthError>> + Send + 'static,
{
    let route = routes.page(Method::POST, path, move |town: Arc<Town>, visit: Visit| {
        let answer = handler(town, visit);
        async move { Ok(answer.await.unwrap_or_else(OauthError::into_response)) }
    });
    route.cors()
}
