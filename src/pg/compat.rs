//! What differs between server versions, and what pgrx does not bind.

use pgrx::pg_sys;

mod unbound {
    use pgrx::pg_sys;
    unsafe extern "C-unwind" {
        /// `catalog/pg_inherits.h`
        pub fn find_all_inheritors(
            parent: pg_sys::Oid,
            lock: pg_sys::LOCKMODE,
            parents: *mut *mut pg_sys::List,
        ) -> *mut pg_sys::List;
        /// `commands/sequence.h`
        pub fn nextval_internal(relid: pg_sys::Oid, check_permissions: bool) -> i64;
        /// `tcop/utility.h`; unguarded, so that its errors stay whole
        #[allow(non_snake_case)]
        pub fn standard_ProcessUtility(
            statement: *mut pg_sys::PlannedStmt,
            query: *const std::ffi::c_char,
            read_only_tree: bool,
            context: pg_sys::ProcessUtilityContext::Type,
            params: pg_sys::ParamListInfo,
            environment: *mut pg_sys::QueryEnvironment,
            destination: *mut pg_sys::DestReceiver,
            completion: *mut pg_sys::QueryCompletion,
        );
        /// `tcop/tcopprot.h`; unguarded, as a signal handler has to be
        pub fn die(signal: std::ffi::c_int);
        /// `postmaster/interrupt.h`; likewise
        #[allow(non_snake_case)]
        pub fn SignalHandlerForConfigReload(signal: std::ffi::c_int);
    }
    // Called for every statement that is captured; none of them can raise an ERROR, so none needs a
    // guard.
    unsafe extern "C" {
        /// `utils/snapmgr.h`; there is one while a statement runs
        #[allow(non_snake_case)]
        pub fn GetActiveSnapshot() -> pg_sys::Snapshot;
        /// `access/xact.h`
        #[allow(non_snake_case)]
        pub fn GetCurrentSubTransactionId() -> u32;
        /// `utils/timestamp.h`
        #[allow(non_snake_case)]
        pub fn GetCurrentTimestamp() -> i64;
        /// `utils/xml.h`: XMLBINARY_BASE64 = 0, XMLBINARY_HEX = 1
        pub static xmlbinary: std::ffi::c_int;
    }
}

/// Whether the current user is the database's owner or a superuser.
pub fn owns_database(database: pg_sys::Oid) -> bool {
    // SAFETY: a catalog look-up in a transaction, for a database that exists.
    unsafe {
        #[cfg(any(feature = "pg14", feature = "pg15"))]
        return pg_sys::pg_database_ownercheck(database, pg_sys::GetUserId());
        #[cfg(not(any(feature = "pg14", feature = "pg15")))]
        return pg_sys::object_ownercheck(
            pg_sys::DatabaseRelationId,
            database,
            pg_sys::GetUserId(),
        );
    }
}

type ProcessUtility = unsafe extern "C-unwind" fn(
    *mut pg_sys::PlannedStmt,
    *const std::ffi::c_char,
    bool,
    pg_sys::ProcessUtilityContext::Type,
    pg_sys::ParamListInfo,
    *mut pg_sys::QueryEnvironment,
    *mut pg_sys::DestReceiver,
    *mut pg_sys::QueryCompletion,
);

/// What runs a utility statement where no other extension does.
pub fn standard_process_utility() -> ProcessUtility {
    unbound::standard_ProcessUtility
}

/// Signals of a background worker: SIGHUP notes that the configuration is to be read again, SIGTERM
/// is handled by the server's own `die`, so that it interrupts a running query too.
pub fn handle_signals() {
    // SAFETY: the server's own handlers, in the order that workers have to keep: install, unblock.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        use pg_sys::pqsignal;
        #[cfg(feature = "pg18")]
        use pg_sys::pqsignal_be as pqsignal;
        pqsignal(pg_sys::SIGHUP as i32, Some(unbound::SignalHandlerForConfigReload));
        pqsignal(pg_sys::SIGTERM as i32, Some(unbound::die));
        pg_sys::BackgroundWorkerUnblockSignals();
    }
}

/// A table and all its partitions and children, none of them locked.
pub fn inheritors(table: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    // SAFETY: a catalog look-up, whose ERROR comes back through the guard; the list is a copy.
    unsafe {
        let list = pg_sys::ffi::pg_guard_ffi_boundary(|| {
            let lock = pg_sys::NoLock as pg_sys::LOCKMODE;
            unbound::find_all_inheritors(table, lock, std::ptr::null_mut())
        });
        let length = usize::try_from((*list).length).unwrap_or_default();
        let oids = (0..length).map(|at| (*(*list).elements.add(at)).oid_value).collect();
        pg_sys::list_free(list);
        oids
    }
}

