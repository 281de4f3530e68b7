//! Uploaded signatures: each is verified, and only the three relationships of the specification are taken (hazard K1):
//! a device signs its user's master key, a self-signing key its user's devices, a user-signing key others' master keys.

use std::{collections::BTreeMap, time::Duration};

use kernel::{
    Kind,
    id::{DeviceId, OwnedUserId, UserId},
};
use ruma_common::CanonicalJsonObject;
use store::Batch;

use super::{
    cross_signing::{Usage, public_key},
    device::{KEY_OBJECT_BYTES_MAX, signing_key},
    device_lists::Part,
    verify::{signature_by, signatures_of, signed_part, verifies},
};
use crate::{
    Accounts, Change, Error, RemoteAnswer, RemoteError, Result, SharedSince, SignatureFailure, TOPIC, UserKeys, Wanted,
    json,
    tables::{DEVICE_KEYS, SIGNATURES, SIGNED},
};

/// Objects of one upload.
const OBJECTS_MAX: usize = 1_000;
/// How long other servers have to give the master keys of their users.
const MASTERS_WITHIN: Duration = Duration::from_secs(10);

type Failures = BTreeMap<OwnedUserId, BTreeMap<String, SignatureFailure>>;

/// Master keys of users of other servers, and the servers that did not give them.
type Masters = RemoteAnswer<BTreeMap<OwnedUserId, UserKeys>>;

/// A signature that holds: the id of the key that made it, and the signature.
type Verified = (String, String);

impl Accounts {
    /// `POST /keys/signatures/upload`: user → (device id or public key) → the signed object as JSON text. Takes what
    /// verifies, and says why the rest does not.
    ///
    /// # Errors
    /// `TooMany`.
    pub async fn upload_signatures(
        &self,
        user: &UserId,
        signed: BTreeMap<OwnedUserId, BTreeMap<String, String>>,
    ) -> Result<Failures> {
        if signed.values().map(BTreeMap::len).sum::<usize>() > OBJECTS_MAX {
            return Err(Error::TooMany { what: "signed objects", limit: OBJECTS_MAX });
        }
        let masters = self.remote_masters(user, signed.keys()).await?;
        let _changing = self.change(user).await;
        let mut batch = self.scope().batch();
        let mut failures = Failures::new();
        for (owner, objects) in signed {
            let mut taken = Vec::new();
            for (target, text) in objects {
                match self.verify_upload(user, &owner, &target, &text, &masters) {
                    Ok(signatures) => {
                        for (key_id, signature) in signatures {
                            let key = (&*owner, target.as_str(), user, key_id.as_str());
                            batch.put(&SIGNATURES, key, &signature);
                        }
                        taken.push(target);
                    }
                    Err(error) => {
                        let failure = failure(error)?;
                        failures.entry(owner.clone()).or_default().insert(target, failure);
                    }
                }
            }
            if !taken.is_empty() {
                self.note_signed(&mut batch, user, &owner, &taken)?;
            }
        }
        if !batch.is_empty() {
            self.commit(batch).await?;
        }
        Ok(failures)
    }

    /// Notes that these keys of the owner's, devices or master key, were signed.
    fn note_signed(&self, batch: &mut Batch, user: &UserId, owner: &OwnedUserId, signed: &[String]) -> Result<()> {
        if *user == **owner {
            let mut parts = Vec::new();
            for target in signed {
                let is_device = self.scope().has(&DEVICE_KEYS, (user, <&DeviceId>::from(target.as_str())))?;
                parts.push(if is_device { Part::Device(target.as_str().into()) } else { Part::SigningKeys });
            }
            return self.note_device_list(batch, user, &parts);
        }
        // Nobody but the signer sees this signature.
        let stamp = batch.stamp();
        batch.put_stamped(&SIGNED, (user, &**owner), stamp, &());
        batch.announce(TOPIC, stamp, &Change::Signed { user: user.to_owned(), signed: owner.clone() });
        Ok(())
    }

    /// The keys of those of the owners who are of other servers: kept ones if nothing was missed, or what their servers say.
    async fn remote_masters(&self, user: &UserId, owners: impl Iterator<Item = &OwnedUserId>) -> Result<Masters> {
        let (mut wanted, mut shared) = (Wanted::new(), SharedSince::new());
        for owner in owners.filter(|owner| !self.is_local(owner)) {
            wanted.insert(owner.clone(), Vec::new());
            shared.extend(self.list_asked(owner)?.map(|asked| (owner.clone(), asked)));
        }
        self.query_remote_keys(user, &wanted, &shared, MASTERS_WITHIN).await
    }

