//! JSON text that an owner keeps, on its way out to a client.

use kernel::Kind;
use ruma_common::serde::Raw;
use serde_json::value::RawValue;

/// The text as a part of an answer.
///
/// # Errors
/// 500 if it is not JSON: whoever stored it had checked it.
pub(crate) fn value(text: String) -> web::Result<Box<RawValue>> {
    RawValue::from_string(text).map_err(|error| {
        tracing::error!(%error, "stored JSON cannot be read");
        web::Error::new(Kind::Internal, "Internal server error")
    })
}

/// The text as ruma's type of it.
///
/// # Errors
/// As [`value`].
pub(crate) fn raw<T>(text: String) -> web::Result<Raw<T>> {
    value(text).map(Raw::from_json)
}

/// What a client sent of this type, as an owner keeps it.
pub(crate) fn text<T>(raw: &Raw<T>) -> String {
    raw.json().get().to_owned()
}
