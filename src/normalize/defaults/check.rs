//! What is wrong with a document of defaults, whatever table it may meet.

use serde_json::Value;

use crate::normalize::entity::Entity;
use crate::normalize::mapping::{self, RuleSpec};
use crate::normalize::rules::{self, Scope};
use crate::normalize::{MappingError, Org};

/// What a document of defaults may hold.
const MEMBERS: [&str; 5] = ["phone_region", "time_zone", "blank", "rules", "fields"];

/// Checks a document of defaults by itself. Whether it fits a table shows when it is compiled.
pub fn check(json: &Value, entity: Option<&Entity>) -> Result<(), Vec<MappingError>> {
    let mut errors = Vec::new();
    let Some(members) = json.as_object() else {
        return Err(vec![
            MappingError::new("", "defaults are a JSON object")
                .hint(r#"Write {"rules": {"date": "%d/%m/%Y"}}."#),
        ]);
    };
    mapping::refuse_unknown(members, &MEMBERS, "", &mut errors);
    for name in ["phone_region", "time_zone"] {
        match members.get(name) {
            None | Some(Value::String(_)) => {}
            Some(_) => errors.push(MappingError::new(name, "text is needed")),
        }
        if members.contains_key(name) && entity.is_some() {
            errors.push(
                MappingError::new(name, "concerns all entities")
                    .hint("Set it without naming an entity."),
            );
        }
    }
    if let Some(json) = members.get("blank") {
        mapping::read_blank(json, &mut errors);
    }
    match members.get("rules") {
        None => {}
        Some(Value::Object(arguments)) => {
            for (name, argument) in arguments {
                let rule = Value::Array(vec![serde_json::json!({ name: argument })]);
                if let Some(specs) = mapping::read_rules(&rule, "rules", &mut errors) {
                    build(&specs, entity, &mut errors);
                }
            }
        }
        Some(_) => {
            errors.push(MappingError::new("rules", "an object from rule to argument is needed"))
        }
    }
    match members.get("fields") {
        None => {}
        Some(Value::Object(fields)) => {
            for (name, json) in fields {
                check_field(name, json, entity, &mut errors);
            }
        }
        Some(_) => errors.push(MappingError::new("fields", "an object with fields is needed")),
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn build(specs: &[RuleSpec], entity: Option<&Entity>, errors: &mut Vec<MappingError>) {
    let org = Org::default();
    let scope = Scope::new(&org, entity.map_or(&[], |entity| &entity.fields));
    for spec in specs {
        if let Some(definition) = rules::find(&spec.name) {
            let arguments = rules::Arguments { spec, path: "rules", input: None, scope: &scope };
            (definition.build)(&arguments, errors);
        }
    }
}

fn check_field(name: &str, json: &Value, entity: Option<&Entity>, errors: &mut Vec<MappingError>) {
    let path = format!("fields.{name}");
    if let Some(entity) = entity
        && entity.field(name).is_none()
    {
        let message = format!("the entity \"{}\" has no field \"{name}\"", entity.name);
        errors.push(MappingError::new(&path, message));
    }
    match json {
        Value::Null | Value::String(_) => {}
        Value::Object(members) => {
            if let Some(rules) = members.get("rules") {
                mapping::read_rules(rules, &format!("{path}.rules"), errors);
            }
        }
        _ => errors
            .push(MappingError::new(path, "the name of a column, an object or null is needed")),
    }
}
