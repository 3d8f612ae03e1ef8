//! What all workers of a database share: start, transactions, waiting, stopping, errors.

use std::cell::Cell;
use std::os::fd::RawFd;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use pgrx::PgTryBuilder;
use pgrx::pg_sys;
use pgrx::pg_sys::panic::CaughtError;
use pgrx::prelude::*;

use crate::capture::origin;
use crate::error::{Error, Result};
use crate::log::read;
use crate::log::snapshot::Snapshot;
use crate::pg::shared::{self, Database, Kind};
use crate::pg::{compat, identity, sql};

/// An idle worker looks by itself this often: for what nobody woke it for (COMMIT PREPARED).
pub const IDLE: Duration = Duration::from_secs(1);
/// Turns begin no closer together than this, unless there is more to do at once. The first change
/// after a pause is taken at once, and then so many transactions a turn that their wake-ups and turns
/// take little of the writers' processors.
const PACE: Duration = Duration::from_millis(2);
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// Why a transaction of a worker came to nothing.
#[derive(Debug, Clone)]
pub struct Failure {
    pub message: String,
    pub hint: Option<String>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let report = pg_sys::panic::ErrorReport::from(error);
        Failure { message: report.message().to_string(), hint: report.hint().map(str::to_string) }
    }
}

impl From<&crate::kafka::Error> for Failure {
    fn from(error: &crate::kafka::Error) -> Failure {
        Failure { message: error.to_string(), hint: error.hint() }
    }
}

impl From<CaughtError> for Failure {
    fn from(error: CaughtError) -> Failure {
        let (CaughtError::PostgresError(report)
        | CaughtError::ErrorReport(report)
        | CaughtError::RustPanic { ereport: report, .. }) = &error;
        Failure { message: report.message().to_string(), hint: report.hint().map(str::to_string) }
    }
}

/// What a worker found to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// There is more: come back at once.
    Again,
    /// Nothing to do before this much time has passed, or somebody wakes us.
    Wait(Duration),
    /// The same, or until this descriptor can be read.
    WaitFor(Duration, RawFd),
    /// The extension is not there (any more): end for good.
    Gone,
}

/// A running worker.
pub struct Worker {
    pub kind: Kind,
    pub database: &'static Database,
    oid: pg_sys::Oid,
    /// The extension that this worker serves, once it has met it.
    extension: Cell<Option<pg_sys::Oid>>,
    failures: u32,
    reloads: Cell<u32>,
    /// The log's horizon before this turn's moment, and before the last one's.
    horizons: Cell<[u64; 2]>,
    /// How far apart turns begin at least.
    pace: Cell<Duration>,
}

/// What a turn begins with.
pub struct Moment {
    /// All that was over when the turn began. Definitions are read after it, so that whatever it
    /// sees is understood.
    pub now: Snapshot,
}

impl Worker {
    /// Becomes the worker of a database: signals, connection, place in shared memory. The argument
    /// is what the launcher passed.
    pub fn start(kind: Kind, argument: pg_sys::Datum) -> Option<Worker> {
        let oid = pg_sys::Oid::from(argument.value() as u32);
        compat::handle_signals();
        // SAFETY: connects once.
        unsafe {
            pg_sys::BackgroundWorkerInitializeConnectionByOid(oid, pg_sys::InvalidOid, 0);
        }
        origin::i_am_a_worker();
        // What a database or a role was given must not change what workers see or print. Emptying
        // the log relies on READ COMMITTED.
        for (name, value) in [
            (c"default_transaction_isolation", c"read committed"),
            (c"default_transaction_read_only", c"off"),
            (c"default_transaction_deferrable", c"off"),
            (c"session_replication_role", c"origin"),
            (c"row_security", c"off"),
            (c"statement_timeout", c"0"),
            (c"lock_timeout", c"0"),
            (c"idle_in_transaction_session_timeout", c"0"),
            (c"datestyle", c"ISO"),
            (c"intervalstyle", c"postgres"),
            (c"timezone", c"UTC"),
            (c"extra_float_digits", c"1"),
            (c"bytea_output", c"hex"),
            (c"search_path", c"pg_catalog, pg_temp"),
        ] {
            set(name, value);
        }
        let database = shared::database(oid)?;
        // SAFETY: called once when the process ends, however it ends short of a crash.
        unsafe {
            pg_sys::before_shmem_exit(Some(leave), pg_sys::Datum::from(kind as usize));
        }
        // The first turn that succeeds clears what an earlier life may have left in the status.
        database.enter(kind).then(|| Worker {
            kind,
            database,
            oid,
            extension: Cell::new(None),
            failures: 1,
            reloads: Cell::new(0),
            horizons: Cell::new([0; 2]),
            pace: Cell::new(PACE),
        })
    }

