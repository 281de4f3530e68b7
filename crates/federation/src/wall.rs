//! The wall of a closed federation: which servers a tenant talks to at all, in either direction. Decided here and nowhere else.

use arc_swap::ArcSwap;
use kernel::id::{OwnedServerName, ServerName};
use policy::Allowlist;

/// One tenant's wall. A list that changes holds from the next request on, for those that come and for those that leave.
pub struct Wall {
    own: OwnedServerName,
    allowed: ArcSwap<Allowlist>,
}

impl Wall {
    pub fn new(own: OwnedServerName, allowed: Allowlist) -> Self {
        Self { own, allowed: ArcSwap::from_pointee(allowed) }
    }

    /// Whether this server may call, and be called. Other tenants of the process are other servers, and a tenant is none to
    /// itself.
    pub fn allows(&self, server: &ServerName) -> bool {
        !server.as_str().eq_ignore_ascii_case(self.own.as_str()) && self.allowed.load().allows(server.as_str())
    }

    pub fn replace(&self, allowed: Allowlist) {
        self.allowed.store(allowed.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_allowed_but_by_the_list_and_a_town_is_no_server_to_itself() {
        let server = |name: &str| ServerName::parse(name).unwrap();
        let wall = Wall::new(server("metz.example"), Allowlist::parse([] as [&str; 0]).unwrap());
        assert!(!wall.allows(&server("nancy.example")));
        wall.replace(Allowlist::parse(["*.example"]).unwrap());
        assert!(wall.allows(&server("nancy.example")));
        assert!(!wall.allows(&server("metz.example")) && !wall.allows(&server("METZ.example")));
        wall.replace(Allowlist::parse([] as [&str; 0]).unwrap());
        assert!(!wall.allows(&server("nancy.example")));
    }
}