    fn verify_upload(
        &self,
        user: &UserId,
        owner: &UserId,
        target: &str,
        text: &str,
        masters: &Masters,
    ) -> Result<Vec<Verified>> {
        let object = json::canonical_object(text, "the signed object", KEY_OBJECT_BYTES_MAX)?;
        let found = if owner != user {
            self.verify_by_user_signing(user, owner, target, &object, masters)?.into_iter().collect()
        } else if let Some(keys) = self.device_keys(user, target.into())? {
            self.verify_by_self_signing(user, &keys, &object)?.into_iter().collect()
        } else {
            self.verify_by_devices(user, target, &object)?
        };
        if found.is_empty() {
            return Err(Error::InvalidSignature("There is no signature that may be given to this key".to_owned()));
        }
        Ok(found)
    }

    fn verify_by_self_signing(
        &self,
        user: &UserId,
        stored: &CanonicalJsonObject,
        object: &CanonicalJsonObject,
    ) -> Result<Option<Verified>> {
        same_key(stored, object)?;
        match self.cross_signing_key(user, Usage::SelfSigning)? {
            Some((public, _)) => verified(user, &public, &public, object),
            None => Ok(None),
        }
    }

    fn verify_by_user_signing(
        &self,
        user: &UserId,
        owner: &UserId,
        target: &str,
        object: &CanonicalJsonObject,
        masters: &Masters,
    ) -> Result<Option<Verified>> {
        let stored = if self.is_local(owner) {
            self.master_key(owner, target)?.1
        } else {
            remote_master_key(masters, owner, target)?
        };
        same_key(&stored, object)?;
        match self.cross_signing_key(user, Usage::UserSigning)? {
            Some((public, _)) => verified(user, &public, &public, object),
            None => Ok(None),
        }
    }

    fn verify_by_devices(&self, user: &UserId, target: &str, object: &CanonicalJsonObject) -> Result<Vec<Verified>> {
        let (_, stored) = self.master_key(user, target)?;
        same_key(&stored, object)?;
        let mut found = Vec::new();
        for (key_id, _) in signatures_of(object, user) {
            let Some(name) = key_id.strip_prefix("ed25519:") else { continue };
            let device: &DeviceId = name.into();
            let Some(keys) = self.device_keys(user, device)? else { continue };
            let Some(public) = signing_key(&keys, device) else { continue };
            found.extend(verified(user, name, public, object)?);
        }
        Ok(found)
    }

    /// The owner's master key, if `target` is its public part.
    fn master_key(&self, owner: &UserId, target: &str) -> Result<(String, CanonicalJsonObject)> {
        let master = self.cross_signing_key(owner, Usage::Master)?.filter(|(public, _)| public == target);
        master.ok_or(Error::NotFound("key"))
    }

    /// Deletes the signatures on a device and those that it made.
    pub(crate) fn erase_signatures(&self, batch: &mut Batch, user: &UserId, device: &DeviceId) -> Result<()> {
        for row in self.scope().scan(&SIGNATURES, (user, device.as_str())).keys()? {
            batch.delete(&SIGNATURES, row);
        }
        if let Some((master, _)) = self.cross_signing_key(user, Usage::Master)? {
            batch.delete(&SIGNATURES, (user, master.as_str(), user, format!("ed25519:{device}")));
        }
        Ok(())
    }
}

/// The master key of another server's user, if `target` is its public part.
fn remote_master_key(masters: &Masters, owner: &UserId, target: &str) -> Result<CanonicalJsonObject> {
    if masters.failures.contains(owner.server_name()) {
        return Err(RemoteError::Unreachable(owner.server_name().to_owned()).into());
    }
    let master = masters.found.get(owner).and_then(|keys| keys.master.as_deref());
    let master = master.map(json::stored_object).transpose()?;
    master.filter(|key| public_key(key).is_some_and(|public| public == target)).ok_or(Error::NotFound("key"))
}

/// The signature by this key over the object: `None` if there is none.
fn verified(user: &UserId, name: &str, public: &str, object: &CanonicalJsonObject) -> Result<Option<Verified>> {
    let key_id = format!("ed25519:{name}");
    let Some(signature) = signature_by(object, user, &key_id) else { return Ok(None) };
    if !verifies(object, public, signature) {
        return Err(Error::InvalidSignature(format!("The signature by {key_id} does not verify")));
    }
    let signature = signature.to_owned();
    Ok(Some((key_id, signature)))
}

fn same_key(stored: &CanonicalJsonObject, uploaded: &CanonicalJsonObject) -> Result<()> {
    if signed_part(stored) == signed_part(uploaded) {
        return Ok(());
    }
    Err(Error::InvalidSignature("The signed object is not the key that is stored here".to_owned()))
}

/// What an error tells the uploader; those that are not about the signature end the whole upload.
fn failure(error: Error) -> Result<SignatureFailure> {
    use kernel::Fault;
    match error {
        Error::Store(_) | Error::Damaged(_) => Err(error),
        Error::NotFound(_) => Ok(SignatureFailure { kind: Kind::NotFound, reason: "There is no such key".to_owned() }),
        other => Ok(SignatureFailure { kind: other.kind(), reason: other.to_string() }),
    }
}
