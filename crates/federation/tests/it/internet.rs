//! The Internet of a test: all names are this machine, and every question is remembered.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use federation::{Names, Service, Services};
use parking_lot::Mutex;
use web::outbound::{Locate, Lookup, Place};

#[derive(Clone, Default)]
pub struct Internet(Arc<Known>);

#[derive(Default)]
struct Known {
    addresses: Mutex<HashMap<String, IpAddr>>,
    services: Mutex<HashMap<String, Vec<Service>>>,
    web: Mutex<HashMap<String, u16>>,
    questions: Mutex<Vec<String>>,
}

impl Internet {
    /// The name is at this address instead of on this machine.
    pub fn place(&self, name: &str, address: &str) {
        self.0.addresses.lock().insert(name.to_owned(), address.parse().unwrap());
    }

    /// The name has service records that lead to these targets and ports, in this order of priority.
    pub fn serve(&self, name: &str, targets: &[(&str, u16)]) {
        let service = |(index, (target, port)): (usize, &(&str, u16))| Service {
            priority: u16::try_from(index).unwrap(),
            weight: 0,
            target: (*target).to_owned(),
            port: *port,
        };
        self.0.services.lock().insert(name.to_owned(), targets.iter().enumerate().map(service).collect());
    }

    /// The host has a web server, at this port instead of 443.
    pub fn web(&self, host: &str, port: u16) {
        self.0.web.lock().insert(host.to_owned(), port);
    }

    /// What was asked since the last time: `A name`, `SRV name`, `web name`.
    pub fn questions(&self) -> Vec<String> {
        std::mem::take(&mut self.0.questions.lock())
    }

    pub fn names(&self) -> Names {
        Names { lookup: self.lookup(), services: self.services(), web: Some(self.web_servers()) }
    }

    fn ask(&self, kind: &str, name: &str) {
        self.0.questions.lock().push(format!("{kind} {name}"));
    }

    fn lookup(&self) -> Lookup {
        let internet = self.clone();
        Arc::new(move |name| {
            internet.ask("A", &name);
            let address = internet.0.addresses.lock().get(&name).copied();
            Box::pin(async move { Ok(vec![address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))]) })
        })
    }

    fn services(&self) -> Services {
        let internet = self.clone();
        Arc::new(move |name| {
            internet.ask("SRV", &name);
            let services = internet.0.services.lock().get(&name).cloned().unwrap_or_default();
            Box::pin(async move { Ok(services) })
        })
    }

    fn web_servers(&self) -> Locate {
        let internet = self.clone();
        Arc::new(move |host| {
            internet.ask("web", &host);
            let port = internet.0.web.lock().get(&host).copied();
            let place = port.map(|port| vec![Place { host, port }]);
            Box::pin(async move { place.ok_or_else(|| io::ErrorKind::NotFound.into()) })
        })
    }
}
