//! Plans: a mapping compiled against an entity and one layout of its source, and how a row runs
//! through one.

use std::collections::HashSet;
use std::sync::Arc;

use super::cell::Cell;
use super::chain;
use super::condition::Test;
use super::entity::Field;
use super::field_type::FieldType;
use super::json;
use super::outcome::Outcome;
use super::rules::normal_key;
use super::source::{Derived, Row};
use crate::row::image::Malformed;
use crate::row::layout::Column;
use crate::row::name::KEY_BYTES;
use crate::row::value::{Server, Value};
use crate::row::{Kind, json as row_json};

/// A mapping made ready to run over rows of one layout. Can be shared between threads.
#[derive(Debug)]
pub struct Plan {
    /// The columns that fields and key use, each decoded once a row.
    pub(super) used: Vec<At>,
    /// The key's place in `used`; `None` if its column has gone.
    pub(super) key: Option<usize>,
    pub(super) key_name: Arc<str>,
    /// Normal keys of texts that count as NULL.
    pub(super) blank: HashSet<String>,
    /// Rows for which it does not hold are not canonical.
    pub(super) when: Option<Test>,
    /// One for every field of the entity.
    pub(super) fields: Vec<FieldPlan>,
    /// The fields in the order in which they are made: each after those that it depends on.
    pub(super) order: Vec<usize>,
    /// The columns that go to extras, by name.
    pub(super) extras: Vec<Extra>,
    /// Statements that evaluate an SQL expression over a row, given as JSON.
    pub(super) expressions: Vec<String>,
    /// All columns, for the expressions; empty where there are none.
    pub(super) columns: Vec<At>,
}

/// A column and its position in the layout.
#[derive(Debug)]
pub(super) struct At {
    pub position: usize,
    column: Column,
    kind: Kind,
}

impl At {
    pub fn new(position: usize, column: &Column) -> At {
        At { position, kind: Kind::of(column), column: column.clone() }
    }

    pub fn name(&self) -> &str {
        &self.column.name
    }

    /// The column's value in a row; what is missing is NULL.
    pub fn value<'a>(
        &self,
        slots: &[Option<&'a [u8]>],
        server: &dyn Server,
    ) -> Result<Value<'a>, Malformed> {
        match slots.get(self.position).copied().flatten() {
            Some(slot) => self.kind.decode(&self.column, slot, server),
            None => Ok(Value::Null),
        }
    }
}

#[derive(Debug)]
pub(super) struct FieldPlan {
    name: Arc<str>,
    required: bool,
    kind: FieldType,
    how: How,
}

#[derive(Debug)]
pub(super) enum How {
    /// The same for every row; NULL where the mapping says nothing of the field.
    Constant(Option<String>),
    Derived(Derived),
}

#[derive(Debug)]
pub(super) struct Extra {
    pub at: At,
    /// The member's name as JSON, with the colon.
    pub member: String,
    /// Its JSON may not be what `jsonb` takes.
    pub doubtful: bool,
}

impl FieldPlan {
    pub(super) fn new(field: &Field, how: How) -> FieldPlan {
        FieldPlan {
            name: field.name.as_str().into(),
            required: field.required,
            kind: field.kind,
            how,
        }
    }
}

impl Plan {
    /// Normalizes a row. `slots` is as long as the plan's layout; what is missing is NULL.
    ///
    /// # Errors
    /// Only if the slots do not fit the layout. A value that cannot be used is a problem in `out`.
    pub fn run(
        &self,
        slots: &[Option<&[u8]>],
        server: &dyn Server,
        out: &mut Outcome,
    ) -> Result<(), Malformed> {
        let mut used =
            self.used.iter().map(|at| at.value(slots, server)).collect::<Result<Vec<_>, _>>()?;
        self.empty(&mut used);
        let expressions = self.evaluate(slots, server)?;
        self.normalize(&used, &expressions, out);
        if out.excluded {
            return Ok(());
        }
        let mut extras = ExtrasWriter::new(out);
        for extra in &self.extras {
            // Most columns of most rows are NULL: not worth decoding.
            if slots.get(extra.at.position).is_some_and(Option::is_some) {
                extras.add(extra, &extra.at.value(slots, server)?);
            }
        }
        extras.end(out);
        Ok(())
    }

    /// What the SQL expressions yield for a row.
    fn evaluate(
        &self,
        slots: &[Option<&[u8]>],
        server: &dyn Server,
    ) -> Result<Vec<Result<Option<String>, String>>, Malformed> {
        if self.expressions.is_empty() {
            return Ok(Vec::new());
        }
        let mut row = String::from("{");
        for at in &self.columns {
            let value = at.value(slots, server)?;
            if value == Value::Null {
                continue;
            }
            row.push_str(if row.len() > 1 { "," } else { "" });
            row_json::string(&mut row, at.name());
            row.push(':');
            value.to_json(&mut row);
        }
        row.push('}');
        Ok(self.expressions.iter().map(|sql| server.evaluate(sql, &row)).collect())
    }

