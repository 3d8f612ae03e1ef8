//! Lanes: how one consumer keeps many orgs apart without reading the log once for each.
//!
//! All orgs share the main lane and its position, so the log is read once for all of them. An org
//! that is paused, has much more waiting than others, or cannot be served just now, leaves it for a
//! lane of its own, with its own position, and delays nobody; when it has caught up with the main
//! lane it joins it again. A single source may leave its org's lane in the same way, or the main lane,
//! for one of its own: so a topic that cannot be written holds up no other topic of its org. Pure: the
//! consumer reads and saves.

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

/// The number of a single source's lane. Those of orgs are -1, for the canonical tables, and from 1 on;
/// `manifold.source_lane` says the same.
pub fn of_source(source: i32) -> i32 {
    -1 - source
}

/// The source that a lane is of, where it is a single one's.
pub fn source_of(lane: i32) -> Option<i32> {
    (lane < -1).then_some(-1 - lane)
}

/// Whether a source's changes pass a lane by, whether it reads them or one that left it does.
pub fn passes(lane: i32, source: i32, org: Option<i32>) -> bool {
    lane == MAIN || lane == of_source(source) || Some(lane) == org
}

impl Lanes {
    /// From saved positions; a consumer that has none starts with all that the log holds.
    pub fn new(mut saved: BTreeMap<i32, Position>) -> Lanes {
        let main = saved.remove(&MAIN).unwrap_or_else(|| Position::at(Snapshot::nothing()));
        Lanes { main, own: saved, last: MAIN }
    }

    pub fn position(&self, lane: i32) -> &Position {
        self.own.get(&lane).unwrap_or(&self.main)
    }

    /// Whether there is such a lane beside the main one.
    pub fn has(&self, lane: i32) -> bool {
        self.own.contains_key(&lane)
    }

    /// The lane that an org's changes are in now, but for sources that left it.
    pub fn of_org(&self, org: i32) -> i32 {
        if self.has(org) { org } else { MAIN }
    }

    /// The lane that a source's changes are in now.
    pub fn of(&self, source: i32, org: i32) -> i32 {
        let own = of_source(source);
        if self.has(own) { own } else { self.of_org(org) }
    }

    /// The lane that one leaves, and joins again.
    pub fn parent(&self, lane: i32, org_of: impl Fn(i32) -> Option<i32>) -> i32 {
        source_of(lane).and_then(org_of).map_or(MAIN, |org| self.of_org(org))
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

    /// Begins a lane where the one is that it leaves, its [`parent`](Self::parent); `None` if it has
    /// begun already.
    pub fn leave(&mut self, lane: i32, parent: i32) -> Option<Change> {
        if lane == MAIN || self.has(lane) {
            return None;
        }
        let from = self.position(parent).clone();
        self.own.insert(lane, from.clone());
        Some((lane, Some(from)))
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

    /// Lets lanes join their parents that have caught up with them, but for those that `stay`: both
    /// have consumed all that `now` sees. Merely being where the parent is does not do: that is where a
    /// lane begins.
    pub fn join(
        &mut self,
        now: &Snapshot,
        stay: &BTreeSet<i32>,
        org_of: impl Fn(i32) -> Option<i32>,
    ) -> Vec<Change> {
        let is_now = |lane| {
            let position = self.position(lane);
            position.within.is_none() && position.seen == *now
        };
        let joins = |lane: &i32| {
            !stay.contains(lane) && is_now(*lane) && is_now(self.parent(*lane, &org_of))
        };
        let joined: Vec<i32> = self.own().filter(joins).collect();
        joined.into_iter().filter_map(|lane| self.forget(lane)).collect()
    }

    /// Ends a lane.
    pub fn forget(&mut self, lane: i32) -> Option<Change> {
        self.own.remove(&lane).map(|_| (lane, None))
    }

    /// The lanes beside the main one.
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
        assert_eq!(lanes.leave(7, MAIN), Some((7, Some(at("10:10:")))));
        assert_eq!(lanes.leave(7, MAIN), None);
        lanes.advance(MAIN, at("20:20:"));
        assert_eq!(lanes.position(7), &at("10:10:"));
        assert_eq!(lanes.position(8), &at("20:20:"));
        assert_eq!((lanes.of_org(7), lanes.of_org(8)), (7, MAIN));
        let now = at("20:20:").seen;
        let none = BTreeSet::new();
        let org_of = |_| None;
        assert!(lanes.join(&now, &none, org_of).is_empty());
        lanes.advance(7, at("20:20:"));
        let paused = BTreeSet::from([7]);
        assert!(lanes.join(&now, &paused, org_of).is_empty(), "a paused org stays apart");
        let later = at("21:21:").seen;
        assert!(lanes.join(&later, &none, org_of).is_empty(), "there may be more to read");
        assert_eq!(lanes.join(&now, &none, org_of), [(7, None)]);
        assert_eq!(lanes.of_org(7), MAIN);
    }

    #[test]
    fn a_source_leaves_its_orgs_lane_and_joins_it_again() {
        let mut lanes = Lanes::new(BTreeMap::from([(MAIN, at("10:10:"))]));
        // Sources 1 and 2 are of org 7, 3 of the canonical tables.
        let org_of = |source| Some(if source == 3 { -1 } else { 7 });
        let (one, three) = (of_source(1), of_source(3));
        assert_eq!((source_of(one), source_of(7), source_of(-1)), (Some(1), None, None));
        lanes.leave(7, MAIN);
        lanes.advance(7, at("15:15:"));
        assert_eq!((lanes.parent(one, org_of), lanes.parent(three, org_of)), (7, MAIN));
        assert_eq!(lanes.leave(one, 7), Some((one, Some(at("15:15:")))));
        lanes.leave(three, MAIN);
        assert_eq!((lanes.of(1, 7), lanes.of(2, 7), lanes.of(3, -1)), (one, 7, three));
        let now = at("20:20:").seen;
        lanes.advance(MAIN, at("20:20:"));
        lanes.advance(one, at("20:20:"));
        assert_eq!(lanes.join(&now, &BTreeSet::new(), org_of), [], "the org is behind");
        lanes.advance(7, at("20:20:"));
        let joined = lanes.join(&now, &BTreeSet::from([one]), org_of);
        assert_eq!((joined, lanes.parent(one, org_of)), (vec![(7, None)], MAIN));
        assert_eq!(lanes.join(&now, &BTreeSet::new(), org_of), [(one, None)]);
    }

    #[test]
    fn turns_go_round() {
        let mut lanes = Lanes::new(BTreeMap::from([(MAIN, at("10:10:"))]));
        lanes.leave(3, MAIN);
        lanes.leave(5, MAIN);
        assert_eq!(lanes.turns(), [3, 5, MAIN]);
        lanes.had_turn(3);
        assert_eq!(lanes.turns(), [5, MAIN, 3]);
        lanes.had_turn(5);
        assert_eq!(lanes.turns(), [MAIN, 3, 5]);
    }
}
