//! Where the rows of a statement belong among those of the statements that ran inside it.
//!
//! A statement finds the rows that it updates or deletes as they were when it began; if one inside it
//! has changed such a row first, the server refuses (`tuple to be updated was already modified`). So
//! its updates and deletes come first. Its inserts come last, since what ran inside may have freed
//! their key; but if what ran inside went on to change an inserted row, that insert was before it.
//!
//! One exception: the deletes and updates of a foreign key's action are several queries that share one
//! transition table, so one of them may have found what was written in between. Whether one statement
//! has found what another left is seen by comparing row versions, value by value.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::nesting::Kept;
use super::statement::Undescribable;
use crate::log::append::{Appender, Chunk, Sink, Statement};
use crate::log::change::Op;
use crate::log::chunk;
use crate::pg::server::Here;
use crate::row::image::{Malformed, Varlena, varlena};
use crate::row::layout::Layout;
use crate::row::value::Server;

type Slots<'a> = [Option<&'a [u8]>];

/// Before which of the chunks that came since a row belongs: 0 is first, their number is last.
pub type Place = usize;

/// What the statements inside found and what they left.
#[derive(Default)]
pub struct Order {
    /// Row versions that they updated or deleted, and in which chunk first.
    found: HashMap<Vec<u8>, Place>,
    /// Row versions that their updates made.
    left: HashSet<Vec<u8>>,
    /// The first chunk that frees a key.
    frees: Place,
    end: Place,
}

impl Order {
    /// Of what came since the statement that began with `command`. What belongs to the same query
    /// works on other rows.
    pub fn of(since: &[Kept], command: u32) -> Result<Order, Undescribable> {
        let mut order = Order { frees: since.len(), end: since.len(), ..Order::default() };
        for (place, kept) in since.iter().enumerate() {
            let op = kept.chunk.statement().op;
            if op == Op::Delete {
                order.frees = order.frees.min(place);
            }
            if kept.command == command {
                continue;
            }
            chunk::for_each_row(op, kept.chunk.images(), &kept.layout, |_, row| {
                if let Some(old) = row.old.as_ref().filter(|_| op != Op::Create) {
                    order.found.entry(version(old, &kept.layout)?).or_insert(place);
                }
                if let Some(new) = row.new.as_ref().filter(|_| op == Op::Update) {
                    order.left.insert(version(new, &kept.layout)?);
                }
                Ok::<(), Malformed>(())
            })?;
            pgrx::check_for_interrupts!();
        }
        Ok(order)
    }

    /// Where all rows of an operation belong, if they belong together.
    pub fn place_of_all(&self, op: Op) -> Option<Place> {
        match op {
            Op::Create => self.found.is_empty().then_some(self.end),
            _ => self.left.is_empty().then_some(0),
        }
    }

    /// Where a row belongs.
    fn place(
        &self,
        old: Option<&Slots<'_>>,
        new: Option<&Slots<'_>>,
        layout: &Layout,
    ) -> Result<Place, Malformed> {
        let found = match new {
            Some(new) => self.found.get(&version(new, layout)?).copied(),
            None => None,
        };
        Ok(match (old, found) {
            // Not before a key is free that it may need.
            (None, Some(place)) => {
                if self.frees < place {
                    place
                } else {
                    0
                }
            }
            (None, None) => self.end,
            (Some(_), Some(_)) => 0,
            (Some(old), None) => {
                if self.left.contains(&version(old, layout)?) {
                    self.end
                } else {
                    0
                }
            }
        })
    }
}

/// Takes the rows of one statement: those that belong first go on at once, the others wait.
pub struct Rows<'a> {
    order: Option<&'a Order>,
    head: Statement,
    first: Appender<'a>,
    others: BTreeMap<Place, Vec<Chunk>>,
}

impl<'a> Rows<'a> {
    /// Without an order all rows belong first.
    pub fn new(head: Statement, order: Option<&'a Order>, first: &'a mut Sink) -> Rows<'a> {
        Rows { order, head, first: Appender::new(head, first), others: BTreeMap::new() }
    }

    /// Whether it matters to [`Rows::add`] what is in a row.
    pub fn are_ordered(&self) -> bool {
        self.order.is_some()
    }

    /// Adds a row of `size` bytes, as `write` packs it.
    pub fn add(
        &mut self,
        (old, new): (Option<&Slots<'_>>, Option<&Slots<'_>>),
        layout: &Layout,
        size: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Undescribable> {
        pgrx::check_for_interrupts!();
        let place = match self.order {
            Some(order) => order.place(old, new, layout)?,
            None => 0,
        };
        if place == 0 {
            self.first.reserve(size)?;
            self.first.row(write);
            return Ok(());
        }
        let chunks = self.others.entry(place).or_default();
        let mut chunk = chunks.pop().unwrap_or_else(|| Chunk::new(self.head));
        chunk.reserve(size)?;
        chunk.row(write, |full| chunks.push(full.take()));
        chunks.push(chunk);
        Ok(())
    }

    /// Passes on what is left of the first; returns the others.
    pub fn finish(self) -> BTreeMap<Place, Vec<Chunk>> {
        self.first.finish();
        self.others
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
