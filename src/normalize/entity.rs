//! Entities: the canonical tables, as lists of typed fields.
//!
//! A definition is JSON, the same for the built-in ones and for those that a user gives:
//!
//! ```json
//! {"fields": [{"name": "first_name", "type": "text"},
//!             {"name": "score", "type": "numeric", "required": false, "comment": "0 to 100",
//!              "rules": ["number", {"range": {"min": 0, "max": 100}}]}]}
//! ```
//!
//! It is a list, because the order is that of the table's columns. `rules` is the chain that values
//! go through where a mapping gives none; absent, it is the usual chain of the type.

use serde_json::{Map, Value};

use super::cell::Kind;
use super::chain::{self, Steps};
use super::field_type::FieldType;
use super::mapping::{self, RuleSpec};
use super::nearest::did_you_mean;
use super::rules::Scope;
use super::{MappingError, Org};

/// What a canonical table has besides its fields: key, unmapped columns, bookkeeping. The
/// bookkeeping column for the source is `source_id`, because `source` is a field of the lead.
pub const RESERVED: &[&str] =
    &["org", "sfid", "extras", "source_table", "mapping_version", "event_id", "normalized_at"];

/// Columns that every table of the server has already.
const SYSTEM: &[&str] = &["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// Longer names are cut by the server (NAMEDATALEN - 1).
const NAME_BYTES: usize = 63;

/// Entities that need no definition from the user: name and definition.
const BUILT_IN: &[(&str, &str)] = &[("lead", include_str!("lead.json"))];

/// A canonical table.
#[derive(Debug, Clone, PartialEq)]
pub struct Entity {
    pub name: String,
    /// In the order of the table's columns. Names are unique.
    pub fields: Vec<Field>,
}

/// A column of a canonical table that mappings fill.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: String,
    pub kind: FieldType,
    /// The chain of a mapping that gives none.
    pub rules: Vec<RuleSpec>,
    /// A row without a value here is held back whole.
    pub required: bool,
    pub comment: Option<String>,
}

impl Entity {
    /// The built-in entity of this name. `Err` only if the definition that ships is broken, which a
    /// test rules out.
    pub fn built_in(name: &str) -> Option<Result<Entity, Vec<MappingError>>> {
        let (name, definition) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name)?;
        Some(match serde_json::from_str(definition) {
            Ok(json) => Entity::from_json(name, &json),
            Err(error) => Err(vec![MappingError::new("", error.to_string())]),
        })
    }

    /// The definition, as JSON, of the built-in entity of this name.
    pub fn built_in_definition(name: &str) -> Option<Value> {
        let (_, definition) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name)?;
        serde_json::from_str(definition).ok()
    }

    /// The names of the built-in entities.
    pub fn built_in_names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// Reads a definition. All that is wrong is reported, not only the first.
    pub fn from_json(name: &str, json: &Value) -> Result<Entity, Vec<MappingError>> {
        let mut errors = Vec::new();
        if let Err(message) = check_name(name) {
            errors.push(MappingError::new("", format!("the entity name \"{name}\" {message}")));
        }
        let mut fields: Vec<Field> = Vec::new();
        let mut paths = Vec::new();
        match json.as_object() {
            None => errors.push(
                MappingError::new("", "an entity definition is a JSON object")
                    .hint(r#"Write {"fields": [{"name": "first_name", "type": "text"}]}."#),
            ),
            Some(members) => {
                mapping::refuse_unknown(members, &["fields"], "", &mut errors);
                match members.get("fields").and_then(Value::as_array) {
                    Some(list) if !list.is_empty() => {
                        for (index, json) in list.iter().enumerate() {
                            let path = format!("fields[{index}]");
                            let Some(field) = read_field(json, &path, &mut errors) else {
                                continue;
                            };
                            if fields.iter().any(|other| other.name == field.name) {
                                let message =
                                    format!("the field \"{}\" is there twice", field.name);
                                errors.push(MappingError::new(format!("{path}.name"), message));
                            }
                            fields.push(field);
                            paths.push(path);
                        }
                    }
                    _ => errors.push(MappingError::new("fields", "a list of fields is needed")),
                }
            }
        }
        check_rules(&fields, &paths, &mut errors);
        match errors.is_empty() {
            true => Ok(Entity { name: name.into(), fields }),
            false => Err(errors),
        }
    }

    /// The field of this name with its position.
    pub fn field(&self, name: &str) -> Option<(usize, &Field)> {
        self.fields.iter().enumerate().find(|(_, field)| field.name == name)
    }
}

fn read_field(json: &Value, path: &str, errors: &mut Vec<MappingError>) -> Option<Field> {
    let Some(members) = json.as_object() else {
        errors.push(MappingError::new(path, "a field is a JSON object with name and type"));
        return None;
    };
    let known = ["name", "type", "rules", "required", "comment"];
    mapping::refuse_unknown(members, &known, path, errors);
    let name = read_name(members, path, errors);
    let kind = read_type(members, path, errors);
    let required = match members.get("required") {
        None => false,
        Some(Value::Bool(required)) => *required,
        Some(_) => {
            errors.push(MappingError::new(format!("{path}.required"), "true or false is needed"));
            false
        }
    };
    let comment = match members.get("comment") {
        None => None,
        Some(Value::String(comment)) => Some(comment.clone()),
        Some(_) => {
            errors.push(MappingError::new(format!("{path}.comment"), "text is needed"));
            None
        }
    };
    let (name, kind) = (name?, kind?);
    let rules = match members.get("rules") {
        None => usual_rules(kind),
        Some(rules) => mapping::read_rules(rules, &format!("{path}.rules"), errors)?,
    };
    Some(Field { name, kind, rules, required, comment })
}

