//! Layers merged, part by part.

use serde_json::{Map, Value};

use super::{Effective, Layer, Level, Part, arguments, chain_json, is_source, setting};
use crate::normalize::entity::Entity;
use crate::normalize::meaning;

/// A field as the layers so far have it.
#[derive(Default)]
pub struct Merged {
    /// Members with their levels.
    pub source: Option<(Map<String, Value>, Level)>,
    pub others: Vec<(String, Value, Level)>,
    /// What is no field at all, which shows when the mapping is read.
    nonsense: Option<Value>,
    /// The mapping itself names it.
    own: bool,
}

impl Merged {
    fn add(&mut self, json: &Value, level: &Level) {
        self.own |= *level == Level::Mapping;
        let members = match json {
            Value::String(column) => {
                Map::from_iter([("column".to_string(), Value::String(column.clone()))])
            }
            Value::Object(members) => members.clone(),
            other => {
                self.nonsense = Some(other.clone());
                return;
            }
        };
        let (source, others): (Map<_, _>, Map<_, _>) =
            members.into_iter().partition(|(name, _)| is_source(name));
        if !source.is_empty() {
            self.source = Some((source, level.clone()));
        }
        if others.contains_key("rules") {
            // Meanings belong to the rules that they stand beside or above.
            self.others.retain(|(name, ..)| name != meaning::MEMBER);
        }
        for (name, mut value) in others {
            let known = self.others.iter().find(|(other, ..)| *other == name);
            if let (meaning::MEMBER, Some((_, Value::Object(below), _)), Value::Object(above)) =
                (name.as_str(), known, &value)
            {
                let mut all = below.clone();
                for (key, meaning) in above {
                    meaning::set(&mut all, key, meaning.clone());
                }
                value = Value::Object(all);
            }
            self.others.retain(|(other, ..)| *other != name);
            self.others.push((name, value, level.clone()));
        }
    }

    fn json(&self) -> Value {
        if let Some(nonsense) = &self.nonsense {
            return nonsense.clone();
        }
        let mut members = Map::new();
        if let Some((source, _)) = &self.source {
            if let ([(_, Value::String(column))], true) =
                (source.iter().collect::<Vec<_>>().as_slice(), source.contains_key("column"))
                && self.others.is_empty()
            {
                return Value::String(column.clone());
            }
            members.extend(source.clone());
        }
        for (name, value, _) in &self.others {
            members.insert(name.clone(), value.clone());
        }
        Value::Object(members)
    }
}

/// Merges layers, the last word last, with the mapping itself on top.
pub fn merge(layers: &[Layer], mapping: &Value, entity: &Entity) -> Effective {
    let own = Layer { level: Level::Mapping, json: mapping.clone() };
    let mut fields: Vec<(String, Merged)> = Vec::new();
    for layer in layers.iter().chain([&own]) {
        let Some(Value::Object(given)) = layer.json.get("fields") else { continue };
        for (name, json) in given {
            let at = fields.iter().position(|(other, _)| other == name);
            if json.is_null() && layer.level != Level::Mapping {
                if let Some(at) = at {
                    fields.remove(at);
                }
                continue;
            }
            if json.is_null() && at.is_some() {
                fields.retain(|(other, _)| other != name);
                continue;
            }
            let at = at.unwrap_or_else(|| {
                fields.push((name.clone(), Merged::default()));
                fields.len() - 1
            });
            fields[at].1.add(json, &layer.level);
        }
    }
    // Rules without a source map nothing, unless the mapping says so itself, which is then an error.
    fields.retain(|(_, merged)| merged.source.is_some() || merged.own);
    let arguments = arguments::of(layers);
    for (name, merged) in &mut fields {
        arguments::argue(name, merged, &arguments, entity);
    }
    let order = |name: &str| entity.field(name).map_or(usize::MAX, |(at, _)| at);
    let mut parts = Vec::new();
    for name in ["phone_region", "time_zone"] {
        if let Some((value, level)) = setting(layers, name) {
            parts.push(Part {
                field: "*".into(),
                part: name.into(),
                value: value.into(),
                level: level.clone(),
            });
        }
    }
    let blank = layers
        .iter()
        .chain([&own])
        .rev()
        .find_map(|layer| Some((layer.json.get("blank")?, &layer.level)));
    parts.extend(blank.map(|(value, level)| Part {
        field: "*".into(),
        part: "blank".into(),
        value: value.clone(),
        level: level.clone(),
    }));
    let mut sorted: Vec<&(String, Merged)> = fields.iter().collect();
    sorted.sort_by_key(|(name, _)| order(name));
    for (name, merged) in sorted {
        parts.extend(parts_of(name, merged, entity));
    }
    let mut json = match mapping {
        Value::Object(members) => members.clone(),
        // Not a mapping at all: reading it says so.
        other => return Effective { json: other.clone(), parts },
    };
    if let Some((value, _)) = blank {
        json.insert("blank".into(), value.clone());
    }
    if mapping.get("fields").is_none_or(Value::is_object) {
        let fields = fields.iter().map(|(name, merged)| (name.clone(), merged.json()));
        json.insert("fields".into(), Value::Object(fields.collect()));
    }
    Effective { json: Value::Object(json), parts }
}

fn parts_of(field: &str, merged: &Merged, entity: &Entity) -> Vec<Part> {
    let part = |name: &str, value: Value, level: &Level| Part {
        field: field.into(),
        part: name.into(),
        value,
        level: level.clone(),
    };
    let mut parts = Vec::new();
    if let Some((source, level)) = &merged.source {
        parts.push(part("source", Value::Object(source.clone()), level));
    }
    for (name, value, level) in &merged.others {
        parts.push(part(name, value.clone(), level));
    }
    if merged.others.iter().all(|(name, ..)| name != "rules")
        && let Some((_, known)) = entity.field(field)
    {
        parts.push(part("rules", chain_json(&known.rules), &Level::Entity));
    }
    parts
}
