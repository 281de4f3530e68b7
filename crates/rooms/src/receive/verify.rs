//! Whether events are what their senders' servers made: format, room, signatures and hashes, many at a time.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::Arc,
};

use events::{CanonicalJsonObject, KEYS_PER_SIGNER_MAX, Pdu, PublicKeys, RoomVersion, Verified};
use kernel::{
    Timestamp,
    id::{OwnedEventId, OwnedServerName, RoomId, ServerName},
};

use crate::{Error, RemoteKey, Result, Rooms};

/// Events whose signatures are verified on the thread that asks; more go to threads for computing.
const AT_HAND_MAX: usize = 4;
/// Events that one such thread verifies in a go.
const SLICE: usize = 200;

/// An event whose signatures have yet to be verified.
struct Unverified {
    object: CanonicalJsonObject,
    pdu: Pdu,
    /// The keys that the required signatures name.
    signers: Vec<(OwnedServerName, String)>,
}

impl Unverified {
    /// Those keys that were valid when the event was sent.
    fn public_keys(&self, keys: &Keys, version: RoomVersion) -> PublicKeys {
        let mut public = PublicKeys::default();
        for key in self.signers.iter().filter_map(|signer| keys.get(signer)) {
            if !version.enforces_key_validity() || key.valid_until >= self.pdu.origin_server_ts() {
                public.insert(&key.server, &key.key_id, key.key);
            }
        }
        public
    }
}

type Outcome = std::result::Result<Pdu, (Option<OwnedEventId>, Error)>;
type Keys = HashMap<(OwnedServerName, String), RemoteKey>;

impl Rooms {
    /// Reads and verifies events of a room, each answer in its event's place. An event whose content was changed on the way
    /// comes back redacted, as the specification has it.
    pub(crate) async fn verify(&self, room: &RoomId, version: RoomVersion, pdus: Vec<String>) -> Vec<Outcome> {
        if pdus.len() <= AT_HAND_MAX {
            let read: Vec<_> = pdus.iter().map(|json| read(json, room, version)).collect();
            let keys = self.keys_of(read.iter().flatten()).await;
            return read.into_iter().map(|event| check(event, &keys, version)).collect();
        }
        let of = room.to_owned();
        let read = in_slices(pdus, move |json| read(&json, &of, version)).await;
        let keys = self.keys_of(read.iter().flatten()).await;
        in_slices(read, move |event| check(event, &keys, version)).await
    }

    /// The events among these that verify; the others are logged.
    pub(crate) async fn verified(&self, room: &RoomId, version: RoomVersion, pdus: Vec<String>) -> Vec<Pdu> {
        let outcomes = self.verify(room, version, pdus).await;
        let keep = |outcome: Outcome| match outcome {
            Ok(pdu) => Some(pdu),
            Err((event_id, error)) => {
                tracing::info!(%room, ?event_id, %error, "an event of another server is dropped");
                None
            }
        };
        outcomes.into_iter().filter_map(keep).collect()
    }

    /// One event, verified.
    pub(crate) async fn verify_one(&self, room: &RoomId, version: RoomVersion, json: String) -> Result<Pdu> {
        let outcome = self.verify(room, version, vec![json]).await.pop();
        outcome.map_or(Err(Error::Damaged("verifying an event panicked".to_owned())), |one| {
            one.map_err(|(_, error)| error)
        })
    }

    /// The keys that the event says it was signed with by those who must have, as far as they can be had and were valid when
    /// it was sent.
    pub(crate) async fn keys_for(&self, event: &Pdu, version: RoomVersion) -> Result<PublicKeys> {
        let event = read(event.json(), event.room_id(), version)?;
        let keys = self.keys_of([&event].into_iter()).await;
        Ok(event.public_keys(&keys, version))
    }

    /// The keys of one server by which a copy of our event, which it sent back, says that it was signed.
    pub(crate) async fn keys_of_copy(
        &self,
        ours: &Pdu,
        copy: &str,
        server: &ServerName,
        version: RoomVersion,
    ) -> Result<PublicKeys> {
        let mut event = read(ours.json(), ours.room_id(), version)?;
        let copy = events::canonical_event(copy)?;
        let signatures = copy.get("signatures").and_then(|all| all.as_object()?.get(server.as_str())?.as_object());
        let key_ids = signatures.into_iter().flat_map(|signatures| signatures.keys());
        let key_ids = key_ids.filter(|id| id.starts_with("ed25519:")).take(KEYS_PER_SIGNER_MAX);
        event.signers = key_ids.map(|id| (server.to_owned(), id.clone())).collect();
        let keys = self.keys_of([&event].into_iter()).await;
        Ok(event.public_keys(&keys, version))
    }

