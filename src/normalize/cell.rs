//! What flows through a chain of rules: a [`Cell`] at run time, its [`Kind`] at compile time.

use std::borrow::Cow;

use super::decimal;
use super::rules::characters::is_invisible;
use crate::row::layout::Column;
use crate::row::value::Value;
use crate::row::{json, oid, time};

/// The kind of value at one place in a chain. Rules and field types say which they take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text, and everything that only its text stands for (uuid, interval, bytea, …).
    Text,
    Boolean,
    Number,
    Date,
    Time,
    /// A moment. Heroku Connect's timestamps without time zone are UTC.
    Timestamp,
    Json,
    /// A list of texts.
    List,
}

impl Kind {
    /// Every kind with a text of its own.
    pub const SCALARS: &'static [Kind] =
        &[Kind::Text, Kind::Boolean, Kind::Number, Kind::Date, Kind::Time, Kind::Timestamp];

    pub const ALL: &'static [Kind] = &[
        Kind::Text,
        Kind::Boolean,
        Kind::Number,
        Kind::Date,
        Kind::Time,
        Kind::Timestamp,
        Kind::Json,
        Kind::List,
    ];

    /// The kind of a column's values, by its base type.
    pub fn of_column(column: &Column) -> Kind {
        if column.element.is_some() {
            return Kind::List;
        }
        match column.base_oid {
            oid::BOOL => Kind::Boolean,
            oid::INT2 | oid::INT4 | oid::INT8 | oid::OID => Kind::Number,
            oid::FLOAT4 | oid::FLOAT8 | oid::NUMERIC => Kind::Number,
            oid::DATE => Kind::Date,
            oid::TIME => Kind::Time,
            oid::TIMESTAMP | oid::TIMESTAMPTZ => Kind::Timestamp,
            oid::JSON | oid::JSONB => Kind::Json,
            _ => Kind::Text,
        }
    }

    /// As messages say it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Boolean => "a boolean",
            Kind::Number => "a number",
            Kind::Date => "a date",
            Kind::Time => "a time",
            Kind::Timestamp => "a timestamp",
            Kind::Json => "JSON",
            Kind::List => "a list",
        }
    }
}

/// A value on its way through a chain. Borrows from the row, or from the plan, where it can.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    Null,
    Text(Cow<'a, str>),
    Boolean(bool),
    /// A number that is whole; a faster form of `Number`.
    Integer(i64),
    /// A decimal in canonical form (see `decimal.rs`).
    Number(Cow<'a, str>),
    /// Days since 1970-01-01, infinities as in [`Value::Date`].
    Date(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// Microseconds since 1970-01-01 UTC, infinities as in [`Value::Timestamp`].
    Timestamp(i64),
    Json(Cow<'a, str>),
    List(Vec<Cow<'a, str>>),
}

impl<'a> Cell<'a> {
    /// The cell of a decoded value. Numbers that are none (NaN, infinity) become text, which no
    /// numeric rule or field accepts.
    pub fn of(value: &'a Value<'a>) -> Cell<'a> {
        match value {
            Value::Null => Cell::Null,
            Value::Bool(value) => Cell::Boolean(*value),
            Value::Int(value) => Cell::Integer(*value),
            Value::Float4(value) => number(decimal::from_f32(*value), value),
            Value::Float8(value) => number(decimal::from_f64(*value), value),
            Value::Numeric(value) => match decimal::parse(value) {
                Some(number) => Cell::Number(number),
                None => Cell::Text(Cow::Borrowed(value)),
            },
            Value::Text(value) | Value::Other(value) => Cell::Text(Cow::Borrowed(value)),
            Value::Date(days) => Cell::Date(*days),
            Value::Time(micros) => Cell::Time(*micros),
            Value::Timestamp(micros) | Value::TimestampTz(micros) => Cell::Timestamp(*micros),
            Value::Json(value) => Cell::Json(Cow::Borrowed(value)),
            Value::Array(values) => Cell::List(
                values
                    .iter()
                    .filter(|value| **value != Value::Null)
                    .map(|value| match Cell::of(value) {
                        Cell::Text(text) => text,
                        cell => Cow::Owned(cell.text().into_owned()),
                    })
                    .collect(),
            ),
            Value::Bytea(_)
            | Value::TimeTz(..)
            | Value::Interval { .. }
            | Value::Uuid(_)
            | Value::Bits(..)
            | Value::Point(..) => {
                let mut text = String::new();
                value.display(&mut text);
                Cell::Text(Cow::Owned(text))
            }
        }
    }

    /// The same cell, borrowing what this one owns.
    pub fn borrowed(&self) -> Cell<'_> {
        match self {
            Cell::Null => Cell::Null,
            Cell::Text(text) => Cell::Text(Cow::Borrowed(text)),
            Cell::Boolean(value) => Cell::Boolean(*value),
            Cell::Integer(value) => Cell::Integer(*value),
            Cell::Number(text) => Cell::Number(Cow::Borrowed(text)),
            Cell::Date(days) => Cell::Date(*days),
            Cell::Time(micros) => Cell::Time(*micros),
            Cell::Timestamp(micros) => Cell::Timestamp(*micros),
            Cell::Json(text) => Cell::Json(Cow::Borrowed(text)),
            Cell::List(items) => {
                Cell::List(items.iter().map(|item| Cow::Borrowed(&**item)).collect())
            }
        }
    }

    /// Text of nothing but white space and what cannot be seen counts as no value.
    pub fn is_blank(&self) -> bool {
        match self {
            Cell::Null => true,
            Cell::Text(text) => {
                text.chars().all(|c| c.is_whitespace() || c > '~' && is_invisible(c))
            }
            _ => false,
        }
    }

    /// Appends the cell's text; nothing for NULL.
    pub fn push_text(&self, out: &mut String) {
        match self {
            Cell::Null => {}
            Cell::Text(text) | Cell::Number(text) | Cell::Json(text) => out.push_str(text),
            Cell::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
            Cell::Integer(value) => {
                use std::fmt::Write;
                // Writing to a String cannot fail.
                let _ = write!(out, "{value}");
            }
            Cell::Date(days) => time::date(out, *days),
            Cell::Time(micros) => time::time(out, *micros),
            Cell::Timestamp(micros) => time::timestamp(out, *micros, "T", "+00:00"),
            Cell::List(items) => push_array(out, items),
        }
    }

    /// The cell's text, borrowed where it is text already.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Cell::Text(text) | Cell::Number(text) | Cell::Json(text) => Cow::Borrowed(text),
            _ => {
                let mut out = String::new();
                self.push_text(&mut out);
                Cow::Owned(out)
            }
        }
    }

    /// The same, giving up the cell.
    pub fn into_text(self) -> Cow<'a, str> {
        match self {
            Cell::Text(text) | Cell::Number(text) | Cell::Json(text) => text,
            cell => Cow::Owned(cell.text().into_owned()),
        }
    }
}

/// Appends a JSON array of strings.
fn push_array(out: &mut String, items: &[Cow<'_, str>]) {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        json::string(out, item);
    }
    out.push(']');
}

fn number<'a>(decimal: Option<String>, value: &impl ToString) -> Cell<'a> {
    match decimal {
        Some(number) => Cell::Number(Cow::Owned(number)),
        None => Cell::Text(Cow::Owned(value.to_string())),
    }
}
