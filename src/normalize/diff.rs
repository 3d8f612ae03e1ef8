//! How two mappings differ, field by field and part by part. Pure.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::defaults::{chain_json, is_source};
use super::entity::Entity;
use super::mapping;

/// One part of a field that is not the same on both sides.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// `*` for what concerns the whole mapping.
    pub field: String,
    /// `source`, `rules`, or another member's name.
    pub part: String,
    pub a: Option<Value>,
    pub b: Option<Value>,
}

/// What differs between two mappings; nothing where they come to the same.
pub fn diff(a: &Value, b: &Value, entity: &Entity) -> Vec<Difference> {
    let (a, b) = (Parts::of(a, entity), Parts::of(b, entity));
    let names: BTreeSet<(&str, &str)> = a.names().chain(b.names()).collect();
    let order = |name: &str| match name {
        "*" => 0,
        name => entity.field(name).map_or(usize::MAX, |(at, _)| at + 1),
    };
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_by_key(|(field, part)| (order(field), *field, *part != "source", *part));
    names
        .into_iter()
        .map(|(field, part)| Difference {
            field: field.into(),
            part: part.into(),
            a: a.get(field, part).cloned(),
            b: b.get(field, part).cloned(),
        })
        .filter(|difference| difference.a != difference.b)
        .collect()
}

/// The difference in words, as in `phone.source: "phone" → "phone2__c"`.
pub fn words(difference: &Difference) -> String {
    let side = |value: &Option<Value>| value.as_ref().map_or("none".into(), Value::to_string);
    let Difference { field, part, a, b } = difference;
    format!("{field}.{part}: {} → {}", side(a), side(b))
}

/// A mapping in its parts, with what is understood written out: the key, and the chains of fields
/// that give none.
struct Parts(Vec<(String, String, Value)>);

impl Parts {
    fn of(json: &Value, entity: &Entity) -> Parts {
        let mut parts = Vec::new();
        let key = json.get("key").cloned().unwrap_or_else(|| mapping::DEFAULT_KEY.into());
        parts.push(("*".to_string(), "key".to_string(), key));
        for (name, value) in json.as_object().into_iter().flatten() {
            if name != "key" && name != "fields" {
                parts.push(("*".to_string(), name.clone(), value.clone()));
            }
        }
        for (field, json) in json.get("fields").and_then(Value::as_object).into_iter().flatten() {
            let members = match json {
                Value::Object(members) => members.clone(),
                other => Map::from_iter([("column".to_string(), other.clone())]),
            };
            if !members.contains_key("rules")
                && let Some((_, known)) = entity.field(field)
            {
                parts.push((field.clone(), "rules".into(), chain_json(&known.rules)));
            }
            for (name, value) in members {
                let (part, value) = match name.as_str() {
                    "column" => ("source", value),
                    name if is_source(name) => {
                        ("source", Value::Object(Map::from_iter([(name.to_string(), value)])))
                    }
                    name => (name, value),
                };
                parts.push((field.clone(), part.into(), value));
            }
        }
        Parts(parts)
    }

    fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(field, part, _)| (field.as_str(), part.as_str()))
    }

    fn get(&self, field: &str, part: &str) -> Option<&Value> {
        let mut found = self.0.iter().filter(|(f, p, _)| f == field && p == part);
        found.next().map(|(.., value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parts_that_differ_and_nothing_else() {
        let lead = Entity::built_in("lead").unwrap().unwrap();
        let a = json!({"fields": {
            "email": "email", "status": {"column": "status", "rules": [{"map": {"a": "new"}}]},
            "title": "title", "score": {"column": "score__c", "rules": ["number", {"range": {"min": 0, "max": 100}}]}}});
        let b = json!({"key": "sfid", "fields": {
            "email": {"column": "email"}, "status": {"column": "stage", "rules": [{"map": {"a": "new"}}]},
            "score": "score__c", "company": {"first_of": ["company", "firm"]}}});
        let found: Vec<String> = diff(&a, &b, &lead).iter().map(words).collect();
        assert_eq!(
            found,
            [
                r#"title.source: "title" → none"#,
                r#"title.rules: ["squeeze"] → none"#,
                r#"company.source: none → {"first_of":["company","firm"]}"#,
                r#"company.rules: none → ["squeeze"]"#,
                r#"status.source: "status" → "stage""#,
            ]
        );
        assert_eq!(diff(&a, &a, &lead), []);
    }
}
