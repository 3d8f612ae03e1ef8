//! Settings of what is published, and where. Names are Debezium's, with underscores.

use std::ffi::{CString, c_char, c_void};
use std::time::Duration;

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::{refuse, secret, text, topic_prefix};
use crate::error::{Error, Result};
use crate::kafka::TopicSpec;
use crate::publish::naming::Naming;
use crate::publish::options::{self, Options};
use crate::publish::plans::Publishing;
use crate::publish::topic::Template;

static TOPIC_TEMPLATE: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c"{prefix}.{org}.{table}"));
static TOMBSTONES_ON_DELETE: GucSetting<bool> = GucSetting::<bool>::new(true);
static SKIPPED_OPERATIONS: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c"t"));
static BEFORE_IMAGES: GucSetting<bool> = GucSetting::<bool>::new(true);
static PROVIDE_TRANSACTION_METADATA: GucSetting<bool> = GucSetting::<bool>::new(false);
static EXTENDED_HEADERS_ENABLED: GucSetting<bool> = GucSetting::<bool>::new(false);
static HEARTBEAT_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(0);
static CREATE_TOPICS: GucSetting<bool> = GucSetting::<bool>::new(true);
static TOPIC_PARTITIONS: GucSetting<i32> = GucSetting::<i32>::new(-1);
static TOPIC_REPLICATION_FACTOR: GucSetting<i32> = GucSetting::<i32>::new(-1);
static TOPIC_CONFIG: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));

