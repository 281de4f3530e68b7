//! Access tokens that are missing, empty, wrong or absurd (hazard A3).

use http::{HeaderValue, Method, header};

use crate::town::{Fixture, WHOAMI, get, request};

#[tokio::test]
async fn what_is_no_token_lets_nobody_in() {
    let fixture = Fixture::new();
    let long = format!("Bearer metz_{}", "a".repeat(1_000_000));
    let headers: [(&[u8], &str); 13] = [
        (b"", "M_MISSING_TOKEN"),
        (b"Bearer", "M_MISSING_TOKEN"),
        (b"Bearer ", "M_MISSING_TOKEN"),
        (b"Bearer    ", "M_MISSING_TOKEN"),
        (b"Basic bWV0el9hbGljZQ==", "M_MISSING_TOKEN"),
        (b"Bearermetz_alice", "M_MISSING_TOKEN"),
        (b"X-Matrix origin=\"metz.example\"", "M_MISSING_TOKEN"),
        (b"metz_alice", "M_MISSING_TOKEN"),
        (b"Bearer wrong", "M_UNKNOWN_TOKEN"),
        (b"Bearer metz_alice metz_alice", "M_UNKNOWN_TOKEN"),
        (b"Bearer metz_\xc3\xa9", "M_UNKNOWN_TOKEN"),
        (b"Bearer metz_\xff", "M_UNKNOWN_TOKEN"),
        (long.as_bytes(), "M_UNKNOWN_TOKEN"),
    ];
    for (value, errcode) in headers {
        let mut ask = get(WHOAMI, "");
        ask.headers_mut().insert(header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        let shown = String::from_utf8_lossy(value.get(..40).unwrap_or(value)).into_owned();
        assert_eq!(fixture.ask(ask).await.refusal(), (401, errcode.to_owned()), "{shown}");
    }
    let queries = [
        ("", "M_MISSING_TOKEN"),
        ("?access_token=", "M_MISSING_TOKEN"),
        ("?access_token", "M_MISSING_TOKEN"),
        ("?Access_Token=metz_alice", "M_MISSING_TOKEN"),
        ("?access_token=wrong", "M_UNKNOWN_TOKEN"),
        ("?access_token=metz_alice%00", "M_UNKNOWN_TOKEN"),
        ("?access_token=%ff", "M_UNKNOWN_TOKEN"),
        ("?access_token=nancy_alice", "M_UNKNOWN_TOKEN"),
    ];
    for (query, errcode) in queries {
        let answer = fixture.ask(get(&format!("{WHOAMI}{query}"), "")).await;
        assert_eq!(answer.refusal(), (401, errcode.to_owned()), "{query}");
    }
    let mut two = get(WHOAMI, "metz_alice");
    two.headers_mut().append(header::AUTHORIZATION, HeaderValue::from_static("Bearer metz_bob"));
    assert_eq!(fixture.ask(two).await.status(), 401);
    assert_eq!(fixture.handled(), 0);
}

#[tokio::test]
async fn both_ways_to_give_a_token_work_and_an_expired_one_asks_for_a_refresh() {
    let fixture = Fixture::new();
    for query in ["?access_token=metz_alice", "?a=b&access_token=metz%5Falice&c"] {
        assert_eq!(fixture.ask(get(&format!("{WHOAMI}{query}"), "")).await.status(), 200, "{query}");
    }
    let mut lower_case = get(WHOAMI, "");
    lower_case.headers_mut().insert(header::AUTHORIZATION, HeaderValue::from_static("bEARER metz_alice"));
    assert_eq!(fixture.ask(lower_case).await.status(), 200);
    let expired = fixture.ask(request(Method::GET, WHOAMI, "metz_expired", "")).await;
    assert_eq!(expired.json()["soft_logout"], true);
    assert_eq!(fixture.ask(get(WHOAMI, "other")).await.json()["soft_logout"], false);
}
