//! Bodies that no handler may see (hazards E3, E19, M7, M11).

use http::{HeaderValue, Method, header};
use serde_json::json;

use crate::town::{Fixture, SEND, request};

fn send(body: impl Into<bytes::Bytes>) -> http::Request<bytes::Bytes> {
    request(Method::PUT, SEND, "metz_alice", body)
}

#[tokio::test]
async fn hostile_json_is_refused_and_nothing_is_done() {
    let fixture = Fixture::new();
    let deep = format!(r#"{{"body":"b","x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let cases: [(&[u8], &str); 14] = [
        (b"body", "M_NOT_JSON"),
        (br#"{"body":"b","x":NaN}"#, "M_NOT_JSON"),
        (br#"{"body":"b","x":-Infinity}"#, "M_NOT_JSON"),
        (br#"{"body":"b","x":1e400}"#, "M_NOT_JSON"),
        (br#"{"body":"a","body":"b"}"#, "M_NOT_JSON"),
        (b"\xEF\xBB\xBF{\"body\":\"b\"}", "M_NOT_JSON"),
        (br#"{"body":"b",}"#, "M_NOT_JSON"),
        (br#"{"body":"b""#, "M_NOT_JSON"),
        (deep.as_bytes(), "M_BAD_JSON"),
        (br#"["b"]"#, "M_BAD_JSON"),
        (br#""b""#, "M_BAD_JSON"),
        (br#"{"body":1}"#, "M_BAD_JSON"),
        (br#"{}"#, "M_BAD_JSON"),
        (b"", "M_BAD_JSON"),
    ];
    for (body, errcode) in cases {
        let answer = fixture.ask(send(body.to_vec())).await;
        let shown = String::from_utf8_lossy(body.get(..40).unwrap_or(body)).into_owned();
        assert_eq!(answer.refusal(), (400, errcode.to_owned()), "{shown}");
    }
    let query = request(Method::PUT, &format!("{SEND}?ts=soon"), "metz_alice", r#"{"body":"b"}"#);
    assert_eq!(fixture.ask(query).await.refusal(), (400, "M_INVALID_PARAM".to_owned()));
    assert_eq!(fixture.handled(), 0);
    assert_eq!(fixture.ask(send(r#"{"body":"é","x":{"y":[1]}}"#)).await.json()["body"], "é");
}

#[tokio::test]
async fn encoded_and_oversized_bodies_are_refused() {
    let fixture = Fixture::new();
    for (name, value) in [
        (header::CONTENT_ENCODING, "gzip"),
        (header::CONTENT_ENCODING, "br"),
        (header::CONTENT_TYPE, "multipart/form-data; boundary=x"),
        (header::CONTENT_TYPE, "Multipart/Mixed"),
    ] {
        let mut ask = send(r#"{"body":"b"}"#);
        ask.headers_mut().insert(name, HeaderValue::from_static(value));
        assert_eq!(fixture.ask(ask).await.status(), 415, "{value}");
    }
    let large = format!(r#"{{"body":"{}"}}"#, "x".repeat(1_048_576));
    assert_eq!(fixture.ask(send(large)).await.refusal(), (413, "M_TOO_LARGE".to_owned()));
    let upload = request(Method::POST, "/_matrix/media/v3/upload", "metz_alice", vec![0; 3_000_001]);
    assert_eq!(fixture.ask(upload).await.status(), 413);
    assert_eq!(fixture.handled(), 0);
}

#[tokio::test]
async fn the_content_type_of_json_does_not_matter() {
    let fixture = Fixture::new();
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-8", ""] {
        let mut ask = send(r#"{"body":"b"}"#);
        ask.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        assert_eq!(fixture.ask(ask).await.json()["body"], json!("b"), "{content_type}");
    }
}
