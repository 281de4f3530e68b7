//! The stored schema of auth, whole. Numbers are never used again.

use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Space, Table};

/// Algorithm (`RS256`) → the one key that signs this tenant's id tokens with it.
pub(crate) const SIGNING_KEYS: Table<(String,), SigningKeyRow> = Table::new(0x0501, "signing_keys", Space::Index);

/// An RSA key. No `Debug`: it would show the key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SigningKeyRow {
    /// The name under which `/oauth2/keys.json` shows it.
    pub(crate) id: String,
    /// PKCS #1, PEM.
    pub(crate) pem: String,
    pub(crate) created: Timestamp,
}

store::record! {
    SigningKeyRow: 1;
}

#[cfg(test)]
mod tests {
    use store::Record;

    use super::*;

    #[test]
    fn the_number_is_of_this_crate() {
        assert_eq!(SIGNING_KEYS.number() >> 8, 0x05);
    }

    #[test]
    fn rows_are_written_as_ever() {
        let row = SigningKeyRow { id: "k1".into(), pem: "PEM".into(), created: Timestamp(300) };
        let bytes = row.encode().unwrap();
        assert_eq!(bytes, [1, 2, b'k', b'1', 3, b'P', b'E', b'M', 0xac, 0x02]);
        assert!(SigningKeyRow::decode(&bytes.into()).is_ok_and(|read| read == row));
    }
}
