//! Two events, taken apart and laid side by side.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::consumer::Event;

/// Where something can differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Schema or payload of a key.
    Key,
    Header,
    /// A member of the schema, or of one of its parts but for the columns.
    Schema,
    /// What the schema says of a column.
    Column,
    /// A member of the envelope.
    Envelope,
    Source,
    /// A column's value in a row, old or new.
    Row,
}

#[derive(Debug)]
pub struct Difference {
    pub place: Place,
    pub name: String,
    /// `None` where it is not there at all.
    pub ours: Option<Value>,
    pub theirs: Option<Value>,
}

/// All that differs between two events.
pub fn differences(ours: &Event, theirs: &Event) -> Vec<Difference> {
    let mut found = Vec::new();
    members(&mut found, Place::Key, Some(&ours.key), Some(&theirs.key), &[]);
    let headers = |event: &Event| serde_json::to_value(&event.headers).expect("texts");
    members(&mut found, Place::Header, Some(&headers(ours)), Some(&headers(theirs)), &[]);
    let (Some(ours), Some(theirs)) = (&ours.value, &theirs.value) else {
        if ours.value.is_some() != theirs.value.is_some() {
            found.push(Difference {
                place: Place::Envelope,
                name: "tombstone".to_owned(),
                ours: ours.value.clone(),
                theirs: theirs.value.clone(),
            });
        }
        return found;
    };
    schema(&mut found, &ours["schema"], &theirs["schema"]);
    let (ours, theirs) = (&ours["payload"], &theirs["payload"]);
    members(&mut found, Place::Envelope, Some(ours), Some(theirs), &["before", "after", "source"]);
    members(&mut found, Place::Source, ours.get("source"), theirs.get("source"), &[]);
    for row in ["before", "after"] {
        if ours[row].is_null() || theirs[row].is_null() {
            found.extend(difference(Place::Envelope, row, ours.get(row), theirs.get(row)));
        } else {
            members(&mut found, Place::Row, ours.get(row), theirs.get(row), &[]);
        }
    }
    found
}

fn schema(found: &mut Vec<Difference>, ours: &Value, theirs: &Value) {
    members(found, Place::Schema, Some(ours), Some(theirs), &["fields"]);
    let (ours, theirs) = (by_field(ours), by_field(theirs));
    members(found, Place::Schema, Some(&ours), Some(&theirs), &["before", "after"]);
    for row in ["before", "after"] {
        members(found, Place::Schema, ours.get(row), theirs.get(row), &["fields"]);
        let (ours, theirs) = (by_field(&ours[row]), by_field(&theirs[row]));
        members(found, Place::Column, Some(&ours), Some(&theirs), &[]);
        // The order of the columns that both have.
        let order = |mine: &Value, other: &Value| -> Vec<Value> {
            let names = mine.as_object().expect("fields").keys();
            names
                .filter(|name| other.get(name).is_some())
                .map(|name| name.as_str().into())
                .collect()
        };
        let (one, other) = (order(&ours, &theirs).into(), order(&theirs, &ours).into());
        found.extend(difference(Place::Schema, "order", Some(&one), Some(&other)));
    }
}

/// The fields of a struct by their names.
fn by_field(schema: &Value) -> Value {
    let fields = schema["fields"].as_array().expect("a struct").iter();
    let named =
        fields.map(|field| (field["field"].as_str().expect("a name").to_owned(), field.clone()));
    Value::Object(named.collect())
}

fn members(
    found: &mut Vec<Difference>,
    place: Place,
    ours: Option<&Value>,
    theirs: Option<&Value>,
    but: &[&str],
) {
    let names = |value: Option<&Value>| -> BTreeSet<String> {
        value.and_then(Value::as_object).into_iter().flat_map(|o| o.keys().cloned()).collect()
    };
    for name in names(ours).union(&names(theirs)).filter(|name| !but.contains(&name.as_str())) {
        let of = |value: Option<&'_ Value>| value.and_then(|value| value.get(name)).cloned();
        found.extend(difference(place, name, of(ours).as_ref(), of(theirs).as_ref()));
    }
}

fn difference(
    place: Place,
    name: &str,
    ours: Option<&Value>,
    theirs: Option<&Value>,
) -> Option<Difference> {
    (ours != theirs).then(|| Difference {
        place,
        name: name.to_owned(),
        ours: ours.cloned(),
        theirs: theirs.cloned(),
    })
}
