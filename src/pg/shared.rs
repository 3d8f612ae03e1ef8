//! Shared memory: how sessions wake workers, and how workers and the launcher find each other.
//!
//! Nothing here is needed for correctness: all of it may be lost in a crash. The log and the
//! positions are in tables.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use pgrx::pg_sys;
use pgrx::prelude::*;

/// Databases with the extension in one cluster, at most.
pub const MAX_DATABASES: usize = 64;

/// The workers of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Kind {
    /// Rotation of the log, backfill; and the one that finds out whether the extension is there.
    Keeper = 0,
    Normalizer = 1,
    Publisher = 2,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Keeper, Kind::Normalizer, Kind::Publisher];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Keeper => "keeper",
            Kind::Normalizer => "normalizer",
            Kind::Publisher => "publisher",
        }
    }
}

/// What the launcher knows of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Presence {
    /// Not looked yet, or something happened: start the keeper to find out.
    Unknown = 0,
    Absent = 1,
    Present = 2,
}

#[repr(C)]
pub struct Database {
    /// InvalidOid where the slot is free.
    oid: AtomicU32,
    presence: AtomicU32,
    /// Sessions that want our workers out of this database (DROP DATABASE and the like).
    pub holds: AtomicU32,
    /// Goes up when definitions have changed.
    definitions: AtomicU64,
    /// Which of the log's tables is written to.
    pub log_table: AtomicU32,
    /// Which of the position tables is written to.
    pub position_table: AtomicU32,
    /// Where the log is to be let go of up to this transaction id: it has outgrown its limit. 0: it has not.
    pub log_horizon: AtomicU64,
    latches: [AtomicPtr<pg_sys::Latch>; 3],
    /// Workers that changes are nothing to just now.
    deaf: [AtomicBool; 3],
    pids: [AtomicI32; 3],
}

#[repr(C)]
struct Shared {
    launcher: AtomicPtr<pg_sys::Latch>,
    /// Databases may have come or gone: the launcher is to look at once.
    look: AtomicBool,
    /// Sessions that are committing changes of definitions, in any database: whether others see them
    /// already is not known. A session's end, however it comes, ends its commit; after a crash all begins
    /// with zero.
    defining: AtomicU32,
    databases: [Database; MAX_DATABASES],
}

static SHARED: AtomicPtr<Shared> = AtomicPtr::new(std::ptr::null_mut());
static mut PREVIOUS_STARTUP: pg_sys::shmem_startup_hook_type = None;
#[cfg(not(feature = "pg14"))]
static mut PREVIOUS_REQUEST: pg_sys::shmem_request_hook_type = None;

/// Asks the postmaster for the memory; called from `_PG_init` while it preloads libraries.
pub fn request() {
    // SAFETY: the postmaster is single-threaded, and hooks are chained.
    unsafe {
        #[cfg(feature = "pg14")]
        pg_sys::RequestAddinShmemSpace(size_of::<Shared>());
        #[cfg(not(feature = "pg14"))]
        {
            PREVIOUS_REQUEST = pg_sys::shmem_request_hook;
            pg_sys::shmem_request_hook = Some(request_hook);
        }
        PREVIOUS_STARTUP = pg_sys::shmem_startup_hook;
        pg_sys::shmem_startup_hook = Some(startup_hook);
    }
}

#[cfg(not(feature = "pg14"))]
#[pg_guard]
extern "C-unwind" fn request_hook() {
    // SAFETY: called by the postmaster at the one moment when this is allowed.
    unsafe {
        if let Some(previous) = PREVIOUS_REQUEST {
            previous();
        }
        pg_sys::RequestAddinShmemSpace(size_of::<Shared>());
    }
}

#[pg_guard]
extern "C-unwind" fn startup_hook() {
    // SAFETY: the area is as large as asked for; all-zero bytes are a valid `Shared`.
    unsafe {
        if let Some(previous) = PREVIOUS_STARTUP {
            previous();
        }
        let mut found = false;
        let area =
            pg_sys::ShmemInitStruct(c"pg_manifold".as_ptr(), size_of::<Shared>(), &mut found)
                .cast::<Shared>();
        if !found {
            std::ptr::write_bytes(area, 0, 1);
        }
        SHARED.store(area, Ordering::Relaxed);
    }
}

fn shared() -> Option<&'static Shared> {
    // SAFETY: null, or set once by the startup hook to memory that outlives every process.
    unsafe { SHARED.load(Ordering::Relaxed).as_ref() }
}

/// Whether the library was preloaded.
pub fn available() -> bool {
    shared().is_some()
}

/// The slot of a database, if it has one.
pub fn database(oid: pg_sys::Oid) -> Option<&'static Database> {
    shared()?.databases.iter().find(|slot| slot.oid.load(Ordering::Acquire) == oid.to_u32())
}

/// The slot of the database that this process is connected to.
pub fn my_database() -> Option<&'static Database> {
    // SAFETY: a plain read.
    database(unsafe { pg_sys::MyDatabaseId })
}

/// The slot of a database, taken if need be; none when all are taken.
pub fn claim(oid: pg_sys::Oid) -> Option<&'static Database> {
    database(oid).or_else(|| {
        shared()?.databases.iter().find(|slot| {
            slot.oid.compare_exchange(0, oid.to_u32(), Ordering::AcqRel, Ordering::Relaxed).is_ok()
        })
    })
}

