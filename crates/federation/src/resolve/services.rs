//! Service records (SRV): where a host that names no port has its Matrix service.

use std::{io, sync::Arc};

use futures_util::future::BoxFuture;
use hickory_resolver::{
    TokioResolver,
    proto::rr::{RData, RecordType},
};
use tokio::sync::OnceCell;
use web::outbound::{Locate, Place};

use super::DEFAULT_PORT;

/// One service record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub priority: u16,
    pub weight: u16,
    pub target: String,
    pub port: u16,
}

/// Asks for the service records of a name. The machine's own resolver, except in tests.
pub type Services = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<Service>>> + Send + Sync>;

/// The records of the service, then those of Matrix before 1.8, then the host itself. A name server that cannot tell stands for
/// one that knows of none: many small resolvers know nothing of service records.
pub(crate) fn locate(services: Services) -> Locate {
    Arc::new(move |host| {
        let services = Arc::clone(&services);
        Box::pin(async move {
            for service in ["_matrix-fed._tcp", "_matrix._tcp"] {
                let records = services(format!("{service}.{host}")).await.unwrap_or_default();
                if !records.is_empty() {
                    return in_order(records);
                }
            }
            Ok(vec![Place { host, port: DEFAULT_PORT }])
        })
    })
}

/// By priority; the heavier first among equals, so that the lighter serve when these do not answer.
fn in_order(mut records: Vec<Service>) -> io::Result<Vec<Place>> {
    records.sort_by_key(|record| (record.priority, u16::MAX - record.weight));
    // The root as a target says that there is no such service (RFC 2782).
    let places = records.into_iter().filter_map(|record| {
        let host = record.target.trim_end_matches('.').to_owned();
        (!host.is_empty()).then_some(Place { host, port: record.port })
    });
    let places: Vec<_> = places.collect();
    if places.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the host's records say that it has no such service"));
    }
    Ok(places)
}

/// The machine's resolver, read when it is first needed.
pub(crate) fn system_services() -> Services {
    let resolver: Arc<OnceCell<TokioResolver>> = Arc::default();
    Arc::new(move |name| {
        let resolver = Arc::clone(&resolver);
        Box::pin(async move {
            let open = || async { TokioResolver::builder_tokio().and_then(|builder| builder.build()) };
            let resolver = resolver.get_or_try_init(open).await.map_err(io::Error::other)?;
            // A name that ends in a dot is complete: no search domain of the machine is tried behind it.
            let found = match resolver.lookup(format!("{name}."), RecordType::SRV).await {
                Ok(found) => found,
                Err(error) if error.is_no_records_found() => return Ok(Vec::new()),
                Err(error) => return Err(io::Error::other(error)),
            };
            let services = found.answers().iter().filter_map(|record| match &record.data {
                RData::SRV(srv) => Some(Service {
                    priority: srv.priority,
                    weight: srv.weight,
                    target: srv.target.to_ascii(),
                    port: srv.port,
                }),
                _ => None,
            });
            Ok(services.collect())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_without_records_is_at_port_8448_and_so_is_one_whose_name_server_cannot_tell() {
        for failing in [false, true] {
            let services: Services = Arc::new(move |_| {
                let answer = if failing { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Vec::new()) };
                Box::pin(async { answer })
            });
            let places = locate(services)("hs1.example".to_owned()).await.unwrap();
            assert_eq!(places, [Place { host: "hs1.example".to_owned(), port: 8448 }]);
        }
    }

    #[test]
    fn records_are_tried_by_priority_and_weight() {
        let record = |priority, weight, target: &str| Service { priority, weight, target: target.to_owned(), port: 1 };
        let records =
            vec![record(2, 9, "d."), record(1, 1, "c"), record(1, 5, "b"), record(0, 0, "a"), record(0, 9, ".")];
        let hosts: Vec<_> = in_order(records).unwrap().into_iter().map(|place| place.host).collect();
        assert_eq!(hosts, ["a", "b", "c", "d"]);
        assert!(in_order(vec![record(0, 0, ".")]).is_err());
    }
}