pub fn define() {
    let open = GucFlags::default();
    // SAFETY: the hooks are guarded against panics.
    unsafe {
        GucRegistry::define_string_guc_with_hooks(
            c"manifold.topic_template",
            c"Names of topics, made of {prefix}, {org}, {table}, {schema} and {database}.",
            c"For a canonical table org is canonical, and table is the entity. What Kafka does not allow in a name becomes _.",
            &TOPIC_TEMPLATE,
            GucContext::Sighup,
            open,
            Some(check_template),
            None,
            None,
        );
        GucRegistry::define_string_guc_with_hooks(
            c"manifold.skipped_operations",
            c"Operations that are not published: c, u, d and t (truncate), with commas, or none.",
            c"Like Debezium, t by default: consumers that do not know truncate events would fail on them.",
            &SKIPPED_OPERATIONS,
            GucContext::Sighup,
            open,
            Some(check_operations),
            None,
            None,
        );
        GucRegistry::define_string_guc_with_hooks(
            c"manifold.topic_config",
            c"Configuration of topics that are created, as key=value with commas.",
            c"A list as a value has its commas in quotes: cleanup.policy=\"compact,delete\".",
            &TOPIC_CONFIG,
            GucContext::Sighup,
            open,
            Some(check_topic_config),
            None,
            None,
        );
    }
    GucRegistry::define_bool_guc(
        c"manifold.tombstones_on_delete",
        c"Whether a message without a value follows each delete.",
        c"It lets compaction forget the record.",
        &TOMBSTONES_ON_DELETE,
        GucContext::Sighup,
        open,
    );
    GucRegistry::define_bool_guc(
        c"manifold.before_images",
        c"Whether updates and deletes carry the old row.",
        c"Off, before is null in updates, and in deletes holds the key and columns that cannot be null.",
        &BEFORE_IMAGES,
        GucContext::Sighup,
        open,
    );
    GucRegistry::define_bool_guc(
        c"manifold.provide_transaction_metadata",
        c"Whether events name their transaction, and PREFIX.transaction says where each begins and ends.",
        c"Off, as with Debezium: it takes a second look at every change.",
        &PROVIDE_TRANSACTION_METADATA,
        GucContext::Sighup,
        open,
    );
    GucRegistry::define_bool_guc(
        c"manifold.extended_headers_enabled",
        c"Whether messages carry Debezium's headers that name the connector.",
        c"Off: they take some 130 bytes a message, and hardly anybody but OpenLineage reads them.",
        &EXTENDED_HEADERS_ENABLED,
        GucContext::Sighup,
        open,
    );
    GucRegistry::define_int_guc(
        c"manifold.heartbeat_interval",
        c"How often a message goes to __debezium-heartbeat.PREFIX; 0 = never.",
        c"It tells consumers that the publisher is alive while nothing changes.",
        &HEARTBEAT_INTERVAL,
        0,
        i32::MAX,
        GucContext::Sighup,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_bool_guc(
        c"manifold.create_topics",
        c"Whether topics that do not exist are created.",
        c"Off, they have to exist, or the brokers have to create them (auto.create.topics.enable).",
        &CREATE_TOPICS,
        GucContext::Sighup,
        open,
    );
    GucRegistry::define_int_guc(
        c"manifold.topic_partitions",
        c"Partitions of topics that are created; -1 = the broker's default.",
        c"More partitions later put keys elsewhere, so that order per key is lost for a moment.",
        &TOPIC_PARTITIONS,
        -1,
        100_000,
        GucContext::Sighup,
        open,
    );
    GucRegistry::define_int_guc(
        c"manifold.topic_replication_factor",
        c"Replicas of topics that are created; -1 = the broker's default.",
        c"",
        &TOPIC_REPLICATION_FACTOR,
        -1,
        i32::from(i16::MAX),
        GucContext::Sighup,
        open,
    );
}

#[pg_guard]
unsafe extern "C-unwind" fn check_template(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: as the server calls it.
    unsafe { refuse(*value, |text| Template::parse(text).map(drop)) }
}

#[pg_guard]
unsafe extern "C-unwind" fn check_operations(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: as the server calls it.
    unsafe { refuse(*value, |text| options::operations(text).map(drop)) }
}

#[pg_guard]
unsafe extern "C-unwind" fn check_topic_config(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: as the server calls it.
    unsafe { refuse(*value, |text| TopicSpec::config(text).map(drop)) }
}

/// A setting from a file that makes no sense.
fn wrong(name: &str, reason: String) -> Error {
    Error::invalid(
        format!("manifold.{name} is wrong: {reason}"),
        "Mend it (docs/reference.md, Settings), and reload the configuration.",
    )
}

/// The names of topics in this database. `file` gives the text of the options file, where it matters.
pub fn naming(database: &str, file: impl FnOnce() -> Result<String>) -> Result<Naming> {
    let template = Template::parse(&text(&TOPIC_TEMPLATE))
        .map_err(|reason| wrong("topic_template", reason))?;
    Ok(Naming { prefix: topic_prefix(database, file)?, database: database.to_owned(), template })
}

/// How everything in this database is published. `file` as for [`naming`].
pub fn publishing(database: &str, file: impl FnOnce() -> Result<String>) -> Result<Publishing> {
    let skipped_operations = options::operations(&text(&SKIPPED_OPERATIONS))
        .map_err(|reason| wrong("skipped_operations", reason))?;
    Ok(Publishing {
        naming: naming(database, file)?,
        options: Options {
            tombstones_on_delete: TOMBSTONES_ON_DELETE.get(),
            skipped_operations,
            before_images: BEFORE_IMAGES.get(),
            extended_headers: EXTENDED_HEADERS_ENABLED.get(),
            transactions: PROVIDE_TRANSACTION_METADATA.get(),
        },
        modes: super::encoding::modes(),
        salt: hash_salt().into(),
    })
}

/// A secret.
pub fn hash_salt() -> String {
    text(&secret::HASH_SALT)
}

/// How often a heartbeat is due, if ever.
pub fn heartbeat_interval() -> Option<Duration> {
    Some(Duration::from_millis(HEARTBEAT_INTERVAL.get().unsigned_abs().into()))
        .filter(|interval| !interval.is_zero())
}

/// What topics are created like; `None` where none are.
pub fn topic_spec() -> Result<Option<TopicSpec>> {
    if !CREATE_TOPICS.get() {
        return Ok(None);
    }
    let config =
        TopicSpec::config(&text(&TOPIC_CONFIG)).map_err(|reason| wrong("topic_config", reason))?;
    Ok(Some(TopicSpec {
        // 0 means nothing to Kafka.
        partitions: if TOPIC_PARTITIONS.get() == 0 { -1 } else { TOPIC_PARTITIONS.get() },
        replication_factor: match TOPIC_REPLICATION_FACTOR.get() {
            0 => -1,
            factor => factor,
        },
        config,
    }))
}
