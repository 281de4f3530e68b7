//! The tenants of the process: their numbers, their keys, and which of them are open. The only place where a scope is made.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Context;
use kernel::{TenantId, id::OwnedServerName};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use store::{Scope, Space, Store, Table};

use crate::{
    app::{App, Parts},
    config::TenantConfig,
    signing_keys,
};

/// The process's own rows: no town's.
const PROCESS: TenantId = TenantId(0);

/// Server name → the number of its tenant. A number, once given, is never another's.
const NUMBERS: Table<(OwnedServerName,), NumberRow> = Table::new(0x0601, "tenants", Space::Index);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct NumberRow {
    number: u32,
}

store::record! {
    NumberRow: 1;
}

/// The tenants that are open, by server name.
pub struct Tenants {
    store: Arc<Store>,
    parts: Parts,
    hosts: Arc<web::Hosts<App>>,
    open: Mutex<BTreeMap<OwnedServerName, Arc<App>>>,
    /// One tenant's key is replaced at a time.
    rotating: tokio::sync::Mutex<()>,
}

/// What a change of the tenants' files did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reload {
    pub opened: Vec<OwnedServerName>,
    pub closed: Vec<OwnedServerName>,
}

impl Tenants {
    pub fn new(store: Arc<Store>, parts: Parts) -> Self {
        Self {
            store,
            parts,
            hosts: Arc::new(web::Hosts::new()),
            open: Mutex::default(),
            rotating: tokio::sync::Mutex::default(),
        }
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

    /// Opens the tenants that are new in these files, closes those that are gone or disabled, and tells the others which servers
    /// they talk to from now on.
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
            match self.get(config.server_name.as_str()) {
                Some(app) => app.federation.peers.wall().replace(config.federation.allowlist()),
                None => {
                    reload.opened.push(config.server_name.clone());
                    self.open(config).await?;
                }
            }
        }
        Ok(reload)
    }

    async fn open(&self, config: TenantConfig) -> anyhow::Result<()> {
        let name = config.server_name.clone();
        let scope = self.scope(&name).await.with_context(|| format!("opening {name}"))?;
        let keys = signing_keys::open(&scope, &name, &self.parts);
        let keys = keys.await.with_context(|| format!("the signing keys of {name}"))?;
        let app = App::open(config, scope, keys, &self.parts).with_context(|| format!("opening {name}"))?;
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

    /// Has a tenant sign with a new key from now on. Returns the key's id.
    ///
    /// # Errors
    /// When the tenant is not open, or the key cannot be written.
    pub async fn rotate_key(&self, server_name: &str) -> anyhow::Result<String> {
        let app = self.get(server_name).with_context(|| format!("no tenant {server_name} is open"))?;
        let name = &app.config.server_name;
        let _one_at_a_time = self.rotating.lock().await;
        let keys = signing_keys::rotate(&self.scope(name).await?, name, &self.parts).await?;
        let signer = keys.current();
        // First where others look for it, then where it is used.
        app.federation.peers.own_keys().replace(keys);
        app.rooms.sign_with(signer.clone());
        Ok(signer.key_id().to_owned())
    }
}
