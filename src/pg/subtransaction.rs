//! Work that may fail without failing the transaction around it.

use pgrx::PgTryBuilder;
use pgrx::pg_sys;
use pgrx::pg_sys::panic::CaughtError;
use std::panic::AssertUnwindSafe;

/// What went wrong inside, as the server put it.
#[derive(Debug, Clone)]
pub struct Failure {
    pub code: pgrx::PgSqlErrorCode,
    pub message: String,
    pub hint: Option<String>,
}

/// Runs `work` in a subtransaction: an ERROR inside rolls back what `work` did, and comes back as a
/// value. Cancel and shutdown requests are not caught: they end the transaction as always.
///
/// Catching an error without a subtransaction would leave locks, pins and memory of half-done work
/// behind.
pub fn attempt<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    attempt_unless(work, || true)
}

/// As [`attempt`], but a cancel request is an error like others unless `cancel` says otherwise.
pub fn attempt_unless<T>(work: impl FnOnce() -> T, cancel: fn() -> bool) -> Result<T, Failure> {
    // SAFETY: begun and ended in pairs on every path; memory context and resource owner are put back
    // as they were, as PL/pgSQL does it for a block with an exception handler.
    unsafe {
        let context = pg_sys::CurrentMemoryContext;
        let owner = pg_sys::CurrentResourceOwner;
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(context);
        let restore = move || {
            pg_sys::MemoryContextSwitchTo(context);
            pg_sys::CurrentResourceOwner = owner;
        };
        PgTryBuilder::new(AssertUnwindSafe(|| {
            let value = work();
            pg_sys::ReleaseCurrentSubTransaction();
            restore();
            Ok(value)
        }))
        .catch_others(move |error| {
            pg_sys::RollbackAndReleaseCurrentSubTransaction();
            restore();
            let failure = match &error {
                CaughtError::PostgresError(report)
                | CaughtError::ErrorReport(report)
                | CaughtError::RustPanic { ereport: report, .. } => Failure {
                    code: report.sql_error_code(),
                    message: report.message().to_string(),
                    hint: report.hint().map(str::to_string),
                },
            };
            if failure.code == pgrx::PgSqlErrorCode::ERRCODE_QUERY_CANCELED && cancel()
                || failure.code == pgrx::PgSqlErrorCode::ERRCODE_ADMIN_SHUTDOWN
            {
                error.rethrow()
            }
            Err(failure)
        })
        .execute()
    }
}
