//! Public keys of servers: how they are written, which nobody may use, and what one of them signed.

use ed25519_dalek::VerifyingKey;
use kernel::limits::ID_BYTES_MAX;
use ruma_common::{
    SigningKeyAlgorithm,
    serde::{Base64, base64::Standard},
};
use ruma_signatures::verify_canonical_json_bytes;

use crate::{Error, Result};

/// Keys whose secret is known to everybody, so that whoever likes signs with them.
const PUBLISHED: [[u8; 32]; 1] = [
    // CVE-2026-24044: a chart for Kubernetes gave every server that it set up this one key. Synapse refuses it since 1.147.1.
    // l/O9hxMVKB6Lg+3Hqf0FQQZhVESQcMzbPN1Cz2nM3og
    [
        0x97, 0xf3, 0xbd, 0x87, 0x13, 0x15, 0x28, 0x1e, 0x8b, 0x83, 0xed, 0xc7, 0xa9, 0xfd, 0x05, 0x41, 0x06, 0x61,
        0x54, 0x44, 0x90, 0x70, 0xcc, 0xdb, 0x3c, 0xdd, 0x42, 0xcf, 0x69, 0xcc, 0xde, 0x88,
    ],
];

/// Whether nobody may sign with this key: its secret is published, it is no point of the curve, or it is one of the weak
/// points (zero among them) for which signatures are made without a secret.
pub fn is_blocked_key(key: &[u8; 32]) -> bool {
    PUBLISHED.contains(key) || VerifyingKey::from_bytes(key).map_or(true, |key| key.is_weak())
}

/// Whether this is the id of a key that we can verify with: `ed25519:` and a version of `[a-zA-Z0-9_]+`.
pub(crate) fn is_key_id(id: &str) -> bool {
    id.len() <= ID_BYTES_MAX
        && id.strip_prefix("ed25519:").is_some_and(|version| {
            !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
}

/// In unpadded base64.
pub(crate) fn encode_key(key: &[u8; 32]) -> String {
    Base64::<Standard, _>::new(key).encode()
}

/// Reads base64, padded or not. None if it is not 32 bytes.
pub(crate) fn decode_key(base64: &str) -> Option<[u8; 32]> {
    Base64::<Standard, [u8; 32]>::parse(base64).ok().map(Base64::into_inner)
}

/// Verifies one signature, in base64, of a text.
///
/// # Errors
/// [`Error::InvalidSignature`], also for a key that nobody may use.
pub(crate) fn check_signature(key: &[u8; 32], signature: &str, text: &str) -> Result<()> {
    if is_blocked_key(key) {
        return Err(Error::InvalidSignature("nobody may sign with this key".into()));
    }
    let signature = Base64::<Standard>::parse(signature)
        .map_err(|_| Error::InvalidSignature("it is not written in base64".into()))?;
    verify_canonical_json_bytes(&SigningKeyAlgorithm::Ed25519, key, signature.as_bytes(), text.as_bytes())
        .map_err(|error| Error::InvalidSignature(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hazard F18. The points of small order are those of RFC 8032's curve in every way to write them.
    #[test]
    fn keys_that_nobody_may_use() {
        let point = |hex: &str| -> [u8; 32] {
            let bytes: Vec<u8> =
                (0..64).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
            bytes.try_into().unwrap()
        };
        assert!(is_blocked_key(&decode_key("l/O9hxMVKB6Lg+3Hqf0FQQZhVESQcMzbPN1Cz2nM3og=").unwrap()));
        for blocked in [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            // No point at all.
            "0200000000000000000000000000000000000000000000000000000000000000",
        ] {
            let mut key = point(blocked);
            assert!(is_blocked_key(&key), "{blocked}");
            key[31] ^= 0x80;
            assert!(is_blocked_key(&key), "{blocked}, the other sign");
        }
        // The vectors of RFC 8032 are good keys.
        assert!(!is_blocked_key(&point("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")));
    }

    /// Why weak points are blocked: with the neutral one, this is a true signature of anything.
    #[test]
    fn a_signature_that_took_no_secret_is_none() {
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut forged = [0; 64];
        forged[0] = 1;
        verify_canonical_json_bytes(&SigningKeyAlgorithm::Ed25519, &neutral, &forged, b"anything").unwrap();
        let forged = Base64::<Standard, _>::new(forged).encode();
        assert!(matches!(check_signature(&neutral, &forged, "anything"), Err(Error::InvalidSignature(_))));
        let server = <&kernel::id::ServerName>::try_from("one.example").unwrap();
        let mut keys = crate::PublicKeys::default();
        keys.insert(server, "ed25519:1", neutral);
        assert_eq!(format!("{keys:?}"), format!("{:?}", crate::PublicKeys::default()));
    }

    #[test]
    fn ids_of_keys() {
        for good in ["ed25519:1", "ed25519:auto", "ed25519:a_RXGa", "ed25519:_"] {
            assert!(is_key_id(good), "{good}");
        }
        let long = format!("ed25519:{}", "a".repeat(248));
        for bad in ["", "ed25519", "ed25519:", "rsa:1", "ED25519:1", "ed25519:a-b", "ed25519:a b", "ed25519:é", &long]
        {
            assert!(!is_key_id(bad), "{bad}");
        }
    }
}
