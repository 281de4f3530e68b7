//! Canonical JSON, read strictly (spec appendices, "Canonical JSON").
//!
//! Integers within ±(2^53 − 1) only, no key twice, bounded nesting. Strict for every room version: versions 1 to 5 let
//! floats and greater integers pass, but how to hash and sign those was never specified, so an event that has them is
//! not an event for us in any version.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

pub use ruma_common::{CanonicalJsonObject, CanonicalJsonValue};

use crate::{CONTENT_DEPTH_MAX, Error, Result, format::EVENT_DEPTH_MAX};

/// Reads the `content` that a local client sent.
///
/// # Errors
/// [`Error::NotJson`] when it is no JSON object, [`Error::NotCanonical`] for floats, great integers and repeated keys,
/// [`Error::TooLarge`] when nested beyond [`CONTENT_DEPTH_MAX`]. The size is checked when the event is sealed.
pub fn canonical_content(json: &str) -> Result<CanonicalJsonObject> {
    read_object(json, CONTENT_DEPTH_MAX)
}

/// The same for JSON that was parsed already, or that this server made.
pub fn canonical_content_of(value: Value) -> Result<CanonicalJsonObject> {
    // By way of its text: one reader, one set of rules.
    canonical_content(&value.to_string())
}

/// The bytes that are hashed, signed, stored and sent.
#[expect(clippy::expect_used, reason = "keys are strings and numbers are integers: nothing there that JSON lacks")]
pub fn canonical_string(object: &CanonicalJsonObject) -> String {
    serde_json::to_string(object).expect("a canonical value is JSON")
}

/// The value of a field that is an integer from 0 on.
pub(crate) fn natural_number(object: &CanonicalJsonObject, field: &str) -> Option<u64> {
    let value = object.get(field).and_then(CanonicalJsonValue::as_integer)?;
    u64::try_from(i64::from(value)).ok()
}

/// Reads an event as another server sent it, for [`crate::Pdu::from_object`] and [`crate::verify`].
///
/// # Errors
/// As [`canonical_content`].
pub fn canonical_event(json: &str) -> Result<CanonicalJsonObject> {
    read_object(json, EVENT_DEPTH_MAX)
}

fn read_object(json: &str, depth_max: usize) -> Result<CanonicalJsonObject> {
    let refusal = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_str(json);
    let value = Reader { depth_left: depth_max, refusal: &refusal }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| refusal.take().unwrap_or_else(|| Error::NotJson(error.to_string())))?;
    match value {
        CanonicalJsonValue::Object(object) => Ok(object),
        _ => Err(Error::NotJson("an object is expected".into())),
    }
}

/// Builds the canonical value straight from the text, which serde_json's own `Value` would silently mend: it keeps the
/// last of two equal keys.
#[derive(Clone, Copy)]
struct Reader<'a> {
    depth_left: usize,
    refusal: &'a Cell<Option<Error>>,
}

impl Reader<'_> {
    fn refuse<E: serde::de::Error>(&self, error: Error) -> E {
        let told = E::custom(&error);
        self.refusal.set(Some(error));
        told
    }

    fn deeper<E: serde::de::Error>(&self) -> Result<Self, E> {
        let Some(depth_left) = self.depth_left.checked_sub(1) else {
            return Err(self.refuse(Error::TooLarge("The JSON is nested too deeply".into())));
        };
        Ok(Self { depth_left, refusal: self.refusal })
    }
}

const BAD_NUMBER: Error = Error::NotCanonical("numbers must be integers within ±(2^53 − 1)");
const REPEATED_KEY: Error = Error::NotCanonical("an object has the same key twice");

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = CanonicalJsonValue;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = CanonicalJsonValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(CanonicalJsonValue::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(CanonicalJsonValue::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Self::Value, E> {
        value.try_into().map(CanonicalJsonValue::Integer).map_err(|_| self.refuse(BAD_NUMBER))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Self::Value, E> {
        value.try_into().map(CanonicalJsonValue::Integer).map_err(|_| self.refuse(BAD_NUMBER))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Err(self.refuse(BAD_NUMBER))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(CanonicalJsonValue::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Self::Value, E> {
        Ok(CanonicalJsonValue::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(CanonicalJsonValue::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = CanonicalJsonObject::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(inner)?;
            if object.insert(key, value).is_some() {
                return Err(self.refuse(REPEATED_KEY));
            }
        }
        Ok(CanonicalJsonValue::Object(object))
    }
}

#[cfg(test)]
mod tests;
