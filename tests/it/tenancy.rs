//! Two tenants share nothing (hazards of hosting many towns): every route of the whole table, whoever adds it, is called in
//! one town with all that another has, and neither tells anything of it nor changes it.
//!
//! The table drives the test: a new endpoint is covered by being in it, and one whose path has a parameter that `fill.rs` does
//! not know fails with its name.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod fill;
mod towns;

use beffroi::app::App;
use http::Method;
use serde_json::json;
use web::{Access, RouteInfo, Routes};

use towns::{Answer, Ask, METZ, Towns};

/// What is wrong with an answer of Metz.
fn judge(towns: &Towns, said: &str, route: &RouteInfo, answer: &Answer) -> Vec<String> {
    let mut wrong: Vec<String> = towns
        .canaries
        .iter()
        .filter(|canary| answer.text.contains(&***canary) && !said.contains(&***canary))
        .map(|canary| format!("{} {}: tells {canary:?} of Amiens: {}", route.method, route.path, answer.text))
        .collect();
    if answer.status >= 500 {
        wrong.push(format!("{} {}: fails: {}", route.method, route.path, answer.text));
    }
    wrong
}

/// Calls one route in Metz in every way.
async fn call(towns: &Towns, number: usize, route: &RouteInfo) -> Vec<String> {
    let path = match fill::path(&route.path, &towns.things) {
        Ok(path) => path,
        Err(unknown) => return vec![unknown],
    };
    let mut wrong = Vec::new();
    let has_body = !matches!(route.method, Method::GET | Method::HEAD);
    let bodies = if has_body { fill::bodies(&towns.things) } else { vec![String::new()] };
    let queries = if has_body { vec![String::new()] } else { fill::queries(&towns.things) };
    for (which, (query, body)) in queries.iter().flat_map(|q| bodies.iter().map(move |b| (q, b))).enumerate() {
        let uri = format!("{path}{query}");
        // What was asked for is no news: the values of this request, as they were before they were encoded.
        let named = towns.things.values().filter(|thing| asks(&uri, body, thing)).map(String::as_str);
        let said = named.chain([&**body, &*uri]).collect::<Vec<_>>().join(" ");
        let stranger = Ask { token: Some(&towns.things["access_token"]), body: body.clone(), ..Ask::default() };
        let answer = towns.ask(METZ, &route.method, &uri, &stranger).await;
        wrong.extend(judge(towns, &said, route, &answer));
        let refusal = match route.access {
            Access::Public => None,
            // A person's token is no server's signature.
            Access::Server => Some("M_UNAUTHORIZED"),
            _ => Some("M_UNKNOWN_TOKEN"),
        };
        if refusal.is_some() && (answer.status, answer.body["errcode"].as_str()) != (401, refusal) {
            wrong.push(format!("{} {}: takes a token of Amiens: {}", route.method, route.path, answer.text));
        }
        // Somebody new each time: some endpoints end the session, or the account.
        let own = Towns::somebody(&towns.metz, &format!("agent{number}.{which}")).await;
        let own = Ask { token: Some(&own.access), body: body.clone(), ..Ask::default() };
        wrong.extend(judge(towns, &said, route, &towns.ask(METZ, &route.method, &uri, &own).await));
        let nobody = Ask { cookie: Some(&towns.things["cookie"]), body: body.clone(), ..Ask::default() };
        let answer = towns.ask(METZ, &route.method, &uri, &nobody).await;
        wrong.extend(judge(towns, &said, route, &answer));
        if !matches!(route.access, Access::Public | Access::Optional) && answer.status != 401 {
            wrong.push(format!("{} {}: asks for no token: {}", route.method, route.path, answer.text));
        }
    }
    wrong
}

fn asks(uri: &str, body: &str, thing: &str) -> bool {
    thing.len() > 5
        && (uri.contains(&fill::encode(thing)) || body.contains(thing) || body.contains(&fill::encode(thing)))
}

/// All that is wrong with these routes.
async fn check(towns: &Towns, routes: &[RouteInfo]) -> Vec<String> {
    let before = towns.rows();
    let mut wrong = Vec::new();
    for (number, route) in routes.iter().enumerate() {
        wrong.extend(call(towns, number, route).await);
        if towns.rows() != before {
            wrong.push(format!("{} {}: changes rows of Amiens", route.method, route.path));
            break;
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_of_one_town_reaches_another() {
    let towns = Towns::open(|_| Routes::default()).await;
    assert!(towns.routes.len() > 200, "the whole table: {}", towns.routes.len());
    let wrong = check(&towns, &towns.routes).await;
    assert!(wrong.is_empty(), "{} violations:\n{}", wrong.len(), wrong.join("\n"));
}

/// Routes that do what none may: read another town, write to it, and have a parameter that nobody knows.
fn leaky(amiens: &std::sync::Arc<App>) -> Routes<App> {
    let mut routes: Routes<client::Town> = Routes::new();
    let (reads, writes) = (amiens.clone(), amiens.clone());
    routes.json(Method::GET, "/leaky/read/{room_id}", Access::User, move |_, _, visit| {
        let room = kernel::id::RoomId::parse(visit.param("room_id")).unwrap();
        let name = reads.rooms.current_state(&room, "m.room.name", "").unwrap().unwrap();
        async move { web::Json::of(&json!({ "event": name.pdu.event_id(), "name": "canary name" })) }
    });
    routes.json(Method::PUT, "/leaky/write", Access::Public, move |_, _, _| {
        let accounts = writes.accounts.clone();
        async move {
            let user = accounts.list(None, 1).unwrap().remove(0).id;
            accounts.set_data(&user, None, "fr.written", "{\"by\":\"Metz\"}").await.unwrap();
            web::Json::of(&json!({}))
        }
    });
    routes.json(Method::GET, "/leaky/new/{novelty}", Access::Public, |_, _, _| async { web::Json::of(&json!({})) });
    routes.lift(|app: &App| &app.client)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_reaches_another_town_is_found_out() {
    let towns = Towns::open(leaky).await;
    let of_test = |route: &&RouteInfo| route.path.starts_with("/leaky/");
    let routes: Vec<_> = towns.routes.iter().filter(of_test).cloned().collect();
    assert_eq!(routes.len(), 3);
    let wrong = check(&towns, &routes).await;
    for expected in ["/leaky/read/{room_id}: tells", "/leaky/write: changes rows of Amiens", "{novelty}"] {
        assert!(wrong.iter().any(|wrong| wrong.contains(expected)), "{expected}: {wrong:?}");
    }
}