    /// Runs `turn` until the worker is to stop. A failed turn is reported and tried again after a
    /// while, longer each time.
    pub fn run(&mut self, mut turn: impl FnMut(&Worker) -> Result<Turn, Failure>) {
        loop {
            self.interrupts();
            // Held, or the slot is another database's by now: this one may not have workers any more.
            if self.is_held() || self.database.oid() != self.oid {
                return;
            }
            let began = Instant::now();
            let (wait, fd) = match turn(self) {
                Ok(Turn::Gone) => return,
                Ok(turn) => {
                    self.succeeded();
                    match turn {
                        Turn::Wait(time) => (time, None),
                        Turn::WaitFor(time, fd) => (time, Some(fd)),
                        Turn::Again | Turn::Gone => continue,
                    }
                }
                Err(failure) => (self.failed(&failure), None),
            };
            wait_latch(wait, fd);
            std::thread::sleep(self.pace.replace(PACE).saturating_sub(began.elapsed()));
        }
    }

    /// Handles what signals asked for; ends the process when that is what they asked for.
    pub fn interrupts(&self) {
        pgrx::check_for_interrupts!();
        // SAFETY: plain access to the server's flag, then what its comment asks for.
        unsafe {
            if pg_sys::ConfigReloadPending != 0 {
                pg_sys::ConfigReloadPending = 0;
                pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
                self.reloads.set(self.reloads.get() + 1);
            }
        }
    }

    /// After this turn, which found work, the next one need not wait: the worker has seen to it itself
    /// that it takes more than one transaction a turn.
    pub fn without_pause(&self) {
        self.pace.set(Duration::ZERO);
    }

    /// How often the configuration was reloaded.
    pub fn reloads(&self) -> u32 {
        self.reloads.get()
    }

    /// Up to where lanes must not hold the log any longer, once they have had a round to let go of it.
    pub fn horizon(&self) -> Option<u64> {
        self.horizons.get().into_iter().min().filter(|&horizon| horizon > 0)
    }

    /// Whether a session wants us out of the database (see `hold`).
    pub fn is_held(&self) -> bool {
        self.database.holds.load(std::sync::atomic::Ordering::Acquire) > 0
    }

    /// How a turn begins: the moment, or none where the extension is not there, or is another one by
    /// now, whose layouts and positions are not those that this worker knows.
    pub fn begin(&self) -> Result<Option<Moment>, Failure> {
        // Looked at first: the moment sees what the horizon is about, and this turn can take it.
        let horizon = self.database.log_horizon.load(std::sync::atomic::Ordering::Acquire);
        self.horizons.set([horizon, self.horizons.get()[0]]);
        let found = transaction(|| match identity::extension() {
            Some(extension) => Ok(Some((extension, read::current_snapshot()))),
            None => Ok(None),
        })?;
        let Some((extension, now)) = found else { return Ok(None) };
        let served = self.extension.get().unwrap_or(extension);
        self.extension.set(Some(served));
        Ok((served == extension).then_some(Moment { now }))
    }

    fn succeeded(&mut self) {
        if self.failures > 0 {
            self.failures = 0;
            // The publisher's status says of the brokers, too, and it clears that itself.
            if self.kind != Kind::Publisher {
                let kind = self.kind.name();
                if let Err(failure) = transaction(|| clear_error(kind, 0)) {
                    self.failed(&failure);
                }
            }
        }
    }

    fn failed(&mut self, failure: &Failure) -> Duration {
        self.failures += 1;
        pgrx::log!("pg_manifold {}: {}", self.kind.name(), failure.message);
        // An error that cannot even be noted has been logged.
        let _ = transaction(|| note_error(self.kind.name(), 0, "error", failure));
        backoff(self.failures)
    }
}

/// Sets an option for this process.
pub fn set(name: &std::ffi::CStr, value: &std::ffi::CStr) {
    // SAFETY: constants that the server knows.
    unsafe {
        pg_sys::SetConfigOption(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_OVERRIDE,
        );
    }
}

