//! What is published of one source, as an admin says it (`manifold.set_publication`).
//!
//! ```json
//! {"key_columns": ["external_id__c"],
//!  "exclude_columns": ["birthdate__c"],
//!  "mask_columns": {"phone": 10},
//!  "hash_columns": ["email"],
//!  "truncate_columns": {"description": 100},
//!  "when": {"column": "status", "not": "Spam"}}
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::columns::{TELLING, digits};
use super::key::Key;
use crate::normalize::MappingError;
use crate::normalize::filter::{Filter, Place};
use crate::normalize::nearest::did_you_mean;
use crate::row::Kind;
use crate::row::layout::{Column, Layout};

const MEMBERS: [&str; 6] =
    ["key_columns", "exclude_columns", "mask_columns", "hash_columns", "truncate_columns", "when"];

/// Longest mask, and most characters that a value can be cut to.
const MOST: u64 = 1_000_000;

/// What is done to a column's values before they leave.
///
/// In the order of what they hide: where several are meant for one column, the first holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Treatment {
    /// The column is not published at all.
    Excluded,
    /// So many asterisks in place of every value, NULL included (Debezium's
    /// `column.mask.with.N.chars`).
    Masked(usize),
    /// The salted SHA-256 of the value in hexadecimal digits, no longer than the column is
    /// (Debezium's `column.mask.hash.v2.SHA-256.with.salt.…`).
    Hashed,
    /// No more than so many characters of it (Debezium's `column.truncate.to.N.chars`).
    Truncated(usize),
}

/// The options of one source.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Publication {
    /// In place of the usual key.
    pub key_columns: Option<Vec<String>>,
    pub treatments: BTreeMap<String, Treatment>,
    /// Which rows are published; `None`: all.
    pub when: Option<Value>,
}

impl Publication {
    /// Reads options that were checked when they were set.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn from_json(json: &Value) -> Result<Publication, Vec<MappingError>> {
        let mut errors = Vec::new();
        let publication = read(json, &mut errors);
        if errors.is_empty() { Ok(publication) } else { Err(errors) }
    }

    /// Reads options and checks them against the columns of the table and its usual key. Columns that
    /// the table had in one of the `former` layouts can be treated as well: rows that have them may wait.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn checked(
        json: &Value,
        layout: &Layout,
        former: &[&Layout],
        usual: &Key,
    ) -> Result<Publication, Vec<MappingError>> {
        let mut errors = Vec::new();
        let publication = read(json, &mut errors);
        publication.check(layout, former, usual, &mut errors);
        if errors.is_empty() { Ok(publication) } else { Err(errors) }
    }

    /// Whether values are hashed, which takes a salt.
    pub fn hashes(&self) -> bool {
        self.treatments.values().any(|treatment| *treatment == Treatment::Hashed)
    }

    /// The key of the source's messages.
    pub fn key(&self, usual: Key) -> Key {
        match &self.key_columns {
            Some(columns) => Key::Columns(columns.clone()),
            None => usual,
        }
    }

    /// The columns that the options name.
    pub fn names(&self) -> BTreeSet<&str> {
        let mut names: BTreeSet<&str> = self.treatments.keys().map(String::as_str).collect();
        names.extend(self.key_columns.iter().flatten().map(String::as_str));
        if let Some(when) = &self.when {
            tested(when, &mut names);
        }
        names
    }

    fn check(
        &self,
        layout: &Layout,
        former: &[&Layout],
        usual: &Key,
        errors: &mut Vec<MappingError>,
    ) {
        let columns = || layout.live().map(|(_, column)| column.name.as_str());
        let unknown = |path: String, name: &str| {
            let hint =
                did_you_mean(name, columns(), || "Name columns as the table has them.".into());
            MappingError::new(path, format!("the table has no column \"{name}\"")).hint(hint)
        };
        for (name, treatment) in &self.treatments {
            let path = format!("{}.{name}", treatment.member());
            let known = std::iter::once(&layout).chain(former);
            match known.into_iter().find_map(|layout| layout.column(name)) {
                None => errors.push(unknown(path, name)),
                Some((_, column)) if *treatment != Treatment::Excluded && !is_text(column) => {
                    errors.push(
                        MappingError::new(
                            path,
                            format!(
                                "column \"{name}\" is of type {}, and only text can be treated so",
                                column.type_name
                            ),
                        )
                        .hint("Leave the column out: exclude_columns takes columns of any type."),
                    );
                }
                Some(_) => {}
            }
        }
        if let Some(when) = &self.when
            && let Err(wrong) = Filter::compile(when, "when", layout, |name| {
                layout.column(name).map_or(Place::Gone, |(at, column)| Place::At(at, column))
            })
        {
            errors.extend(wrong);
        }
        let mut of_key: Vec<&str> = Vec::new();
        match (&self.key_columns, usual) {
            (Some(columns), _) => {
                for (at, name) in columns.iter().enumerate() {
                    if layout.column(name).is_none() {
                        errors.push(unknown(format!("key_columns[{at}]"), name));
                    } else if columns[..at].contains(name) {
                        errors.push(MappingError::new(
                            format!("key_columns[{at}]"),
                            format!("column \"{name}\" is named twice"),
                        ));
                    }
                }
                of_key.extend(columns.iter().map(String::as_str));
            }
            (None, Key::Columns(columns)) => of_key.extend(columns.iter().map(String::as_str)),
            (None, Key::Record) => of_key.extend(["sfid", "id"]),
        }
        for name in of_key {
            let lost = match self.treatments.get(name) {
                None => continue,
                Some(Treatment::Hashed) => match layout.column(name).map(|(_, of)| digits(of)) {
                    Some(digits) if digits < TELLING => {
                        errors.push(too_short(name, digits));
                        continue;
                    }
                    _ => continue,
                },
                Some(Treatment::Excluded) => "it would not leave",
                Some(Treatment::Masked(_)) => "all records would have the same key",
                Some(Treatment::Truncated(_)) => "different records could have the same key",
            };
            errors.push(
                MappingError::new(
                    format!("{}.{name}", self.treatments[name].member()),
                    format!("column \"{name}\" is part of the key: {lost}"),
                )
                .hint("Hash it (hash_columns), or name other columns as the key (key_columns)."),
            );
        }
    }
}

