//! Compiled conditions, and whether they hold for a row.

use std::cmp::Ordering;

use regex::Regex;

use super::cell::{Cell, Kind};
use super::comparison::{self, Literal};
use super::rules::normal_key;
use super::source::Row;

/// A compiled condition.
#[derive(Debug)]
pub enum Test {
    And(Vec<Test>),
    Or(Vec<Test>),
    Not(Box<Test>),
    Check(Place, Check),
}

/// Where the tested value is found in a row.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    Column(usize),
    Field(usize, Kind),
    /// The column has gone: always NULL.
    Nowhere,
}

#[derive(Debug)]
pub enum Check {
    Blank,
    OneOf(Vec<Literal>),
    Matches(Box<Regex>),
    /// A multi-select, or a list, with one of these (normal keys) among its values.
    Includes(Vec<String>),
    Order(Literal, fn(Ordering) -> bool),
    /// Compares so with another value of the row.
    Other(Place, fn(Ordering) -> bool),
}

impl Test {
    /// Whether the condition holds for a row.
    pub fn holds(&self, row: &Row<'_>) -> bool {
        match self {
            Test::And(parts) => parts.iter().all(|part| part.holds(row)),
            Test::Or(parts) => parts.iter().any(|part| part.holds(row)),
            Test::Not(part) => !part.holds(row),
            Test::Check(place, check) => check.holds(&place.cell(row), row),
        }
    }
}

impl Place {
    fn cell<'a>(self, row: &Row<'a>) -> Cell<'a> {
        match self {
            Place::Column(at) => row.column(at),
            Place::Field(at, kind) => row.field(at, kind),
            Place::Nowhere => Cell::Null,
        }
    }
}

impl Check {
    fn holds(&self, cell: &Cell<'_>, row: &Row<'_>) -> bool {
        if cell.is_blank() {
            return matches!(self, Check::Blank);
        }
        match self {
            Check::Blank => false,
            Check::OneOf(literals) => literals.iter().any(|literal| literal.equals(cell)),
            Check::Matches(regex) => regex.is_match(&cell.text()),
            Check::Includes(keys) => match cell {
                Cell::List(items) => items.iter().any(|item| keys.contains(&normal_key(item))),
                cell => cell.text().split(';').any(|item| keys.contains(&normal_key(item))),
            },
            Check::Order(literal, holds) => literal.compare(cell).is_some_and(holds),
            Check::Other(other, holds) => {
                let other = other.cell(row);
                !other.is_blank() && comparison::compare(cell, &other).is_some_and(holds)
            }
        }
    }
}
