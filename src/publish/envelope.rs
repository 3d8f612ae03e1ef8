//! The envelope: what one change becomes on Kafka.
//!
//! Fields and their order are Debezium's. In the `source` block,
//!
//! - `lsn` is the chunk's sequence number, our log's position, and `sequence` is `[null,"<lsn>"]`:
//!   it grows with the order of changes, as Debezium's does. Changes of one chunk share it; the
//!   header `event_id` tells them apart.
//! - `txId` is the full transaction id, which never wraps around.
//! - `origin` says who wrote the row ([`Origin::name`](crate::log::change::Origin::name)).
//! - `snapshot` is `"incremental"` for rows that a backfill reads, since it reads them while changes
//!   go on, as Debezium's incremental snapshots do; else `"false"`. `"true"` would promise that no
//!   change comes before a row with `"last"`.
//!
//! `source.ts_…` is when the statement ran, the outer `ts_…` when the event was made.

use std::fmt;

use super::columns::{Columns, Treatments};
use super::fate::{Fate, Row};
use super::field::Field;
use super::form::Types;
use super::json;
use super::key::{self, Key, KeyPlan};
use super::message::{EncodeError, Headers, Message, text_of};
use super::modes::Modes;
use super::options::Options;
use super::places::Places;
use super::schema;
use super::transaction::Orders;
use crate::log::change::{ChunkHead, EventId, Op};
use crate::normalize::filter::Filter;
use crate::row::image::Malformed;
use crate::row::layout::Layout;
use crate::row::text::Out;
use crate::row::value::Server;

/// A table whose changes are published, and how.
#[derive(Debug, Clone)]
pub struct Source {
    /// Debezium's `topic.prefix`, which names the whole installation.
    pub prefix: String,
    pub database: String,
    /// The org that a mapped table belongs to; `None` for canonical tables, where each row says it
    /// in its column `org`.
    pub org: Option<String>,
    pub schema: String,
    pub table: String,
    pub topic: String,
    pub key: Key,
    pub options: Options,
    pub modes: Modes,
    /// The types of its columns that are not built in.
    pub types: Types,
    pub treatments: Treatments,
    /// Where the columns are that the options name.
    pub places: Places,
    /// Which of its rows are published; `None`: all.
    pub when: Option<serde_json::Value>,
}

/// Why a table cannot be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    NoKeyColumn {
        table: String,
        column: String,
    },
    /// Nobody knows which column it is that must not leave as it is.
    NoTreatedColumn {
        table: String,
        column: String,
        option: &'static str,
    },
    /// The row filter fits the table no more: a column has gone, or has another type.
    BadFilter {
        table: String,
        reason: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::BadFilter { table, reason } => {
                write!(f, "the row filter of table {table} does not fit it: {reason}")
            }
            Error::NoTreatedColumn { table, column, option } => {
                write!(f, "table {table} has no column {column}, which {option} names")
            }
            Error::NoKeyColumn { table, column } => {
                write!(f, "table {table} has no column {column}, which its key needs")
            }
        }
    }
}

impl std::error::Error for Error {}

/// Buffers that are reused from change to change.
#[derive(Debug, Default)]
pub struct Scratch {
    event_id: String,
    org: String,
    version: String,
    pub(super) key: Vec<u8>,
    pub(super) old_key: Vec<u8>,
    value: Vec<u8>,
    old_value: Vec<u8>,
}

/// How the changes of one source with one layout are published.
pub struct Plan {
    topic: String,
    org: Option<String>,
    /// The column of the row that says the org, where `org` is `None`.
    org_field: Option<Field>,
    /// The column of a canonical row that says the version of the mapping that made it.
    version_field: Option<Field>,
    prefix: String,
    pub(super) options: Options,
    pub(super) key: KeyPlan,
    columns: Columns,
    pub(super) filter: Option<Filter>,
    /// What comes before the old row, and what behind everything: the schema, where there is one.
    start: Vec<u8>,
    end: &'static str,
    /// The `source` block up to the first time, and the parts between its variable values.
    source_start: Vec<u8>,
    database: Vec<u8>,
    table: Vec<u8>,
}

/// What the events of one change share.
struct Moment<'a> {
    head: &'a ChunkHead,
    now_us: i64,
    server: &'a dyn Server,
    /// Only the key is told.
    alone: bool,
}

