//! The envelope as a whole: messages, keys, headers.

use serde_json::{Value as Json, json};

use super::form::Types;
use super::modes::Modes;
use super::{EncodeError, Error, Key, Options, Plan, Scratch, Source, Treatments};
use crate::log::change::{ChunkHead, Op, Origin};
use crate::row::image::{Malformed, Slots, read_image};
use crate::row::layout::{Column, Layout};
use crate::row::oid;
use crate::row::value::Server;
use tuple::{Datum, image};

#[path = "../../benches/support/tuple.rs"]
pub(super) mod tuple;

pub(super) struct NoServer;

impl Server for NoServer {
    fn decompress(&self, _: &[u8]) -> Result<Vec<u8>, Malformed> {
        Err(Malformed("compressed"))
    }

    fn text(&self, _: u32, _: i32, _: &[u8]) -> Result<String, Malformed> {
        Ok("text".into())
    }
}

/// A message that owns its parts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sent {
    topic: String,
    pub(super) key: Option<String>,
    value: Option<String>,
    pub(super) headers: Vec<(String, String)>,
}

impl Sent {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn op(&self) -> Option<String> {
        self.value.as_ref().map(|_| self.json()["op"].as_str().unwrap().to_owned())
    }

    pub(super) fn json(&self) -> Json {
        serde_json::from_str(self.value.as_ref().unwrap()).unwrap()
    }
}

pub(super) fn column(name: &str, base_oid: u32, length: i16, align: char) -> Column {
    Column {
        name: name.into(),
        dropped: false,
        not_null: false,
        type_name: String::new(),
        type_oid: base_oid,
        base_oid,
        typmod: -1,
        length,
        align,
        element: None,
    }
}

fn leads() -> Layout {
    let mut dropped = column("........pg.dropped.2........", 0, 4, 'i');
    dropped.dropped = true;
    Layout {
        columns: vec![
            column("id", oid::INT4, 4, 'i'),
            dropped,
            column("sfid", oid::VARCHAR, -1, 'i'),
            column("odd \"name\"", oid::TEXT, -1, 'i'),
        ],
    }
}

pub(super) fn lead(id: i32, sfid: Option<&str>, text: &str) -> Vec<u8> {
    let attributes = [(4, 'i'), (4, 'i'), (-1, 'i'), (-1, 'i')];
    let values = [
        Datum::Fixed(id.to_ne_bytes().to_vec()),
        Datum::Null,
        sfid.map_or(Datum::Null, |sfid| Datum::Varlena(sfid.into())),
        Datum::Varlena(text.into()),
    ];
    image(&attributes, &values)
}

pub(super) fn source() -> Source {
    Source {
        prefix: "manifold".into(),
        database: "db".into(),
        org: Some("acme".into()),
        schema: "acme".into(),
        table: "lead".into(),
        topic: "manifold.acme.lead".into(),
        key: Key::Record,
        options: Options::default(),
        modes: Modes::default(),
        types: Types::new(),
        treatments: Treatments::default(),
        places: Default::default(),
        when: None,
    }
}

pub(super) fn head(op: Op) -> ChunkHead {
    ChunkHead {
        seq: 42,
        xid: 4_294_967_297,
        source: 1,
        layout: 1,
        op,
        origin: Origin::HerokuConnect,
        at: 1_559_033_904_863_123,
        rows: 1,
    }
}

pub(super) fn try_encode(
    layout: &Layout,
    source: &Source,
    op: Op,
    old: Option<&[u8]>,
    new: Option<&[u8]>,
    room: usize,
) -> (Vec<Sent>, Result<(), EncodeError<&'static str>>) {
    encode_head(layout, source, &head(op), old, new, room)
}

pub(super) fn encode_head(
    layout: &Layout,
    source: &Source,
    head: &ChunkHead,
    old: Option<&[u8]>,
    new: Option<&[u8]>,
    room: usize,
) -> (Vec<Sent>, Result<(), EncodeError<&'static str>>) {
    let (mut before, mut after) = (Slots::new(), Slots::new());
    if let Some(old) = old {
        read_image(old, layout, &mut before).unwrap();
    }
    if let Some(new) = new {
        read_image(new, layout, &mut after).unwrap();
    }
    let mut sent = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let result = Plan::new(layout, source).unwrap().encode(
        head,
        7,
        old.map(|_| before.as_slice()),
        new.map(|_| after.as_slice()),
        1_559_033_904_900_841,
        &NoServer,
        &mut Scratch::default(),
        &mut |message| {
            if sent.len() == room {
                return Err("full");
            }
            assert_eq!(message.event.to_string(), "42.7");
            assert_eq!(message.timestamp_ms, 1_559_033_904_900);
            sent.push(Sent {
                topic: message.topic.into(),
                key: message.key.map(text),
                value: message.value.map(text),
                headers: message.headers.iter().map(|(k, v)| ((*k).into(), text(v))).collect(),
            });
            Ok(())
        },
    );
    (sent, result)
}

