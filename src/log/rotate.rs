//! Rotation: the log goes on to its next table, and idle tables are emptied.
//!
//! Why emptying loses nothing: a writer holds its table's lock until its transaction ends (prepared
//! ones too), so with the exclusive lock in hand no transaction is running that wrote to the table.
//! All that is in it is then committed and visible to a snapshot taken now, and every consumer's
//! saved position says it is consumed. The lock is only ever taken when it is free, so no writer
//! waits for us; one that meets us at work takes another table (`append::open_for_writing`).

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pgrx::pg_sys;

use super::laggard;
use super::objects::Objects;
use crate::error::Result;
use crate::pg::relation::Table;
use crate::pg::{shared, sql};
use crate::settings;

/// A table of this size is worth emptying although it is not full.
const IDLE_SIZE: u64 = 8 * 1024 * 1024;
/// Readers hold a table's lock for moments, again and again: how long and how often we look for it to
/// be free. We never queue for it, since readers and writers would queue behind us.
const PATIENCE: Duration = Duration::from_millis(100);
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// What the keeper remembers between rounds.
#[derive(Debug, Default)]
pub struct Rotation {
    /// The table that is written to, and since when there is something in it.
    current: Option<(usize, Instant)>,
}

impl Rotation {
    /// Empties tables that nobody needs, and goes on to another table when the current one is full or
    /// old. Runs in a transaction of its own.
    pub fn rotate(&mut self, objects: &Objects) -> Result<()> {
        let Some(database) = shared::my_database() else { return Ok(()) };
        let current = database.log_table.load(Ordering::Relaxed) as usize % 3;
        let mut sizes = sizes(objects)?;
        let aged = self.is_aged(current, sizes[current]);
        empty_unneeded(objects, |number| number != current, &mut sizes)?;
        if !sizes.contains(&0) && (aged || sizes[current] >= IDLE_SIZE) {
            // There is no other to go on to.
            empty_unneeded(objects, |number| number == current, &mut sizes)?;
        }
        let log_size: u64 = sizes.iter().sum();
        let too_large = settings::drop_log_size().is_some_and(|limit| log_size > limit);
        let full = aged
            || too_large
            || sizes[current] >= settings::log_table_size()
            // All is consumed: the next round can give the space back.
            || sizes[current] >= IDLE_SIZE && !needed(current, log_size, false)?;
        let empty = [1, 2].map(|step| (current + step) % 3).into_iter().find(|&n| sizes[n] == 0);
        let left = current;
        let current = match empty {
            Some(empty) if full && sizes[current] > 0 => {
                database.log_table.store(empty as u32, Ordering::Relaxed);
                empty
            }
            // A full log grows where it is, where there is no empty table.
            _ => current,
        };
        let horizon = if too_large { end_of_oldest([left, current], &sizes)? } else { 0 };
        database.log_horizon.store(horizon, Ordering::Release);
        Ok(())
    }

    fn is_aged(&mut self, current: usize, size: u64) -> bool {
        self.current = match self.current {
            _ if size == 0 => None,
            Some((number, since)) if number == current => Some((number, since)),
            _ => Some((current, Instant::now())),
        };
        self.current.is_some_and(|(_, since)| since.elapsed() >= settings::log_table_age())
    }
}

/// Bytes of each table, with its index and what is out of line; 0 where there is nothing in it.
fn sizes(objects: &Objects) -> Result<[u64; 3]> {
    let mut sizes = [0; 3];
    for (size, &oid) in sizes.iter_mut().zip(&objects.tables) {
        let table = Table::open(oid, pg_sys::AccessShareLock);
        if table.blocks() > 0 {
            let bytes =
                sql::one::<i64>("SELECT pg_catalog.pg_total_relation_size($1)", &[oid.into()])?;
            *size = bytes.unwrap_or_default().unsigned_abs();
        }
        table.release(pg_sys::AccessShareLock);
    }
    Ok(sizes)
}

/// The transaction id after the last in the oldest of the tables at rest; 0 where they are empty. One
/// table at a time is let go of, and none that was written to until now: who is merely behind by what
/// was just written holds a newer one.
fn end_of_oldest(written: [usize; 2], sizes: &[u64; 3]) -> Result<u64> {
    let mut oldest: Option<u64> = None;
    for number in (0..3).filter(|number| !written.contains(number) && sizes[*number] > 0) {
        let last = sql::one::<i64>(
            &format!(
                "SELECT xid::text::bigint FROM manifold.change_{number} ORDER BY xid DESC LIMIT 1"
            ),
            &[],
        )?;
        if let Some(end) = last.map(|xid| xid.unsigned_abs() + 1) {
            oldest = Some(oldest.map_or(end, |oldest| oldest.min(end)));
        }
    }
    Ok(oldest.unwrap_or(0))
}

/// A publisher that has nowhere to publish holds the log only while there is room.
fn publisher_counts(log_size: u64) -> bool {
    !settings::kafka_brokers().is_empty() || log_size <= settings::max_log_size()
}

/// Whether any consumer has still to read something in a table. With a fresh snapshot, which takes
/// a transaction id, what was committed since the transaction began counts too.
fn needed(number: usize, log_size: u64, fresh: bool) -> Result<bool> {
    let query = format!("SELECT manifold.log_needed('manifold.change_{number}', $1)");
    let arguments = [publisher_counts(log_size).into()];
    let needed =
        if fresh { sql::run_one(&query, &arguments)? } else { sql::one(&query, &arguments)? };
    Ok(needed.unwrap_or(true))
}

/// Empties those of the tables `which` that nobody needs, if their locks are to be had soon.
fn empty_unneeded(
    objects: &Objects,
    which: impl Fn(usize) -> bool,
    sizes: &mut [u64; 3],
) -> Result<()> {
    let log_size: u64 = sizes.iter().sum();
    let mut waiting = Vec::new();
    for number in (0..3).filter(|&number| sizes[number] > 0 && which(number)) {
        if !needed(number, log_size, false)? {
            waiting.push(number);
        }
    }
    let deadline = Instant::now() + PATIENCE;
    while !waiting.is_empty() {
        let mut locked = Vec::new();
        for number in waiting {
            if Table::try_open(objects.tables[number], pg_sys::AccessExclusiveLock).is_none() {
                locked.push(number);
            } else if empty(objects, number, log_size)? {
                sizes[number] = 0;
            }
        }
        waiting = if Instant::now() < deadline { locked } else { Vec::new() };
        if !waiting.is_empty() {
            std::thread::sleep(LOOK_EVERY);
            pgrx::check_for_interrupts!();
        }
    }
    Ok(())
}

/// Empties a table that we have locked if it is still not needed: nobody writes to it now, and all
/// that was written to it can be seen.
fn empty(objects: &Objects, number: usize, log_size: u64) -> Result<bool> {
    if needed(number, log_size, true)? {
        return Ok(false);
    }
    if !publisher_counts(log_size) {
        laggard::note_unpublished(objects, number)?;
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
