//! Consumers that are called by SQL: each call takes the next chunks, and moves the position in the
//! caller's transaction. It commits: they are consumed; it does not: they come again.

use std::cell::RefCell;

use pgrx::pg_sys;

use super::backlog::Backlog;
use super::change::ChunkHead;
use super::objects::{self, Objects};
use super::position;
use super::read::{self, Fetcher, Visible};
use super::snapshot::Position;
use crate::error::{Error, Result};
use crate::pg::relation::Table;
use crate::pg::snapshot::Fresh;
use crate::pg::sql;

/// Chunks whose places are kept between two calls of a session.
const KEEP: usize = 64 * 1024;

/// First key of the advisory locks on consumers ("cons" in ASCII); the second is the name's hash.
const CONSUMER_LOCK: i32 = 0x636f_6e73;

/// What the session's last call found and left.
struct Left {
    objects: Objects,
    consumer: String,
    backlog: Backlog,
}

thread_local! {
    static LEFT: RefCell<Option<Left>> = const { RefCell::new(None) };
}

/// Waits until nobody else is at work with a consumer; it is the caller's until its transaction ends.
pub fn hold(consumer: &str) -> Result<()> {
    sql::one::<bool>(
        "SELECT true FROM pg_catalog.pg_advisory_xact_lock($1, pg_catalog.hashtext($2))",
        &[CONSUMER_LOCK.into(), consumer.into()],
    )?;
    Ok(())
}

/// Has a consumer begin with what the caller's transaction does not see yet: with a snapshot that
/// lasts (REPEATABLE READ) that is all but what the transaction can read of the tables.
pub fn begin(consumer: &str, lane: i32) -> Result<()> {
    let objects = objects()?;
    // Nobody knows of the new position before it is committed: until then the log must not be
    // emptied. These locks keep it from that.
    let tables = objects.tables.map(|oid| Table::open(oid, pg_sys::AccessShareLock));
    let _fresh = Fresh::push();
    for table in &tables {
        // SAFETY: the relation is open. What the snapshot sees of the catalog is as old as itself.
        let (oid, file) = unsafe { ((*table.0).rd_id, (*(*table.0).rd_rel).relfilenode) };
        let then = sql::one::<pg_sys::Oid>(
            "SELECT relfilenode FROM pg_catalog.pg_class WHERE oid = $1",
            &[oid.into()],
        )?;
        if then != Some(file) {
            return Err(Error::state(
                "the log has been emptied since this transaction took its snapshot",
                "Begin the transaction again, and create the consumer before anything that takes time.",
            ));
        }
    }
    position::save(consumer, lane, Some(&Position::at(read::current_snapshot())))
}

/// Shows `each` the next chunks of a consumer, of the sources that it wants, until it wants no more
/// or there are none; the position moves past them.
pub fn take(
    consumer: &str,
    lane: i32,
    wanted: impl Fn(i32) -> bool,
    mut each: impl FnMut(&ChunkHead, &[u8]) -> Result<bool>,
) -> Result<()> {
    let objects = objects()?;
    let from = position::load(consumer)?
        .remove(&lane)
        .ok_or_else(|| Error::Corrupt(format!("consumer \"{consumer}\" has no position")))?;
    let now = read::current_snapshot();
    let visible = Visible::now();
    let left = LEFT.take().filter(|left| left.objects == objects && left.consumer == consumer);
    let mut backlog = left.map(|left| left.backlog).unwrap_or_default();
    let fetcher = Fetcher::open(&objects, &visible);
    let mut at = from.clone();
    let (mut passed, mut more) = (false, true);
    // A batch that is under way has its own end; what came later follows it.
    while more && (at.within.is_some() || at.seen != now) {
        let end = at.target(&now).clone();
        let portion = backlog.next(&at, &end, Vec::new(), KEEP, PORTION, |keep| {
            read::select(&objects, &visible, &at, &end, keep, &wanted)
        });
        passed |= portion.passed;
        let mut last = None;
        for reference in &portion.references {
            more = fetcher.fetch(reference, &mut each)?.unwrap_or(true);
            last = Some(reference.seq);
            if !more {
                break;
            }
            pgrx::check_for_interrupts!();
        }
        at = match last {
            Some(last) if !(more && portion.complete) => {
                Position { seen: at.seen, within: Some((end, last)) }
            }
            _ => Position::at(end),
        };
    }
    fetcher.close();
    // Where nothing passed by, there is nothing that the log keeps for the old position.
    if passed && at != from {
        position::save(consumer, lane, Some(&at))?;
    }
    LEFT.set(Some(Left { objects, consumer: consumer.to_string(), backlog }));
    Ok(())
}

/// Chunks whose places are copied at a time.
const PORTION: usize = 512;

fn objects() -> Result<Objects> {
    objects::objects().ok_or_else(|| Error::Corrupt("the log's tables are missing".into()))
}
