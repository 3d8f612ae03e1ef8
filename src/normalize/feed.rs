//! Feeding the canonical tables from the log: lanes in turn, each turn one transaction that applies
//! a batch and moves the position.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::digest::{Batches, Digest, Stop};
use super::throttle::Throttle;
use super::turns::Turns;
use crate::catalog::{CANONICAL, Catalog};
use crate::error::Result;
use crate::log::backlog::Backlogs;
use crate::log::laggard;
use crate::log::lanes::{self, Lanes};
use crate::log::objects::Objects;
use crate::log::position::{self, MAIN};
use crate::log::read::{self, Fetcher, Reference, Visible};
use crate::log::snapshot::{Position, Snapshot};
use crate::pg::{expression, sql};
use crate::worker::lifecycle::backoff;

/// Chunks that one turn of a lane reads at most.
const TURN_CHUNKS: usize = 512;
/// Bytes of images that one turn normalizes at most: a batch is held in memory.
const TURN_BYTES: usize = 8 * 1024 * 1024;
/// After so long, no further chunk is normalized in a turn: what there is, is applied.
const TURN_TIME: Duration = Duration::from_millis(200);
/// What the SQL expressions of mappings may take in a turn, before each has to be quick.
const EXPRESSION_TIME: Duration = Duration::from_secs(2);

pub const CONSUMER: &str = "normalizer";

struct Trouble {
    until: Instant,
    failures: u32,
}

/// The normalizer's state between turns.
pub struct Feed {
    pub lanes: Lanes,
    backlogs: Backlogs,
    digest: Digest,
    troubles: BTreeMap<i32, Trouble>,
    turns: Turns,
    throttle: Throttle,
    rate: u32,
    /// Rows that the throttle granted an org and that it has not taken yet.
    credit: BTreeMap<i32, u32>,
    clock: Instant,
}

impl Feed {
    /// `troubled` are the orgs whose error the status still shows.
    pub fn new(lanes: Lanes, troubled: &[i32]) -> Feed {
        let until = Instant::now();
        Feed {
            lanes,
            backlogs: Backlogs::default(),
            digest: Digest::default(),
            troubles: troubled.iter().map(|org| (*org, Trouble { until, failures: 1 })).collect(),
            turns: Turns::default(),
            throttle: Throttle::new(0, Duration::ZERO),
            rate: 0,
            credit: BTreeMap::new(),
            clock: Instant::now(),
        }
    }

    /// Definitions have changed: plans are made anew.
    pub fn refresh(&mut self) {
        self.digest.refresh();
        self.backlogs.clear();
    }

    /// Rows a second for all orgs together; 0 is without bound.
    pub fn set_rate(&mut self, rate: u32) {
        if rate != self.rate {
            self.rate = rate;
            self.throttle.set_rate(rate, self.clock.elapsed());
            self.credit.clear();
        }
    }

    /// Sets an org apart after a failure; returns what has to be saved.
    pub fn set_apart(&mut self, org: i32) -> Option<lanes::Change> {
        let failures = self.troubles.get(&org).map_or(1, |trouble| trouble.failures + 1);
        let until = Instant::now() + backoff(failures);
        self.troubles.insert(org, Trouble { until, failures });
        self.lanes.leave(org, MAIN)
    }

    /// When the next lane that waits is to be tried again.
    pub fn next_try(&self) -> Option<Duration> {
        let now = Instant::now();
        let later = self.troubles.values().filter(|trouble| trouble.until > now);
        later.map(|trouble| trouble.until - now).min()
    }

    /// Lanes that may have their turn now, in order.
    pub fn lanes_in_turn(&self, catalog: &Catalog) -> Vec<i32> {
        let paused = catalog.paused(CONSUMER);
        let waits = |lane: &i32| {
            paused.contains(lane)
                || self.troubles.get(lane).is_some_and(|trouble| Instant::now() < trouble.until)
        };
        self.lanes.turns().into_iter().filter(|lane| !waits(lane)).collect()
    }

    /// Orgs that were paused leave the main lane, orgs that are gone are forgotten. Runs in a
    /// transaction.
    pub fn tidy(&mut self, catalog: &Catalog) -> Result<()> {
        let mut changes: Vec<lanes::Change> = Vec::new();
        for org in catalog.paused(CONSUMER) {
            changes.extend(self.lanes.leave(*org, MAIN));
        }
        let gone: Vec<i32> = self.lanes.own().filter(|lane| !catalog.is_org(*lane)).collect();
        for org in gone {
            self.troubles.remove(&org);
            self.turns.forget(org);
            changes.extend(self.lanes.forget(org));
        }
        save(&changes)
    }

