//! What must hold between a table and its topic, whatever happened in between.

use std::collections::{BTreeMap, BTreeSet};

use postgres::Client;
use serde_json::Value;

use crate::support::consumer::Event;
use crate::support::heroku_connect::{ident, literal};

/// The rows of a table in Debezium's JSON, by the key of their events.
pub fn rows(client: &mut Client, schema: &str, table: &str) -> BTreeMap<String, Value> {
    let columns = client
        .query(
            "SELECT attname::text, atttypid::regtype::text FROM pg_attribute \
             WHERE attrelid = format('%I.%I', $1::text, $2::text)::regclass AND attnum > 0 AND NOT attisdropped",
            &[&schema, &table],
        )
        .unwrap_or_else(|e| panic!("{schema}.{table}: {e:?}"));
    let expressions: Vec<_> = columns
        .iter()
        .map(|row| {
            let (name, sql_type): (String, String) = (row.get(0), row.get(1));
            let column = ident(&name);
            let expression = match sql_type.as_str() {
                "timestamp without time zone" | "time without time zone" => {
                    format!("(extract(epoch FROM {column}) * 1000000)::bigint")
                }
                "date" => format!("{column} - date '1970-01-01'"),
                "timestamp with time zone" => {
                    format!(
                        "to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
                    )
                }
                "numeric" | "jsonb" => format!("{column}::text"),
                _ => column.clone(),
            };
            format!("{expression} AS {column}")
        })
        .collect();
    let sql = format!(
        "SELECT to_jsonb(t) FROM (SELECT {} FROM {}.{}) t",
        expressions.join(", "),
        ident(schema),
        ident(table)
    );
    let found = client.query(&sql, &[]).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    found
        .iter()
        .map(|row| {
            let row: Value = row.get(0);
            (key(schema, &row), row)
        })
        .collect()
}

/// The key of a row's events.
fn key(schema: &str, row: &Value) -> String {
    if schema == "canonical" {
        format!("{{\"org\":{},\"sfid\":{}}}", row["org"], row["sfid"])
    } else if row["sfid"].is_null() {
        format!("{{\"id\":{}}}", row["id"])
    } else {
        format!("{{\"sfid\":{}}}", row["sfid"])
    }
}

/// The topic tells the table: nothing is missing, nothing is left over, and per key the events are in
/// the order in which they happened. Events may have been sent twice, though never late.
pub fn topic_tells_table(client: &mut Client, schema: &str, table: &str, events: &[Event]) {
    chains(events);
    let rows = rows(client, schema, table);
    let mut last: BTreeMap<&str, &Event> = BTreeMap::new();
    for event in events.iter().filter(|event| event.value.is_some() && !event.key.is_null()) {
        last.insert(&event.key_text, event);
    }
    let mut wrong = Vec::new();
    for (key, row) in &rows {
        match last.get(key.as_str()) {
            None => wrong.push(format!("{key}: no event")),
            Some(event) => {
                wrong.extend(difference(row, event.after()).map(|d| format!("{key}: {d}")))
            }
        }
    }
    let ghosts =
        last.iter().filter(|(key, event)| !rows.contains_key(**key) && event.op() != Some("d"));
    wrong.extend(
        ghosts.map(|(key, event)| {
            format!("{key}: last event is {:?}, but there is no row", event.op())
        }),
    );
    assert!(
        wrong.is_empty(),
        "{schema}.{table}: {} keys are wrong, such as\n{}",
        wrong.len(),
        head(&wrong)
    );
}

