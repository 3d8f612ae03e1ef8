//! Sending the changes of a chunk: encoded once, handed to the producer, booked in the window.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::again::{Again, Place};
use super::apart::{Refused, told};
use super::events::{Event, Events};
use super::feed::Feed;
use super::key;
use super::message::Message;
use super::transactions::{Known, Log};
use crate::catalog::{CANONICAL, Catalog};
use crate::error::{Error, Result};
use crate::kafka::{self, Producer, SendError};
use crate::log::change::ChunkHead;
use crate::row::image::Malformed;
use crate::worker::lifecycle::Failure;

/// How much of a chunk was sent.
pub(super) enum Sent {
    All,
    /// The queue was full in the middle of the chunk.
    Partly,
    /// There is more to be known before it is its turn.
    Nothing,
}

/// Why sending a chunk stopped.
enum Stop {
    Full,
    /// The topic cannot be served now.
    Topic(Failure),
    Fatal(crate::kafka::Error),
}

impl From<Malformed> for Stop {
    fn from(error: Malformed) -> Self {
        Stop::Topic(Error::from(error).into())
    }
}

/// One lane's turn to send.
pub(super) struct Sender<'a> {
    pub log: Log<'a>,
    pub feed: &'a mut Feed,
    pub catalog: &'a Catalog,
    pub producer: &'a mut Producer,
    pub lane: i32,
    pub batch: u64,
    /// The batch's parts, by the lane that their topic would be set apart in.
    pub parts: BTreeMap<i32, u64>,
    pub began: Instant,
    /// How many messages may be sent.
    pub budget: usize,
    pub size: usize,
    /// How many messages of the group have been sent.
    pub group: usize,
    pub refused: Vec<Refused>,
    pub failed: Vec<i32>,
    /// As of a [turn](super::feed::Fed).
    pub unknown: BTreeSet<i32>,
}

