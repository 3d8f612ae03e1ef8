//! Draining inserts in Kafka transactions, beside draining as many at least once. A transaction's mark in
//! the topic counts as an event here: some dozens among all.

use crate::drain::{self, Drain};
use crate::place::Place;

/// At least once, and exactly once.
pub fn measure(place: &Place, rows: usize) -> (Drain, Drain) {
    let drain = |base: usize| {
        place.write(|first, count| place.insert("acme", base + first, count), rows);
        drain::ours(place, rows, None)
    };
    let once = drain(100_000_000);
    place.cluster.set("manifold.exactly_once", "on");
    let exactly = drain(200_000_000);
    place.cluster.set("manifold.exactly_once", "off");
    (once, exactly)
}
