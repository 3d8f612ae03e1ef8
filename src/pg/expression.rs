//! Evaluating an SQL expression of a mapping over one row, without risk for the work around it: an
//! error, or more time than it may take, comes back as a message.

use std::cell::Cell;
use std::ffi::c_int;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::subtransaction;

/// How long one evaluation may take: rows come by the thousand.
const LIMIT: Duration = Duration::from_secs(1);

/// How long one may take when what was granted for all of them is used up.
const QUICK: Duration = Duration::from_millis(20);

thread_local! {
    /// Whether what is evaluated has been set by a superuser, whoever's session it is.
    static TRUSTED: Cell<bool> = const { Cell::new(false) };
    /// What is left of what was granted; `None`: nobody else waits.
    static LEFT: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// As long as this lives, expressions are evaluated in a session that is no superuser's.
pub struct Trust(());

/// The expressions that follow have been set by a superuser, or are given by one.
pub fn trust() -> Trust {
    TRUSTED.set(true);
    Trust(())
}

impl Drop for Trust {
    fn drop(&mut self) {
        TRUSTED.set(false);
    }
}

/// The evaluations that follow may take so long together; those after them have to be quick.
pub fn grant(time: Duration) {
    LEFT.set(Some(time));
}

/// The first timeout that extensions may register (`TimeoutId` in `utils/timeout.h`).
#[cfg(feature = "pg14")]
const USER_TIMEOUT: c_int = 10;
#[cfg(any(feature = "pg15", feature = "pg16"))]
const USER_TIMEOUT: c_int = 12;
#[cfg(any(feature = "pg17", feature = "pg18"))]
const USER_TIMEOUT: c_int = 13;

// The bindings leave these out.
unsafe extern "C" {
    fn RegisterTimeout(id: c_int, handler: extern "C" fn()) -> c_int;
    fn enable_timeout_after(id: c_int, delay_ms: c_int);
    fn disable_timeout(id: c_int, keep_indicator: bool);
}

static EXPIRED: AtomicBool = AtomicBool::new(false);

/// Runs in a signal handler: has the server cancel the statement at its next check for interrupts,
/// as its own statement timeout does.
extern "C" fn expire() {
    EXPIRED.store(true, Ordering::Relaxed);
    // SAFETY: flags that signal handlers of the server set in the same way.
    unsafe {
        pg_sys::InterruptPending = 1;
        pg_sys::QueryCancelPending = 1;
        pg_sys::SetLatch(pg_sys::MyLatch);
    }
}

/// A timer that cancels what runs, until dropped.
struct Timer(c_int);

impl Timer {
    fn start(limit: Duration) -> Timer {
        static ID: OnceLock<c_int> = OnceLock::new();
        // SAFETY: registered once a process, of which this is the only thread that runs the server.
        let id = *ID.get_or_init(|| unsafe { RegisterTimeout(USER_TIMEOUT, expire) });
        EXPIRED.store(false, Ordering::Relaxed);
        // SAFETY: the timeout is registered.
        unsafe { enable_timeout_after(id, limit.as_millis() as c_int) };
        Timer(id)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: as above. If it expired too late to be noticed, the cancellation is meant for
        // nothing that comes after.
        unsafe {
            disable_timeout(self.0, false);
            if EXPIRED.load(Ordering::Relaxed) {
                pg_sys::QueryCancelPending = 0;
            }
        }
    }
}

/// The one value of a query, as text. Whatever writes is refused, a function that the query calls as well.
pub fn evaluate(query: &str, row: &str) -> Result<Option<String>, String> {
    if !TRUSTED.get() && !is_trusted() {
        return Err("an SQL expression is evaluated for superusers alone".into());
    }
    let limit = LEFT.get().map_or(LIMIT, |left| left.clamp(QUICK, LIMIT));
    let began = Instant::now();
    let timer = Timer::start(limit);
    let work = || {
        // SAFETY: the end of the subtransaction, which this is run in, puts it back as it was; nothing
        // inside may set it off again.
        unsafe { pg_sys::XactReadOnly = true };
        let arguments: [DatumWithOid<'_>; 1] = [row.into()];
        let found = Spi::connect(|client| {
            let mut rows = client.select(query, Some(1), &arguments)?;
            rows.next().map_or(Ok(None), |row| row.get::<String>(1))
        });
        found.map_err(|error| error.to_string())
    };
    let found = subtransaction::attempt_unless(work, || !EXPIRED.load(Ordering::Relaxed));
    drop(timer);
    LEFT.set(LEFT.get().map(|left| left.saturating_sub(began.elapsed())));
    match found {
        Ok(found) => found,
        Err(_) if EXPIRED.load(Ordering::Relaxed) => {
            let limit = limit.as_millis();
            Err(format!("the SQL expression took longer than {limit} ms"))
        }
        Err(failure) => Err(failure.message),
    }
}

/// Expressions run with the rights of a superuser. A worker runs what a superuser has set; in a
/// session, it may be what its user has just made up.
fn is_trusted() -> bool {
    // SAFETY: a look-up of the session's user in the system cache.
    unsafe { pg_sys::superuser_arg(pg_sys::GetSessionUserId()) }
}
