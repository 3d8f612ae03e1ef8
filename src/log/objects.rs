//! The OIDs of our tables, remembered per session.

use std::cell::Cell;

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::pg;

/// Where the log is in this database.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Objects {
    pub tables: [pg_sys::Oid; 3],
    pub indexes: [pg_sys::Oid; 3],
    pub change_seq: pg_sys::Oid,
    pub layout: pg_sys::Oid,
    pub layout_index: pg_sys::Oid,
    pub layout_seq: pg_sys::Oid,
    pub gap: pg_sys::Oid,
}

thread_local! {
    static REGISTERED: Cell<bool> = const { Cell::new(false) };
    /// Goes up with every relation that changes; what was looked up before is looked up again.
    static INVALIDATIONS: Cell<u64> = const { Cell::new(0) };
    static OBJECTS: Cell<Option<(u64, Objects)>> = const { Cell::new(None) };
}

#[pg_guard]
unsafe extern "C-unwind" fn on_relation_change(_arg: pg_sys::Datum, _relation: pg_sys::Oid) {
    INVALIDATIONS.set(INVALIDATIONS.get() + 1);
}

/// How many relations have changed, as far as this session was told.
pub fn invalidations() -> u64 {
    if !REGISTERED.replace(true) {
        // SAFETY: registered once a process.
        unsafe {
            pg_sys::CacheRegisterRelcacheCallback(Some(on_relation_change), pg_sys::Datum::null())
        }
    }
    INVALIDATIONS.get()
}

/// The log's objects; none where the extension is not installed.
pub fn objects() -> Option<Objects> {
    let now = invalidations();
    if let Some((then, objects)) = OBJECTS.get()
        && then == now
    {
        return Some(objects);
    }
    let objects = look_up()?;
    OBJECTS.set(Some((now, objects)));
    Some(objects)
}

fn look_up() -> Option<Objects> {
    let schema = pg::identity::schema()?;
    let oid = |name: &std::ffi::CStr| {
        // SAFETY: a catalog look-up.
        let oid = unsafe { pg_sys::get_relname_relid(name.as_ptr(), schema) };
        (oid != pg_sys::InvalidOid).then_some(oid)
    };
    Some(Objects {
        tables: [oid(c"change_0")?, oid(c"change_1")?, oid(c"change_2")?],
        indexes: [oid(c"change_0_xid")?, oid(c"change_1_xid")?, oid(c"change_2_xid")?],
        change_seq: oid(c"change_seq")?,
        layout: oid(c"layout")?,
        layout_index: oid(c"layout_lookup")?,
        layout_seq: oid(c"layout_seq")?,
        gap: oid(c"gap")?,
    })
}
