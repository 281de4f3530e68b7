//! A tenant's file: one town's name, address, sign-in and rules.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use kernel::id::OwnedServerName;
use serde::Deserialize;
use url::Url;

use super::{ConfigError, federation::FederationConfig, secret::SecretSource};

/// `config/tenant.example.toml` explains every key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantConfig {
    /// What stands behind the colon of its user ids; for ever.
    pub server_name: OwnedServerName,
    /// Where clients and browsers reach it.
    pub base_url: Url,
    /// Hosts that it answers to besides those of `base_url` and `server_name`.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Keeps the data and serves nobody.
    #[serde(default)]
    pub disabled: bool,
    #[serde(default = "service_name")]
    pub service_name: String,
    /// Whom to ask when somebody is refused.
    #[serde(default)]
    pub contact: String,
    /// A page or an e-mail address for `/.well-known/matrix/support`.
    pub support: Option<String>,
    #[serde(default = "room_version")]
    pub default_room_version: String,
    /// Days after which a person must pass ProConnect again.
    #[serde(default = "sign_in_age_max_days")]
    pub sign_in_age_max_days: u64,
    pub proconnect: ProConnectConfig,
    #[serde(default)]
    pub federation: FederationConfig,
    #[serde(skip)]
    pub file: PathBuf,
}

fn service_name() -> String {
    "Messagerie".to_owned()
}

fn room_version() -> String {
    events::RoomVersion::DEFAULT.as_str().to_owned()
}

fn sign_in_age_max_days() -> u64 {
    30
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProConnectConfig {
    issuer: Url,
    client_id: String,
    client_secret: SecretSource,
    #[serde(default)]
    token_auth: TokenAuth,
    #[serde(default = "rs256")]
    id_token_alg: Algorithm,
    #[serde(default = "rs256")]
    userinfo_alg: Algorithm,
    #[serde(default)]
    rules: policy::Rules,
    #[serde(skip)]
    secret: String,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TokenAuth {
    #[default]
    ClientSecretPost,
    PrivateKeyJwt,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum Algorithm {
    RS256,
    ES256,
    HS256,
    #[serde(rename = "none")]
    None,
}

fn rs256() -> Algorithm {
    Algorithm::RS256
}

impl Algorithm {
    fn of(self) -> Option<auth::Algorithm> {
        match self {
            Self::RS256 => Some(auth::Algorithm::Rs256),
            Self::ES256 => Some(auth::Algorithm::Es256),
            Self::HS256 => Some(auth::Algorithm::Hs256),
            Self::None => None,
        }
    }
}

impl TenantConfig {
    /// Reads the secret and checks what no single value shows.
    pub(super) fn settle(&mut self, file: &Path) -> Result<(), ConfigError> {
        self.file = file.to_owned();
        self.proconnect.secret = self.proconnect.client_secret.read(file, "client_secret")?;
        self.federation.settle(file)?;
        if let Err(error) = events::RoomVersion::parse(&self.default_room_version) {
            return Err(ConfigError::value(file, "default_room_version", error.to_string(), "write \"12\""));
        }
        if self.proconnect.id_token_alg.of().is_none() {
            return Err(ConfigError::value(file, "id_token_alg", "an id token is always signed", "write \"RS256\""));
        }
        for siret in &self.proconnect.rules.sirets {
            if siret.chars().filter(|c| !c.is_whitespace()).count() != 14 {
                let problem = format!("{siret:?} is no SIRET");
                return Err(ConfigError::value(file, "sirets", problem, "a SIRET has 14 digits"));
            }
        }
        Ok(())
    }

    /// How this tenant signs people in; `dev` as the server has it.
    pub fn auth_settings(&self, dev: bool) -> auth::Settings {
        let config = &self.proconnect;
        let secret = auth::Secret::new(config.secret.clone());
        let mut proconnect = auth::ProConnect::new(config.issuer.clone(), config.client_id.clone(), secret);
        proconnect.token_auth = match config.token_auth {
            TokenAuth::ClientSecretPost => auth::TokenAuth::ClientSecretPost,
            TokenAuth::PrivateKeyJwt => auth::TokenAuth::PrivateKeyJwt,
        };
        proconnect.id_token_alg = config.id_token_alg.of().unwrap_or(auth::Algorithm::Rs256);
        proconnect.userinfo_alg = config.userinfo_alg.of();
        proconnect.rules = config.rules.clone();
        let mut settings = auth::Settings::new(self.base_url.clone(), proconnect);
        settings.dev = dev;
        settings.service_name.clone_from(&self.service_name);
        settings.contact.clone_from(&self.contact);
        settings
    }

    pub fn client_settings(&self) -> client::Settings {
        let base_url = self.base_url.as_str().trim_end_matches('/').to_owned();
        client::Settings { base_url, support: self.support.clone() }
    }

    pub fn federation_settings(&self) -> federation::Settings {
        self.federation.settings(&self.base_url, &self.server_name)
    }

    pub fn room_settings(&self) -> rooms::Settings {
        let default_version =
            events::RoomVersion::parse(&self.default_room_version).unwrap_or(events::RoomVersion::DEFAULT);
        rooms::Settings { default_version }
    }

    pub fn sign_in_age_max(&self) -> Duration {
        Duration::from_secs(self.sign_in_age_max_days.saturating_mul(24 * 3600))
    }

    /// Where ProConnect is: the one place that this tenant's sign-in reaches out to.
    pub fn issuer(&self) -> &Url {
        &self.proconnect.issuer
    }

    /// The hosts whose requests are this tenant's.
    pub fn all_hosts(&self) -> Vec<String> {
        let base = self.base_url.host_str().map(str::to_owned);
        let mut hosts: Vec<String> =
            base.into_iter().chain([self.server_name.to_string()]).chain(self.hosts.iter().cloned()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }
}

/// Two tenants share nothing: no server name, no host.
pub(super) fn check_apart(tenants: &[TenantConfig]) -> Result<(), ConfigError> {
    let mut hosts: HashMap<String, &TenantConfig> = HashMap::new();
    for tenant in tenants {
        for host in tenant.all_hosts() {
            if let Some(other) = hosts.insert(host.to_ascii_lowercase(), tenant) {
                let problem = format!("{host} is also that of {}", other.file.display());
                return Err(ConfigError::value(
                    &tenant.file,
                    "server_name",
                    problem,
                    "give each tenant names of its own",
                ));
            }
        }
    }
    Ok(())
}
