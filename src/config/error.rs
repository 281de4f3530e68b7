//! A configuration that cannot be used: where, what, and what to do.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Shows as `file:line: what is wrong; what to do`.
#[derive(Debug)]
pub struct ConfigError {
    file: PathBuf,
    line: Option<usize>,
    problem: String,
    remedy: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}; {}", self.problem.trim_end(), self.remedy)
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    pub(super) fn unreadable(file: &Path, error: &std::io::Error, remedy: &str) -> Self {
        Self { file: file.to_owned(), line: None, problem: error.to_string(), remedy: remedy.to_owned() }
    }

    pub(super) fn toml(file: &Path, text: &str, error: &toml::de::Error, example: &str) -> Self {
        let line = error.span().map(|span| text.get(..span.start).unwrap_or(text).matches('\n').count() + 1);
        let remedy = format!("{example} explains every key");
        Self { file: file.to_owned(), line, problem: error.message().to_owned(), remedy }
    }

    /// Of a value that is well-formed and cannot be: the line is that of the key.
    pub(super) fn value(file: &Path, key: &str, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let is_key =
            |line: &str| line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
        let line = text.lines().position(is_key).map(|index| index + 1);
        Self { file: file.to_owned(), line, problem: format!("`{key}`: {}", problem.into()), remedy: remedy.into() }
    }
}
