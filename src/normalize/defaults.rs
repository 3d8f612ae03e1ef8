//! Defaults: what the package, an org's class and the org say of all mappings, below the mapping
//! itself. Merged into the *effective* mapping before it is compiled; pure.
//!
//! ```json
//! {"phone_region": "FR", "time_zone": "Europe/Paris",
//!  "rules": {"number": {"decimal": ",", "group": " "}, "date": "%d/%m/%Y"},
//!  "fields": {"status": {"rules": [{"map": {"Nouveau": "new"}}]}}}
//! ```
//!
//! - `rules`: the argument of a rule wherever a chain names it without one.
//! - `fields`: parts of fields, as in a mapping, but a field may lack its source. A later layer
//!   replaces part by part: the source (however it is given), the rules, each other member. `null`
//!   takes a field away.
//!
//! A layer that gives rules alone does not map a field; one that gives a source does.

use serde_json::{Map, Value};

use super::entity::Entity;
use super::mapping::{self, Mapping, RuleSpec};
use super::plan::Plan;
use super::rules::Scope;
use super::{MappingError, Org, compile, derivation, meaning, rules};
use crate::row::layout::Layout;

/// What a document of defaults may hold.
const MEMBERS: [&str; 4] = ["phone_region", "time_zone", "rules", "fields"];

/// Whose word a part of a mapping is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Level {
    /// The chain in the entity's definition.
    Entity,
    Package,
    Class(String),
    Org,
    Mapping,
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Level::Entity => f.write_str("entity"),
            Level::Package => f.write_str("package"),
            Level::Class(class) => write!(f, "class {class}"),
            Level::Org => f.write_str("org"),
            Level::Mapping => f.write_str("mapping"),
        }
    }
}

/// A document with the level that it stands on.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    pub level: Level,
    pub json: Value,
}

/// A part of the effective mapping, and whose word it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The canonical field; `*` for what concerns all.
    pub field: String,
    /// `source`, `rules`, or another member's name.
    pub part: String,
    pub value: Value,
    pub level: Level,
}

/// What layers come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    /// A mapping as `compile` takes it.
    pub json: Value,
    /// By field, in the order of the entity.
    pub parts: Vec<Part>,
}

impl Effective {
    /// Whether the field's source is the mapping's own word.
    pub fn is_own(&self, field: &str) -> bool {
        let mut sources = self.parts.iter().filter(|part| part.field == field);
        sources.any(|part| part.part == "source" && part.level == Level::Mapping)
    }
}

/// Compiles an effective mapping. What the mapping itself names has to be there; what comes from
/// defaults may be missing in this table, and is NULL then.
pub fn compile(
    effective: &Effective,
    entity: &Entity,
    layout: &Layout,
    org: &Org,
) -> Result<Plan, Vec<MappingError>> {
    let mut errors = match compile::compile_json(&effective.json, entity, layout, org) {
        Ok(plan) => return Ok(plan),
        Err(errors) => errors,
    };
    let lenient = Mapping::from_json(&effective.json)
        .and_then(|mapping| compile::compile_lenient(&mapping, entity, layout, org));
    let foreign = |error: &MappingError| error.field().is_some_and(|f| !effective.is_own(f));
    match lenient {
        Ok(plan) if errors.iter().all(foreign) => Ok(plan),
        Ok(_) => {
            errors.retain(|error| !foreign(error));
            Err(errors)
        }
        Err(still) => {
            errors.retain(|error| !foreign(error) || still.contains(error));
            Err(errors)
        }
    }
}

/// Whether two effective mappings come to the same plan.
pub fn same_plan(a: &Value, b: &Value, entity: &Entity) -> bool {
    super::diff::diff(a, b, entity).is_empty()
}

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

/// Whether a member of a field says where its value comes from.
pub fn is_source(name: &str) -> bool {
    derivation::SOURCES.contains(&name) || name == derivation::SQL
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

/// The last word of some layers on a setting of the org.
pub fn setting<'a>(layers: &'a [Layer], name: &str) -> Option<(&'a str, &'a Level)> {
    let found = layers.iter().rev().find_map(|layer| Some((layer.json.get(name)?, &layer.level)));
    found.and_then(|(value, level)| Some((value.as_str()?, level)))
}

