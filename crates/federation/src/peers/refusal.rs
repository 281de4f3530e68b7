//! What the answers of other servers mean. Their own words are bounded here and go no further than logs (hazards F14, F15).

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use kernel::id::ServerName;
use kernel::{RemoteError, RemoteResult};
use serde::Deserialize;

use crate::health::Health;

/// Longest error that is read, and longest text of it that is kept.
const BYTES_MAX: usize = 65_536;
const TEXT_BYTES_MAX: usize = 200;
const ERRCODE_BYTES_MAX: usize = 64;
/// For a server that has too much to do and does not say for how long.
const REST: Duration = Duration::from_secs(5);

/// A Matrix error, as far as it says anything that we act on.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    errcode: String,
    error: String,
    room_version: String,
    retry_after_ms: Option<u64>,
}

/// An answer of status 200, or what another status means; and whether the server is well.
pub(super) fn read(from: &ServerName, answer: Response<Bytes>, health: &Health) -> RemoteResult<Response<Bytes>> {
    let status = answer.status();
    if is_gone(status) {
        health.failed(from);
        return Err(RemoteError::Unreachable(from.to_owned()));
    }
    let said = || said(answer.body());
    if status == StatusCode::TOO_MANY_REQUESTS {
        health.asked_for_rest(from, said().retry_after_ms.map_or(REST, Duration::from_millis));
    } else {
        health.alive(from);
    }
    if status == StatusCode::OK { Ok(answer) } else { Err(meaning(from, status, said())) }
}

/// What a proxy says whose homeserver is not there.
fn is_gone(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}

fn said(body: &[u8]) -> Said {
    body.get(..BYTES_MAX.min(body.len())).and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default()
}

fn meaning(from: &ServerName, status: StatusCode, said: Said) -> RemoteError {
    let server = from.to_owned();
    let errcode = errcode(&said.errcode);
    match (status, errcode) {
        (_, "M_INCOMPATIBLE_ROOM_VERSION" | "M_UNSUPPORTED_ROOM_VERSION") => {
            RemoteError::IncompatibleRoomVersion(short(&said.room_version))
        }
        // Without a Matrix error it is a web server that knows of no Matrix, and M_UNRECOGNIZED is one that lacks the endpoint.
        (StatusCode::NOT_FOUND, "M_NOT_FOUND" | "M_FORBIDDEN") => RemoteError::NotFound(server),
        _ => RemoteError::Refused {
            server,
            status: status.as_u16(),
            errcode: errcode.to_owned(),
            text: short(&said.error),
        },
    }
}

/// An errcode that looks like one.
fn errcode(said: &str) -> &str {
    let is_one = !said.is_empty()
        && said.len() <= ERRCODE_BYTES_MAX
        && said.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.');
    if is_one { said } else { "M_UNKNOWN" }
}

/// The beginning of a text, in one line.
fn short(text: &str) -> String {
    let mut short = String::new();
    for character in text.chars().filter(|character| !character.is_control()) {
        if short.len() + character.len_utf8() > TEXT_BYTES_MAX {
            break;
        }
        short.push(character);
    }
    short
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kernel::{SystemClock, random::SeededRandom};

    use super::*;

    fn outcome(status: u16, body: &str) -> RemoteResult<Bytes> {
        let health = Health::new(Arc::new(SystemClock), Arc::new(SeededRandom::new(1)));
        let answer = Response::builder().status(status).body(Bytes::from(body.to_owned())).unwrap();
        read(&ServerName::parse("hs1").unwrap(), answer, &health).map(Response::into_body)
    }

    #[test]
    fn what_other_servers_say_is_understood_and_never_repeated_as_it_is() {
        let long = format!(r#"{{"errcode":"M_FORBIDDEN","error":"a\nb{}"}}"#, "é".repeat(1_000));
        let cases = [
            (403, long.as_str(), "Refused"),
            (401, r#"{"errcode":"M_UNKNOWN_TOKEN","error":"x","soft_logout":true}"#, "Refused"),
            (404, r#"{"errcode":"M_NOT_FOUND","error":"x"}"#, "NotFound"),
            (404, r#"{"errcode":"M_UNRECOGNIZED","error":"x"}"#, "Refused"),
            (404, "<html>", "Refused"),
            (400, r#"{"errcode":"M_INCOMPATIBLE_ROOM_VERSION","error":"x","room_version":"99"}"#, "Incompatible"),
            (400, r#"{"errcode":"M_UNSUPPORTED_ROOM_VERSION","error":"x"}"#, "Incompatible"),
            (400, r#"{"errcode":7}"#, "Refused"),
            (500, "", "Refused"),
            (502, "", "Unreachable"),
            (503, "", "Unreachable"),
            (302, "", "Refused"),
            (204, "", "Refused"),
        ];
        for (status, body, expected) in cases {
            let error = outcome(status, body).unwrap_err();
            assert!(format!("{error:?}").starts_with(expected), "{status} {body}: {error:?}");
            if let RemoteError::Refused { errcode, text, .. } = &error {
                assert!(!errcode.is_empty() && text.len() <= TEXT_BYTES_MAX && !text.contains('\n'), "{error:?}");
            }
        }
        for odd in ["", "m forbidden", "M_\u{e9}", &"M".repeat(65), "<b>"] {
            assert_eq!(errcode(odd), "M_UNKNOWN", "{odd}");
        }
        assert_eq!(outcome(200, "{}").unwrap(), "{}");
    }
}
