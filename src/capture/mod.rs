//! Capture: triggers that append what a statement did to the log.

pub mod attach;
pub mod backfill;
pub mod kept;
mod key;
pub mod layout;
pub mod merge;
pub mod nesting;
pub mod origin;
mod pace;
pub mod reread;
pub mod statement;
pub mod sweep;
pub mod tree;
pub mod trigger;