impl Plan {
    /// Compiles the plan of a source and a layout.
    pub fn new(layout: &Layout, source: &Source) -> Result<Plan, Error> {
        source.find_treated(layout)?;
        let key = KeyPlan::new(layout, source)?;
        let columns = Columns::new(layout, source, |index| key.has(index));
        let of_canonical = |name: &str| {
            let (index, column) = layout.column(name).filter(|_| source.org.is_none())?;
            Some(Field::new(index, column, true, &source.modes, &source.types))
        };
        let find = |name: &str| source.places.find(layout, name);
        let filter = match &source.when {
            Some(when) => Some(Filter::compile(when, "when", layout, find).map_err(|errors| {
                let reason = errors.first().map(ToString::to_string).unwrap_or_default();
                Error::BadFilter { table: source.table.clone(), reason }
            })?),
            None => None,
        };
        let (mut start, mut end) = (Vec::new(), "}");
        if source.modes.schemas {
            start.put(&schema::before_payload(&schema::envelope(&source.topic, columns.fields())));
            end = "}}";
        }
        start.put("{\"before\":");
        let mut source_start = Vec::new();
        source_start.put(concat!(
            ",\"source\":{\"version\":\"",
            env!("CARGO_PKG_VERSION"),
            "\",\"connector\":\"postgresql\",\"name\":"
        ));
        json::string(&mut source_start, &source.prefix);
        let (mut database, mut table) = (Vec::new(), Vec::new());
        json::string(&mut database, &source.database);
        table.put(",\"schema\":");
        json::string(&mut table, &source.schema);
        table.put(",\"table\":");
        json::string(&mut table, &source.table);
        Ok(Plan {
            topic: source.topic.clone(),
            org: source.org.clone(),
            org_field: of_canonical("org"),
            version_field: of_canonical("mapping_version"),
            prefix: source.prefix.clone(),
            options: source.options.clone(),
            key,
            columns,
            filter,
            start,
            end,
            source_start,
            database,
            table,
        })
    }

