//! Backfill: rows that were there before capture are read into the log, as operation `r`.
//!
//! The table is read by ranges of blocks, a few hundred rows in a transaction. Rows are locked FOR
//! SHARE as they are read, until that transaction ends. That makes each row right in the end: as
//! long as the lock is held nobody changes the row, so a change that came before is in what we read,
//! and a change that comes after gets a higher sequence number and becomes visible later. A row
//! that somebody else has locked is skipped rather than waited for, so that no lock of ours is held
//! while waiting, and comes last, on its own; its block counts as done only then.
//!
//! A tree of partitions or children is read table by table, in the order of their OIDs. At the end
//! comes the [sweep](super::sweep), where it was asked for.
//!
//! Rows that move to other blocks meanwhile do so by an update, which capture sees. A rewritten
//! table (VACUUM FULL) has other blocks, and is read from its start again.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::layout;
use super::pace::Pace;
use super::statement::Tuple;
use super::sweep::{self, Sweep};
use super::tree::{self, Member};
use crate::error::{Error, Result};
use crate::log::append::{Appender, Statement};
use crate::log::change::{Op, Origin};
use crate::log::gap;
use crate::log::objects::{self, Objects};
use crate::log::position;
use crate::pg::relation::Table;
use crate::pg::sql;
use crate::settings;

/// Bytes of rows that are read, and locked, in one transaction, but for the last row.
const STEP_BYTES: usize = 16 * 1024 * 1024;
/// How long rows that are read one by one stay locked, at most, but for the last row.
const STEP_TIME: Duration = Duration::from_millis(100);

/// What came of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    More,
    /// The normalizer has enough to do with what is there.
    Yielding,
    /// Only rows that others have locked are left for now.
    Waiting,
    Finished,
}

/// The backfill of one source.
#[derive(Debug, Clone)]
pub struct Backfill {
    source: i32,
    /// The request as text: a new one starts over.
    requested: String,
    /// The org's name; `canonical` for a canonical table.
    pub org: String,
    schema: String,
    pub table: String,
    /// Whether to delete at the end what is no longer there.
    pub sweep: bool,
    state: Option<Progress>,
    pace: Pace,
    sweeping: Option<Sweep>,
}

#[derive(Debug, Clone)]
struct Progress {
    file: pg_sys::Oid,
    next_block: i64,
    end_block: i64,
    /// Blocks to read in one transaction, from how many rows they had so far.
    stride: i64,
    /// Rows that somebody had locked, or that were too much, and whose blocks are therefore not done.
    skipped: VecDeque<(i64, String)>,
}

impl Backfill {
    /// Sources whose backfill is requested and not finished.
    pub fn waiting() -> Result<Vec<Backfill>> {
        sql::rows(
            "SELECT b.source_id, b.requested_at::text, s.schema_name::text, s.table_name::text, b.sweep, \
                    coalesce(s.org, 'canonical') \
             FROM manifold.backfill b JOIN manifold.source s USING (source_id) \
             WHERE b.finished_at IS NULL ORDER BY b.requested_at, b.source_id",
            &[],
            |row| {
                Ok(Backfill {
                    source: row.get(1)?.unwrap_or_default(),
                    requested: row.get(2)?.unwrap_or_default(),
                    schema: row.get(3)?.unwrap_or_default(),
                    table: row.get(4)?.unwrap_or_default(),
                    sweep: row.get(5)?.unwrap_or_default(),
                    org: row.get(6)?.unwrap_or_default(),
                    state: None,
                    pace: Pace::default(),
                    sweeping: None,
                })
            },
        )
    }

    pub fn source(&self) -> i32 {
        self.source
    }

    /// Whether nothing has been read yet.
    pub fn is_new(&self) -> Result<bool> {
        Ok(self.state.is_none() && position::load_progress(self.source, &self.requested)?.is_none())
    }

    /// Whether both are the same request.
    pub fn is_same(&self, other: &Backfill) -> bool {
        self.source == other.source && self.requested == other.requested
    }

    /// Forgets what is in memory only: the step that failed was rolled back.
    pub fn rewind(&mut self) {
        self.state = None;
        self.sweeping = None;
    }

