//! Giving a value a meaning in a mapping, without a new chain of rules: a derivation's `meanings`.
//!
//! ```json
//! {"column": "country", "meanings": {"Germny": "DE", "unknown": null}}
//! ```
//!
//! A meaning is an entry in the table of values (`map`), the words (`boolean`) or the names (`country`,
//! `currency`) of the first rule that has such, whatever chain the field has by the mapping and all
//! defaults. `null`: the value means that there is none, whichever rule gets it. Pure.

use serde_json::{Map, Value, json};

use super::MappingError;
use super::mapping::{self, RuleSpec};
use super::rules::normal_key;

/// The member of a derivation that holds them.
pub const MEMBER: &str = "meanings";

/// Values and what they mean; `None`: there is none.
pub type Meanings = Vec<(String, Option<String>)>;

/// What a chain has that gives single values a meaning, outermost first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// `map`.
    Values,
    /// `boolean`.
    Words,
    /// `country` and `currency`: the rule's name.
    Names(&'static str),
}

/// The names of the rules that know single values.
const TABLES: [(&str, Table); 4] = [
    ("map", Table::Values),
    ("boolean", Table::Words),
    ("country", Table::Names("country")),
    ("currency", Table::Names("currency")),
];

/// The rules that apply rules to items.
const NESTING: [&str; 2] = ["each", "first"];

/// Reads the meanings of a derivation.
pub fn read(members: &Map<String, Value>, path: &str, errors: &mut Vec<MappingError>) -> Meanings {
    let table = match members.get(MEMBER) {
        None => return Vec::new(),
        Some(Value::Object(table)) => table,
        Some(_) => {
            errors.push(
                MappingError::new(format!("{path}.{MEMBER}"), "an object is needed")
                    .hint(r#"Write {"Germny": "DE", "unknown": null}."#),
            );
            return Vec::new();
        }
    };
    let mut meanings = Vec::new();
    for (value, meaning) in table {
        if normal_key(value).is_empty() {
            let message = "blank values are NULL and never looked up";
            errors.push(MappingError::new(format!("{path}.{MEMBER}.{value}"), message));
        }
        let text = match meaning {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            Value::Bool(_) | Value::Number(_) => Some(meaning.to_string()),
            Value::Array(_) | Value::Object(_) => {
                let message = "a meaning is text, a number, true, false or null";
                errors.push(MappingError::new(format!("{path}.{MEMBER}.{value}"), message));
                continue;
            }
        };
        meanings.push((value.clone(), text));
    }
    meanings
}

/// The first table of a chain, where there is one, with the rule as the mapping has it.
pub fn table(chain: &[Value]) -> Option<(Table, &Value)> {
    chain.iter().find_map(|rule| match inner(rule) {
        Some(chain) => table(chain),
        None => TABLES.iter().find(|(name, _)| is(rule, name)).map(|(_, table)| (*table, rule)),
    })
}

/// The same rules with a meaning for a value.
///
/// # Errors
/// Where no rule has meanings, or the meaning is not what the one that has can yield.
pub fn add(rules: &[RuleSpec], value: &str, meaning: &str) -> Result<Vec<RuleSpec>, MappingError> {
    let mut chain = chain_json(rules);
    if !add_within(&mut chain, value, meaning)? {
        return Err(MappingError::new(
            MEMBER,
            "no rule of the field has a table that a meaning could be added to",
        )
        .hint("Give the field rules with a \"map\", or null as the meaning: then the value means that there is none."));
    }
    // What was read once can be read again.
    let rules = mapping::read_rules(&Value::Array(chain), MEMBER, &mut Vec::new());
    Ok(rules.unwrap_or_default())
}

fn add_within(chain: &mut [Value], value: &str, meaning: &str) -> Result<bool, MappingError> {
    for rule in chain.iter_mut() {
        if let Some(inner) = inner_mut(rule) {
            if add_within(inner, value, meaning)? {
                return Ok(true);
            }
            continue;
        }
        let Some((_, table)) = TABLES.iter().find(|(name, _)| is(rule, name)) else { continue };
        match table {
            Table::Values => add_value(rule, value, meaning),
            Table::Words => add_word(rule, value, meaning)?,
            Table::Names(name) => add_name(rule, name, value, meaning),
        }
        return Ok(true);
    }
    Ok(false)
}

/// The chain within a rule.
pub fn inner(rule: &Value) -> Option<&[Value]> {
    NESTING.iter().find_map(|name| rule.get(name)?.as_array()).map(Vec::as_slice)
}

/// As [`inner`].
pub fn inner_mut(rule: &mut Value) -> Option<&mut Vec<Value>> {
    let name = NESTING.iter().find(|name| rule.get(**name).is_some_and(Value::is_array))?;
    rule.get_mut(*name)?.as_array_mut()
}

/// Whether a rule, as a mapping writes it, has this name.
pub fn is(rule: &Value, name: &str) -> bool {
    rule.as_str() == Some(name) || rule.get(name).is_some()
}

fn add_value(rule: &mut Value, value: &str, meaning: &str) {
    let Some(table) = rule.get_mut("map").and_then(Value::as_object_mut) else { return };
    let meaning = like(table, meaning);
    set(table, value, meaning);
}

/// A meaning as the table has them: numbers among numbers, true and false among such.
fn like(table: &Map<String, Value>, meaning: &str) -> Value {
    let known: Vec<&Value> = table.values().filter(|value| !value.is_null()).collect();
    let parsed: Option<Value> = serde_json::from_str(meaning).ok();
    match parsed {
        Some(number @ Value::Number(_)) if known.iter().all(|v| v.is_number()) => number,
        Some(truth @ Value::Bool(_)) if known.iter().all(|v| v.is_boolean()) => truth,
        _ => meaning.into(),
    }
}

/// Sets an entry; one for another spelling of the same value gives way.
pub fn set(table: &mut Map<String, Value>, value: &str, meaning: Value) {
    let key = normal_key(value);
    let other = table.keys().find(|known| normal_key(known) == key).cloned();
    table.insert(other.unwrap_or_else(|| value.to_string()), meaning);
}

fn add_word(rule: &mut Value, value: &str, meaning: &str) -> Result<(), MappingError> {
    let meaning = meaning.trim().to_lowercase();
    if meaning != "true" && meaning != "false" {
        return Err(MappingError::new(MEMBER, format!("\"{meaning}\" is neither true nor false"))
            .hint("The field's values are words for true and false: give one of these."));
    }
    let standard = json!({
        "true": ["true", "t", "yes", "y", "on", "1"],
        "false": ["false", "f", "no", "n", "off", "0"]});
    let Some(words) = argument(rule, "boolean", standard) else { return Ok(()) };
    for list in words.values_mut().filter_map(Value::as_array_mut) {
        list.retain(|word| word.as_str().is_none_or(|w| normal_key(w) != normal_key(value)));
    }
    let list = words.entry(meaning).or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut() {
        list.push(value.into());
    }
    Ok(())
}

fn add_name(rule: &mut Value, name: &str, value: &str, meaning: &str) {
    let Some(members) = argument(rule, name, json!({})) else { return };
    let aliases = members.entry("aliases").or_insert_with(|| json!({}));
    if let Some(aliases) = aliases.as_object_mut() {
        set(aliases, value, meaning.into());
    }
}

/// The members of a rule's argument; `standard` is what it means where it is not given.
fn argument<'r>(
    rule: &'r mut Value,
    name: &str,
    standard: Value,
) -> Option<&'r mut Map<String, Value>> {
    if rule.is_string() {
        *rule = json!({ name: null });
    }
    let argument = rule.get_mut(name)?;
    if argument.is_null() {
        *argument = standard;
    }
    argument.as_object_mut()
}

