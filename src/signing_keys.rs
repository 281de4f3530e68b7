//! A tenant's signing keys on disk: made when it is first opened, replaced by command, never deleted.

use std::sync::Arc;

use anyhow::Context;
use events::Signer;
use federation::OwnKeys;
use kernel::{Timestamp, id::ServerName};
use serde::{Deserialize, Serialize};
use store::{Scope, Space, Table};

use crate::app::Parts;

/// The keys by version.
const KEYS: Table<(String,), KeyRow> = Table::new(0x0602, "signing_key", Space::Index);

/// Letters of a key's version.
const VERSION_LETTERS: usize = 6;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeyRow {
    secret: [u8; 32],
    /// When it was replaced. One key, the newest, has not been.
    retired_at: Option<Timestamp>,
}

store::record! {
    KeyRow: 2, |version: u8, bytes: &[u8]| match (version, <[u8; 32]>::try_from(bytes)) {
        // Before keys were replaced there was one.
        (1, Ok(secret)) => Ok(KeyRow { secret, retired_at: None }),
        _ => Err(format!("version {version} is not known")),
    };
}

/// The keys, with the first one made if there is none.
pub(crate) async fn open(scope: &Scope, name: &ServerName, parts: &Parts) -> anyhow::Result<OwnKeys> {
    if scope.scan(&KEYS, ()).first()?.is_none() {
        let (version, row) = new_key(parts);
        let mut batch = scope.batch();
        batch.expect(&KEYS, (version.as_str(),), None);
        batch.put(&KEYS, (version.as_str(),), &row);
        scope.commit(batch).await?;
    }
    read(scope, name, parts)
}

/// The keys, with a new one that signs. One call at a time for each tenant.
pub(crate) async fn rotate(scope: &Scope, name: &ServerName, parts: &Parts) -> anyhow::Result<OwnKeys> {
    let (version, row) = new_key(parts);
    let mut batch = scope.batch();
    for ((old_version,), old) in scope.scan(&KEYS, ()).rows()? {
        if old.retired_at.is_none() {
            let retired = KeyRow { retired_at: Some(parts.clock.now()), ..old };
            batch.put(&KEYS, (old_version.as_str(),), &retired);
        }
    }
    batch.expect(&KEYS, (version.as_str(),), None);
    batch.put(&KEYS, (version.as_str(),), &row);
    scope.commit(batch).await?;
    read(scope, name, parts)
}

fn new_key(parts: &Parts) -> (String, KeyRow) {
    let secret = Signer::generate_secret(parts.random.as_ref());
    (parts.random.letters(VERSION_LETTERS), KeyRow { secret, retired_at: None })
}

fn read(scope: &Scope, name: &ServerName, parts: &Parts) -> anyhow::Result<OwnKeys> {
    let (mut current, mut retired) = (None, Vec::new());
    for ((version,), row) in scope.scan(&KEYS, ()).rows()? {
        let signer = Arc::new(Signer::from_secret(name.to_owned(), &version, &row.secret)?);
        match row.retired_at {
            Some(retired_at) => retired.push((signer, retired_at)),
            None => current = Some(signer),
        }
    }
    let current = current.context("all keys are retired: the store is damaged")?;
    Ok(OwnKeys::new(current, retired, parts.clock.clone()))
}

#[cfg(test)]
mod tests {
    use store::Record;

    use super::*;

    #[test]
    fn keys_are_written_like_this_and_those_of_before_are_read() {
        let row = KeyRow { secret: [7; 32], retired_at: Some(Timestamp(300)) };
        let bytes = row.encode().unwrap();
        let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex, format!("02{}01ac02", "07".repeat(32)));
        let before: Vec<u8> = [vec![1], vec![7; 32]].concat();
        assert_eq!(KeyRow::decode(&before.into()).unwrap(), KeyRow { secret: [7; 32], retired_at: None });
        assert!(KeyRow::decode(&vec![1, 7].into()).is_err());
        assert!(KeyRow::decode(&[vec![3], vec![7; 32]].concat().into()).is_err());
    }
}
