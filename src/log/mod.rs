//! The change log: everything that happens is a change in one log, and everything else is a
//! consumer of that log with its own position.

pub mod append;
pub mod backlog;
pub mod change;
pub mod chunk;
pub mod claim;
pub mod gap;
pub mod laggard;
pub mod lanes;
pub mod objects;
pub mod position;
pub mod pull;
pub mod read;
pub mod rotate;
pub mod snapshot;
