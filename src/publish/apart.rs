//! Topics in trouble: what becomes of failed messages, and of those that do not move. A topic in trouble
//! gets a lane of its own, and all others go on, those of its org included. (With transaction metadata,
//! its org gets one: see [`Feed::apart`].)

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::again::Place;
use super::careful::Careful;
use super::feed::Feed;
use crate::catalog::Catalog;
use crate::kafka::{self, Delivery, DeliveryError, Health, Named, Producer};
use crate::log::lanes;
use crate::worker::lifecycle::{Failure, backoff};

/// How old the oldest message of a topic on its way may be before the brokers are asked why, and how
/// long they are given to answer before they are asked again.
const ASK_AFTER: Duration = Duration::from_secs(2);
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// How long brokers that answer may settle no message of a topic before it is set apart without
/// knowing why.
const UNSETTLED: Duration = Duration::from_secs(10);
/// Longest pause between two tries of a topic: a try is a single message.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Why a topic's changes are not published just now.
#[derive(Debug, Clone)]
pub struct Trouble {
    pub failure: Failure,
    /// When it is tried again.
    pub until: Instant,
    pub failures: u32,
}

/// A change that Kafka will never take.
#[derive(Debug, Clone, Default)]
pub struct Refused {
    pub source: i32,
    pub event_id: String,
    /// The record: the message's key.
    pub key: String,
    /// Bytes of key and value.
    pub size: usize,
    pub place: Place,
    pub message: String,
}

/// What the producer's reports amount to.
#[derive(Debug, Default)]
pub struct Booked {
    /// Lanes of those that were set apart.
    pub apart: Vec<i32>,
    pub refused: Vec<Refused>,
}

/// What failed of a topic.
#[derive(Default)]
struct Failed {
    /// An error that concerns all its messages.
    all: Option<Arc<DeliveryError>>,
    /// An error that one message of a request is to blame for.
    message: Option<Arc<DeliveryError>>,
    /// Messages that reports call invalid.
    named: Vec<(Named, Arc<DeliveryError>)>,
    /// Others are said to be well: then it is those that are named which are not.
    others: bool,
}

impl Feed {
    /// The lane that a source is set apart in when something is wrong with its topic: one of its own. Where
    /// transactions are told, its org's: one lane tells a transaction's beginning, its events and its end,
    /// or consumers would learn of an end before the beginning.
    pub(super) fn apart(&self, source: i32, org: i32) -> i32 {
        let own = lanes::of_source(source);
        if self.plans.tells_transactions() && !self.lanes.has(own) { org } else { own }
    }

    /// Books what the producer reports. Topics whose messages failed get a lane and a pause of their
    /// own, and begin again where they were proven to be; all others go on.
    pub fn book(&mut self, deliveries: &mut Vec<Delivery>, catalog: &Catalog) -> Booked {
        let now = Instant::now();
        let mut failed: BTreeMap<i32, Failed> = BTreeMap::new();
        let mut given_up: BTreeSet<u64> = BTreeSet::new();
        // Reports come in long runs of a token.
        let mut run = (0, 0);
        for delivery in deliveries.drain(..) {
            // One that was given up before is no news.
            if delivery.result.as_ref().is_err_and(|error| error.is_given_up()) {
                given_up.insert(delivery.token);
            } else if let Err(error) = delivery.result
                && let Some(apart) = self.window.apart(delivery.token)
            {
                let failed = failed.entry(apart).or_default();
                failed.others |= error.is_of_another();
                failed.named.extend(delivery.named.map(|named| (*named, Arc::clone(&error))));
                let slot = if error.of_message { &mut failed.message } else { &mut failed.all };
                slot.get_or_insert(error);
            }
            if run.0 != delivery.token {
                self.window.settled(run.0, run.1, now);
                run = (delivery.token, 0);
            }
            run.1 += 1;
        }
        self.window.settled(run.0, run.1, now);
        let mut booked = Booked::default();
        for (apart, mut failed) in failed {
            if failed.others {
                let verdict = self.verdicts.entry(apart).or_default();
                failed
                    .named
                    .drain(..)
                    .for_each(|(message, error)| verdict.refuse(message, error.error.clone()));
            }
            let culprit = match (&failed, self.careful.get_mut(&apart)) {
                (Failed { all: None, message: Some(error), .. }, Some(careful)) => {
                    careful.culprit().map(|culprit| (culprit, error))
                }
                _ => None,
            };
            match culprit {
                Some((culprit, error)) => {
                    let error = error.error.clone().of_size(culprit.size);
                    let record = (culprit.source, culprit.key.clone());
                    self.refusals.add(record, culprit.event_id.clone());
                    booked.refused.push(Refused { message: told(&error), ..culprit });
                }
                None => {
                    let failure = failed.all.map(|error| (&error.error).into());
                    self.set_apart(apart, failure, catalog);
                    booked.apart.push(apart);
                }
            }
        }
        given_up.into_iter().for_each(|token| self.begin_again(token));
        booked
    }

