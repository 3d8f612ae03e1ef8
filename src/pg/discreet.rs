//! Statements that set Kafka options stay out of the server's log: with an error, or by
//! `log_statement` and `log_min_duration_statement`, the server would write them there, passwords
//! included. So it would with the value itself, when a reload has changed it.

use std::ffi::CStr;
use std::sync::OnceLock;

use pgrx::pg_sys;
use pgrx::prelude::*;

const SETTING: &[u8] = b"manifold.kafka_options";
/// What the postmaster says at a reload, in whatever language, with the new value.
const CHANGED: &[u8] = b"parameter \"%s\" changed to \"%s\"";

static NEXT: OnceLock<pg_sys::emit_log_hook_type> = OnceLock::new();

/// Called once, when the library is loaded.
pub fn install() {
    // SAFETY: single-threaded; the hook that was there before is called after ours.
    unsafe {
        if NEXT.set(pg_sys::emit_log_hook).is_ok() {
            pg_sys::emit_log_hook = Some(before_it_is_logged);
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn before_it_is_logged(report: *mut pg_sys::ErrorData) {
    // SAFETY: the server's report of an error or message, and the text of the session's statement, a
    // C string or null; what takes the message's place is the server's to free, as that is.
    unsafe {
        let message = (*report).message;
        let id = (*report).message_id;
        let changed = !id.is_null() && CStr::from_ptr(id).to_bytes() == CHANGED;
        if changed && !message.is_null() && mentions_setting(CStr::from_ptr(message)) {
            say(report, c"parameter \"manifold.kafka_options\" changed (its value is not shown)");
        }
        let statement = pg_sys::debug_query_string;
        if !statement.is_null() && mentions_setting(CStr::from_ptr(statement)) {
            (*report).hide_stmt = true;
            if !message.is_null() && holds(message, statement) {
                say(report, c"statement about manifold.kafka_options (not shown)");
            }
        }
        if let Some(Some(next)) = NEXT.get() {
            next(report);
        }
    }
}

/// Puts another message in the place of a report's.
///
/// # Safety
/// A report that is being emitted.
unsafe fn say(report: *mut pg_sys::ErrorData, message: &CStr) {
    // SAFETY: a copy that is the server's to free, as the message that was there before.
    unsafe {
        (*report).message = pg_sys::MemoryContextStrdup(pg_sys::ErrorContext, message.as_ptr());
    }
}

/// Not the setting of the file, whose name is longer.
fn mentions_setting(text: &CStr) -> bool {
    let text = text.to_bytes_with_nul();
    text.windows(SETTING.len() + 1).any(|window| {
        let (name, next) = window.split_at(SETTING.len());
        name.eq_ignore_ascii_case(SETTING) && next != b"_"
    })
}

/// Whether a message holds the whole statement.
///
/// # Safety
/// Both are C strings.
unsafe fn holds(message: *const std::ffi::c_char, statement: *const std::ffi::c_char) -> bool {
    // SAFETY: as promised.
    unsafe { !libc::strstr(message, statement).is_null() }
}
