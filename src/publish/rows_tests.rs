//! Rows in the envelope against JSON built otherwise.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::tests::tuple::{Datum, image};
use super::tests::{NoServer, column, head, source, try_encode};
use super::{EncodeError, Message, Plan, Scratch};
use crate::log::change::Op;
use crate::row::image::{Slots, read_image};
use crate::row::layout::Layout;
use crate::row::oid;

/// A column of some type, a value for it, and the JSON that it is.
fn any_value() -> impl Strategy<Value = ((u32, i16, char), Datum, Json)> {
    let fixed = |bytes: &[u8]| Datum::Fixed(bytes.to_vec());
    prop_oneof![
        Just(((oid::TEXT, -1, 'i'), Datum::Null, Json::Null)),
        any::<bool>().prop_map(move |v| ((oid::BOOL, 1, 'c'), fixed(&[v.into()]), json!(v))),
        any::<i16>().prop_map(move |v| ((oid::INT2, 2, 's'), fixed(&v.to_ne_bytes()), json!(v))),
        any::<i32>().prop_map(move |v| ((oid::INT4, 4, 'i'), fixed(&v.to_ne_bytes()), json!(v))),
        any::<i64>().prop_map(move |v| ((oid::INT8, 8, 'd'), fixed(&v.to_ne_bytes()), json!(v))),
        // serde_json reads other numbers of many digits not quite exactly.
        any::<i32>().prop_map(|v| f64::from(v) / 8.0).prop_map(move |v| (
            (oid::FLOAT8, 8, 'd'),
            fixed(&v.to_ne_bytes()),
            json!(v)
        )),
        "\\PC{0,200}".prop_map(|v| (
            (oid::TEXT, -1, 'i'),
            Datum::Varlena(v.clone().into()),
            json!(v)
        )),
        "[\\x01-\\x7f]{0,20}".prop_map(|v| (
            (oid::VARCHAR, -1, 'i'),
            Datum::Varlena(v.clone().into()),
            json!(v)
        )),
        (-1_000_000..1_000_000i32).prop_map(move |v| (
            (oid::DATE, 4, 'i'),
            fixed(&(v - 10_957).to_ne_bytes()),
            json!(v)
        )),
        any::<u32>().prop_map(move |v| ((oid::OID, 4, 'i'), fixed(&v.to_ne_bytes()), json!(v))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever bytes a column holds, the change is refused or becomes JSON.
    #[test]
    fn any_bytes_become_json_or_nothing(
        slots in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..24), 22),
    ) {
        const TYPES: [u32; 22] = [
            16, 17, 19, 20, 21, 23, 25, 26, 114, 700, 701, 1042, 1043, 1082, 1083, 1114, 1184, 1186,
            1266, 1700, 2950, 3802,
        ];
        let sink = &mut |message: Message<'_>| {
            serde_json::from_slice::<Json>(message.value.unwrap()).map(drop)
        };
        for (oid, bytes) in TYPES.iter().zip(&slots) {
            let layout = Layout { columns: vec![column("id", *oid, -1, 'i')] };
            let slots = [Some(bytes.as_slice())];
            let result = Plan::new(&layout, &source()).unwrap().encode(
                &head(Op::Create), 0, None, Some(&slots), 0, &NoServer, &mut Scratch::default(), sink,
            );
            prop_assert!(!matches!(result, Err(EncodeError::Sink(_))), "type {oid}");
        }
    }

    /// What both rows of an update share is written once and copied, which nobody can tell.
    #[test]
    fn both_rows_of_an_update_are_what_they_hold(
        values in proptest::collection::vec((any_value(), 0..4u8), 1..40),
    ) {
        let mut layout = Layout { columns: vec![column("id", oid::INT4, 4, 'i')] };
        let mut attributes = vec![(4, 'i')];
        let mut datums = vec![Datum::Fixed(1i32.to_ne_bytes().to_vec())];
        let mut rows = [(); 2].map(|()| serde_json::Map::from_iter([("id".to_owned(), json!(1))]));
        for (index, (((oid, length, align), datum, json), fate)) in values.iter().cloned().enumerate() {
            let name = format!("column {index}");
            layout.columns.push(column(&name, oid, length, align));
            attributes.push((length, align));
            datums.push(datum);
            for (row, without) in rows.iter_mut().zip([1, 2]) {
                row.insert(name.clone(), if fate == without { Json::Null } else { json.clone() });
            }
        }
        let row = image(&attributes, &datums);
        let mut old = Slots::new();
        read_image(&row, &layout, &mut old).unwrap();
        let mut new = old.clone();
        for (index, (_, fate)) in values.iter().enumerate() {
            match fate {
                1 => old[index + 1] = None,
                2 => new[index + 1] = None,
                _ => {}
            }
        }
        let mut sent = Vec::new();
        let sink = &mut |message: Message<'_>| {
            sent.push(serde_json::from_slice::<Json>(message.value.unwrap()).unwrap());
            Ok::<(), ()>(())
        };
        Plan::new(&layout, &source()).unwrap().encode(
            &head(Op::Update), 0, Some(&old), Some(&new), 0, &NoServer, &mut Scratch::default(), sink,
        ).unwrap();
        let [before, after] = rows.map(Json::Object);
        prop_assert_eq!(&sent[0]["before"], &before);
        prop_assert_eq!(&sent[0]["after"], &after);
    }

    #[test]
    fn rows_are_what_they_hold(values in proptest::collection::vec(any_value(), 1..40)) {
        let mut layout = Layout { columns: vec![column("id", oid::INT4, 4, 'i')] };
        let mut attributes = vec![(4, 'i')];
        let mut datums = vec![Datum::Fixed(1i32.to_ne_bytes().to_vec())];
        let mut expected = serde_json::Map::from_iter([("id".to_owned(), json!(1))]);
        for (index, ((oid, length, align), datum, json)) in values.into_iter().enumerate() {
            let name = format!("column {index}");
            layout.columns.push(column(&name, oid, length, align));
            attributes.push((length, align));
            datums.push(datum);
            expected.insert(name, json);
        }
        let row = image(&attributes, &datums);
        let (sent, result) = try_encode(&layout, &source(), Op::Update, Some(&row), Some(&row), 9);
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(sent.len(), 1);
        let json = sent[0].json();
        let expected = Json::Object(expected);
        prop_assert_eq!(&json["before"], &expected);
        prop_assert_eq!(&json["after"], &expected);
        let names: Vec<_> = json["after"].as_object().unwrap().keys().collect();
        prop_assert_eq!(names, expected.as_object().unwrap().keys().collect::<Vec<_>>());
    }
}
