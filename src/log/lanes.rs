//! Lanes: how one consumer keeps many orgs apart without reading the log once for each.
//!
//! All orgs share the main lane and its position, so the log is read once for all of them. An org
//! that is paused, has much more waiting than others, or cannot be served just now, leaves it for a
//! lane of its own, with its own position, and delays nobody; when it has caught up with the main
//! lane it joins it again. Pure: the consumer reads and saves.

use std::collections::{BTreeMap, BTreeSet};

use super::position::MAIN;
use super::snapshot::{Position, Snapshot};

/// The positions of one consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lanes {
    main: Position,
    own: BTreeMap<i32, Position>,
    /// Whose turn it was last, so that turns go round.
    last: i32,
}

/// What changed and has to be saved: lane and position, `None` where the lane is no more.
pub type Change = (i32, Option<Position>);

impl Lanes {
    /// From saved positions; a consumer that has none starts with all that the log holds.
    pub fn new(mut saved: BTreeMap<i32, Position>) -> Lanes {
        let main = saved.remove(&MAIN).unwrap_or_else(|| Position::at(Snapshot::nothing()));
        Lanes { main, own: saved, last: MAIN }
    }

    pub fn position(&self, lane: i32) -> &Position {
        self.own.get(&lane).unwrap_or(&self.main)
    }

    /// The lane that an org's changes are in now.
    pub fn of(&self, org: i32) -> i32 {
        if self.own.contains_key(&org) { org } else { MAIN }
    }

    /// Lanes in the order of their turns, beginning after the one that had the last turn.
    pub fn turns(&self) -> Vec<i32> {
        let all: Vec<i32> = std::iter::once(MAIN).chain(self.own.keys().copied()).collect();
        let (before, after): (Vec<i32>, Vec<i32>) =
            all.into_iter().partition(|&lane| lane <= self.last);
        after.into_iter().chain(before).collect()
    }

    /// Notes that a lane has had its turn.
    pub fn had_turn(&mut self, lane: i32) {
        self.last = lane;
    }

    /// Gives an org a lane of its own, from where the main lane is.
    pub fn leave(&mut self, org: i32) -> Option<Change> {
        if org == MAIN || self.own.contains_key(&org) {
            return None;
        }
        self.own.insert(org, self.main.clone());
        Some((org, Some(self.main.clone())))
    }

    /// Moves a lane on.
    pub fn advance(&mut self, lane: i32, position: Position) -> Change {
        let slot = if lane == MAIN {
            &mut self.main
        } else {
            self.own.entry(lane).or_insert_with(|| position.clone())
        };
        *slot = position.clone();
        (lane, Some(position))
    }

    /// Lets lanes join the main lane that have caught up with it, but for those that `stay`: both
    /// have consumed all that `now` sees. Merely being where the main lane is does not do: that is
    /// where a lane begins.
    pub fn join(&mut self, now: &Snapshot, stay: &BTreeSet<i32>) -> Vec<Change> {
        let main = &self.main;
        if main.within.is_some() || main.seen != *now {
            return Vec::new();
        }
        let joined: Vec<i32> = self
            .own
            .iter()
            .filter(|(org, position)| *position == main && !stay.contains(org))
            .map(|(org, _)| *org)
            .collect();
        joined
            .into_iter()
            .map(|org| {
                self.own.remove(&org);
                (org, None)
            })
            .collect()
    }

    /// Forgets an org that is no more.
    pub fn forget(&mut self, org: i32) -> Option<Change> {
        self.own.remove(&org).map(|_| (org, None))
    }

    /// Orgs with a lane of their own.
    pub fn own(&self) -> impl Iterator<Item = i32> + '_ {
        self.own.keys().copied()
    }
}

/// The orgs that have so much waiting in the main lane that others would wait for them: `chunks`
/// counts what was selected of each, of a selection that did not hold all. An org that is alone
/// keeps nobody waiting.
pub fn heavy(chunks: &BTreeMap<i32, usize>, orgs: usize) -> Vec<i32> {
    let all: usize = chunks.values().sum();
    if orgs < 2 {
        return Vec::new();
    }
    chunks.iter().filter(|(_, count)| **count * 4 >= all).map(|(org, _)| *org).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Position {
        Position::at(text.parse().expect("a snapshot"))
    }

    #[test]
    fn an_org_leaves_falls_behind_and_joins_again() {
        let mut lanes = Lanes::new(BTreeMap::from([(MAIN, at("10:10:"))]));
        assert_eq!(lanes.leave(7), Some((7, Some(at("10:10:")))));
        assert_eq!(lanes.leave(7), None);
        lanes.advance(MAIN, at("20:20:"));
        assert_eq!(lanes.position(7), &at("10:10:"));
        assert_eq!(lanes.position(8), &at("20:20:"));
        assert_eq!((lanes.of(7), lanes.of(8)), (7, MAIN));
        let now = at("20:20:").seen;
        assert!(lanes.join(&now, &BTreeSet::new()).is_empty());
        lanes.advance(7, at("20:20:"));
        assert!(lanes.join(&now, &BTreeSet::from([7])).is_empty(), "a paused org stays apart");
        let later = at("21:21:").seen;
        assert!(lanes.join(&later, &BTreeSet::new()).is_empty(), "there may be more to read");
        assert_eq!(lanes.join(&now, &BTreeSet::new()), [(7, None)]);
        assert_eq!(lanes.of(7), MAIN);
    }

    #[test]
    fn turns_go_round() {
        let mut lanes = Lanes::new(BTreeMap::from([(MAIN, at("10:10:"))]));
        lanes.leave(3);
        lanes.leave(5);
        assert_eq!(lanes.turns(), [3, 5, MAIN]);
        lanes.had_turn(3);
        assert_eq!(lanes.turns(), [5, MAIN, 3]);
        lanes.had_turn(5);
        assert_eq!(lanes.turns(), [MAIN, 3, 5]);
    }
}
