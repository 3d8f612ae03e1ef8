//! The change log: everything that happens is a change in one log, and everything else is a
//! consumer of that log with its own position.

pub mod change;
