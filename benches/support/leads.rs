//! The leads of a fixture org as row images, made by hand.

use std::path::{Path, PathBuf};

use pg_manifold::row::image::Malformed;
use pg_manifold::row::layout::{Column, Layout};
use pg_manifold::row::value::Server;

use crate::csv;
use crate::tuple::{self, Datum};

/// The fixtures have only types with decoders of their own.
pub struct NoServer;

impl Server for NoServer {
    fn decompress(&self, _: &[u8]) -> Result<Vec<u8>, Malformed> {
        Err(Malformed("compressed"))
    }

    fn text(&self, _: u32, _: i32, _: &[u8]) -> Result<String, Malformed> {
        Err(Malformed("no decoder"))
    }
}

/// The directory that holds `orgs/`.
pub fn fixtures() -> PathBuf {
    std::env::var_os("MANIFOLD_FIXTURES")
        .map_or_else(|| PathBuf::from("../shared/fixtures"), PathBuf::from)
}

/// The layout of an org's leads and the image of each.
pub fn load(org: &Path) -> (Layout, Vec<Vec<u8>>) {
    let read = |name: &str| {
        let path = org.join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let description: serde_json::Value = serde_json::from_str(&read("columns.json")).expect("JSON");
    let columns: Vec<Column> = description["columns"]
        .as_array()
        .expect("columns")
        .iter()
        .map(|column| {
            let text = |name: &str| column[name].as_str().expect("text").to_owned();
            column_of(text("name"), text("type"))
        })
        .collect();
    let attributes: Vec<(i16, char)> =
        columns.iter().map(|column| (column.length, column.align)).collect();
    let images = csv::records(&read("lead.csv"))
        .skip(1)
        .map(|record| {
            let values: Vec<Datum> = columns
                .iter()
                .zip(&record)
                .map(|(column, text)| datum(&column.type_name, text))
                .collect();
            tuple::image(&attributes, &values)
        })
        .collect();
    (Layout { columns }, images)
}

fn column_of(name: String, type_name: String) -> Column {
    let (oid, length, align) = match type_name.split('(').next().expect("type") {
        "integer" => (23, 4, 'i'),
        "boolean" => (16, 1, 'c'),
        "double precision" => (701, 8, 'd'),
        "date" => (1082, 4, 'i'),
        "time" => (1083, 8, 'd'),
        "timestamp" => (1114, 8, 'd'),
        "text" => (25, -1, 'i'),
        "varchar" => (1043, -1, 'i'),
        other => panic!("type {other}"),
    };
    Column {
        name,
        dropped: false,
        not_null: false,
        type_name,
        type_oid: oid,
        base_oid: oid,
        typmod: -1,
        length,
        align,
        element: None,
    }
}

fn datum(type_name: &str, text: &str) -> Datum {
    if text.is_empty() {
        return Datum::Null;
    }
    Datum::Fixed(match type_name.split('(').next().expect("type") {
        "integer" => text.parse::<i32>().expect("integer").to_ne_bytes().to_vec(),
        "boolean" => vec![u8::from(text == "t")],
        "double precision" => text.parse::<f64>().expect("number").to_ne_bytes().to_vec(),
        "date" => days(text).to_ne_bytes().to_vec(),
        "timestamp" => {
            let clock = seconds(&text[11..]);
            (i64::from(days(&text[..10])) * 86_400_000_000 + clock).to_ne_bytes().to_vec()
        }
        _ => return Datum::Varlena(text.as_bytes().to_vec()),
    })
}

/// Days from 2000-01-01 to a date after it or before.
fn days(date: &str) -> i32 {
    let date: jiff::civil::Date = date.parse().expect("date");
    date.since(jiff::civil::date(2000, 1, 1)).expect("date").get_days()
}

/// Microseconds of a time of day.
fn seconds(time: &str) -> i64 {
    let time: jiff::civil::Time = time.parse().expect("time");
    time.since(jiff::civil::Time::midnight()).expect("time").total(jiff::Unit::Second).expect("s")
        as i64
        * 1_000_000
}
