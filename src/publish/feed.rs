//! Feeding the producer from the log: lanes in turn, as much as the window has room for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::again::{Again, Place};
use super::apart::{Refused, Trouble};
use super::careful::Careful;
use super::envelope::Scratch;
use super::plans::Plans;
use super::refusals::{Record, Refusals};
use super::room::WINDOW_BYTES;
use super::send::{Sender, Sent};
use super::transactions::{Log, Transactions};
use super::verdict::Verdict;
use super::window::Window;
use crate::catalog::Catalog;
use crate::error::Result;
use crate::kafka::Producer;
use crate::log::backlog::Backlogs;
use crate::log::laggard;
use crate::log::lanes::{self, Lanes};
use crate::log::objects::Objects;
use crate::log::position::{self, MAIN};
use crate::log::read::{self, Fetcher, Visible};
use crate::log::snapshot::{Position, Snapshot};
use crate::worker::lifecycle::Failure;

/// Chunks that one turn of a lane reads at most: some thousand rows.
const TURN_CHUNKS: usize = 512;
/// And of what they become: something of it is on its way while the next ones are made.
const TURN_BYTES: usize = WINDOW_BYTES / 4;

pub const CONSUMER: &str = "publisher";

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// Every lane's, in turns.
    All,
    /// The same without those in trouble.
    Sound,
    /// One lane's.
    Alone(i32),
}

/// What came of a turn.
#[derive(Debug, Default)]
pub struct Fed {
    /// There is more to send, and room for it.
    pub more: bool,
    /// There is more, and no room for it.
    pub full: bool,
    /// Something was sent.
    pub sent: bool,
    pub refused: Vec<Refused>,
    /// Lanes of those that were set apart.
    pub failed: Vec<i32>,
    /// Sources of which records are gone whose message keys nobody knows.
    pub unknown: BTreeSet<i32>,
}

/// The publisher's state between turns.
pub struct Feed {
    pub lanes: Lanes,
    pub plans: Plans,
    pub refusals: Refusals,
    backlogs: Backlogs,
    pub(super) window: Window,
    /// Messages of a chunk that were already sent when the queue was full, by lane.
    pub(super) partly: BTreeMap<i32, (i64, u32)>,
    /// What is known of chunks that are sent again from their start, by lane.
    pub(super) again: BTreeMap<i32, Again>,
    pub(super) troubles: BTreeMap<i32, Trouble>,
    /// Lanes of topics of which something failed.
    pub(super) careful: BTreeMap<i32, Careful>,
    /// What brokers have said of the messages of these.
    pub(super) verdicts: BTreeMap<i32, Verdict>,
    /// When the brokers were last asked about topics whose messages do not move.
    pub(super) asked: BTreeMap<i32, Instant>,
    /// Orgs that are to leave the main lane as soon as nothing of it is on its way: earlier, they
    /// would begin at the proven position and send again what is on its way already.
    leaving: BTreeSet<i32>,
    /// Positions are not saved as lanes move, but with what a transaction left.
    defers: bool,
    /// The moment up to which the last round read.
    read_to: Snapshot,
    pub(super) scratch: Scratch,
    pub(super) transactions: Transactions,
}

impl Feed {
    /// `troubled` are the lanes whose error the status still shows.
    pub fn new(lanes: Lanes, plans: Plans, troubled: &[i32]) -> Feed {
        let trouble = |lane: &i32| {
            let failure = Failure { message: String::new(), hint: None };
            (*lane, Trouble { failure, until: Instant::now(), failures: 1 })
        };
        // Those that topics are set apart in: others are of before that was another kind.
        let is_apart = |lane: i32| lanes::source_of(lane).is_some() || plans.tells_transactions();
        let apart = troubled.iter().filter(|lane| lanes.has(**lane) && is_apart(**lane));
        Feed {
            careful: apart.map(|lane| (*lane, Careful::new(None))).collect(),
            verdicts: BTreeMap::new(),
            asked: BTreeMap::new(),
            lanes,
            plans,
            refusals: Refusals::default(),
            backlogs: Backlogs::default(),
            window: Window::default(),
            partly: BTreeMap::new(),
            again: BTreeMap::new(),
            troubles: troubled.iter().map(trouble).collect(),
            leaving: BTreeSet::new(),
            defers: false,
            read_to: Snapshot::nothing(),
            scratch: Scratch::default(),
            transactions: Transactions::default(),
        }
    }

