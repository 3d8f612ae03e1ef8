//! What waits in a lane: found by one look at the index, taken in many turns.
//!
//! A batch may have millions of chunks, and a turn takes some hundreds. To look for the next ones
//! from the start each time would read the index as often as there are turns. So the places of many
//! more are kept, as long as the lane is where they follow. Pure.

use std::collections::BTreeMap;
use std::ops::Range;

use super::lanes::{self, Lanes};
use super::position::MAIN;
use super::read::{Reference, Selection};
use super::snapshot::{Position, Snapshot};

/// References that a lane keeps at most; 24 bytes each.
const MOST: usize = 64 * 1024;
/// And all lanes of a consumer together.
const MOST_OF_ALL: usize = 4 * MOST;

/// What was found of one lane's batch.
#[derive(Debug, Default)]
pub struct Backlog(Option<Found>);

#[derive(Debug)]
struct Found {
    seen: Snapshot,
    target: Snapshot,
    /// What came up to this sequence number had been consumed by then.
    last: i64,
    /// Lanes that chunks were left to.
    apart: Vec<i32>,
    selection: Selection,
    /// How many of the references were consumed by the last turn.
    consumed: usize,
    /// How many of each source wait.
    waiting: BTreeMap<i32, usize>,
}

/// What a turn may take.
#[derive(Debug)]
pub struct Portion {
    /// Ascending by sequence number.
    pub references: Vec<Reference>,
    /// Whether there are no more than these up to the target.
    pub complete: bool,
    /// Whether there is anything up to the target, whoever is to take it.
    pub passed: bool,
    /// Whether it comes from another look at the log than the portion before.
    pub fresh: bool,
}

impl Backlog {
    /// The next chunks, `portion` of them at most, for a lane that is at `from`, goes to `target`, and
    /// leaves chunks to the lanes `apart`. `select` finds the lowest of them, as many as it is asked for.
    pub fn next(
        &mut self,
        from: &Position,
        target: &Snapshot,
        apart: Vec<i32>,
        keep: usize,
        portion: usize,
        select: impl FnOnce(usize) -> Selection,
    ) -> Portion {
        let last = last(from);
        let known = self.0.take().filter(|found| {
            let left = found.selection.references.last().is_some_and(|end| end.seq > last);
            found.seen == from.seen
                && found.target == *target
                && found.apart == apart
                && found.last <= last
                && (found.selection.complete || left)
        });
        let fresh = known.is_none();
        let found = self.0.insert(known.unwrap_or_else(|| {
            let selection = select(keep.max(portion));
            let (seen, target, waiting) = (from.seen.clone(), target.clone(), BTreeMap::new());
            let mut found = Found { seen, target, last, apart, selection, consumed: 0, waiting };
            found.count(0..found.selection.references.len(), usize::saturating_add);
            found
        }));
        found.consume(last);
        let left = &found.selection.references[found.consumed..];
        Portion {
            fresh,
            references: left[..left.len().min(portion)].to_vec(),
            complete: found.selection.complete && left.len() <= portion,
            passed: found.selection.passed,
        }
    }

    /// How many chunks of each source waited at the last turn, as far as they were found.
    pub fn sources(&self) -> impl Iterator<Item = (i32, usize)> + '_ {
        let found = self.0.iter().flat_map(|found| &found.waiting);
        found.map(|(source, chunks)| (*source, *chunks)).filter(|(_, chunks)| *chunks > 0)
    }
}

impl Found {
    /// Everything up to a sequence number is consumed, and nothing after it: a turn may have been rolled
    /// back.
    fn consume(&mut self, last: i64) {
        let references = &self.selection.references;
        let consumed = references.partition_point(|reference| reference.seq <= last);
        self.count(self.consumed..consumed, usize::saturating_sub);
        self.count(consumed..self.consumed, usize::saturating_add);
        self.consumed = consumed;
    }

    /// Counts references, which come in runs of a source.
    fn count(&mut self, range: Range<usize>, with: impl Fn(usize, usize) -> usize) {
        let references = self.selection.references.get(range).unwrap_or_default();
        for run in references.chunk_by(|one, other| one.source == other.source) {
            let waiting = self.waiting.entry(run[0].source).or_default();
            *waiting = with(*waiting, run.len());
        }
    }
}

fn last(position: &Position) -> i64 {
    position.within.as_ref().map_or(i64::MIN, |(_, last)| *last)
}

/// The backlogs of a consumer's lanes.
#[derive(Debug, Default)]
pub struct Backlogs(BTreeMap<i32, Backlog>);

impl Backlogs {
    /// As [`Backlog::next`], for one lane of several.
    pub fn next(
        &mut self,
        lane: i32,
        lanes: &Lanes,
        from: &Position,
        target: &Snapshot,
        portion: usize,
        select: impl FnOnce(usize) -> Selection,
    ) -> Portion {
        self.0.retain(|&lane, _| lane == MAIN || lanes.has(lane));
        let left = |own: &i32| lane == MAIN || lanes::source_of(*own).is_some();
        let apart = match lanes::source_of(lane) {
            None => lanes.own().filter(left).collect(),
            Some(_) => Vec::new(),
        };
        let keep = MOST.min(MOST_OF_ALL / (lanes.own().count() + 1));
        let backlog = self.0.entry(lane).or_default();
        backlog.next(from, target, apart, keep, portion, select)
    }

