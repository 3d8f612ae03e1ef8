//! Payloads against the schemas beside them, by the rules of Kafka Connect's JSON converter.

use std::convert::Infallible;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::Value as Json;

use crate::log::change::Op;
use crate::publish::form::{Type, Types};
use crate::publish::key::payload;
use crate::publish::modes::{Binaries, Decimals, Hstores, Intervals, Modes, Times};
use crate::publish::tests::{column, head, source};
use crate::publish::{Key, Message, Plan, Scratch, Source};
use crate::row::golden;
use crate::row::image::Malformed;
use crate::row::layout::{Element, Layout};
use crate::row::oid;
use crate::row::value::Server;

/// Prints what would do for any type.
struct Printer;

const TEXT: &str = "\"a\"=>NULL";

impl Server for Printer {
    fn decompress(&self, _: &[u8]) -> Result<Vec<u8>, Malformed> {
        Err(Malformed("compressed"))
    }

    fn text(&self, _: u32, _: i32, _: &[u8]) -> Result<String, Malformed> {
        Ok(TEXT.into())
    }
}

/// Whether a payload is what its schema says.
fn agrees(schema: &Json, payload: &Json) -> Result<(), String> {
    let wrong = || Err(format!("{payload} is not {schema}"));
    if payload.is_null() {
        return if schema["optional"] == true { Ok(()) } else { wrong() };
    }
    let whole = |bits: u32| {
        let limit = 1i128 << (bits - 1);
        payload.as_i64().is_some_and(|number| (-limit..limit).contains(&number.into()))
    };
    let right = match schema["type"].as_str().expect("a type") {
        "boolean" => payload.is_boolean(),
        "int16" => whole(16),
        "int32" => whole(32),
        "int64" => whole(64),
        "float" | "double" => {
            payload.is_f64()
                || ["NaN", "Infinity", "-Infinity"].contains(&payload.as_str().unwrap_or(""))
        }
        "string" => match schema["name"].as_str() {
            Some("io.debezium.data.Enum") => payload.as_str().is_some_and(|text| {
                schema["parameters"]["allowed"].as_str().unwrap().split(',').any(|one| one == text)
            }),
            _ => payload.is_string(),
        },
        "bytes" => {
            let bytes = payload.as_str().and_then(|text| STANDARD.decode(text).ok());
            let decimal = schema["name"] == "org.apache.kafka.connect.data.Decimal";
            bytes.is_some_and(|bytes| !(decimal && bytes.is_empty()))
        }
        "array" => match payload.as_array() {
            Some(values) => return values.iter().try_for_each(|v| agrees(&schema["items"], v)),
            None => false,
        },
        "map" => match payload.as_object() {
            Some(map) => return map.values().try_for_each(|v| agrees(&schema["values"], v)),
            None => false,
        },
        "struct" => {
            let fields = schema["fields"].as_array().expect("fields");
            let Some(members) = payload.as_object() else { return wrong() };
            // The same names in the same order, and nothing else.
            if !fields.iter().map(|f| f["field"].as_str().unwrap()).eq(members.keys()) {
                return wrong();
            }
            return fields.iter().zip(members.values()).try_for_each(|(f, v)| agrees(f, v));
        }
        _ => false,
    };
    if right { Ok(()) } else { wrong() }
}

/// The messages of an update to the same row, each key and value of which must agree with itself.
fn check(layout: &Layout, source: &Source, slots: &[Option<&[u8]>]) -> Result<usize, String> {
    let plan = Plan::new(layout, source).map_err(|error| error.to_string())?;
    let mut seen = 0;
    for op in [Op::Update, Op::Delete, Op::Read] {
        let mut sink = |message: Message<'_>| -> Result<(), Infallible> {
            for part in message.key.into_iter().chain(message.value) {
                let json: Json = serde_json::from_slice(part).expect("JSON");
                if let Err(wrong) = agrees(&json["schema"], &json["payload"]) {
                    panic!("{wrong}, by {:?}", source.modes);
                }
                seen += 1;
            }
            Ok(())
        };
        let (scratch, row) = (&mut Scratch::default(), Some(slots));
        // A row that no decoder understands has no messages.
        let _ = plan.encode(&head(op), 0, row, row, 0, &Printer, scratch, &mut sink);
    }
    Ok(seen)
}

