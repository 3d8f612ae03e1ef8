//! Secret settings stay out of the server's log and views. With an error, or by `log_statement` and
//! `log_min_duration_statement`, the server would log the statement that sets one, password included, and
//! at a reload the value itself; `pg_stat_activity` and `pg_stat_statements` would keep the statement.

use std::ffi::{CStr, CString, c_char};
use std::sync::{LazyLock, OnceLock};

use pgrx::pg_sys;
use pgrx::prelude::*;
use regex::bytes::Regex;

use crate::settings::secret;

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
        if changed && let Some(name) = mentioned(message) {
            say(report, format!("parameter \"{name}\" changed (its value is not shown)"));
        }
        let statement = pg_sys::debug_query_string;
        if let Some(name) = mentioned(statement) {
            (*report).hide_stmt = true;
            let instead = instead(name);
            if !message.is_null() && holds(message, statement) {
                say(report, instead.clone());
            }
            hide_activity(&c_text(instead));
        }
        if let Some(Some(next)) = NEXT.get() {
            next(report);
        }
    }
}

/// What is to be seen in the place of a statement that sets a secret for all sessions; null for any other
/// statement. From now on `pg_stat_activity` shows it.
///
/// # Safety
/// A valid node, in a transaction.
#[pg_guard]
pub unsafe extern "C-unwind" fn hide(node: *const pg_sys::Node) -> *const c_char {
    // SAFETY: as promised: a node is of the type that its tag says, and its name is a C string. The
    // result lives as long as the statement.
    unsafe {
        if (*node).type_ != pg_sys::NodeTag::T_AlterSystemStmt {
            return std::ptr::null();
        }
        let set = (*node.cast::<pg_sys::AlterSystemStmt>()).setstmt;
        let Some(name) = mentioned((*set).name) else { return std::ptr::null() };
        let text = c_text(instead(name));
        hide_activity(&text);
        pg_sys::pstrdup(text.as_ptr())
    }
}

fn instead(name: &str) -> String {
    format!("statement about {name} (not shown)")
}

/// Puts another text in the place of the statement that the session is seen with, also when it is idle
/// afterwards.
fn hide_activity(text: &CStr) {
    // SAFETY: a statement is running; the text is copied.
    unsafe { pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, text.as_ptr()) }
}

/// Puts another message in the place of a report's.
///
/// # Safety
/// A report that is being emitted.
unsafe fn say(report: *mut pg_sys::ErrorData, message: String) {
    let message = c_text(message);
    // SAFETY: a copy that is the server's to free, as the message that was there before.
    unsafe {
        (*report).message = pg_sys::MemoryContextStrdup(pg_sys::ErrorContext, message.as_ptr());
    }
}

fn c_text(text: String) -> CString {
    CString::new(text).unwrap_or_default()
}

/// The secret setting that a text mentions.
///
/// # Safety
/// Null or a C string.
unsafe fn mentioned(text: *const c_char) -> Option<&'static str> {
    // SAFETY: as promised.
    (!text.is_null())
        .then(|| unsafe { CStr::from_ptr(text) })
        .and_then(|text| find(text.to_bytes()))
}

/// Looks for a secret setting's name, in however SQL lets it be written: in capitals, in quotes, with
/// blanks around the dot. All of the text is looked at, and every line of the log asks; so by an
/// automaton.
fn find(text: &[u8]) -> Option<&'static str> {
    static NAMES: LazyLock<Vec<(&'static str, &'static str)>> = LazyLock::new(|| {
        let names = secret::NAMES.iter().filter_map(|name| name.to_str().ok());
        names.filter_map(|name| Some((name, name.split_once('.')?.1))).collect()
    });
    // Not a setting whose name only begins like one, as that of the options file.
    static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let names: Vec<&str> = NAMES.iter().map(|(_, last)| *last).collect();
        Regex::new(&format!(r"(?is-u)manifold.*?({})(?:[^_]|$)", names.join("|"))).ok()
    });
    let found = PATTERN.as_ref()?.captures(text)?.get(1)?.as_bytes();
    let names = NAMES.iter().find(|(_, last)| last.as_bytes().eq_ignore_ascii_case(found));
    names.map(|(name, _)| *name)
}

/// Whether a message holds the whole statement.
///
/// # Safety
/// Both are C strings.
unsafe fn holds(message: *const c_char, statement: *const c_char) -> bool {
    // SAFETY: as promised.
    unsafe { !libc::strstr(message, statement).is_null() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_setting_is_found_however_it_is_written_and_wherever_it_stands() {
        let (options, salt) = (Some("manifold.kafka_options"), Some("manifold.hash_salt"));
        let long = format!("SELECT '{}'; SET manifold.hash_salt = 'x'", "m_".repeat(1 << 20));
        for (text, found) in [
            ("ALTER SYSTEM SET Manifold.Kafka_Options = 'x'", options),
            ("set \"manifold\" . /* here */\n\"kafka_options\" to 'x'", options),
            ("SELECT set_config('manifold.hash_salt', 'x', false)", salt),
            ("ALTER SYSTEM SET manifold.hash_salt", salt),
            (long.as_str(), salt),
            ("ALTER SYSTEM SET manifold.kafka_options_file = '/x'", None),
            ("SET manifold.kafka_options_file = '/x'; SET manifold.kafka_options = 'x'", options),
            ("SELECT hash_salt FROM users", None),
            ("", None),
        ] {
            assert_eq!(find(text.as_bytes()), found, "{text:.100}");
        }
    }
}
