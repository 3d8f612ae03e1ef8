//! What a mapping gives a rule, and how rules read it.

use serde_json::{Map, Value};

use super::Scope;
use crate::normalize::MappingError;
use crate::normalize::cell::Kind;
use crate::normalize::mapping::{self, RuleSpec};

/// What a mapping gives a rule, and where it stands.
pub struct Arguments<'a> {
    pub spec: &'a RuleSpec,
    /// Path of the rule, e.g. `fields.status.rules[1]`.
    pub path: &'a str,
    /// What the rule gets, where that is known.
    pub input: Option<Kind>,
    pub scope: &'a Scope<'a>,
}

impl<'a> Arguments<'a> {
    /// The path of the rule's argument.
    pub fn argument_path(&self) -> String {
        format!("{}.{}", self.path, self.spec.name)
    }

    /// For rules that take no argument.
    pub fn none(&self, errors: &mut Vec<MappingError>) -> Option<()> {
        self.options(&[], errors);
        if self.spec.argument.is_none() {
            return Some(());
        }
        let message = format!("\"{}\" takes no argument", self.spec.name);
        let hint = format!("Write \"{}\" as a mere name.", self.spec.name);
        errors.push(MappingError::new(self.argument_path(), message).hint(hint));
        None
    }

    /// Refuses every option but these.
    pub fn options(&self, known: &[&str], errors: &mut Vec<MappingError>) {
        mapping::refuse_unknown(&self.spec.options, known, self.path, errors);
    }

    /// The argument as an object with no members but these.
    pub fn object(
        &self,
        known: &[&str],
        errors: &mut Vec<MappingError>,
    ) -> Option<&'a Map<String, Value>> {
        match &self.spec.argument {
            Some(Value::Object(members)) => {
                mapping::refuse_unknown(members, known, &self.argument_path(), errors);
                Some(members)
            }
            _ => {
                let message = format!("\"{}\" needs an object", self.spec.name);
                let hint = format!("Its members: {}.", known.join(", "));
                errors.push(MappingError::new(self.argument_path(), message).hint(hint));
                None
            }
        }
    }

    /// The argument as text.
    pub fn text(&self, errors: &mut Vec<MappingError>) -> Option<String> {
        match &self.spec.argument {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            _ => {
                self.wrong("", format!("\"{}\" needs text", self.spec.name), errors);
                None
            }
        }
    }

    /// A member that is true or false; false where it is absent.
    pub fn flag(
        &self,
        members: &Map<String, Value>,
        name: &str,
        errors: &mut Vec<MappingError>,
    ) -> bool {
        match members.get(name) {
            None => false,
            Some(Value::Bool(value)) => *value,
            Some(_) => {
                self.wrong(name, "true or false is needed", errors);
                false
            }
        }
    }

    /// Adds an error at the argument, or at a member of it.
    pub fn wrong(&self, member: &str, message: impl Into<String>, errors: &mut Vec<MappingError>) {
        let dot = if member.is_empty() { "" } else { "." };
        errors.push(MappingError::new(format!("{}{dot}{member}", self.argument_path()), message));
    }
}