/// Modes so that each goes with each of the others.
fn modes() -> impl Iterator<Item = Modes> {
    const DECIMALS: [Decimals; 3] = [Decimals::Precise, Decimals::String, Decimals::Double];
    const BINARIES: [Binaries; 4] =
        [Binaries::Bytes, Binaries::Base64, Binaries::Base64UrlSafe, Binaries::Hex];
    const TIMES: [Times; 6] = [
        Times::Adaptive,
        Times::AdaptiveTimeMicroseconds,
        Times::Connect,
        Times::IsoString,
        Times::Microseconds,
        Times::Nanoseconds,
    ];
    (0..24).map(|n| Modes {
        decimal: DECIMALS[n % 3],
        binary: BINARIES[n % 4],
        time: TIMES[(n + n / 6) % 6],
        interval: [Intervals::Numeric, Intervals::String][n / 2 % 2],
        hstore: [Hstores::Json, Hstores::Map][n / 3 % 2],
        schemas: true,
    })
}

fn described(modes: Modes, key: &str, types: Types) -> Source {
    Source { modes, key: Key::Columns(vec![key.into()]), types, ..source() }
}

#[test]
fn every_value_agrees_with_its_schema_in_every_mode() {
    let mut seen = 0;
    for (n, modes) in modes().enumerate() {
        golden::each_row(|layout, slots| {
            let mut layout = layout.clone();
            let mut types = Types::new();
            for (column, slot) in layout.columns.iter_mut().zip(slots) {
                column.not_null = n % 2 == 0 && slot.is_some();
                // Some of what the server prints is an hstore, some an enum.
                match column.name.as_str() {
                    "h" => drop(types.insert(column.base_oid, named("hstore"))),
                    "ip" if column.element.is_none() => {
                        let labels = vec!["other".into(), TEXT.into()];
                        types.insert(column.base_oid, Type { labels, ..named("mood") });
                    }
                    _ => {}
                }
            }
            let key = layout.live().next().unwrap().1.name.clone();
            let mut source = described(modes, &key, types);
            source.options.before_images = n % 3 != 0;
            seen += check(&layout, &source, slots).unwrap();
        });
    }
    assert!(seen > 10_000, "{seen}");
}

