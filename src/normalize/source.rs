//! Where a field's value comes from, compiled: columns are positions among the decoded values.

use std::borrow::Cow;

use super::cell::{Cell, Kind};
use super::rules;
use crate::row::value::Value;

/// What a field is made of: the decoded columns of a row, and the canonical fields that are made
/// already, as the text that the server casts.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    pub values: &'a [Value<'a>],
    pub fields: &'a [Option<String>],
}

impl<'a> Row<'a> {
    /// The value of a column, by its place among the decoded ones.
    pub fn column(&self, at: usize) -> Cell<'a> {
        self.values.get(at).map_or(Cell::Null, Cell::of)
    }

    /// The value of a canonical field of this kind, by its place in the entity.
    pub fn field(&self, at: usize, kind: Kind) -> Cell<'a> {
        let Some(text) = self.fields.get(at).and_then(Option::as_deref) else { return Cell::Null };
        match kind {
            Kind::Text | Kind::Time => Cell::Text(Cow::Borrowed(text)),
            Kind::Boolean => Cell::Boolean(text == "true"),
            Kind::Number => Cell::Number(Cow::Borrowed(text)),
            // Infinity, and years before Christ, have but their text.
            Kind::Date => rules::date::iso(text).map_or(Cell::Text(text.into()), Cell::Date),
            Kind::Timestamp => {
                rules::timestamp::iso(text).map_or(Cell::Text(text.into()), Cell::Timestamp)
            }
            Kind::Json => Cell::Json(Cow::Borrowed(text)),
            Kind::List => Cell::List(array_items(text).into_iter().map(Cow::Owned).collect()),
        }
    }
}

/// The items of an array literal in which every item is quoted, as `convert.rs` writes it.
fn array_items(literal: &str) -> Vec<String> {
    let mut items = Vec::new();
    let mut item: Option<String> = None;
    let mut characters = literal.chars();
    while let Some(character) = characters.next() {
        match (character, &mut item) {
            ('"', None) => item = Some(String::new()),
            ('"', Some(_)) => items.extend(item.take()),
            ('\\', Some(text)) => text.extend(characters.next()),
            (character, Some(text)) => text.push(character),
            (_, None) => {}
        }
    }
    items
}

/// A compiled source. Positions are into the values that the plan decodes.
#[derive(Debug)]
pub enum Input {
    Column(usize),
    /// The first that is not blank, as text where the columns have several kinds.
    FirstOf {
        columns: Vec<usize>,
        as_text: bool,
    },
    Template(Vec<Piece>),
}

#[derive(Debug)]
pub enum Piece {
    Text(String),
    Column(usize),
}

impl Input {
    /// The value that goes into the chain.
    pub fn cell<'a>(&self, row: &Row<'a>) -> Cell<'a> {
        let column = |&at: &usize| row.column(at);
        match self {
            Input::Column(at) => column(at),
            Input::FirstOf { columns, as_text } => {
                let cell = columns.iter().map(column).find(|cell| !cell.is_blank());
                match cell {
                    None => Cell::Null,
                    Some(cell) if *as_text => Cell::Text(cell.into_text()),
                    Some(cell) => cell,
                }
            }
            Input::Template(pieces) => {
                let mut text = String::new();
                let mut blank = true;
                for piece in pieces {
                    match piece {
                        Piece::Text(piece) => text.push_str(piece),
                        Piece::Column(at) => {
                            let cell = column(at);
                            blank &= cell.is_blank();
                            cell.push_text(&mut text);
                        }
                    }
                }
                if blank { Cell::Null } else { Cell::Text(Cow::Owned(text)) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::convert;
    use crate::normalize::field_type::FieldType;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lists_read_back(items in prop::collection::vec("[a\"\\\\,{} é]{0,6}", 0..4)) {
            let cell = Cell::List(items.iter().map(|item| item.as_str().into()).collect());
            let mut literal = String::new();
            convert::push(cell, FieldType::TextArray, &mut literal).unwrap();
            prop_assert_eq!(array_items(&literal), items);
        }
    }
}
