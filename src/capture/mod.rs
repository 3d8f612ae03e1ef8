//! Capture: triggers that append what a statement did to the log.

pub mod attach;
pub mod backfill;
pub mod layout;
pub mod origin;
pub mod statement;
pub mod trigger;
