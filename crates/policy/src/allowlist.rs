//! Which other servers a town has to do with: a closed federation lists them, and whoever is not listed is not there.
//!
//! The language of the list, one pattern for each line:
//!
//! | pattern | servers |
//! | --- | --- |
//! | `ville.fr` | of that name, without a port or with `:8448`, which is the same place |
//! | `ville.fr:443` | of that name with that port |
//! | `ville.fr:*` | of that name with any port, or none |
//! | `*.ville.fr` | of every name that ends so, at any depth, but not of `ville.fr` itself; ports as above |
//! | `10.1.2.3`, `[fd00::1]` | of that address; ports as above |
//!
//! Case does not count, nor does the dot that may end a name, nor how an IPv6 address is written. Names beyond ASCII are
//! written as the network knows them (`xn--…`). There is no pattern for all servers.

use std::net::Ipv6Addr;

use kernel::id::ServerName;

use crate::{Error, Result};

/// Where servers answer if their name says no port (spec, server-server API, "Resolving server names").
const DEFAULT_PORT: u16 = 8448;

/// The servers that may be reached and may call. Nobody, if it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowlist(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    hosts: Hosts,
    /// None for any.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    One(String),
    /// Those whose name ends so; the text begins with a dot.
    Below(String),
}

impl Allowlist {
    /// Reads patterns of the language above.
    ///
    /// # Errors
    /// [`Error::BadPattern`] for the first that is none.
    pub fn parse<P: AsRef<str>>(patterns: impl IntoIterator<Item = P>) -> Result<Self> {
        patterns.into_iter().map(|pattern| Pattern::parse(pattern.as_ref())).collect::<Result<_>>().map(Self)
    }

    /// Whether a server of this name is on the list. Text that is no name of a server never is.
    pub fn allows(&self, server: &str) -> bool {
        let Ok(server) = <&ServerName>::try_from(server) else { return false };
        let host = normal_host(server);
        let port = server.port().unwrap_or(DEFAULT_PORT);
        self.0.iter().any(|pattern| {
            let of_host = match &pattern.hosts {
                Hosts::One(name) => *name == host,
                Hosts::Below(suffix) => !server.is_ip_literal() && host.len() > suffix.len() && host.ends_with(suffix),
            };
            of_host && pattern.port.is_none_or(|listed| listed == port)
        })
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self> {
        let bad = |why| Error::BadPattern { pattern: text.chars().take(300).collect(), why };
        if !text.is_ascii() {
            return Err(bad("write it as the network knows it, in ASCII (xn--…)"));
        }
        let (name, any_port) = match text.strip_suffix(":*") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let (name, below) = match name.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (name, false),
        };
        if name.contains('*') {
            return Err(bad("a star may stand for the first labels of a name or for the port, and for nothing else"));
        }
        let server = <&ServerName>::try_from(name).map_err(|_| bad("it is no name of a server"))?;
        if any_port && server.port().is_some() {
            return Err(bad("it has two ports"));
        }
        let host = normal_host(server);
        if host.split('.').any(str::is_empty) {
            return Err(bad("it has a dot where none may be"));
        }
        if below && server.is_ip_literal() {
            return Err(bad("an address has nothing below it"));
        }
        Ok(Self {
            hosts: if below { Hosts::Below(format!(".{host}")) } else { Hosts::One(host) },
            port: (!any_port).then(|| server.port().unwrap_or(DEFAULT_PORT)),
        })
    }
}

