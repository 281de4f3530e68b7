//! Towns of one process: the same requests, the same checks, no socket.

use std::{sync::Arc, time::Duration};

use federation::Call;
use http::Method;
use rooms::RemoteError;
use serde_json::{Value, json};

use crate::town::{ECHO, Neighbours, Process, TestTown};

fn call<'a>(to: &'a TestTown, body: &str) -> Call<'a> {
    Call {
        to: &to.name,
        method: Method::PUT,
        uri: ECHO.to_owned(),
        body: Some(body.to_owned()),
        deadline: Duration::from_secs(5),
        bytes_max: 1_000,
    }
}

#[tokio::test]
async fn neighbours_talk_without_a_socket_if_both_walls_let_them() {
    let neighbours = Arc::new(Neighbours::default());
    let process = Process::with(|_, _| {}, neighbours.clone());
    let metz = process.town("metz.example", &["nancy.example"]);
    let nancy = process.town("nancy.example", &["metz.example"]);
    let lyon = process.town("lyon.example", &["metz.example", "nancy.example"]);
    neighbours.know(&[&metz, &nancy, &lyon]);

    let answer = metz.peers.call(call(&nancy, r#"{"a":1}"#)).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer, json!({ "origin": "metz.example", "body": r#"{"a":1}"# }));
    assert!(matches!(metz.peers.call(call(&lyon, "{}")).await, Err(RemoteError::NotAllowed(_))));
    let refusal = lyon.peers.call(call(&metz, "{}")).await.unwrap_err();
    assert!(matches!(refusal, RemoteError::Refused { status: 403, .. }), "{refusal:?}");
    assert_eq!(process.echoed(), 1);
    assert!(process.internet.questions().is_empty(), "nobody was looked for in the network");
}
