//! Where a value comes from: a source, a condition, a chain of rules and a default. A field of a
//! mapping is one; a list, an object or a choice is made of several.
//!
//! ```json
//! {"first_of": [{"column": "email", "rules": ["email"]}, {"column": "email2__c", "rules": ["email"]}]}
//! {"list": ["interest_1__c", "interest_2__c"], "rules": ["tags"]}
//! {"checkboxes": [{"solar__c": "solar"}, {"pump__c": "heat pump"}], "ticked": ["x", "oui"]}
//! {"object": {"q1": "q1__c", "q2": {"column": "q2__c", "rules": ["number"]}}}
//! {"moment": {"date": "callback_date__c", "time": "callback_time__c", "zone": "Europe/London"}}
//! ```

use serde_json::{Map, Value};

use super::MappingError;
use super::condition::{self, Condition};
use super::mapping::{RuleSpec, read_rules, refuse_unknown};
use super::meaning::{self, Meanings};
use super::rules;
use super::template::{self, Part};

/// The members that say where a value comes from; each derivation has one of them.
pub const SOURCES: [&str; 9] = [
    "column",
    "field",
    "first_of",
    "template",
    "constant",
    "list",
    "checkboxes",
    "object",
    "moment",
];
/// The source that only a superuser's mapping may have.
pub const SQL: &str = "sql";
const OTHERS: [&str; 5] = ["when", "rules", meaning::MEMBER, "default", TICKED];
/// The words that mean that a checkbox is ticked.
const TICKED: &str = "ticked";

/// Derivations are nested this deep at most.
const DEPTH: usize = 8;

/// How a value is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Derivation {
    pub source: Source,
    /// Where in the JSON the derivation is, and where its source, for messages.
    pub path: String,
    pub source_path: String,
    /// Where it does not hold, there is no value.
    pub when: Option<Condition>,
    /// `None`: the field's default chain; none at all within another derivation.
    pub rules: Option<Vec<RuleSpec>>,
    /// Single values that the rules do not know, and what they mean.
    pub meanings: Meanings,
    /// What the value is where the chain yields none.
    pub default: Option<Value>,
}

/// The source of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    Column(String),
    /// Another canonical field.
    Field(String),
    /// The first of these that has a value.
    FirstOf(Vec<Derivation>),
    /// Any JSON but null.
    Constant(Value),
    Template(Vec<Part>),
    /// The values that there are, in this order; lists among them are joined.
    List(Vec<Derivation>),
    /// A list of the texts whose column means yes, by the usual words where none are given.
    Checkboxes {
        boxes: Vec<(String, String)>,
        ticked: Option<Vec<String>>,
    },
    /// A JSON object of the members that have a value.
    Object(Vec<(String, Derivation)>),
    /// A date and a time of day in a zone; the org's where none is named.
    Moment {
        date: Box<Derivation>,
        time: Box<Derivation>,
        zone: Option<String>,
    },
    /// An SQL expression over the source row.
    Sql(String),
}

/// Reads a derivation. `None` comes with an error.
pub fn read(json: &Value, path: &str, errors: &mut Vec<MappingError>) -> Option<Derivation> {
    read_nested(json, path, DEPTH, errors)
}

fn read_nested(
    json: &Value,
    path: &str,
    depth: usize,
    errors: &mut Vec<MappingError>,
) -> Option<Derivation> {
    let members = match json {
        Value::String(column) => {
            return Some(Derivation {
                source: Source::Column(column.clone()),
                path: path.into(),
                source_path: path.into(),
                when: None,
                rules: None,
                meanings: Vec::new(),
                default: None,
            });
        }
        Value::Object(members) if depth > 0 => members,
        _ => {
            let message = "the name of a column or an object is needed";
            errors.push(MappingError::new(path, message).hint(one_source()));
            return None;
        }
    };
    let before = errors.len();
    refuse_unknown(members, &[&SOURCES[..], &[SQL], &OTHERS].concat(), path, errors);
    let when =
        members.get("when").and_then(|json| condition::read(json, &format!("{path}.when"), errors));
    let rules =
        members.get("rules").and_then(|json| read_rules(json, &format!("{path}.rules"), errors));
    let meanings = meaning::read(members, path, errors);
    if members.get("default") == Some(&Value::Null) {
        let message = "a default is not null; leave it out instead";
        errors.push(MappingError::new(format!("{path}.default"), message));
    }
    let names = SOURCES.iter().chain([&SQL]);
    let mut given = names.filter_map(|&name| Some((name, members.get(name)?)));
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
    let mut source = Reader { path: &source_path, depth: depth - 1, errors }.source(name, json)?;
    if let Some(json) = members.get(TICKED) {
        let words = rules::text_or_list(json);
        match (&mut source, words) {
            (Source::Checkboxes { ticked, .. }, Some(words)) => *ticked = Some(words),
            (Source::Checkboxes { .. }, None) => {
                errors.push(MappingError::new(
                    format!("{path}.{TICKED}"),
                    "a list of words is needed",
                ));
            }
            _ => {
                let message = "only \"checkboxes\" have words for those that are ticked";
                errors.push(MappingError::new(format!("{path}.{TICKED}"), message));
            }
        }
    }
    let default = members.get("default").cloned();
    (errors.len() == before).then(|| Derivation {
        source,
        path: path.into(),
        source_path,
        when,
        rules,
        meanings,
        default,
    })
}

fn one_source() -> String {
    format!("A field has exactly one of {}.", SOURCES.join(", "))
}

