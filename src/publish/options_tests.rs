//! What options do to events.

use serde_json::json;

use super::modes::Modes;
use super::publication::Treatment;
use super::tests::{Sent, count_by, encode_by, lead, source};
use super::{Key, Options, Source, Treatments};
use crate::log::change::Op;

fn treated(columns: &[(&str, Treatment)]) -> Treatments {
    let columns = columns.iter().map(|(name, treatment)| ((*name).into(), *treatment)).collect();
    Treatments { columns, salt: "pepper".to_owned().into() }
}

const ODD: &str = "odd \"name\"";

/// `printf 'pepper%s' VALUE | sha256sum`
const ANNE: &str = "14959ad4ea7880f3";

#[test]
fn the_salt_is_told_to_nobody() {
    let source = Source { treatments: treated(&[("sfid", Treatment::Hashed)]), ..source() };
    let told = format!("{source:?}");
    assert!(told.contains("(hidden)") && !told.contains("pepper"), "{told}");
}

#[test]
fn an_excluded_column_is_nowhere() {
    let treatments = treated(&[(ODD, Treatment::Excluded)]);
    let source = Source { treatments, ..source() };
    let (old, new) = (lead(1, None, "secret"), lead(1, Some("00Q1"), "secret"));
    let sent = encode_by(&source, Op::Update, Some(&old), Some(&new));
    assert_eq!(sent.len(), 3);
    assert_eq!(sent[0].json()["before"], json!({"id": 1, "sfid": null}));
    assert_eq!(sent[2].json()["after"], json!({"id": 1, "sfid": "00Q1"}));
    assert!(!format!("{sent:?}").contains("secret"));
}

#[test]
fn a_first_column_may_be_excluded() {
    let treatments = treated(&[("id", Treatment::Excluded)]);
    let key = Key::Columns(vec!["sfid".into()]);
    let source = Source { treatments, key, ..source() };
    let sent = encode_by(&source, Op::Create, None, Some(&lead(1, Some("00Q1"), "Anne")));
    assert_eq!(sent[0].json()["after"], json!({"sfid": "00Q1", ODD: "Anne"}));
}

#[test]
fn masks_hide_that_there_is_no_value() {
    let treatments = treated(&[("sfid", Treatment::Masked(4)), (ODD, Treatment::Masked(0))]);
    let key = Key::Columns(vec!["id".into()]);
    let source = Source { treatments, key, ..source() };
    let sent = encode_by(&source, Op::Create, None, Some(&lead(1, None, "Anne")));
    assert_eq!(sent[0].json()["after"], json!({"id": 1, "sfid": "****", ODD: ""}));
}

