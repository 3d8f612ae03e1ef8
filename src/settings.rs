//! Settings (GUCs). All but one change by reload: `ALTER SYSTEM SET …; SELECT pg_reload_conf();`.

pub mod encoding;
pub mod publication;
pub mod secret;

use std::ffi::{CStr, CString, c_char, c_void};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::error::{Error, Result};
use crate::kafka::{self, Config};

static KAFKA_BROKERS: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
static KAFKA_OPTIONS_FILE: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c""));
static TOPIC_PREFIX: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
static EXACTLY_ONCE: GucSetting<bool> = GucSetting::<bool>::new(false);
static NORMALIZE_MAX_ROWS_PER_SECOND: GucSetting<i32> = GucSetting::<i32>::new(0);
static LOG_TABLE_SIZE: GucSetting<i32> = GucSetting::<i32>::new(256);
static LOG_TABLE_AGE: GucSetting<i32> = GucSetting::<i32>::new(600);
static MAX_LOG_SIZE: GucSetting<i32> = GucSetting::<i32>::new(10 * 1024);
static DROP_LOG_SIZE: GucSetting<i32> = GucSetting::<i32>::new(0);
static MAX_PROBLEMS: GucSetting<i32> = GucSetting::<i32>::new(100_000);
static MAX_PROBLEM_SIZE: GucSetting<i32> = GucSetting::<i32>::new(64);
static BACKFILL_CHUNK_ROWS: GucSetting<i32> = GucSetting::<i32>::new(500);
static ATTACH_LOCK_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(900);