/// A chain has to work for the most common source, a text column. Only a list has no chain for it
/// unless the definition gives one.
fn check_rules(fields: &[Field], paths: &[String], errors: &mut Vec<MappingError>) {
    let org = Org::default();
    let scope = Scope::new(&org, fields);
    for (field, path) in fields.iter().zip(paths) {
        if field.rules.is_empty() {
            continue;
        }
        let path = format!("{path}.rules");
        let (_, kind) = Steps::compile(&field.rules, Some(Kind::Text), &path, &scope, errors);
        chain::check_target(kind, field.kind, &path, errors);
    }
}

fn read_name(
    members: &Map<String, Value>,
    path: &str,
    errors: &mut Vec<MappingError>,
) -> Option<String> {
    let path = format!("{path}.name");
    let Some(name) = members.get("name").and_then(Value::as_str) else {
        errors.push(MappingError::new(path, "a name is needed"));
        return None;
    };
    match check_name(name) {
        Ok(()) => Some(name.into()),
        Err(message) => {
            errors.push(MappingError::new(path, format!("the name \"{name}\" {message}")));
            None
        }
    }
}

fn read_type(
    members: &Map<String, Value>,
    path: &str,
    errors: &mut Vec<MappingError>,
) -> Option<FieldType> {
    let path = format!("{path}.type");
    let names = || FieldType::ALL.iter().map(|kind| kind.sql());
    let Some(name) = members.get("type").and_then(Value::as_str) else {
        let known: Vec<_> = names().collect();
        let hint = format!("The types are {}.", known.join(", "));
        errors.push(MappingError::new(path, "a type is needed").hint(hint));
        return None;
    };
    let kind = FieldType::from_name(name);
    if kind.is_none() {
        let hint = did_you_mean(name, names(), || {
            format!("The types are {}.", names().collect::<Vec<_>>().join(", "))
        });
        errors.push(MappingError::new(path, format!("there is no type \"{name}\"")).hint(hint));
    }
    kind
}

/// What is wrong with a name of an entity or a field, to be put behind it in a sentence.
fn check_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if !name.bytes().all(plain) || name.bytes().next().is_none_or(|byte| byte.is_ascii_digit()) {
        Err("is not made of lower-case letters, digits and underscores, beginning with a letter"
            .into())
    } else if name.len() > NAME_BYTES {
        Err(format!("is longer than {NAME_BYTES} bytes"))
    } else if RESERVED.contains(&name) || SYSTEM.contains(&name) {
        Err("is reserved".into())
    } else {
        Ok(())
    }
}

/// The chain of a field for which neither mapping nor entity say anything.
fn usual_rules(kind: FieldType) -> Vec<RuleSpec> {
    let names: &[&str] = match kind {
        FieldType::Text | FieldType::Char2 | FieldType::Char3 => &["squeeze"],
        FieldType::Boolean => &["boolean"],
        FieldType::Integer | FieldType::Bigint | FieldType::Numeric => &["number"],
        FieldType::Date => &["date"],
        FieldType::Timestamptz => &["timestamp"],
        FieldType::TextArray => &["tags"],
        FieldType::Jsonb => &[],
    };
    names.iter().map(|name| RuleSpec::named(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn errors(json: Value) -> Vec<(String, String)> {
        let errors = Entity::from_json("thing", &json).unwrap_err();
        errors.into_iter().map(|error| (error.path, error.message)).collect()
    }

    #[test]
    fn built_in_lead() {
        let lead = Entity::built_in("lead").unwrap().unwrap();
        assert_eq!(lead.fields.len(), 33);
        assert_eq!(lead.field("country").unwrap().1.kind, FieldType::Char2);
        assert_eq!(lead.fields[32].name, "modified_at");
        assert!(Entity::built_in("contact").is_none());
        assert_eq!(Entity::built_in_names().collect::<Vec<_>>(), ["lead"]);
    }

    #[test]
    fn user_given_fields() {
        let json = json!({"fields": [
            {"name": "x", "type": "TEXT", "rules": ["squeeze", "upper"], "required": true},
            {"name": "y", "type": "numeric"}]});
        let entity = Entity::from_json("thing", &json).unwrap();
        assert!(entity.fields[0].required && !entity.fields[1].required);
        assert_eq!(entity.fields[1].rules, [RuleSpec::named("number")]);
    }

    #[test]
    fn all_that_is_wrong_at_once() {
        let long = "x".repeat(64);
        let found = errors(json!({"fields": [
            {"name": "Upper", "type": "text"},
            {"name": "extras", "type": "text"},
            {"name": "ctid", "type": "text"},
            {"name": long, "type": "text"},
            {"name": "a", "type": "nummeric"},
            {"name": "b"},
            {"type": "text"},
            {"name": "c", "type": "text", "rule": []},
            {"name": "d", "type": "text", "rules": ["squeze"]},
            {"name": "e", "type": "boolean", "rules": ["number"]},
            {"name": "f", "type": "text", "required": 1},
            {"name": "f", "type": "text"},
            7], "more": 1}));
        let paths: Vec<_> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "more",
                "fields[0].name",
                "fields[1].name",
                "fields[2].name",
                "fields[3].name",
                "fields[4].type",
                "fields[5].type",
                "fields[6].name",
                "fields[7].rule",
                "fields[8].rules[0]",
                "fields[10].required",
                "fields[11].name",
                "fields[12]",
                "fields[9].rules"
            ]
        );
        assert_eq!(errors(json!([])).len(), 1);
        assert_eq!(errors(json!({"fields": []}))[0].0, "fields");
        assert!(
            Entity::from_json("org", &json!({"fields": [{"name": "a", "type": "text"}]})).is_err()
        );
    }
}
