//! The trigger function `manifold.capture(source_id)`.
//!
//! It runs inside the sync's statement, so it never waits, never sends, and fails only when the log
//! cannot be written. It uses no SPI and no search_path, and needs no rights of the writer.

use std::cell::Cell;
use std::rc::Rc;

use pgrx::pg_sys;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::layout::Numbered;
use super::merge::Merge;
use super::nesting;
use super::statement::{self, Transition, Undescribable, add_rows, add_updates};
use super::{layout, origin};
use crate::error::Error;
use crate::log::append::{Chunk, Log, Statement};
use crate::log::change::Op;
use crate::log::gap;
use crate::log::objects::{self, Objects};
use crate::pg::compat;
use crate::pg::relation::Table;
use crate::row::image::Slots;
use crate::row::layout::Layout;

#[unsafe(no_mangle)]
#[doc(hidden)]
pub extern "C" fn pg_finfo_manifold_capture() -> &'static pg_sys::Pg_finfo_record {
    const V1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &V1
}

/// # Safety
/// Called by the server with valid call information.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn manifold_capture(
    fcinfo: pg_sys::FunctionCallInfo,
) -> pg_sys::Datum {
    // SAFETY: the node's tag is checked before it is taken for trigger data.
    unsafe {
        let context = (*fcinfo).context;
        if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_TriggerData {
            raise(Error::state(
                "manifold.capture() is a trigger function",
                "manifold.start attaches it to the tables of an org.",
            ));
        }
        capture(&*context.cast::<pg_sys::TriggerData>());
    }
    pg_sys::Datum::null()
}

fn raise(error: Error) -> ! {
    ErrorReport::from(error).report(PgLogLevel::ERROR);
    unreachable!("an ERROR does not return")
}

/// # Safety
/// `data` is the trigger data of the running trigger.
unsafe fn capture(data: &pg_sys::TriggerData) {
    // SAFETY: the server fills in what belongs to the event.
    unsafe {
        let Some((source, part)) = arguments(data) else {
            raise(Error::state(
                "manifold.capture() has no source",
                "manifold.start attaches it with the number of the source as its argument.",
            ));
        };
        let op = match data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK {
            pg_sys::TRIGGER_EVENT_INSERT => Op::Create,
            pg_sys::TRIGGER_EVENT_DELETE => Op::Delete,
            pg_sys::TRIGGER_EVENT_UPDATE => Op::Update,
            _ => Op::Truncate,
        };
        if data.tg_event & pg_sys::TRIGGER_EVENT_ROW != 0 {
            row(data, source, op);
        } else if data.tg_event & pg_sys::TRIGGER_EVENT_TIMINGMASK == pg_sys::TRIGGER_EVENT_BEFORE {
            nesting::begin(source, op, compat::written(data.tg_relation));
        } else if op == Op::Truncate {
            truncate(data, source, part);
        } else {
            statement(data, source, op);
        }
    }
}

/// The source's number, which `manifold.start` gave the trigger as its argument, and whether the
/// table is a part of the source only.
unsafe fn arguments(data: &pg_sys::TriggerData) -> Option<(i32, bool)> {
    // SAFETY: tgargs has tgnargs C strings.
    unsafe {
        let trigger = &*data.tg_trigger;
        if trigger.tgnargs < 1 {
            return None;
        }
        let source = std::ffi::CStr::from_ptr(*trigger.tgargs).to_str().ok()?.parse().ok()?;
        Some((source, trigger.tgnargs > 1))
    }
}

/// A statement has ended: its transition tables are there.
unsafe fn statement(data: &pg_sys::TriggerData, source: i32, op: Op) {
    // SAFETY: transition tables of the running trigger.
    unsafe {
        let store = if op == Op::Delete { data.tg_oldtable } else { data.tg_newtable };
        let rows = if store.is_null() { 0 } else { pg_sys::tuplestore_tuple_count(store) };
        // Without the extension's tables there is no log: it is being dropped.
        let objects = objects::objects();
        let ended = nesting::end(source, op, rows, objects.as_ref());
        let Some(objects) = objects else { return };
        if rows == 0 && ended.since.is_empty() && ended.before.is_empty() {
            return;
        }
        let layout = layout::of(data.tg_relation, source, &objects);
        let head = Statement { source, layout: layout.id, op, origin: origin::current() };
        let depth = ended.depth();
        let mut merge = Merge::new(head, ended, &objects);
        let outcome = merge_rows(data, &layout, &mut merge);
        if let Some((merged, ends)) = merge.finish() {
            nesting::keep(source, depth, merged, &ends);
        }
        if let Err(Undescribable(reason)) = outcome {
            gap::note(&objects, source, &reason);
        }
    }
}