    /// The keys that these events name, as far as they can be had.
    async fn keys_of<'a>(&self, events: impl Iterator<Item = &'a Unverified>) -> Keys {
        let mut wanted = BTreeSet::new();
        let mut latest = Timestamp(0);
        for event in events {
            wanted.extend(event.signers.iter().cloned());
            latest = latest.max(event.pdu.origin_server_ts());
        }
        let signer = self.inner.signer.load();
        let own = (signer.server_name().to_owned(), signer.key_id().to_owned());
        let mut keys = Keys::new();
        if wanted.remove(&own) {
            let (server, key_id) = own.clone();
            let key = signer.public_key();
            keys.insert(own, RemoteKey { server, key_id, key, valid_until: Timestamp(u64::MAX) });
        }
        if !wanted.is_empty() {
            let wanted: Vec<_> = wanted.into_iter().collect();
            // A clock that runs ahead must not have us ask for keys of the future.
            let sent_at = latest.min(self.inner.clock.now());
            let found = self.inner.remote.keys(&wanted, sent_at).await;
            keys.extend(found.into_iter().map(|key| ((key.server.clone(), key.key_id.clone()), key)));
        }
        keys
    }
}

fn read(json: &str, room: &RoomId, version: RoomVersion) -> Result<Unverified> {
    let object = events::canonical_event(json)?;
    let pdu = Pdu::from_object(&object, version)?;
    if pdu.room_id() != room {
        return Err(Error::Denied("The event is of another room".to_owned()));
    }
    let signers = events::signing_keys_of(&object, version)?;
    Ok(Unverified { object, pdu, signers })
}

fn check(event: std::result::Result<Unverified, Error>, keys: &Keys, version: RoomVersion) -> Outcome {
    let event = event.map_err(|error| (None, error))?;
    let public = event.public_keys(keys, version);
    let Unverified { object, pdu, .. } = event;
    let failed = |error: events::Error| (Some(pdu.event_id().to_owned()), Error::from(error));
    match events::verify(&object, &public, version).map_err(failed)? {
        Verified::All => Ok(pdu),
        Verified::Redacted => events::redact(&pdu, version).map_err(failed),
    }
}

/// Computes on threads for that, a slice on each; the answers stand in the order of the items.
async fn in_slices<T: Send + 'static, U: Send + 'static>(
    items: Vec<T>,
    compute: impl Fn(T) -> U + Send + Sync + 'static,
) -> Vec<U> {
    let compute = Arc::new(compute);
    let mut slices = VecDeque::new();
    let mut items = items.into_iter().peekable();
    while items.peek().is_some() {
        let (slice, compute): (Vec<T>, _) = (items.by_ref().take(SLICE).collect(), compute.clone());
        slices.push_back(tokio::task::spawn_blocking(move || -> Vec<U> {
            slice.into_iter().map(|item| compute(item)).collect()
        }));
    }
    let mut computed = Vec::new();
    while let Some(slice) = slices.pop_front() {
        computed.extend(slice.await.unwrap_or_default());
    }
    computed
}

/// Puts events so that each stands behind those of them that it cites, and each once.
pub(crate) fn by_citation(pdus: Vec<Pdu>, cited: impl Fn(&Pdu) -> &[OwnedEventId]) -> Vec<Pdu> {
    let mut waiting: HashMap<OwnedEventId, Pdu> = HashMap::new();
    let mut order = Vec::new();
    for pdu in pdus {
        let id = pdu.event_id().to_owned();
        if waiting.insert(id.clone(), pdu).is_none() {
            order.push(id);
        }
    }
    let mut sorted: Vec<OwnedEventId> = Vec::new();
    let mut begun: HashSet<OwnedEventId> = HashSet::new();
    for id in order {
        // Depth first, without recursion: an event is done once all that it cites is.
        let mut stack = vec![(id, false)];
        while let Some((id, done)) = stack.pop() {
            if done {
                sorted.push(id);
            } else if begun.insert(id.clone())
                && let Some(pdu) = waiting.get(&id)
            {
                stack.push((id, true));
                stack.extend(cited(pdu).iter().filter(|id| waiting.contains_key(*id)).map(|id| (id.clone(), false)));
            }
        }
    }
    sorted.into_iter().filter_map(|id| waiting.remove(&id)).collect()
}
