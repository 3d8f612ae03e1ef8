//! The window: what has been sent and not yet acknowledged, batch by batch.
//!
//! A position moves only with proof. The messages that take a lane from one position to the next
//! form a batch; the position after it is proven when the batch and all before it in the lane are
//! acknowledged to the last message. What a batch holds of one topic is a *part*, whose number is the
//! token of its messages. (With transaction metadata it is what it holds of one org.) Pure.
//!
//! Parts are what keeps topics apart. Each knows the lane of its own that its topic would be set apart
//! in, *apart* for short. A topic that gets no further takes its parts along into that lane
//! ([`Window::carry_over`]), and its messages no longer count for the window that all share
//! ([`Window::park`]). Of one whose messages failed, the parts are given up, but their reports are
//! awaited ([`Window::load_of`]): what is sent after them is sent once nothing of it is on its way any
//! more.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::log::snapshot::Position;

#[derive(Debug)]
struct Batch {
    unacknowledged: u32,
    parts: Vec<u64>,
    /// The position after it, once all its messages have been sent.
    after: Option<Position>,
}

#[derive(Debug)]
struct Part {
    /// None: given up.
    batch: Option<u64>,
    apart: i32,
    begun: Instant,
    unacknowledged: u32,
    bytes: usize,
}

/// What a topic has on its way.
#[derive(Debug)]
struct Moving {
    messages: usize,
    bytes: usize,
    /// Parts, oldest first.
    parts: VecDeque<u64>,
    /// When a message was last settled, or the first was sent.
    since: Instant,
    parked: bool,
}

/// How much is on its way.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    pub messages: usize,
    pub bytes: usize,
}

impl Moving {
    fn new(now: Instant) -> Moving {
        Moving { messages: 0, bytes: 0, parts: VecDeque::new(), since: now, parked: false }
    }
}

impl Load {
    fn add(&mut self, messages: usize, bytes: usize) {
        self.messages += messages;
        self.bytes += bytes;
    }

