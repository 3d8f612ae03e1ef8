//! Where a field's value comes from, compiled: columns are positions among the decoded values.

use std::borrow::Cow;

use super::cell::Cell;
use crate::row::value::Value;

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
    pub fn cell<'a>(&self, values: &'a [Value<'a>]) -> Cell<'a> {
        let column = |&at: &usize| values.get(at).map_or(Cell::Null, Cell::of);
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
