//! Snapshots as values: which transactions are over, by full transaction id. The text form is that
//! of the server's `pg_snapshot`.

use std::fmt;
use std::str::FromStr;

/// Transactions below `xmin` are over, those from `xmax` on are not, and of those between them the
/// ones in `running` are not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    pub xmin: u64,
    pub xmax: u64,
    /// Ascending.
    pub running: Vec<u64>,
}

impl Snapshot {
    /// Sees nothing: the position of a consumer that has read nothing yet.
    pub fn nothing() -> Snapshot {
        // 3 is the first id that a transaction can have (FirstNormalTransactionId).
        Snapshot { xmin: 3, xmax: 3, running: Vec::new() }
    }

    /// Whether a transaction was over when the snapshot was taken.
    pub fn sees(&self, xid: u64) -> bool {
        xid < self.xmin || (xid < self.xmax && self.running.binary_search(&xid).is_err())
    }

    /// Whether this snapshot sees all that another one of the same history sees.
    pub fn covers(&self, other: &Snapshot) -> bool {
        // From our end on, all that the other one does not see must be running there.
        let beyond = other.xmax.saturating_sub(self.xmax);
        let running = other.running.iter().filter(|&&xid| xid >= self.xmax).count() as u64;
        beyond == running && self.running.iter().all(|&xid| !other.sees(xid))
    }

    /// The same snapshot, but that it sees none from this transaction on.
    pub fn before(&self, xid: u64) -> Snapshot {
        let running = self.running.iter().copied().filter(|&other| other < xid).collect();
        Snapshot { xmin: self.xmin.min(xid), xmax: self.xmax.min(xid), running }
    }

    /// The same snapshot, but that it does not see this transaction.
    pub fn without(mut self, xid: u64) -> Snapshot {
        if self.sees(xid) {
            self.xmin = self.xmin.min(xid);
            let place = self.running.partition_point(|&other| other < xid);
            self.running.insert(place, xid);
        }
        self
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.xmin, self.xmax)?;
        for (index, xid) in self.running.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{xid}")?;
        }
        Ok(())
    }
}

/// A text that is no snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSnapshot(pub String);

impl FromStr for Snapshot {
    type Err = NoSnapshot;

    fn from_str(text: &str) -> Result<Snapshot, NoSnapshot> {
        let parse = || {
            let mut parts = text.splitn(3, ':');
            let xmin = parts.next()?.parse().ok()?;
            let xmax = parts.next()?.parse().ok()?;
            let running = parts
                .next()?
                .split(',')
                .filter(|xid| !xid.is_empty())
                .map(|xid| xid.parse().ok())
                .collect::<Option<Vec<u64>>>()?;
            Some(Snapshot { xmin, xmax, running })
        };
        parse().ok_or_else(|| NoSnapshot(text.to_string()))
    }
}

/// How far a consumer is: all that `seen` sees is consumed, and, in the middle of a batch, of what
/// the batch's end sees all chunks up to a sequence number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub seen: Snapshot,
    pub within: Option<(Snapshot, i64)>,
}

impl Position {
    pub fn at(seen: Snapshot) -> Position {
        Position { seen, within: None }
    }

    /// Whether a chunk is consumed.
    pub fn consumed(&self, xid: u64, seq: i64) -> bool {
        self.seen.sees(xid)
            || self.within.as_ref().is_some_and(|(upto, last)| seq <= *last && upto.sees(xid))
    }

    /// Whether all that is consumed at another position of the same history is consumed at this one.
    pub fn covers(&self, other: &Position) -> bool {
        let reached = |upto: &Snapshot, last: i64| {
            self.seen.covers(upto)
                || self
                    .within
                    .as_ref()
                    .is_some_and(|(mine, reached)| mine.covers(upto) && *reached >= last)
        };
        self.seen.covers(&other.seen)
            && other.within.as_ref().is_none_or(|(upto, last)| reached(upto, *last))
    }

