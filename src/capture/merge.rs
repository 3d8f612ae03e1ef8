//! The rows of a statement, merged with those of the statements that ran inside it.

use std::collections::VecDeque;

use super::kept::{Kept, Mark};
use super::nesting::Ended;
use crate::log::append::{Chunk, Log, Statement};
use crate::log::change::Op;
use crate::log::objects::Objects;

/// Takes the rows of one statement in their order, and passes chunks on.
pub struct Merge {
    head: Statement,
    mark: Mark,
    chunk: Chunk,
    /// Rows taken so far.
    rows: i64,
    /// What ended since the statement began, and before which row each belongs.
    since: VecDeque<(i64, Kept)>,
    out: Out,
}

enum Out {
    Log(Log),
    /// To be kept, and where in it each of `since` ended up.
    Keep(Vec<Kept>, Vec<usize>),
}

impl Merge {
    pub fn new(head: Statement, ended: Ended, objects: &Objects) -> Merge {
        let mut out = match ended.last {
            true => Out::Log(Log::open(objects)),
            false => Out::Keep(Vec::new(), Vec::new()),
        };
        for kept in ended.before {
            out.since(kept);
        }
        Merge {
            head,
            mark: ended.mark,
            chunk: Chunk::new(head),
            rows: 0,
            since: ended.since.into(),
            out,
        }
    }

    pub fn op(&self) -> Op {
        self.head.op
    }

    /// Adds a row of `size` bytes, as `write` packs it.
    pub fn row(
        &mut self,
        size: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), &'static str> {
        pgrx::check_for_interrupts!();
        while self.since.front().is_some_and(|(place, _)| *place <= self.rows) {
            self.next_since();
        }
        self.rows += 1;
        self.chunk.reserve(size)?;
        let (out, mark) = (&mut self.out, &self.mark);
        self.chunk.row(write, |full| out.own(full, mark));
        Ok(())
    }

    fn next_since(&mut self) {
        if !self.chunk.is_empty() {
            self.out.own(&mut self.chunk, &self.mark);
        }
        if let Some((_, kept)) = self.since.pop_front() {
            self.out.since(kept);
        }
    }

    /// Passes on what is left. Returns what is to be kept, if it is.
    pub fn finish(mut self) -> Option<(Vec<Kept>, Vec<usize>)> {
        while !self.since.is_empty() {
            self.next_since();
        }
        if !self.chunk.is_empty() {
            self.out.own(&mut self.chunk, &self.mark);
        }
        match self.out {
            Out::Log(_) => None,
            Out::Keep(merged, ends) => Some((merged, ends)),
        }
    }
}

impl Out {
    fn own(&mut self, chunk: &mut Chunk, mark: &Mark) {
        match self {
            Out::Log(log) => log.write(chunk),
            Out::Keep(merged, _) => merged.push(Kept::new(chunk.take(), mark)),
        }
    }

    fn since(&mut self, mut kept: Kept) {
        match self {
            Out::Log(log) => log.write(&mut kept.chunk),
            Out::Keep(merged, ends) => {
                merged.push(kept);
                ends.push(merged.len());
            }
        }
    }
}