    fn take(&mut self, messages: usize, bytes: usize) {
        self.messages = self.messages.saturating_sub(messages);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// All batches on their way.
#[derive(Debug, Default)]
pub struct Window {
    last_batch: u64,
    last_part: u64,
    batches: HashMap<u64, Batch>,
    parts: HashMap<u64, Part>,
    order: BTreeMap<i32, VecDeque<u64>>,
    topics: BTreeMap<i32, Moving>,
    load: Load,
    parked: Load,
}

impl Window {
    /// Begins a batch.
    pub fn begin(&mut self, lane: i32) -> u64 {
        self.last_batch += 1;
        let batch = Batch { unacknowledged: 0, parts: Vec::new(), after: None };
        self.batches.insert(self.last_batch, batch);
        self.order.entry(lane).or_default().push_back(self.last_batch);
        self.last_batch
    }

    /// Begins a topic's part of a batch; its number is the token of the messages.
    pub fn part(&mut self, batch: u64, apart: i32, now: Instant) -> u64 {
        self.last_part += 1;
        let part = Part { batch: Some(batch), apart, begun: now, unacknowledged: 0, bytes: 0 };
        self.parts.insert(self.last_part, part);
        if let Some(batch) = self.batches.get_mut(&batch) {
            batch.parts.push(self.last_part);
        }
        let moving = self.topics.entry(apart).or_insert_with(|| Moving::new(now));
        if moving.messages == 0 {
            *moving = Moving::new(now);
        }
        moving.parts.push_back(self.last_part);
        self.last_part
    }

    /// One message of a part was taken for sending.
    pub fn sent(&mut self, token: u64, bytes: usize) {
        let Some(part) = self.parts.get_mut(&token) else { return };
        part.unacknowledged += 1;
        part.bytes += bytes;
        if let Some(batch) = part.batch.and_then(|batch| self.batches.get_mut(&batch)) {
            batch.unacknowledged += 1;
        }
        if let Some(moving) = self.topics.get_mut(&part.apart) {
            moving.messages += 1;
            moving.bytes += bytes;
            if moving.parked { &mut self.parked } else { &mut self.load }.add(1, bytes);
        }
    }

    /// All messages of a batch were taken for sending; after it the lane is at `after`.
    pub fn end(&mut self, batch: u64, after: Position) {
        if let Some(batch) = self.batches.get_mut(&batch) {
            batch.after = Some(after);
        }
    }

    /// Messages of a part are settled.
    pub fn settled(&mut self, token: u64, messages: u32, now: Instant) {
        let Some(part) = self.parts.get_mut(&token).filter(|part| part.unacknowledged > 0) else {
            return;
        };
        let messages = messages.min(part.unacknowledged);
        // What a message had is not known: each takes its share of what is left.
        let bytes = part.bytes / part.unacknowledged as usize * messages as usize;
        part.unacknowledged -= messages;
        let bytes = if part.unacknowledged == 0 { part.bytes } else { bytes };
        part.bytes -= bytes;
        let apart = part.apart;
        match part.batch {
            Some(batch) => {
                if let Some(batch) = self.batches.get_mut(&batch) {
                    batch.unacknowledged -= messages;
                }
            }
            None if part.unacknowledged == 0 => {
                self.parts.remove(&token);
            }
            None => {}
        }
        if let Some(moving) = self.topics.get_mut(&apart) {
            if moving.parked { &mut self.parked } else { &mut self.load }
                .take(messages as usize, bytes);
            moving.messages -= messages as usize;
            moving.bytes -= bytes;
            moving.since = now;
            let parts = &self.parts;
            let open = |token| parts.get(token).is_some_and(|part: &Part| part.unacknowledged > 0);
            let done = moving.parts.iter().take_while(|token| !open(token)).count();
            moving.parts.drain(..done);
        }
        self.unpark(apart);
        if self.topics.get(&apart).is_some_and(|moving| moving.messages == 0) {
            self.topics.remove(&apart);
        }
    }

    /// The topic of a part that has not been given up, by the lane that it would be set apart in.
    pub fn apart(&self, token: u64) -> Option<i32> {
        self.parts.get(&token).filter(|part| part.batch.is_some()).map(|part| part.apart)
    }

    /// Takes out what is proven by now: for each lane that moved, its newest proven position.
    pub fn proven(&mut self) -> Vec<(i32, Position)> {
        let mut moved = Vec::new();
        for (lane, order) in &mut self.order {
            let mut newest = None;
            while let Some(batch) = order.front() {
                if !self.batches.get(batch).is_some_and(Batch::is_proven) {
                    break;
                }
                if let Some(batch) = self.batches.remove(batch) {
                    for part in &batch.parts {
                        self.parts.remove(part);
                    }
                    newest = batch.after;
                }
                order.pop_front();
            }
            moved.extend(newest.map(|position| (*lane, position)));
        }
        self.order.retain(|_, order| !order.is_empty());
        moved
    }

    /// Whether `proven` would return anything.
    pub fn has_proof(&self) -> bool {
        let mut first = self.order.values().filter_map(VecDeque::front);
        first.any(|batch| self.batches.get(batch).is_some_and(Batch::is_proven))
    }

    /// Where a lane is when all that is on its way has arrived; `None` if nothing is.
    pub fn ahead(&self, lane: i32) -> Option<&Position> {
        let newest = self.order.get(&lane)?.back()?;
        self.batches.get(newest)?.after.as_ref()
    }

    /// Whether nothing of a lane is on its way.
    pub fn is_quiet(&self, lane: i32) -> bool {
        !self.order.contains_key(&lane)
    }

    /// Gives up what is on its way in a lane: it will be sent again from the proven position.
    pub fn give_up(&mut self, lane: i32) {
        self.give_up_from(lane, 0);
    }

    /// A lane's last batch, which has not ended, is none.
    pub fn take_back(&mut self, lane: i32) {
        let last = self.order.get(&lane).and_then(|order| order.len().checked_sub(1));
        last.into_iter().for_each(|last| self.give_up_from(lane, last));
    }

    /// The same from the batch on that a message belongs to; its lane, unless it was given up before.
    pub fn give_up_behind(&mut self, token: u64) -> Option<i32> {
        let batch = self.parts.get(&token)?.batch?;
        let (lane, at) = self.order.iter().find_map(|(lane, order)| {
            Some((*lane, order.iter().position(|other| *other == batch)?))
        })?;
        self.give_up_from(lane, at);
        Some(lane)
    }

    fn give_up_from(&mut self, lane: i32, at: usize) {
        let Some(order) = self.order.get_mut(&lane) else { return };
        let batches = order.split_off(at);
        if order.is_empty() {
            self.order.remove(&lane);
        }
        for batch in batches {
            let Some(batch) = self.batches.remove(&batch) else { continue };
            for token in batch.parts {
                self.give_up_part(token);
            }
        }
    }

    /// Gives up what a lane has of a topic on its way: one of its own will send it again.
    pub fn give_up_in(&mut self, lane: i32, apart: i32) {
        for (batch, token) in self.parts_in(lane, apart) {
            if let Some(batch) = self.batches.get_mut(&batch) {
                batch.parts.retain(|part| *part != token);
                let open = self.parts.get(&token).map_or(0, |part| part.unacknowledged);
                batch.unacknowledged -= open;
            }
            self.give_up_part(token);
        }
    }

    /// Moves what a lane has of a topic on its way to one of its own, which begins where that lane is
    /// proven to be: there is nothing to be sent again, should it arrive after all.
    pub fn carry_over(&mut self, lane: i32, apart: i32) {
        let parts: HashMap<u64, u64> = self.parts_in(lane, apart).into_iter().collect();
        let all: Vec<u64> = self.order.get(&lane).into_iter().flatten().copied().collect();
        // From the first batch with something of the topic on; before it, all of its is acknowledged.
        for batch in all.into_iter().skip_while(|batch| !parts.contains_key(batch)) {
            let token = parts.get(&batch).copied();
            let open =
                token.and_then(|token| self.parts.get(&token)).map_or(0, |p| p.unacknowledged);
            let Some(from) = self.batches.get_mut(&batch) else { continue };
            from.parts.retain(|part| Some(*part) != token);
            from.unacknowledged -= open;
            let after = from.after.clone();
            let batch = self.begin(apart);
            if let Some(token) = token
                && let Some(part) = self.parts.get_mut(&token)
            {
                part.batch = Some(batch);
            }
            if let Some(own) = self.batches.get_mut(&batch) {
                own.parts.extend(token);
                own.unacknowledged = open;
                own.after = after;
            }
        }
    }

    /// The batches of a lane that have something of a topic, and the parts, in their order.
    fn parts_in(&self, lane: i32, apart: i32) -> Vec<(u64, u64)> {
        let of_topic = |token: &u64| self.parts.get(token).is_some_and(|part| part.apart == apart);
        let found = self.order.get(&lane).into_iter().flatten().filter_map(|number| {
            let batch = self.batches.get(number)?;
            Some((*number, batch.parts.iter().copied().find(of_topic)?))
        });
        found.collect()
    }

    fn give_up_part(&mut self, token: u64) {
        let Some(part) = self.parts.get_mut(&token) else { return };
        if part.unacknowledged == 0 {
            self.parts.remove(&token);
            return;
        }
        part.batch = None;
    }

    /// Those with a part in a batch that is not proven.
    pub fn apart_of_batches(&self) -> BTreeSet<i32> {
        self.parts.values().filter(|part| part.batch.is_some()).map(|part| part.apart).collect()
    }

    /// What is on its way, but for topics that are parked.
    pub fn load(&self) -> Load {
        self.load
    }

    /// What topics have on their way that are parked.
    pub fn parked(&self) -> Load {
        self.parked
    }

    /// What a topic has on its way, what was given up included.
    pub fn load_of(&self, apart: i32) -> Load {
        self.topics.get(&apart).map_or_else(Load::default, |moving| Load {
            messages: moving.messages,
            bytes: moving.bytes,
        })
    }

    /// Whether anybody has less than this many bytes on its way.
    pub fn has_less_than(&self, bytes: usize) -> bool {
        self.topics.values().any(|moving| !moving.parked && moving.bytes < bytes)
    }

    /// Topics whose oldest message on its way has been so for that long, and for how long none of their
    /// messages has been settled; not those that are parked already.
    pub fn still(&self, now: Instant, time: Duration) -> Vec<(i32, Duration)> {
        let old = |moving: &Moving| {
            let oldest = moving.parts.front().and_then(|token| self.parts.get(token));
            !moving.parked && oldest.is_some_and(|part| now.duration_since(part.begun) >= time)
        };
        let still = self.topics.iter().filter(|(_, moving)| moving.messages > 0 && old(moving));
        still.map(|(apart, moving)| (*apart, now.duration_since(moving.since))).collect()
    }

    /// A topic gets no further: until it does, what it has on its way takes no room from others.
    pub fn park(&mut self, apart: i32) {
        if let Some(moving) = self.topics.get_mut(&apart).filter(|moving| !moving.parked) {
            moving.parked = true;
            self.load.take(moving.messages, moving.bytes);
            self.parked.add(moving.messages, moving.bytes);
        }
    }

    fn unpark(&mut self, apart: i32) {
        if let Some(moving) = self.topics.get_mut(&apart).filter(|moving| moving.parked) {
            moving.parked = false;
            self.parked.take(moving.messages, moving.bytes);
            self.load.add(moving.messages, moving.bytes);
        }
    }

    pub fn is_parked(&self, apart: i32) -> bool {
        self.topics.get(&apart).is_some_and(|moving| moving.parked)
    }
}

impl Batch {
    fn is_proven(&self) -> bool {
        self.unacknowledged == 0 && self.after.is_some()
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