#[derive(Default)]
struct Merged {
    /// Members with their levels.
    source: Option<(Map<String, Value>, Level)>,
    others: Vec<(String, Value, Level)>,
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
    let arguments = arguments(layers);
    for (name, merged) in &mut fields {
        argue(name, merged, &arguments, entity);
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
    if mapping.get("fields").is_none_or(Value::is_object) {
        let fields = fields.iter().map(|(name, merged)| (name.clone(), merged.json()));
        json.insert("fields".into(), Value::Object(fields.collect()));
    }
    Effective { json: Value::Object(json), parts }
}

fn arguments(layers: &[Layer]) -> Vec<(String, Value, Level)> {
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
fn argue(field: &str, merged: &mut Merged, arguments: &[(String, Value, Level)], entity: &Entity) {
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
fn argue_chain(rules: &mut [Value], arguments: &[(String, Value, Level)]) -> Option<Level> {
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
fn argue_within(json: &mut Value, arguments: &[(String, Value, Level)]) {
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

/// A chain as a mapping writes it.
pub fn chain_json(rules: &[RuleSpec]) -> Value {
    Value::Array(meaning::chain_json(rules))
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lead() -> Entity {
        Entity::built_in("lead").unwrap().unwrap()
    }

    fn layer(level: Level, json: Value) -> Layer {
        Layer { level, json }
    }

    #[test]
    fn the_last_word_counts_part_by_part() {
        let layers = [
            layer(
                Level::Package,
                json!({"fields": {"status": {"column": "status", "rules": ["squeeze"]}}}),
            ),
            layer(
                Level::Class("fr".into()),
                json!({"fields": {"status": {"rules": [{"map": {"Neuf": "new"}}]}, "company": "firma"}}),
            ),
            layer(Level::Org, json!({"fields": {"company": null}})),
        ];
        let mapping = json!({"key": "sfid", "fields": {"status": "state__c", "email": "email"}});
        let effective = merge(&layers, &mapping, &lead());
        assert_eq!(
            effective.json,
            json!({"key": "sfid", "fields": {
                "status": {"column": "state__c", "rules": [{"map": {"Neuf": "new"}}]}, "email": "email"}})
        );
        let levels: Vec<_> = effective
            .parts
            .iter()
            .map(|part| format!("{}.{} {}", part.field, part.part, part.level))
            .collect();
        assert_eq!(
            levels,
            [
                "email.source mapping",
                "email.rules entity",
                "status.source mapping",
                "status.rules class fr"
            ]
        );
        assert!(effective.is_own("status") && !effective.is_own("company"));
    }

    #[test]
    fn rules_without_arguments_get_them_from_the_defaults() {
        let layers = [layer(
            Level::Org,
            json!({"rules": {"number": {"decimal": ",", "group": " "}, "date": "%d/%m/%Y"}}),
        )];
        let mapping = json!({"fields": {"annual_revenue": "ca", "score": "points",
            "birth_date": {"column": "dob", "rules": [{"date": "%Y"}]}, "title": "title"}});
        let fields = &merge(&layers, &mapping, &lead()).json["fields"];
        let number = json!({"number": {"decimal": ",", "group": " "}});
        assert_eq!(fields["annual_revenue"]["rules"], json!([number]));
        assert_eq!(fields["score"]["rules"][0], number);
        assert_eq!(fields["score"]["rules"][1], json!({"range": {"min": 0, "max": 100}}));
        assert_eq!(fields["birth_date"]["rules"], json!([{"date": "%Y"}]));
        assert_eq!(fields["title"], "title");
        let within = json!({"fields": {
            "interests": {"column": "a", "rules": ["split", {"each": ["number"]}]},
            "birth_date": {"column": "b", "rules": ["split", {"first": ["squeeze", "date"]}]},
            "score": {"column": "c", "rules": [{"number": null, "problem": "invalid_value"}]}}});
        let fields = &merge(&layers, &within, &lead()).json["fields"];
        assert_eq!(fields["interests"]["rules"][1], json!({"each": [number]}));
        let date = json!({"date": "%d/%m/%Y"});
        assert_eq!(fields["birth_date"]["rules"][1], json!({"first": ["squeeze", date]}));
        assert_eq!(
            fields["score"]["rules"][0],
            json!({"number": {"decimal": ",", "group": " "}, "problem": "invalid_value"})
        );
        let nested =
            json!({"fields": {"budget_min": {"first_of": [{"column": "a", "rules": ["number"]}]}}});
        let fields = &merge(&layers, &nested, &lead()).json["fields"];
        assert_eq!(fields["budget_min"]["first_of"][0]["rules"], json!([number]));
    }

    #[test]
    fn without_layers_a_mapping_is_what_it_is() {
        let mapping =
            json!({"fields": {"status": {"column": "status", "rules": []}, "email": "email"}});
        assert_eq!(merge(&[], &mapping, &lead()).json, mapping);
        assert_eq!(merge(&[], &json!(7), &lead()).json, json!(7));
        let wrong = json!({"fields": {"status": {"rules": []}, "x": 7, "city": {}}});
        assert_eq!(merge(&[], &wrong, &lead()).json, wrong);
        assert!(mapping::Mapping::from_json(&wrong).is_err());
    }

    #[test]
    fn a_settings_last_word() {
        let layers = [
            layer(Level::Package, json!({"phone_region": "US"})),
            layer(Level::Class("fr".into()), json!({"phone_region": "FR"})),
        ];
        assert_eq!(setting(&layers, "phone_region"), Some(("FR", &Level::Class("fr".into()))));
        assert_eq!(setting(&layers, "time_zone"), None);
    }

    #[test]
    fn what_is_wrong_with_defaults() {
        let errors = |json: Value| -> Vec<String> {
            let errors = check(&json, Some(&lead())).err().unwrap_or_default();
            errors.into_iter().map(|error| error.path).collect()
        };
        assert_eq!(
            errors(
                json!({"rules": {"nmber": {}}, "fields": {"nope": "x", "status": {"rules": ["x"]}}, "field": {}, "time_zone": "UTC"})
            ),
            ["field", "time_zone", "rules[0]", "fields.nope", "fields.status.rules[0]"]
        );
        assert_eq!(errors(json!([])), [""]);
        assert!(
            errors(json!({"rules": {"date": "%d/%m/%Y"}, "fields": {"status": {"rules": []}}}))
                .is_empty()
        );
    }
}