#[test]
fn hashes_are_salted_and_the_same_everywhere() {
    let treatments = treated(&[("sfid", Treatment::Hashed), (ODD, Treatment::Hashed)]);
    let source = Source { treatments, ..source() };
    let (old, new) = (lead(1, None, "Anne"), lead(1, Some("Anne"), "Anne"));
    let sent = encode_by(&source, Op::Update, Some(&old), Some(&new));
    let after = &sent[2].json()["after"];
    let hash = after[ODD].as_str().unwrap();
    assert_eq!((hash.len(), &after["sfid"]), (64, &after[ODD]));
    assert!(hash.starts_with(ANNE), "{hash}");
    assert_eq!(sent[2].key.as_deref(), Some(format!(r#"{{"sfid":"{hash}"}}"#).as_str()));
    assert_eq!(sent[0].header("__debezium.newkey"), sent[2].key.as_deref());
    assert_eq!(sent[0].json()["before"]["sfid"], json!(null));
    assert!(!format!("{sent:?}").contains("Anne"));
}

#[test]
fn values_are_cut_between_characters() {
    let treatments = treated(&[(ODD, Treatment::Truncated(3))]);
    let source = Source { treatments, ..source() };
    // As Java counts, 😀 is two, and none is cut in half.
    for (value, cut) in
        [("Zoë\u{e9} Smith", "Zoë"), ("a😀bc", "a😀"), ("ab😀", "ab"), ("ab", "ab"), ("", "")]
    {
        let sent = encode_by(&source, Op::Create, None, Some(&lead(1, None, value)));
        assert_eq!(sent[0].json()["after"][ODD], cut);
    }
}

#[test]
fn without_before_images_a_delete_says_which_record() {
    let options = Options { before_images: false, ..Options::default() };
    let source = Source { options, ..source() };
    let (old, new) = (lead(1, Some("00Q1"), "Anne"), lead(1, Some("00Q1"), "Anna"));
    let sent = encode_by(&source, Op::Update, Some(&old), Some(&new));
    assert_eq!(sent[0].json()["before"], json!(null));
    assert_eq!(sent[0].json()["after"][ODD], "Anna");
    let sent = encode_by(&source, Op::Delete, Some(&old), None);
    assert_eq!(sent[0].json()["before"], json!({"id": 1, "sfid": "00Q1", ODD: null}));
}

#[test]
fn headers_of_the_connector_are_sent_on_demand() {
    let options = Options { extended_headers: true, ..Options::default() };
    let source = Source { options, ..source() };
    let (old, new) = (lead(1, None, "Anne"), lead(1, Some("00Q1"), "Anne"));
    for sent in encode_by(&source, Op::Update, Some(&old), Some(&new)) {
        assert_eq!(sent.header("__debezium.context.connectorLogicalName"), Some("manifold"));
        assert_eq!(sent.header("__debezium.context.taskId"), Some("0"));
        assert_eq!(sent.header("__debezium.context.connectorName"), Some("postgresql"));
        assert_eq!(sent.headers.len(), 7, "{sent:?}");
    }
}

/// Only rows whose odd column begins with A.
fn choosy() -> Source {
    let when = json!({"column": ODD, "matches": "^A"});
    let options = Options { transactions: true, ..Options::default() };
    Source { when: Some(when), options, ..source() }
}

#[test]
fn a_row_that_begins_or_ends_to_pass_the_filter_is_new_or_gone() {
    let source = choosy();
    let row = |text: &str| lead(1, Some("00Q1"), text);
    let ops = |op, old: Option<&str>, new: Option<&str>| {
        let (old, new) = (old.map(row), new.map(row));
        let sent = encode_by(&source, op, old.as_deref(), new.as_deref());
        let of = |sent: &Sent| sent.op().unwrap_or("tombstone".into());
        sent.iter().map(of).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ops(Op::Create, None, Some("Anne")), "c");
    assert_eq!(ops(Op::Create, None, Some("Bob")), "");
    assert_eq!(ops(Op::Read, None, Some("Bob")), "");
    assert_eq!(ops(Op::Update, Some("Anne"), Some("Anna")), "u");
    assert_eq!(ops(Op::Update, Some("Bob"), Some("Ben")), "");
    assert_eq!(ops(Op::Update, Some("Bob"), Some("Anna")), "c");
    assert_eq!(ops(Op::Update, Some("Anne"), Some("Bob")), "d tombstone");
    assert_eq!(ops(Op::Update, None, Some("Bob")), "d tombstone");
    assert_eq!(ops(Op::Delete, Some("Anne"), None), "d tombstone");
    assert_eq!(ops(Op::Delete, Some("Bob"), None), "");
}

#[test]
fn a_key_that_changes_with_the_filter_is_one_event() {
    let source = choosy();
    let (old, new) = (lead(1, None, "Bob"), lead(1, Some("00Q1"), "Anne"));
    let sent = encode_by(&source, Op::Update, Some(&old), Some(&new));
    assert_eq!((sent.len(), sent[0].op().as_deref()), (1, Some("c")));
    let sent = encode_by(&source, Op::Update, Some(&new), Some(&old));
    assert_eq!((sent.len(), sent[0].key.as_deref()), (2, Some(r#"{"sfid":"00Q1"}"#)));
}

#[test]
fn events_are_counted_as_they_are_sent() {
    let source = choosy();
    let (none, some) = (lead(1, None, "Anne"), lead(1, Some("00Q1"), "Anne"));
    let bob = lead(1, None, "Bob");
    for (op, old, new) in [
        (Op::Create, None, Some(&some)),
        (Op::Create, None, Some(&bob)),
        (Op::Update, Some(&none), Some(&some)),
        (Op::Update, Some(&bob), Some(&some)),
        (Op::Update, Some(&some), Some(&bob)),
        (Op::Update, Some(&some), Some(&some)),
        (Op::Delete, Some(&some), None),
        (Op::Truncate, None, None),
    ] {
        let (old, new) = (old.map(Vec::as_slice), new.map(Vec::as_slice));
        let sent = encode_by(&source, op, old, new);
        let events = sent.iter().filter(|sent| sent.op().is_some()).count() as u64;
        assert_eq!(count_by(&source, op, old, new), events, "{op:?} {sent:?}");
    }
}

#[test]
fn a_schema_describes_what_leaves() {
    let treatments = treated(&[("id", Treatment::Excluded), (ODD, Treatment::Hashed)]);
    let modes = Modes { schemas: true, ..Modes::default() };
    let key = Key::Columns(vec!["sfid".into(), ODD.into()]);
    let source = Source { treatments, modes, key, ..source() };
    let sent = encode_by(&source, Op::Create, None, Some(&lead(1, Some("00Q1"), "Anne")));
    let json = sent[0].json();
    let columns = |json: &serde_json::Value| -> Vec<String> {
        let fields = json["fields"].as_array().unwrap();
        fields.iter().map(|field| format!("{} {}", field["field"], field["type"])).collect()
    };
    let expected = [r#""sfid" "string""#, r#""odd \"name\"" "string""#];
    assert_eq!(columns(&json["schema"]["fields"][1]), expected);
    assert_eq!(json["payload"]["after"].as_object().unwrap().len(), 2);
    let key: serde_json::Value = serde_json::from_str(sent[0].key.as_deref().unwrap()).unwrap();
    assert_eq!(columns(&key["schema"]), expected);
    assert_eq!(key["payload"], json["payload"]["after"]);
}
