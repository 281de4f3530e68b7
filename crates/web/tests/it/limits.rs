//! Too many requests, by user and by address, on a clock that the test moves.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Method, header};
use kernel::{Timestamp, clock::FakeClock};
use web::{Bucket, Limits, Rate, Rule};

use crate::town::{Fixture, SEND, WHOAMI, get, request};

fn fixture() -> (Fixture, Arc<FakeClock>) {
    let clock = Arc::new(FakeClock::at(Timestamp(1_000_000)));
    let bucket = Some(Bucket { per_second: 0.1, burst: 2 });
    let rule = Rule { user: bucket, address: bucket };
    let limits = Limits::off().with(Rate::Message, rule).with(Rate::Login, rule);
    (Fixture::with(limits, clock.clone()), clock)
}

#[tokio::test]
async fn a_user_is_slowed_down_and_told_until_when() {
    let (fixture, clock) = fixture();
    let send = |token| request(Method::PUT, SEND, token, r#"{"body":"b"}"#);
    for _ in 0..2 {
        assert_eq!(fixture.ask(send("metz_alice")).await.status(), 200);
    }
    let refused = fixture.ask(send("metz_alice")).await;
    assert_eq!(refused.refusal(), (429, "M_LIMIT_EXCEEDED".to_owned()));
    assert_eq!(refused.json()["retry_after_ms"], 10_000);
    assert_eq!(refused.header(header::RETRY_AFTER), "10");
    assert_eq!(fixture.handled(), 2);
    // Another user behind the same address, and another class, are not concerned; nor does another address help.
    assert_eq!(fixture.ask(send("metz_bob")).await.status(), 200);
    assert_eq!(fixture.ask(get(WHOAMI, "metz_alice")).await.status(), 200);
    assert_eq!(fixture.ask_from("192.0.2.200", send("metz_alice")).await.status(), 429);
    clock.advance(Duration::from_secs(10));
    assert_eq!(fixture.ask(send("metz_alice")).await.status(), 200);
    assert_eq!(fixture.ask(send("metz_alice")).await.status(), 429);
}

#[tokio::test]
async fn the_unknown_are_counted_by_an_address_that_they_cannot_choose() {
    let (fixture, _clock) = fixture();
    let sign_in = |forwarded: &'static str| {
        let mut ask = request(Method::POST, "/hello/you", "", "");
        ask.headers_mut().insert("x-forwarded-for", HeaderValue::from_static(forwarded));
        ask
    };
    assert_eq!(fixture.ask(sign_in("198.51.100.1")).await.status(), 200);
    assert_eq!(fixture.ask(sign_in("198.51.100.2")).await.status(), 200);
    assert_eq!(fixture.ask(sign_in("198.51.100.3")).await.status(), 429);
    // Behind a trusted proxy, what the proxy wrote counts, not what the client wrote before it.
    for (forwarded, status) in [("1.1.1.1, 198.51.100.9", 200), ("2.2.2.2, 198.51.100.9", 200), ("198.51.100.9", 429)] {
        assert_eq!(fixture.ask_from("10.0.0.1", sign_in(forwarded)).await.status(), status, "{forwarded}");
    }
    assert_eq!(fixture.ask_from("10.0.0.1", sign_in("198.51.100.10")).await.status(), 200);
}
