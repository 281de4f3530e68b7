//! What every engine must do. Each engine's tests call [`run`]; it panics where the contract is broken.
#![expect(clippy::unwrap_used, reason = "a broken contract ends the test")]

mod prefixes;
mod rows;
mod streams;

use std::sync::Arc;

use crate::{kv::Kv, memory::Memory};

/// Where a database lies. It can be opened again once what was opened before is dropped.
pub trait Place {
    fn open(&self) -> Arc<dyn Kv>;
}

impl Place for Memory {
    fn open(&self) -> Arc<dyn Kv> {
        Arc::new(self.clone())
    }
}

/// Runs all checks, each on an empty database of its own from `make`.
///
/// # Panics
/// Where the contract is broken.
pub fn run<P: Place>(make: impl Fn() -> P) {
    rows::points(make().open().as_ref());
    rows::limits(make().open().as_ref());
    rows::scans(make().open().as_ref());
    rows::order_within_a_batch(make().open().as_ref());
    rows::snapshots(make().open().as_ref());
    rows::atomicity(make().open().as_ref());
    rows::survives(&make());
    prefixes::bytes(make().open().as_ref());
    prefixes::tables(make().open());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        streams::stamps(make().open()).await;
        streams::publication(make().open()).await;
        streams::expectations(make().open()).await;
        streams::refusals(make().open()).await;
        streams::feed(make().open()).await;
        streams::blobs(make().open()).await;
        streams::positions_survive(&make()).await;
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_keeps_the_contract() {
        run(Memory::new);
    }

    #[cfg(feature = "rocks")]
    impl Place for tempfile::TempDir {
        fn open(&self) -> Arc<dyn Kv> {
            use crate::rocks::{Options, Rocks};
            Arc::new(Rocks::open(self.path(), &Options::default()).unwrap())
        }
    }

    #[cfg(feature = "rocks")]
    #[test]
    fn rocks_keeps_the_contract() {
        run(|| tempfile::tempdir().unwrap());
    }
}