    /// Lanes that have caught up with the main lane join it. Runs in a transaction.
    pub fn join(&mut self, now: &Snapshot, catalog: &Catalog) -> Result<()> {
        let mut stay = catalog.paused(CONSUMER).clone();
        stay.extend(self.troubles.keys());
        save(&self.lanes.join(now, &stay, |source| catalog.org_of(source)))
    }

    /// Lanes that hold the log, which is to be let go of up to `horizon`, go on at `now`. Runs in a
    /// transaction.
    pub fn drop_laggards(
        &mut self,
        horizon: u64,
        now: &Snapshot,
        objects: &Objects,
        catalog: &Catalog,
    ) -> Result<()> {
        for lane in self.lanes.turns() {
            let lanes = &self.lanes;
            let wanted = |source| is_ours(source, lane, lanes, catalog);
            let from = lanes.position(lane);
            if laggard::drop_lane(objects, CONSUMER, lane, from, now, horizon, catalog, wanted)? {
                save(&[self.lanes.advance(lane, Position::at(now.clone()))])?;
            }
        }
        Ok(())
    }

    /// One turn of a lane up to `now`. Runs in a transaction. True if there is more to do at once.
    pub fn turn(
        &mut self,
        lane: i32,
        now: &Snapshot,
        objects: &Objects,
        catalog: &Catalog,
    ) -> Result<bool, Stop> {
        let from = self.lanes.position(lane).clone();
        let target = from.target(now).clone();
        if from.within.is_none() && from.seen == target {
            return Ok(false);
        }
        let visible = Visible::now();
        let lanes = &self.lanes;
        let portion = self.backlogs.next(lane, lanes, &from, &target, TURN_CHUNKS, |keep| {
            let wanted = |source| is_ours(source, lane, lanes, catalog);
            read::select(objects, &visible, &from, &target, keep, wanted)
        });
        if lane == MAIN && self.split(portion.complete, catalog)? {
            return Ok(true);
        }
        let fetcher = Fetcher::open(objects, &visible);
        let (taken, waits) = self.take(lane, &portion.references, &fetcher)?;
        let mut spent = Spent::default();
        let (taken, batches) =
            self.normalize(&portion.references[..taken], &fetcher, catalog, &mut spent)?;
        for (org, target, batch) in batches.0.values() {
            let began = Instant::now();
            // Whoever removes the org waits for this turn, or this turn finds it removed.
            if hold_org(*org)? {
                target.apply(batch).map_err(|failure| Stop::Org(*org, failure))?;
            }
            spent.add(*org, began);
        }
        self.spend(lane, spent.rows);
        let long = self.turns.took(lane, spent.rows, spent.began.elapsed());
        let complete = portion.complete && taken == portion.references.len();
        let position = match (complete, taken.checked_sub(1)) {
            (true, _) => Position::at(target),
            (false, Some(last)) => {
                let last = portion.references[last].seq;
                Position { seen: from.seen, within: Some((target, last)) }
            }
            (false, None) => return Ok(!waits),
        };
        let finished = position.within.is_none();
        let change = self.lanes.advance(lane, position);
        // What passed by was written down by somebody, so that the log can let go of it; where
        // nothing passed, moving on in memory is enough.
        if portion.passed || !finished {
            save(&[change])?;
        }
        if let Some(org) = spent.most().filter(|_| lane == MAIN && (long || spent.cut)) {
            // An org that is alone keeps nobody waiting.
            let leaves = (catalog.orgs.len() > 1).then(|| self.lanes.leave(org, MAIN)).flatten();
            save(leaves.as_slice())?;
        }
        let healed: Vec<i32> = match lane {
            // Of an earlier life, and in the main lane again: it went well here.
            MAIN => self.troubles.keys().copied().filter(|org| !self.lanes.has(*org)).collect(),
            _ if finished || taken > 0 => vec![lane],
            _ => Vec::new(),
        };
        for org in healed {
            if self.troubles.remove(&org).is_some() {
                crate::worker::lifecycle::clear_error(CONSUMER, org)?;
            }
        }
        Ok(!finished && !waits)
    }

    /// Orgs with so much waiting that others would wait for them leave the main lane; with a
    /// throttle all do that have anything waiting, so that each gets its share.
    fn split(&mut self, complete: bool, catalog: &Catalog) -> Result<bool> {
        if complete && self.rate == 0 {
            return Ok(false);
        }
        let mut orgs: BTreeMap<i32, usize> = BTreeMap::new();
        for (source, chunks) in self.backlogs.sources(MAIN) {
            if let Some(org) = catalog.org_of(source) {
                *orgs.entry(org).or_default() += chunks;
            }
        }
        let leave: Vec<i32> = if self.rate > 0 {
            orgs.into_keys().collect()
        } else {
            lanes::heavy(&orgs, catalog.orgs.len())
        };
        let changes: Vec<lanes::Change> =
            leave.into_iter().filter_map(|org| self.lanes.leave(org, MAIN)).collect();
        save(&changes)?;
        Ok(!changes.is_empty())
    }

