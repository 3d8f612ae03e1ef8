//! Feeding the producer from the log: lanes in turn, as much as the window has room for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::envelope::{EncodeError, Message, Scratch};
use super::plans::Plans;
use super::window::Window;
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::kafka::{Delivery, DeliveryError, Producer, SendError};
use crate::log::change::{ChunkHead, EventId, Op};
use crate::log::chunk;
use crate::log::lanes::{self, Lanes};
use crate::log::objects::Objects;
use crate::log::position::{self, MAIN};
use crate::log::read::{self, Fetcher, Visible};
use crate::log::snapshot::{Position, Snapshot};
use crate::pg::server::Here;
use crate::row::image::Malformed;
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
    window: Window,
    /// Bytes on their way, by batch; a batch is small against the window.
    bytes: BTreeMap<u64, usize>,
    /// Messages of a chunk that were already sent when the queue was full, by lane.
    partly: BTreeMap<i32, (i64, u32)>,
    troubles: BTreeMap<i32, Trouble>,
    /// Orgs that are to leave the main lane as soon as nothing of it is on its way: earlier, they
    /// would begin at the proven position and send again what is on its way already.
    leaving: BTreeSet<i32>,
    /// The moment up to which the last round read.
    read_to: Snapshot,
    scratch: Scratch,
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
            window: Window::default(),
            bytes: BTreeMap::new(),
            partly: BTreeMap::new(),
            troubles: troubled.iter().map(trouble).collect(),
            leaving: BTreeSet::new(),
            read_to: Snapshot::nothing(),
            scratch: Scratch::default(),
        }
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

    fn set_apart(&mut self, org: i32, failure: Failure) {
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
        let mut passed = false;
        let mut orgs: BTreeMap<i32, usize> = BTreeMap::new();
        let selection = read::select(objects, &visible, &from, &target, TURN_CHUNKS, |source| {
            passed = true;
            catalog.org_of(source).is_some_and(|org| {
                let ours = self.lanes.of(org) == lane;
                if ours {
                    *orgs.entry(org).or_default() += 1;
                }
                ours
            })
        });
        if lane == MAIN && !selection.complete {
            // The canonical tables count as one org more.
            self.leaving.extend(lanes::heavy(&orgs, catalog.orgs.len() + 1));
            self.leave()?;
            if !self.leaving.is_empty() || orgs.keys().any(|org| self.lanes.of(*org) != MAIN) {
                fed.more = true;
                return Ok(());
            }
        }
        // Nothing of anybody: nothing has to be written down, and moving on in memory is enough.
        if !passed && from.within.is_none() {
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
        let mut complete = selection.complete;
        for reference in &selection.references {
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

enum Sent {
    All,
    /// The queue was full in the middle of the chunk.
    Partly,
}

/// Why sending a chunk stopped.
enum Stop {
    Full,
    /// The org cannot be served now.
    Org(Failure),
    Fatal(crate::kafka::Error),
}

impl From<Malformed> for Stop {
    fn from(error: Malformed) -> Self {
        Stop::Org(Error::from(error).into())
    }
}

struct Sender<'a> {
    feed: &'a mut Feed,
    catalog: &'a Catalog,
    producer: &'a mut Producer,
    lane: i32,
    token: u64,
    size: usize,
    refused: Vec<Refused>,
    failed: Vec<i32>,
}

impl Sender<'_> {
    fn chunk(&mut self, head: &ChunkHead, images: &[u8]) -> Result<Sent> {
        if matches!(head.op, Op::Gap | Op::Truncate) {
            return Ok(Sent::All);
        }
        let org = self.catalog.org_of(head.source).unwrap_or(crate::catalog::CANONICAL);
        let compiled = match self.feed.plans.get(self.catalog, head.source, head.layout) {
            Ok(compiled) => compiled,
            Err(error) => return Ok(self.set_apart(org, error.into())),
        };
        let skip = match self.feed.partly.remove(&self.lane) {
            Some((seq, sent)) if seq == head.seq => sent,
            _ => 0,
        };
        let mut count = 0;
        let now_us = now_microseconds();
        let mut scratch = std::mem::take(&mut self.feed.scratch);
        let outcome = chunk::for_each_row(head.op, images, &compiled.layout, |ordinal, row| {
            let encoded = compiled.plan.encode(
                head,
                ordinal,
                row.old.as_deref(),
                row.new.as_deref(),
                now_us,
                &Here,
                &mut scratch,
                &mut |message| {
                    if count >= skip {
                        self.send(head.source, &message)?;
                    }
                    count += 1;
                    Ok(())
                },
            );
            match encoded {
                Ok(()) => Ok(()),
                Err(EncodeError::Sink(stop)) => Err(stop),
                Err(EncodeError::Row(malformed)) => {
                    self.refused.push(Refused {
                        source: head.source,
                        event_id: EventId { seq: head.seq, ordinal }.to_string(),
                        key: format!("event:{}.{ordinal}", head.seq),
                        message: malformed.to_string(),
                    });
                    Ok(())
                }
            }
        });
        self.feed.scratch = scratch;
        match outcome {
            Ok(()) => Ok(Sent::All),
            Err(Stop::Full) => {
                self.feed.partly.insert(self.lane, (head.seq, count));
                Ok(Sent::Partly)
            }
            Err(Stop::Fatal(error)) => Err(Error::state(
                error.to_string(),
                error.hint().unwrap_or_else(|| "It is tried again with a new producer.".into()),
            )),
            Err(Stop::Org(failure)) => Ok(self.set_apart(org, failure)),
        }
    }

    /// As if it had failed on its way: the org begins again, later, where it was proven to be.
    fn set_apart(&mut self, org: i32, failure: Failure) -> Sent {
        self.feed.set_apart(org, failure);
        self.failed.push(org);
        if self.lane == MAIN { Sent::All } else { Sent::Partly }
    }

    fn send(&mut self, source: i32, message: &Message<'_>) -> Result<(), Stop> {
        let outcome = self.producer.send(
            message.topic,
            message.key,
            message.value,
            message.headers,
            message.timestamp_ms,
            self.token,
        );
        match outcome {
            Ok(()) => {
                self.feed.window.sent(self.token);
                self.size +=
                    message.key.map_or(0, <[u8]>::len) + message.value.map_or(0, <[u8]>::len);
                Ok(())
            }
            Err(SendError::QueueFull) => Err(Stop::Full),
            Err(SendError::Refused { error, .. }) => {
                self.refused.push(Refused {
                    source,
                    event_id: message.event.to_string(),
                    key: String::from_utf8_lossy(message.key.unwrap_or_default()).into_owned(),
                    message: error.to_string(),
                });
                Ok(())
            }
            Err(SendError::TopicUnavailable { error, .. }) => Err(Stop::Org((&error).into())),
            Err(SendError::Fatal(error)) => Err(Stop::Fatal(error)),
        }
    }
}

fn now_microseconds() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as i64)
}