/// Reads the source at a path.
struct Reader<'a> {
    path: &'a str,
    depth: usize,
    errors: &'a mut Vec<MappingError>,
}

impl Reader<'_> {
    fn source(mut self, name: &str, json: &Value) -> Option<Source> {
        match (name, json) {
            ("column", Value::String(column)) => Some(Source::Column(column.clone())),
            ("column", _) => self.wrong("the name of a column is needed"),
            ("field", Value::String(field)) => Some(Source::Field(field.clone())),
            ("field", _) => self.wrong("the name of a canonical field is needed"),
            ("first_of", json) => self.several(json).map(Source::FirstOf),
            ("list", json) => self.several(json).map(Source::List),
            ("template", Value::String(text)) => match template::parse(text) {
                Ok(parts) => Some(Source::Template(parts)),
                Err(message) => self.wrong(&message),
            },
            ("template", _) => self.wrong("text with columns in braces is needed"),
            ("checkboxes", json) => self.checkboxes(json),
            ("object", Value::Object(members)) if !members.is_empty() => {
                let made: Vec<_> = members
                    .iter()
                    .filter_map(|(name, json)| Some((name.clone(), self.nested(name, json)?)))
                    .collect();
                (made.len() == members.len()).then_some(Source::Object(made))
            }
            ("object", _) => self.wrong("an object with a source for each member is needed"),
            ("moment", Value::Object(members)) => self.moment(members),
            ("moment", _) => self.wrong("an object with date and time is needed"),
            ("sql", Value::String(sql)) if !sql.trim().is_empty() && !sql.contains('\0') => {
                Some(Source::Sql(sql.clone()))
            }
            ("sql", _) => self.wrong("an SQL expression is needed"),
            (_, Value::Null) => self.wrong("a constant is not null; leave the field out instead"),
            (_, json) => Some(Source::Constant(json.clone())),
        }
    }

    fn wrong(&mut self, message: &str) -> Option<Source> {
        self.errors.push(MappingError::new(self.path, message));
        None
    }

    /// What stands at a member of the source.
    fn nested(&mut self, member: &str, json: &Value) -> Option<Derivation> {
        let path = match member.starts_with('[') {
            true => format!("{}{member}", self.path),
            false => format!("{}.{member}", self.path),
        };
        read_nested(json, &path, self.depth, self.errors)
    }

    fn several(&mut self, json: &Value) -> Option<Vec<Derivation>> {
        let Some(list) = json.as_array().filter(|list| !list.is_empty()) else {
            self.wrong("a list of column names is needed");
            return None;
        };
        let made: Vec<_> = list
            .iter()
            .enumerate()
            .filter_map(|(at, json)| self.nested(&format!("[{at}]"), json))
            .collect();
        (made.len() == list.len()).then_some(made)
    }

    fn checkboxes(&mut self, json: &Value) -> Option<Source> {
        match pairs(json) {
            Some(boxes) if boxes.iter().all(|(_, name)| !name.trim().is_empty()) => {
                Some(Source::Checkboxes { boxes, ticked: None })
            }
            _ => self.wrong("a list of {column: what it stands for} is needed"),
        }
    }

    fn moment(&mut self, members: &Map<String, Value>) -> Option<Source> {
        refuse_unknown(members, &["date", "time", "zone"], self.path, self.errors);
        let zone = match members.get("zone") {
            None => None,
            Some(Value::String(zone)) => Some(zone.clone()),
            Some(_) => return self.wrong("\"zone\" is the name of a time zone"),
        };
        match (members.get("date"), members.get("time")) {
            (Some(date), Some(time)) => {
                let date = self.nested("date", date);
                let time = self.nested("time", time);
                Some(Source::Moment { date: Box::new(date?), time: Box::new(time?), zone })
            }
            _ => self.wrong("both \"date\" and \"time\" are needed"),
        }
    }
}

/// A list of objects with one member each: `jsonb` does not keep the order of an object's members.
pub fn pairs(json: &Value) -> Option<Vec<(String, String)>> {
    let pair = |json: &Value| {
        let members = json.as_object().filter(|members| members.len() == 1)?;
        let (name, value) = members.iter().next()?;
        Some((name.clone(), value.as_str()?.to_string()))
    };
    json.as_array().filter(|list| !list.is_empty())?.iter().map(pair).collect()
}

/// Whether a value as JSON is made of an SQL expression, or of anything that is; also where it is but a
/// part of a derivation, as in defaults.
pub fn names_sql(json: &Value) -> bool {
    match json {
        Value::Array(parts) => parts.iter().any(names_sql),
        Value::Object(members) => members.iter().any(|(name, part)| match name.as_str() {
            SQL => true,
            "first_of" | "list" => names_sql(part),
            "object" | "moment" => {
                part.as_object().is_some_and(|parts| parts.values().any(names_sql))
            }
            _ => false,
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sql_is_found_wherever_a_value_may_come_from() {
        for json in [
            json!({"sql": "1"}),
            json!({"first_of": ["a", {"sql": "1"}]}),
            json!({"list": [{"object": {"sql": "a", "b": {"sql": "1"}}}]}),
            json!({"moment": {"date": {"sql": "1"}, "time": "t"}}),
        ] {
            assert!(names_sql(&json), "{json}");
        }
        for json in [
            json!("sql"),
            json!({"column": "sql", "rules": [{"map": {"sql": "qualified"}}]}),
            json!({"object": {"sql": "column"}}),
            json!({"constant": {"sql": 1}}),
        ] {
            assert!(!names_sql(&json), "{json}");
        }
    }
}
