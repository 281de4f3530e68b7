//! Is it JSON, and an object that is safe to parse? Checked before any typed parser sees it.
//!
//! One pass in constant stack: serde_json refuses NaN, Infinity, 1e400, byte order marks, trailing commas, lone surrogates and
//! more than 128 levels; this adds duplicate keys and that the whole is an object.

use std::{borrow::Cow, collections::HashSet, fmt};

use kernel::{Kind, limits};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::{Error, Result};

/// Keys of an object that are compared one by one; more are hashed.
const FEW_KEYS: usize = 16;

/// Checks a request's body.
///
/// # Errors
/// 400 `M_NOT_JSON`; `M_BAD_JSON` for JSON that is no object or nested deeper than [`limits::JSON_DEPTH_MAX`].
pub fn check_object(body: &[u8]) -> Result<()> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    let mut parser = serde_json::Deserializer::from_slice(body);
    let walk = Any { depth: 0 }.deserialize(&mut parser).and_then(|()| parser.end());
    match walk {
        Ok(()) if first == Some(&b'{') => Ok(()),
        Ok(()) => Err(Error::new(Kind::BadJson, "The body of the request is not a JSON object")),
        Err(error) if error.to_string().starts_with(TOO_DEEP) || is_recursion(&error) => {
            Err(Error::new(Kind::BadJson, TOO_DEEP))
        }
        Err(error) => Err(Error::not_json(format!("The body of the request is not JSON: {error}"))),
    }
}

const TOO_DEEP: &str = "The body of the request is nested too deeply";

/// serde_json has a limit of its own, near ours, and no way to ask for its kind.
fn is_recursion(error: &serde_json::Error) -> bool {
    error.to_string().starts_with("recursion limit exceeded")
}

/// Any value, at a depth.
#[derive(Clone, Copy)]
struct Any {
    depth: usize,
}

impl Any {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= limits::JSON_DEPTH_MAX {
            return Err(E::custom(TOO_DEEP));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Any {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<(), S::Error> {
        let inside = self.deeper()?;
        while items.next_element_seed(inside)?.is_some() {}
        Ok(())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut fields: M) -> Result<(), M::Error> {
        let inside = self.deeper()?;
        let mut keys = Keys::default();
        while let Some(Key(key)) = fields.next_key_seed(KeySeed)? {
            if !keys.insert(key) {
                return Err(M::Error::custom("duplicate key"));
            }
            fields.next_value_seed(inside)?;
        }
        Ok(())
    }
}

/// An object's key, borrowed from the body unless it has escapes.
struct Key<'de>(Cow<'de, str>);
struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key<'de>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(key)))
    }

    fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(key.to_owned())))
    }
}

/// The keys of one object so far.
#[derive(Default)]
struct Keys<'de> {
    few: Vec<Cow<'de, str>>,
    many: HashSet<Cow<'de, str>>,
}

impl<'de> Keys<'de> {
    /// False if the key was there already.
    fn insert(&mut self, key: Cow<'de, str>) -> bool {
        if self.few.contains(&key) {
            return false;
        }
        if self.few.len() < FEW_KEYS {
            self.few.push(key);
            return true;
        }
        self.many.insert(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errcode(body: &[u8]) -> String {
        check_object(body).err().map(|error| error.errcode().to_owned()).unwrap_or_default()
    }

    #[test]
    fn what_is_not_json_is_refused() {
        let many_keys = (0..40).map(|n| format!("\"k{n}\":1")).collect::<Vec<_>>().join(",");
        let duplicate_among_many = format!("{{{many_keys},\"k39\":2}}");
        let cases: [&[u8]; 20] = [
            b"",
            b"{",
            b"{\"a\":NaN}",
            b"{\"a\":Infinity}",
            b"{\"a\":-Infinity}",
            b"{\"a\":1e400}",
            b"{\"a\":{\"b\":1,\"b\":2}}",
            b"{\"a\":1,\"\\u0061\":2}",
            duplicate_among_many.as_bytes(),
            b"\xEF\xBB\xBF{}",
            b"{\"a\":1,}",
            b"{\"a\":[1,]}",
            b"{'a':1}",
            b"{} {}",
            b"{\"a\":01}",
            b"{\"a\":\"\n\"}",
            b"{\"a\":\"\\ud800\"}",
            b"{\"a\":\"\xff\"}",
            b"// no\n{}",
            b"a=b",
        ];
        for body in cases {
            assert_eq!(errcode(body), "M_NOT_JSON", "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn what_is_no_object_or_too_deep_is_refused_without_overflow() {
        for body in [&b"[]"[..], b"\"a\"", b"null", b"12"] {
            assert_eq!(errcode(body), "M_BAD_JSON");
        }
        for depth in [limits::JSON_DEPTH_MAX + 1, 100_000] {
            let deep = format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
            assert_eq!(errcode(deep.as_bytes()), "M_BAD_JSON");
            assert_eq!(errcode("{\"a\":".repeat(depth).as_bytes()), "M_BAD_JSON");
        }
    }

    #[test]
    fn ordinary_json_passes() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100), "]".repeat(100));
        for body in ["{}", " {\"a\":[1,2.5,-3,null,true,\"\\u00e9\"],\"b\":{\"a\":{}}}\n", &deep] {
            check_object(body.as_bytes()).unwrap();
        }
    }
}