    /// Makes the messages of one change and hands them to `sink`, in order.
    ///
    /// `old` and `new` are the rows as slots of the plan's layout: `old` for deletes, `new` for
    /// creates and reads, `new` and where it is known `old` for updates. `now_us` is in
    /// microseconds since 1970-01-01 UTC. An update that changes the key becomes a delete, its
    /// tombstone and a create. Skipped operations, and rows that the filter keeps, become nothing; a
    /// record that was looked for and is not there, or that the filter keeps, becomes a delete by its key
    /// alone.
    #[allow(clippy::too_many_arguments)]
    pub fn encode<E>(
        &self,
        head: &ChunkHead,
        ordinal: u32,
        old: Row<'_>,
        new: Row<'_>,
        now_us: i64,
        server: &dyn Server,
        scratch: &mut Scratch,
        sink: &mut dyn FnMut(Message<'_>) -> Result<(), E>,
    ) -> Result<(), EncodeError<E>> {
        self.encode_within(None, head, ordinal, old, new, now_us, server, scratch, sink)
    }

    /// As [`encode`](Plan::encode), for a change whose place in its transaction is told.
    #[allow(clippy::too_many_arguments)]
    pub fn encode_within<E>(
        &self,
        mut orders: Option<&mut Orders<'_>>,
        head: &ChunkHead,
        ordinal: u32,
        old: Row<'_>,
        new: Row<'_>,
        now_us: i64,
        server: &dyn Server,
        scratch: &mut Scratch,
        sink: &mut dyn FnMut(Message<'_>) -> Result<(), E>,
    ) -> Result<(), EncodeError<E>> {
        let Scratch { event_id, org, version, key, old_key, value, old_value } = scratch;
        let fate = self.fate(head, old, new, server, key, old_key)?;
        let (moved, alone) = (matches!(fate, Fate::Moved { .. }), matches!(fate, Fate::Gone(_)));
        let (op, old, new, keyed) = match fate {
            Fate::Nothing => return Ok(()),
            Fate::Unknown => return Err(EncodeError::NoKey),
            Fate::Event { op, old, new, keyed } => (op, old, new, keyed),
            Fate::Moved { old, new } => (head.op, Some(old), Some(new), true),
            Fate::Gone(row) => (Op::Delete, Some(row), None, true),
        };
        let event = EventId { seq: head.seq, ordinal };
        event_id.clear();
        event_id.push_str(itoa::Buffer::new().format(event.seq));
        event_id.push('.');
        event_id.push_str(itoa::Buffer::new().format(event.ordinal));
        let mut headers = Headers::new(event_id, head.origin.name());
        match (&self.org, new.or(old)) {
            (Some(org), _) => headers.add("org", org.as_bytes()),
            (None, Some(slots)) => {
                if let Some(org) = text_of(&self.org_field, slots, server, org)? {
                    headers.add("org", org.as_bytes());
                }
                if let Some(version) = text_of(&self.version_field, slots, server, version)? {
                    headers.add("mapping_version", version.as_bytes());
                }
            }
            (None, None) => {}
        }
        if self.options.extended_headers {
            headers.add("__debezium.context.connectorLogicalName", self.prefix.as_bytes());
            headers.add("__debezium.context.taskId", b"0");
            headers.add("__debezium.context.connectorName", b"postgresql");
        }
        let timestamp_ms = now_us.div_euclid(1000);
        let moment = Moment { head, now_us, server, alone };
        let mut send =
            |key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(&'static str, &[u8])]| {
                sink(Message { topic: &self.topic, key, value, headers, timestamp_ms, event })
                    .map_err(EncodeError::Sink)
            };

        if moved {
            self.event(old_value, &moment, Op::Delete, old, None, orders.as_deref_mut())?;
            self.event(value, &moment, Op::Create, None, new, orders)?;
            let (mut of_old, mut of_new) = (headers, headers);
            of_old.add("__debezium.newkey", key::payload(key));
            of_new.add("__debezium.oldkey", key::payload(old_key));
            send(Some(old_key), Some(old_value), of_old.all())?;
            if self.options.tombstones_on_delete {
                send(Some(old_key), None, of_old.all())?;
            }
            return send(Some(key), Some(value), of_new.all());
        }
        self.event(value, &moment, op, old, new, orders)?;
        let key = keyed.then_some(key.as_slice());
        send(key, Some(value), headers.all())?;
        if op == Op::Delete && keyed && self.options.tombstones_on_delete {
            send(key, None, headers.all())?;
        }
        Ok(())
    }

    /// Writes the value of one event to `out`, which is cleared.
    fn event(
        &self,
        out: &mut Vec<u8>,
        moment: &Moment<'_>,
        op: Op,
        before: Row<'_>,
        after: Row<'_>,
        orders: Option<&mut Orders<'_>>,
    ) -> Result<(), Malformed> {
        out.clear();
        out.extend_from_slice(&self.start);
        const AFTER: &str = ",\"after\":";
        match (before, after) {
            (Some(old), Some(new)) if self.options.before_images => {
                self.columns.write_both(out, [old, new], AFTER, moment.server)?;
            }
            (_, Some(new)) => {
                out.put("null");
                out.put(AFTER);
                self.columns.write(out, new, moment.server)?;
            }
            (before, None) => {
                match before {
                    Some(old) if moment.alone => {
                        self.columns.write_key(out, old, moment.server)?;
                    }
                    Some(old) if self.options.before_images => {
                        self.columns.write(out, old, moment.server)?;
                    }
                    Some(old) if op == Op::Delete => {
                        self.columns.write_identity(out, old, moment.server)?;
                    }
                    _ => out.put("null"),
                }
                out.put(AFTER);
                out.put("null");
            }
        }
        self.source(out, moment.head);
        out.put(",\"transaction\":");
        match orders {
            Some(orders) => orders.write(out),
            None => out.put("null"),
        }
        out.put(",\"op\":\"");
        out.push(op as u8);
        out.push(b'"');
        times(out, moment.now_us);
        out.put(self.end);
        Ok(())
    }

    fn source(&self, out: &mut Vec<u8>, head: &ChunkHead) {
        out.extend_from_slice(&self.source_start);
        out.put(",\"ts_ms\":");
        json::integer(out, head.at.div_euclid(1000));
        out.put(",\"snapshot\":\"");
        out.put(if head.op == Op::Read { "incremental" } else { "false" });
        out.put("\",\"db\":");
        out.extend_from_slice(&self.database);
        out.put(",\"sequence\":\"[null,\\\"");
        json::integer(out, head.seq);
        out.put("\\\"]\",\"ts_us\":");
        json::integer(out, head.at);
        out.put(",\"ts_ns\":");
        json::integer(out, head.at.saturating_mul(1000));
        out.extend_from_slice(&self.table);
        out.put(",\"txId\":");
        json::integer(out, head.xid);
        out.put(",\"lsn\":");
        json::integer(out, head.seq);
        out.put(",\"xmin\":null,\"origin\":\"");
        out.put(head.origin.name());
        out.put("\",\"origin_lsn\":null}");
    }
}

/// The three times of the envelope.
fn times(out: &mut Vec<u8>, at_us: i64) {
    out.put(",\"ts_ms\":");
    json::integer(out, at_us.div_euclid(1000));
    out.put(",\"ts_us\":");
    json::integer(out, at_us);
    out.put(",\"ts_ns\":");
    json::integer(out, at_us.saturating_mul(1000));
}