    /// Normalizes chunks as long as there is time, the first one in any case; returns how many.
    fn normalize(
        &mut self,
        references: &[Reference],
        fetcher: &Fetcher<'_>,
        catalog: &Catalog,
        spent: &mut Spent,
    ) -> Result<(usize, Batches), Stop> {
        expression::grant(EXPRESSION_TIME);
        let mut batches = Batches::default();
        for (at, reference) in references.iter().enumerate() {
            if at > 0 && spent.began.elapsed() > TURN_TIME {
                spent.cut = true;
                return Ok((at, batches));
            }
            let began = Instant::now();
            let outcome = fetcher.fetch(reference, |head, images| {
                let digested = self.digest.chunk(head, images, catalog, &mut batches);
                Ok((head.source, head.rows.max(1).unsigned_abs(), digested))
            })?;
            if let Some((source, rows, digested)) = outcome {
                digested?;
                spent.rows += rows;
                if let Some(org) = catalog.org_of(source) {
                    spent.add(org, began);
                }
            }
            pgrx::check_for_interrupts!();
        }
        Ok((references.len(), batches))
    }

    /// How many of the chunks fit into this turn, and whether the throttle is what holds back.
    fn take(
        &mut self,
        lane: i32,
        references: &[Reference],
        fetcher: &Fetcher<'_>,
    ) -> Result<(usize, bool)> {
        let (mut rows, mut bytes, mut taken) = (0u32, 0usize, 0usize);
        for reference in references {
            let size = fetcher.fetch(reference, |head, images| {
                Ok((head.rows.max(1).unsigned_abs(), images.len()))
            })?;
            let (more, size) = size.unwrap_or_default();
            if taken > 0 && (rows + more > self.turns.rows(lane) || bytes + size > TURN_BYTES) {
                break;
            }
            if self.rate > 0 && lane != MAIN && !self.allowed(lane, rows + more) {
                return Ok((taken, true));
            }
            rows += more;
            bytes += size;
            taken += 1;
        }
        Ok((taken, false))
    }

    /// Rows were taken that the throttle had granted.
    fn spend(&mut self, lane: i32, rows: u32) {
        if self.rate > 0 && lane != MAIN {
            self.credit.entry(lane).and_modify(|credit| *credit -= rows.min(*credit));
        }
    }

    /// Whether the throttle lets an org have so many rows by now.
    fn allowed(&mut self, org: i32, rows: u32) -> bool {
        let credit = self.credit.entry(org).or_default();
        if *credit < rows {
            *credit += self.throttle.grant(self.clock.elapsed(), org, rows - *credit);
        }
        *credit >= rows
    }

    /// When the throttle has something for those that wait.
    pub fn throttle_wait(&self) -> Duration {
        self.throttle.wait(self.clock.elapsed()).max(Duration::from_millis(1))
    }
}

/// What a turn took.
struct Spent {
    began: Instant,
    rows: u32,
    /// There was no time for all that had been selected.
    cut: bool,
    orgs: BTreeMap<i32, Duration>,
}

impl Default for Spent {
    fn default() -> Spent {
        Spent { began: Instant::now(), rows: 0, cut: false, orgs: BTreeMap::new() }
    }
}

impl Spent {
    fn add(&mut self, org: i32, began: Instant) {
        *self.orgs.entry(org).or_default() += began.elapsed();
    }

    /// The org that took most of the time.
    fn most(&self) -> Option<i32> {
        self.orgs.iter().max_by_key(|(_, time)| **time).map(|(org, _)| *org)
    }
}

/// Whether a source's changes are normalized in a lane.
fn is_ours(source: i32, lane: i32, lanes: &Lanes, catalog: &Catalog) -> bool {
    let org = catalog.org_of(source).filter(|org| *org != CANONICAL);
    org.is_some_and(|org| lanes.of_org(org) == lane)
}

/// Keeps an org from being removed until the transaction ends; false if it is gone already.
fn hold_org(org: i32) -> Result<bool> {
    sql::run(
        "SELECT pg_catalog.pg_advisory_xact_lock_shared($1, $2)",
        &[ORG_LOCK.into(), org.into()],
    )?;
    let there =
        sql::run_one::<bool>("SELECT true FROM manifold.org WHERE org_id = $1", &[org.into()])?;
    Ok(there.is_some())
}

/// First key of the advisory locks on orgs ("mani" in ASCII); the second is the org's number.
pub const ORG_LOCK: i32 = 0x6d61_6e69;

fn save(changes: &[lanes::Change]) -> Result<()> {
    for (lane, position) in changes {
        position::save(CONSUMER, *lane, position.as_ref())?;
    }
    Ok(())
}