    /// The key of a row, without normalizing it: what a deleted row needs.
    ///
    /// # Errors
    /// As [`run`](Plan::run).
    pub fn key(
        &self,
        slots: &[Option<&[u8]>],
        server: &dyn Server,
    ) -> Result<Option<String>, Malformed> {
        let Some(at) = self.key.and_then(|key| self.used.get(key)) else { return Ok(None) };
        let Some(slot) = slots.get(at.position).copied().flatten() else { return Ok(None) };
        let value = at.kind.decode(&at.column, slot, server)?;
        let key = Cell::of(&value).text().into_owned();
        Ok((!key.trim().is_empty()).then_some(key))
    }

    /// Normalizes a row whose values are decoded already, one for every column of the layout.
    pub fn run_values(&self, values: &[Value<'_>], out: &mut Outcome) {
        let value = |at: &At| values.get(at.position).unwrap_or(&Value::Null);
        let mut used: Vec<_> = self.used.iter().map(|at| value(at).clone()).collect();
        self.empty(&mut used);
        self.normalize(&used, &[], out);
        if out.excluded {
            return;
        }
        let mut extras = ExtrasWriter::new(out);
        for extra in &self.extras {
            extras.add(extra, value(&extra.at));
        }
        extras.end(out);
    }

    /// Makes NULL of the texts that count as such.
    fn empty(&self, used: &mut [Value<'_>]) {
        if self.blank.is_empty() {
            return;
        }
        for value in used {
            if let Value::Text(text) | Value::Other(text) = value
                && self.blank.contains(&normal_key(text))
            {
                *value = Value::Null;
            }
        }
    }

    /// Everything but extras.
    fn normalize(
        &self,
        used: &[Value<'_>],
        expressions: &[Result<Option<String>, String>],
        out: &mut Outcome,
    ) {
        out.reset(self.fields.len());
        if let Some(when) = &self.when
            && !when.holds(&Row::of(used))
        {
            out.excluded = true;
            out.key = self.key_text(used);
            return;
        }
        self.fill_key(used, out);
        for &index in &self.order {
            let field = &self.fields[index];
            let mut text = out.buffer();
            let given = match &field.how {
                How::Constant(None) => Ok(false),
                How::Constant(Some(constant)) => {
                    text.push_str(constant);
                    Ok(true)
                }
                How::Derived(derived) => {
                    let row = Row { values: used, fields: &out.fields, expressions };
                    derived.made(&row).and_then(|cell| {
                        chain::finish(cell, field.kind, &mut text).map_err(|failed| {
                            let value = derived.shown(&row);
                            let mut failure = failed.failure;
                            failure.input = derived.made(&row).ok().and_then(chain::input);
                            chain::Failed { value, failure, ..failed }
                        })
                    })
                }
            };
            let given = match given {
                Ok(given) => given,
                Err(failed) => {
                    out.failed(&field.name, failed);
                    out.held |= field.required;
                    out.give_back(text);
                    continue;
                }
            };
            if given {
                out.fields[index] = Some(text);
                continue;
            }
            out.give_back(text);
            if field.required {
                out.held = true;
                let message = "the field is required and has no value".into();
                out.problem(&field.name, None, ("required", "missing_value"), message);
            }
        }
    }

    fn key_text(&self, used: &[Value<'_>]) -> Option<String> {
        let cell = Cell::of(used.get(self.key?)?);
        (!cell.is_blank()).then(|| cell.into_text().into_owned())
    }

    fn fill_key(&self, used: &[Value<'_>], out: &mut Outcome) {
        let key = self.key_text(used);
        let wrong = match &key {
            None => Some((("key", "missing_key"), "the record has no id yet".into())),
            Some(key) if key.len() > KEY_BYTES => {
                let message = format!("the key has {} bytes, of {KEY_BYTES} at most", key.len());
                Some((("key", "key_too_long"), message))
            }
            Some(_) => None,
        };
        if let Some((what, message)) = wrong {
            out.held = true;
            out.problem(&self.key_name, key.as_deref(), what, message);
        }
        out.key = key;
    }
}

/// Writes the JSON object of extras.
struct ExtrasWriter(String);

impl ExtrasWriter {
    fn new(out: &mut Outcome) -> ExtrasWriter {
        ExtrasWriter(out.buffer())
    }

    fn add(&mut self, extra: &Extra, value: &Value<'_>) {
        if *value == Value::Null {
            return;
        }
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&extra.member);
        let start = self.0.len();
        value.to_json(&mut self.0);
        if extra.doubtful && !json::is_jsonb(&self.0[start..]) {
            self.0.truncate(start);
            let mut text = String::new();
            value.display(&mut text);
            row_json::string(&mut self.0, &text);
        }
    }

    fn end(mut self, out: &mut Outcome) {
        if self.0.is_empty() {
            out.give_back(self.0);
        } else {
            self.0.push('}');
            out.extras = Some(self.0);
        }
    }
}
