//! Feeding the producer from the log: lanes in turn, as much as the window has room for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::envelope::Scratch;
use super::plans::Plans;
use super::send::{Sender, Sent};
use super::window::Window;
use crate::catalog::Catalog;
use crate::error::Result;
use crate::kafka::{Delivery, DeliveryError, Producer};
use crate::log::backlog::Backlogs;
use crate::log::laggard;
use crate::log::lanes::{self, Lanes};
use crate::log::objects::Objects;
use crate::log::position::{self, MAIN};
use crate::log::read::{self, Fetcher, Visible};
use crate::log::snapshot::{Position, Snapshot};
use crate::worker::lifecycle::{Failure, backoff};

/// Chunks that one turn of a lane reads at most: some thousand rows.
const TURN_CHUNKS: usize = 512;
/// Messages on their way at most, well below what librdkafka's queue holds.
const WINDOW_MESSAGES: usize = 50_000;
/// Their size at most; librdkafka's queue holds 64 MB.
const WINDOW_BYTES: usize = 32 * 1024 * 1024;

pub const CONSUMER: &str = "publisher";

/// Why an org's changes are not published just now.
#[derive(Debug, Clone)]
pub struct Trouble {
    pub failure: Failure,
    /// When it is tried again.
    pub until: Instant,
    pub failures: u32,
}

/// A change that Kafka will never take.
#[derive(Debug, Clone)]
pub struct Refused {
    pub source: i32,
    pub event_id: String,
    pub key: String,
    pub message: String,
}

/// What came of a turn.
#[derive(Debug, Default)]
pub struct Fed {
    /// There was more to send than there was room or time for.
    pub more: bool,
    pub refused: Vec<Refused>,
    /// Orgs that were set apart.
    pub failed: Vec<i32>,
}

/// The publisher's state between turns.
pub struct Feed {
    pub lanes: Lanes,
    pub plans: Plans,
    backlogs: Backlogs,
    pub(super) window: Window,
    /// Bytes on their way, by batch; a batch is small against the window.
    bytes: BTreeMap<u64, usize>,
    /// Messages of a chunk that were already sent when the queue was full, by lane.
    pub(super) partly: BTreeMap<i32, (i64, u32)>,
    troubles: BTreeMap<i32, Trouble>,
    /// Orgs that are to leave the main lane as soon as nothing of it is on its way: earlier, they
    /// would begin at the proven position and send again what is on its way already.
    leaving: BTreeSet<i32>,
    /// The moment up to which the last round read.
    read_to: Snapshot,
    pub(super) scratch: Scratch,
}

impl Feed {
    /// `troubled` are the orgs whose error the status still shows.
    pub fn new(lanes: Lanes, plans: Plans, troubled: &[i32]) -> Feed {
        let trouble = |org: &i32| {
            let failure = Failure { message: String::new(), hint: None };
            (*org, Trouble { failure, until: Instant::now(), failures: 1 })
        };
        Feed {
            lanes,
            plans,
            backlogs: Backlogs::default(),
            window: Window::default(),
            bytes: BTreeMap::new(),
            partly: BTreeMap::new(),
            troubles: troubled.iter().map(trouble).collect(),
            leaving: BTreeSet::new(),
            read_to: Snapshot::nothing(),
            scratch: Scratch::default(),
        }
    }

    /// Definitions have changed.
    pub fn refresh(&mut self) {
        self.plans.refresh();
        self.backlogs.clear();
    }

    /// Orgs with trouble of their own.
    pub fn troubles(&self) -> &BTreeMap<i32, Trouble> {
        &self.troubles
    }

    /// Books what the producer reports. Orgs whose messages failed get a lane and a pause of their
    /// own, and begin again where they were proven to be; all others go on.
    pub fn book(&mut self, deliveries: &mut Vec<Delivery>) -> Vec<i32> {
        let mut failed: BTreeMap<i32, std::sync::Arc<DeliveryError>> = BTreeMap::new();
        for delivery in deliveries.drain(..) {
            if let Err(error) = delivery.result {
                // One that was given up before is no news.
                if self.window.lane(delivery.token).is_some()
                    && let Some(org) = self.plans.org_of(&error.topic)
                {
                    failed.entry(org).or_insert(error);
                }
            }
            self.window.settled(delivery.token);
        }
        for (org, error) in &failed {
            self.set_apart(*org, (&error.error).into());
        }
        failed.into_keys().collect()
    }

