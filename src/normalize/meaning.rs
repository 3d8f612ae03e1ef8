//! Giving a value a meaning in a mapping: an entry in a table of values, a word for true or false,
//! another name of a country, or a value that means that there is none. Pure.

use serde_json::{Map, Value, json};

use super::MappingError;
use super::mapping::RuleSpec;
use super::rules::normal_key;

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

/// The first table of a chain, where there is one, with the rule as the mapping has it.
pub fn table(chain: &[Value]) -> Option<(Table, &Value)> {
    chain.iter().find_map(|rule| match inner(rule) {
        Some(chain) => table(chain),
        None => TABLES.iter().find(|(name, _)| is(rule, name)).map(|(_, table)| (*table, rule)),
    })
}

/// The same chain with a meaning for a value. `None` as the meaning: there is none.
///
/// # Errors
/// Where a meaning cannot be what is asked for, or no rule of the chain has meanings.
pub fn add(
    chain: &[Value],
    value: &str,
    meaning: Option<&str>,
) -> Result<Vec<Value>, MappingError> {
    let mut chain = chain.to_vec();
    if !add_within(&mut chain, value, meaning)? {
        match meaning {
            None => add_blank(&mut chain, value),
            Some(_) => {
                return Err(MappingError::new(
                    "rules",
                    "no rule of the field has a table that a meaning could be added to",
                )
                .hint("Give the field rules with a \"map\", or null as the meaning: then the value means that there is none."));
            }
        }
    }
    Ok(chain)
}

fn add_within(
    chain: &mut [Value],
    value: &str,
    meaning: Option<&str>,
) -> Result<bool, MappingError> {
    for rule in chain.iter_mut() {
        if let Some(inner) = rule.get_mut("each").and_then(Value::as_array_mut) {
            if add_within(inner, value, meaning)? {
                return Ok(true);
            }
            continue;
        }
        let Some((_, table)) = TABLES.iter().find(|(name, _)| is(rule, name)) else { continue };
        match (table, meaning) {
            (Table::Values, _) => add_value(rule, value, meaning),
            // A word is true or false; one that means nothing is dropped before.
            (Table::Words, None) => continue,
            (Table::Words, Some(meaning)) => add_word(rule, value, meaning)?,
            (Table::Names(name), _) => add_name(rule, name, value, meaning),
        }
        return Ok(true);
    }
    Ok(false)
}

/// The chain within `each`.
fn inner(rule: &Value) -> Option<&[Value]> {
    rule.get("each")?.as_array().map(Vec::as_slice)
}

fn is(rule: &Value, name: &str) -> bool {
    rule.as_str() == Some(name) || rule.get(name).is_some()
}

fn add_value(rule: &mut Value, value: &str, meaning: Option<&str>) {
    let Some(table) = rule.get_mut("map").and_then(Value::as_object_mut) else { return };
    let meaning = like(table, meaning);
    set(table, value, meaning);
}

/// A meaning as the table has them: numbers among numbers, true and false among such.
fn like(table: &Map<String, Value>, meaning: Option<&str>) -> Value {
    let Some(meaning) = meaning else { return Value::Null };
    let known: Vec<&Value> = table.values().filter(|value| !value.is_null()).collect();
    let parsed: Option<Value> = serde_json::from_str(meaning).ok();
    match parsed {
        Some(number @ Value::Number(_)) if known.iter().all(|v| v.is_number()) => number,
        Some(truth @ Value::Bool(_)) if known.iter().all(|v| v.is_boolean()) => truth,
        _ => meaning.into(),
    }
}

/// Sets an entry; one for another spelling of the same value gives way.
fn set(table: &mut Map<String, Value>, value: &str, meaning: Value) {
    let key = normal_key(value);
    let other = table.keys().find(|known| normal_key(known) == key).cloned();
    table.insert(other.unwrap_or_else(|| value.to_string()), meaning);
}