    /// What is published, or as what, has changed. Of a chunk that is half sent the messages were counted
    /// as the old plans make them, and what is known of single ones is known by their place: all of it is
    /// forgotten, and the chunk begins again. Returns whether there was one.
    pub fn refresh(&mut self) -> bool {
        self.plans.refresh();
        self.transactions.clear();
        self.backlogs.clear();
        self.again.clear();
        self.careful.values_mut().for_each(|careful| *careful = Careful::new(None));
        !std::mem::take(&mut self.partly).is_empty()
    }

    /// What is wrong, by lane.
    pub fn troubles(&self) -> &BTreeMap<i32, Trouble> {
        &self.troubles
    }

    /// Saves the positions that are proven by now. Returns the lanes whose trouble is over.
    pub fn save_proven(&mut self, catalog: &Catalog) -> Result<Vec<i32>> {
        let mut healed = Vec::new();
        for (lane, position) in self.window.proven() {
            if self.lanes.position(lane) != &position {
                // Its chunks are consumed.
                self.again.remove(&lane);
                let (lane, position) = self.lanes.advance(lane, position);
                self.save(lane, position.as_ref())?;
            }
            match lane {
                // Of an earlier life, and joined again: it goes well there.
                MAIN => {
                    let back = self.troubles.keys().filter(|lane| !self.lanes.has(**lane));
                    healed.extend(back.copied());
                }
                _ => healed.push(lane),
            }
        }
        healed.retain(|lane| self.troubles.remove(lane).is_some());
        let org_of = |source| catalog.org_of(source);
        if self.lanes.own().next().is_none() {
            return Ok(healed);
        }
        let mut stay = catalog.paused(CONSUMER).clone();
        stay.extend(self.troubles.keys().chain(self.careful.keys()));
        let quiet = |lane| self.window.is_quiet(lane);
        let moves = |lane: &i32| !quiet(*lane) || !quiet(self.lanes.parent(*lane, org_of));
        stay.extend(self.lanes.own().filter(moves));
        for (lane, position) in self.lanes.join(&self.read_to, &stay, org_of) {
            self.save(lane, position.as_ref())?;
        }
        Ok(healed)
    }

    /// Saves where a lane is, `None` where it is no more; where transactions are, not now: the database
    /// is never ahead of what the brokers have committed.
    pub fn save(&self, lane: i32, position: Option<&Position>) -> Result<()> {
        if self.defers { Ok(()) } else { position::save(CONSUMER, lane, position) }
    }

    /// Takes out the records of which Kafka had refused a change, and has acknowledged a later one.
    pub fn mended(&mut self) -> Vec<Record> {
        let window = &self.window;
        self.refusals.mended(|token| window.apart(token).is_some())
    }

    /// Where each lane is when all that is on its way has arrived.
    pub fn ahead(&self) -> BTreeMap<i32, Position> {
        let at = |lane| self.window.ahead(lane).unwrap_or(self.lanes.position(lane)).clone();
        self.lanes.turns().into_iter().map(|lane| (lane, at(lane))).collect()
    }

    /// Whether nothing is on its way.
    pub fn is_quiet(&self) -> bool {
        self.lanes.turns().into_iter().all(|lane| self.window.is_quiet(lane))
    }

    /// A lane that stopped in the middle of a chunk, the queue being full.
    pub fn cut(&self) -> Option<i32> {
        self.partly.keys().next().copied()
    }

    /// A lane that is to be tried by itself, now: one in trouble, or one that is sent with care.
    pub fn due(&self) -> Option<i32> {
        let now = Instant::now();
        let waits = |lane: &i32| self.troubles.get(lane).is_some_and(|t| now < t.until);
        let mut apart = self.lanes.own().filter(|lane| self.is_apart(*lane));
        apart.find(|lane| !waits(lane) && !self.window.is_parked(*lane))
    }