/// The host in the one way to write it: in lower case, without the dot at its end, an IPv6 address at its shortest.
fn normal_host(server: &ServerName) -> String {
    let host = server.host();
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(address) = address.and_then(|address| address.parse::<Ipv6Addr>().ok()) {
        return format!("[{address}]");
    }
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(patterns: &[&str]) -> Allowlist {
        Allowlist::parse(patterns).unwrap()
    }

    #[track_caller]
    fn check(list: &Allowlist, allowed: &[&str], refused: &[&str]) {
        for server in allowed {
            assert!(list.allows(server), "{server} is refused");
        }
        for server in refused {
            assert!(!list.allows(server), "{server} is allowed");
        }
    }

    #[test]
    fn a_name_is_that_name_at_its_own_port() {
        check(
            &list(&["ville.fr", "Matrix.Agglo.FR:443"]),
            &["ville.fr", "ville.fr:8448", "VILLE.fr", "ville.fr.", "ville.fr.:8448", "matrix.agglo.fr:443"],
            &[
                "ville.fr:443",
                "ville.fr:08449",
                "www.ville.fr",
                "ville.fr.evil.example",
                "evilville.fr",
                "ville",
                "fr",
                "matrix.agglo.fr",
                "matrix.agglo.fr:8448",
                "matrix.agglo.fr:4430",
            ],
        );
    }

    #[test]
    fn a_star_before_a_name_is_what_is_below_it() {
        check(
            &list(&["*.ville.fr", "*.port.example:*"]),
            &["a.ville.fr", "A.b.Ville.FR", "a.ville.fr:8448", "a.ville.fr.", "x.port.example:1", "x.port.example"],
            &["ville.fr", ".ville.fr", "aville.fr", "a.ville.fr:443", "a.ville.fr.evil.example", "port.example:1"],
        );
        // An address is below nothing, whatever its numbers.
        check(&list(&["*.3.4"]), &["a.3.4"], &["1.2.3.4", "1.2.3.4:8448"]);
    }

    #[test]
    fn a_star_for_the_port_is_any() {
        check(
            &list(&["host.docker.internal:*", "[fd00::1]:*"]),
            &["host.docker.internal", "host.docker.internal:1", "host.docker.internal:65535", "[fd00:0::1]:7"],
            &["a.host.docker.internal:1", "host.docker.internal:", "host.docker.internal:65536", "[fd00::2]"],
        );
    }

    #[test]
    fn addresses_are_one_however_they_are_written() {
        check(
            &list(&["[FD00::1]", "10.1.2.3", "[::1]:8449"]),
            &["[fd00::1]", "[fd00:0:0::1]:8448", "[fd00:0000::0001]", "10.1.2.3", "10.1.2.3:8448", "[0::1]:8449"],
            &["[fd00::1]:443", "fd00::1", "[fd00::11]", "10.1.2.30", "110.1.2.3", "[::1]", "[::ffff:10.1.2.3]"],
        );
    }

    /// Hazard F7: other dresses of a name that is not listed do not get in, and what is no name does not either.
    #[test]
    fn who_is_not_listed_is_not_there() {
        let everybody_else = list(&["ville.fr", "*.agglo.fr", "xn--chteau-vxa.fr", "1.2.3.4"]);
        check(
            &everybody_else,
            &["xn--chteau-vxa.fr", "XN--Chteau-VXA.fr"],
            &[
                "evil.example",
                "Evil.Example",
                "evil.example:8448",
                "evil.example.",
                "[::1]",
                "[::1]:8448",
                "127.0.0.1",
                "localhost",
                // Not the same letters, and not the same name.
                "xn--vlle-ypa.fr",
                "vіlle.fr",
                "ville\u{3002}fr",
                "château.fr",
                "ville.fr..",
                // No names.
                "",
                ".",
                ":8448",
                "*",
                "*.agglo.fr",
                "ville.fr/",
                "ville.fr ",
                " ville.fr",
                "ville.fr\0",
                "user@ville.fr",
                "https://ville.fr",
                "ville.fr:",
                "ville.fr:x",
                "ville.fr:99999",
            ],
        );
        check(&Allowlist::default(), &[], &["ville.fr", "", "*"]);
        assert!(Allowlist::default().is_empty() && list(&[]).is_empty() && !everybody_else.is_empty());
    }

    #[test]
    fn patterns_that_say_nothing_or_too_much_are_refused() {
        for pattern in [
            "",
            "*",
            "*:*",
            "*.",
            "*.*",
            "*.*.fr",
            "**.ville.fr",
            "ville.*",
            "v*lle.fr",
            "*ville.fr",
            "ville.fr:8*",
            "ville.fr:443:*",
            "ville.fr:*:*",
            "ville.fr:",
            "ville.fr:0x1",
            "ville.fr:99999",
            "ville..fr",
            ".ville.fr",
            "*..ville.fr",
            "ville.fr..",
            "château.fr",
            "https://ville.fr",
            "ville.fr/",
            "ville fr",
            "!ville.fr",
            "fd00::1",
            "[fd00::1",
            "[fd00::/8]",
            "10.0.0.0/8",
            "*.10.1.2.3",
            "*.[::1]",
            "[*]",
        ] {
            let parsed = Allowlist::parse(["ville.fr", pattern]);
            assert!(matches!(&parsed, Err(Error::BadPattern { pattern: told, .. }) if told == pattern), "{pattern}");
        }
    }
}