fn named(name: &str) -> Type {
    Type { name: name.into(), labels: Vec::new() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever bytes columns hold.
    #[test]
    fn any_value_agrees_with_its_schema(
        bytes in proptest::collection::vec(any::<u8>(), 32),
        n in 0..24usize,
        not_null in any::<bool>(),
        typmod in -1..70_000i32,
    ) {
        const FIXED: [(u32, usize); 13] = [
            (oid::BOOL, 1), (oid::INT2, 2), (oid::INT4, 4), (oid::INT8, 8), (oid::OID, 4),
            (oid::FLOAT4, 4), (oid::FLOAT8, 8), (oid::DATE, 4), (oid::TIMESTAMP, 8),
            (oid::TIMESTAMPTZ, 8), (oid::INTERVAL, 16), (oid::MONEY, 8), (oid::POINT, 16),
        ];
        let modes = modes().nth(n).unwrap();
        for (base_oid, length) in FIXED {
            let mut one = column("c", base_oid, length as i16, 'd');
            (one.not_null, one.typmod) = (not_null, typmod);
            let layout = Layout { columns: vec![one] };
            let slots = [Some(&bytes[..length])];
            check(&layout, &described(modes, "c", Types::new()), &slots).unwrap();
        }
        // Varlenas, with a header of one byte, alone and as arrays.
        for base_oid in [oid::NUMERIC, oid::TEXT, oid::BYTEA, oid::BIT, oid::JSONB, oid::XML] {
            for element in [false, true] {
                let mut one = column("c", base_oid, -1, 'i');
                (one.not_null, one.typmod) = (not_null, typmod);
                let of = Element { type_oid: base_oid, base_oid, length: -1, align: 'i' };
                one.element = element.then_some(of);
                let layout = Layout { columns: vec![one] };
                let slot: Vec<u8> = [&[65][..], &bytes[1..]].concat();
                check(&layout, &described(modes, "c", Types::new()), &[Some(&slot)]).unwrap();
            }
        }
    }
}

/// A schema to the byte, as Debezium's converter has it.
#[test]
fn a_keys_schema_to_the_byte() {
    let mut id = column("id", oid::INT4, 4, 'i');
    id.not_null = true;
    let layout = Layout { columns: vec![id, column("sfid", oid::TEXT, -1, 'i')] };
    let modes = Modes { schemas: true, ..Modes::default() };
    let source = described(modes, "id", Types::new());
    let mut keys = Vec::new();
    let mut sink = |message: Message<'_>| -> Result<(), Infallible> {
        keys.push(String::from_utf8(message.key.unwrap().to_vec()).unwrap());
        Ok(())
    };
    let one = 1i32.to_ne_bytes();
    let row = Some(&[Some(&one[..]), None][..]);
    let scratch = &mut Scratch::default();
    let plan = Plan::new(&layout, &source).unwrap();
    plan.encode(&head(Op::Create), 0, None, row, 0, &Printer, scratch, &mut sink).unwrap();
    assert_eq!(
        keys,
        [concat!(
            r#"{"schema":{"type":"struct","fields":[{"type":"int32","optional":false,"field":"id"}],"#,
            r#""optional":false,"name":"manifold.acme.lead.Key"},"payload":{"id":1}}"#
        )]
    );
}

/// What people and headers are shown of a key has no schema, whatever its columns are called.
#[test]
fn a_key_without_its_schema() {
    let layout = Layout {
        columns: vec![column("payload", oid::TEXT, -1, 'i'), column("schema", oid::TEXT, -1, 'i')],
    };
    let text = |text: &str| [&[(text.len() as u8 + 1) << 1 | 1], text.as_bytes()].concat();
    let (old, new) = (text("{\"a\":1,\"payload\":2}"), text("new"));
    for schemas in [true, false] {
        let key = Key::Columns(vec!["payload".into(), "schema".into()]);
        let modes = Modes { schemas, ..Modes::default() };
        let source = Source { key, ..described(modes, "", Types::new()) };
        let mut sent = Vec::new();
        let mut sink = |message: Message<'_>| -> Result<(), Infallible> {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let other = message.headers.last().unwrap();
            sent.push((text(payload(message.key.unwrap())), other.0, text(other.1)));
            Ok(())
        };
        let rows = [[Some(&old[..]), Some(&old[..])], [Some(&new[..]), Some(&old[..])]];
        let (before, after) = (Some(&rows[0][..]), Some(&rows[1][..]));
        let scratch = &mut Scratch::default();
        let plan = Plan::new(&layout, &source).unwrap();
        plan.encode(&head(Op::Update), 0, before, after, 0, &Printer, scratch, &mut sink).unwrap();
        let old = r#"{"payload":"{\"a\":1,\"payload\":2}","schema":"{\"a\":1,\"payload\":2}"}"#;
        let new = r#"{"payload":"new","schema":"{\"a\":1,\"payload\":2}"}"#;
        assert_eq!(sent.len(), 3);
        assert_eq!(sent[0], (old.to_owned(), "__debezium.newkey", new.to_owned()));
        assert_eq!(sent[2], (new.to_owned(), "__debezium.oldkey", old.to_owned()));
    }
}
