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
//! - A field takes its value from exactly one source (see [`derivation`](super::derivation)); a
//!   mere string is short for `{"column": …}`.
//! - `when` is a [`condition`](super::condition): where it does not hold, the field is NULL. At the
//!   top of a mapping it says which rows are canonical at all.
//! - `blank` are texts that count as NULL, in any letter case, in all columns: `["n/a", "-"]`.
//! - `rules` replaces the field's default chain. A rule is a name, or an object whose one member
//!   with a rule's name holds its argument (null: none); other members are options of the rule.

use serde_json::{Map, Value};

use super::MappingError;
use super::condition::{self, Condition};
use super::derivation::{self, Derivation};
use super::nearest::did_you_mean;
use super::rules;

/// The column that identifies a record where a mapping names none.
pub const DEFAULT_KEY: &str = "sfid";

/// A mapping that is well formed. Whether it fits an entity and a source, compiling it tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    pub key: String,
    /// Rows for which it does not hold are not canonical.
    pub when: Option<Condition>,
    /// Texts that count as NULL in every column.
    pub blank: Vec<String>,
    /// In the order of the JSON.
    pub fields: Vec<FieldMapping>,
}

/// Where one canonical field comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldMapping {
    pub field: String,
    pub made: Derivation,
}

/// A rule as a mapping writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSpec {
    pub name: String,
    /// The value of the member with the rule's name; `None` where that is null, and where the rule is a
    /// mere name.
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
    let mut mapping =
        Mapping { key: DEFAULT_KEY.into(), when: None, blank: Vec::new(), fields: Vec::new() };
    let Some(members) = json.as_object() else {
        errors.push(
            MappingError::new("", "a mapping is a JSON object")
                .hint(r#"Write {"fields": {"first_name": "firstname"}}."#),
        );
        return (mapping, errors);
    };
    refuse_unknown(members, &["key", "when", "blank", "fields"], "", &mut errors);
    match members.get("key") {
        None => {}
        Some(Value::String(key)) => mapping.key.clone_from(key),
        Some(_) => errors.push(MappingError::new("key", "the name of a column is needed")),
    }
    mapping.when = members.get("when").and_then(|json| condition::read(json, "when", &mut errors));
    mapping.blank =
        members.get("blank").map(|json| read_blank(json, &mut errors)).unwrap_or_default();
    match members.get("fields") {
        Some(Value::Object(fields)) if !fields.is_empty() => {
            for (name, json) in fields {
                let made = derivation::read(json, &format!("fields.{name}"), &mut errors);
                mapping.fields.extend(made.map(|made| FieldMapping { field: name.clone(), made }));
            }
        }
        _ => errors.push(
            MappingError::new("fields", "an object with the canonical fields is needed")
                .hint(r#"Write "fields": {"first_name": "firstname"}."#),
        ),
    }
    (mapping, errors)
}

/// Reads the texts that count as NULL.
pub fn read_blank(json: &Value, errors: &mut Vec<MappingError>) -> Vec<String> {
    match json.as_array() {
        // None at all takes away what a default says.
        Some(list) if list.is_empty() => Vec::new(),
        _ => rules::text_or_list(json).unwrap_or_else(|| {
            let hint = r#"Write ["n/a", "-"]."#;
            errors.push(MappingError::new("blank", "a list of texts is needed").hint(hint));
            Vec::new()
        }),
    }
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
                    // As where only options are given: {"email": null, "problem": …}.
                    let argument = options.shift_remove(name).filter(|json| !json.is_null());
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
