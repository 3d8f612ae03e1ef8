//! The differences that docs/debezium.md gives reasons for, as rules that know one when they see it. Where
//! it is a column's value, `values` says what ours is.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Modes;
use super::compare::{Difference, Place};
use super::values;

/// What differs in transaction metadata.
pub const OF_TRANSACTIONS: [&str; 3] =
    ["transaction.id", "transaction.data_collections", "transaction.ts_ms"];

type Rule = fn(&Difference, Modes) -> bool;

/// The rules whose columns `values` knows.
const OF_VALUES: [&str; 7] =
    ["types", "name", "bit(n)[]", "arrays", "time[]", "infinity[]", "numeric(p,-s)"];

const KNOWN: [(&str, Rule); 17] = [
    ("headers", |found, _| {
        found.place == Place::Header
            && match found.name.as_str() {
                name if name.starts_with("__debezium.context.") => true,
                "__debezium.newkey" | "__debezium.oldkey" => false,
                _ => found.theirs.is_none(),
            }
    }),
    ("source.version", |found, _| {
        is(found, Place::Source, &["version"])
            && found.ours == Some(env!("CARGO_PKG_VERSION").into())
    }),
    // The test looks at these and at all times beside.
    ("source.lsn", |found, _| is(found, Place::Source, &["lsn", "sequence"])),
    ("source.origin", |found, _| {
        is(found, Place::Source, &["origin"])
            && found.theirs == Some(Value::Null)
            && found.ours == Some("application".into())
    }),
    // The statement comes before its commit, if only by microseconds.
    ("source.ts_ms", |found, _| {
        is(found, Place::Source, &["ts_ms", "ts_us", "ts_ns"])
            && number(&found.ours) <= number(&found.theirs)
    }),
    ("ts_ms", |found, _| is(found, Place::Envelope, &["ts_ms", "ts_us", "ts_ns"])),
    ("types", |found, modes| {
        const LEFT_OUT: [&str; 21] = [
            "tsquery",
            "int4multirange",
            "box",
            "line",
            "lseg",
            "path",
            "polygon",
            "circle",
            "pair",
            "regclass",
            "pg_lsn",
            "xid",
            "jsonpath",
            "pg_snapshot",
            "a_money",
            "a_name",
            "a_interval",
            "a_varbit",
            "a_xml",
            "a_point",
            "a_amount",
        ];
        of_column(found, modes) && LEFT_OUT.contains(&found.name.as_str()) && found.theirs.is_none()
    }),
    ("name", |found, _| is(found, Place::Row, &["name"]) && found.theirs == Some(Value::Null)),
    ("bit(n)[]", |found, modes| of_column(found, modes) && found.name == "a_bit"),
    ("arrays", |found, _| is(found, Place::Row, &["a_square"])),
    ("enum[]", |found, _| {
        let Some(mut ours) = found.ours.clone().filter(|_| is(found, Place::Column, &["a_mood"]))
        else {
            return false;
        };
        ours["items"]["optional"] = false.into();
        Some(ours) == found.theirs
    }),
    ("time[]", |found, _| is(found, Place::Row, &["a_time", "a_timetz"])),
    ("infinity[]", |found, _| is(found, Place::Row, &["a_date", "a_tstz"])),
    ("numeric(p,-s)", |found, modes| of_column(found, modes) && found.name == "numeric_negative"),
    // The same members in another order.
    ("hstore", |found, _| {
        let members = |value: &Option<Value>| {
            let text = value.as_ref()?.as_str()?;
            serde_json::from_str::<std::collections::BTreeMap<String, Value>>(text).ok()
        };
        is(found, Place::Row, &["hstore"])
            && members(&found.ours).is_some()
            && members(&found.ours) == members(&found.theirs)
    }),
    // But for its default, a column is described the same.
    ("default", |found, _| {
        let mut theirs = found.theirs.clone().unwrap_or_default();
        let had = theirs.as_object_mut().and_then(|schema| schema.shift_remove("default"));
        found.place == Place::Column && had.is_some() && found.ours.as_ref() == Some(&theirs)
    }),
    ("NULL", |found, _| {
        is(found, Place::Row, &["with_default"])
            && found.ours == Some(Value::Null)
            && found.theirs == Some("dd".into())
    }),
];

fn is(found: &Difference, place: Place, names: &[&str]) -> bool {
    found.place == place && names.contains(&found.name.as_str())
}

/// Whether it is a column's value, or how it is described, which is as it should be.
fn of_column(found: &Difference, modes: Modes) -> bool {
    match found.place {
        Place::Row => true,
        Place::Column => found.ours == Some(values::described(&found.name, modes)),
        _ => false,
    }
}

fn number(value: &Option<Value>) -> i64 {
    value.as_ref().and_then(Value::as_i64).unwrap_or_else(|| panic!("no number: {value:?}"))
}

pub fn explains(found: &Difference, modes: Modes) -> Option<&'static str> {
    KNOWN.iter().find(|(_, rule)| rule(found, modes)).map(|(name, _)| *name)
}

/// Our value of a column, but null, where a difference by this name is one of values.
pub fn value(found: &Difference, name: &str) -> Option<(String, String)> {
    let ours = found.ours.as_ref().filter(|ours| !ours.is_null())?;
    let is_value = found.place == Place::Row && OF_VALUES.contains(&name);
    is_value.then(|| (found.name.clone(), ours.to_string()))
}

pub fn names() -> BTreeSet<&'static str> {
    KNOWN.iter().map(|(name, _)| *name).collect()
}