/// Gives a value a meaning in a derivation as a mapping writes it.
pub fn give(derivation: &mut Value, value: &str, meaning: Option<&str>) {
    if let Value::String(column) = derivation {
        *derivation = json!({ "column": column });
    }
    let Some(members) = derivation.as_object_mut() else { return };
    let table = members.entry(MEMBER).or_insert_with(|| json!({}));
    if let Some(table) = table.as_object_mut() {
        set(table, value, meaning.map_or(Value::Null, Value::from));
    }
}

/// A field and what it is made of, as a mapping writes them, each with its path within the field; the
/// field itself has none.
pub fn parts(field: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    collect(field, String::new(), &mut found);
    found
}

fn collect<'j>(json: &'j Value, path: String, found: &mut Vec<(String, &'j Value)>) {
    found.push((path.clone(), json));
    for (name, part) in nested(json) {
        let dot = if path.is_empty() { "" } else { "." };
        collect(part, format!("{path}{dot}{name}"), found);
    }
}

/// What a derivation is made of.
fn nested(json: &Value) -> Vec<(String, &Value)> {
    let mut parts = Vec::new();
    for name in ["first_of", "list"] {
        let list = json.get(name).and_then(Value::as_array).into_iter().flatten();
        parts.extend(list.enumerate().map(|(at, part)| (format!("{name}[{at}]"), part)));
    }
    for name in ["object", "moment"] {
        let members = json.get(name).and_then(Value::as_object).into_iter().flatten();
        let members = members.filter(|(member, _)| name == "object" || *member != "zone");
        parts.extend(members.map(|(member, part)| (format!("{name}.{member}"), part)));
    }
    parts
}

/// The part of a field at a path.
pub fn part_mut<'j>(json: &'j mut Value, path: &str) -> Option<&'j mut Value> {
    if path.is_empty() {
        return Some(json);
    }
    let leads_there = |(name, _): (String, &Value)| {
        let rest = path.strip_prefix(&name)?;
        (rest.is_empty() || rest.starts_with('.')).then_some(name)
    };
    let name = nested(json).into_iter().filter_map(leads_there).max_by_key(String::len)?;
    let rest = path[name.len()..].trim_start_matches('.');
    let part = match name.split_once('.') {
        Some((source, member)) => json.get_mut(source)?.get_mut(member),
        None => {
            let (source, at) = name.split_once('[')?;
            json.get_mut(source)?.get_mut(at.trim_end_matches(']').parse::<usize>().ok()?)
        }
    };
    part_mut(part?, rest)
}

