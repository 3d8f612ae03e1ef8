//! Statements that set Kafka options stay out of the server's log: with an error, or by
//! `log_statement` and `log_min_duration_statement`, the server would write them there, passwords
//! included.

use std::ffi::CStr;
use std::sync::OnceLock;

use pgrx::pg_sys;
use pgrx::prelude::*;

const SETTING: &[u8] = b"manifold.kafka_options";

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
        let statement = pg_sys::debug_query_string;
        if !statement.is_null() && mentions_setting(CStr::from_ptr(statement)) {
            (*report).hide_stmt = true;
            let message = (*report).message;
            if !message.is_null()
                && mentions_setting(CStr::from_ptr(message))
                && holds(message, statement)
            {
                let instead = c"statement about manifold.kafka_options (not shown)";
                (*report).message =
                    pg_sys::MemoryContextStrdup(pg_sys::ErrorContext, instead.as_ptr());
            }
        }
        if let Some(Some(next)) = NEXT.get() {
            next(report);
        }
    }
}

fn mentions_setting(text: &CStr) -> bool {
    let text = text.to_bytes();
    text.windows(SETTING.len()).any(|window| window.eq_ignore_ascii_case(SETTING))
}

/// Whether a message holds the whole statement.
///
/// # Safety
/// Both are C strings.
unsafe fn holds(message: *const std::ffi::c_char, statement: *const std::ffi::c_char) -> bool {
    // SAFETY: as promised.
    unsafe { !libc::strstr(message, statement).is_null() }
}