    pub(super) fn set_apart(&mut self, org: i32, failure: Failure) {
        // From the main lane's proven position: what it has on its way for this org is sent again.
        self.lanes.leave(org);
        self.window.give_up(org);
        self.partly.remove(&org);
        let failures = self.troubles.get(&org).map_or(1, |trouble| trouble.failures + 1);
        let until = Instant::now() + backoff(failures);
        self.troubles.insert(org, Trouble { failure, until, failures });
    }

    /// Saves the positions that are proven by now. Returns the orgs whose trouble is over.
    pub fn save_proven(&mut self, paused: &BTreeSet<i32>) -> Result<Vec<i32>> {
        let mut healed = Vec::new();
        for (lane, position) in self.window.proven() {
            if self.lanes.position(lane) != &position {
                let (lane, position) = self.lanes.advance(lane, position);
                position::save(CONSUMER, lane, position.as_ref())?;
            }
            match lane {
                // Of an earlier life, and in the main lane again: it goes well here.
                MAIN => {
                    let back: Vec<i32> = self.troubles.keys().copied().collect();
                    healed.extend(back.into_iter().filter(|org| self.lanes.of(*org) == MAIN));
                }
                _ => healed.push(lane),
            }
        }
        healed.retain(|org| self.troubles.remove(org).is_some());
        let mut stay: BTreeSet<i32> = paused.iter().chain(self.troubles.keys()).copied().collect();
        stay.extend(self.lanes.own().filter(|lane| !self.window.is_quiet(*lane)));
        if self.window.is_quiet(MAIN) {
            for (lane, position) in self.lanes.join(&self.read_to, &stay) {
                position::save(CONSUMER, lane, position.as_ref())?;
            }
        }
        Ok(healed)
    }

    /// Whether there are proven positions to be saved.
    pub fn has_proof(&self) -> bool {
        self.window.has_proof()
    }

    /// When the next troubled org is tried again.
    pub fn next_try(&self) -> Option<Duration> {
        let now = Instant::now();
        let later = self.troubles.values().filter(|trouble| trouble.until > now);
        later.map(|trouble| trouble.until - now).min()
    }

