//! Chunks that wait until the statements around them have ended (see [`super::nesting`]).

use crate::log::append::Chunk;
use crate::log::change::Op;
use crate::pg::compat;

/// Rows that were inserted, updated and deleted.
pub type Counts = [i64; 3];

/// Which of [`Counts`] an operation is, and in which order those of one query come (last first).
pub(super) fn index(op: Op) -> usize {
    match op {
        Op::Delete => 2,
        Op::Update => 1,
        _ => 0,
    }
}

/// Which statement a chunk is of: what is needed to merge it with others.
#[derive(Clone)]
pub struct Mark {
    pub(super) op: Op,
    /// The query that the statement is part of.
    pub(super) query: u32,
    /// How many rows the statements that were open had written when this one began, by their numbers.
    pub(super) marks: Vec<(u32, i64)>,
}

/// A chunk that waits.
pub struct Kept {
    pub chunk: Chunk,
    pub(super) mark: Mark,
    /// The savepoint that it was written in.
    pub(super) subtransaction: u32,
}

impl Kept {
    pub fn new(chunk: Chunk, mark: &Mark) -> Kept {
        let subtransaction = compat::current_subtransaction();
        Kept { chunk, mark: mark.clone(), subtransaction }
    }
}

impl Mark {
    /// Of what is not part of a statement.
    pub(super) fn of_row(op: Op) -> Mark {
        Mark { op, query: 0, marks: Vec::new() }
    }
}
