//! Every decoder against a server: `golden.json` holds tuples as PostgreSQL 15 stored them and the
//! text and JSON that it printed for each value; `golden.sql` makes it.

use std::collections::HashMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::decode::{Kind, decode};
use super::image::{Malformed, Slots, read_tuple};
use super::layout::{Column, Layout};
use super::value::{Server, Value};

#[derive(Deserialize)]
struct Table {
    layout: Layout,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    natts: usize,
    bits: Option<String>,
    data: String,
    text: HashMap<String, Option<String>>,
    json: serde_json::Value,
}

/// Knows no type and no compression.
struct NoServer;

impl Server for NoServer {
    fn decompress(&self, _: &[u8]) -> Result<Vec<u8>, Malformed> {
        Err(Malformed("compressed"))
    }

    fn text(&self, _: u32, _: i32, _: &[u8]) -> Result<String, Malformed> {
        Ok("text of the server".into())
    }
}

fn tables() -> Vec<Table> {
    serde_json::from_str(include_str!("golden.json")).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// The null bitmap from its text of ones and zeros.
fn bitmap(bits: &str) -> Vec<u8> {
    bits.as_bytes()
        .chunks(8)
        .map(|byte| {
            byte.iter().enumerate().fold(0, |sum, (bit, &set)| sum | u8::from(set == b'1') << bit)
        })
        .collect()
}

/// Every row with its layout, for tests of other rooms.
pub(crate) fn each_row(mut check: impl FnMut(&Layout, &Slots<'_>)) {
    for table in tables() {
        for row in &table.rows {
            let data = unhex(&row.data);
            let nulls = row.bits.as_deref().map(bitmap);
            let mut slots = Slots::new();
            read_tuple(row.natts, nulls.as_deref(), &data, &table.layout.columns, &mut slots)
                .unwrap();
            check(&table.layout, &slots);
        }
    }
}

fn each_value(mut check: impl FnMut(&Column, &Row, Value<'_>)) {
    for table in tables() {
        for row in &table.rows {
            let data = unhex(&row.data);
            let nulls = row.bits.as_deref().map(bitmap);
            let mut slots = Slots::new();
            read_tuple(row.natts, nulls.as_deref(), &data, &table.layout.columns, &mut slots)
                .unwrap();
            for (at, column) in table.layout.live() {
                check(column, row, decode(column, slots[at], &NoServer).unwrap());
            }
        }
    }
}

/// Whether the value, or what it is a list of, was left to the server.
fn is_the_servers(value: &Value<'_>) -> bool {
    match value {
        Value::Other(text) => text == "text of the server",
        Value::Array(values) => values.iter().any(is_the_servers),
        _ => false,
    }
}

#[test]
fn text_is_the_servers() {
    let mut seen = 0;
    each_value(|column, row, value| match (&row.text[&column.name], value) {
        (None, value) => assert_eq!(value, Value::Null),
        (Some(_), value) if is_the_servers(&value) => {}
        (Some(expected), value) => {
            let mut text = String::new();
            value.display(&mut text);
            assert_eq!(text, *expected, "column {}", column.name);
            seen += 1;
        }
    });
    assert!(seen > 300);
}

#[test]
fn json_is_the_servers() {
    each_value(|column, row, value| {
        // An oid, which the server quotes, is a number here.
        if is_the_servers(&value) || column.name == "o" {
            return;
        }
        let mut json = Vec::new();
        value.to_json(&mut json);
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json, row.json[&column.name], "column {}", column.name);
    });
}

#[test]
fn only_what_has_no_decoder_is_left_to_the_server() {
    let mut other: Vec<String> = Vec::new();
    each_value(|column, _, value| {
        if is_the_servers(&value) && !other.contains(&column.name) {
            other.push(column.name.clone());
        }
    });
    // The last two are arrays of several dimensions.
    assert_eq!(other, ["c1", "ip", "r", "h", "i", "vs"]);
}

#[test]
fn an_array_of_many_dimensions_is_flat_on_demand() {
    let mut seen = Vec::new();
    for table in tables() {
        for row in &table.rows {
            let data = unhex(&row.data);
            let nulls = row.bits.as_deref().map(bitmap);
            let mut slots = Slots::new();
            read_tuple(row.natts, nulls.as_deref(), &data, &table.layout.columns, &mut slots)
                .unwrap();
            for (at, column) in table.layout.live() {
                let (Some(slot), Kind::Array) = (slots[at], Kind::of(column)) else { continue };
                let text = row.text[&column.name].as_deref().unwrap_or_default();
                let flat = Kind::Array.decode_flat(column, slot, &NoServer).unwrap();
                let Value::Array(values) = &flat else { panic!("{flat:?}") };
                if text.starts_with("{{") {
                    seen.push((text.to_owned(), values.len()));
                } else {
                    assert_eq!(flat, decode(column, Some(slot), &NoServer).unwrap());
                }
            }
        }
    }
    assert_eq!(seen, [("{{1,2},{3,4}}".to_owned(), 4), ("{{{1010,NULL}},{{1,0}}}".to_owned(), 4)]);
}

fn any_kind() -> impl Strategy<Value = (Column, Kind)> {
    let columns: Vec<Column> =
        tables().into_iter().flat_map(|table| table.layout.columns).collect();
    proptest::sample::select(columns).prop_map(|column| {
        let kind = Kind::of(&column);
        (column, kind)
    })
}

/// Answers as if every compressed slot were its own content.
struct Echo;

impl Server for Echo {
    fn decompress(&self, slot: &[u8]) -> Result<Vec<u8>, Malformed> {
        Ok(slot[1..].to_vec())
    }

    fn text(&self, _: u32, _: i32, slot: &[u8]) -> Result<String, Malformed> {
        Ok(String::from_utf8_lossy(slot).into_owned())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// No bytes whatever make a decoder or a writer panic.
    #[test]
    fn any_bytes((column, kind) in any_kind(), bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(value) = kind.decode(&column, &bytes, &Echo) {
            value.display(&mut String::new());
            value.to_json(&mut Vec::new());
            let _ = value.into_owned();
        }
        let _ = kind.decode_flat(&column, &bytes, &Echo);
    }

    /// Nor does a real tuple with a few bytes changed.
    #[test]
    fn damaged_tuples(
        table in 0..6usize,
        row in any::<proptest::sample::Index>(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
    ) {
        thread_local!(static TABLES: Vec<Table> = tables());
        TABLES.with(|tables| {
            let table = &tables[table];
            let row = &table.rows[row.index(table.rows.len())];
            let mut data = unhex(&row.data);
            for (at, byte) in damage {
                let at = at.index(data.len());
                data[at] = byte;
            }
            let nulls = row.bits.as_deref().map(bitmap);
            let mut slots = Slots::new();
            if read_tuple(row.natts, nulls.as_deref(), &data, &table.layout.columns, &mut slots).is_ok() {
                for (column, slot) in table.layout.columns.iter().zip(slots) {
                    if let Ok(value) = decode(column, slot, &Echo) {
                        value.display(&mut String::new());
                        value.to_json(&mut Vec::new());
                    }
                }
            }
        });
    }
}
