//! Open relations that close themselves.

use pgrx::pg_sys;

/// An open table. The lock stays until the transaction ends, as the server's own code does it.
pub struct Table(pub pg_sys::Relation);

impl Table {
    /// Opens a table of ours, waiting for the lock if need be.
    pub fn open(oid: pg_sys::Oid, lock: u32) -> Table {
        // SAFETY: reports an ERROR where there is no such table.
        Table(unsafe { pg_sys::table_open(oid, lock as pg_sys::LOCKMODE) })
    }

    /// Opens a table whose lock is to be had at once; otherwise none.
    pub fn try_open(oid: pg_sys::Oid, lock: u32) -> Option<Table> {
        // SAFETY: a lock by OID is valid for any OID; the table is opened under it.
        unsafe {
            pg_sys::ConditionalLockRelationOid(oid, lock as pg_sys::LOCKMODE)
                .then(|| Table(pg_sys::table_open(oid, pg_sys::NoLock as pg_sys::LOCKMODE)))
        }
    }

    /// The OID of the table's first index; our tables have one each.
    pub fn index_oid(&self) -> Option<pg_sys::Oid> {
        // SAFETY: the relation is open; the list is a copy that we free.
        unsafe {
            let list = pg_sys::RelationGetIndexList(self.0);
            if list.is_null() {
                return None;
            }
            let oid = (*(*list).elements).oid_value;
            pg_sys::list_free(list);
            Some(oid)
        }
    }

    /// Closes the table and gives the lock back before the transaction ends.
    pub fn release(self, lock: u32) {
        // SAFETY: opened once with this lock, closed once.
        unsafe { pg_sys::table_close(self.0, lock as pg_sys::LOCKMODE) }
        std::mem::forget(self);
    }

    pub fn blocks(&self) -> u32 {
        // SAFETY: the relation is open.
        unsafe { pg_sys::RelationGetNumberOfBlocksInFork(self.0, pg_sys::ForkNumber::MAIN_FORKNUM) }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // While an ERROR unwinds, the transaction's end closes what is open.
        if !std::thread::panicking() {
            // SAFETY: opened above, closed once.
            unsafe { pg_sys::table_close(self.0, pg_sys::NoLock as pg_sys::LOCKMODE) }
        }
    }
}

/// An open index.
pub struct Index(pub pg_sys::Relation);

impl Index {
    pub fn open(oid: pg_sys::Oid, lock: u32) -> Index {
        // SAFETY: reports an ERROR where there is no such index.
        Index(unsafe { pg_sys::index_open(oid, lock as pg_sys::LOCKMODE) })
    }

    /// Closes the index and gives the lock back before the transaction ends.
    pub fn release(self, lock: u32) {
        // SAFETY: opened once with this lock, closed once.
        unsafe { pg_sys::index_close(self.0, lock as pg_sys::LOCKMODE) }
        std::mem::forget(self);
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: opened above, closed once.
            unsafe { pg_sys::index_close(self.0, pg_sys::NoLock as pg_sys::LOCKMODE) }
        }
    }
}
