//! Mappings: how one source feeds one entity, as JSON.
//!
//! ```json
//! {"key": "sfid",
//!  "fields": {
//!    "first_name": "firstname",
//!    "full_name": {"template": "{firstname} {lastname}", "rules": ["squeeze"]},
//!    "title": {"first_of": ["title", "position__c"]},
//!    "budget_currency": {"constant": "EUR"},
//!    "status": {"column": "status",
//!               "rules": ["squeeze", {"map": {"Open - Not Contacted": "new"}, "default": null}]}}}
//! ```
//!
//! - `key` is the column with the record's id, `sfid` where absent.
//! - A field takes its value from exactly one of `column`, `first_of` (the first that is not
//!   blank), `constant` and `template` (blank where all its columns are); a mere string is short
//!   for `{"column": …}`.
//! - `when` is a [`condition`](super::condition): where it does not hold, the field is NULL. At the
//!   top of a mapping it says which rows are canonical at all.
//! - `rules` replaces the field's default chain. A rule is a name, or an object whose one member
//!   with a rule's name holds its argument; other members are options of the rule.

use serde_json::{Map, Value};

use super::MappingError;
use super::condition::{self, Condition};
use super::nearest::did_you_mean;
use super::rules;
use super::template::{self, Part};

/// The column that identifies a record where a mapping names none.
const DEFAULT_KEY: &str = "sfid";

const SOURCES: [&str; 4] = ["column", "first_of", "constant", "template"];

/// A mapping that is well formed. Whether it fits an entity and a source, compiling it tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    pub key: String,
    /// Rows for which it does not hold are not canonical.
    pub when: Option<Condition>,
    /// In the order of the JSON.
    pub fields: Vec<FieldMapping>,
}

/// Where one canonical field comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldMapping {
    pub field: String,
    pub source: Source,
    /// Where in the JSON the source is, for messages.
    pub source_path: String,
    /// Where it does not hold, the field is NULL.
    pub when: Option<Condition>,
    /// `None`: the field's default chain.
    pub rules: Option<Vec<RuleSpec>>,
}

/// The source of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    Column(String),
    /// The first of these columns that is not blank.
    FirstOf(Vec<String>),
    /// Any JSON but null.
    Constant(Value),
    Template(Vec<Part>),
}

/// A rule as a mapping writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSpec {
    pub name: String,
    /// The value of the member with the rule's name; `None` where the rule is a mere name.
    pub argument: Option<Value>,
    /// The other members.
    pub options: Map<String, Value>,
}

impl RuleSpec {
    /// A rule without arguments.
    pub fn named(name: &str) -> RuleSpec {
        RuleSpec { name: name.into(), argument: None, options: Map::new() }
    }
}

impl Mapping {
    /// Reads a mapping. All that is wrong is reported, not only the first.
    pub fn from_json(json: &Value) -> Result<Mapping, Vec<MappingError>> {
        let (mapping, errors) = read(json);
        if errors.is_empty() { Ok(mapping) } else { Err(errors) }
    }
}