impl Sender<'_> {
    pub fn chunk(&mut self, head: &ChunkHead, images: &[u8]) -> Result<Sent> {
        if self.feed.plans.skips(head.op) {
            return Ok(Sent::All);
        }
        let org = self.catalog.org_of(head.source).unwrap_or(CANONICAL);
        let apart = self.feed.apart(head.source, org);
        let compiled = match self.feed.plans.get(self.catalog, head.source, head.layout) {
            Ok(compiled) => compiled,
            Err(error) => return Ok(self.set_apart(apart, error.into())),
        };
        let transaction = {
            let Feed { transactions, plans, .. } = &mut *self.feed;
            transactions.get(head, org, self.catalog, plans, &self.log)
        };
        let transaction = match transaction {
            Ok(Known::Untold) => None,
            Ok(Known::NotYet) => return Ok(Sent::Nothing),
            Ok(Known::Counted(transaction)) => Some(transaction),
            Err(error) => return Ok(self.set_apart(apart, error.into())),
        };
        let skip = match self.feed.partly.remove(&self.lane) {
            Some((seq, sent)) if seq == head.seq => Some(sent),
            _ => None,
        };
        let token = self.part(apart);
        let count = Cell::new(0);
        let mut scratch = std::mem::take(&mut self.feed.scratch);
        let mut again = self.feed.again.remove(&self.lane).unwrap_or_default();
        let topic = self.feed.plans.transaction_topic().to_owned();
        let events = Events {
            head,
            images,
            compiled: &compiled,
            transaction: transaction.as_deref(),
            transaction_topic: &topic,
            schemas: self.feed.plans.schemas(),
            now_us: now_microseconds(),
        };
        let outcome = events.each(&mut scratch, &mut |event| {
            let place = (head.seq, count.get());
            match event {
                Event::Message(message) => {
                    if place.1 >= skip.unwrap_or(0) && !again.is_refused(place) {
                        self.send(head.source, token, &message, place, &again)?;
                    }
                    count.set(place.1 + 1);
                }
                Event::NoKey(_) => {
                    self.unknown.insert(head.source);
                }
                // Where the chunk goes on, those before its place were noted when it came so far.
                Event::Damaged(..) if skip.is_some_and(|skip| place.1 <= skip) => {}
                Event::Damaged(event, malformed) => self.refused.push(Refused {
                    source: head.source,
                    event_id: event.to_string(),
                    key: format!("event:{event}"),
                    size: images.len(),
                    place,
                    message: malformed.to_string(),
                }),
            }
            Ok(())
        });
        self.feed.scratch = scratch;
        if outcome.is_ok() && self.feed.careful.contains_key(&self.lane) {
            again.sent(head.seq);
        }
        self.feed.again.insert(self.lane, again);
        match outcome {
            Ok(()) => {
                if transaction.is_some() {
                    self.feed.transactions.passed(head, org);
                }
                Ok(Sent::All)
            }
            Err(Stop::Full) => {
                self.feed.partly.insert(self.lane, (head.seq, count.get()));
                Ok(Sent::Partly)
            }
            Err(Stop::Fatal(error)) => Err(Error::state(
                error.to_string(),
                error.hint().unwrap_or_else(|| "It is tried again with a new producer.".into()),
            )),
            Err(Stop::Topic(failure)) => Ok(self.set_apart(apart, failure)),
        }
    }

    /// As if it had failed on its way: the topic begins again, later, where it was proven to be.
    fn set_apart(&mut self, apart: i32, failure: Failure) -> Sent {
        self.feed.set_apart(apart, Some(failure), self.catalog);
        self.failed.push(apart);
        if self.lane == apart { Sent::Partly } else { Sent::All }
    }

    /// The token of a topic's messages in this batch.
    fn part(&mut self, apart: i32) -> u64 {
        let (window, batch, began) = (&mut self.feed.window, self.batch, self.began);
        *self.parts.entry(apart).or_insert_with(|| window.part(batch, apart, began))
    }

    fn send(
        &mut self,
        source: i32,
        token: u64,
        message: &Message<'_>,
        place: Place,
        again: &Again,
    ) -> Result<(), Stop> {
        let good = again.is_good(place);
        if self.budget == 0 && !good {
            return Err(Stop::Full);
        }
        let size = message.key.map_or(0, <[u8]>::len) + message.value.map_or(0, <[u8]>::len);
        let record = key::payload(message.key.unwrap_or_default());
        let described = |told: String| Refused {
            source,
            event_id: message.event.to_string(),
            key: String::from_utf8_lossy(record).into_owned(),
            size,
            place,
            message: told,
        };
        let outcome = match self.verdict(message, size)? {
            Some(error) => Err(SendError::Refused { topic: message.topic.to_owned(), size, error }),
            None => self.hand_over(message, token),
        };
        match outcome {
            Ok(()) => {
                self.feed.window.sent(token, size);
                self.feed.refusals.sent(source, record, message.event, token);
                self.budget -= usize::from(!good);
                self.group += 1;
                self.size += size;
                if let Some(careful) = self.feed.careful.get_mut(&self.lane).filter(|_| !good) {
                    careful.sent(|| described(String::new()));
                }
                Ok(())
            }
            Err(SendError::QueueFull) => Err(Stop::Full),
            Err(SendError::Refused { error, .. }) => {
                let refused = described(told(&error));
                self.feed.refusals.add((source, refused.key.clone()), refused.event_id.clone());
                self.refused.push(refused);
                Ok(())
            }
            Err(SendError::TopicUnavailable { error, .. }) => Err(Stop::Topic((&error).into())),
            Err(SendError::Fatal(error)) => Err(Stop::Fatal(error)),
        }
    }

    fn hand_over(&mut self, message: &Message<'_>, token: u64) -> Result<(), SendError> {
        self.producer.send(
            message.topic,
            message.key,
            message.value,
            message.headers,
            message.timestamp_ms,
            token,
        )
    }

    /// Why the brokers are known not to take a message, if they are.
    fn verdict(
        &mut self,
        message: &Message<'_>,
        size: usize,
    ) -> Result<Option<kafka::Error>, Stop> {
        let Some(verdict) = self.feed.verdicts.get(&self.lane) else { return Ok(None) };
        let Message { topic, key, value, headers, .. } = message;
        if let Some(error) = verdict.on(topic, *key, *value, headers) {
            return Ok(Some(error.clone()));
        }
        let Some(limit) = verdict.limit(topic) else { return Ok(None) };
        let bytes = kafka::batch_size(*key, *value, headers);
        if bytes > limit && !self.producer.config().compresses() {
            let topic = (*topic).to_owned();
            return Ok(Some(kafka::Error::TooLarge { topic, size: Some(size), of_broker: true }));
        }
        // It may be small enough when it is compressed: it goes alone, and is the culprit if it is refused.
        if bytes > limit {
            if self.group > 0 {
                return Err(Stop::Full);
            }
            self.budget = self.budget.min(1);
        }
        Ok(None)
    }
}

fn now_microseconds() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as i64)
}