/// Per key, each event goes on where the one before it ended.
pub fn chains(events: &[Event]) {
    let mut by_key: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for event in events {
        by_key.entry(&event.key_text).or_default().push(event);
    }
    let mut wrong = Vec::new();
    for (key, events) in by_key.iter().filter(|(key, _)| !key.is_empty()) {
        let partitions: BTreeSet<_> = events.iter().map(|event| event.partition).collect();
        if partitions.len() != 1 {
            wrong.push(format!("{key}: in partitions {partitions:?}"));
        }
        let mut seen = BTreeSet::new();
        let mut state: Option<&Value> = None;
        let mut newest = "";
        for event in events.iter().filter(|event| event.value.is_some()) {
            let id = event.header("event_id");
            if !seen.insert(id) {
                continue;
            }
            newest = id;
            let expected = if event.op() == Some("r") { event.after() } else { event.before() };
            // The first event of a key may be about a row that was there before the capture.
            if let Some(state) = state
                && let Some(difference) = difference(state, expected)
            {
                wrong.push(format!("{key}: {:?} {id} does not follow: {difference}", event.op()));
            }
            state = Some(event.after());
        }
        let last = events
            .iter()
            .rfind(|event| event.value.is_some())
            .map_or("", |event| event.header("event_id"));
        if last != newest {
            wrong.push(format!("{key}: ends with {last}, sent again after {newest}"));
        }
        let deletes = events.iter().zip(events.iter().skip(1).map(Some).chain([None]));
        for (event, next) in deletes.filter(|(event, _)| event.op() == Some("d")) {
            if next.is_none_or(|next| next.value.is_some()) {
                wrong.push(format!("{key}: no tombstone after {}", event.header("event_id")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} keys are wrong, such as\n{}", wrong.len(), head(&wrong));
}

fn head(lines: &[String]) -> String {
    lines.iter().take(10).cloned().collect::<Vec<_>>().join("\n")
}

/// The first difference of two rows, numbers by value.
fn difference(expected: &Value, found: &Value) -> Option<String> {
    let (Value::Object(expected), Value::Object(found)) = (expected, found) else {
        return (expected != found).then(|| format!("expected {expected}, found {found}"));
    };
    let names: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    names.into_iter().find_map(|name| {
        let (a, b) = (expected.get(name)?, found.get(name));
        let Some(b) = b else { return Some(format!("{name} is missing")) };
        (!same(a, b)).then(|| format!("{name}: expected {a}, found {b}"))
    })
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::String(a), Value::Object(b)) if b.contains_key("scale") => {
            decimal(b).is_some_and(|found| found == plain(a))
        }
        // JSON in text: Postgres orders and spaces it its own way on both sides.
        _ => a == b,
    }
}

/// Debezium's VariableScaleDecimal as plain decimal digits.
fn decimal(value: &serde_json::Map<String, Value>) -> Option<String> {
    let scale = usize::try_from(value["scale"].as_i64()?).ok()?;
    let bytes = base64(value["value"].as_str()?)?;
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let unscaled = bytes
        .iter()
        .fold(if negative { -1i128 } else { 0 }, |n, byte| (n << 8) | i128::from(*byte));
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if negative { "-" } else { "" };
    Some(plain(&format!("{sign}{whole}.{fraction}")))
}

/// A decimal without trailing zeros.
fn plain(decimal: &str) -> String {
    if decimal.contains('.') {
        decimal.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        decimal.to_owned()
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bits = 0u32;
    let mut count = 0;
    let mut bytes = Vec::new();
    for digit in text.bytes().filter(|digit| *digit != b'=') {
        bits = bits << 6 | u32::try_from(DIGITS.iter().position(|d| *d == digit)?).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

/// The canonical leads of an org equal those that `source` (the mapped table) must give: compares the
/// given fields by SQL, as their types compare. Only of use where every row follows from its own row.
pub fn canonical_follows(client: &mut Client, org: &str, fields: &[(&str, &str)]) {
    let comparisons: Vec<_> = fields
        .iter()
        .map(|(field, expression)| format!("c.{} IS DISTINCT FROM ({expression})", ident(field)))
        .collect();
    let sql = format!(
        "SELECT coalesce(c.sfid, s.sfid COLLATE \"C\")::text FROM (SELECT * FROM canonical.lead WHERE org = {}) c \
         FULL JOIN (SELECT * FROM {}.lead WHERE sfid IS NOT NULL) s ON c.sfid = s.sfid COLLATE \"C\" \
         WHERE c.sfid IS NULL OR s.sfid IS NULL OR {}",
        literal(Some(org)),
        ident(org),
        comparisons.join(" OR ")
    );
    let wrong: Vec<String> = client
        .query(&sql, &[])
        .unwrap_or_else(|e| panic!("{sql}: {e:?}"))
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} canonical leads of {org} are wrong, such as\n{}",
        wrong.len(),
        head(&wrong)
    );
}

#[test]
fn decimals_are_read_as_debezium_writes_them() {
    for (scale, value, expected) in
        [(4, "AYr3", "10.1111"), (2, "/h3t", "-1234.11"), (0, "AA==", "0"), (2, "bg==", "1.1")]
    {
        let json = serde_json::json!({"scale": scale, "value": value});
        assert_eq!(decimal(json.as_object().unwrap()).as_deref(), Some(expected));
    }
}
