//! Conditions on the columns of a row and on canonical fields: a mapping's `when`, and a row filter.
//!
//! ```json
//! {"column": "recordtype__c", "in": ["Solar", "Battery"]}
//! {"column": "budget__c", ">=": 1000, "<": 20000}
//! {"and": [{"field": "country", "is": "DE"},
//!          {"or": [{"column": "optout__c", "blank": true}, {"not": {"column": "optout__c", "is": true}}]}]}
//! ```
//!
//! A test may name another column or field in place of a value: `{"column": "optout_at__c", ">":
//! {"column": "consent_at__c"}}`.
//!
//! Every test of a condition has to hold. NULL and blank text are `blank`; any other test of them
//! fails, but for `not` and `not_in`, which hold.

use std::cmp::Ordering;

use serde_json::{Map, Value as Json};

use super::MappingError;
use super::cell::Kind;
pub use super::check::Test;
use super::check::{Check, Place};
use super::comparison::{self, Literal};
use super::mapping::refuse_unknown;
use super::rules::{self, normal_key};

/// A condition that is well formed. Whether it fits a layout, compiling it tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Tests {
        operand: Operand,
        tests: Vec<(Operator, Json)>,
        /// Where in the JSON it stands, for messages.
        path: String,
    },
}

/// What is tested.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    Column(String),
    /// A canonical field.
    Field(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Is,
    Not,
    In,
    NotIn,
    Blank,
    Present,
    Matches,
    Includes,
    Below,
    AtMost,
    Above,
    AtLeast,
}

const OPERATORS: &[(&str, Operator)] = &[
    ("is", Operator::Is),
    ("not", Operator::Not),
    ("in", Operator::In),
    ("not_in", Operator::NotIn),
    ("blank", Operator::Blank),
    ("present", Operator::Present),
    ("matches", Operator::Matches),
    ("includes", Operator::Includes),
    ("<", Operator::Below),
    ("<=", Operator::AtMost),
    (">", Operator::Above),
    (">=", Operator::AtLeast),
];

/// Nesting beyond this is a mistake, or an attack on the stack.
const DEPTH: usize = 32;

/// Reads a condition. `None` comes with an error.
pub fn read(json: &Json, path: &str, errors: &mut Vec<MappingError>) -> Option<Condition> {
    read_nested(json, path, DEPTH, errors)
}

fn read_nested(
    json: &Json,
    path: &str,
    depth: usize,
    errors: &mut Vec<MappingError>,
) -> Option<Condition> {
    let Some(members) = json.as_object().filter(|members| !members.is_empty() && depth > 0) else {
        let hint = r#"Write {"column": "status", "is": "Open"}."#;
        errors.push(MappingError::new(path, "a condition is a JSON object").hint(hint));
        return None;
    };
    let before = errors.len();
    for (name, all) in [("and", true), ("or", false)] {
        let Some(list) = members.get(name) else { continue };
        refuse_unknown(members, &[name], path, errors);
        let path = format!("{path}.{name}");
        let Some(list) = list.as_array().filter(|list| !list.is_empty()) else {
            errors.push(MappingError::new(path, "a list of conditions is needed"));
            return None;
        };
        let parts: Vec<_> = list
            .iter()
            .enumerate()
            .filter_map(|(at, json)| read_nested(json, &format!("{path}[{at}]"), depth - 1, errors))
            .collect();
        let condition = if all { Condition::And(parts) } else { Condition::Or(parts) };
        return (errors.len() == before).then_some(condition);
    }
    match (members.get("column"), members.get("field"), members.get("not")) {
        (None, None, Some(json)) => {
            refuse_unknown(members, &["not"], path, errors);
            let condition = read_nested(json, &format!("{path}.not"), depth - 1, errors)?;
            (errors.len() == before).then(|| Condition::Not(Box::new(condition)))
        }
        (column, field, _) => read_tests(members, column, field, path, errors),
    }
}