    /// Where the batch ends that is under way, or that starts now.
    pub fn target<'a>(&'a self, now: &'a Snapshot) -> &'a Snapshot {
        self.within.as_ref().map_or(now, |(upto, _)| upto)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_the_servers() {
        let snapshot: Snapshot = "10:20:12,15".parse().expect("a snapshot");
        assert_eq!(snapshot, Snapshot { xmin: 10, xmax: 20, running: vec![12, 15] });
        assert_eq!(snapshot.to_string(), "10:20:12,15");
        assert_eq!("3:3:".parse(), Ok(Snapshot::nothing()));
        assert_eq!("3".parse::<Snapshot>(), Err(NoSnapshot("3".into())));
    }

    #[test]
    fn a_batch_is_the_difference_of_two_snapshots() {
        let before: Snapshot = "10:20:12,15".parse().expect("a snapshot");
        let after: Snapshot = "15:22:15".parse().expect("a snapshot");
        let fresh: Vec<u64> = (0..30).filter(|&xid| after.sees(xid) && !before.sees(xid)).collect();
        assert_eq!(fresh, [12, 20, 21]);
    }

    #[test]
    fn transactions_are_taken_out() {
        let snapshot: Snapshot = "10:20:12,15".parse().expect("a snapshot");
        for (xid, expected) in
            [(5, "5:20:5,12,15"), (12, "10:20:12,15"), (13, "10:20:12,13,15"), (20, "10:20:12,15")]
        {
            let without = snapshot.clone().without(xid);
            let before = snapshot.before(xid);
            assert!(
                (0..30).all(|other| before.sees(other) == (other < xid && snapshot.sees(other)))
            );
            assert_eq!(without.to_string(), expected);
            assert!(
                (0..30).all(|other| without.sees(other) == (other != xid && snapshot.sees(other)))
            );
        }
    }

    fn snapshot() -> impl Strategy<Value = Snapshot> {
        let running = proptest::collection::btree_set(0u64..6, 0..4);
        (3u64..16, 0u64..6, running).prop_map(|(xmin, ahead, picks)| {
            let (xmax, running) = (xmin + ahead, picks.into_iter().map(|pick| xmin + pick));
            Snapshot { xmin, xmax, running: running.filter(|&xid| xid < xmax).collect() }
        })
    }

    /// No batch is cut as high as 4.
    fn position() -> impl Strategy<Value = Position> {
        (snapshot(), proptest::option::of((snapshot(), 0i64..4)))
            .prop_map(|(seen, within)| Position { seen, within })
    }

    proptest! {
        #[test]
        fn text_round_trips(xmin in 3u64..1000, ahead in 0u64..50, picks in proptest::collection::btree_set(0u64..50, 0..9)) {
            let xmax = xmin + ahead;
            let running: Vec<u64> = picks.into_iter().map(|pick| xmin + pick).filter(|&xid| xid < xmax).collect();
            let snapshot = Snapshot { xmin, xmax, running };
            prop_assert_eq!(snapshot.to_string().parse(), Ok(snapshot));
        }

        /// One position covers another if and only if all chunks say so; numbers run from 0 to 4.
        #[test]
        fn covering_is_consuming_all_of_it(one in position(), other in position()) {
            let covers = (3u64..24).all(|xid| {
                [0, 1, 2, 3, 4].iter().all(|&seq| !other.consumed(xid, seq) || one.consumed(xid, seq))
            });
            let in_order = |position: &Position| {
                position.within.as_ref().is_none_or(|(upto, _)| upto.covers(&position.seen))
            };
            prop_assert!(covers || !one.covers(&other));
            // A batch ends after it began, always.
            if in_order(&one) && in_order(&other) {
                prop_assert!(one.covers(&other) || !covers);
            }
        }

        /// Consuming in two steps, cut anywhere in the order of sequence numbers, meets every chunk once.
        #[test]
        fn a_cut_batch_loses_and_repeats_nothing(chunks in proptest::collection::vec((3u64..20, 1i64..100), 0..40), cut in 0i64..100) {
            let upto = Snapshot { xmin: 8, xmax: 18, running: vec![9, 12] };
            let start = Position::at(Snapshot { xmin: 4, xmax: 10, running: vec![5] });
            let middle = Position { within: Some((upto.clone(), cut)), ..start.clone() };
            for (xid, seq) in chunks {
                let first = !start.consumed(xid, seq) && upto.sees(xid) && seq <= cut;
                let second = !middle.consumed(xid, seq) && upto.sees(xid);
                let whole = !start.consumed(xid, seq) && upto.sees(xid);
                prop_assert_eq!(whole, first ^ second);
                prop_assert!(!(first && second));
            }
        }
    }
}
