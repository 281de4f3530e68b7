//! The error that an HTTP caller is told: a kind of `kernel::Fault` given its status and errcode, once for all edges.

use std::{borrow::Cow, fmt, time::Duration};

use http::StatusCode;
use kernel::{Fault, Kind};
use serde_json::{Map, Value};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A Matrix error: status, `errcode`, `error` and the fields that some errcodes carry (spec, "Standard error response").
///
/// Every [`Fault`] becomes one by `?`. An edge that knows better adds to it:
/// `Error::new(Kind::RoomInUse, "This alias is taken").status(StatusCode::CONFLICT)`.
#[derive(Clone, PartialEq)]
pub struct Error(Box<Inner>);

#[derive(Clone, PartialEq)]
struct Inner {
    status: StatusCode,
    body: Map<String, Value>,
    retry_after: Option<Duration>,
}

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let (status, errcode) = meaning(&kind);
        let mut error = Self::custom(status, errcode, message);
        match kind {
            Kind::LimitExceeded { retry_after } => {
                let millis = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
                error.0.retry_after = Some(retry_after);
                error = error.with("retry_after_ms", millis);
            }
            Kind::UnknownToken { soft_logout } => error = error.with("soft_logout", soft_logout),
            // A locked account keeps its devices, so that an unlock is enough (spec, "Account locking").
            Kind::UserLocked => error = error.with("soft_logout", true),
            Kind::IncompatibleRoomVersion { room_version } => error = error.with("room_version", room_version),
            Kind::WrongRoomKeysVersion { current_version } => error = error.with("current_version", current_version),
            _ => {}
        }
        error
    }

    /// For an errcode that no [`Kind`] has, such as `M_CANNOT_OVERWRITE_MEDIA` or `ORG_MATRIX_EXPIRED_ACCOUNT`.
    pub fn custom(status: StatusCode, errcode: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        let mut body = Map::new();
        body.insert("errcode".to_owned(), Value::String(errcode.into().into_owned()));
        body.insert("error".to_owned(), Value::String(message.into()));
        Self(Box::new(Inner { status, body, retry_after: None }))
    }

    /// 401 with the stages of user-interactive authentication: `flows`, `params`, `session`, `completed` and, after a failed
    /// stage, `errcode` and `error` (spec, "User-interactive API in the REST API").
    pub fn uia(stages: Map<String, Value>) -> Self {
        Self(Box::new(Inner { status: StatusCode::UNAUTHORIZED, body: stages, retry_after: None }))
    }

    /// 500 for something that cannot be; the cause is logged here and never sent.
    pub fn internal(cause: impl fmt::Display) -> Self {
        tracing::error!(%cause, "internal error");
        Self::new(Kind::Internal, "Internal server error")
    }

    /// No access token in a request that needs one.
    pub fn missing_token() -> Self {
        Self::custom(StatusCode::UNAUTHORIZED, "M_MISSING_TOKEN", "Missing access token")
    }

    /// An access token that no session has. `soft_logout`: the client may keep its device and refresh or sign in again.
    pub fn unknown_token(soft_logout: bool) -> Self {
        Self::new(Kind::UnknownToken { soft_logout }, "Unknown access token")
    }

    pub fn not_json(message: impl Into<String>) -> Self {
        Self::custom(StatusCode::BAD_REQUEST, "M_NOT_JSON", message)
    }

    /// The same error with another status.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// The same error with one more field in its body.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0.body.insert(field.to_owned(), value.into());
        self
    }

    pub fn status_code(&self) -> StatusCode {
        self.0.status
    }

    /// Empty for a user-interactive 401 without a failed stage.
    pub fn errcode(&self) -> &str {
        self.text("errcode")
    }

    pub(crate) fn body(&self) -> &Map<String, Value> {
        &self.0.body
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    fn text(&self, field: &str) -> &str {
        self.0.body.get(field).and_then(Value::as_str).unwrap_or_default()
    }
}

