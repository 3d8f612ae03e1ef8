//! Orgs in trouble: what becomes of failed messages, and of those that do not move. An org in trouble
//! gets a lane of its own, and all others go on.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::again::Place;
use super::careful::Careful;
use super::feed::Feed;
use crate::kafka::{self, Delivery, DeliveryError, Health, Producer};
use crate::log::position::MAIN;
use crate::worker::lifecycle::{Failure, backoff};

/// How old the oldest message of an org on its way may be before the brokers are asked why, and how
/// long they are given to answer before they are asked again.
const ASK_AFTER: Duration = Duration::from_secs(2);
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// How long brokers that answer may settle no message of an org before it is set apart without
/// knowing why.
const UNSETTLED: Duration = Duration::from_secs(10);
/// Longest pause between two tries of an org: a try is a single message.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Why an org's changes are not published just now.
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
    /// Orgs that were set apart.
    pub apart: Vec<i32>,
    pub refused: Vec<Refused>,
}

/// What failed of an org.
#[derive(Default)]
struct Failed {
    /// An error that concerns all its messages.
    org: Option<Arc<DeliveryError>>,
    /// An error that one message of a request is to blame for.
    message: Option<Arc<DeliveryError>>,
}

impl Feed {
    /// Books what the producer reports. Orgs whose messages failed get a lane and a pause of their
    /// own, and begin again where they were proven to be; all others go on.
    pub fn book(&mut self, deliveries: &mut Vec<Delivery>) -> Booked {
        let now = Instant::now();
        let mut failed: BTreeMap<i32, Failed> = BTreeMap::new();
        // Reports come in long runs of a token.
        let mut run = (0, 0);
        for delivery in deliveries.drain(..) {
            // One that was given up before is no news.
            if let Err(error) = delivery.result
                && let Some(org) = self.window.org(delivery.token)
            {
                let failed = failed.entry(org).or_default();
                let slot = if error.of_message { &mut failed.message } else { &mut failed.org };
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
        for (org, failed) in failed {
            let culprit = match (&failed, self.careful.get_mut(&org)) {
                (Failed { org: None, message: Some(error) }, Some(careful)) => {
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
                    self.set_apart(org, failed.org.map(|error| (&error.error).into()));
                    booked.apart.push(org);
                }
            }
        }
        booked
    }

    /// A message is no longer on its way, whatever became of it.
    pub fn settle(&mut self, token: u64) {
        self.window.settled(token, 1, Instant::now());
    }

    /// Gives an org a lane of its own, from the proven position on; what is on its way of it is sent
    /// again, carefully, once all reports of it are in. Without a failure, at once: then it is a
    /// single message that is to be found.
    pub(super) fn set_apart(&mut self, org: i32, failure: Option<Failure>) {
        self.refusals.give_up(org);
        let begun = if self.lanes.leave(org).is_some() {
            self.window.give_up_in_main(org);
            None
        } else {
            self.window.give_up(org);
            self.careful.get(&org).and_then(Careful::begun)
        };
        match begun {
            Some(begun) => self.partly.insert(org, begun),
            None => self.partly.remove(&org),
        };
        self.careful.insert(org, Careful::new(begun));
        if let Some(failure) = failure {
            let failures = self.troubles.get(&org).map_or(1, |trouble| trouble.failures + 1);
            let until = Instant::now() + backoff(failures).min(LONGEST_PAUSE);
            self.troubles.insert(org, Trouble { failure, until, failures });
        }
    }

    /// Asks after messages that do not move, and parks the orgs of which the brokers, though they
    /// answer, settle nothing. Returns these.
    pub fn watch(&mut self, producer: &mut Producer) -> Vec<i32> {
        let now = Instant::now();
        let reports = producer.reports();
        let still: BTreeMap<i32, Duration> =
            self.window.still(now, ASK_AFTER).into_iter().collect();
        self.asked.retain(|org, _| still.contains_key(org));
        if still.is_empty() {
            return Vec::new();
        }
        let mut topics: Vec<&str> = Vec::new();
        for org in still.keys() {
            let fresh = match self.asked.entry(*org) {
                Entry::Occupied(entry) if now.duration_since(*entry.get()) < ASK_AGAIN => false,
                entry => {
                    *entry.or_insert(now) = now;
                    true
                }
            };
            if fresh {
                topics.extend(self.plans.topics_of(*org));
            }
        }
        if !topics.is_empty() {
            producer.ask_about(&topics);
        }
        // After an outage everything is old, and nothing is wrong.
        let up = match producer.health() {
            Health::Up { since } => since.elapsed().unwrap_or_default(),
            _ => return Vec::new(),
        };
        let mut parked = Vec::new();
        for report in reports {
            let Some(org) = self.plans.org_of(&report.topic) else { continue };
            let Some(unsettled) = still.get(&org) else { continue };
            let error = match report.trouble {
                Some(error) if up >= ASK_AFTER => error,
                None if up >= UNSETTLED && *unsettled >= UNSETTLED => {
                    kafka::Error::not_moving(&report.topic, *unsettled)
                }
                _ => continue,
            };
            self.park(org, (&error).into());
            parked.push(org);
        }
        parked
    }

    /// An org that is tried again, in a transaction that all others wait for, is not to be tried at once.
    pub fn postpone(&mut self, org: i32) {
        if let Some(trouble) = self.troubles.get_mut(&org) {
            trouble.failures += 1;
            trouble.until = Instant::now() + backoff(trouble.failures);
        }
    }

    /// Gives an org whose messages do not move a lane of its own and takes them along: should they
    /// move, nothing has to be sent again.
    fn park(&mut self, org: i32, failure: Failure) {
        if self.lanes.leave(org).is_some() {
            self.window.carry_over(org);
            if let Some(partly) = self.partly.get(&MAIN).copied() {
                self.partly.insert(org, partly);
            }
        }
        self.window.park(org);
        let failures = self.troubles.get(&org).map_or(1, |trouble| trouble.failures);
        self.troubles.insert(org, Trouble { failure, until: Instant::now(), failures });
    }
}

/// What is wrong with a message, and what to do, in the one text that a problem has.
pub(super) fn told(error: &kafka::Error) -> String {
    match error.hint() {
        Some(hint) => format!("{error}. {hint}"),
        None => error.to_string(),
    }
}
