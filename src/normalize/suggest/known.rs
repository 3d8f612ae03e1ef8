//! What the mappings of other orgs teach: which columns feed which fields, and what values mean.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::names::{Name, fold};
use crate::normalize::meaning;

/// What is known from mappings.
#[derive(Debug, Default, Clone)]
pub struct Knowledge {
    /// Column (without namespace and suffix) → fields that it feeds somewhere.
    columns: BTreeMap<String, BTreeSet<String>>,
    /// Field → value as it is looked up → what it becomes.
    values: BTreeMap<String, BTreeMap<String, Json>>,
    yes: BTreeSet<String>,
    no: BTreeSet<String>,
}

impl Knowledge {
    /// Learns from a mapping.
    pub fn learn(&mut self, mapping: &Json) {
        for (field, json) in mapping.get("fields").and_then(Json::as_object).into_iter().flatten() {
            for column in columns_in(json) {
                let fields = self.columns.entry(Name::of(&column).compact).or_default();
                fields.insert(field.clone());
            }
            self.learn_values(field, json);
        }
    }

    fn learn_values(&mut self, field: &str, json: &Json) {
        let Json::Object(members) = json else { return };
        for (value, to) in meaning::read(members, "", &mut Vec::new()) {
            match to.as_deref() {
                Some("true") => {
                    self.yes.insert(normal(&value));
                }
                Some("false") => {
                    self.no.insert(normal(&value));
                }
                _ => {
                    let values = self.values.entry(field.into()).or_default();
                    values
                        .entry(normal(&value))
                        .or_insert_with(|| to.map_or(Json::Null, Json::from));
                }
            }
        }
        for rule in members.get("rules").and_then(Json::as_array).into_iter().flatten() {
            for (from, to) in rule.get("map").and_then(Json::as_object).into_iter().flatten() {
                let values = self.values.entry(field.into()).or_default();
                values.entry(normal(from)).or_insert_with(|| to.clone());
            }
            for (side, words) in [("true", &mut self.yes), ("false", &mut self.no)] {
                let list = rule.get("boolean").and_then(|words| words.get(side));
                let list = list.and_then(Json::as_array).into_iter().flatten();
                words.extend(list.filter_map(Json::as_str).map(normal));
            }
        }
    }

    /// The fields that a column of this name feeds in other orgs.
    pub fn fields(&self, name: &Name) -> Option<&BTreeSet<String>> {
        self.columns.get(&name.compact)
    }

    /// What a value becomes in this field elsewhere.
    pub fn value(&self, field: &str, value: &str) -> Option<&Json> {
        self.values.get(field)?.get(&normal(value))
    }

    /// Whether a value means yes or no elsewhere.
    pub fn truth(&self, value: &str) -> Option<bool> {
        let value = normal(value);
        match (self.yes.contains(&value), self.no.contains(&value)) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        }
    }
}

/// A value as tables look it up.
fn normal(value: &str) -> String {
    fold(&value.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The columns that a field of a mapping names, in their order.
pub fn columns_in(json: &Json) -> Vec<String> {
    let mut columns = Vec::new();
    collect(json, &mut columns);
    let mut seen = BTreeSet::new();
    columns.retain(|column: &String| seen.insert(column.clone()));
    columns
}

fn collect(json: &Json, columns: &mut Vec<String>) {
    let members = match json {
        Json::String(column) => {
            columns.push(column.clone());
            return;
        }
        Json::Object(members) => members,
        _ => return,
    };
    for (name, json) in members {
        match (name.as_str(), json) {
            ("column", Json::String(column)) => columns.push(column.clone()),
            ("first_of" | "list", Json::Array(list)) => {
                list.iter().for_each(|part| collect(part, columns));
            }
            ("checkboxes", Json::Array(boxes)) => {
                let named = boxes.iter().filter_map(Json::as_object).flat_map(Map::keys);
                columns.extend(named.cloned());
            }
            ("object", Json::Object(parts)) => {
                parts.values().for_each(|part| collect(part, columns));
            }
            ("moment", Json::Object(parts)) => {
                let parts = ["date", "time"].iter().filter_map(|name| parts.get(*name));
                parts.for_each(|part| collect(part, columns));
            }
            ("template", Json::String(text)) => columns.extend(braces(text)),
            _ => {}
        }
    }
}

fn braces(template: &str) -> Vec<String> {
    let mut rest = template;
    let mut found = Vec::new();
    while let Some((_, after)) = rest.split_once('{') {
        let Some((name, end)) = after.split_once('}') else { break };
        if !name.is_empty() && !name.starts_with('{') {
            found.push(name.to_string());
        }
        rest = end;
    }
    found
}

/// A fragment for one column.
pub fn column(name: &str, rules: Option<Json>) -> Json {
    match rules {
        None => Json::String(name.into()),
        Some(rules) => {
            let mut members = Map::new();
            members.insert("column".into(), name.into());
            members.insert("rules".into(), rules);
            Json::Object(members)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn learns_columns_and_values() {
        let mut known = Knowledge::default();
        known.learn(&json!({"fields": {
            "full_name": {"template": "{firstname} {lastname}"},
            "respondent_id": "fm__probanden_schluessel__c",
            "status": {"column": "status", "rules": ["squeeze", {"map": {"Frisch  dabei": "new"}}]},
            "source": {"column": "y", "meanings": {"Messe ": "event"}},
            "opted_out": {"column": "z", "meanings": {"Aber ja": true}},
            "consent": {"column": "x", "rules": [{"boolean": {"true": ["Klar"], "false": ["Nix"]}}]}}}));
        assert_eq!(known.value("source", "messe"), Some(&json!("event")));
        assert_eq!(known.truth("aber ja"), Some(true));
        let fields = known.fields(&Name::of("probanden_schluessel__c")).unwrap();
        assert!(fields.contains("respondent_id"));
        assert_eq!(known.value("status", "frisch dabei"), Some(&json!("new")));
        assert_eq!(
            (known.truth("KLAR"), known.truth("nix"), known.truth("?")),
            (Some(true), Some(false), None)
        );
    }

    #[test]
    fn finds_the_columns_of_every_source() {
        let json =
            json!({"first_of": ["a", {"column": "b", "rules": []}, {"template": "{c}-{a}"}]});
        assert_eq!(columns_in(&json), ["a", "b", "c"]);
        assert_eq!(columns_in(&json!({"object": {"q1": "x", "q2": {"column": "y"}}})), ["x", "y"]);
        assert_eq!(
            columns_in(&json!({"moment": {"date": "d", "time": "t", "zone": "UTC"}})),
            ["d", "t"]
        );
        assert_eq!(columns_in(&json!({"checkboxes": [{"s": "solar"}]})), ["s"]);
        assert!(columns_in(&json!({"constant": "a"})).is_empty());
    }
}
