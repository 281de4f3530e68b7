//! Nothing secret reaches a log, at any level (hazard L15).

use std::{
    io,
    sync::{Arc, Mutex},
};

use http::Method;
use tracing_subscriber::fmt::MakeWriter;

use crate::town::{Fixture, SEND, WHOAMI, get, request};

const CANARY: &str = "metz_c4n4ry";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn tokens_bodies_and_ids_stay_out_of_the_log() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let fixture = Fixture::new();
    let asks = [
        get(WHOAMI, CANARY),
        get(&format!("{WHOAMI}?access_token={CANARY}"), ""),
        get(&format!("/unknown/{CANARY}?access_token={CANARY}"), CANARY),
        request(Method::PUT, SEND, "metz_alice", format!(r#"{{"body":"{CANARY}"}}"#)),
        request(Method::PUT, SEND, "metz_alice", format!(r#"{{"body":"{CANARY}"#)),
        request(Method::PUT, &SEND.replace("/1", CANARY), CANARY, format!(r#"{{"{CANARY}":1}}"#)),
        get(&format!("/page/{CANARY}"), CANARY),
        get("/page/panic", CANARY),
    ];
    for ask in asks {
        fixture.ask(ask).await;
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("/_matrix/client/v3/rooms/{room_id}/send/{event_type}/{txn_id}"), "{log}");
    for secret in ["c4n4ry", "!a:metz.example"] {
        assert!(!log.contains(secret), "{log}");
    }
}