pub(super) fn count_by(source: &Source, op: Op, old: Option<&[u8]>, new: Option<&[u8]>) -> u64 {
    let layout = leads();
    let (mut before, mut after) = (Slots::new(), Slots::new());
    if let Some(old) = old {
        read_image(old, &layout, &mut before).unwrap();
    }
    if let Some(new) = new {
        read_image(new, &layout, &mut after).unwrap();
    }
    let (old, new) = (old.map(|_| before.as_slice()), new.map(|_| after.as_slice()));
    let plan = Plan::new(&layout, source).unwrap();
    plan.count(&head(op), old, new, &NoServer, &mut Scratch::default()).unwrap()
}

pub(super) fn encode_by(
    source: &Source,
    op: Op,
    old: Option<&[u8]>,
    new: Option<&[u8]>,
) -> Vec<Sent> {
    let (sent, result) = try_encode(&leads(), source, op, old, new, usize::MAX);
    result.unwrap();
    sent
}

fn encode(op: Op, old: Option<&[u8]>, new: Option<&[u8]>) -> Vec<Sent> {
    encode_by(&source(), op, old, new)
}

#[test]
fn a_create_to_the_byte() {
    let sent = encode(Op::Create, None, Some(&lead(1, Some("00Q1"), "Anne")));
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].topic, "manifold.acme.lead");
    assert_eq!(sent[0].key.as_deref(), Some(r#"{"sfid":"00Q1"}"#));
    let expected = concat!(
        r#"{"before":null,"after":{"id":1,"sfid":"00Q1","odd \"name\"":"Anne"},"source":{"version":""#,
        env!("CARGO_PKG_VERSION"),
        r#"","connector":"postgresql","name":"manifold","ts_ms":1559033904863,"snapshot":"false","#,
        r#""db":"db","sequence":"[null,\"42\"]","ts_us":1559033904863123,"#,
        r#""ts_ns":1559033904863123000,"schema":"acme","table":"lead","txId":4294967297,"lsn":42,"#,
        r#""xmin":null,"origin":"heroku_connect","origin_lsn":null},"transaction":null,"op":"c","#,
        r#""ts_ms":1559033904900,"ts_us":1559033904900841,"ts_ns":1559033904900841000}"#,
    );
    assert_eq!(sent[0].value.as_deref(), Some(expected));
    assert_eq!(sent[0].header("event_id"), Some("42.7"));
    assert_eq!(sent[0].header("origin"), Some("heroku_connect"));
    assert_eq!(sent[0].header("org"), Some("acme"));
    assert_eq!(sent[0].headers.len(), 3);
}

#[test]
fn an_update_has_both_rows() {
    let (old, new) = (lead(1, Some("00Q1"), "Anne"), lead(1, Some("00Q1"), "Anna"));
    let sent = encode(Op::Update, Some(&old), Some(&new));
    assert_eq!(sent.len(), 1);
    let json = sent[0].json();
    assert_eq!(json["op"], "u");
    assert_eq!(json["before"], json!({"id": 1, "sfid": "00Q1", "odd \"name\"": "Anne"}));
    assert_eq!(json["after"], json!({"id": 1, "sfid": "00Q1", "odd \"name\"": "Anna"}));
    let json = encode(Op::Update, None, Some(&new))[0].json();
    assert_eq!((&json["op"], &json["before"]), (&json!("u"), &Json::Null));
}

#[test]
fn a_backfilled_row_is_a_snapshot() {
    let json = encode(Op::Read, None, Some(&lead(1, None, "")))[0].json();
    assert_eq!((&json["op"], &json["source"]["snapshot"]), (&json!("r"), &json!("incremental")));
}

#[test]
fn a_tombstone_follows_a_delete() {
    let old = lead(1, Some("00Q1"), "Anne");
    let sent = encode(Op::Delete, Some(&old), None);
    assert_eq!(sent.len(), 2);
    let json = sent[0].json();
    assert_eq!((&json["op"], &json["after"]), (&json!("d"), &Json::Null));
    assert_eq!(json["before"]["sfid"], "00Q1");
    assert_eq!(sent[1], Sent { value: None, ..sent[0].clone() });

    let mut source = source();
    source.options.tombstones_on_delete = false;
    let (sent, _) = try_encode(&leads(), &source, Op::Delete, Some(&old), None, 9);
    assert_eq!(sent.len(), 1);
}

#[test]
fn the_key_changes_when_the_sfid_arrives() {
    let (old, new) = (lead(5, None, "Anne"), lead(5, Some("00Q5"), "Anne"));
    let sent = encode(Op::Update, Some(&old), Some(&new));
    let keys: Vec<_> = sent.iter().map(|sent| sent.key.as_deref().unwrap()).collect();
    let (old_key, new_key) = (r#"{"id":5}"#, r#"{"sfid":"00Q5"}"#);
    assert_eq!(keys, [old_key, old_key, new_key]);
    let (delete, create) = (sent[0].json(), sent[2].json());
    assert_eq!((&delete["op"], &delete["after"]), (&json!("d"), &Json::Null));
    assert_eq!(delete["before"]["id"], 5);
    assert_eq!(sent[1].value, None);
    assert_eq!((&create["op"], &create["before"]), (&json!("c"), &Json::Null));
    assert_eq!(create["after"]["sfid"], "00Q5");
    assert_eq!(sent[0].header("__debezium.newkey"), Some(new_key));
    assert_eq!(sent[1].header("__debezium.newkey"), Some(new_key));
    assert_eq!(sent[2].header("__debezium.oldkey"), Some(old_key));
    assert_eq!(sent[2].header("__debezium.newkey"), None);
}

#[test]
fn truncates_are_published_on_demand() {
    assert_eq!(encode(Op::Truncate, None, None), []);
    let mut source = source();
    source.options.skipped_operations = Vec::new();
    let (sent, _) = try_encode(&leads(), &source, Op::Truncate, None, None, 9);
    assert_eq!((sent.len(), &sent[0].key), (1, &None));
    let json = sent[0].json();
    assert_eq!(
        (&json["op"], &json["before"], &json["after"]),
        (&json!("t"), &Json::Null, &Json::Null)
    );
}

#[test]
fn canonical_rows_name_their_org() {
    let layout = Layout {
        columns: vec![column("org", oid::TEXT, -1, 'i'), column("sfid", oid::TEXT, -1, 'i')],
    };
    let row = |org: &str| {
        image(&[(-1, 'i'); 2], &[Datum::Varlena(org.into()), Datum::Varlena("00Q1".into())])
    };
    let key = Key::Columns(vec!["org".into(), "sfid".into()]);
    let source = Source { org: None, key, ..source() };
    let (sent, _) =
        try_encode(&layout, &source, Op::Update, Some(&row("acme")), Some(&row("globex")), 9);
    assert_eq!(sent.len(), 3);
    assert_eq!(sent[0].key.as_deref(), Some(r#"{"org":"acme","sfid":"00Q1"}"#));
    assert_eq!(sent[2].key.as_deref(), Some(r#"{"org":"globex","sfid":"00Q1"}"#));
    assert_eq!(sent[2].header("org"), Some("globex"));
}

#[test]
fn a_key_needs_its_columns() {
    let source = Source { key: Key::Columns(vec!["uid".into()]), ..source() };
    let expected = Error::NoKeyColumn { table: "lead".into(), column: "uid".into() };
    assert_eq!(Plan::new(&leads(), &source).err(), Some(expected));
}

#[test]
fn a_sink_that_refuses_is_asked_no_more() {
    let (old, new) = (lead(5, None, "Anne"), lead(5, Some("00Q5"), "Anne"));
    let (sent, result) = try_encode(&leads(), &source(), Op::Update, Some(&old), Some(&new), 1);
    assert_eq!((sent.len(), result), (1, Err(EncodeError::Sink("full"))));
}

#[test]
fn of_a_damaged_change_nothing_is_sent() {
    let layout =
        Layout { columns: vec![column("id", oid::INT4, 4, 'i'), column("d", 17, -1, 'i')] };
    let compressed = |id: i32| {
        let mut bytes = image(&[(4, 'i')], &[Datum::Fixed(id.to_ne_bytes().to_vec())]);
        bytes[0] = 2;
        bytes.extend((8u32 << 2 | 2).to_ne_bytes());
        bytes.extend([0; 4]);
        bytes
    };
    let (sent, result) =
        try_encode(&layout, &source(), Op::Update, Some(&compressed(1)), Some(&compressed(2)), 9);
    assert_eq!((sent.len(), result), (0, Err(EncodeError::Row(Malformed("compressed")))));
}
