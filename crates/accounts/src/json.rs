//! Client JSON, checked before anything is stored.

use ruma_common::{CanonicalJsonObject, CanonicalJsonValue};
use serde_json::Value;

use crate::{Error, Result};

/// Parses a JSON object as canonical JSON: no floats, no integers beyond 2^53, nothing over `bytes_max`.
pub(crate) fn canonical_object(text: &str, what: &'static str, bytes_max: usize) -> Result<CanonicalJsonObject> {
    match canonical_value(text, what, bytes_max)? {
        CanonicalJsonValue::Object(object) => Ok(object),
        _ => Err(Error::BadJson(format!("{what} must be a JSON object"))),
    }
}

pub(crate) fn canonical_value(text: &str, what: &'static str, bytes_max: usize) -> Result<CanonicalJsonValue> {
    check_size(text, what, bytes_max)?;
    serde_json::from_str(text).map_err(|error| Error::BadJson(format!("{what}: {error}")))
}

/// The object as canonical JSON text.
pub(crate) fn text(object: &CanonicalJsonObject) -> Result<String> {
    serde_json::to_string(object).map_err(|error| Error::BadJson(error.to_string()))
}

/// Any JSON object, written again without insignificant space and doubled keys.
pub(crate) fn compact_object(text: &str, what: &'static str, bytes_max: usize) -> Result<String> {
    check_size(text, what, bytes_max)?;
    let object: serde_json::Map<String, Value> =
        serde_json::from_str(text).map_err(|error| Error::BadJson(format!("{what}: {error}")))?;
    serde_json::to_string(&object).map_err(|error| Error::BadJson(error.to_string()))
}

/// Any JSON value, written again.
pub(crate) fn compact_value(text: &str, what: &'static str, bytes_max: usize) -> Result<Value> {
    check_size(text, what, bytes_max)?;
    serde_json::from_str(text).map_err(|error| Error::BadJson(format!("{what}: {error}")))
}

pub(crate) fn check_size(text: &str, what: &'static str, bytes_max: usize) -> Result<()> {
    if text.len() > bytes_max { Err(Error::TooLarge { what, limit: bytes_max }) } else { Ok(()) }
}

/// What we wrote ourselves and must be able to read.
pub(crate) fn stored_object(text: &str) -> Result<CanonicalJsonObject> {
    serde_json::from_str(text).map_err(|error| Error::Damaged(error.to_string()))
}
