//! A chain with one of its rules told otherwise. Pure.

use serde_json::{Map, Value, json};

use crate::normalize::meaning::{inner, inner_mut, is};

/// The chain in which a rule, wherever it stands, has been told otherwise by `change`: its argument and its
/// options. What else is in the chain stays. Without such a rule it is one by itself.
pub fn changed(
    chain: &[Value],
    name: &str,
    change: impl Fn(&mut Value, &mut Map<String, Value>),
) -> Value {
    let mut chain = chain.to_vec();
    if !change_within(&mut chain, name, &change) {
        chain = vec![name.into()];
        change_within(&mut chain, name, &change);
    }
    chain.into()
}

/// Whether a rule stands in a chain.
pub fn names(chain: &[Value], name: &str) -> bool {
    chain.iter().any(|rule| inner(rule).map_or_else(|| is(rule, name), |chain| names(chain, name)))
}

fn change_within(
    chain: &mut [Value],
    name: &str,
    change: &impl Fn(&mut Value, &mut Map<String, Value>),
) -> bool {
    for rule in chain.iter_mut() {
        if let Some(chain) = inner_mut(rule) {
            if change_within(chain, name, change) {
                return true;
            }
            continue;
        }
        let mut options = match rule {
            Value::String(named) if named == name => Map::new(),
            Value::Object(members) if members.contains_key(name) => members.clone(),
            _ => continue,
        };
        let mut argument = options.shift_remove(name).unwrap_or_default();
        change(&mut argument, &mut options);
        let mut members = Map::from_iter([(name.to_string(), argument)]);
        members.extend(options);
        *rule = json!(members);
        return true;
    }
    false
}
