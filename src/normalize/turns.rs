//! How many rows a lane's turn takes: as many as others can wait for. Pure.
//!
//! What a row costs is not known before: an SQL expression may be slow, a trigger of the canonical table,
//! or a constraint that refuses each row by itself. So a lane begins with few rows a turn, and takes
//! twice as many in the next one where a full turn was short, half as many where it was long.

use std::collections::BTreeMap;
use std::time::Duration;

/// What a turn takes at most: a batch is held in memory.
const MOST: u32 = 4000;
/// What the first turn takes.
const FIRST: u32 = 500;
/// A longer turn is to be followed by a shorter one: in it, nobody else had one.
const LONG: Duration = Duration::from_secs(1);
/// A shorter turn may be followed by a longer one.
const SHORT: Duration = Duration::from_millis(400);

#[derive(Debug, Default)]
pub struct Turns(BTreeMap<i32, u32>);

impl Turns {
    /// Rows that the lane's next turn takes at most, but for its first chunk.
    pub fn rows(&self, lane: i32) -> u32 {
        self.0.get(&lane).copied().unwrap_or(FIRST)
    }

    /// How long a turn took that had so many rows. True if that was too long.
    pub fn took(&mut self, lane: i32, taken: u32, time: Duration) -> bool {
        let rows = self.rows(lane);
        let next = match time {
            time if time > LONG => rows.min(taken) / 2,
            time if time < SHORT && taken > rows / 2 => rows * 2,
            _ => rows,
        };
        self.0.insert(lane, next.clamp(1, MOST));
        time > LONG
    }

    pub fn forget(&mut self, lane: i32) {
        self.0.remove(&lane);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The longest of many turns with rows that cost the same, but for the first few, and the rows that
    /// they come to take.
    fn settled(cost: Duration) -> (Duration, u32) {
        let mut turns = Turns::default();
        let mut longest = Duration::ZERO;
        for turn in 0..30 {
            let rows = turns.rows(7);
            let time = cost * rows;
            turns.took(7, rows, time);
            longest = if turn < 15 { Duration::ZERO } else { longest.max(time) };
        }
        (longest, turns.rows(7))
    }

    #[test]
    fn turns_are_as_long_as_others_can_wait() {
        assert_eq!(settled(Duration::from_micros(30)).1, MOST);
        for cost in [1, 5, 50, 300] {
            let (longest, rows) = settled(Duration::from_millis(cost));
            assert!(longest <= LONG && rows >= 1, "{cost} ms: {longest:?}, {rows} rows");
        }
        assert_eq!(settled(Duration::from_secs(60)).1, 1);
    }

    #[test]
    fn a_long_turn_is_called_one_and_concerns_its_lane_alone() {
        let mut turns = Turns::default();
        assert!(turns.took(1, FIRST, LONG * 2) && !turns.took(2, FIRST, LONG));
        assert_eq!((turns.rows(1), turns.rows(2)), (FIRST / 2, FIRST));
        // A few rows say nothing about many.
        turns.took(2, 3, Duration::ZERO);
        assert_eq!(turns.rows(2), FIRST);
        turns.forget(1);
        assert_eq!(turns.rows(1), FIRST);
    }
}
