//! Writers that go on while something breaks: none of them meets an error, and none waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::world::Synced;

const ROWS: usize = 6_000;
const BATCH: usize = 10;
/// Between two batches: a load, not a flood.
const PACE: Duration = Duration::from_millis(20);
/// A statement that takes so long, and half of the time that the trouble lasts, has waited for it: a row
/// lock or a busy machine costs far less, any time-out of the network far more.
const SLOW: Duration = Duration::from_secs(10);

/// Inserts, updates and deletes leads of an org, a few at a time, while `trouble` runs.
pub fn under_load<T>(synced: &mut Synced, trouble: impl FnOnce() -> T) -> T {
    let rows = synced.org.many(ROWS);
    let sfid = synced.org.position("sfid");
    let sfids: Vec<&str> = rows.iter().map(|row| row[sfid].as_deref().expect("an sfid")).collect();
    let stop = AtomicBool::new(false);
    let Synced { org, connect, lead } = synced;
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut slowest = Duration::ZERO;
            let mut timed = |work: &mut dyn FnMut()| {
                let began = Instant::now();
                work();
                slowest = slowest.max(began.elapsed());
            };
            for (n, batch) in sfids.chunks(BATCH).enumerate().cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let rows = &rows[n * BATCH..][..batch.len()];
                let city = format!("batch {n}");
                timed(&mut || {
                    connect.delete(lead, batch);
                });
                timed(&mut || connect.insert(lead, &org.columns, rows, BATCH));
                timed(&mut || {
                    connect.update(lead, &batch[..BATCH / 2], &[("city", Some(&city))]);
                });
                timed(&mut || {
                    connect.delete(lead, &batch[BATCH - 1..]);
                });
                thread::sleep(PACE);
            }
            slowest
        });
        let began = Instant::now();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(trouble));
        let lasted = began.elapsed();
        stop.store(true, Ordering::Relaxed);
        let slowest = writer.join().expect("no writer meets an error");
        let outcome = outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        assert!(slowest < SLOW.max(lasted / 2), "a writer waited {slowest:?} of {lasted:?}");
        outcome
    })
}
