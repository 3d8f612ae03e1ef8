//! Where the rows of a statement belong among those of the statements that ran inside it.
//!
//! A statement finds the rows that it updates or deletes as they were when it began; if one inside it
//! has changed such a row first, the server refuses (`tuple to be updated was already modified`). So
//! its updates and deletes come first. Its inserts come last, since what runs inside may have freed
//! their key; but if what ran inside went on to change an inserted row, that insert was before it.
//!
//! One exception: the deletes and updates of a foreign key's action are several queries that share one
//! transition table, so one of them may have found what was written in between. Whether one statement
//! has found what another left is seen by comparing row versions, value by value.

use std::collections::HashSet;

use super::nesting::Kept;
use super::statement::Undescribable;
use crate::log::append::Chunk;
use crate::log::change::Op;
use crate::log::chunk;
use crate::pg::server::Here;
use crate::row::image::{Malformed, Varlena, varlena};
use crate::row::layout::Layout;
use crate::row::value::Server;

type Slots<'a> = [Option<&'a [u8]>];

/// Which side of the nested statements to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Before,
    After,
}

/// What the nested statements found and what they left.
#[derive(Default)]
pub struct Order {
    /// Row versions that they updated or deleted.
    found: HashSet<Vec<u8>>,
    /// Row versions that their updates made.
    left: HashSet<Vec<u8>>,
}

impl Order {
    /// Of what ran inside the statement that began with `command`. What belongs to the same query
    /// works on other rows.
    pub fn of(nested: &[Kept], command: u32) -> Result<Order, Undescribable> {
        let mut order = Order::default();
        for kept in nested.iter().filter(|kept| kept.command != command) {
            let op = kept.chunk.statement().op;
            chunk::for_each_row(op, kept.chunk.images(), &kept.layout, |_, row| {
                if let Some(old) = row.old.as_ref().filter(|_| op != Op::Create) {
                    order.found.insert(version(old, &kept.layout)?);
                }
                if let Some(new) = row.new.as_ref().filter(|_| op == Op::Update) {
                    order.left.insert(version(new, &kept.layout)?);
                }
                Ok::<(), Malformed>(())
            })?;
        }
        Ok(order)
    }

    /// The sides on which a statement may have rows.
    pub fn sides(&self, op: Op) -> &'static [Side] {
        match op {
            Op::Create if self.found.is_empty() => &[Side::After],
            Op::Update | Op::Delete if self.left.is_empty() => &[Side::Before],
            _ => &[Side::Before, Side::After],
        }
    }

    /// On which side a row belongs.
    pub fn side(
        &self,
        old: Option<&Slots<'_>>,
        new: Option<&Slots<'_>>,
        layout: &Layout,
    ) -> Result<Side, Malformed> {
        let is_in = |slots: Option<&Slots<'_>>, versions: &HashSet<Vec<u8>>| match slots {
            Some(slots) if !versions.is_empty() => {
                Ok::<bool, Malformed>(versions.contains(&version(slots, layout)?))
            }
            _ => Ok(false),
        };
        let came_first = match (old, new) {
            (None, new) => is_in(new, &self.found)?,
            (old, new) => is_in(new, &self.found)? || !is_in(old, &self.left)?,
        };
        Ok(if came_first { Side::Before } else { Side::After })
    }

    /// The rows of a chunk of the same query, by side.
    pub fn split(&self, kept: Kept) -> Result<[Option<Kept>; 2], Undescribable> {
        let op = kept.chunk.statement().op;
        match self.sides(op) {
            [Side::Before] => return Ok([Some(kept), None]),
            [Side::After] => return Ok([None, Some(kept)]),
            _ => {}
        }
        let mut sides = [(); 2].map(|()| Chunk::new(*kept.chunk.statement()));
        chunk::for_each_part(op, kept.chunk.images(), &kept.layout, |part, row| {
            let old = row.old.as_deref().filter(|_| op != Op::Create);
            let new = row.new.as_deref().filter(|_| op != Op::Delete);
            let side = match self.side(old, new, &kept.layout)? {
                Side::Before => &mut sides[0],
                Side::After => &mut sides[1],
            };
            // A part of a chunk fits into one.
            side.row(|out| out.extend_from_slice(part), |_| {});
            Ok::<(), Malformed>(())
        })?;
        Ok(sides.map(|chunk| (!chunk.is_empty()).then(|| kept.with(chunk))))
    }
}

/// The values of a row, however they are stored: a row may be compressed only once it is in its table.
fn version(slots: &Slots<'_>, layout: &Layout) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::new();
    for (slot, column) in slots.iter().zip(&layout.columns) {
        let Some(slot) = slot.filter(|_| !column.dropped) else {
            out.push(0);
            continue;
        };
        out.push(1);
        let decompressed;
        let value = match column.length {
            -1 => match varlena(slot)? {
                Varlena::Plain(bytes) => bytes,
                Varlena::Compressed(slot) => {
                    decompressed = Here.decompress(slot)?;
                    &decompressed
                }
            },
            _ => slot,
        };
        out.extend_from_slice(&(value.len() as u64).to_ne_bytes());
        out.extend_from_slice(value);
    }
    Ok(out)
}