/// Reads a mapping as far as it can be read, and says what is wrong with the rest: what can be read
/// may still be checked against entity and source, so that one attempt shows all errors.
pub fn read(json: &Value) -> (Mapping, Vec<MappingError>) {
    let mut errors = Vec::new();
    let mut mapping = Mapping { key: DEFAULT_KEY.into(), when: None, fields: Vec::new() };
    let Some(members) = json.as_object() else {
        errors.push(
            MappingError::new("", "a mapping is a JSON object")
                .hint(r#"Write {"fields": {"first_name": "firstname"}}."#),
        );
        return (mapping, errors);
    };
    refuse_unknown(members, &["key", "when", "fields"], "", &mut errors);
    match members.get("key") {
        None => {}
        Some(Value::String(key)) => mapping.key.clone_from(key),
        Some(_) => errors.push(MappingError::new("key", "the name of a column is needed")),
    }
    mapping.when = members.get("when").and_then(|json| condition::read(json, "when", &mut errors));
    match members.get("fields") {
        Some(Value::Object(fields)) if !fields.is_empty() => {
            for (name, json) in fields {
                mapping.fields.extend(read_field(name, json, &mut errors));
            }
        }
        _ => errors.push(
            MappingError::new("fields", "an object with the canonical fields is needed")
                .hint(r#"Write "fields": {"first_name": "firstname"}."#),
        ),
    }
    (mapping, errors)
}

fn read_field(field: &str, json: &Value, errors: &mut Vec<MappingError>) -> Option<FieldMapping> {
    let path = format!("fields.{field}");
    let members = match json {
        Value::String(column) => {
            let source = Source::Column(column.clone());
            return Some(FieldMapping {
                field: field.into(),
                source,
                source_path: path,
                when: None,
                rules: None,
            });
        }
        Value::Object(members) => members,
        _ => {
            errors.push(
                MappingError::new(path, "the name of a column or an object is needed")
                    .hint(one_source()),
            );
            return None;
        }
    };
    refuse_unknown(members, &[&SOURCES[..], &["when", "rules"]].concat(), &path, errors);
    let when = match members.get("when") {
        None => Ok(None),
        Some(json) => condition::read(json, &format!("{path}.when"), errors).map(Some).ok_or(()),
    };
    let rules = match members.get("rules") {
        None => Ok(None),
        Some(json) => read_rules(json, &format!("{path}.rules"), errors).map(Some).ok_or(()),
    };
    let mut given = SOURCES.iter().filter_map(|&name| Some((name, members.get(name)?)));
    let (name, json) = match (given.next(), given.next()) {
        (Some(one), None) => one,
        (None, _) => {
            errors.push(MappingError::new(path, "no source is given").hint(one_source()));
            return None;
        }
        (Some((one, _)), Some((other, _))) => {
            let message = format!("both \"{one}\" and \"{other}\" are given");
            errors.push(MappingError::new(path, message).hint(one_source()));
            return None;
        }
    };
    let source_path = format!("{path}.{name}");
    let source = read_source(name, json, &source_path, errors);
    Some(FieldMapping {
        field: field.into(),
        source: source?,
        source_path,
        when: when.ok()?,
        rules: rules.ok()?,
    })
}

fn one_source() -> String {
    format!("A field has exactly one of {}.", SOURCES.join(", "))
}

fn read_source(
    name: &str,
    json: &Value,
    path: &str,
    errors: &mut Vec<MappingError>,
) -> Option<Source> {
    let wrong = match (name, json) {
        ("column", Value::String(column)) => return Some(Source::Column(column.clone())),
        ("column", _) => "the name of a column is needed".into(),
        ("first_of", Value::Array(names)) if !names.is_empty() => {
            let names: Option<Vec<_>> =
                names.iter().map(|name| Some(name.as_str()?.into())).collect();
            match names {
                Some(names) => return Some(Source::FirstOf(names)),
                None => "a list of column names is needed".into(),
            }
        }
        ("first_of", _) => "a list of column names is needed".into(),
        ("template", Value::String(text)) => match template::parse(text) {
            Ok(parts) => return Some(Source::Template(parts)),
            Err(message) => message,
        },
        ("template", _) => "text with columns in braces is needed".into(),
        (_, Value::Null) => "a constant is not null; leave the field out instead".into(),
        (_, json) => return Some(Source::Constant(json.clone())),
    };
    errors.push(MappingError::new(path, wrong));
    None
}

/// Reads a chain of rules.
pub fn read_rules(
    json: &Value,
    path: &str,
    errors: &mut Vec<MappingError>,
) -> Option<Vec<RuleSpec>> {
    let Some(list) = json.as_array() else {
        errors.push(
            MappingError::new(path, "a list of rules is needed")
                .hint(r#"Write ["squeeze", {"map": {"Open": "new"}}], or [] for no rule."#),
        );
        return None;
    };
    let before = errors.len();
    let rules: Vec<_> = list
        .iter()
        .enumerate()
        .filter_map(|(index, json)| read_rule(json, &format!("{path}[{index}]"), errors))
        .collect();
    (errors.len() == before).then_some(rules)
}

fn read_rule(json: &Value, path: &str, errors: &mut Vec<MappingError>) -> Option<RuleSpec> {
    match json {
        Value::String(name) if rules::find(name).is_some() => Some(RuleSpec::named(name)),
        Value::String(name) => {
            errors.push(unknown_rule(name, path));
            None
        }
        Value::Object(members) if !members.is_empty() => {
            let mut known = members.keys().filter(|name| rules::find(name).is_some());
            match (known.next(), known.next(), members.keys().next()) {
                (Some(name), None, _) => {
                    let mut options = members.clone();
                    let argument = options.shift_remove(name);
                    Some(RuleSpec { name: name.clone(), argument, options })
                }
                (Some(one), Some(other), _) => {
                    let message = format!("\"{one}\" and \"{other}\" are two rules");
                    let hint = "Write each rule as an element of its own.";
                    errors.push(MappingError::new(path, message).hint(hint));
                    None
                }
                (None, _, name) => {
                    errors.extend(name.map(|name| unknown_rule(name, path)));
                    None
                }
            }
        }
        _ => {
            errors.push(
                MappingError::new(
                    path,
                    "a rule is a name, or an object with its name and argument",
                )
                .hint(r#"Write "squeeze" or {"date": "%d/%m/%Y"}."#),
            );
            None
        }
    }
}

fn unknown_rule(name: &str, path: &str) -> MappingError {
    let names = || rules::ALL.iter().map(|rule| rule.name);
    let hint = did_you_mean(name, names(), || {
        format!("The rules are {}.", names().collect::<Vec<_>>().join(", "))
    });
    MappingError::new(path, format!("there is no rule \"{name}\"")).hint(hint)
}

/// Reports every member that has no meaning, under its own path.
pub fn refuse_unknown(
    members: &Map<String, Value>,
    known: &[&str],
    path: &str,
    errors: &mut Vec<MappingError>,
) {
    for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
        let dot = if path.is_empty() { "" } else { "." };
        let hint = did_you_mean(name, known.iter().copied(), || match known {
            [] => "Nothing may stand here.".into(),
            known => format!("Known here: {}.", known.join(", ")),
        });
        let message = format!("\"{name}\" has no meaning here");
        errors.push(MappingError::new(format!("{path}{dot}{name}"), message).hint(hint));
    }
}