unsafe fn merge_rows(
    data: &pg_sys::TriggerData,
    layout: &Numbered,
    merge: &mut Merge,
) -> Result<(), Undescribable> {
    // SAFETY: transition tables of the running trigger.
    unsafe {
        let tupdesc = (*data.tg_relation).rd_att;
        let open = |store| Transition::open(store, tupdesc);
        match merge.op() {
            Op::Update => {
                let (mut old, mut new) = (open(data.tg_oldtable), open(data.tg_newtable));
                add_updates(&mut old, &mut new, &layout.layout, merge)
            }
            Op::Delete => add_rows(&mut open(data.tg_oldtable), merge),
            _ => add_rows(&mut open(data.tg_newtable), merge),
        }
    }
}

/// A row has changed that no captured statement is known of: by logical replication, or in a tree.
unsafe fn row(data: &pg_sys::TriggerData, source: i32, op: Op) {
    if nesting::is_open(source) {
        return;
    }
    let Some(objects) = objects::objects() else { return };
    // SAFETY: the slots of the running trigger.
    let outcome = unsafe {
        let layout = layout::of(data.tg_relation, source, &objects);
        let head = Statement { source, layout: layout.id, op, origin: origin::current() };
        queue(data, head, &layout.layout, &objects)
    };
    if let Err(Undescribable(reason)) = outcome {
        gap::note(&objects, source, &reason);
    }
}

unsafe fn queue(
    data: &pg_sys::TriggerData,
    head: Statement,
    layout: &Rc<Layout>,
    objects: &Objects,
) -> Result<(), Undescribable> {
    // SAFETY: the slots of the running trigger; an update has two.
    unsafe {
        let first = statement::row_of(data.tg_trigslot)?;
        if head.op != Op::Update {
            return Ok(nesting::queue_row(head, first.size(), |out| first.write(out), objects)?);
        }
        let (old, new) = (first, statement::row_of(data.tg_newslot)?);
        let (mut old_slots, mut new_slots) = (Slots::new(), Slots::new());
        old.read(layout, &mut old_slots)?;
        new.read(layout, &mut new_slots)?;
        let write = |out: &mut Vec<u8>| statement::write_update(out, &new, &old_slots, &new_slots);
        Ok(nesting::queue_row(head, old.size() + new.size(), write, objects)?)
    }
}

/// All rows of a source are gone; or, of a part of it, some, which nobody can name.
unsafe fn truncate(data: &pg_sys::TriggerData, source: i32, part: bool) {
    let Some(objects) = objects::objects() else { return };
    // SAFETY: the transaction has an id, since it has truncated a table.
    let xid = unsafe { pg_sys::GetTopFullTransactionId().value };
    let command = (xid, compat::current_query());
    // The top's trigger comes first: the server truncates it first.
    if part && TRUNCATED.get() == Some((source, command)) {
        return;
    }
    // SAFETY: the trigger's table is open.
    let table = unsafe { (*data.tg_relation).rd_id };
    if part || !all_below_are_empty(table) {
        gap::note(&objects, source, "a part of its tree was truncated");
        return;
    }
    TRUNCATED.set(Some((source, command)));
    // SAFETY: the trigger's table is open.
    let layout = unsafe { layout::of(data.tg_relation, source, &objects) };
    let head = Statement { source, layout: layout.id, op: Op::Truncate, origin: origin::current() };
    let mut chunk = Chunk::new(head);
    if nesting::write_queue(&objects) {
        Log::open(&objects).write(&mut chunk);
    } else {
        nesting::queue(chunk);
    }
}

/// Whether a table's partitions and children have no rows: TRUNCATE ONLY leaves theirs. Waits for no
/// lock: one that somebody holds may have rows.
fn all_below_are_empty(top: pg_sys::Oid) -> bool {
    compat::inheritors(top).into_iter().filter(|oid| *oid != top).all(|oid| {
        // SAFETY: a catalog look-up.
        let kind = unsafe { pg_sys::get_rel_relkind(oid) } as u8;
        let empty = |table: Table| table.blocks() == 0;
        kind != pg_sys::RELKIND_RELATION
            || Table::try_open(oid, pg_sys::AccessShareLock).is_some_and(empty)
    })
}

thread_local! {
    /// The source that was truncated last, and by which transaction and command.
    static TRUNCATED: Cell<Option<(i32, (u64, u32))>> = const { Cell::new(None) };
}
