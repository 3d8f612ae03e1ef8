//! What is known of chunks that are sent again from their start, a transaction with part of them having
//! been aborted. Pure.

use std::collections::BTreeSet;

/// A message's chunk, and its place among the chunk's messages.
pub type Place = (i64, u32);

/// What is known of messages of a lane.
#[derive(Debug, Default)]
pub struct Again {
    /// Chunks that were acknowledged whole once.
    good: BTreeSet<i64>,
    /// Of this chunk, all messages before this place were, or are passed over.
    good_before: Option<Place>,
    /// Messages that the brokers will never take, which are in quarantine.
    refused: BTreeSet<Place>,
    /// Chunks that were sent whole, the last of them with the group that is on its way.
    before_group: BTreeSet<i64>,
    in_group: BTreeSet<i64>,
}

impl Again {
    pub fn is_refused(&self, place: Place) -> bool {
        self.refused.contains(&place)
    }

    /// Whether a message needs no care.
    pub fn is_good(&self, place: Place) -> bool {
        self.good.contains(&place.0)
            || self.good_before.is_some_and(|(chunk, end)| place.0 == chunk && place.1 < end)
    }

    pub fn refuse(&mut self, place: Place) {
        self.refused.insert(place);
    }

    /// A chunk was sent whole.
    pub fn sent(&mut self, chunk: i64) {
        self.in_group.insert(chunk);
    }

    /// All that was sent before is acknowledged, and another group begins.
    pub fn next_group(&mut self) {
        self.before_group.append(&mut self.in_group);
    }

    /// All is sent again; the group that failed began here.
    pub fn aborted(&mut self, begun: Option<Place>) {
        self.in_group.clear();
        self.good.append(&mut self.before_group);
        let more = |new: Place| match self.good_before {
            Some(old) if old.0 == new.0 => new.1 > old.1,
            _ => true,
        };
        if let Some(begun) = begun.filter(|begun| more(*begun)) {
            self.good_before = Some(begun);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::apart::Refused;
    use crate::publish::careful::Careful;
    use proptest::prelude::*;

    proptest! {
        /// Where each failure takes the lane back to the start, all culprits are found, and nobody else,
        /// also if the transaction after a failure is aborted for that failure's sake, as librdkafka
        /// does where it misses the numbers of messages that were refused.
        #[test]
        fn culprits_are_found_from_the_start_again(
            chunks in proptest::collection::vec(1u32..9, 1..12),
            picks in proptest::collection::btree_set(0usize..60, 0..4),
            aborts_another in any::<bool>(),
        ) {
            let all: Vec<Place> = chunks.iter().zip(1..)
                .flat_map(|(size, chunk)| (0..*size).map(move |at| (chunk, at))).collect();
            let culprits: BTreeSet<Place> = picks.iter().filter_map(|at| all.get(*at)).copied().collect();
            let last = |place: Place| all.iter().filter(|other| other.0 == place.0).count() as u32 == place.1 + 1;
            let (mut again, mut careful) = (Again::default(), Careful::new(None));
            let (mut at, mut tries, mut gap) = (0, 0, false);
            while at < all.len() {
                tries += 1;
                prop_assert!(tries < 2_000, "it does not end");
                // In the middle of a chunk, or behind a whole one.
                let begun = all.get(at).copied().filter(|place| at > 0 && place.1 > 0);
                let Some(mut budget) = careful.next_group(begun) else { break };
                again.next_group();
                let mut fails = false;
                let before = at;
                while let Some(&place) = all.get(at) {
                    if !again.is_refused(place) {
                        let good = again.is_good(place);
                        if budget == 0 && !good {
                            break;
                        }
                        prop_assert!(!good || !culprits.contains(&place));
                        fails |= culprits.contains(&place);
                        if !good {
                            budget -= 1;
                            careful.sent(|| Refused { place, ..Refused::default() });
                        }
                    }
                    if last(place) {
                        again.sent(place.0);
                    }
                    at += 1;
                }
                if gap && at > before {
                    gap = false;
                    again.aborted(careful.begun());
                    careful.given_up();
                    at = 0;
                } else if fails {
                    gap = aborts_another;
                    match careful.culprit() {
                        Some(culprit) => again.refuse(culprit.place),
                        None => careful = Careful::new(careful.begun()),
                    }
                    again.aborted(careful.begun());
                    careful.given_up();
                    at = 0;
                }
            }
            prop_assert_eq!(at, all.len());
            prop_assert_eq!(again.refused, culprits);
        }
    }
}
