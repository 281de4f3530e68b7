//! The server's file: what all tenants share.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{ConfigError, federation::NetworkConfig};

/// Largest `file_max_mb`.
const FILE_MB_MAX: u16 = 1_000;

/// `config/beffroi.example.toml` explains every key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Where all data lies. Relative paths are relative to this file.
    pub data_dir: PathBuf,
    #[serde(default = "tenants_dir")]
    pub tenants_dir: PathBuf,
    /// The administration socket; `admin.sock` in the data folder unless set.
    pub admin_socket: Option<PathBuf>,
    /// Health, readiness and metrics, for the machine's own eyes; not served unless set.
    pub operations_address: Option<SocketAddr>,
    #[serde(default)]
    pub listen: Vec<Listener>,
    /// Networks of reverse proxies whose X-Forwarded-For and -Host are believed.
    #[serde(default)]
    pub trusted_proxies: Vec<String>,
    #[serde(default)]
    pub store: StoreConfig,
    #[serde(default)]
    pub log: LogConfig,
    #[serde(default)]
    pub limits: LimitsConfig,
    #[serde(default)]
    pub media: MediaConfig,
    #[serde(default)]
    pub federation: NetworkConfig,
    /// Plain http and loopback where the Internet wants https. For development only.
    #[serde(default)]
    pub dev: bool,
}

fn tenants_dir() -> PathBuf {
    "tenants".into()
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    pub address: SocketAddr,
    /// PEM files; without them the listener speaks plain HTTP, for a reverse proxy.
    pub tls_certificate: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Megabytes for the database's caches and write buffers, all together.
    pub memory_mb: usize,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { memory_mb: 64 }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MediaConfig {
    /// Longest file in megabytes, from people here and from other servers.
    pub file_max_mb: u16,
}

impl MediaConfig {
    pub fn file_bytes_max(&self) -> u64 {
        u64::from(self.file_max_mb) << 20
    }
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self { file_max_mb: 50 }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    pub format: LogFormat,
    /// As `RUST_LOG`: `info`, `beffroi=debug,info`. The environment's RUST_LOG wins.
    pub filter: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// Rate limits: the defaults, none at all, or some of one's own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// No limits, for load tests.
    pub off: bool,
    /// Class → limit of each signed-in user.
    pub user: BTreeMap<RateClass, BucketConfig>,
    /// Class → limit of each address that is not signed in.
    pub address: BTreeMap<RateClass, BucketConfig>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateClass {
    Message,
    Login,
    Join,
    Invite,
    RoomCreation,
    Keys,
    Search,
    Registration,
    Media,
    Other,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketConfig {
    pub per_second: f64,
    pub burst: u32,
}

impl LimitsConfig {
    pub fn limits(&self) -> web::Limits {
        if self.off {
            return web::Limits::off();
        }
        let bucket = |config: &BucketConfig| Some(web::Bucket { per_second: config.per_second, burst: config.burst });
        let mut limits = web::Limits::default();
        for (class, config) in &self.user {
            let rule = limits.rule(class.rate());
            limits = limits.with(class.rate(), web::Rule { user: bucket(config), ..rule });
        }
        for (class, config) in &self.address {
            let rule = limits.rule(class.rate());
            limits = limits.with(class.rate(), web::Rule { address: bucket(config), ..rule });
        }
        limits
    }
}

impl RateClass {
    fn rate(self) -> web::Rate {
        match self {
            Self::Message => web::Rate::Message,
            Self::Login => web::Rate::Login,
            Self::Join => web::Rate::Join,
            Self::Invite => web::Rate::Invite,
            Self::RoomCreation => web::Rate::RoomCreation,
            Self::Keys => web::Rate::Keys,
            Self::Search => web::Rate::Search,
            Self::Registration => web::Rate::Registration,
            Self::Media => web::Rate::Media,
            Self::Other => web::Rate::Other,
        }
    }
}

impl ServerConfig {
    /// Makes paths absolute and checks what no single value shows.
    pub(super) fn settle(&mut self, file: &Path) -> Result<(), ConfigError> {
        let folder = file.parent().unwrap_or(Path::new(".")).to_owned();
        let settle = |path: &mut PathBuf| *path = folder.join(&*path);
        settle(&mut self.data_dir);
        settle(&mut self.tenants_dir);
        self.admin_socket.iter_mut().for_each(settle);
        for listener in &mut self.listen {
            listener.tls_certificate.iter_mut().for_each(settle);
            listener.tls_key.iter_mut().for_each(settle);
            if listener.tls_certificate.is_some() != listener.tls_key.is_some() {
                let remedy = "name both files, or neither behind a reverse proxy";
                return Err(ConfigError::value(
                    file,
                    "tls_certificate",
                    "the certificate and its key go together",
                    remedy,
                ));
            }
        }
        self.federation.settle(file, self.dev)?;
        if !(1..=FILE_MB_MAX).contains(&self.media.file_max_mb) {
            let problem = "a file has at least 1 megabyte and at most 1000";
            return Err(ConfigError::value(
                file,
                "file_max_mb",
                problem,
                "choose a number in between; 50 is the default",
            ));
        }
        if self.listen.is_empty() {
            let remedy = "add [[listen]] with an address such as \"127.0.0.1:8008\"";
            return Err(ConfigError::value(file, "listen", "nothing listens", remedy));
        }
        if let Err(odd) = web::Proxies::parse(self.trusted_proxies.iter().map(String::as_str)) {
            let problem = format!("{odd:?} is no address or network");
            return Err(ConfigError::value(file, "trusted_proxies", problem, "write 10.0.0.1 or 10.0.0.0/8"));
        }
        let least = store::rocks::MEMORY_MB_MIN;
        if self.store.memory_mb < least {
            let remedy = format!("give it {least} or more");
            return Err(ConfigError::value(file, "memory_mb", "too little to work with", remedy));
        }
        Ok(())
    }

    pub fn admin_socket(&self) -> PathBuf {
        self.admin_socket.clone().unwrap_or_else(|| self.data_dir.join("admin.sock"))
    }
}