/// The rules of a derivation with its meanings, as a mapping writes them; `own` are the field's own.
pub fn chain(derivation: &Value, own: &[RuleSpec]) -> Vec<Value> {
    let mut chain = match derivation.get("rules").and_then(Value::as_array) {
        Some(rules) => rules.clone(),
        None => chain_json(own),
    };
    let members = derivation.as_object().cloned().unwrap_or_default();
    for (value, meaning) in read(&members, "", &mut Vec::new()) {
        if let Some(meaning) = meaning {
            // What does not fit is not in the chain.
            let _ = add_within(&mut chain, &value, &meaning);
        }
    }
    chain
}

/// A chain as a mapping writes it.
pub fn chain_json(rules: &[RuleSpec]) -> Vec<Value> {
    let rule = |rule: &RuleSpec| {
        if rule.argument.is_none() && rule.options.is_empty() {
            return Value::from(rule.name.as_str());
        }
        let mut members = Map::new();
        members.insert(rule.name.clone(), rule.argument.clone().unwrap_or(Value::Null));
        members.extend(rule.options.clone());
        Value::Object(members)
    };
    rules.iter().map(rule).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(chain: Value, value: &str, meaning: &str) -> Value {
        let rules = mapping::read_rules(&chain, "", &mut Vec::new()).unwrap();
        add(&rules, value, meaning)
            .map_or_else(|error| json!(error.to_string()), |rules| chain_json(&rules).into())
    }

    #[test]
    fn a_table_of_values_gets_an_entry_or_a_new_meaning() {
        let chain = json!(["squeeze", {"map": {"Open": "new"}, "default": null}]);
        assert_eq!(
            added(chain.clone(), "Nurture", "working"),
            json!(["squeeze", {"map": {"Open": "new", "Nurture": "working"}, "default": null}])
        );
        assert_eq!(
            added(chain, " OPEN", "working"),
            json!(["squeeze", {"map": {"Open": "working"}, "default": null}])
        );
        let grades = json!([{"map": {"A": 95}}]);
        assert_eq!(added(grades, "B", "80"), json!([{"map": {"A": 95, "B": 80}}]));
        let list = json!([{"split": ","}, {"each": [{"map": {"a": "x"}}]}]);
        assert_eq!(added(list, "b", "y")[1]["each"][0]["map"]["b"], "y");
        let list = json!([{"split": ","}, {"first": ["country"]}]);
        assert_eq!(added(list, "b", "DE")[1]["first"][0]["country"]["aliases"], json!({"b": "DE"}));
    }

    #[test]
    fn words_and_names() {
        let words = added(json!(["squeeze", "boolean"]), "ja", "true");
        assert_eq!(words[1]["boolean"]["true"].as_array().unwrap().last().unwrap(), "ja");
        let moved = added(json!([{"boolean": {"true": ["x"], "false": ["y"]}}]), "X", "false");
        assert_eq!(moved, json!([{"boolean": {"true": [], "false": ["y", "X"]}}]));
        assert!(added(json!(["boolean"]), "ja", "oui").as_str().unwrap().contains("oui"));
        let alias = json!({"aliases": {"Deutschland": "DE"}});
        assert_eq!(
            added(json!(["country"]), "Deutschland", "DE"),
            json!([{"country": alias.clone()}])
        );
        let rule = json!([{"country": null, "problem": "invalid_value"}]);
        assert_eq!(
            added(rule, "Deutschland", "DE"),
            json!([{"country": alias, "problem": "invalid_value"}])
        );
        assert!(added(json!(["email"]), "x", "y").is_string());
    }

    #[test]
    fn parts_have_paths() {
        let field = json!({"first_of": ["a", {"object": {"q.1": "b", "q": {"list": ["c", "d"]}}},
            {"moment": {"date": "e", "time": "f", "zone": "UTC"}}], "rules": []});
        let paths: Vec<String> = parts(&field).into_iter().map(|(path, _)| path).collect();
        for (path, part) in parts(&field) {
            let mut copy = field.clone();
            assert_eq!(part_mut(&mut copy, &path), Some(&mut part.clone()), "{path}");
        }
        let mut paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        paths.sort_unstable();
        assert_eq!(
            paths,
            [
                "",
                "first_of[0]",
                "first_of[1]",
                "first_of[1].object.q",
                "first_of[1].object.q.1",
                "first_of[1].object.q.list[0]",
                "first_of[1].object.q.list[1]",
                "first_of[2]",
                "first_of[2].moment.date",
                "first_of[2].moment.time",
            ]
        );
        assert_eq!(part_mut(&mut field.clone(), "first_of[3]"), None);
    }

    #[test]
    fn a_meaning_is_all_that_a_mapping_gets() {
        let mut field = json!("country");
        give(&mut field, "Germny", Some("DE"));
        give(&mut field, "unknown", None);
        give(&mut field, " GERMNY", Some("AT"));
        assert_eq!(
            field,
            json!({"column": "country", "meanings": {"Germny": "AT", "unknown": null}})
        );
    }
}
