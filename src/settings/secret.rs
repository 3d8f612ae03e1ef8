//! Settings that hold secrets: superusers alone see their values, and the server's log and views do
//! not have them ([`crate::pg::discreet`]).

use std::ffi::{CStr, CString, c_char};

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use pgrx::pg_sys;
use pgrx::prelude::*;

/// The names of all of them.
pub const NAMES: [&CStr; 2] = [OPTIONS, SALT];

const OPTIONS: &CStr = c"manifold.kafka_options";
const SALT: &CStr = c"manifold.hash_salt";

pub(super) static KAFKA_OPTIONS: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c""));
pub(super) static HASH_SALT: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c""));

pub(super) fn define() {
    let secret = GucFlags::SUPERUSER_ONLY | GucFlags::NO_SHOW_ALL;
    // SAFETY: the hooks are guarded against panics.
    unsafe {
        GucRegistry::define_string_guc_with_hooks(
            OPTIONS,
            c"librdkafka options as key=value, separated by semicolons or line ends.",
            c"Readable by superusers only, since it may carry passwords; they belong in manifold.kafka_options_file.",
            &KAFKA_OPTIONS,
            GucContext::Sighup,
            secret,
            Some(super::check_options),
            None,
            Some(show_options),
        );
        GucRegistry::define_string_guc_with_hooks(
            SALT,
            c"What goes before every value of hash_columns when it is hashed.",
            c"A secret, and readable by superusers only: with it, values can be guessed and compared.",
            &HASH_SALT,
            GucContext::Sighup,
            secret,
            None,
            None,
            Some(show_salt),
        );
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn show_options() -> *const c_char {
    show(&KAFKA_OPTIONS)
}

#[pg_guard]
unsafe extern "C-unwind" fn show_salt() -> *const c_char {
    show(&HASH_SALT)
}

/// What is shown of a secret. The server itself would show it to every member of pg_read_all_settings
/// as well, and agents that monitor servers are.
fn show(setting: &GucSetting<Option<CString>>) -> *const c_char {
    // SAFETY: a copy in the caller's memory context, or a constant.
    unsafe {
        if !pg_sys::IsTransactionState() || !pg_sys::superuser() {
            return c"(hidden)".as_ptr();
        }
        pg_sys::pstrdup(setting.get().unwrap_or_default().as_ptr())
    }
}
