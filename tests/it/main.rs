//! The binary as a whole: what only its parts together show.

mod federation;
mod tenancy;
