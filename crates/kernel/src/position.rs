//! The place of a committed change in its tenant's stream (`docs/ARCHITECTURE.md`, "The committer").

use std::fmt;

use serde::{Deserialize, Serialize};

/// Counts a tenant's committed changes from 1; 0 is before them all. Never given out twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    pub const START: Self = Self(0);
    pub const END: Self = Self(u64::MAX);

    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
