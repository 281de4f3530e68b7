//! `m.room.server_acl`: the servers that may take part in a room.

use kernel::id::ServerName;
use serde::Deserialize;

use super::lenient::{lenient, list, read};
use crate::Pdu;

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ServerAcl {
    #[serde(default, deserialize_with = "list")]
    pub allow: Vec<String>,
    #[serde(default, deserialize_with = "list")]
    pub deny: Vec<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub allow_ip_literals: Option<bool>,
}

impl ServerAcl {
    pub fn of(event: &Pdu) -> Self {
        read(event)
    }

    /// Ports do not count, nor does case. With nothing allowed, nobody is.
    pub fn allows(&self, server: &ServerName) -> bool {
        if server.is_ip_literal() && self.allow_ip_literals == Some(false) {
            return false;
        }
        // A final dot names the same host.
        let host = server.host().trim_end_matches('.').to_ascii_lowercase();
        let listed = |list: &[String]| list.iter().any(|glob| matches(&glob.to_ascii_lowercase(), &host));
        !listed(&self.deny) && listed(&self.allow)
    }
}

/// `*` stands for any number of characters, `?` for one. Takes time proportional to the product of the lengths at worst.
fn matches(glob: &str, text: &str) -> bool {
    let (glob, text) = (glob.as_bytes(), text.as_bytes());
    let (mut at, mut read) = (0, 0);
    // Where to go back to when what follows the last star does not fit: take one more byte into the star.
    let mut star = None;
    while read < text.len() {
        match glob.get(at) {
            Some(b'*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(byte) if *byte == b'?' || text.get(read) == Some(byte) => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((star_at, taken)) = star else { return false };
                star = Some((star_at, taken + 1));
                at = star_at + 1;
                read = taken + 1;
            }
        }
    }
    glob.iter().skip(at).all(|byte| *byte == b'*')
}
