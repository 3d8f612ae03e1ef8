//! The trigger function `manifold.capture(source_id)`.
//!
//! It runs inside the sync's statement, so it never waits, never sends, and fails only when the log
//! cannot be written. It uses no SPI and no search_path, and needs no rights of the writer.

use pgrx::pg_sys;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::layout::Numbered;
use super::statement::{self, Transition, Undescribable};
use super::{layout, origin};
use crate::error::Error;
use crate::log::append::{Appender, Statement};
use crate::log::change::Op;
use crate::log::objects::{self, Objects};

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
        let Some(source) = source_argument(data) else {
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
            raise(Error::state(
                "manifold.capture() works in statement triggers only",
                "manifold.start attaches it as it has to be.",
            ));
        }
        let store = if op == Op::Delete { data.tg_oldtable } else { data.tg_newtable };
        if op != Op::Truncate && (store.is_null() || pg_sys::tuplestore_tuple_count(store) == 0) {
            return;
        }
        // Without the extension's tables there is no log: it is being dropped.
        let Some(objects) = objects::objects() else { return };
        let layout = layout::of(data.tg_relation, source, &objects);
        let statement = Statement { source, layout: layout.id, op, origin: origin::current() };
        let mut appender = Appender::open(&objects, statement);
        let outcome = append(data, op, &layout, &mut appender);
        appender.finish();
        if let Err(Undescribable(reason)) = outcome {
            append_gap(&objects, statement, &reason);
        }
    }
}

/// The source's number, which `manifold.start` gave the trigger as its argument.
unsafe fn source_argument(data: &pg_sys::TriggerData) -> Option<i32> {
    // SAFETY: tgargs has tgnargs C strings.
    unsafe {
        let trigger = &*data.tg_trigger;
        if trigger.tgnargs < 1 {
            return None;
        }
        std::ffi::CStr::from_ptr(*trigger.tgargs).to_str().ok()?.parse().ok()
    }
}

unsafe fn append(
    data: &pg_sys::TriggerData,
    op: Op,
    layout: &Numbered,
    appender: &mut Appender,
) -> Result<(), Undescribable> {
    // SAFETY: transition tables of the running trigger.
    unsafe {
        let tupdesc = (*data.tg_relation).rd_att;
        match op {
            Op::Truncate => Ok(()),
            Op::Update => {
                let mut old = Transition::open(data.tg_oldtable, tupdesc);
                let mut new = Transition::open(data.tg_newtable, tupdesc);
                statement::append_updates(&mut old, &mut new, layout, appender)
            }
            Op::Delete => {
                statement::append_rows(&mut Transition::open(data.tg_oldtable, tupdesc), appender)
            }
            _ => statement::append_rows(&mut Transition::open(data.tg_newtable, tupdesc), appender),
        }
    }
}

/// Notes in the log that rows of this source are missing from here on; it has to be captured
/// afresh. The sync's statement goes on.
fn append_gap(objects: &Objects, statement: Statement, reason: &str) {
    let mut appender = Appender::open(objects, Statement { op: Op::Gap, ..statement });
    appender.note(reason.as_bytes());
    appender.finish();
}
