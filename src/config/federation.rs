//! `[federation]`, of the server's file and of a tenant's: how other servers are reached, and which.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use federation::{NetworkSettings, PinnedServer};
use kernel::id::{OwnedServerName, ServerName};
use policy::Allowlist;
use serde::Deserialize;
use url::Url;
use web::outbound::{KeyPin, Place};

use super::ConfigError;

/// How the process reaches other servers, whichever tenant asks.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkConfig {
    /// Networks besides the Internet in which there are other servers.
    networks: Vec<String>,
    /// PEM files of certificate authorities that are trusted besides the machine's.
    roots: Vec<PathBuf>,
    server: Vec<ServerConfig>,
    #[serde(skip)]
    settings: NetworkSettings,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerConfig {
    name: OwnedServerName,
    endpoint: Option<String>,
    tls_name: Option<String>,
    roots: Option<PathBuf>,
    #[serde(default)]
    spki_pins: Vec<String>,
    #[serde(default)]
    verify_keys: BTreeMap<String, String>,
}

impl NetworkConfig {
    /// Reads the files and checks what no single value shows.
    pub(super) fn settle(&mut self, file: &Path, dev: bool) -> Result<(), ConfigError> {
        self.settings.dev = dev;
        for network in &self.networks {
            let parsed = network.parse().map_err(|_| {
                let problem = format!("{network:?} is no network");
                ConfigError::value(file, "networks", problem, "write \"10.0.0.0/8\"")
            })?;
            self.settings.networks.push(parsed);
        }
        for roots in &self.roots {
            self.settings.roots_pem.push(read_roots(file, roots)?);
        }
        let mut names = BTreeSet::new();
        for server in &self.server {
            if !names.insert(&server.name) {
                let problem = format!("{} is there twice", server.name);
                return Err(ConfigError::value(
                    file,
                    "name",
                    problem,
                    "write one [[federation.server]] for each server",
                ));
            }
            let pinned = server.read(file, &self.settings)?;
            self.settings.servers.push(pinned);
        }
        Ok(())
    }

    pub fn settings(&self) -> NetworkSettings {
        self.settings.clone()
    }
}

impl ServerConfig {
    fn read(&self, file: &Path, network: &NetworkSettings) -> Result<PinnedServer, ConfigError> {
        let endpoint = self.endpoint.as_deref().map(|endpoint| place(file, endpoint, network)).transpose()?;
        if self.tls_name.is_some() && endpoint.is_none() {
            let problem = "a name for the certificate of a place that is not said";
            return Err(ConfigError::value(file, "tls_name", problem, "add endpoint = \"host:port\""));
        }
        let pin = |text: &String| {
            KeyPin::parse(text).ok_or_else(|| {
                let problem = format!("{text:?} is no pin");
                ConfigError::value(file, "spki_pins", problem, "write \"sha256/\" and 32 bytes in base64")
            })
        };
        let key = |(key_id, key): (&String, &String)| {
            let key = verify_key(key_id, key).ok_or_else(|| {
                let problem = format!("{key_id} is no signing key");
                ConfigError::value(file, "verify_keys", problem, "write \"ed25519:VERSION\" = \"32 bytes in base64\"")
            })?;
            Ok((key_id.clone(), key))
        };
        Ok(PinnedServer {
            name: self.name.clone(),
            endpoint,
            tls_name: self.tls_name.clone(),
            roots_pem: self.roots.as_ref().map(|roots| read_roots(file, roots)).transpose()?,
            pins: self.spki_pins.iter().map(pin).collect::<Result<_, _>>()?,
            verify_keys: self.verify_keys.iter().map(key).collect::<Result<_, ConfigError>>()?,
        })
    }
}

/// Relative paths are relative to the configuration's own file.
fn read_roots(file: &Path, roots: &Path) -> Result<Vec<u8>, ConfigError> {
    let path = file.parent().unwrap_or(Path::new(".")).join(roots);
    std::fs::read(&path).map_err(|error| {
        let problem = format!("{}: {error}", path.display());
        ConfigError::value(file, "roots", problem, "name a file of certificates in PEM")
    })
}

/// `host:port`, `1.2.3.4:port` or `[2001:db8::1]:port`: the grammar of server names.
fn place(file: &Path, endpoint: &str, network: &NetworkSettings) -> Result<Place, ConfigError> {
    let wrong = |problem: String, remedy: &str| ConfigError::value(file, "endpoint", problem, remedy);
    let no_place = || wrong(format!("{endpoint:?} is no host and port"), "write \"matrix.example:8448\"");
    let name = ServerName::parse(endpoint).map_err(|_| no_place())?;
    let port = name.port().ok_or_else(no_place)?;
    let address: Option<IpAddr> = name.host().trim_matches(['[', ']']).parse().ok();
    if address.is_some_and(|address| !network.reaches(address)) {
        let problem = format!("{endpoint} is no address of the Internet");
        return Err(wrong(problem, "add its network to networks = [\"10.0.0.0/8\"] of [federation]"));
    }
    Ok(Place { host: name.host().to_owned(), port })
}

fn verify_key(key_id: &str, key: &str) -> Option<[u8; 32]> {
    let version = key_id.strip_prefix("ed25519:").filter(|version| !version.is_empty());
    version?;
    let key = STANDARD_NO_PAD.decode(key.trim_end_matches('=')).ok()?.try_into().ok()?;
    (!events::is_blocked_key(&key)).then_some(key)
}

/// Which servers a tenant talks to, and how they find it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FederationConfig {
    allow: Vec<String>,
    delegate: Option<OwnedServerName>,
    pub notaries: Vec<OwnedServerName>,
}

impl FederationConfig {
    pub(super) fn settle(&self, file: &Path) -> Result<(), ConfigError> {
        let allowed = Allowlist::parse(&self.allow).map_err(|error| {
            ConfigError::value(file, "allow", error.to_string(), "write \"name\", \"*.example\" or \"name:*\"")
        })?;
        if let Some(notary) = self.notaries.iter().find(|notary| !allowed.allows(notary.as_str())) {
            let problem = format!("{notary} is not among the servers that are allowed");
            return Err(ConfigError::value(file, "notaries", problem, "add it to allow, or take it out"));
        }
        Ok(())
    }

    /// Closed to all while there is nothing on it.
    pub fn allowlist(&self) -> Allowlist {
        // It was read once before, by `settle`.
        Allowlist::parse(&self.allow).unwrap_or_default()
    }

    /// Where the server-server API is: the host of the base URL, unless it is said.
    pub(super) fn settings(&self, base_url: &Url, server_name: &ServerName) -> federation::Settings {
        let of_base_url = || {
            let port = base_url.port_or_known_default().unwrap_or(443);
            ServerName::parse(format!("{}:{port}", base_url.host_str()?)).ok()
        };
        let delegate = self.delegate.clone().or_else(of_base_url).unwrap_or_else(|| server_name.to_owned());
        federation::Settings { delegate }
    }
}