    pub(super) fn is_apart(&self, lane: i32) -> bool {
        self.troubles.contains_key(&lane) || self.careful.contains_key(&lane)
    }

    /// Those that something has been sent of since positions were last proven: the lanes that they would
    /// be set apart in.
    pub fn in_flight(&self) -> Vec<i32> {
        self.window.apart_of_batches().into_iter().collect()
    }

    /// How large requests may be at most, as far as it is known and matters.
    pub fn smallest_limit(&self) -> Option<usize> {
        self.verdicts.values().filter_map(Verdict::smallest_limit).min()
    }

    /// What is on its way is as if it had never been sent: chunks begin again from their start, and what
    /// was found out about their messages is remembered.
    pub fn forget_in_flight(&mut self) {
        for lane in self.lanes.turns() {
            self.window.give_up(lane);
        }
        self.partly.clear();
        self.refusals.give_up_all();
        for (lane, careful) in &mut self.careful {
            self.again.entry(*lane).or_default().aborted(careful.begun());
            careful.given_up();
        }
    }

    /// A message of a lane will not be sent any more.
    pub fn pass_over(&mut self, lane: i32, place: Place) {
        self.again.entry(lane).or_default().refuse(place);
    }

    /// No report will come of what is on its way: its producer is no more.
    pub fn lose_in_flight(&mut self) {
        self.forget_in_flight();
        self.window = Window::default();
    }

    /// Goes on elsewhere, in transactions.
    pub fn go_on_from(&mut self, lanes: Lanes) {
        self.forget_in_flight();
        self.defers = true;
        self.lanes = lanes;
        self.backlogs.clear();
    }

    /// Whether there are proven positions to be saved.
    pub fn has_proof(&self) -> bool {
        self.window.has_proof()
    }

