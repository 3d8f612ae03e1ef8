//! What options do to events.

use serde_json::json;

use super::publication::Treatment;
use super::tests::{encode_by, lead, source};
use super::{Key, Options, Source, Treatments};
use crate::log::change::Op;

fn treated(columns: &[(&str, Treatment)]) -> Treatments {
    let columns = columns.iter().map(|(name, treatment)| ((*name).into(), *treatment)).collect();
    Treatments { columns, salt: "pepper".into() }
}

const ODD: &str = "odd \"name\"";

/// `printf 'pepper%s' VALUE | sha256sum`
const ANNE: &str = "14959ad4ea7880f3";

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
    for (value, cut) in [("Zoë\u{e9} Smith", "Zoë"), ("a😀bc", "a😀b"), ("ab", "ab"), ("", "")]
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