    /// Reads the next rows. Runs in a transaction of its own.
    pub fn step(&mut self) -> Result<Step> {
        if self.pace.must_wait(self.source)? {
            return Ok(Step::Yielding);
        }
        let members = tree::members(&self.schema, &self.table)?;
        let Some(top) = members.first() else {
            return Err(Error::state(
                format!("table \"{}.{}\" is gone", self.schema, self.table),
                "Map it again in Heroku Connect and run manifold.resync, or remove the org.",
            ));
        };
        let mut tables: Vec<&Member> = members.iter().filter(|member| member.has_rows()).collect();
        tables.sort_by_key(|member| member.oid.to_u32());
        let mut saved = self.state.take();
        if saved.is_none()
            && let Some(saved_) = position::load_progress(self.source, &self.requested)?
        {
            saved = Some(Progress {
                next_block: saved_.next_block,
                ..Progress::from_start(saved_.file, saved_.end_block)
            });
        }
        // A table that was rewritten meanwhile has other blocks: all is read again.
        let known = saved.and_then(|progress| {
            Some((tables.iter().position(|member| member.file == progress.file)?, progress))
        });
        let at = known.as_ref().map_or(0, |(at, _)| *at);
        let Some(member) = tables.get(at) else { return self.finish(top) };
        // An ALTER TABLE of Heroku Connect may take long; other backfills do not wait for it.
        let Some(table) = open(member)? else { return Ok(Step::Waiting) };
        let mut progress = match known {
            Some((_, progress)) => progress,
            None => Progress::from_start(member.file, i64::from(table.blocks())),
        };
        let before = progress.done();
        let rows = if progress.next_block < progress.end_block {
            self.read_blocks(&table, &member.name, &mut progress)?
        } else if !progress.skipped.is_empty() {
            self.read_skipped(&table, &member.name, &mut progress)?
        } else if let Some(next) = tables.get(at + 1) {
            let Some(table) = open(next)? else {
                self.state = Some(progress);
                return Ok(Step::Waiting);
            };
            progress = Progress::from_start(next.file, i64::from(table.blocks()));
            self.save(&progress)?;
            self.state = Some(progress);
            return Ok(Step::More);
        } else {
            self.state = Some(progress);
            return self.finish(top);
        };
        if rows > 0 || progress.done() != before {
            self.save(&progress)?;
        }
        let only_locked_rows =
            progress.next_block >= progress.end_block && !progress.skipped.is_empty() && rows == 0;
        let step = if only_locked_rows { Step::Waiting } else { Step::More };
        self.state = Some(progress);
        Ok(step)
    }

    fn save(&self, progress: &Progress) -> Result<()> {
        let (next_block, end_block) = (progress.done(), progress.end_block);
        let saved = position::Progress { file: progress.file, next_block, end_block };
        position::save_progress(self.source, &self.requested, &saved)
    }

    fn read_blocks(&self, table: &Table, name: &str, progress: &mut Progress) -> Result<i64> {
        let from = progress.next_block;
        let mut to = (from + progress.stride).min(progress.end_block);
        let blocks = |to: i64| format!("t.ctid >= '({from},0)' AND t.ctid < '({to},0)'");
        // The places first, then the rows with their locks: a row that is missing then was locked,
        // or has been deleted or moved by a change that capture saw.
        let mut places = sql::rows(
            &format!("SELECT t.ctid::text FROM ONLY {name} t WHERE {}", blocks(to)),
            &[],
            |row| Ok(row.get::<String>(1)?.unwrap_or_default()),
        )?;
        // Full blocks after empty ones: fewer of them, so that few rows are locked at a time.
        if let Some(end) = places.get(settings::backfill_chunk_rows().unsigned_abs() as usize)
            && let Some(block) = block_of(end).filter(|block| *block > from)
        {
            to = block;
            places.retain(|place| block_of(place).is_some_and(|block| block < to));
        }
        let range = blocks(to);
        let read = append(self.source, Origin::Worker, table, name, &range)?;
        // By place, not by number: rows may have come into the range in between.
        let read_places: HashSet<&str> = read.iter().map(String::as_str).collect();
        progress.skipped.extend(
            places
                .iter()
                .filter(|place| !read_places.contains(place.as_str()))
                .map(|place| (block_of(place).unwrap_or(from), place.clone())),
        );
        progress.next_block = to;
        progress.aim(places.len() as i64, to - from);
        Ok(read.len() as i64)
    }

    /// Tries rows again that were locked, each once, or that were too much for one transaction.
    fn read_skipped(&self, table: &Table, name: &str, progress: &mut Progress) -> Result<i64> {
        let started = Instant::now();
        let mut rows = 0;
        for _ in 0..progress.skipped.len().min(100) {
            let Some((block, place)) = progress.skipped.pop_front() else { break };
            let range = format!("t.ctid = '{place}'");
            let there =
                sql::one::<bool>(&format!("SELECT true FROM ONLY {name} t WHERE {range}"), &[])?;
            if there.is_none() {
                // Changed or deleted: capture saw it.
                continue;
            }
            if append(self.source, Origin::Worker, table, name, &range)?.is_empty() {
                progress.skipped.push_back((block, place));
            } else {
                rows += 1;
            }
            if started.elapsed() > STEP_TIME {
                break;
            }
        }
        Ok(rows)
    }

    /// After all rows: the sweep, a page at a time, then the end.
    fn finish(&mut self, top: &Member) -> Result<Step> {
        if self.sweep {
            let Some(table) = open(top)? else { return Ok(Step::Waiting) };
            let mut sweeping = match self.sweeping.take() {
                Some(sweeping) => sweeping,
                None => Sweep::new(self.source)?,
            };
            if sweeping.must_wait()? {
                self.sweeping = Some(sweeping);
                return Ok(Step::Waiting);
            }
            let more = sweeping.step(&table, &top.name, &log_objects()?)?;
            self.sweeping = Some(sweeping);
            if more {
                return Ok(Step::More);
            }
        }
        if self.sweep {
            sweep::look_for_held(self.source, &self.org, &self.table, &self.requested)?;
            sweep::note_unswept(self.source)?;
        }
        sql::run(
            "UPDATE manifold.backfill SET finished_at = clock_timestamp() \
             WHERE source_id = $1 AND requested_at = $2::timestamptz",
            &[self.source.into(), self.requested.as_str().into()],
        )?;
        Ok(Step::Finished)
    }
}

