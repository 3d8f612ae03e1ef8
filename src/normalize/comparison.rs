//! How conditions compare: a value with a literal, and with another value of the row.

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::cell::{Cell, Kind};
use super::decimal;
use super::rules::{self, normal_key};
use crate::row::time::DAY;

/// What a value is compared with.
#[derive(Debug, PartialEq)]
pub enum Literal {
    /// A normal key.
    Text(String),
    Boolean(bool),
    /// A canonical decimal.
    Number(String),
    Date(i32),
    Timestamp(i64),
}

impl Literal {
    /// The literal for values of this kind, or what is wrong with it.
    pub fn of(json: &Json, kind: Option<Kind>) -> Result<Literal, String> {
        let kind = kind.unwrap_or(Kind::Text);
        let misfit = || format!("{} is never {json}", kind.name());
        Ok(match (kind, json) {
            (Kind::Json, _) => return Err("JSON can only be \"blank\" or \"present\"".into()),
            (Kind::Boolean, Json::Bool(value)) => Literal::Boolean(*value),
            (Kind::Boolean, Json::String(text)) => {
                Literal::Boolean(rules::boolean::standard_word(text).map_err(|_| misfit())?)
            }
            (Kind::Text | Kind::Number, Json::Number(number)) => {
                Literal::Number(decimal::from_json(number).ok_or_else(misfit)?)
            }
            (Kind::Number, Json::String(text)) => {
                Literal::Number(decimal::parse(text.trim()).ok_or_else(misfit)?.into_owned())
            }
            (Kind::Date, Json::String(text)) => {
                Literal::Date(rules::date::iso(text).map_err(|failure| failure.message)?)
            }
            (Kind::Timestamp, Json::String(text)) => {
                let day = rules::date::iso(text).map(|days| i64::from(days) * DAY);
                let moment = day.or_else(|_| rules::timestamp::iso(text));
                Literal::Timestamp(moment.map_err(|failure| failure.message)?)
            }
            (Kind::Text | Kind::Time | Kind::List, Json::String(text)) => {
                Literal::Text(normal_key(text))
            }
            _ => return Err(misfit()),
        })
    }

    /// How the cell compares with the literal; `None` where it is of another kind.
    pub fn compare(&self, cell: &Cell<'_>) -> Option<Ordering> {
        match (self, cell) {
            (Literal::Text(text), cell) => Some(normal_key(&cell.text()).as_str().cmp(text)),
            (Literal::Boolean(value), Cell::Boolean(cell)) => Some(cell.cmp(value)),
            (Literal::Number(number), Cell::Number(cell)) => Some(decimal::compare(cell, number)),
            (Literal::Number(number), Cell::Integer(_)) => {
                Some(decimal::compare(&cell.text(), number))
            }
            (Literal::Number(number), Cell::Text(text)) => {
                Some(decimal::compare(&decimal::parse(text.trim())?, number))
            }
            (Literal::Date(days), Cell::Date(cell)) => Some(cell.cmp(days)),
            (Literal::Timestamp(micros), Cell::Timestamp(cell)) => Some(cell.cmp(micros)),
            _ => None,
        }
    }

    pub fn equals(&self, cell: &Cell<'_>) -> bool {
        match (self, cell) {
            (Literal::Text(text), Cell::List(items)) => {
                items.iter().any(|item| normal_key(item) == *text)
            }
            _ => self.compare(cell) == Some(Ordering::Equal),
        }
    }
}

/// Whether values of these kinds can be compared with each other.
pub fn are_comparable(a: Kind, b: Kind) -> bool {
    let moments = [Kind::Date, Kind::Timestamp];
    let usable = !matches!(a, Kind::Json | Kind::List);
    usable && (a == b || moments.contains(&a) && moments.contains(&b))
}

/// How two values of a row compare; `None` where they are of different kinds. A date is its midnight.
pub fn compare(a: &Cell<'_>, b: &Cell<'_>) -> Option<Ordering> {
    let micros = |cell: &Cell<'_>| match cell {
        Cell::Date(i32::MAX) => Some(i64::MAX),
        Cell::Date(i32::MIN) => Some(i64::MIN),
        Cell::Date(days) => Some(i64::from(*days) * DAY),
        Cell::Timestamp(micros) => Some(*micros),
        _ => None,
    };
    let number = |cell: &Cell<'_>| matches!(cell, Cell::Number(_) | Cell::Integer(_));
    match (a, b) {
        (Cell::Boolean(a), Cell::Boolean(b)) => Some(a.cmp(b)),
        (Cell::Time(a), Cell::Time(b)) => Some(a.cmp(b)),
        (Cell::Text(a), Cell::Text(b)) => Some(normal_key(a).cmp(&normal_key(b))),
        (a, b) if number(a) && number(b) => Some(decimal::compare(&a.text(), &b.text())),
        (a, b) => Some(micros(a)?.cmp(&micros(b)?)),
    }
}
