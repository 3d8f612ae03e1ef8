//! What happens when a transaction ends: consumers are woken, once, by what it did.
//!
//! The callbacks are registered once for the life of the process (pgrx's own hooks would leak out
//! of a prepared transaction); flags tell what the current transaction did. COMMIT PREPARED in
//! another session wakes nobody: workers look by themselves once a second.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use pgrx::pg_sys;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::shared::{self, Database, Kind, Presence};
use crate::error::Error;

#[derive(Clone, Copy, Default)]
struct Flags {
    captured: bool,
    defined: bool,
    installed: bool,
}

thread_local! {
    static FLAGS: Cell<Flags> = const { Cell::new(Flags { captured: false, defined: false, installed: false }) };
    static ABORTS: Cell<u64> = const { Cell::new(0) };
    static DEFINING: Cell<bool> = const { Cell::new(false) };
    static HELD: Cell<Option<&'static Database>> = const { Cell::new(None) };
}

pub fn register() {
    // SAFETY: registered once a process, never removed.
    unsafe {
        pg_sys::RegisterXactCallback(Some(at_end), std::ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(at_subtransaction_end), std::ptr::null_mut());
    }
}

/// This transaction wrote to the log.
pub fn captured() {
    FLAGS.set(Flags { captured: true, ..FLAGS.get() });
}

/// This transaction changed definitions: workers read them anew when it commits.
pub fn defined() {
    FLAGS.set(Flags { defined: true, ..FLAGS.get() });
}

/// This transaction created the extension: the launcher looks when it commits.
pub fn installed() {
    FLAGS.set(Flags { installed: true, ..FLAGS.get() });
}

/// Keeps our workers out of a database until this transaction ends.
pub fn hold(database: &'static Database) {
    let_go();
    HELD.set(Some(database));
    database.holds.fetch_add(1, Ordering::AcqRel);
    for kind in Kind::ALL {
        database.wake(kind);
    }
}

fn let_go() {
    if let Some(database) = HELD.take() {
        // The launcher may have given the slot to another database meanwhile, with no holds.
        let _ = database
            .holds
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |holds| holds.checked_sub(1));
        shared::look_for_databases();
    }
}

/// Goes up whenever something is rolled back (or prepared, which ends it for this session): what a
/// session remembers of its own uncommitted work is void then.
pub fn aborts() -> u64 {
    ABORTS.get()
}

#[pg_guard]
unsafe extern "C-unwind" fn at_end(event: pg_sys::XactEvent::Type, _arg: *mut std::ffi::c_void) {
    use pg_sys::XactEvent::*;
    match event {
        XACT_EVENT_PRE_COMMIT if FLAGS.get().defined => {
            DEFINING.set(true);
            shared::defining();
        }
        XACT_EVENT_PRE_PREPARE if FLAGS.get().defined => refuse_to_prepare(),
        XACT_EVENT_COMMIT | XACT_EVENT_PARALLEL_COMMIT => {
            let_go();
            defined_by_now();
            wake(FLAGS.take());
        }
        XACT_EVENT_ABORT | XACT_EVENT_PARALLEL_ABORT | XACT_EVENT_PREPARE => {
            let_go();
            defined_by_now();
            FLAGS.take();
            ABORTS.set(ABORTS.get() + 1);
        }
        _ => {}
    }
}

/// What this transaction defined is visible by now, or never will be. Between becoming visible and this,
/// a session may be kept waiting for as long as the machine likes.
fn defined_by_now() {
    if DEFINING.take() {
        shared::defined();
    }
}

/// COMMIT PREPARED calls nobody back, so workers would not hear of the new definitions, and pass over
/// changes of a new source.
fn refuse_to_prepare() {
    let error = Error::state(
        "a transaction that changes definitions of pg_manifold cannot be prepared",
        "Use COMMIT instead of PREPARE TRANSACTION.",
    );
    ErrorReport::from(error).report(PgLogLevel::ERROR);
}

#[pg_guard]
unsafe extern "C-unwind" fn at_subtransaction_end(
    event: pg_sys::SubXactEvent::Type,
    _mine: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _arg: *mut std::ffi::c_void,
) {
    if event == pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB {
        ABORTS.set(ABORTS.get() + 1);
    }
}

/// Runs after the transaction has become visible to others (`CommitTransaction` calls back after
/// `ProcArrayEndTransaction`), so whoever is woken finds what was written.
fn wake(flags: Flags) {
    if flags.installed {
        if let Some(database) = shared::my_database() {
            database.set_presence(Presence::Unknown);
        }
        shared::look_for_databases();
    }
    if !(flags.captured || flags.defined) {
        return;
    }
    let Some(database) = shared::my_database() else { return };
    if flags.defined {
        Kind::ALL.into_iter().for_each(|kind| database.wake(kind));
    } else {
        database.tell_of_changes(Kind::Normalizer);
        database.tell_of_changes(Kind::Publisher);
    }
}