/// Opens a table if its lock is free. It is read with our rights, since its owner may have none, so
/// it must be the table that was looked at: nothing else can have its name from here on.
pub(super) fn open(member: &Member) -> Result<Option<Table>> {
    let Some(table) = Table::try_open(member.oid, pg_sys::RowShareLock) else {
        return Ok(None);
    };
    let named = sql::run_one::<bool>(
        "SELECT true WHERE pg_catalog.to_regclass($1) = $2::oid",
        &[member.name.as_str().into(), member.oid.into()],
    )?;
    Ok(named.map(|_| table))
}

/// Locks the rows of a range and appends them, up to some size; returns their places.
pub(super) fn append(
    source: i32,
    origin: Origin,
    table: &Table,
    name: &str,
    range: &str,
) -> Result<Vec<String>> {
    let objects = log_objects()?;
    // SAFETY: the table is open.
    let layout = unsafe { layout::of(table.0, source, &objects) };
    let statement = Statement { source, layout: layout.id, op: Op::Read, origin };
    let query =
        format!("SELECT t.ctid::text, t FROM ONLY {name} t WHERE {range} FOR SHARE SKIP LOCKED");
    Spi::connect_mut(|client| {
        let mut appender = Appender::open(&objects, statement);
        let mut places = Vec::new();
        let mut cursor = client.try_open_cursor_mut(&query, &[])?;
        let mut bytes = 0;
        // Row by row, since a row is locked only when it is fetched, and may have 100 MB.
        while bytes < STEP_BYTES {
            let mut rows = cursor.fetch(1)?;
            let Some(row) = rows.next() else { break };
            places.push(row.get::<String>(1)?.unwrap_or_default());
            let Some(datum) = rows.get_datum_by_ordinal(2)? else { continue };
            // SAFETY: a composite value of the table's row type, in the query's memory; the
            // server has pulled in what was out of line.
            unsafe {
                let header = pg_sys::pg_detoast_datum(datum.cast_mut_ptr());
                let tuple = Tuple::from_composite(header.cast());
                bytes += tuple.size();
                match appender.reserve(tuple.size()) {
                    Ok(()) => appender.row(|out| tuple.write(out)),
                    Err(reason) => gap::note(&objects, source, reason),
                }
            }
        }
        appender.finish();
        Ok(places)
    })
}

/// Has all rows of a source read into the log, from its start. The gaps that are known now are
/// repaired by that: their transactions have committed, so that their rows are read.
pub fn request(source: i32, sweep: bool) -> Result<()> {
    ask(source, sweep, true)
}

/// The same for another reason than gaps, which stay: a topic may need more than that.
pub fn read_again(source: i32, sweep: bool) -> Result<()> {
    ask(source, sweep, false)
}

fn ask(source: i32, sweep: bool, ends_gaps: bool) -> Result<()> {
    sql::run(
        "WITH gap AS (DELETE FROM manifold.gap WHERE source_id = $1 AND $3 RETURNING consumer, reason) \
         INSERT INTO manifold.backfill AS b (source_id, sweep, repairs) \
         SELECT $1, $2, pg_catalog.string_agg(DISTINCT reason, '; ') FILTER (WHERE consumer IS NULL) FROM gap \
         ON CONFLICT (source_id) DO UPDATE SET requested_at = clock_timestamp(), finished_at = NULL, \
           sweep = excluded.sweep OR b.sweep AND b.finished_at IS NULL, \
           repairs = CASE WHEN b.finished_at IS NULL AND b.repairs IS NOT NULL \
             THEN pg_catalog.concat_ws('; ', b.repairs, excluded.repairs) ELSE excluded.repairs END",
        &[source.into(), sweep.into(), ends_gaps.into()],
    )?;
    Ok(())
}

pub(super) fn log_objects() -> Result<Objects> {
    objects::objects().ok_or_else(|| {
        Error::state("the change log is gone", "CREATE EXTENSION pg_manifold again.")
    })
}

impl Progress {
    fn from_start(file: pg_sys::Oid, end_block: i64) -> Progress {
        Progress { file, next_block: 0, end_block, stride: 8, skipped: VecDeque::new() }
    }

    /// All blocks before this one are done for good.
    fn done(&self) -> i64 {
        self.skipped.iter().map(|(block, _)| *block).min().unwrap_or(self.next_block)
    }

    /// Aims at `manifold.backfill_chunk_rows` rows the next time.
    fn aim(&mut self, rows: i64, blocks: i64) {
        let wanted = i64::from(settings::backfill_chunk_rows());
        let per_block = (rows / blocks.max(1)).max(1);
        self.stride = (wanted / per_block).clamp(1, 1024);
    }
}

/// The block of a tuple's place, `(block,offset)`.
fn block_of(place: &str) -> Option<i64> {
    place.strip_prefix('(')?.split(',').next()?.parse().ok()
}
