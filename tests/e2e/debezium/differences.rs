//! The differences that docs/debezium.md gives reasons for, as rules that know one when they see it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::compare::{Difference, Place};

type Rule = fn(&Difference) -> bool;

const KNOWN: [(&str, Rule); 17] = [
    ("headers", |found| {
        found.place == Place::Header
            && match found.name.as_str() {
                name if name.starts_with("__debezium.context.") => true,
                "__debezium.newkey" | "__debezium.oldkey" => false,
                _ => found.theirs.is_none(),
            }
    }),
    ("source.version", |found| is(found, Place::Source, &["version"])),
    ("source.lsn", |found| is(found, Place::Source, &["lsn", "sequence"])),
    ("source.origin", |found| {
        is(found, Place::Source, &["origin"]) && found.theirs == Some(Value::Null)
    }),
    // The statement comes before its commit, if only by microseconds.
    ("source.ts_ms", |found| {
        is(found, Place::Source, &["ts_ms", "ts_us", "ts_ns"])
            && number(&found.ours) <= number(&found.theirs)
    }),
    ("ts_ms", |found| is(found, Place::Envelope, &["ts_ms", "ts_us", "ts_ns"])),
    ("types", |found| {
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
        of_column(found) && LEFT_OUT.contains(&found.name.as_str()) && found.theirs.is_none()
    }),
    ("name", |found| is(found, Place::Row, &["name"]) && found.theirs == Some(Value::Null)),
    ("bit(n)[]", |found| of_column(found) && found.name == "a_bit"),
    ("arrays", |found| is(found, Place::Row, &["a_square"])),
    ("enum[]", |found| {
        let Some(mut ours) = found.ours.clone().filter(|_| is(found, Place::Column, &["a_mood"]))
        else {
            return false;
        };
        ours["items"]["optional"] = false.into();
        Some(ours) == found.theirs
    }),
    ("time[]", |found| is(found, Place::Row, &["a_time", "a_timetz"])),
    ("infinity[]", |found| {
        is(found, Place::Row, &["a_date", "a_tstz"])
            && found.ours.as_ref().is_some_and(|ours| {
                // The finite ones are the same.
                let theirs = found.theirs.as_ref().unwrap_or(&Value::Null);
                let first = |value: &Value| value[0].clone();
                first(ours) == first(theirs)
            })
    }),
    ("numeric(p,-s)", |found| of_column(found) && found.name == "numeric_negative"),
    // The same members in another order.
    ("hstore", |found| {
        let members = |value: &Option<Value>| {
            let text = value.as_ref()?.as_str()?;
            serde_json::from_str::<std::collections::BTreeMap<String, Value>>(text).ok()
        };
        is(found, Place::Row, &["hstore"])
            && members(&found.ours).is_some()
            && members(&found.ours) == members(&found.theirs)
    }),
    // But for its default, a column is described the same.
    ("default", |found| {
        let mut theirs = found.theirs.clone().unwrap_or_default();
        let had = theirs.as_object_mut().and_then(|schema| schema.shift_remove("default"));
        found.place == Place::Column && had.is_some() && found.ours.as_ref() == Some(&theirs)
    }),
    ("NULL", |found| {
        is(found, Place::Row, &["with_default"])
            && found.ours == Some(Value::Null)
            && found.theirs == Some("dd".into())
    }),
];

fn is(found: &Difference, place: Place, names: &[&str]) -> bool {
    found.place == place && names.contains(&found.name.as_str())
}

fn of_column(found: &Difference) -> bool {
    matches!(found.place, Place::Column | Place::Row)
}

fn number(value: &Option<Value>) -> i64 {
    value.as_ref().and_then(Value::as_i64).unwrap_or_else(|| panic!("no number: {value:?}"))
}

pub fn explains(found: &Difference) -> Option<&'static str> {
    KNOWN.iter().find(|(_, rule)| rule(found)).map(|(name, _)| *name)
}

pub fn names() -> BTreeSet<&'static str> {
    KNOWN.iter().map(|(name, _)| *name).collect()
}