pub fn define() {
    let open = GucFlags::default();
    // SAFETY: the hooks are guarded against panics.
    unsafe {
        GucRegistry::define_string_guc_with_hooks(
            c"manifold.kafka_brokers",
            c"Kafka brokers that changes are published to, as host:port, comma-separated.",
            c"Empty (the default): nothing is published, and the publisher is idle.",
            &KAFKA_BROKERS,
            GucContext::Sighup,
            open,
            Some(check_brokers),
            None,
            None,
        );
    }
    GucRegistry::define_string_guc(
        c"manifold.kafka_options_file",
        c"File with librdkafka options, a key=value a line.",
        c"Read when the configuration is reloaded; manifold.kafka_options wins over it.",
        &KAFKA_OPTIONS_FILE,
        GucContext::Sighup,
        GucFlags::SUPERUSER_ONLY | GucFlags::NO_SHOW_ALL,
    );
    GucRegistry::define_string_guc(
        c"manifold.topic_prefix",
        c"First part of every topic's name.",
        c"Empty (the default): the name of the database, so that two databases never share a topic.",
        &TOPIC_PREFIX,
        GucContext::Sighup,
        open,
    );
    GucRegistry::define_bool_guc(
        c"manifold.exactly_once",
        c"Whether changes are published in Kafka transactions, so that consumers see each of them once.",
        c"Off by default: it needs brokers that allow transactions and consumers with isolation.level=read_committed.",
        &EXACTLY_ONCE,
        GucContext::Sighup,
        open,
    );
    GucRegistry::define_int_guc(
        c"manifold.normalize_max_rows_per_second",
        c"Most source rows that the normalizer takes per second in a database; 0 = no limit.",
        c"Shared fairly between the orgs that have rows waiting.",
        &NORMALIZE_MAX_ROWS_PER_SECOND,
        0,
        i32::MAX,
        GucContext::Sighup,
        open,
    );
    GucRegistry::define_int_guc(
        c"manifold.log_table_size",
        c"Size at which the log goes on to the next of its three tables.",
        c"Small enough that the log shrinks soon after a load, large enough that rotation is rare: 256 MB is some 300,000 wide rows.",
        &LOG_TABLE_SIZE,
        1,
        i32::MAX,
        GucContext::Sighup,
        GucFlags::UNIT_MB,
    );
    GucRegistry::define_int_guc(
        c"manifold.log_table_age",
        c"Age at which the log goes on to the next of its three tables, whatever its size.",
        c"A table is emptied only when it is at rest: so what all have read does not stay much longer than this.",
        &LOG_TABLE_AGE,
        1,
        i32::MAX,
        GucContext::Sighup,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_int_guc(
        c"manifold.max_log_size",
        c"Size of the log above which manifold.status warns of those that hold it, and a publisher without brokers no longer does.",
        c"Without brokers, changes are kept for manifold.peek and a later start of publishing, but not at the price of the disk.",
        &MAX_LOG_SIZE,
        1,
        i32::MAX,
        GucContext::Sighup,
        GucFlags::UNIT_MB,
    );
    GucRegistry::define_int_guc(
        c"manifold.drop_log_size",
        c"Size of the log above which changes are dropped that somebody has still to take; 0 = never.",
        c"Those that hold the log, paused ones too, go on with what comes next and have a gap, which manifold.resync repairs. Off by default: to lose nothing is worth more than the disk, until it is full.",
        &DROP_LOG_SIZE,
        0,
        i32::MAX,
        GucContext::Sighup,
        GucFlags::UNIT_MB,
    );
    GucRegistry::define_int_guc(
        c"manifold.max_problems",
        c"Problems of an org that are kept; further ones are counted, but for the first 100 of each kind.",
        c"100,000 take some 50 MB. An org with a bad value in each of ten million rows needs a better mapping, not a list.",
        &MAX_PROBLEMS,
        0,
        i32::MAX,
        GucContext::Sighup,
        open,
    );
    GucRegistry::define_int_guc(
        c"manifold.max_problem_size",
        c"Size of the row images that are kept with an org's problems; further problems are kept without.",
        c"The source has the row, so that its image is a convenience: 64 MB are some 50,000 wide rows.",
        &MAX_PROBLEM_SIZE,
        0,
        i32::MAX,
        GucContext::Sighup,
        GucFlags::UNIT_MB,
    );
    GucRegistry::define_int_guc(
        c"manifold.backfill_chunk_rows",
        c"Rows that backfill reads and locks in one transaction.",
        c"The sync waits for a row that backfill holds until that transaction ends: 500 rows take some milliseconds.",
        &BACKFILL_CHUNK_ROWS,
        1,
        100_000,
        GucContext::Sighup,
        open,
    );
    GucRegistry::define_int_guc(
        c"manifold.attach_lock_timeout",
        c"How long manifold.start and manifold.stop wait for a table that is being written.",
        c"While they wait, later writers of the table wait behind them, so the wait is short and can be tried again; below deadlock_timeout, so that in a deadlock it is not the sync that is cancelled.",
        &ATTACH_LOCK_TIMEOUT,
        1,
        i32::MAX,
        GucContext::Userset,
        GucFlags::UNIT_MS,
    );
    encoding::define();
    secret::define();
    publication::define();
    // SAFETY: called from _PG_init, with a constant.
    #[cfg(not(feature = "pg14"))]
    unsafe {
        pgrx::pg_sys::MarkGUCPrefixReserved(c"manifold".as_ptr());
    }
}

/// Refuses brokers that cannot be any, when ALTER SYSTEM sets them.
#[pg_guard]
unsafe extern "C-unwind" fn check_brokers(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: as the server calls it.
    unsafe { check(*value, kafka::check_brokers) }
}

/// Refuses options that librdkafka does not know, when ALTER SYSTEM sets them.
#[pg_guard]
unsafe extern "C-unwind" fn check_options(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: as the server calls it.
    unsafe { check(*value, |options| Config::parse("localhost:9092", options, "").map(|_| ())) }
}

/// A value that a user sets by a statement is checked, since he can be told. One that is read from a
/// file is not: the publisher checks it and says in `manifold.status` what is wrong.
///
/// # Safety
/// `value` is null or a C string.
unsafe fn check(
    value: *const c_char,
    parse: impl FnOnce(&str) -> Result<(), crate::kafka::Error>,
) -> bool {
    // SAFETY: as promised; texts go where the server frees them with the error.
    unsafe {
        if value.is_null() || !pg_sys::IsTransactionState() {
            return true;
        }
        let text = CStr::from_ptr(value).to_string_lossy();
        if text.trim().is_empty() {
            return true;
        }
        let Err(error) = parse(text.trim()) else { return true };
        pg_sys::GUC_check_errmsg_string = copy(&error.to_string());
        if let Some(hint) = error.hint() {
            pg_sys::GUC_check_errhint_string = copy(&hint);
        }
        false
    }
}

/// As [`check`], for what has no hint.
///
/// # Safety
/// `value` is null or a C string.
unsafe fn refuse(value: *const c_char, parse: impl FnOnce(&str) -> Result<(), String>) -> bool {
    // SAFETY: as promised; the text goes where the server frees it with the error.
    unsafe {
        if value.is_null() || !pg_sys::IsTransactionState() {
            return true;
        }
        let text = CStr::from_ptr(value).to_string_lossy();
        let Err(reason) = parse(text.trim()) else { return true };
        pg_sys::GUC_check_errmsg_string = copy(&reason);
        false
    }
}

/// A copy for the server, in the memory of the error that it reports.
unsafe fn copy(text: &str) -> *mut c_char {
    let text = CString::new(text.replace('\0', " ")).unwrap_or_default();
    // SAFETY: a C string; the context lives as long as the server.
    unsafe { pg_sys::MemoryContextStrdup(pg_sys::ErrorContext, text.as_ptr()) }
}

fn text(setting: &GucSetting<Option<CString>>) -> String {
    setting.get().map(|value| value.to_string_lossy().trim().to_string()).unwrap_or_default()
}

pub fn kafka_brokers() -> String {
    text(&KAFKA_BROKERS)
}

pub fn kafka_options() -> String {
    text(&secret::KAFKA_OPTIONS)
}

/// What the options file holds; nothing where there is none.
///
/// # Errors
/// It cannot be read, or holds secrets and can be read by everybody.
pub fn options_file() -> Result<String> {
    let path = text(&KAFKA_OPTIONS_FILE);
    if path.is_empty() {
        return Ok(String::new());
    }
    let cannot = |why: String, hint: &str| {
        let message = format!("manifold.kafka_options_file \"{path}\" cannot be used: {why}");
        Error::invalid(message, hint)
    };
    let read = || Ok((std::fs::read_to_string(&path)?, std::fs::metadata(&path)?));
    let (options, metadata) = read().map_err(|error: std::io::Error| {
        let hint = "Name a file that the server's operating system user may read.";
        cannot(error.to_string(), hint)
    })?;
    if metadata.mode() & 0o004 != 0 && kafka::holds_secrets(&options) {
        let why = "it holds secrets, and every user of this machine may read it";
        return Err(cannot(why.into(), "Take that right away: chmod o-r."));
    }
    Ok(options)
}

/// The prefix of topics in this database. `file` gives the text of the options file, where it matters.
///
/// # Errors
/// It matters, and cannot be read: messages would go to topics of another name.
pub fn topic_prefix(database: &str, file: impl FnOnce() -> Result<String>) -> Result<String> {
    let prefix = text(&TOPIC_PREFIX);
    if !prefix.is_empty() {
        // As Heroku writes it; the dot that follows is the topic's.
        return Ok(prefix.strip_suffix('.').unwrap_or(&prefix).to_string());
    }
    let from_file = kafka::topic_prefix(&file()?)
        .map_err(|error| Error::invalid(error.to_string(), error.hint().unwrap_or_default()))?;
    Ok(from_file.unwrap_or_else(|| database.to_string()))
}

/// Whether changes are published in Kafka transactions.
pub fn exactly_once() -> bool {
    EXACTLY_ONCE.get()
}

/// Rows per second, `None` where there is no limit.
pub fn normalize_max_rows_per_second() -> Option<u32> {
    u32::try_from(NORMALIZE_MAX_ROWS_PER_SECOND.get()).ok().filter(|&limit| limit > 0)
}

/// Bytes at which the log goes on to its next table.
pub fn log_table_size() -> u64 {
    LOG_TABLE_SIZE.get().unsigned_abs() as u64 * 1024 * 1024
}

pub fn log_table_age() -> Duration {
    Duration::from_secs(LOG_TABLE_AGE.get().unsigned_abs().into())
}

/// Bytes above which an idle publisher no longer holds the log.
pub fn max_log_size() -> u64 {
    MAX_LOG_SIZE.get().unsigned_abs() as u64 * 1024 * 1024
}

/// Bytes above which those that hold the log are dropped, if ever.
pub fn drop_log_size() -> Option<u64> {
    Some(DROP_LOG_SIZE.get().unsigned_abs() as u64 * 1024 * 1024).filter(|&limit| limit > 0)
}

/// Problems of an org beyond which further ones are only counted.
pub fn max_problems() -> i64 {
    MAX_PROBLEMS.get().into()
}

/// Bytes of row images of an org beyond which problems are kept without theirs.
pub fn max_problem_size() -> i64 {
    i64::from(MAX_PROBLEM_SIZE.get()) * 1024 * 1024
}

pub fn backfill_chunk_rows() -> i32 {
    BACKFILL_CHUNK_ROWS.get()
}

/// Milliseconds.
pub fn attach_lock_timeout() -> i32 {
    ATTACH_LOCK_TIMEOUT.get()
}