    /// As [`Backlog::sources`].
    pub fn sources(&self, lane: i32) -> impl Iterator<Item = (i32, usize)> + '_ {
        self.0.get(&lane).into_iter().flat_map(Backlog::sources)
    }

    /// Forgets what was found: definitions have changed.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Transaction, sequence number, source (which stands for its org here).
    type Chunk = (u64, i64, i32);

    /// What a look from the start finds.
    fn look(
        log: &[Chunk],
        from: &Position,
        to: &Snapshot,
        apart: &[i32],
        limit: usize,
    ) -> Selection {
        let waits = |chunk: &&Chunk| !from.consumed(chunk.0, chunk.1) && to.sees(chunk.0);
        let waiting: Vec<&Chunk> = log.iter().filter(waits).collect();
        let ours = waiting.iter().filter(|chunk| !apart.contains(&chunk.2));
        let mut references: Vec<Reference> = ours.map(|c| Reference::new(c.1, c.2)).collect();
        references.sort();
        let complete = references.len() <= limit;
        references.truncate(limit);
        Selection { references, complete, passed: !waiting.is_empty() }
    }

    #[derive(Debug, Clone)]
    enum Event {
        /// Some transactions end, not in the order of their ids.
        Commit(usize),
        /// A turn takes so many of a portion, and may be rolled back.
        Turn(usize, usize, bool),
        /// An org leaves the lane, or joins it.
        Apart(i32),
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = prop_oneof![
            1 => (1usize..6).prop_map(Event::Commit),
            4 => (1usize..6, 0usize..6, any::<bool>()).prop_map(|(n, taken, back)| Event::Turn(n, taken, back)),
            1 => (1i32..4).prop_map(Event::Apart),
        ];
        proptest::collection::vec(event, 0..80)
    }

    fn log() -> impl Strategy<Value = Vec<Chunk>> {
        proptest::collection::vec((3u64..40, 1i32..4), 0..80).prop_map(|writes| {
            writes.into_iter().zip(1..).map(|((xid, source), seq)| (xid, seq, source)).collect()
        })
    }

    proptest! {
        /// Whatever happens between the turns, each is given what a look from the start would find first;
        /// and while no org leaves or joins, all turns together take each chunk once.
        #[test]
        fn turns_are_given_what_a_look_from_the_start_would_find(log in log(), events in events(), keep in 1usize..30) {
            let mut backlog = Backlog::default();
            let mut position = Position::at(Snapshot::nothing());
            let mut now = Snapshot { xmin: 3, xmax: 40, running: (3..40).collect() };
            let mut apart: Vec<i32> = Vec::new();
            let mut taken: Vec<i64> = Vec::new();
            let alone = !events.iter().any(|event| matches!(event, Event::Apart(_)));
            let to_the_end = std::iter::repeat_n(Event::Turn(7, 7, false), log.len() + 40);
            let last = std::iter::repeat_n(Event::Commit(40), 8);
            for event in events.into_iter().chain(last).chain(to_the_end) {
                match event {
                    Event::Commit(count) => {
                        let ended: Vec<u64> = now.running.iter().copied().step_by(2).take(count).collect();
                        now.running.retain(|xid| !ended.contains(xid));
                    }
                    Event::Apart(org) if apart.contains(&org) => apart.retain(|other| *other != org),
                    Event::Apart(org) => apart.push(org),
                    Event::Turn(portion, take, back) => {
                        let (from, to) = (position.clone(), position.target(&now).clone());
                        let given = backlog.next(&from, &to, apart.clone(), keep, portion, |limit| {
                            look(&log, &from, &to, &apart, limit)
                        });
                        let expected = look(&log, &from, &to, &apart, portion);
                        // Where what was kept ends, a portion may be short.
                        let given_all = given.references.len() == expected.references.len();
                        prop_assert!(expected.references.starts_with(&given.references));
                        prop_assert!(given_all || !given.references.is_empty());
                        prop_assert_eq!(given.complete, given_all && expected.complete);
                        prop_assert!(given.passed || !expected.passed);
                        // Whatever was taken or rolled back, what waits is what is left of it.
                        let found = backlog.0.as_ref().expect("just looked");
                        let mut left: BTreeMap<i32, usize> = BTreeMap::new();
                        for reference in &found.selection.references {
                            let waits = reference.seq > super::last(&from);
                            *left.entry(reference.source).or_default() += usize::from(waits);
                        }
                        left.retain(|_, chunks| *chunks > 0);
                        prop_assert_eq!(backlog.sources().collect::<BTreeMap<_, _>>(), left);
                        let took = &given.references[..take.min(given.references.len())];
                        if back {
                            continue;
                        }
                        taken.extend(took.iter().map(|reference| reference.seq));
                        if given.complete && took.len() == given.references.len() {
                            position = Position::at(to);
                        } else if let Some(last) = took.last() {
                            position = Position { seen: from.seen, within: Some((to, last.seq)) };
                        }
                    }
                }
            }
            if alone {
                taken.sort();
                prop_assert_eq!(taken, log.iter().map(|chunk| chunk.1).collect::<Vec<i64>>());
            }
        }
    }
}
