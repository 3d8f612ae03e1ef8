//! The arguments of rules that are mere names.

use serde_json::Value;

use super::merge::Merged;
use super::{Layer, Level, chain_json};
use crate::normalize::entity::Entity;
use crate::normalize::meaning;

/// The arguments that rules have by default, each with the level that says so.
pub type Arguments = [(String, Value, Level)];

/// The last word of some layers on the argument of each rule.
pub fn of(layers: &[Layer]) -> Vec<(String, Value, Level)> {
    let mut arguments: Vec<(String, Value, Level)> = Vec::new();
    for layer in layers {
        let Some(Value::Object(given)) = layer.json.get("rules") else { continue };
        for (name, value) in given {
            arguments.retain(|(other, ..)| other != name);
            arguments.push((name.clone(), value.clone(), layer.level.clone()));
        }
    }
    arguments
}

/// Gives the rules of a chain that are mere names their default arguments.
pub fn argue(field: &str, merged: &mut Merged, arguments: &Arguments, entity: &Entity) {
    if let Some((source, _)) = &mut merged.source {
        let parts = source.iter_mut().filter(|(name, _)| *name != "constant");
        parts.for_each(|(_, json)| argue_within(json, arguments));
    }
    let own = merged.others.iter().position(|(name, ..)| name == "rules");
    let chain = match (own, entity.field(field)) {
        (Some(at), _) => merged.others[at].1.clone(),
        (None, Some((_, field))) => chain_json(&field.rules),
        (None, None) => return,
    };
    let Value::Array(mut rules) = chain else { return };
    if let Some(level) = argue_chain(&mut rules, arguments) {
        match own {
            // The chain stays its author's; the argument shows in it.
            Some(at) => merged.others[at].1 = Value::Array(rules),
            None => merged.others.push(("rules".into(), Value::Array(rules), level)),
        }
    }
}

/// The level of the last argument that was given, if one was.
fn argue_chain(rules: &mut [Value], arguments: &Arguments) -> Option<Level> {
    let mut from = None;
    for rule in rules {
        if let Some(items) = meaning::inner_mut(rule) {
            from = argue_chain(items, arguments).or(from);
            continue;
        }
        let without = |(name, ..): &&(String, Value, Level)| match &*rule {
            Value::String(rule) => rule == name,
            rule => rule.get(name).is_some_and(Value::is_null),
        };
        let Some((name, argument, level)) = arguments.iter().find(without) else { continue };
        match rule {
            Value::Object(members) => {
                members.insert(name.clone(), argument.clone());
            }
            rule => *rule = serde_json::json!({ name: argument }),
        }
        from = Some(level.clone());
    }
    from
}

/// The chains of what a field is made of.
fn argue_within(json: &mut Value, arguments: &Arguments) {
    match json {
        Value::Array(list) => list.iter_mut().for_each(|part| argue_within(part, arguments)),
        Value::Object(members) => {
            for (name, part) in members {
                match part {
                    Value::Array(rules) if name == "rules" => {
                        argue_chain(rules, arguments);
                    }
                    _ if name == "constant" => {}
                    part => argue_within(part, arguments),
                }
            }
        }
        _ => {}
    }
}
