//! Gaps: what should be in the log and is not. They are kept beside it, so that they are known
//! whether or not anybody reads the log.

use std::collections::BTreeSet;

use pgrx::pg_sys;

use super::objects::Objects;
use crate::error::Result;
use crate::pg::relation::Table;
use crate::pg::sql;

/// Characters of a reason that are kept.
const REASON: usize = 500;

/// Notes, as part of the present transaction, that changes of a source are missing in the log. Like
/// appending to the log it needs no rights and waits for nobody: the table has no index.
pub fn note(objects: &Objects, source: i32, reason: &str) {
    let reason: String = reason.chars().take(REASON).collect();
    let table = Table::open(objects.gap, pg_sys::RowExclusiveLock);
    // SAFETY: the values are of the columns' types, in their order; consumer is null.
    unsafe {
        let text = pg_sys::cstring_to_text_with_len(reason.as_ptr().cast(), reason.len() as i32);
        let mut values = [
            pg_sys::Datum::from(source),
            pg_sys::Datum::null(),
            pg_sys::Datum::from(text),
            pg_sys::Datum::from(pg_sys::GetCurrentTimestamp()),
        ];
        let mut nulls = [false, true, false, false];
        let tuple =
            pg_sys::heap_form_tuple((*table.0).rd_att, values.as_mut_ptr(), nulls.as_mut_ptr());
        let command = pg_sys::GetCurrentCommandId(true);
        pg_sys::heap_insert(table.0, tuple, command, 0, std::ptr::null_mut());
        pg_sys::heap_freetuple(tuple);
    }
}

/// Notes, once for each reason, that a consumer has missed changes of some sources.
pub fn note_for(consumer: &str, sources: BTreeSet<i32>, reason: &str) -> Result<()> {
    sql::run(
        "INSERT INTO manifold.gap (source_id, consumer, reason) \
         SELECT s.source_id, $2, $3 FROM pg_catalog.unnest($1) AS s (source_id) \
         WHERE NOT EXISTS (SELECT FROM manifold.gap g \
           WHERE g.source_id = s.source_id AND g.consumer = $2 AND g.reason = $3)",
        &[sources.into_iter().collect::<Vec<i32>>().into(), consumer.into(), reason.into()],
    )?;
    Ok(())
}
