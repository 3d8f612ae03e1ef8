//! The change log, for those who look after it.

use std::sync::atomic::Ordering;

use pgrx::prelude::*;

use crate::pg::shared;

/// Which of the log's tables is written to now.
#[pg_extern(stable)]
#[search_path(pg_catalog, pg_temp)]
fn log_table() -> i32 {
    shared::my_database().map_or(0, |database| database.log_table.load(Ordering::Relaxed) as i32)
}