fn too_short(name: &str, digits: usize) -> MappingError {
    MappingError::new(
        format!("{}.{name}", Treatment::Hashed.member()),
        format!(
            "column \"{name}\" is part of the key, and has room for {digits} digits of a hash: different records would have the same key"
        ),
    )
    .hint(format!(
        "Make it as long as {TELLING} characters, or name other columns as the key (key_columns)."
    ))
}

impl Treatment {
    /// The member of the options that asks for it.
    pub fn member(self) -> &'static str {
        match self {
            Treatment::Excluded => "exclude_columns",
            Treatment::Masked(_) => "mask_columns",
            Treatment::Hashed => "hash_columns",
            Treatment::Truncated(_) => "truncate_columns",
        }
    }
}

/// The columns that a condition names.
fn tested<'a>(json: &'a Value, names: &mut BTreeSet<&'a str>) {
    match json {
        Value::Object(members) => {
            names.extend(members.get("column").and_then(Value::as_str));
            members.values().for_each(|part| tested(part, names));
        }
        Value::Array(parts) => parts.iter().for_each(|part| tested(part, names)),
        _ => {}
    }
}

fn is_text(column: &Column) -> bool {
    matches!(Kind::of(column), Kind::Text | Kind::Name)
        || column.type_name == "citext"
        || column.type_name.ends_with(".citext")
}