fn read_tests(
    members: &Map<String, Json>,
    column: Option<&Json>,
    field: Option<&Json>,
    path: &str,
    errors: &mut Vec<MappingError>,
) -> Option<Condition> {
    let before = errors.len();
    let known: Vec<_> =
        ["column", "field"].into_iter().chain(OPERATORS.iter().map(|(name, _)| *name)).collect();
    refuse_unknown(members, &known, path, errors);
    let operand = match (column, field) {
        (Some(Json::String(name)), None) => Operand::Column(name.clone()),
        (None, Some(Json::String(name))) => Operand::Field(name.clone()),
        _ => {
            let message = "exactly one of \"column\" and \"field\" is needed, with a name";
            let hint = "Or combine conditions by \"and\", \"or\" and \"not\".";
            errors.push(MappingError::new(path, message).hint(hint));
            return None;
        }
    };
    let mut tests = Vec::new();
    for (name, operator) in OPERATORS {
        let Some(json) = members.get(*name) else { continue };
        let wrong = match (operator, json) {
            (Operator::Blank | Operator::Present, Json::Bool(_)) => None,
            (Operator::Blank | Operator::Present, _) => Some("true or false is needed"),
            (Operator::In | Operator::NotIn, Json::Array(list)) if !list.is_empty() => None,
            (Operator::In | Operator::NotIn, _) => Some("a list of values is needed"),
            (Operator::Matches, Json::String(_)) => None,
            (Operator::Matches, _) => Some("a regular expression is needed"),
            (_, Json::Object(_)) if other(json).is_none() => {
                Some("a value, or {\"column\": …} or {\"field\": …} with a name, is needed")
            }
            (_, Json::Null) => Some("NULL is tested by \"blank\" or \"present\""),
            _ => None,
        };
        match wrong {
            Some(wrong) => errors.push(MappingError::new(format!("{path}.{name}"), wrong)),
            None => tests.push((*operator, json.clone())),
        }
    }
    if tests.is_empty() && errors.len() == before {
        let names: Vec<_> = OPERATORS.iter().map(|(name, _)| *name).collect();
        let hint = format!("The tests are {}.", names.join(", "));
        errors.push(MappingError::new(path, "nothing is tested").hint(hint));
    }
    (errors.len() == before).then(|| Condition::Tests { operand, tests, path: path.into() })
}

/// The column or field that a value is compared with, where it is one.
fn other(json: &Json) -> Option<Operand> {
    let mut members = json.as_object()?.iter();
    match (members.next()?, members.next()) {
        ((member, Json::String(name)), None) => match member.as_str() {
            "column" => Some(Operand::Column(name.clone())),
            "field" => Some(Operand::Field(name.clone())),
            _ => None,
        },
        _ => None,
    }
}

/// Where a condition finds the names that it tests.
pub trait Names {
    /// A column's place among a row's values. `None` where it has gone, with an error if that is one.
    fn column(&mut self, name: &str, path: &str) -> Option<(usize, Kind)>;
    /// A canonical field's place. `None` comes with an error.
    fn field(&mut self, name: &str, path: &str) -> Option<(usize, Kind)>;
    fn errors(&mut self) -> &mut Vec<MappingError>;
}

impl Condition {
    /// The compiled condition; what does not fit is added to the errors of `names`.
    pub fn compile(&self, names: &mut dyn Names) -> Test {
        match self {
            Condition::And(parts) => Test::And(parts.iter().map(|p| p.compile(names)).collect()),
            Condition::Or(parts) => Test::Or(parts.iter().map(|p| p.compile(names)).collect()),
            Condition::Not(part) => Test::Not(Box::new(part.compile(names))),
            Condition::Tests { operand, tests, path } => {
                let (place, kind) = operand.place(path, names);
                let mut checks = Vec::new();
                for (operator, json) in tests {
                    checks.extend(match other(json) {
                        Some(other) => {
                            let path = format!("{path}.{}", operator.name());
                            compare_with(place, kind, *operator, &other, &path, names)
                        }
                        None => compile_test(place, kind, *operator, json, path, names.errors()),
                    });
                }
                Test::And(checks)
            }
        }
    }
}

impl Operand {
    fn place(&self, path: &str, names: &mut dyn Names) -> (Place, Option<Kind>) {
        let found = match self {
            Operand::Column(name) => names
                .column(name, &format!("{path}.column"))
                .map(|(at, kind)| (Place::Column(at), kind)),
            Operand::Field(name) => names
                .field(name, &format!("{path}.field"))
                .map(|(at, kind)| (Place::Field(at, kind), kind)),
        };
        found.map_or((Place::Nowhere, None), |(place, kind)| (place, Some(kind)))
    }
}