/// The next value of a sequence, without a check of the caller's rights.
pub fn next_value(sequence: pg_sys::Oid) -> i64 {
    // SAFETY: an ERROR of the server (a sequence that is gone) comes back through the guard.
    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| unbound::nextval_internal(sequence, false)) }
}

/// What tells the query that is running from those that it runs inside and that run inside it: the
/// command that its snapshot is of. Before a query inside another looks at anything, the server counts
/// the commands of the transaction on.
pub fn current_query() -> u32 {
    // SAFETY: null, or a snapshot that lasts as long as the query.
    unsafe { unbound::GetActiveSnapshot().as_ref().map_or(0, |snapshot| snapshot.curcid) }
}

/// How many rows this transaction has inserted into, updated and deleted in a table, as the server
/// counts them for its statistics. Zeros where it does not (`track_counts`).
///
/// # Safety
/// The relation is open.
pub unsafe fn written(relation: pg_sys::Relation) -> [i64; 3] {
    // SAFETY: the entry lasts until the transaction ends, as do its levels, one for each savepoint.
    unsafe {
        #[cfg(feature = "pg14")]
        let entry = pg_sys::find_tabstat_entry((*relation).rd_id);
        #[cfg(not(feature = "pg14"))]
        let entry = {
            if (*relation).pgstat_info.is_null() && (*relation).pgstat_enabled {
                pg_sys::pgstat_assoc_relation(relation);
            }
            (*relation).pgstat_info
        };
        let mut written = [0; 3];
        let mut level = entry.as_ref().map_or(std::ptr::null_mut(), |entry| entry.trans);
        while let Some(counts) = level.as_ref() {
            written[0] += counts.tuples_inserted;
            written[1] += counts.tuples_updated;
            written[2] += counts.tuples_deleted;
            level = counts.upper;
        }
        written
    }
}

/// The innermost savepoint that this transaction is in.
pub fn current_subtransaction() -> u32 {
    // SAFETY: a plain read.
    unsafe { unbound::GetCurrentSubTransactionId() }
}

/// Now, in microseconds since 2000.
pub fn now() -> i64 {
    // SAFETY: reads the clock.
    unsafe { unbound::GetCurrentTimestamp() }
}

/// Whether `xmlbinary` is hex, which is how Heroku Connect marks its own writes.
pub fn xmlbinary_is_hex() -> bool {
    // SAFETY: a plain read of a setting's variable.
    unsafe { unbound::xmlbinary == 1 }
}

/// `heap_fetch`, which keeps no buffer of a row that is not visible.
///
/// # Safety
/// As `heap_fetch`: `tuple.t_self` is set, and the caller releases `buffer` when this returns true.
pub unsafe fn heap_fetch(
    relation: pg_sys::Relation,
    snapshot: pg_sys::Snapshot,
    tuple: pg_sys::HeapTuple,
    buffer: *mut pg_sys::Buffer,
) -> bool {
    unsafe {
        #[cfg(feature = "pg14")]
        return pg_sys::heap_fetch(relation, snapshot, tuple, buffer);
        #[cfg(not(feature = "pg14"))]
        return pg_sys::heap_fetch(relation, snapshot, tuple, buffer, false);
    }
}

/// The attribute at a zero-based position.
///
/// # Safety
/// `tupdesc` is valid and has more than `index` attributes.
pub unsafe fn attribute<'a>(
    tupdesc: pg_sys::TupleDesc,
    index: usize,
) -> &'a pg_sys::FormData_pg_attribute {
    unsafe {
        #[cfg(not(feature = "pg18"))]
        return (*tupdesc).attrs.as_slice((*tupdesc).natts as usize).get_unchecked(index);
        #[cfg(feature = "pg18")]
        return &*pg_sys::TupleDescAttr(tupdesc, index as i32);
    }
}

/// Whether the attribute at a zero-based position is NULL in no row: a NOT NULL that was never validated
/// (PostgreSQL 18) says nothing of the rows that were there before.
///
/// # Safety
/// `tupdesc` is a relation's and has more than `index` attributes.
pub unsafe fn is_not_null(tupdesc: pg_sys::TupleDesc, index: usize) -> bool {
    unsafe {
        #[cfg(not(feature = "pg18"))]
        return attribute(tupdesc, index).attnotnull;
        #[cfg(feature = "pg18")]
        return (*pg_sys::TupleDescCompactAttr(tupdesc, index as i32)).attnullability as u8
            == pg_sys::ATTNULLABLE_VALID;
    }
}
