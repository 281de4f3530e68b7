//! Paths and methods: known, unknown, aliased, and what every answer carries.

use http::{Method, header};
use serde_json::json;
use web::{Access, Rate, RouteError, Routes};

use crate::town::{Fixture, SEND, TestTown, WHOAMI, get, request, routes};

#[tokio::test]
async fn older_paths_answer_like_the_current_one() {
    let fixture = Fixture::new();
    for prefix in ["v3", "r0", "unstable"] {
        let answer = fixture.ask(get(&format!("/_matrix/client/{prefix}/account/whoami"), "metz_alice")).await;
        assert_eq!(answer.status(), 200, "{prefix}");
        assert_eq!(answer.json(), json!({ "user_id": "@alice:metz.example", "device_id": "DEVICE" }));
        assert_eq!(answer.header(header::CONTENT_TYPE), "application/json");
    }
    for prefix in ["v3", "r0", "v1"] {
        let upload =
            request(Method::POST, &format!("/_matrix/media/{prefix}/upload"), "metz_alice", vec![0; 2_000_000]);
        assert_eq!(fixture.ask(upload).await.json(), json!({ "bytes": 2_000_000 }), "{prefix}");
    }
    assert_eq!(fixture.ask(get("/_matrix/client/v1/account/whoami", "metz_alice")).await.status(), 404);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_apart() {
    let fixture = Fixture::new();
    let unknown = [
        "/",
        "/_matrix",
        "/_matrix/client/v3/unknown",
        "/_matrix/client/v3/account/whoami/",
        "/_matrix/client/v99/account/whoami",
        "/_matrix//client/v3/account/whoami",
        "/%5Fmatrix/client/v3/account/whoami",
        "/hello//",
    ];
    for path in unknown {
        let answer = fixture.ask(get(path, "metz_alice")).await;
        assert_eq!(answer.refusal(), (404, "M_UNRECOGNIZED".to_owned()), "{path}");
    }
    for method in [Method::PUT, Method::DELETE, Method::POST, Method::PATCH, Method::TRACE, Method::CONNECT] {
        let answer = fixture.ask(request(method.clone(), WHOAMI, "metz_alice", "{}")).await;
        assert_eq!(answer.refusal(), (405, "M_UNRECOGNIZED".to_owned()), "{method}");
        assert_eq!(answer.header(header::ALLOW), "GET");
    }
    let long = fixture.ask(get(&format!("{WHOAMI}?a={}", "x".repeat(9_000)), "metz_alice")).await;
    assert_eq!(long.status(), 414);
    assert_eq!(fixture.handled(), 0);
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let fixture = Fixture::new();
    let answer = fixture.ask(request(Method::HEAD, WHOAMI, "metz_alice", "")).await;
    assert_eq!((answer.status(), answer.body.len()), (200, 0));
    let length: usize = answer.header(header::CONTENT_LENGTH).parse().unwrap();
    assert_eq!(length, fixture.ask(get(WHOAMI, "metz_alice")).await.body.len());
}

#[tokio::test]
async fn web_pages_of_other_sites_may_call_all_but_pages() {
    let fixture = Fixture::new();
    let asks =
        [get(WHOAMI, "metz_alice"), get(WHOAMI, ""), get("/unknown", ""), request(Method::PUT, WHOAMI, "", "{}")];
    for ask in asks {
        let answer = fixture.ask(ask).await;
        assert_eq!(answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "*");
        assert!(answer.header(header::ACCESS_CONTROL_ALLOW_HEADERS).contains("Authorization"));
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    }
    for path in [WHOAMI, "/unknown", "/page/x"] {
        let answer = fixture.ask(request(Method::OPTIONS, path, "", "")).await;
        assert_eq!(answer.status(), 204);
        assert!(answer.header(header::ACCESS_CONTROL_ALLOW_METHODS).contains("DELETE"));
    }
    let exposed = fixture.ask(request(Method::POST, "/hello/you", "", "")).await;
    assert_eq!(exposed.header(header::ACCESS_CONTROL_EXPOSE_HEADERS), "ETag");
    let page = fixture.ask(get("/page/profile", "")).await;
    assert_eq!(page.body, "<h1>profile</h1>");
    assert_eq!(page.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "");
}

#[tokio::test]
async fn path_values_are_decoded_once_and_checked() {
    let fixture = Fixture::new();
    let send = |room: &str, event_type: &str| {
        let path = format!("/_matrix/client/v3/rooms/{room}/send/{event_type}/1");
        request(Method::PUT, &path, "metz_alice", r#"{"body":"b"}"#)
    };
    let answer = fixture.ask(send("%21a%3Ametz.example", "a%2Fb%252Fc+d")).await;
    assert_eq!(answer.json()["room"], "!a:metz.example");
    assert_eq!(answer.json()["type"], "a/b%2Fc+d");
    let handled = fixture.handled();
    for (room, event_type) in [("%ff", "t"), ("!a:metz.example", "%00"), ("nonsense", "t"), ("@u:metz.example", "t")] {
        let answer = fixture.ask(send(room, event_type)).await;
        assert_eq!(answer.refusal(), (400, "M_INVALID_PARAM".to_owned()), "{room} {event_type}");
    }
    assert_eq!(fixture.handled(), handled);
}

#[tokio::test]
async fn a_state_key_may_be_left_out() {
    let fixture = Fixture::new();
    for (rest, state_key) in [("m.room.name", ""), ("m.room.name/", ""), ("m.room.name/key", "key")] {
        for prefix in ["v3", "r0"] {
            let path = format!("/_matrix/client/{prefix}/rooms/!a:metz.example/state/{rest}");
            let answer = fixture.ask(request(Method::PUT, &path, "metz_admin", "{}")).await;
            assert_eq!(answer.json(), json!({ "type": "m.room.name", "state_key": state_key }), "{path}");
        }
    }
}

#[tokio::test]
async fn access_is_refused_before_the_handler() {
    let fixture = Fixture::new();
    let admin = "/_matrix/client/v3/rooms/!a:metz.example/state/t/k";
    let cases = [
        (request(Method::PUT, SEND, "metz_suspended", r#"{"body":"b"}"#), 403, "M_USER_SUSPENDED"),
        (request(Method::PUT, admin, "metz_alice", "{}"), 403, "M_FORBIDDEN"),
        (request(Method::PUT, admin, "nancy_admin", "{}"), 401, "M_UNKNOWN_TOKEN"),
        (request(Method::POST, "/hello/you", "wrong", "{}"), 401, "M_UNKNOWN_TOKEN"),
    ];
    for (ask, status, errcode) in cases {
        let path = ask.uri().to_string();
        assert_eq!(fixture.ask(ask).await.refusal(), (status, errcode.to_owned()), "{path}");
    }
    assert_eq!(fixture.handled(), 0);
    assert_eq!(fixture.ask(get(WHOAMI, "metz_suspended")).await.status(), 200);
    let known = fixture.ask(request(Method::POST, "/hello/you", "metz_alice", "")).await;
    assert_eq!(known.json(), json!({ "name": "you", "user": "@alice:metz.example", "town": "metz.example" }));
    let unknown = fixture.ask(request(Method::POST, "/hello/you", "", "")).await;
    assert_eq!(unknown.json()["user"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_panic_is_its_own_request_s_alone() {
    let fixture = Fixture::new();
    assert_eq!(fixture.ask(get("/page/panic", "")).await.refusal(), (500, "M_UNKNOWN".to_owned()));
    assert_eq!(fixture.ask(get(WHOAMI, "metz_alice")).await.status(), 200);
}

#[test]
fn the_table_lists_every_path_once() {
    let list = routes().list();
    let whoami: Vec<_> = list.iter().filter(|line| line.path.ends_with("whoami")).collect();
    assert_eq!(whoami.len(), 3);
    assert!(whoami.iter().all(|line| line.access == Access::User && line.method == Method::GET));
    let send = list.iter().find(|line| line.path.contains("/r0/") && line.path.contains("/send/")).unwrap();
    assert_eq!((send.access, send.rate), (Access::Active, Rate::Message));
    let mut keys: Vec<_> = list.iter().map(|line| (line.path.clone(), line.method.to_string())).collect();
    let before = keys.len();
    keys.dedup();
    assert_eq!(keys.len(), before);
}

#[test]
fn a_route_twice_is_an_error_and_an_explicit_path_wins_over_an_alias() {
    async fn one(_: std::sync::Arc<TestTown>, _: web::Visit) -> web::Result<web::Response> {
        Ok(web::Response::new("one".into()))
    }
    let twice: Routes<TestTown> = routes().merge(routes());
    let limiter =
        || std::sync::Arc::new(web::Limiter::new(web::Limits::off(), std::sync::Arc::new(kernel::SystemClock)));
    let build =
        |routes| web::Site::new(std::sync::Arc::new(web::Hosts::new()), routes, limiter(), web::Proxies::none()).err();
    assert!(matches!(build(twice), Some(RouteError::Twice { .. })));

    let mut names = Routes::new();
    names.page(Method::GET, "/a/{one}", one);
    names.page(Method::GET, "/a/{other}", one);
    let expected = RouteError::Twice { method: Method::GET, path: "/a/{other}".to_owned() };
    assert_eq!(build(names), Some(expected));

    let mut broken = Routes::new();
    broken.page(Method::GET, "/a/{*rest}/b", one);
    assert!(matches!(build(broken), Some(RouteError::Pattern { .. })));

    let mut explicit = Routes::new();
    explicit.page(Method::GET, "/_matrix/client/v3/a", one);
    explicit.page(Method::GET, "/_matrix/client/r0/a", one);
    assert_eq!(build(explicit), None);
}