impl<E: Fault> From<E> for Error {
    fn from(fault: E) -> Self {
        let kind = fault.kind();
        if matches!(kind, Kind::Internal | Kind::Unavailable) {
            tracing::error!(error = %Chain(&fault), kind = ?kind, "request failed");
        }
        Self::new(kind, fault.public())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.0.status.as_u16(), self.errcode(), self.text("error"))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Status and errcode of each kind (spec, "Common error codes" and "Other error codes").
fn meaning(kind: &Kind) -> (StatusCode, &'static str) {
    match kind {
        Kind::BadJson => (StatusCode::BAD_REQUEST, "M_BAD_JSON"),
        Kind::InvalidParam => (StatusCode::BAD_REQUEST, "M_INVALID_PARAM"),
        Kind::MissingParam => (StatusCode::BAD_REQUEST, "M_MISSING_PARAM"),
        Kind::InvalidUsername => (StatusCode::BAD_REQUEST, "M_INVALID_USERNAME"),
        Kind::Forbidden => (StatusCode::FORBIDDEN, "M_FORBIDDEN"),
        Kind::NotFound => (StatusCode::NOT_FOUND, "M_NOT_FOUND"),
        Kind::RoomInUse => (StatusCode::BAD_REQUEST, "M_ROOM_IN_USE"),
        Kind::UserInUse => (StatusCode::BAD_REQUEST, "M_USER_IN_USE"),
        Kind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "M_TOO_LARGE"),
        Kind::LimitExceeded { .. } => (StatusCode::TOO_MANY_REQUESTS, "M_LIMIT_EXCEEDED"),
        Kind::BadState => (StatusCode::FORBIDDEN, "M_BAD_STATE"),
        Kind::InvalidRoomState => (StatusCode::BAD_REQUEST, "M_INVALID_ROOM_STATE"),
        Kind::BadAlias => (StatusCode::BAD_REQUEST, "M_BAD_ALIAS"),
        Kind::UnsupportedRoomVersion => (StatusCode::BAD_REQUEST, "M_UNSUPPORTED_ROOM_VERSION"),
        Kind::IncompatibleRoomVersion { .. } => (StatusCode::BAD_REQUEST, "M_INCOMPATIBLE_ROOM_VERSION"),
        Kind::UnableToAuthoriseJoin => (StatusCode::BAD_REQUEST, "M_UNABLE_TO_AUTHORISE_JOIN"),
        Kind::UnableToGrantJoin => (StatusCode::BAD_REQUEST, "M_UNABLE_TO_GRANT_JOIN"),
        Kind::WrongRoomKeysVersion { .. } => (StatusCode::FORBIDDEN, "M_WRONG_ROOM_KEYS_VERSION"),
        Kind::UnknownToken { .. } => (StatusCode::UNAUTHORIZED, "M_UNKNOWN_TOKEN"),
        Kind::UserDeactivated => (StatusCode::FORBIDDEN, "M_USER_DEACTIVATED"),
        Kind::UserLocked => (StatusCode::UNAUTHORIZED, "M_USER_LOCKED"),
        Kind::UserSuspended => (StatusCode::FORBIDDEN, "M_USER_SUSPENDED"),
        Kind::UnknownPos => (StatusCode::BAD_REQUEST, "M_UNKNOWN_POS"),
        Kind::Unrecognized => (StatusCode::NOT_FOUND, "M_UNRECOGNIZED"),
        Kind::InvalidSignature => (StatusCode::BAD_REQUEST, "M_INVALID_SIGNATURE"),
        Kind::Conflict => (StatusCode::CONFLICT, "M_UNKNOWN"),
        Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "M_UNKNOWN"),
        Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "M_UNKNOWN"),
    }
}

/// An error and its causes, for the log alone.
struct Chain<'a>(&'a dyn std::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0, f)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("column family {0} is gone")]
    struct Broken(&'static str);

    impl Fault for Broken {
        fn kind(&self) -> Kind {
            Kind::Internal
        }
    }

    #[test]
    fn the_causes_of_an_internal_error_are_not_told() {
        let error = Error::from(Broken("secret"));
        assert_eq!(error.status_code(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(error.errcode(), "M_UNKNOWN");
        assert!(!serde_json::to_string(error.body()).unwrap().contains("secret"));
    }

    #[test]
    fn kinds_carry_their_fields() {
        let fields = |kind| Value::Object(Error::new(kind, "m").body().clone());
        assert_eq!(fields(Kind::UnknownToken { soft_logout: true })["soft_logout"], true);
        assert_eq!(fields(Kind::UserLocked)["soft_logout"], true);
        assert_eq!(fields(Kind::LimitExceeded { retry_after: Duration::from_millis(1500) })["retry_after_ms"], 1500);
        assert_eq!(fields(Kind::IncompatibleRoomVersion { room_version: "12".to_owned() })["room_version"], "12");
        let wrong_version = Kind::WrongRoomKeysVersion { current_version: Some("3".to_owned()) };
        assert_eq!(fields(wrong_version)["current_version"], "3");
    }
}