fn read(json: &Value, errors: &mut Vec<MappingError>) -> Publication {
    let mut publication = Publication::default();
    let Some(members) = json.as_object() else {
        errors.push(
            MappingError::new("", "publication options are a JSON object")
                .hint(r#"Write {"exclude_columns": ["birthdate__c"]}, or {} for none."#),
        );
        return publication;
    };
    for name in members.keys().filter(|name| !MEMBERS.contains(&name.as_str())) {
        let hint = did_you_mean(name, MEMBERS.into_iter(), || {
            format!("The options are {}.", MEMBERS.join(", "))
        });
        errors.push(MappingError::new(name, "there is no such option").hint(hint));
    }
    if let Some(columns) = names(members, "key_columns", errors) {
        if columns.is_empty() {
            errors.push(MappingError::new("key_columns", "a key needs a column"));
        }
        publication.key_columns = Some(columns);
    }
    publication.when = members.get("when").cloned();
    let mut treated = Vec::new();
    for (member, treatment) in
        [("exclude_columns", Treatment::Excluded), ("hash_columns", Treatment::Hashed)]
    {
        let names = names(members, member, errors).unwrap_or_default();
        treated.extend(names.into_iter().map(|name| (name, treatment)));
    }
    for (name, length) in lengths(members, "mask_columns", errors) {
        treated.push((name, Treatment::Masked(length)));
    }
    for (name, length) in lengths(members, "truncate_columns", errors) {
        treated.push((name, Treatment::Truncated(length)));
    }
    for (name, treatment) in treated {
        let path = format!("{}.{name}", treatment.member());
        if let Some(first) = publication.treatments.get(&name) {
            let first = first.member();
            errors.push(MappingError::new(
                path,
                format!("column \"{name}\" is named twice, first in {first}"),
            ));
        } else {
            publication.treatments.insert(name, treatment);
        }
    }
    publication
}

/// A list of column names.
fn names(
    members: &Map<String, Value>,
    member: &str,
    errors: &mut Vec<MappingError>,
) -> Option<Vec<String>> {
    let json = members.get(member)?;
    let names: Option<Vec<String>> = json
        .as_array()
        .and_then(|list| list.iter().map(|name| Some(name.as_str()?.to_owned())).collect());
    if names.is_none() {
        errors.push(MappingError::new(member, "a list of column names is needed"));
    }
    names
}

/// An object of column names with numbers of characters.
fn lengths(
    members: &Map<String, Value>,
    member: &str,
    errors: &mut Vec<MappingError>,
) -> Vec<(String, usize)> {
    let columns = match members.get(member) {
        None => return Vec::new(),
        Some(Value::Object(columns)) => columns,
        Some(_) => {
            errors.push(
                MappingError::new(member, "an object of columns and numbers is needed")
                    .hint(format!(r#"Write "{member}": {{"phone": 10}}."#)),
            );
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for (name, length) in columns {
        match length.as_u64().filter(|length| *length <= MOST) {
            Some(length) => found.push((name.clone(), length as usize)),
            None => errors.push(MappingError::new(
                format!("{member}.{name}"),
                format!("a number of characters from 0 to {MOST} is needed"),
            )),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::column;
    use super::*;

    fn contacts() -> Layout {
        Layout {
            columns: vec![
                column("id", crate::row::oid::INT4, 4, 'i'),
                column("sfid", crate::row::oid::VARCHAR, -1, 'i'),
                column("email", crate::row::oid::VARCHAR, -1, 'i'),
                column("birthdate", crate::row::oid::DATE, 4, 'i'),
            ],
        }
    }

    fn errors(json: Value) -> Vec<String> {
        match Publication::checked(&json, &contacts(), &[], &Key::Record) {
            Ok(publication) => panic!("{publication:?}"),
            Err(errors) => errors.iter().map(|error| format!("{error} {:?}", error.hint)).collect(),
        }
    }

    #[test]
    fn options_are_read() {
        let publication = Publication::checked(
            &json!({"key_columns": ["email"], "exclude_columns": ["birthdate", "sfid"],
                    "hash_columns": ["email"]}),
            &contacts(),
            &[],
            &Key::Record,
        )
        .unwrap();
        assert!(publication.hashes());
        assert_eq!(publication.key(Key::Record), Key::Columns(vec!["email".into()]));
        assert_eq!(publication.treatments["birthdate"], Treatment::Excluded);
        let empty = Publication::checked(&json!({}), &contacts(), &[], &Key::Record).unwrap();
        assert_eq!(empty, Publication::default());
        assert_eq!(empty.key(Key::Record), Key::Record);
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let found = errors(json!({
            "key_columns": ["sfid", "emial", "sfid"],
            "exclude": ["id"],
            "exclude_columns": ["sfid", "birthday"],
            "mask_columns": {"birthdate": 3, "email": -1},
            "truncate_columns": {"sfid": 10},
            "when": {"and": [{"column": "emali", "present": true}, {"field": "email", "blank": true},
                             {"column": "id", "is": "x"}]},
        }));
        for part in [
            "key_columns[1]: the table has no column \"emial\" Some(\"Did you mean \\\"email\\\"?\")",
            "key_columns[2]: column \"sfid\" is named twice",
            "exclude: there is no such option",
            "exclude_columns.sfid: column \"sfid\" is part of the key",
            "exclude_columns.birthday: the table has no column",
            "mask_columns.birthdate: column \"birthdate\" is of type",
            "mask_columns.email: a number of characters",
            "truncate_columns.sfid: column \"sfid\" is named twice, first in exclude_columns",
            "when.and[0].column: the source has no column \"emali\" Some(\"Did you mean",
            "when.and[1].field: the field \"email\" is not known here",
            "when.and[2].is: a number is never \"x\"",
        ] {
            assert!(found.iter().any(|error| error.starts_with(part)), "{part} in {found:#?}");
        }
        assert_eq!(found.len(), 12, "{found:#?}");
    }

    #[test]
    fn the_usual_key_is_kept_apart_from_other_records() {
        for (json, part) in [
            (json!({"exclude_columns": ["id"]}), "would not leave"),
            (json!({"mask_columns": {"sfid": 18}}), "the same key"),
            (json!({"truncate_columns": {"sfid": 15}}), "could have the same key"),
        ] {
            let found = errors(json);
            assert!(found.len() == 1 && found[0].contains(part), "{found:?}");
        }
        let hashed = json!({"hash_columns": ["sfid"]});
        assert!(Publication::checked(&hashed, &contacts(), &[], &Key::Record).is_ok());
        // A hash is no longer than its column.
        for (length, fits) in [(2, false), (15, false), (16, true), (40, true)] {
            let mut short = contacts();
            short.columns[2].typmod = length + 4;
            let of_key = json!({"key_columns": ["email"], "hash_columns": ["email"]});
            let outcome = Publication::checked(&of_key, &short, &[], &Key::Record);
            assert_eq!(outcome.is_ok(), fits, "{length}: {outcome:?}");
            let beside = json!({"hash_columns": ["email"]});
            assert!(Publication::checked(&beside, &short, &[], &Key::Record).is_ok());
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert_eq!(errors(json!(["email"])).len(), 1);
        assert_eq!(errors(json!({"key_columns": []})).len(), 1);
        assert_eq!(errors(json!({"hash_columns": {"email": 1}})).len(), 1);
        assert_eq!(errors(json!({"mask_columns": ["email"]})).len(), 1);
    }
}