/// 0.5 s, 1 s, 2 s … up to half a minute.
pub fn backoff(failures: u32) -> Duration {
    let exponent = failures.saturating_sub(1).min(10);
    (Duration::from_millis(500) * 2u32.pow(exponent)).min(MAX_BACKOFF)
}

#[pg_guard]
unsafe extern "C-unwind" fn leave(_code: i32, kind: pg_sys::Datum) {
    if let Some(database) = shared::my_database()
        && let Some(kind) = Kind::ALL.get(kind.value())
    {
        database.leave(*kind);
    }
}

/// Waits until woken, until `fd` can be read, or until the time is over.
pub fn wait_latch(time: Duration, fd: Option<RawFd>) {
    let mut events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    if fd.is_some() {
        events |= pg_sys::WL_SOCKET_READABLE;
    }
    let milliseconds = time.as_millis().clamp(1, 3_600_000) as i64;
    // SAFETY: our own latch, and a descriptor that its owner keeps open.
    unsafe {
        pg_sys::WaitLatchOrSocket(
            pg_sys::MyLatch,
            events as i32,
            fd.unwrap_or(-1),
            milliseconds,
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    pgrx::check_for_interrupts!();
}

/// Runs `work` in a transaction of its own. Whatever goes wrong inside rolls all of it back and
/// comes back as a value; shutdown requests end the process.
pub fn transaction<T>(work: impl FnOnce() -> Result<T>) -> Result<T, Failure> {
    // SAFETY: the frame of a background worker's transaction, with the abort that a caught error
    // needs before anything else may be done.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        let outcome = PgTryBuilder::new(AssertUnwindSafe(|| work().map_err(Failure::from)))
            .catch_others(|error| Err(Failure::from(error)))
            .execute();
        match outcome {
            Ok(value) => {
                pg_sys::PopActiveSnapshot();
                match PgTryBuilder::new(|| {
                    pg_sys::CommitTransactionCommand();
                    Ok(())
                })
                .catch_others(|error| Err(Failure::from(error)))
                .execute()
                {
                    Ok(()) => {
                        pg_sys::pgstat_report_stat(false);
                        Ok(value)
                    }
                    Err(failure) => {
                        pg_sys::AbortCurrentTransaction();
                        Err(failure)
                    }
                }
            }
            Err(failure) => {
                pg_sys::AbortCurrentTransaction();
                pg_sys::pgstat_report_stat(false);
                Err(failure)
            }
        }
    }
}

/// Orgs (lanes) whose error the status still shows: what an earlier life of the worker met.
pub fn open_errors(consumer: &str) -> Result<Vec<i32>> {
    sql::rows(
        "SELECT lane FROM manifold.consumer_error \
         WHERE consumer = $1 AND lane <> 0 AND cleared_at IS NULL",
        &[consumer.into()],
        |row| Ok(row.get(1)?.unwrap_or_default()),
    )
}

/// Notes a consumer's error for `manifold.status`; the same error again only moves its time on.
pub fn note_error(consumer: &str, lane: i32, severity: &str, failure: &Failure) -> Result<()> {
    sql::run(
        "INSERT INTO manifold.consumer_error AS e (consumer, lane, severity, message, hint) \
         VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (consumer, lane) DO UPDATE SET severity = excluded.severity, \
           message = excluded.message, hint = excluded.hint, at = clock_timestamp(), \
           since = CASE WHEN e.cleared_at IS NULL AND e.message = excluded.message \
                        THEN e.since ELSE excluded.since END, \
           cleared_at = NULL",
        &[
            consumer.into(),
            lane.into(),
            severity.into(),
            failure.message.as_str().into(),
            failure.hint.as_deref().into(),
        ],
    )?;
    Ok(())
}

/// Notes that a consumer's error is over.
pub fn clear_error(consumer: &str, lane: i32) -> Result<()> {
    let open = sql::one::<bool>(
        "SELECT true FROM manifold.consumer_error \
         WHERE consumer = $1 AND lane = $2 AND cleared_at IS NULL",
        &[consumer.into(), lane.into()],
    )?;
    if open.is_some() {
        sql::run(
            "UPDATE manifold.consumer_error SET cleared_at = clock_timestamp() \
             WHERE consumer = $1 AND lane = $2 AND cleared_at IS NULL",
            &[consumer.into(), lane.into()],
        )?;
    }
    Ok(())
}
