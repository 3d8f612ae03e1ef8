//! What is known of a chunk that is sent again from its start, a transaction with part of it having
//! been aborted. Pure.

use std::collections::BTreeSet;

/// A message's chunk, and its place among the chunk's messages.
pub type Place = (i64, u32);

/// What is known of messages of a lane.
#[derive(Debug, Default)]
pub struct Again {
    /// Of this chunk, all messages before this place were acknowledged once, or are passed over.
    good: Option<Place>,
    /// Messages that the brokers will never take, which are in quarantine.
    refused: BTreeSet<Place>,
}

impl Again {
    pub fn is_refused(&self, place: Place) -> bool {
        self.refused.contains(&place)
    }

    /// Whether a message needs no care.
    pub fn is_good(&self, place: Place) -> bool {
        self.good.is_some_and(|(chunk, end)| place.0 == chunk && place.1 < end)
    }

    pub fn refuse(&mut self, place: Place) {
        self.refused.insert(place);
    }

    pub fn good_up_to(&mut self, place: Place) {
        self.good = Some(place);
    }
}
