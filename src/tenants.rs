//! The tenants of the process: their numbers, their keys, and which of them are open. The only place where a scope is made.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Context;
use events::Signer;
use kernel::{TenantId, id::OwnedServerName};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use store::{Scope, Space, Store, Table};

use crate::{
    app::{App, Parts},
    config::TenantConfig,
};

/// The process's own rows: no town's.
const PROCESS: TenantId = TenantId(0);

/// Server name → the number of its tenant. A number, once given, is never another's.
const NUMBERS: Table<(OwnedServerName,), NumberRow> = Table::new(0x0601, "tenants", Space::Index);
/// The tenant's signing keys by version.
const KEYS: Table<(String,), KeyRow> = Table::new(0x0602, "signing_key", Space::Index);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct NumberRow {
    number: u32,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeyRow {
    secret: [u8; 32],
}

store::record! {
    NumberRow: 1;
    KeyRow: 1;
}

/// The tenants that are open, by server name.
pub struct Tenants {
    store: Arc<Store>,
    parts: Parts,
    hosts: Arc<web::Hosts<App>>,
    open: Mutex<BTreeMap<OwnedServerName, Arc<App>>>,
}

/// What a change of the tenants' files did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reload {
    pub opened: Vec<OwnedServerName>,
    pub closed: Vec<OwnedServerName>,
}

impl Tenants {
    pub fn new(store: Arc<Store>, parts: Parts) -> Self {
        Self { store, parts, hosts: Arc::new(web::Hosts::new()), open: Mutex::default() }
    }

    /// Which tenant a request is for.
    pub fn hosts(&self) -> &Arc<web::Hosts<App>> {
        &self.hosts
    }

    pub fn get(&self, server_name: &str) -> Option<Arc<App>> {
        self.open.lock().iter().find(|(name, _)| name.as_str() == server_name).map(|(_, app)| app.clone())
    }

    pub fn all(&self) -> Vec<Arc<App>> {
        self.open.lock().values().cloned().collect()
    }

    /// Opens the tenants that are new in these files, and closes those that are gone or disabled.
    ///
    /// # Errors
    /// When one cannot be opened: those before it are open then.
    pub async fn apply(&self, configs: Vec<TenantConfig>) -> anyhow::Result<Reload> {
        let mut reload = Reload::default();
        let wanted: Vec<_> = configs.into_iter().filter(|config| !config.disabled).collect();
        let gone: Vec<Arc<App>> = {
            let mut open = self.open.lock();
            let names: Vec<_> =
                open.keys().filter(|name| !wanted.iter().any(|w| w.server_name == **name)).cloned().collect();
            names.iter().filter_map(|name| open.remove(name)).collect()
        };
        for app in gone {
            app.config.all_hosts().iter().for_each(|host| self.hosts.remove(host));
            reload.closed.push(app.config.server_name.clone());
        }
        for config in wanted {
            if self.get(config.server_name.as_str()).is_none() {
                reload.opened.push(config.server_name.clone());
                self.open(config).await?;
            }
        }
        Ok(reload)
    }

    async fn open(&self, config: TenantConfig) -> anyhow::Result<()> {
        let name = config.server_name.clone();
        let scope = self.scope(&name).await.with_context(|| format!("opening {name}"))?;
        let signer = self.signer(&scope, &name).await.with_context(|| format!("the signing key of {name}"))?;
        let app = App::open(config, scope, signer, &self.parts).with_context(|| format!("opening {name}"))?;
        let app = Arc::new(app);
        for host in app.config.all_hosts() {
            self.hosts.insert(&host, app.clone());
        }
        self.open.lock().insert(name, app);
        Ok(())
    }

    /// The tenant's share of the store, numbered when it is first opened.
    async fn scope(&self, name: &OwnedServerName) -> anyhow::Result<Scope> {
        let process = Scope::new(&self.store, PROCESS)?;
        if let Some(row) = process.get(&NUMBERS, (name.as_ref(),))? {
            return Ok(Scope::new(&self.store, TenantId(row.number))?);
        }
        let taken = process.scan(&NUMBERS, ()).rows()?.into_iter().map(|(_, row)| row.number).max().unwrap_or(0);
        let row = NumberRow { number: taken + 1 };
        let mut batch = process.batch();
        batch.expect(&NUMBERS, (name.as_ref(),), None);
        batch.put(&NUMBERS, (name.as_ref(),), &row);
        process.commit(batch).await?;
        Ok(Scope::new(&self.store, TenantId(row.number))?)
    }

    /// The tenant's signing key, made when it is first opened.
    async fn signer(&self, scope: &Scope, name: &OwnedServerName) -> anyhow::Result<Signer> {
        let (version, row) = match scope.scan(&KEYS, ()).first()? {
            Some(((version,), row)) => (version, row),
            None => {
                let version = self.parts.random.letters(6);
                let row = KeyRow { secret: Signer::generate_secret(self.parts.random.as_ref()) };
                let mut batch = scope.batch();
                batch.expect(&KEYS, (version.as_str(),), None);
                batch.put(&KEYS, (version.as_str(),), &row);
                scope.commit(batch).await?;
                (version, row)
            }
        };
        Ok(Signer::from_secret(name.clone(), &version, &row.secret)?)
    }
}