/// All slots in use.
pub fn databases() -> impl Iterator<Item = &'static Database> {
    shared()
        .into_iter()
        .flat_map(|shared| shared.databases.iter())
        .filter(|slot| slot.oid.load(Ordering::Acquire) != 0)
}

pub fn register_launcher() {
    if let Some(shared) = shared() {
        // SAFETY: a plain read; a process's latch lives in shared memory.
        shared.launcher.store(unsafe { pg_sys::MyLatch }, Ordering::Release);
    }
}

pub fn wake_launcher() {
    if let Some(shared) = shared() {
        set_latch(&shared.launcher);
    }
}

/// Has the launcher look for databases at once.
pub fn look_for_databases() {
    if let Some(shared) = shared() {
        shared.look.store(true, Ordering::Release);
    }
    wake_launcher();
}

/// This session is about to commit changes of definitions; `defined` is to follow.
pub fn defining() {
    if let Some(shared) = shared() {
        shared.defining.fetch_add(1, Ordering::SeqCst);
    }
}

/// The commit is over, or failed.
pub fn defined() {
    if let Some(shared) = shared() {
        if let Some(database) = my_database() {
            database.definitions.fetch_add(1, Ordering::SeqCst);
        }
        shared.defining.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whether somebody asked the launcher to look for databases; asked for once.
pub fn told_to_look() -> bool {
    shared().is_some_and(|shared| shared.look.swap(false, Ordering::AcqRel))
}

fn set_latch(latch: &AtomicPtr<pg_sys::Latch>) {
    let latch = latch.load(Ordering::Acquire);
    if !latch.is_null() {
        // SAFETY: latches of processes live in shared memory for ever; one that has gone to another
        // process is woken once for nothing.
        unsafe { pg_sys::SetLatch(latch) }
    }
}

impl Database {
    pub fn oid(&self) -> pg_sys::Oid {
        pg_sys::Oid::from(self.oid.load(Ordering::Acquire))
    }

    pub fn presence(&self) -> Presence {
        match self.presence.load(Ordering::Acquire) {
            1 => Presence::Absent,
            2 => Presence::Present,
            _ => Presence::Unknown,
        }
    }

    pub fn set_presence(&self, presence: Presence) {
        self.presence.store(presence as u32, Ordering::Release);
    }

    /// Which definitions hold: those read after this number was, for as long as it is the same. None
    /// while some are being committed: they are read anew then, each time that changes are looked for.
    /// To be asked after a snapshot was taken, it says of all that the snapshot sees.
    pub fn definitions(&self) -> Option<u64> {
        // In this order: whoever is no longer committing has counted.
        let defining = shared()?.defining.load(Ordering::SeqCst);
        (defining == 0).then(|| self.definitions.load(Ordering::SeqCst))
    }

    /// Makes this process the worker of a kind; false if there is one (a launcher that was ended
    /// leaves its workers to the next one, which knows nothing of them). Taken back by `leave`.
    pub fn enter(&self, kind: Kind) -> bool {
        // SAFETY: plain reads.
        let (me, latch) = unsafe { (pg_sys::MyProcPid, pg_sys::MyLatch) };
        let free = self.pids[kind as usize]
            .compare_exchange(0, me, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok();
        if free {
            self.set_deaf(kind, false);
            self.latches[kind as usize].store(latch, Ordering::Release);
        }
        free
    }

    /// This process is the worker no more.
    pub fn leave(&self, kind: Kind) {
        // SAFETY: a plain read.
        let me = unsafe { pg_sys::MyProcPid };
        if self.pid(kind) == Some(me) {
            self.latches[kind as usize].store(std::ptr::null_mut(), Ordering::Release);
            self.pids[kind as usize].store(0, Ordering::Release);
        }
    }

    /// Process id of the worker of a kind, where one runs.
    pub fn pid(&self, kind: Kind) -> Option<i32> {
        Some(self.pids[kind as usize].load(Ordering::Acquire)).filter(|&pid| pid != 0)
    }

    pub fn wake(&self, kind: Kind) {
        set_latch(&self.latches[kind as usize]);
    }

    /// Wakes a worker for changes in the log, if it wants to hear of them.
    pub fn tell_of_changes(&self, kind: Kind) {
        if !self.deaf[kind as usize].load(Ordering::Relaxed) {
            self.wake(kind);
        }
    }

    /// Whether a worker wants to hear of changes: to be woken for nothing takes the writers' time.
    pub fn set_deaf(&self, kind: Kind, deaf: bool) {
        self.deaf[kind as usize].store(deaf, Ordering::Relaxed);
    }

    /// Gives the slot back: the database is gone.
    pub fn release(&self) {
        for kind in 0..Kind::ALL.len() {
            self.latches[kind].store(std::ptr::null_mut(), Ordering::Relaxed);
            self.pids[kind].store(0, Ordering::Relaxed);
        }
        self.log_table.store(0, Ordering::Relaxed);
        self.position_table.store(0, Ordering::Relaxed);
        self.log_horizon.store(0, Ordering::Relaxed);
        self.holds.store(0, Ordering::Relaxed);
        self.presence.store(Presence::Unknown as u32, Ordering::Relaxed);
        self.oid.store(0, Ordering::Release);
    }
}
