//! How many connections there are, in all and by address.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limit::network;

/// Connections of each network that has any.
type Counts = Mutex<HashMap<IpAddr, usize>>;

pub(super) struct Gate {
    places: Arc<Semaphore>,
    places_max: u32,
    by_network: Arc<Counts>,
    per_network_max: usize,
}

/// A connection's place, until it is dropped.
pub(super) struct Pass {
    _place: OwnedSemaphorePermit,
    counted: Option<(IpAddr, Arc<Counts>)>,
}

impl Gate {
    pub(super) fn new(places_max: usize, per_network_max: usize) -> Self {
        let places_max = u32::try_from(places_max.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        let places = Arc::new(Semaphore::new(places_max as usize));
        Self { places, places_max, by_network: Arc::default(), per_network_max }
    }

    /// A place for one more connection; `address` is None for those that are not counted by address. None if full.
    pub(super) fn enter(&self, address: Option<IpAddr>) -> Option<Pass> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let counted = match address.map(network) {
            None => None,
            Some(network) => {
                let mut by_network = self.by_network.lock();
                let count = by_network.entry(network).or_default();
                if *count >= self.per_network_max {
                    return None;
                }
                *count += 1;
                Some((network, Arc::clone(&self.by_network)))
            }
        };
        metrics::gauge!("beffroi_http_connections").increment(1.0);
        Some(Pass { _place: place, counted })
    }

    /// Resolves when every pass is dropped.
    pub(super) async fn wait_until_empty(&self) {
        // The semaphore is never closed, so there is no error to tell.
        let _all = self.places.acquire_many(self.places_max).await;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        metrics::gauge!("beffroi_http_connections").decrement(1.0);
        let Some((network, by_network)) = self.counted.take() else { return };
        let mut by_network = by_network.lock();
        if let Some(count) = by_network.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                by_network.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_in_all_and_by_address_and_come_back() {
        let gate = Gate::new(3, 2);
        let address = |text: &str| Some(text.parse().unwrap());
        let first = gate.enter(address("192.0.2.1")).unwrap();
        let _second = gate.enter(address("192.0.2.1")).unwrap();
        assert!(gate.enter(address("192.0.2.1")).is_none());
        let _third = gate.enter(None).unwrap();
        assert!(gate.enter(address("192.0.2.2")).is_none());
        drop(first);
        assert!(gate.enter(address("192.0.2.1")).is_some());
    }
}
