//! What is behind the numbers of types that are not built in.

use std::cell::Cell;

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::error::Result;
use crate::pg::sql;
use crate::publish::form::{Type, Types};
use crate::row::layout::Layout;

/// The first number that is not reserved for what every database has (`access/transam.h`).
const FIRST_OWN: u32 = 16_384;

thread_local! {
    static REGISTERED: Cell<bool> = const { Cell::new(false) };
    static CHANGES: Cell<u64> = const { Cell::new(0) };
}

#[pg_guard]
unsafe extern "C-unwind" fn on_enum_change(_arg: pg_sys::Datum, _cache: i32, _hash: u32) {
    CHANGES.set(CHANGES.get() + 1);
}

/// How often an enum has got other values, as far as this session was told.
pub fn changes() -> u64 {
    if !REGISTERED.replace(true) {
        // SAFETY: registered once a process.
        unsafe {
            pg_sys::CacheRegisterSyscacheCallback(
                pg_sys::SysCacheIdentifier::ENUMOID as i32,
                Some(on_enum_change),
                pg_sys::Datum::null(),
            );
        }
    }
    CHANGES.get()
}

/// The types of a layout's columns that are not built in, as far as they still exist.
pub fn of(layout: &Layout) -> Result<Types> {
    let numbers: Vec<i64> = layout
        .live()
        .map(|(_, column)| column.element.as_ref().map_or(column.base_oid, |e| e.base_oid))
        .filter(|oid| *oid >= FIRST_OWN)
        .map(i64::from)
        .collect();
    if numbers.is_empty() {
        return Ok(Types::new());
    }
    let found = sql::rows(
        "SELECT t.oid::bigint, t.typname::text, \
                ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum e \
                      WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) \
         FROM pg_catalog.pg_type t WHERE t.oid::bigint = ANY ($1)",
        &[numbers.into()],
        |row| {
            let oid = row.get::<i64>(1)?.unwrap_or_default();
            let name = row.get::<String>(2)?.unwrap_or_default();
            let labels = row.get::<Vec<String>>(3)?.unwrap_or_default();
            Ok((u32::try_from(oid).unwrap_or_default(), Type { name, labels }))
        },
    )?;
    Ok(found.into_iter().collect())
}
