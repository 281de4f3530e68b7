//! OAuth scopes, in both spellings that clients use (Matrix 1.15, "Scope"; MSC2967 before it).

use kernel::id::OwnedDeviceId;
use serde::{Deserialize, Serialize};

const OPENID: &str = "openid";
const STABLE: &str = "urn:matrix:client:";
const UNSTABLE: &str = "urn:matrix:org.matrix.msc2967.client:";
const API: &str = "api:*";
const DEVICE: &str = "device:";
const SCOPE_BYTES_MAX: usize = 1_024;
/// A device id that strangers make up must not be guessed, nor long.
const DEVICE_LENGTH: std::ops::RangeInclusive<usize> = 10..=128;

/// What a client may have: the client-server API for one device, in the spelling that it asked in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scope {
    /// As it is granted and told; in `openid` only if an id token is given.
    pub(crate) text: String,
    pub(crate) device: OwnedDeviceId,
    pub(crate) openid: bool,
}

impl Scope {
    /// Scopes that we do not know are left out, as RFC 6749 §3.3 allows; `scope` in the answer tells.
    ///
    /// # Errors
    /// What is wrong: two spellings mixed, no API scope, not exactly one device, or a device id that cannot be.
    pub(crate) fn parse(scope: &str) -> Result<Self, &'static str> {
        if scope.len() > SCOPE_BYTES_MAX {
            return Err("the scope is too long");
        }
        let tokens = || scope.split_ascii_whitespace();
        let has = |prefix: &str| tokens().any(|token| token.starts_with(prefix));
        let prefix = match (has(STABLE), has(UNSTABLE)) {
            (true, true) => return Err("the scope mixes stable and unstable names"),
            (true, false) => STABLE,
            (false, true) => UNSTABLE,
            (false, false) => return Err("the scope asks for nothing of Matrix"),
        };
        let ours = || tokens().filter_map(|token| token.strip_prefix(prefix));
        if !ours().any(|token| token == API) {
            return Err("the scope does not ask for the client-server API");
        }
        let mut devices = ours().filter_map(|token| token.strip_prefix(DEVICE));
        let device = devices.next().ok_or("the scope names no device")?;
        if devices.next().is_some() {
            return Err("the scope names more than one device");
        }
        if !is_device_id(device) {
            return Err("the scope's device id cannot be one");
        }
        let openid = tokens().any(|token| token == OPENID);
        let start = if openid { "openid " } else { "" };
        let text = format!("{start}{prefix}{API} {prefix}{DEVICE}{device}");
        Ok(Self { text, device: device.into(), openid })
    }
}

fn is_device_id(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~!$&'()*+,;=:@/-".contains(&byte);
    DEVICE_LENGTH.contains(&id.len()) && id.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_is_understood() {
        for (scope, granted) in [
            (
                "openid urn:matrix:org.matrix.msc2967.client:api:* urn:matrix:org.matrix.msc2967.client:device:ABCDEFGHIJ",
                "openid urn:matrix:org.matrix.msc2967.client:api:* urn:matrix:org.matrix.msc2967.client:device:ABCDEFGHIJ",
            ),
            (
                "urn:matrix:org.matrix.msc2967.client:device:ABCDEFGHIJ urn:matrix:org.matrix.msc2967.client:api:*",
                "urn:matrix:org.matrix.msc2967.client:api:* urn:matrix:org.matrix.msc2967.client:device:ABCDEFGHIJ",
            ),
            (
                "urn:matrix:client:api:* urn:matrix:client:device:ABCDEFGHIJ urn:synapse:admin:* email",
                "urn:matrix:client:api:* urn:matrix:client:device:ABCDEFGHIJ",
            ),
        ] {
            let parsed = Scope::parse(scope).unwrap();
            assert_eq!((&*parsed.text, parsed.device.as_str()), (granted, "ABCDEFGHIJ"));
        }
    }

    #[test]
    fn scopes_that_make_no_sense_are_refused() {
        for scope in [
            "",
            "openid",
            "urn:matrix:client:api:*",
            "urn:matrix:client:device:ABCDEFGHIJ",
            "urn:matrix:client:api:* urn:matrix:client:device:SHORT",
            "urn:matrix:client:api:* urn:matrix:client:device:ABCDEFGH\u{e9}J",
            "urn:matrix:client:api:* urn:matrix:client:device:ABCDEFGHIJ urn:matrix:client:device:KLMNOPQRST",
            "urn:matrix:client:api:* urn:matrix:org.matrix.msc2967.client:device:ABCDEFGHIJ",
            &format!("urn:matrix:client:api:* urn:matrix:client:device:{}", "A".repeat(129)),
            &"a ".repeat(600),
        ] {
            assert!(Scope::parse(scope).is_err(), "{scope} was taken");
        }
    }
}