    /// Lanes that hold the log, which is to be let go of up to `horizon`, go on at `now`; what is on
    /// its way is no longer waited for. Runs in a transaction.
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
            if laggard::drop_lane(objects, CONSUMER, lane, from, now, horizon, wanted)? {
                self.window.give_up(lane);
                self.partly.remove(&lane);
                let (lane, position) = self.lanes.advance(lane, Position::at(now.clone()));
                position::save(CONSUMER, lane, position.as_ref())?;
            }
        }
        Ok(())
    }

    /// One turn: each lane sends what it may. Runs in a transaction.
    pub fn turn(
        &mut self,
        now: &Snapshot,
        objects: &Objects,
        catalog: &Catalog,
        producer: &mut Producer,
    ) -> Result<Fed> {
        let paused = catalog.paused(CONSUMER);
        self.leaving.extend(paused.iter().filter(|org| self.lanes.of(**org) == MAIN));
        self.leave()?;
        for gone in self.lanes.own().filter(|lane| !catalog.is_org(*lane)).collect::<Vec<_>>() {
            self.window.give_up(gone);
            self.troubles.remove(&gone);
            if let Some((lane, position)) = self.lanes.forget(gone) {
                position::save(CONSUMER, lane, position.as_ref())?;
            }
        }
        let batches_in_flight = |feed: &Feed, token: &u64| feed.window.lane(*token).is_some();
        let done: Vec<u64> =
            self.bytes.keys().copied().filter(|token| !batches_in_flight(self, token)).collect();
        for token in done {
            self.bytes.remove(&token);
        }
        self.read_to = now.clone();
        let mut fed = Fed::default();
        for lane in self.lanes.turns() {
            let waits =
                self.troubles.get(&lane).is_some_and(|trouble| Instant::now() < trouble.until);
            if paused.contains(&lane) || waits {
                continue;
            }
            // Whoever comes after in this round has its turn first in the next one.
            if !self.has_room(producer) {
                fed.more = true;
                break;
            }
            self.lane_turn(lane, now, objects, catalog, producer, &mut fed)?;
            self.lanes.had_turn(lane);
        }
        Ok(fed)
    }

    /// Orgs that are to leave do so, once nothing of the main lane is on its way.
    fn leave(&mut self) -> Result<()> {
        if self.leaving.is_empty() || !self.window.is_quiet(MAIN) {
            return Ok(());
        }
        for org in std::mem::take(&mut self.leaving) {
            if let Some((lane, position)) = self.lanes.leave(org) {
                position::save(CONSUMER, lane, position.as_ref())?;
            }
        }
        Ok(())
    }

    pub fn has_room(&self, producer: &Producer) -> bool {
        producer.in_flight() < WINDOW_MESSAGES && self.bytes.values().sum::<usize>() < WINDOW_BYTES
    }

    fn lane_turn(
        &mut self,
        lane: i32,
        now: &Snapshot,
        objects: &Objects,
        catalog: &Catalog,
        producer: &mut Producer,
        fed: &mut Fed,
    ) -> Result<()> {
        if lane == MAIN && !self.leaving.is_empty() {
            return Ok(());
        }
        let from = self.window.ahead(lane).unwrap_or(self.lanes.position(lane)).clone();
        let target = from.target(now).clone();
        if from.within.is_none() && from.seen == target {
            return Ok(());
        }
        let visible = Visible::now();
        let lanes = &self.lanes;
        let portion = self.backlogs.next(lane, lanes, &from, &target, TURN_CHUNKS, |keep| {
            let wanted = |source| is_ours(source, lane, lanes, catalog);
            read::select(objects, &visible, &from, &target, keep, wanted)
        });
        if lane == MAIN && !portion.complete {
            let mut orgs: BTreeMap<i32, usize> = BTreeMap::new();
            for (source, chunks) in self.backlogs.sources(MAIN, &from) {
                if let Some(org) = catalog.org_of(source) {
                    *orgs.entry(org).or_default() += chunks;
                }
            }
            // The canonical tables count as one org more.
            self.leaving.extend(lanes::heavy(&orgs, catalog.orgs.len() + 1));
            self.leave()?;
            if !self.leaving.is_empty() || orgs.keys().any(|org| self.lanes.of(*org) != MAIN) {
                fed.more = true;
                return Ok(());
            }
        }
        // Nothing of anybody: nothing has to be written down, and moving on in memory is enough.
        if !portion.passed && from.within.is_none() {
            if self.window.is_quiet(lane) {
                self.lanes.advance(lane, Position::at(target));
            }
            return Ok(());
        }
        let token = self.window.begin(lane);
        let mut sender = Sender {
            feed: self,
            catalog,
            producer,
            lane,
            token,
            size: 0,
            refused: Vec::new(),
            failed: Vec::new(),
        };
        let fetcher = Fetcher::open(objects, &visible);
        let mut last = None;
        let mut complete = portion.complete;
        for reference in &portion.references {
            // An org that was set apart on the way begins again in a lane of its own.
            let org = catalog.org_of(reference.source);
            if org.is_none_or(|org| sender.failed.contains(&org)) {
                last = Some(reference.seq);
                continue;
            }
            if !sender.feed.has_room(sender.producer) || sender.size > WINDOW_BYTES / 4 {
                complete = false;
                break;
            }
            match fetcher.fetch(reference, |head, images| sender.chunk(head, images))? {
                Some(Sent::Partly) => {
                    complete = false;
                    break;
                }
                Some(Sent::All) | None => last = Some(reference.seq),
            }
            pgrx::check_for_interrupts!();
        }
        let Sender { size, refused, failed, .. } = sender;
        fed.refused.extend(refused);
        fed.failed.extend(&failed);
        if lane != MAIN && failed.contains(&lane) {
            // Given up, this batch included.
            return Ok(());
        }
        self.bytes.insert(token, size);
        fed.more |= !complete;
        let after = match (complete, last) {
            (true, _) => Position::at(target),
            (false, Some(last)) => Position { seen: from.seen, within: Some((target, last)) },
            (false, None) => from,
        };
        self.window.end(token, after);
        Ok(())
    }
}

/// Whether a source's changes are published in a lane.
fn is_ours(source: i32, lane: i32, lanes: &Lanes, catalog: &Catalog) -> bool {
    catalog.org_of(source).is_some_and(|org| lanes.of(org) == lane)
}
