//! E-mail addresses, of the plain kind that every program reads alike.
//!
//! In April 2019 `me@gmail.com@elysee.fr` opened an account of the Élysée in Tchap: the address was parsed two ways. So
//! whatever the mail standards also allow (quotes, comments, routes, literal addresses) is refused rather than understood.

use std::fmt;

use crate::{Error, Result};

/// Longest address that mail can carry (RFC 5321, section 4.5.3.1.3, less the angle brackets).
const ADDRESS_BYTES_MAX: usize = 254;
const LOCAL_BYTES_MAX: usize = 64;
const LABEL_BYTES_MAX: usize = 63;

/// An address in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Email {
    address: String,
    /// Where the `@` is.
    at: usize,
}

impl Email {
    /// Takes `local@domain` only: ASCII, one `@`, a domain of two labels or more. Nothing is trimmed.
    ///
    /// # Errors
    /// [`Error::OddEmail`] for everything else.
    pub fn parse(address: &str) -> Result<Self> {
        if address.len() > ADDRESS_BYTES_MAX {
            return Err(Error::OddEmail("it is too long"));
        }
        let (local, domain) = address.split_once('@').ok_or(Error::OddEmail("it has no @"))?;
        check_local(local)?;
        check_domain(domain)?;
        Ok(Self { address: address.to_ascii_lowercase(), at: local.len() })
    }

    /// What is before the `@`.
    pub fn local(&self) -> &str {
        self.address.get(..self.at).unwrap_or_default()
    }

    /// What is after the `@`.
    pub fn domain(&self) -> &str {
        self.address.get(self.at + 1..).unwrap_or_default()
    }

    pub fn as_str(&self) -> &str {
        &self.address
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

fn check_local(local: &str) -> Result<()> {
    // Neither `%` nor `!`, which once were routes to another host.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+'".contains(&byte);
    if local.len() > LOCAL_BYTES_MAX || !local.bytes().all(plain) {
        return Err(Error::OddEmail("only letters, digits and .-_+' may stand before the @"));
    }
    if local.split('.').any(str::is_empty) {
        return Err(Error::OddEmail("it has a dot where none may be"));
    }
    if !local.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Error::OddEmail("it names nobody"));
    }
    Ok(())
}

fn check_domain(domain: &str) -> Result<()> {
    let plain = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !domain.split('.').all(plain) {
        return Err(Error::OddEmail("its domain is not a plain host name"));
    }
    // A last label without letters is an address of the network, not a name.
    let named = domain.rsplit_once('.').is_some_and(|(_, top)| top.bytes().any(|byte| byte.is_ascii_alphabetic()));
    if named { Ok(()) } else { Err(Error::OddEmail("its domain is not a name of the Internet")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_addresses_are_split_and_lowered() {
        for (address, local, domain) in [
            ("marie.durand@ville-exemple.fr", "marie.durand", "ville-exemple.fr"),
            ("Marie.DURAND@Ville-Exemple.FR", "marie.durand", "ville-exemple.fr"),
            ("jean-philippe.martin+test@dsi.agglo.fr", "jean-philippe.martin+test", "dsi.agglo.fr"),
            ("n.d'arc@mairie.xn--exemple-cva.fr", "n.d'arc", "mairie.xn--exemple-cva.fr"),
            ("a@b.c", "a", "b.c"),
            ("4711_x@3com.fr", "4711_x", "3com.fr"),
        ] {
            let email = Email::parse(address).unwrap();
            assert_eq!((email.local(), email.domain()), (local, domain), "{address}");
            assert_eq!(email.to_string(), format!("{local}@{domain}"));
        }
    }

    /// Hazard A17: the domain that is taken must be the domain that is mailed, so whatever could be read twice is refused.
    #[test]
    fn odd_addresses_are_refused() {
        let too_long_local = format!("{}@ville.fr", "a".repeat(65));
        let too_long_label = format!("a@{}.fr", "b".repeat(64));
        let too_long = format!("a@{}fr", "b.".repeat(130));
        let odd = [
            // Two @, in several dresses.
            "me@gmail.com@elysee.fr",
            "me@@elysee.fr",
            "@me@elysee.fr",
            "me@elysee.fr@",
            "<me@gmail.com>@elysee.fr",
            "me@gmail.com,@elysee.fr",
            "me@gmail.com;you@elysee.fr",
            "@gmail.com:me@elysee.fr",
            // Comments, quotes, groups, display names.
            "me(@gmail.com)@elysee.fr",
            "me@elysee.fr(comment)",
            "me@(comment)elysee.fr",
            "\"me@gmail.com\"@elysee.fr",
            "\"me\"@elysee.fr",
            "me\\@gmail.com@elysee.fr",
            "Me <me@elysee.fr>",
            "<me@elysee.fr>",
            "group:me@elysee.fr;",
            // Routes.
            "me%gmail.com@elysee.fr",
            "gmail.com!me@elysee.fr",
            "me/x@elysee.fr",
            "me=gmail.com@elysee.fr",
            // White space and controls.
            "me@elysee.fr ",
            " me@elysee.fr",
            "me @elysee.fr",
            "me@ elysee.fr",
            "me@elysee.fr\n",
            "me@elysee.fr\r\nBcc: you@gmail.com",
            "me\n@elysee.fr",
            "me\t@elysee.fr",
            "me\0@elysee.fr",
            "me@elysee.fr\0.gmail.com",
            "me\u{a0}@elysee.fr",
            "me\u{200b}@elysee.fr",
            "\u{202e}me@elysee.fr",
            // Not ASCII.
            "hélène@elysee.fr",
            "me@élysée.fr",
            "me@elуsee.fr",
            "me@elysee\u{3002}fr",
            "me\u{ff20}gmail.com@elysee.fr",
            "me@elysee.fr\u{fe52}",
            // Dots.
            "me@elysee.fr.",
            "me@.elysee.fr",
            "me@elysee..fr",
            ".me@elysee.fr",
            "me.@elysee.fr",
            "m..e@elysee.fr",
            // Domains that are none.
            "me@elysee",
            "me@",
            "me@localhost",
            "me@[127.0.0.1]",
            "me@127.0.0.1",
            "me@[IPv6:::1]",
            "me@elysee.fr:25",
            "me@-elysee.fr",
            "me@elysee-.fr",
            "me@ely_see.fr",
            "me@elysee.fr/x",
            "me@elysee.fr?x",
            "me@elysee.42",
            // Nobody.
            "",
            "@",
            "@elysee.fr",
            "elysee.fr",
            "-@elysee.fr",
            "mailto:me@elysee.fr",
            &too_long_local,
            &too_long_label,
            &too_long,
        ];
        assert!(odd.len() >= 60);
        for address in odd {
            assert!(Email::parse(address).is_err(), "{address:?} was taken");
        }
    }
}
