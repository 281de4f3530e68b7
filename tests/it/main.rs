//! The binary as a whole: what only its parts together show.

mod convergence;
mod federation;
mod tenancy;
