//! Positions of consumers, appended to one of two tables in turn (see sql/tables.sql for why).

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::mem::ManuallyDrop;
use std::sync::atomic::Ordering;

use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;
use pgrx::prelude::*;
use pgrx::spi::OwnedPreparedStatement;

use super::snapshot::{Position, Snapshot};
use crate::error::{Error, Result};
use crate::pg::relation::Table;
use crate::pg::snapshot::Fresh;
use crate::pg::{identity, shared, sql};

/// The lane of all orgs that have no lane of their own; others are numbered as their org.
pub const MAIN: i32 = 0;

/// The positions of a consumer, by lane.
pub fn load(consumer: &str) -> Result<BTreeMap<i32, Position>> {
    // A table is emptied after its rows have been carried over: with both locked and a snapshot
    // taken afterwards, a row is seen in one of them.
    let tables = tables()?.map(|oid| Table::open(oid, pg_sys::AccessShareLock));
    let fresh = Fresh::push();
    let rows = sql::rows(
        "SELECT lane, seen::text, upto::text, last_seq FROM manifold.position \
         WHERE consumer = $1 AND seen IS NOT NULL",
        &[consumer.into()],
        |row| {
            Ok((
                row.get::<i32>(1)?.unwrap_or_default(),
                row.get::<String>(2)?.unwrap_or_default(),
                row.get::<String>(3)?,
                row.get::<i64>(4)?,
            ))
        },
    )?;
    drop(fresh);
    for table in tables {
        table.release(pg_sys::AccessShareLock);
    }
    rows.into_iter()
        .map(|(lane, seen, upto, last)| {
            let within = match (upto, last) {
                (Some(upto), Some(last)) => Some((parse(&upto)?, last)),
                _ => None,
            };
            Ok((lane, Position { seen: parse(&seen)?, within }))
        })
        .collect()
}

fn tables() -> Result<[pg_sys::Oid; 2]> {
    let missing = || Error::Corrupt("the tables of positions are missing".into());
    let schema = identity::schema().ok_or_else(missing)?;
    // SAFETY: a catalog look-up.
    let oid = |name: &CStr| unsafe { pg_sys::get_relname_relid(name.as_ptr(), schema) };
    let tables = [oid(c"position_log_0"), oid(c"position_log_1")];
    if tables.contains(&pg_sys::InvalidOid) { Err(missing()) } else { Ok(tables) }
}

fn parse(text: &str) -> Result<Snapshot> {
    text.parse().map_err(|_| Error::Corrupt(format!("\"{text}\" is no snapshot")))
}

/// The table that is appended to now.
pub(super) fn table() -> &'static str {
    let number =
        shared::my_database().map_or(0, |database| database.position_table.load(Ordering::Relaxed));
    if number == 0 { "manifold.position_log_0" } else { "manifold.position_log_1" }
}

/// Appends a position; it counts when this transaction commits. `None`: the lane is no more.
pub fn save(consumer: &str, lane: i32, position: Option<&Position>) -> Result<()> {
    let (upto, last) = match position.and_then(|position| position.within.as_ref()) {
        Some((upto, last)) => (Some(upto.to_string()), Some(*last)),
        None => (None, None),
    };
    let arguments: [DatumWithOid; 5] = [
        consumer.into(),
        lane.into(),
        position.map(|position| position.seen.to_string()).into(),
        upto.into(),
        last.into(),
    ];
    let types =
        [pg_sys::TEXTOID, pg_sys::INT4OID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::INT8OID];
    let table = table();
    Spi::connect_mut(|client| {
        // A busy consumer does this hundreds of times a second.
        let plan = match SAVE.take().map(|(of, plan)| (of, ManuallyDrop::into_inner(plan))) {
            Some((of, plan)) if of == table => plan,
            _ => {
                let sql = format!(
                    "INSERT INTO {table} (consumer, lane, seen, upto, last_seq) \
                     VALUES ($1, $2, $3::pg_snapshot, $4::pg_snapshot, $5)"
                );
                client.prepare_mut(sql.as_str(), &types.map(PgOid::from))?.keep()
            }
        };
        client.update(&plan, None, &arguments)?;
        SAVE.set(Some((table, ManuallyDrop::new(plan))));
        Ok(())
    })
}

thread_local! {
    /// The statement that appends a position to the table in use, and that table. Not freed when the
    /// process ends: by then the server has nothing left to free it with.
    static SAVE: Cell<Option<(&'static str, ManuallyDrop<OwnedPreparedStatement>)>> =
        const { Cell::new(None) };
}

/// How far a backfill is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The table's file: blocks of another one are other rows.
    pub file: pg_sys::Oid,
    pub next_block: i64,
    pub end_block: i64,
}

/// Appends how far a backfill is. `request` says which: when it was asked for, as text.
pub fn save_progress(source: i32, request: &str, progress: &Progress) -> Result<()> {
    sql::run(
        &format!(
            "INSERT INTO {} (consumer, lane, request, file, progress, total) \
             VALUES ('backfill', $1, $2::timestamptz, $3, $4, $5)",
            table()
        ),
        &[
            source.into(),
            request.into(),
            progress.file.into(),
            progress.next_block.into(),
            progress.end_block.into(),
        ],
    )?;
    Ok(())
}

/// How far a backfill is, if it has begun.
pub fn load_progress(source: i32, request: &str) -> Result<Option<Progress>> {
    let progress = sql::fresh_rows(
        "SELECT file, progress, total FROM manifold.position \
         WHERE consumer = 'backfill' AND lane = $1 AND request = $2::timestamptz",
        &[source.into(), request.into()],
        |row| {
            Ok(Progress {
                file: row.get(1)?.unwrap_or(pg_sys::InvalidOid),
                next_block: row.get(2)?.unwrap_or_default(),
                end_block: row.get(3)?.unwrap_or_default(),
            })
        },
    )?;
    Ok(progress.into_iter().next())
}
