//! The window: what has been sent and not yet acknowledged, batch by batch.
//!
//! A position moves only with proof. The messages that take a lane from one position to the next
//! form a batch, and carry its number as their token; the position after a batch is proven when the
//! batch and all before it in the lane are acknowledged to the last message. Pure.

use std::collections::{BTreeMap, VecDeque};

use crate::log::snapshot::Position;

#[derive(Debug)]
struct Batch {
    lane: i32,
    unacknowledged: u32,
    /// The position after it, once all its messages have been sent.
    after: Option<Position>,
}

/// All batches on their way.
#[derive(Debug, Default)]
pub struct Window {
    last: u64,
    batches: BTreeMap<u64, Batch>,
    order: BTreeMap<i32, VecDeque<u64>>,
}

impl Window {
    /// Begins a batch; its number is the token of its messages.
    pub fn begin(&mut self, lane: i32) -> u64 {
        self.last += 1;
        self.batches.insert(self.last, Batch { lane, unacknowledged: 0, after: None });
        self.order.entry(lane).or_default().push_back(self.last);
        self.last
    }

    /// One message of a batch was taken for sending.
    pub fn sent(&mut self, token: u64) {
        if let Some(batch) = self.batches.get_mut(&token) {
            batch.unacknowledged += 1;
        }
    }

    /// All messages of a batch were taken for sending; after it the lane is at `after`.
    pub fn end(&mut self, token: u64, after: Position) {
        if let Some(batch) = self.batches.get_mut(&token) {
            batch.after = Some(after);
        }
    }

    /// One message of a batch is settled. Batches that were given up are none of ours any more.
    pub fn settled(&mut self, token: u64) {
        if let Some(batch) = self.batches.get_mut(&token) {
            batch.unacknowledged = batch.unacknowledged.saturating_sub(1);
        }
    }

    /// The lane of a batch.
    pub fn lane(&self, token: u64) -> Option<i32> {
        self.batches.get(&token).map(|batch| batch.lane)
    }

    /// Takes out what is proven by now: for each lane that moved, its newest proven position.
    pub fn proven(&mut self) -> Vec<(i32, Position)> {
        let mut moved = Vec::new();
        for (lane, order) in &mut self.order {
            let mut newest = None;
            while let Some(token) = order.front() {
                let done = self
                    .batches
                    .get(token)
                    .is_some_and(|batch| batch.unacknowledged == 0 && batch.after.is_some());
                if !done {
                    break;
                }
                newest = self.batches.remove(token).and_then(|batch| batch.after);
                order.pop_front();
            }
            moved.extend(newest.map(|position| (*lane, position)));
        }
        self.order.retain(|_, order| !order.is_empty());
        moved
    }

    /// Whether `proven` would return anything.
    pub fn has_proof(&self) -> bool {
        self.order.values().filter_map(VecDeque::front).any(|token| {
            self.batches
                .get(token)
                .is_some_and(|batch| batch.unacknowledged == 0 && batch.after.is_some())
        })
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
        for token in self.order.remove(&lane).unwrap_or_default() {
            self.batches.remove(&token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(number: u64) -> Position {
        let text = format!("{number}:{number}:");
        Position::at(text.parse().expect("a snapshot"))
    }

    fn batch(window: &mut Window, lane: i32, messages: u32, after: u64) -> u64 {
        let token = window.begin(lane);
        for _ in 0..messages {
            window.sent(token);
        }
        window.end(token, at(after));
        token
    }

    #[test]
    fn a_position_waits_for_all_before_it() {
        let mut window = Window::default();
        let first = batch(&mut window, 0, 2, 10);
        let second = batch(&mut window, 0, 1, 20);
        let other = batch(&mut window, 7, 1, 15);
        window.settled(second);
        window.settled(first);
        assert_eq!(window.proven(), []);
        window.settled(other);
        assert_eq!(window.proven(), [(7, at(15))]);
        assert_eq!(window.ahead(0), Some(&at(20)));
        window.settled(first);
        assert_eq!(window.proven(), [(0, at(20))]);
        assert!(window.is_quiet(0));
    }

    #[test]
    fn a_batch_without_messages_is_proven_in_its_turn() {
        let mut window = Window::default();
        let first = batch(&mut window, 0, 1, 10);
        batch(&mut window, 0, 0, 20);
        assert_eq!(window.proven(), []);
        window.settled(first);
        assert_eq!(window.proven(), [(0, at(20))]);
    }

    #[test]
    fn what_was_given_up_counts_no_more() {
        let mut window = Window::default();
        let first = batch(&mut window, 0, 1, 10);
        window.give_up(0);
        window.settled(first);
        assert_eq!(window.proven(), []);
        let again = batch(&mut window, 0, 1, 10);
        window.settled(again);
        assert_eq!(window.proven(), [(0, at(10))]);
    }

    proptest! {
        /// Whatever the order of acknowledgements, a proven position never lies beyond an
        /// unacknowledged message.
        #[test]
        fn no_position_without_proof(sizes in proptest::collection::vec(0u32..4, 1..8), seed in any::<u64>()) {
            let mut window = Window::default();
            let mut left: Vec<(u64, u64)> = Vec::new();
            let mut open: BTreeMap<u64, u32> = BTreeMap::new();
            for (number, size) in sizes.iter().enumerate() {
                let token = batch(&mut window, 0, *size, number as u64 + 1);
                open.insert(number as u64 + 1, *size);
                left.extend((0..*size).map(|_| (token, number as u64 + 1)));
            }
            let mut state = seed;
            while !left.is_empty() {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let (token, number) = left.swap_remove((state >> 33) as usize % left.len());
                window.settled(token);
                *open.get_mut(&number).expect("a batch") -= 1;
                for (_, position) in window.proven() {
                    let unacknowledged: u32 = open.range(..=position.seen.xmin).map(|(_, size)| *size).sum();
                    prop_assert_eq!(unacknowledged, 0);
                }
            }
            window.proven();
            prop_assert!(window.is_quiet(0));
        }
    }
}
