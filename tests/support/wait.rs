//! Waiting for a condition, never for a time.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take that takes a moment. Generous, since the tests share their processors.
pub const LIMIT: Duration = seconds(180);

const PAUSE: Duration = Duration::from_millis(25);

/// Asks `probe` until it answers `Ok`, and panics when `limit` has passed: with what was awaited and
/// what the probe saw last.
pub fn until<T, E: Display>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Result<T, E>,
) -> T {
    let deadline = Instant::now() + limit;
    loop {
        match probe() {
            Ok(found) => return found,
            Err(seen) if Instant::now() >= deadline => {
                panic!("waited {limit:?} for {what}; last seen: {seen}")
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

pub const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}
