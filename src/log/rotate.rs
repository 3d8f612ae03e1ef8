//! Rotation: the log goes on to its next table, and idle tables are emptied.
//!
//! Why emptying loses nothing: a writer holds its table's lock until its transaction ends (prepared
//! ones too), so with the exclusive lock in hand no transaction is running that wrote to the table.
//! All that is in it is then committed and visible to a snapshot taken now, and every consumer's
//! saved position says it is consumed. The lock is only ever taken when it is free, so no writer
//! waits for us; one that meets us at work takes another table (`append::open_for_writing`).

use std::sync::atomic::Ordering;

use pgrx::pg_sys;

use super::objects::Objects;
use crate::error::Result;
use crate::pg::relation::Table;
use crate::pg::{shared, sql};
use crate::settings;

/// What the keeper did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rotated {
    pub emptied: u32,
}

/// Goes on to the next table when the current one is full, and empties idle tables that nobody
/// needs. Runs in a transaction of its own.
pub fn rotate(objects: &Objects) -> Result<Rotated> {
    let Some(database) = shared::my_database() else { return Ok(Rotated::default()) };
    let current = database.log_table.load(Ordering::Relaxed) as usize % 3;
    let block = u64::from(pg_sys::BLCKSZ);
    let sizes: Vec<u64> = (0..3)
        .map(|number| {
            let table = Table::open(objects.tables[number], pg_sys::AccessShareLock);
            u64::from(table.blocks()) * block
        })
        .collect();
    let log_size = sizes.iter().sum();
    let mut rotated = Rotated::default();
    for number in (0..3).filter(|&number| number != current && sizes[number] > 0) {
        if !needed(number, log_size, false)? && empty(objects, number, log_size)? {
            rotated.emptied += 1;
        }
    }
    // A full log goes on to an empty table only: with none, it grows where it is.
    let next = (current + 1) % 3;
    if sizes[current] >= settings::log_table_size() && is_empty(objects, next) {
        database.log_table.store(next as u32, Ordering::Relaxed);
    } else if sizes[current] > 0
        && is_empty(objects, next)
        && sizes[current] >= IDLE_SIZE
        && !needed(current, log_size, false)?
    {
        // All is consumed: the next round can give the space back.
        database.log_table.store(next as u32, Ordering::Relaxed);
    }
    Ok(rotated)
}

/// A table of this size is worth emptying although the log is not full.
const IDLE_SIZE: u64 = 8 * 1024 * 1024;

fn is_empty(objects: &Objects, number: usize) -> bool {
    Table::open(objects.tables[number], pg_sys::AccessShareLock).blocks() == 0
}

/// Whether any consumer has still to read something in a table. With a fresh snapshot, which takes
/// a transaction id, what was committed since the transaction began counts too.
fn needed(number: usize, log_size: u64, fresh: bool) -> Result<bool> {
    // A publisher that has nowhere to publish holds the log only while there is room.
    let publisher = !settings::kafka_brokers().is_empty() || log_size < settings::max_log_size();
    let query = format!("SELECT manifold.log_needed('manifold.change_{number}', $1)");
    let arguments = [publisher.into()];
    let needed =
        if fresh { sql::run_one(&query, &arguments)? } else { sql::one(&query, &arguments)? };
    Ok(needed.unwrap_or(true))
}

/// Empties a table if its lock is free and, with the lock held, it is still not needed.
fn empty(objects: &Objects, number: usize, log_size: u64) -> Result<bool> {
    let Some(table) = Table::try_open(objects.tables[number], pg_sys::AccessExclusiveLock) else {
        return Ok(false);
    };
    drop(table);
    if needed(number, log_size, true)? {
        return Ok(false);
    }
    sql::run(&format!("TRUNCATE manifold.change_{number}"), &[])?;
    Ok(true)
}

/// Goes on to the other position table when the current one has grown, and empties the old one once
/// every consumer's newest position is in the new one.
pub fn rotate_positions() -> Result<()> {
    let Some(database) = shared::my_database() else { return Ok(()) };
    let current = database.position_table.load(Ordering::Relaxed) % 2;
    let (old, new) = (1 - current, current);
    let size = |number: u32| {
        sql::one::<i64>(
            &format!("SELECT pg_catalog.pg_relation_size('manifold.position_log_{number}')"),
            &[],
        )
    };
    if size(old)?.unwrap_or_default() > 0 {
        // Only our workers write here, and the lock is only taken when it is free.
        sql::run(
            &format!(
                "SELECT manifold.empty_position_log('manifold.position_log_{old}', 'manifold.position_log_{new}')"
            ),
            &[],
        )?;
    } else if size(current)?.unwrap_or_default() > POSITIONS_SIZE {
        database.position_table.store(old, Ordering::Relaxed);
    }
    Ok(())
}

/// Some 10,000 positions: read in milliseconds when a worker starts.
const POSITIONS_SIZE: i64 = 1024 * 1024;
