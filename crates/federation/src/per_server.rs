//! One thing for each other server, used by one caller at a time: the others wait, and find what the first has found.

use std::{collections::HashMap, sync::Arc};

use kernel::id::{OwnedServerName, ServerName};
use tokio::sync::Mutex;

/// Servers that are remembered; those that nobody uses go first.
const SERVERS_MAX: usize = 10_000;

pub(crate) struct PerServer<V> {
    of: parking_lot::Mutex<HashMap<OwnedServerName, Arc<Mutex<V>>>>,
}

impl<V> Default for PerServer<V> {
    fn default() -> Self {
        Self { of: parking_lot::Mutex::default() }
    }
}

impl<V: Default> PerServer<V> {
    pub(crate) fn get(&self, server: &ServerName) -> Arc<Mutex<V>> {
        let mut of = self.of.lock();
        if let Some(known) = of.get(server) {
            return Arc::clone(known);
        }
        if of.len() >= SERVERS_MAX {
            of.retain(|_, known| Arc::strong_count(known) > 1);
        }
        Arc::clone(of.entry(server.to_owned()).or_default())
    }
}
