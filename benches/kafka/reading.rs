//! What reading the log costs the publisher: a backlog of inserts that are not published. Each chunk is
//! found in the index and fetched, and then left alone.

use crate::cpu;
use crate::place::{Place, execute};
use crate::support::wait::seconds;

/// Microseconds of the publisher's CPU a row.
pub fn measure(place: &Place, rows: usize) -> f64 {
    let mut client = place.connect();
    place.cluster.set("manifold.skipped_operations", "c,u,d,t");
    place.publish(true);
    // What waited before is none of it.
    execute(&mut client, "SELECT manifold.resume('captured', 'publisher')");
    place.published(&mut client, "captured", seconds(60));
    execute(&mut client, "SELECT manifold.pause('captured', 'publisher')");
    place.write(|first, count| place.insert("captured", 1_000_000 + first, count), rows);
    let publisher = place.publisher(&mut client);
    let before = cpu::milliseconds(publisher);
    execute(&mut client, "SELECT manifold.resume('captured', 'publisher')");
    place.published(&mut client, "captured", seconds(600));
    let spent = (cpu::milliseconds(publisher) - before) * 1e3 / rows as f64;
    execute(&mut client, "SELECT manifold.pause('captured', 'publisher')");
    place.publish(false);
    place.cluster.set("manifold.skipped_operations", "t");
    println!("  {spent:.2} µs of CPU a row");
    spent
}
