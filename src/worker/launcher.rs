//! The launcher: one process in the cluster, connected to no database. It starts, for every
//! database, the keeper, which finds out whether the extension is there; then the other workers.
//!
//! A worker is `Stopped` until a moment, or `Running` since one. It goes from `Stopped` to `Running`
//! when it is wanted and its moment has come, and from `Running` to `Stopped` when its process has
//! ended; then it is wanted again at once, and after a while that grows with every short life when it
//! ends soon. Wanted is: the
//! keeper while the database's presence is unknown or present, the others while it is present, none
//! while somebody holds the database.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pgrx::bgworkers::{
    BackgroundWorkerBuilder, BackgroundWorkerStatus, BgWorkerStartTime, DynamicBackgroundWorker,
};
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::lifecycle::{self, backoff};
use crate::pg::compat;
use crate::pg::shared::{self, Database, Kind, Presence};

/// How often the list of databases is read when nobody asks for it: for databases that came into
/// being with the extension in them (CREATE DATABASE … TEMPLATE).
const LOOK_FOR_DATABASES: Duration = Duration::from_secs(10);
/// A worker that lived this long has not failed at once.
const HEALTHY: Duration = Duration::from_secs(5);

pub fn register() {
    BackgroundWorkerBuilder::new("pg_manifold launcher")
        .set_type("pg_manifold launcher")
        .set_library("pg_manifold")
        .set_function("manifold_launcher")
        .enable_spi_access()
        .set_start_time(BgWorkerStartTime::RecoveryFinished)
        .set_restart_time(Some(Duration::from_secs(1)))
        .load();
}

enum State {
    Stopped { until: Option<Instant> },
    Running { handle: DynamicBackgroundWorker, since: Instant },
}

struct Slot {
    state: State,
    failures: u32,
}

/// # Safety
/// Called by the server as a background worker's main function.
#[unsafe(no_mangle)]
#[pg_guard]
pub extern "C-unwind" fn manifold_launcher(_argument: pg_sys::Datum) {
    compat::handle_signals();
    // SAFETY: a connection to no database, which reads shared catalogs only.
    unsafe {
        pg_sys::BackgroundWorkerInitializeConnection(std::ptr::null(), std::ptr::null(), 0);
    }
    shared::register_launcher();
    let mut workers: HashMap<(u32, usize), Slot> = HashMap::new();
    let mut looked: Option<Instant> = None;
    // A main function that returned would not be started again: this loop ends with the process.
    loop {
        pgrx::check_for_interrupts!();
        let told = shared::told_to_look();
        if told || looked.is_none_or(|at| at.elapsed() >= LOOK_FOR_DATABASES) {
            match lifecycle::transaction(|| Ok(list_databases())) {
                Ok(databases) => take_notice(&databases, &mut workers),
                Err(failure) => pgrx::log!("pg_manifold launcher: {}", failure.message),
            }
            looked = Some(Instant::now());
        }
        let mut wait = lifecycle::IDLE;
        for database in shared::databases() {
            for kind in Kind::ALL {
                let slot = workers
                    .entry((database.oid().to_u32(), kind as usize))
                    .or_insert(Slot { state: State::Stopped { until: None }, failures: 0 });
                step(database, kind, slot);
                if let State::Stopped { until: Some(until) } = slot.state {
                    wait = wait.min(until.saturating_duration_since(Instant::now()));
                }
            }
        }
        lifecycle::wait_latch(wait, None);
    }
}

/// OIDs of the databases that can be connected to.
fn list_databases() -> Vec<u32> {
    let mut databases = Vec::new();
    // SAFETY: a scan of a shared catalog whose rows are FormData_pg_database.
    unsafe {
        let relation = pg_sys::table_open(
            pg_sys::DatabaseRelationId,
            pg_sys::AccessShareLock as pg_sys::LOCKMODE,
        );
        let scan = pg_sys::table_beginscan_catalog(relation, 0, std::ptr::null_mut());
        loop {
            let tuple = pg_sys::heap_getnext(scan, pg_sys::ScanDirection::ForwardScanDirection);
            if tuple.is_null() {
                break;
            }
            let form = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_database>();
            if form.datallowconn && !form.datistemplate {
                databases.push(form.oid.to_u32());
            }
        }
        pg_sys::heap_endscan(scan);
        pg_sys::table_close(relation, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
    }
    databases
}

fn take_notice(databases: &[u32], workers: &mut HashMap<(u32, usize), Slot>) {
    for database in shared::databases() {
        if !databases.contains(&database.oid().to_u32()) {
            database.release();
        }
    }
    workers.retain(|(oid, _), _| databases.contains(oid));
    for &oid in databases {
        if shared::claim(pg_sys::Oid::from(oid)).is_none() {
            pgrx::warning!(
                "pg_manifold: more than {} databases; the database with OID {oid} gets no workers",
                shared::MAX_DATABASES
            );
        }
    }
}

fn step(database: &Database, kind: Kind, slot: &mut Slot) {
    if let State::Running { handle, since } = &slot.state
        && let Err(BackgroundWorkerStatus::Stopped | BackgroundWorkerStatus::PostmasterDied) =
            handle.pid()
    {
        slot.failures = if since.elapsed() >= HEALTHY { 1 } else { slot.failures + 1 };
        let until = match slot.failures {
            1 => None,
            failures => Some(Instant::now() + backoff(failures - 1)),
        };
        slot.state = State::Stopped { until };
    }
    match &slot.state {
        State::Running { .. } => {}
        State::Stopped { until } => {
            if !wanted(database, kind) {
                // When it is wanted again, that is a new beginning.
                slot.failures = 0;
                slot.state = State::Stopped { until: None };
            } else if until.is_none_or(|until| Instant::now() >= until) {
                slot.state = match start(database, kind) {
                    Some(handle) => State::Running { handle, since: Instant::now() },
                    None => {
                        slot.failures += 1;
                        pgrx::log!(
                            "pg_manifold: no background worker to be had for the {}; raise max_worker_processes",
                            kind.name()
                        );
                        State::Stopped { until: Some(Instant::now() + backoff(slot.failures)) }
                    }
                };
            }
        }
    }
}

fn wanted(database: &Database, kind: Kind) -> bool {
    if database.holds.load(Ordering::Acquire) > 0 {
        return false;
    }
    match database.presence() {
        Presence::Absent => false,
        Presence::Present => true,
        Presence::Unknown => kind == Kind::Keeper,
    }
}

fn start(database: &Database, kind: Kind) -> Option<DynamicBackgroundWorker> {
    let name = format!("pg_manifold {}", kind.name());
    // SAFETY: a plain read.
    let me = unsafe { pg_sys::MyProcPid };
    BackgroundWorkerBuilder::new(&name)
        .set_type(&name)
        .set_library("pg_manifold")
        .set_function(&format!("manifold_{}", kind.name()))
        .set_argument(Some(pg_sys::Datum::from(database.oid().to_u32())))
        .enable_spi_access()
        .set_start_time(BgWorkerStartTime::RecoveryFinished)
        .set_restart_time(None)
        .set_notify_pid(me)
        .load_dynamic()
        .ok()
}
