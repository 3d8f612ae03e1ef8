//! What a plan makes of a row.

use std::borrow::Cow;
use std::sync::Arc;

use super::chain::Failed;
use super::rules;

/// Longer source values are shortened in problems.
const VALUE_CHARACTERS: usize = 200;

/// A buffer of more is let go of.
const KEPT_BYTES: usize = 64 * 1024;

/// The reasons that problems have beside those of rules.
const REASONS: [&str; 7] = [
    "sql_error",
    "missing_key",
    "key_too_long",
    "missing_value",
    "refused",
    "undecodable",
    "not_published",
];

/// Every reason that a problem may have.
pub fn reasons() -> impl Iterator<Item = &'static str> {
    rules::reasons().chain(REASONS)
}

/// What a plan made of one row. Meant to be reused: the next run keeps the allocations.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The record's id, the canonical `sfid`. `None` where the source has none.
    pub key: Option<String>,
    /// The row cannot land at all, because its key or a required field is missing, or its key is
    /// too long; `problems` says which (reasons `missing_key`, `key_too_long` and `missing_value`).
    pub held: bool,
    /// The mapping's `when` does not hold: there is to be no canonical row. Nothing but the key is
    /// filled.
    pub excluded: bool,
    /// A text for every field of the entity, in its order, that the server casts to the field's
    /// type without an error; `None` is NULL. Numerics are plain decimals, moments like
    /// `2024-12-17T08:57:57+00:00` with a fraction of a second only where there is one,
    /// lists array literals.
    pub fields: Vec<Option<String>>,
    /// JSON object of every business column that the mapping does not use and that is not NULL,
    /// keys sorted; `None` where there is none.
    pub extras: Option<String>,
    pub problems: Vec<Problem>,
    /// Buffers of values that were NULL last time.
    spare: Vec<String>,
}

/// A value that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The canonical field; `sfid` for the key.
    pub field: Arc<str>,
    /// Which derivation of the field, as `first_of[0]`; empty for the field's own rules.
    pub path: String,
    /// What the source held, shortened; `None` where it held nothing.
    pub value: Option<String>,
    /// What the rule was given, where that is text, and not a long one.
    pub input: Option<String>,
    /// The rule that failed; `type` for the conversion to the field's type, `key` and `required`
    /// where something is missing.
    pub rule: &'static str,
    /// A stable code, e.g. `invalid_date`.
    pub reason: &'static str,
    pub message: String,
}

impl Outcome {
    /// Makes room for the next row.
    pub(super) fn reset(&mut self, fields: usize) {
        let texts = self.fields.iter_mut().map(Option::take);
        let used = texts.chain([self.key.take(), self.extras.take()]).flatten();
        self.spare.extend(used.filter(|buffer| buffer.capacity() <= KEPT_BYTES));
        self.fields.resize_with(fields, || None);
        self.problems.clear();
        self.held = false;
        self.excluded = false;
    }

    /// An empty text, from the spare ones where there are any.
    pub(super) fn buffer(&mut self) -> String {
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer
    }

    /// Takes a buffer back that is not needed after all.
    pub(super) fn give_back(&mut self, buffer: String) {
        self.spare.push(buffer);
    }

    /// A field without rules that failed: a key, or a value that has to be there.
    pub(super) fn problem(
        &mut self,
        field: &Arc<str>,
        value: Option<&str>,
        (rule, reason): (&'static str, &'static str),
        message: String,
    ) {
        let value = value.map(|value| shorten(value, VALUE_CHARACTERS).into_owned());
        let (field, path) = (field.clone(), String::new());
        self.problems.push(Problem { field, path, value, input: None, rule, reason, message });
    }

    /// A field whose value cannot be used.
    pub(super) fn failed(&mut self, field: &Arc<str>, failed: Failed) {
        let path = failed.path.as_deref().unwrap_or_default();
        let path = path.strip_prefix("fields.").unwrap_or(path);
        let path = path.strip_prefix(&**field).unwrap_or(path).trim_start_matches('.');
        self.problems.push(Problem {
            field: field.clone(),
            path: path.to_string(),
            value: failed.value.map(|value| shorten(&value, VALUE_CHARACTERS).into_owned()),
            input: failed.failure.input.map(String::from),
            rule: failed.rule,
            reason: failed.failure.reason,
            message: failed.failure.message,
        });
    }
}

/// At most so many characters, the last being `…` where there were more.
pub fn shorten(text: &str, characters: usize) -> Cow<'_, str> {
    // As many bytes as characters are allowed can hold no more characters.
    if text.len() <= characters || text.chars().nth(characters).is_none() {
        return Cow::Borrowed(text);
    }
    let mut short: String = text.chars().take(characters.saturating_sub(1)).collect();
    short.push('…');
    Cow::Owned(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortened_by_characters() {
        assert_eq!(shorten("été", 3), "été");
        assert_eq!(shorten("étés", 3), "ét…");
        assert_eq!(shorten("", 0), "");
    }
}