    /// Whether something is left in the producer that may wait behind what was refused of a topic. In the one
    /// that tells everybody's transactions, that is so until it has been given up.
    pub fn has_left(&self, topic: &str, given_up: bool, catalog: &Catalog) -> bool {
        match self.apart_of(topic, catalog) {
            Some(apart) => self.window.load_of(apart).messages > 0,
            None => !given_up && topic == self.plans.transaction_topic(),
        }
    }

    /// A message was given up that waited, not for its own sake: its lane goes back to before its batch.
    fn begin_again(&mut self, token: u64) {
        let Some(lane) = self.window.give_up_behind(token) else { return };
        let begun = self.careful.get(&lane).and_then(Careful::begun);
        if self.is_apart(lane) {
            self.go_carefully(lane, begun);
        } else {
            self.partly.remove(&lane);
        }
        self.forget_refusals();
    }

    /// A message is no longer on its way, whatever became of it.
    pub fn settle(&mut self, token: u64) {
        self.window.settled(token, 1, Instant::now());
    }

    /// Begins a topic's own lane at the proven position; what is on its way of it is sent again,
    /// carefully, once all reports of it are in. Without a failure, at once: then it is a single message
    /// that is to be found.
    pub fn set_apart(&mut self, apart: i32, failure: Option<Failure>, catalog: &Catalog) {
        let begun = if let Some(left) = self.begin_lane(apart, catalog) {
            self.window.give_up_in(left, apart);
            None
        } else {
            self.window.give_up(apart);
            self.careful.get(&apart).and_then(Careful::begun)
        };
        self.go_carefully(apart, begun);
        self.forget_refusals();
        if let Some(failure) = failure {
            let failures = self.troubles.get(&apart).map_or(1, |trouble| trouble.failures + 1);
            let until = Instant::now() + backoff(failures).min(LONGEST_PAUSE);
            self.troubles.insert(apart, Trouble { failure, until, failures });
        }
    }

    /// Sends what a lane has with care, after those messages of a chunk.
    fn go_carefully(&mut self, lane: i32, begun: Option<Place>) {
        match begun {
            Some(begun) => self.partly.insert(lane, begun),
            None => self.partly.remove(&lane),
        };
        self.careful.insert(lane, Careful::new(begun));
    }

    /// Of what was given up, nothing is mended.
    fn forget_refusals(&mut self) {
        let window = &self.window;
        self.refusals.give_up(|token| window.apart(token).is_none());
    }

    /// Begins a lane, unless it has begun; the one that it left.
    fn begin_lane(&mut self, lane: i32, catalog: &Catalog) -> Option<i32> {
        let parent = self.lanes.parent(lane, |source| catalog.org_of(source));
        self.lanes.leave(lane, parent).map(|_| parent)
    }

    /// Learns what brokers say of messages that they did not take, as long as it matters.
    fn learn(&mut self, producer: &mut Producer, catalog: &Catalog) {
        for (topic, bytes) in producer.limits() {
            if let Some(apart) = self.apart_of(&topic, catalog) {
                self.verdicts.entry(apart).or_default().learn(&topic, bytes);
            }
        }
        self.verdicts.retain(|apart, _| self.careful.contains_key(apart));
    }