fn add_word(rule: &mut Value, value: &str, meaning: &str) -> Result<(), MappingError> {
    let meaning = meaning.trim().to_lowercase();
    if meaning != "true" && meaning != "false" {
        return Err(MappingError::new("rules", format!("\"{meaning}\" is neither true nor false"))
            .hint("The field's values are words for true and false: give one of these."));
    }
    if rule.is_string() {
        *rule = json!({"boolean": {
            "true": ["true", "t", "yes", "y", "on", "1"],
            "false": ["false", "f", "no", "n", "off", "0"]}});
    }
    let Some(words) = rule.get_mut("boolean").and_then(Value::as_object_mut) else { return Ok(()) };
    for list in words.values_mut().filter_map(Value::as_array_mut) {
        list.retain(|word| word.as_str().is_none_or(|w| normal_key(w) != normal_key(value)));
    }
    let list = words.entry(meaning).or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut() {
        list.push(value.into());
    }
    Ok(())
}

fn add_name(rule: &mut Value, name: &str, value: &str, meaning: Option<&str>) {
    if rule.is_string() {
        *rule = json!({ name: {} });
    }
    let Some(argument) = rule.get_mut(name).and_then(Value::as_object_mut) else { return };
    let aliases = argument.entry("aliases").or_insert_with(|| json!({}));
    if let Some(aliases) = aliases.as_object_mut() {
        set(aliases, value, meaning.map_or(Value::Null, Value::from));
    }
}

/// The value means that there is none, whatever comes after.
fn add_blank(chain: &mut Vec<Value>, value: &str) {
    let known = chain.iter_mut().find_map(|rule| rule.get_mut("null_if"));
    match known {
        Some(Value::Array(values)) => values.push(value.into()),
        Some(one) => *one = json!([one.clone(), value]),
        None => chain.insert(0, json!({"null_if": [value]})),
    }
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

    fn added(chain: Value, value: &str, meaning: Option<&str>) -> Value {
        add(chain.as_array().unwrap(), value, meaning)
            .map_or_else(|error| json!(error.to_string()), Value::Array)
    }

    #[test]
    fn a_table_of_values_gets_an_entry_or_a_new_meaning() {
        let chain = json!(["squeeze", {"map": {"Open": "new"}, "default": null}]);
        assert_eq!(
            added(chain.clone(), "Nurture", Some("working")),
            json!(["squeeze", {"map": {"Open": "new", "Nurture": "working"}, "default": null}])
        );
        assert_eq!(
            added(chain.clone(), " OPEN", Some("working")),
            json!(["squeeze", {"map": {"Open": "working"}, "default": null}])
        );
        assert_eq!(added(chain, "?", None)[1]["map"]["?"], Value::Null);
        let grades = json!([{"map": {"A": 95}}]);
        assert_eq!(added(grades, "B", Some("80")), json!([{"map": {"A": 95, "B": 80}}]));
        let list = json!([{"split": ","}, {"each": [{"map": {"a": "x"}}]}]);
        assert_eq!(added(list, "b", Some("y"))[1]["each"][0]["map"]["b"], "y");
    }

    #[test]
    fn words_names_and_blanks() {
        let words = added(json!(["squeeze", "boolean"]), "ja", Some("true"));
        assert_eq!(words[1]["boolean"]["true"].as_array().unwrap().last().unwrap(), "ja");
        let moved =
            added(json!([{"boolean": {"true": ["x"], "false": ["y"]}}]), "X", Some("false"));
        assert_eq!(moved, json!([{"boolean": {"true": [], "false": ["y", "X"]}}]));
        assert!(added(json!(["boolean"]), "ja", Some("oui")).as_str().unwrap().contains("oui"));
        assert_eq!(
            added(json!(["country"]), "Deutschland", Some("DE")),
            json!([{"country": {"aliases": {"Deutschland": "DE"}}}])
        );
        assert_eq!(
            added(json!(["phone"]), "unknown", None),
            json!([{"null_if": ["unknown"]}, "phone"])
        );
        assert_eq!(
            added(json!([{"null_if": "-"}, "boolean"]), "?", None),
            json!([{"null_if": ["-", "?"]}, "boolean"])
        );
        assert!(added(json!(["email"]), "x", Some("y")).is_string());
    }
}
