//! The configuration: one file for the server, one per tenant in a folder. Unknown keys are errors, and every error names the
//! file, the line and what to do.

mod error;
mod federation;
mod secret;
mod server;
mod tenant;

#[cfg(test)]
mod tests;

pub use error::ConfigError;
pub use server::{Listener, LogFormat, MediaConfig, ServerConfig};
pub use tenant::TenantConfig;

use std::{fs, path::Path};

use serde::de::DeserializeOwned;

/// Reads the server's file.
///
/// # Errors
/// [`ConfigError`].
pub fn read_server(path: &Path) -> Result<ServerConfig, ConfigError> {
    let mut config: ServerConfig = read(path, "config/beffroi.example.toml")?;
    config.settle(path)?;
    Ok(config)
}

/// Reads all tenants' files (`*.toml`) of a folder, in the order of their names.
///
/// # Errors
/// [`ConfigError`]; also when two tenants have one server name or one host.
pub fn read_tenants(folder: &Path) -> Result<Vec<TenantConfig>, ConfigError> {
    let unreadable = |error| ConfigError::unreadable(folder, &error, "create the folder, or correct `tenants_dir`");
    let mut files: Vec<_> = fs::read_dir(folder)
        .map_err(unreadable)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort_unstable();
    let tenants: Vec<TenantConfig> = files.iter().map(|path| read_tenant(path)).collect::<Result<_, _>>()?;
    tenant::check_apart(&tenants)?;
    Ok(tenants)
}

/// Reads one tenant's file.
///
/// # Errors
/// [`ConfigError`].
pub fn read_tenant(path: &Path) -> Result<TenantConfig, ConfigError> {
    let mut config: TenantConfig = read(path, "config/tenant.example.toml")?;
    config.settle(path)?;
    Ok(config)
}

fn read<T: DeserializeOwned>(path: &Path, example: &str) -> Result<T, ConfigError> {
    let text = fs::read_to_string(path)
        .map_err(|error| ConfigError::unreadable(path, &error, "`beffroi init` writes the files"))?;
    toml::from_str(&text).map_err(|error| ConfigError::toml(path, &text, &error, example))
}
