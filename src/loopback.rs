//! From one tenant of the process to another: the request goes to the site without a socket, as the same bytes.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, OnceLock, Weak},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use kernel::id::ServerName;

use crate::app::App;

/// Leads nowhere until the site is there. Holds neither site nor tenants: both hold it.
#[derive(Default)]
pub struct Loopback(OnceLock<Reached>);

struct Reached {
    hosts: Weak<web::Hosts<App>>,
    site: Weak<web::Site<App>>,
}

impl Loopback {
    /// Leads to the tenants of this site from now on.
    pub fn connect(&self, hosts: &Arc<web::Hosts<App>>, site: &Arc<web::Site<App>>) {
        // A second site of one process would be a second process.
        let _ = self.0.set(Reached { hosts: Arc::downgrade(hosts), site: Arc::downgrade(site) });
    }
}

#[async_trait]
impl federation::Loopback for Loopback {
    fn serves(&self, server: &ServerName) -> bool {
        let tenant = self.0.get().and_then(|reached| reached.hosts.upgrade()?.find(server.as_str()));
        // A host of a tenant may look like a server's name that is another's.
        tenant.is_some_and(|tenant| tenant.config.server_name == *server)
    }

    async fn answer(&self, request: http::Request<Bytes>) -> web::Response {
        let peer = web::Peer::plain(IpAddr::V4(Ipv4Addr::LOCALHOST));
        match self.0.get().and_then(|reached| reached.site.upgrade()) {
            Some(site) => site.answer(request, &peer).await,
            None => {
                let mut gone = web::Response::new(web::Body::empty());
                *gone.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                gone
            }
        }
    }
}
