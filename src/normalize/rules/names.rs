//! What `country` and `currency` share: codes of a standard, and the names that an org has for them.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{Argument, Arguments};
use crate::normalize::MappingError;
use crate::normalize::cell::Cell;

/// The argument that gives an org's own names.
pub const ALIASES: Argument = Argument {
    name: "aliases",
    kind: "object",
    required: false,
    meaning: "The org's own names and signs, each with its code (or null for none); they go first.",
};

/// A standard that has codes.
pub struct Standard {
    /// What a code stands for, as messages say it.
    pub what: &'static str,
    /// The reason of problems.
    pub unknown: &'static str,
    /// The key of a name, the same for all its spellings.
    pub fold: fn(&str) -> String,
    /// The code of a key.
    pub find: fn(&str) -> Option<&'static str>,
}

/// An org's own names by their keys; `None` for those that mean that there is none.
pub type Aliases = HashMap<String, Option<&'static str>>;

impl Standard {
    /// Reads the member `aliases`.
    pub fn aliases(
        &self,
        members: &Map<String, Value>,
        arguments: &Arguments<'_>,
        errors: &mut Vec<MappingError>,
    ) -> Aliases {
        let given = match members.get(ALIASES.name) {
            None => return Aliases::new(),
            Some(Value::Object(given)) => given,
            Some(_) => {
                arguments.wrong(ALIASES.name, "an object is needed: name → code", errors);
                return Aliases::new();
            }
        };
        let mut aliases = Aliases::new();
        for (name, code) in given {
            let known = match code {
                Value::Null => Some(None),
                code => code.as_str().and_then(|code| (self.find)(&(self.fold)(code))).map(Some),
            };
            match known {
                Some(code) => drop(aliases.insert((self.fold)(name), code)),
                None => {
                    let message = format!("the code of a {} is needed, or null", self.what);
                    arguments.wrong(&format!("{}.{name}", ALIASES.name), message, errors);
                }
            }
        }
        aliases
    }
}

/// A code as a cell; NULL for none.
pub fn cell<'a>(code: Option<&'static str>) -> Cell<'a> {
    code.map_or(Cell::Null, |code| Cell::Text(Cow::Borrowed(code)))
}
