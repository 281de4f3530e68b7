//! Typed tables over the byte-level contract: what a row's key and value are, and how a value is versioned.

use std::marker::PhantomData;

use bytes::Bytes;
use kernel::{Position, TenantId};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    codec::{KeyBytes, Part, Stands},
    kv::Space,
};

/// A table: a number that is never used again, a name for people, the space it lies in, its key and value types.
pub struct Table<K, V> {
    number: u16,
    name: &'static str,
    space: Space,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Table<K, V> {
    pub const fn new(number: u16, name: &'static str, space: Space) -> Self {
        Self { number, name, space, types: PhantomData }
    }

    pub const fn number(&self) -> u16 {
        self.number
    }

    pub const fn name(&self) -> &'static str {
        self.name
    }

    pub const fn space(&self) -> Space {
        self.space
    }

    pub(crate) fn prefix(&self, tenant: TenantId) -> KeyBytes {
        let mut key = KeyBytes::default();
        key.bytes.extend_from_slice(&tenant.0.to_be_bytes());
        key.bytes.extend_from_slice(&self.number.to_be_bytes());
        key
    }

    pub(crate) fn key(&self, tenant: TenantId, key: &impl Stands<K>) -> KeyBytes {
        let mut bytes = self.prefix(tenant);
        key.encode(&mut bytes);
        bytes
    }
}

/// The leading components of a key: `()` for all rows, `(a,)` for those of `a`.
pub trait Prefix<K> {
    fn encode(&self, key: &mut KeyBytes);
}

impl<K> Prefix<K> for () {
    fn encode(&self, _: &mut KeyBytes) {}
}

macro_rules! prefixes {
    ($($($part:ident $stand:ident $index:tt),+ ; $($rest:ident),+;)*) => {$(
        impl<$($part, $stand: Stands<$part>,)+ $($rest),+> Prefix<($($part,)+ $($rest,)+)> for ($($stand,)+) {
            fn encode(&self, key: &mut KeyBytes) {
                $(self.$index.encode(key);)+
            }
        }
    )*};
}
prefixes! {
    A SA 0; B;
    A SA 0; B, C;
    A SA 0; B, C, D;
    A SA 0; B, C, D, E;
    A SA 0, B SB 1; C;
    A SA 0, B SB 1; C, D;
    A SA 0, B SB 1; C, D, E;
    A SA 0, B SB 1, C SC 2; D;
    A SA 0, B SB 1, C SC 2; D, E;
}

/// A value: how it becomes bytes. Use [`crate::record!`] for a serde type; text and bytes are stored as they are.
pub trait Record: Sized {
    fn encode(&self) -> Result<Vec<u8>, String>;
    fn decode(bytes: &Bytes) -> Result<Self, String>;
}

/// Makes serde types values of tables: one byte of version, then postcard.
///
/// A changed type gets the next version and says how it reads the ones before:
/// `record!(User: 2, |version, bytes| …)`.
#[macro_export]
macro_rules! record {
    ($($type:ty: $version:literal $(, $upgrade:expr)?;)*) => {$(
        impl $crate::Record for $type {
            fn encode(&self) -> Result<Vec<u8>, String> {
                $crate::table::encode_versioned($version, self)
            }
            fn decode(bytes: &$crate::table::RecordBytes) -> Result<Self, String> {
                match bytes.split_first() {
                    Some((&$version, rest)) => $crate::table::decode_postcard(rest),
                    $(Some((version, rest)) => ($upgrade)(*version, rest),)?
                    #[allow(unreachable_patterns, reason = "reached only by a type without an upgrade")]
                    Some((version, _)) => Err(format!("version {version} is not known")),
                    None => Err("the row is empty".to_owned()),
                }
            }
        }
    )*};
}

#[doc(hidden)]
pub use bytes::Bytes as RecordBytes;

#[doc(hidden)]
pub fn encode_versioned<T: Serialize>(version: u8, value: &T) -> Result<Vec<u8>, String> {
    postcard::to_extend(value, vec![version]).map_err(|error| error.to_string())
}

#[doc(hidden)]
pub fn decode_postcard<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    postcard::from_bytes(bytes).map_err(|error| error.to_string())
}

impl Record for () {
    fn encode(&self) -> Result<Vec<u8>, String> {
        Ok(Vec::new())
    }

    fn decode(_: &Bytes) -> Result<Self, String> {
        Ok(())
    }
}

impl Record for Bytes {
    fn encode(&self) -> Result<Vec<u8>, String> {
        Ok(self.to_vec())
    }

    fn decode(bytes: &Bytes) -> Result<Self, String> {
        Ok(bytes.clone())
    }
}

impl Record for String {
    fn encode(&self) -> Result<Vec<u8>, String> {
        Ok(self.clone().into_bytes())
    }

    fn decode(bytes: &Bytes) -> Result<Self, String> {
        Self::from_utf8(bytes.to_vec()).map_err(|error| error.to_string())
    }
}

impl Record for u64 {
    fn encode(&self) -> Result<Vec<u8>, String> {
        Ok(self.to_be_bytes().to_vec())
    }

    fn decode(bytes: &Bytes) -> Result<Self, String> {
        bytes.as_ref().try_into().map(Self::from_be_bytes).map_err(|_| "not 8 bytes".to_owned())
    }
}

impl Record for Position {
    fn encode(&self) -> Result<Vec<u8>, String> {
        Record::encode(&self.0)
    }

    fn decode(bytes: &Bytes) -> Result<Self, String> {
        <u64 as Record>::decode(bytes).map(Self)
    }
}

/// A value and the position of the change that wrote it. `Stamped<()>` is a bare position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamped<V> {
    pub position: Position,
    pub value: V,
}

impl<V: Record> Record for Stamped<V> {
    fn encode(&self) -> Result<Vec<u8>, String> {
        let mut bytes = Record::encode(&self.position)?;
        bytes.extend(self.value.encode()?);
        Ok(bytes)
    }

    fn decode(bytes: &Bytes) -> Result<Self, String> {
        if bytes.len() < 8 {
            return Err("shorter than a position".to_owned());
        }
        Ok(Self { position: <Position as Record>::decode(&bytes.slice(..8))?, value: V::decode(&bytes.slice(8..))? })
    }
}

/// Reads a key back, given that its tenant and table are known to be right.
pub(crate) fn decode_key<K: Part>(bytes: &[u8]) -> Option<K> {
    let mut rest = bytes.get(6..)?;
    let key = K::decode(&mut rest)?;
    rest.is_empty().then_some(key)
}