    /// When the next one in trouble is tried again.
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
            if laggard::drop_lane(objects, CONSUMER, lane, from, now, horizon, catalog, wanted)? {
                self.window.give_up(lane);
                self.refusals.give_up_all();
                self.partly.remove(&lane);
                if let Some(careful) = self.careful.get_mut(&lane) {
                    *careful = Careful::new(None);
                }
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
        course: Course,
    ) -> Result<Fed> {
        let paused = catalog.paused(CONSUMER);
        self.leaving.extend(paused.iter().filter(|org| !self.lanes.has(**org)));
        self.leave()?;
        let is_gone = |lane: &i32| catalog.org_of_lane(*lane).is_none();
        for gone in self.lanes.own().filter(is_gone).collect::<Vec<_>>() {
            self.window.give_up(gone);
            self.troubles.remove(&gone);
            self.careful.remove(&gone);
            self.again.remove(&gone);
            if let Some((lane, position)) = self.lanes.forget(gone) {
                self.save(lane, position.as_ref())?;
            }
        }
        self.read_to = now.clone();
        let mut fed = Fed::default();
        for lane in self.lanes.turns() {
            let waits = match (course, self.troubles.get(&lane)) {
                (Course::Alone(only), _) => lane != only,
                (Course::Sound, _) => self.is_apart(lane),
                (Course::All, trouble) => {
                    trouble.is_some_and(|trouble| Instant::now() < trouble.until)
                }
            };
            let is_paused = catalog.org_of_lane(lane).is_some_and(|org| paused.contains(&org));
            if is_paused || waits || self.window.is_parked(lane) {
                continue;
            }
            // Whoever comes after in this round has its turn first in the next one.
            if !self.has_room() {
                fed.full = true;
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
            if let Some((lane, position)) = self.lanes.leave(org, MAIN) {
                self.save(lane, position.as_ref())?;
            }
        }
        Ok(())
    }

    /// All of a lane has been sent and acknowledged.
    fn end_care(&mut self, lane: i32) {
        if !self.troubles.contains_key(&lane) {
            self.careful.remove(&lane);
        }
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
        let careful = self.careful.contains_key(&lane);
        if careful && self.window.load_of(lane).messages > 0 {
            return Ok(());
        }
        let from = self.window.ahead(lane).unwrap_or(self.lanes.position(lane)).clone();
        let target = from.target(now).clone();
        if from.within.is_none() && from.seen == target {
            self.end_care(lane);
            return Ok(());
        }
        let visible = Visible::now();
        let lanes = &self.lanes;
        let portion = self.backlogs.next(lane, lanes, &from, &target, TURN_CHUNKS, |keep| {
            let wanted = |source| is_ours(source, lane, lanes, catalog);
            read::select(objects, &visible, &from, &target, keep, wanted)
        });
        if portion.complete && portion.references.is_empty() {
            // Others' changes pass it by, perhaps all the time.
            self.end_care(lane);
        }
        if portion.fresh {
            let waiting = self.backlogs.sources(lane).map(|(source, _)| source);
            self.plans.prepare(catalog, waiting.collect(), producer)?;
        }
        if lane == MAIN && !portion.complete {
            let mut orgs: BTreeMap<i32, usize> = BTreeMap::new();
            for (source, chunks) in self.backlogs.sources(MAIN) {
                if let Some(org) = catalog.org_of(source) {
                    *orgs.entry(org).or_default() += chunks;
                }
            }
            // The canonical tables count as one org more.
            self.leaving.extend(lanes::heavy(&orgs, catalog.orgs.len() + 1));
            self.leave()?;
            if !self.leaving.is_empty() || orgs.keys().any(|org| self.lanes.has(*org)) {
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
        let begun = self.partly.get(&lane).copied();
        let budget = self.careful.get_mut(&lane).and_then(|careful| careful.next_group(begun));
        match budget {
            Some(_) => self.again.entry(lane).or_default().next_group(),
            None => drop(self.careful.remove(&lane)),
        }
        let batch = self.window.begin(lane);
        let fetcher = Fetcher::open(objects, &visible);
        let mut sender = Sender {
            log: Log { objects, visible: &visible, fetcher: &fetcher },
            feed: self,
            catalog,
            producer,
            lane,
            batch,
            parts: BTreeMap::new(),
            began: Instant::now(),
            budget: budget.unwrap_or(usize::MAX),
            size: 0,
            group: 0,
            refused: Vec::new(),
            failed: Vec::new(),
            unknown: BTreeSet::new(),
        };
        let mut last = None;
        let (mut complete, mut full) = (portion.complete, false);
        for reference in &portion.references {
            // What was set apart on the way begins again in a lane of its own.
            let org = catalog.org_of(reference.source);
            let apart = org.map(|org| sender.feed.apart(reference.source, org));
            let Some(apart) = apart.filter(|apart| !sender.failed.contains(apart)) else {
                last = Some(reference.seq);
                continue;
            };
            let room = sender.feed.has_room() && sender.feed.has_share(apart);
            if !room || sender.size > TURN_BYTES {
                (complete, full) = (false, !room);
                break;
            }
            match fetcher.fetch(reference, |head, images| sender.chunk(head, images))? {
                Some(Sent::Partly) => {
                    (complete, full) = (false, true);
                    break;
                }
                Some(Sent::Nothing) => {
                    complete = false;
                    break;
                }
                Some(Sent::All) | None => last = Some(reference.seq),
            }
            pgrx::check_for_interrupts!();
        }
        let Sender { refused, failed, unknown, size, .. } = sender;
        fed.sent |= size > 0;
        fed.refused.extend(refused);
        fed.failed.extend(&failed);
        fed.unknown.extend(unknown);
        if failed.contains(&lane) {
            // Given up, this batch included.
            return Ok(());
        }
        fed.more |= !complete && !full;
        // Who goes with care waits for every answer, and is not what others wait for.
        fed.full |= full && budget.is_none();
        let after = match (complete, last) {
            (true, _) => Position::at(target),
            (false, Some(last)) => Position { seen: from.seen, within: Some((target, last)) },
            (false, None) if size == 0 => {
                // Nothing was sent, so that nothing is proven by it.
                self.window.take_back(lane);
                return Ok(());
            }
            (false, None) => from,
        };
        self.window.end(batch, after);
        Ok(())
    }
}

/// Whether a source's changes are published in a lane.
fn is_ours(source: i32, lane: i32, lanes: &Lanes, catalog: &Catalog) -> bool {
    catalog.org_of(source).is_some_and(|org| lanes.of(source, org) == lane)
}
