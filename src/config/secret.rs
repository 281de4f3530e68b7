//! Secrets: in the file, in a file of their own, or in an environment variable.

use std::path::Path;

use serde::Deserialize;

use super::ConfigError;

/// One of the three ways to give a secret.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretSource {
    /// The secret itself.
    value: Option<String>,
    /// A file that holds it; spaces around it do not count.
    file: Option<std::path::PathBuf>,
    /// The environment variable that holds it.
    env: Option<String>,
}

impl SecretSource {
    /// The secret.
    ///
    /// # Errors
    /// When none or several ways are given, or the one given holds nothing.
    pub(super) fn read(&self, config: &Path, key: &str) -> Result<String, ConfigError> {
        let wrong = |problem: String| {
            ConfigError::value(
                config,
                key,
                problem,
                format!("write {key} = {{ file = \"…\" }}, {{ env = \"…\" }} or {{ value = \"…\" }}"),
            )
        };
        let secret = match (&self.value, &self.file, &self.env) {
            (Some(value), None, None) => value.clone(),
            (None, Some(file), None) => {
                let path = config.parent().unwrap_or(Path::new(".")).join(file);
                std::fs::read_to_string(&path).map_err(|error| wrong(format!("{}: {error}", path.display())))?
            }
            (None, None, Some(name)) => {
                std::env::var(name).map_err(|_| wrong(format!("the environment has no {name}")))?
            }
            _ => return Err(wrong("exactly one of value, file and env must be given".to_owned())),
        };
        match secret.trim() {
            "" => Err(wrong("the secret is empty".to_owned())),
            secret => Ok(secret.to_owned()),
        }
    }
}

impl std::fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}