impl Operator {
    fn name(self) -> &'static str {
        OPERATORS.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }
}

/// A test against another value of the row. `None` comes with an error.
fn compare_with(
    place: Place,
    kind: Option<Kind>,
    operator: Operator,
    other: &Operand,
    path: &str,
    names: &mut dyn Names,
) -> Option<Test> {
    let (other, other_kind) = other.place(path, names);
    if let Some((kind, other)) = kind.zip(other_kind)
        && !comparison::are_comparable(kind, other)
    {
        let message = format!("{} cannot be compared with {}", kind.name(), other.name());
        names.errors().push(MappingError::new(path, message));
        return None;
    }
    let holds = match operator {
        Operator::Is | Operator::Not => Ordering::is_eq,
        Operator::Below => Ordering::is_lt,
        Operator::AtMost => Ordering::is_le,
        Operator::Above => Ordering::is_gt,
        Operator::AtLeast => Ordering::is_ge,
        _ => {
            let message = "a value is needed here, not another column or field";
            names.errors().push(MappingError::new(path, message));
            return None;
        }
    };
    let test = Test::Check(place, Check::Other(other, holds));
    Some(if operator == Operator::Not { Test::Not(Box::new(test)) } else { test })
}

fn compile_test(
    place: Place,
    kind: Option<Kind>,
    operator: Operator,
    json: &Json,
    path: &str,
    errors: &mut Vec<MappingError>,
) -> Option<Test> {
    let path = format!("{path}.{}", operator.name());
    let ordered = matches!(
        operator,
        Operator::Below | Operator::AtMost | Operator::Above | Operator::AtLeast
    );
    if ordered && kind == Some(Kind::Boolean) {
        let hint = r#"Write {"column": "optout__c", "is": true}."#;
        errors.push(MappingError::new(path, "true and false have no order").hint(hint));
        return None;
    }
    let mut literal = |json: &Json, path: &str| {
        let literal = Literal::of(json, kind);
        literal.map_err(|message| errors.push(MappingError::new(path, message))).ok()
    };
    let not = |test: Test| Test::Not(Box::new(test));
    let one_of = |json: &Json, literal: &mut dyn FnMut(&Json, &str) -> Option<Literal>| {
        let list = json.as_array().map_or(std::slice::from_ref(json), Vec::as_slice);
        let literals = list.iter().enumerate().map(|(at, item)| match json.is_array() {
            true => literal(item, &format!("{path}[{at}]")),
            false => literal(item, &path),
        });
        Some(Test::Check(place, Check::OneOf(literals.collect::<Option<_>>()?)))
    };
    let order =
        |literal: Option<Literal>, holds| Some(Test::Check(place, Check::Order(literal?, holds)));
    match operator {
        Operator::Is | Operator::In => one_of(json, &mut literal),
        Operator::Not | Operator::NotIn => one_of(json, &mut literal).map(not),
        Operator::Blank | Operator::Present => {
            let blank = Test::Check(place, Check::Blank);
            let wanted = (operator == Operator::Blank) == (*json == Json::Bool(true));
            Some(if wanted { blank } else { not(blank) })
        }
        Operator::Matches => match rules::regex(json.as_str().unwrap_or_default()) {
            Ok(regex) => Some(Test::Check(place, Check::Matches(Box::new(regex)))),
            Err(message) => {
                errors.push(MappingError::new(path, message));
                None
            }
        },
        Operator::Includes => {
            let list = json.as_array().map_or(std::slice::from_ref(json), Vec::as_slice);
            let keys: Option<Vec<_>> =
                list.iter().map(|item| item.as_str().map(normal_key)).collect();
            if keys.is_none() {
                errors.push(MappingError::new(&path, "text, or a list of texts, is needed"));
            }
            Some(Test::Check(place, Check::Includes(keys?)))
        }
        Operator::Below => order(literal(json, &path), Ordering::is_lt),
        Operator::AtMost => order(literal(json, &path), Ordering::is_le),
        Operator::Above => order(literal(json, &path), Ordering::is_gt),
        Operator::AtLeast => order(literal(json, &path), Ordering::is_ge),
    }
}
