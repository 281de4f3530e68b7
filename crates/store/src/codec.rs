//! Keys as ordered bytes: fixed-width numbers, length-prefixed text, never a separator byte.
//!
//! Text sorts by length first, then by bytes: order within a component matters to nobody, exact prefixes do.

use kernel::{Position, Timestamp, id};

use crate::batch::Stamp;

/// A key under construction; `stamps` are the offsets at which the committer writes positions.
#[derive(Default)]
pub struct KeyBytes {
    pub(crate) bytes: Vec<u8>,
    pub(crate) stamps: Vec<(usize, Stamp)>,
}

impl KeyBytes {
    fn text(&mut self, text: &[u8]) {
        // A longer text is refused by the key's length limit before it is written.
        let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(text);
    }
}

/// A component of a key, to be read back from it.
pub trait Part: Sized {
    fn decode(bytes: &mut &[u8]) -> Option<Self>;
}

/// A value that is written where a table's key has a `P`: `&RoomId` for `OwnedRoomId`, a [`Stamp`] for a [`Position`].
pub trait Stands<P> {
    fn encode(&self, key: &mut KeyBytes);
}

fn split<'a>(bytes: &mut &'a [u8], at: usize) -> Option<&'a [u8]> {
    let (head, tail) = bytes.split_at_checked(at)?;
    *bytes = tail;
    Some(head)
}

fn text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let length = u16::from_be_bytes(split(bytes, 2)?.try_into().ok()?);
    std::str::from_utf8(split(bytes, usize::from(length))?).ok()
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Part for $number {
            fn decode(bytes: &mut &[u8]) -> Option<Self> {
                Some(Self::from_be_bytes(split(bytes, size_of::<Self>())?.try_into().ok()?))
            }
        }
        impl Stands<$number> for $number {
            fn encode(&self, key: &mut KeyBytes) {
                key.bytes.extend_from_slice(&self.to_be_bytes());
            }
        }
    )*};
}
numbers!(u8, u16, u32, u64);

/// Negative numbers sort before positive ones.
impl Part for i64 {
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        Some((u64::decode(bytes)? ^ (1 << 63)).cast_signed())
    }
}

impl Stands<Self> for i64 {
    fn encode(&self, key: &mut KeyBytes) {
        (self.cast_unsigned() ^ (1 << 63)).encode(key);
    }
}

macro_rules! wrapped {
    ($($wrapper:ident),*) => {$(
        impl Part for $wrapper {
            fn decode(bytes: &mut &[u8]) -> Option<Self> {
                u64::decode(bytes).map($wrapper)
            }
        }
        impl Stands<Self> for $wrapper {
            fn encode(&self, key: &mut KeyBytes) {
                self.0.encode(key);
            }
        }
    )*};
}
wrapped!(Position, Timestamp);

impl Stands<Position> for Stamp {
    fn encode(&self, key: &mut KeyBytes) {
        key.stamps.push((key.bytes.len(), *self));
        0_u64.encode(key);
    }
}

impl<const N: usize> Part for [u8; N] {
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        split(bytes, N)?.try_into().ok()
    }
}

impl<const N: usize> Stands<Self> for [u8; N] {
    fn encode(&self, key: &mut KeyBytes) {
        key.bytes.extend_from_slice(self);
    }
}

impl Part for String {
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        text(bytes).map(str::to_owned)
    }
}

impl Stands<String> for &str {
    fn encode(&self, key: &mut KeyBytes) {
        key.text(self.as_bytes());
    }
}

impl Stands<Self> for String {
    fn encode(&self, key: &mut KeyBytes) {
        key.text(self.as_bytes());
    }
}

macro_rules! ids {
    ($($owned:ident $borrowed:ident),*) => {$(
        impl Part for id::$owned {
            fn decode(bytes: &mut &[u8]) -> Option<Self> {
                text(bytes)?.try_into().ok()
            }
        }
        impl Stands<id::$owned> for &id::$borrowed {
            fn encode(&self, key: &mut KeyBytes) {
                key.text(self.as_bytes());
            }
        }
        impl Stands<Self> for id::$owned {
            fn encode(&self, key: &mut KeyBytes) {
                key.text(self.as_bytes());
            }
        }
    )*};
}
ids!(
    OwnedUserId UserId, OwnedRoomId RoomId, OwnedEventId EventId, OwnedDeviceId DeviceId,
    OwnedRoomAliasId RoomAliasId, OwnedServerName ServerName, OwnedTransactionId TransactionId
);

macro_rules! tuples {
    ($($($part:ident $stand:ident $index:tt),+;)*) => {$(
        impl<$($part: Part),+> Part for ($($part,)+) {
            fn decode(bytes: &mut &[u8]) -> Option<Self> {
                Some(($($part::decode(bytes)?,)+))
            }
        }
        impl<$($part, $stand: Stands<$part>),+> Stands<($($part,)+)> for ($($stand,)+) {
            fn encode(&self, key: &mut KeyBytes) {
                $(self.$index.encode(key);)+
            }
        }
    )*};
}
tuples! {
    A SA 0;
    A SA 0, B SB 1;
    A SA 0, B SB 1, C SC 2;
    A SA 0, B SB 1, C SC 2, D SD 3;
    A SA 0, B SB 1, C SC 2, D SD 3, E SE 4;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes<P>(value: &impl Stands<P>) -> Vec<u8> {
        let mut key = KeyBytes::default();
        value.encode(&mut key);
        key.bytes
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(a: u32, b: String, c: i64, d: [u8; 16]) {
            let key = (a, b, c, d);
            let bytes = bytes(&key);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(<(u32, String, i64, [u8; 16])>::decode(&mut rest), Some(key));
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn numbers_keep_their_order(a: i64, b: i64, c: u64, d: u64) {
            prop_assert_eq!(a.cmp(&b), bytes::<i64>(&a).cmp(&bytes::<i64>(&b)));
            prop_assert_eq!(c.cmp(&d), bytes::<u64>(&c).cmp(&bytes::<u64>(&d)));
        }

        #[test]
        fn no_text_is_a_prefix_of_another(a: String, b: String) {
            prop_assume!(a != b);
            prop_assert!(!bytes::<String>(&a).starts_with(&bytes::<String>(&b)));
        }

        #[test]
        fn damage_is_seen_not_panicked_on(damage: Vec<u8>) {
            let _ = <(String, u64, id::OwnedRoomId)>::decode(&mut damage.as_slice());
        }
    }
}