    /// The lane that a topic is set apart in, if it is a source's.
    pub fn apart_of(&self, topic: &str, catalog: &Catalog) -> Option<i32> {
        let source = self.plans.source_of(topic)?;
        Some(self.apart(source, catalog.org_of(source)?))
    }

    /// Asks after messages that do not move, and parks the topics of which the brokers, though they
    /// answer, settle nothing. Returns their lanes.
    pub fn watch(&mut self, producer: &mut Producer, catalog: &Catalog) -> Vec<i32> {
        self.learn(producer, catalog);
        let now = Instant::now();
        let reports = producer.reports();
        let still: BTreeMap<i32, Duration> =
            self.window.still(now, ASK_AFTER).into_iter().collect();
        self.asked.retain(|apart, _| still.contains_key(apart));
        if still.is_empty() {
            return Vec::new();
        }
        let mut ask: BTreeSet<i32> = BTreeSet::new();
        for apart in still.keys() {
            match self.asked.entry(*apart) {
                Entry::Occupied(entry) if now.duration_since(*entry.get()) < ASK_AGAIN => {}
                entry => {
                    *entry.or_insert(now) = now;
                    ask.insert(*apart);
                }
            }
        }
        let apart = |source| Some(self.apart(source, catalog.org_of(source)?));
        let asked = |(topic, source)| apart(source).filter(|of| ask.contains(of)).map(|_| topic);
        let mut topics: Vec<&str> = self.plans.topics().filter_map(asked).collect();
        // Every org's transactions are told there.
        let shared =
            self.plans.tells_transactions().then(|| self.plans.transaction_topic().to_owned());
        if !topics.is_empty() {
            topics.extend(shared.as_deref());
            producer.ask_about(&topics);
        }
        // After an outage everything is old, and nothing is wrong. Where nothing arrives for want of a
        // leader, it looks like one, but somebody has answered.
        let up = match producer.health() {
            Health::Up { since } => since.elapsed().unwrap_or_default(),
            Health::Down { .. } => ASK_AFTER,
            Health::Connecting { .. } => return Vec::new(),
        };
        let mut parked = Vec::new();
        for report in reports {
            if let Some(error) = report.trouble.as_ref().filter(|_| up >= ASK_AFTER)
                && shared.as_ref() == Some(&report.topic)
            {
                still.keys().for_each(|apart| self.park(*apart, error.into(), catalog));
                parked.extend(still.keys());
                continue;
            }
            let Some(apart) = self.apart_of(&report.topic, catalog) else { continue };
            let Some(unsettled) = still.get(&apart) else { continue };
            let error = match report.trouble {
                Some(error) if up >= ASK_AFTER => error,
                None if up >= UNSETTLED && *unsettled >= UNSETTLED => {
                    kafka::Error::not_moving(&report.topic, *unsettled)
                }
                _ => continue,
            };
            self.park(apart, (&error).into(), catalog);
            parked.push(apart);
        }
        parked
    }

    /// What is tried again, in a transaction that all others wait for, is not to be tried at once.
    pub fn postpone(&mut self, apart: i32) {
        if let Some(trouble) = self.troubles.get_mut(&apart) {
            trouble.failures += 1;
            trouble.until = Instant::now() + backoff(trouble.failures);
        }
    }

    /// Gives a topic whose messages do not move a lane of its own and takes them along: should they
    /// move, nothing has to be sent again.
    fn park(&mut self, apart: i32, failure: Failure, catalog: &Catalog) {
        if let Some(left) = self.begin_lane(apart, catalog) {
            self.window.carry_over(left, apart);
            if let Some(partly) = self.partly.get(&left).copied() {
                self.partly.insert(apart, partly);
            }
        }
        self.window.park(apart);
        let failures = self.troubles.get(&apart).map_or(1, |trouble| trouble.failures);
        self.troubles.insert(apart, Trouble { failure, until: Instant::now(), failures });
    }
}

/// What is wrong with a message, and what to do, in the one text that a problem has.
pub(super) fn told(error: &kafka::Error) -> String {
    match error.hint() {
        Some(hint) => format!("{error}. {hint}"),
        None => error.to_string(),
    }
}
