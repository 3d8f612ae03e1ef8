//! Laggards: those that keep the log from being emptied although it has outgrown its limit. They are
//! dropped: they go on with what comes next, and what they miss is a gap.
//!
//! A worker owns its positions, so the keeper only says up to which transaction the log is to be let
//! go of, and each worker drops its own lanes. A consumer of `manifold.next` may be in the middle of a
//! transaction that lasts, and is not waited for: where it goes on is noted beside its position, and
//! counts as long as that is older.

use std::collections::BTreeSet;

use super::gap;
use super::lanes::{self, Lanes};
use super::objects::Objects;
use super::position;
use super::read::{self, Visible};
use super::snapshot::{Position, Snapshot};
use crate::catalog::{CANONICAL_NAME, Catalog};
use crate::error::Result;
use crate::pg::snapshot::Fresh;
use crate::pg::sql;

const PUBLISHER: &str = "publisher";

/// Why what a laggard misses is missing.
const DROPPED: &str = "dropped from the log, which had outgrown manifold.drop_log_size";
const UNPUBLISHED: &str =
    "dropped from the log, which had outgrown manifold.max_log_size while there were no brokers";

/// Whether a lane holds the log that is to be let go of up to `horizon`; if so, notes the gaps that it
/// has when it goes on at `now`. `wanted` are its sources.
#[allow(clippy::too_many_arguments)]
pub fn drop_lane(
    objects: &Objects,
    consumer: &str,
    lane: i32,
    position: &Position,
    now: &Snapshot,
    horizon: u64,
    catalog: &Catalog,
    wanted: impl Fn(i32) -> bool,
) -> Result<bool> {
    let visible = Visible::now();
    // It holds what passes it by, too.
    let holds = |source| lanes::passes(lane, source, catalog.org_of(source));
    let held = read::select(objects, &visible, position, &now.before(horizon), 1, holds);
    if held.references.is_empty() {
        return Ok(false);
    }
    let missed = read::sources(objects, &visible, position, now, 0..3);
    gap::note_for(
        consumer,
        missed.into_iter().filter(|source| wanted(*source)).collect(),
        DROPPED,
    )?;
    pgrx::log!("pg_manifold: {consumer} (lane {lane}) is dropped: the log has outgrown its limit");
    Ok(true)
}

/// Drops the consumers of `manifold.next` that hold the log up to `horizon`.
pub fn drop_consumers(objects: &Objects, horizon: u64) -> Result<()> {
    let catalog = Catalog::load_sources()?;
    let consumers = sql::rows("SELECT consumer, org FROM manifold.consumer", &[], |row| {
        Ok((row.get::<String>(1)?.unwrap_or_default(), row.get::<String>(2)?))
    })?;
    for (consumer, org) in consumers {
        let wanted = |source: i32| {
            let of = catalog
                .sources
                .get(&source)
                .map(|source| source.org.as_deref().unwrap_or(CANONICAL_NAME));
            of.is_some_and(|of| org.as_deref().is_none_or(|org| org == of))
        };
        let now = read::current_snapshot();
        for (lane, position) in position::load(&consumer)? {
            if drop_lane(objects, &consumer, lane, &position, &now, horizon, &catalog, wanted)? {
                sql::run(
                    "UPDATE manifold.consumer SET dropped = $2::pg_snapshot WHERE consumer IN \
                     (SELECT consumer FROM manifold.consumer WHERE consumer = $1 FOR UPDATE SKIP LOCKED)",
                    &[consumer.as_str().into(), now.to_string().into()],
                )?;
            }
        }
    }
    Ok(())
}

/// Notes what a publisher without brokers will never publish of a table that is about to be emptied.
pub fn note_unpublished(objects: &Objects, table: usize) -> Result<()> {
    let lanes = Lanes::new(position::load(PUBLISHER)?);
    let catalog = Catalog::load_sources()?;
    let _fresh = Fresh::push();
    let now = read::current_snapshot();
    let visible = Visible::now();
    let mut missed = BTreeSet::new();
    for lane in lanes.turns() {
        let position = lanes.position(lane);
        let passed = read::sources(objects, &visible, position, &now, table..table + 1);
        let of = |source| catalog.org_of(source).map(|org| lanes.of(source, org));
        missed.extend(passed.into_iter().filter(|source| of(*source) == Some(lane)));
    }
    gap::note_for(PUBLISHER, missed, UNPUBLISHED)
}
