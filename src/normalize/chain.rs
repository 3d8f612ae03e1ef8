//! Chains: the rules of one field in their order, and the conversion to the field's type.

use super::MappingError;
use super::cell::{Cell, Kind};
use super::convert;
use super::field_type::FieldType;
use super::mapping::RuleSpec;
use super::rules::{self, Arguments, Failure, Rule};

/// How a problem names the conversion to the field's type.
const CONVERSION: &str = "type";

/// A compiled chain.
#[derive(Debug)]
pub struct Chain {
    steps: Vec<Step>,
    target: FieldType,
}

#[derive(Debug)]
struct Step {
    name: &'static str,
    rule: Box<dyn Rule>,
}

impl Chain {
    /// Builds the rules and checks that each takes what the one before it yields, and the field
    /// what the last one yields. `path` is that of the list of rules. Without an input only the
    /// rules themselves are checked.
    pub fn compile(
        specs: &[RuleSpec],
        input: Option<Kind>,
        target: FieldType,
        path: &str,
    ) -> Result<Chain, Vec<MappingError>> {
        let mut errors = Vec::new();
        let mut steps = Vec::with_capacity(specs.len());
        // Unknown after a rule that could not be built: what follows is then not checked.
        let mut kind = input;
        for (index, spec) in specs.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let Some(definition) = rules::find(&spec.name) else {
                errors.push(MappingError::new(path, format!("there is no rule \"{}\"", spec.name)));
                kind = None;
                continue;
            };
            if let Some(kind) = kind.filter(|kind| !definition.accepts.contains(kind)) {
                errors.push(misfit(definition, kind, &path));
            }
            let arguments = Arguments { spec, path: &path };
            let rule = (definition.build)(&arguments, &mut errors);
            kind = rule.as_ref().map(|rule| rule.output());
            steps.extend(rule.map(|rule| Step { name: definition.name, rule }));
        }
        if let Some(kind) = kind
            && let Err(hint) = target.accepts(kind)
        {
            let message = format!("{} does not fit a field of type {}", kind.name(), target.sql());
            errors.push(MappingError::new(path, message).hint(hint));
        }
        if errors.is_empty() { Ok(Chain { steps, target }) } else { Err(errors) }
    }

    /// Runs the chain and appends what it yields to `out`, as text that the server casts to the
    /// field's type without an error. `false` is NULL. Blank text is NULL at every step.
    ///
    /// # Errors
    /// The name of the rule that failed, and why.
    pub fn run<'a>(
        &'a self,
        mut cell: Cell<'a>,
        out: &mut String,
    ) -> Result<bool, (&'static str, Failure)> {
        for step in &self.steps {
            if cell.is_blank() {
                return Ok(false);
            }
            cell = step.rule.apply(cell).map_err(|failure| (step.name, failure))?;
        }
        if cell.is_blank() {
            return Ok(false);
        }
        convert::push(cell, self.target, out).map_err(|failure| (CONVERSION, failure))?;
        Ok(true)
    }
}

fn misfit(definition: &rules::Definition, kind: Kind, path: &str) -> MappingError {
    let takes: Vec<_> = definition.accepts.iter().map(|kind| kind.name()).collect();
    let message =
        format!("\"{}\" takes {}, but gets {}", definition.name, takes.join(", "), kind.name());
    let hint = match (definition.accepts, kind) {
        ([Kind::Number], Kind::Text) => "Put \"number\" before it.",
        (_, Kind::Json | Kind::List) => "No rule takes this kind yet; leave the chain empty.",
        (accepts, _) if accepts.contains(&Kind::Text) => "Put \"squeeze\" before it to get text.",
        _ => "Change the rules or the column.",
    };
    MappingError::new(format!("{path}.{}", definition.name), message).hint(hint)
}
