//! What consumers are told of records that the keeper looked for.

use serde_json::json;

use super::columns::Treatments;
use super::publication::Treatment;
use super::tests::tuple::{Datum, image};
use super::tests::{NoServer, Sent, column, encode_head, head, source};
use super::{EncodeError, Key, Options, Plan, Scratch, Source};
use crate::log::change::{ChunkHead, Op, Origin};
use crate::row::image::{Slots, read_image};
use crate::row::layout::Layout;
use crate::row::oid;

/// Of three columns that are never null, and one that may be.
fn contacts() -> Layout {
    let mut layout = Layout {
        columns: vec![
            column("id", oid::INT4, 4, 'i'),
            column("sfid", oid::VARCHAR, -1, 'i'),
            column("email", oid::VARCHAR, -1, 'i'),
            column("born", oid::DATE, 4, 'i'),
            column("city", oid::TEXT, -1, 'i'),
        ],
    };
    for at in [0, 2, 3] {
        layout.columns[at].not_null = true;
    }
    layout
}

fn contact(id: Option<i32>, sfid: Option<&str>, rest: Option<(&str, i32, &str)>) -> Vec<u8> {
    let attributes = [(4, 'i'), (-1, 'i'), (-1, 'i'), (4, 'i'), (-1, 'i')];
    let number = |number: i32| Datum::Fixed(number.to_ne_bytes().to_vec());
    let text = |text: &str| Datum::Varlena(text.into());
    let values = [
        id.map_or(Datum::Null, number),
        sfid.map_or(Datum::Null, text),
        rest.map_or(Datum::Null, |rest| text(rest.0)),
        rest.map_or(Datum::Null, |rest| number(rest.1)),
        rest.map_or(Datum::Null, |rest| text(rest.2)),
    ];
    image(&attributes, &values)
}

fn told(source: &Source, op: Op, row: &[u8]) -> Result<Vec<Sent>, EncodeError<&'static str>> {
    let head = ChunkHead { origin: Origin::Keeper, ..head(op) };
    let (old, new) = if op == Op::Delete { (Some(row), None) } else { (None, Some(row)) };
    let (sent, result) = encode_head(&contacts(), source, &head, old, new, 9);
    let events = sent.iter().filter(|sent| sent.op().is_some()).count() as u64;
    assert_eq!(counted(source, &head, row), events, "{sent:?}");
    result.map(|()| sent)
}

fn counted(source: &Source, head: &ChunkHead, row: &[u8]) -> u64 {
    let layout = contacts();
    let mut slots = Slots::new();
    read_image(row, &layout, &mut slots).unwrap();
    let (old, new) =
        if head.op == Op::Delete { (Some(&slots), None) } else { (None, Some(&slots)) };
    let plan = Plan::new(&layout, source).unwrap();
    let (old, new) = (old.map(Vec::as_slice), new.map(Vec::as_slice));
    plan.count(head, old, new, &NoServer, &mut Scratch::default()).unwrap()
}

/// Only those of Ulm.
fn choosy() -> Source {
    Source { when: Some(json!({"column": "city", "is": "Ulm"})), ..source() }
}

#[test]
fn what_is_gone_is_deleted_by_its_key_whatever_the_filter_tests() {
    for source in [source(), choosy()] {
        let sent = told(&source, Op::Delete, &contact(None, Some("00Q1"), None)).unwrap();
        assert_eq!((sent.len(), sent[1].op()), (2, None), "with its tombstone");
        assert_eq!(sent[0].key.as_deref(), Some(r#"{"sfid":"00Q1"}"#));
        let json = sent[0].json();
        assert_eq!((&json["op"], &json["after"]), (&json!("d"), &json!(null)));
        let known = json!({"id": 0, "sfid": "00Q1", "email": "", "born": 0, "city": null});
        assert_eq!(json["before"], known, "a column that is never null is not null");
    }
}

#[test]
fn what_the_filter_keeps_is_deleted_and_says_no_more_than_its_key() {
    let row = |city| contact(Some(7), Some("00Q1"), Some(("anne@example.com", 1, city)));
    let sent = told(&choosy(), Op::Read, &row("Rome")).unwrap();
    assert_eq!((sent.len(), sent[0].op().as_deref()), (2, Some("d")));
    let known = json!({"id": 7, "sfid": "00Q1", "email": "", "born": 0, "city": null});
    assert_eq!(sent[0].json()["before"], known);
    let sent = told(&choosy(), Op::Read, &row("Ulm")).unwrap();
    assert_eq!((sent.len(), sent[0].op().as_deref()), (1, Some("r")));
    // A backfill reads many that consumers never knew.
    let (sent, result) =
        encode_head(&contacts(), &choosy(), &head(Op::Read), None, Some(&row("Rome")), 9);
    assert_eq!((sent, result), (Vec::new(), Ok(())));
    let options =
        Options { skipped_operations: vec![Op::Delete, Op::Truncate], ..Options::default() };
    assert_eq!(told(&Source { options, ..choosy() }, Op::Read, &row("Rome")), Ok(Vec::new()));
}

#[test]
fn no_message_has_a_key_that_is_not_known() {
    let by_email = Source { key: Key::Columns(vec!["email".into()]), ..source() };
    for (source, row) in [
        (&by_email, contact(None, Some("00Q1"), None)),
        (&source(), contact(None, None, Some(("anne@example.com", 1, "Ulm")))),
    ] {
        assert_eq!(told(source, Op::Delete, &row), Err(EncodeError::NoKey));
    }
    let sent = told(&source(), Op::Delete, &contact(Some(7), None, None)).unwrap();
    assert_eq!(sent[0].key.as_deref(), Some(r#"{"id":7}"#), "there was no sfid yet");
}

#[test]
fn a_hash_of_nothing_is_nothing() {
    let columns = [("email".into(), Treatment::Hashed), ("city".into(), Treatment::Hashed)].into();
    let treatments = Treatments { columns, salt: "pepper".to_owned().into() };
    let source = Source { treatments, ..source() };
    let (sent, _) = encode_head(
        &contacts(),
        &source,
        &head(Op::Delete),
        Some(&contact(None, Some("00Q1"), None)),
        None,
        9,
    );
    let before = &sent[0].json()["before"];
    assert_eq!((&before["email"], &before["city"]), (&json!(""), &json!(null)));
}
