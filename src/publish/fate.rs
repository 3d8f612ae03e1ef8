//! What a change becomes for consumers: nothing, an event, or, where its key changes, two.

use super::envelope::{Plan, Scratch};
use crate::log::change::{ChunkHead, Op, Origin};
use crate::row::image::Malformed;
use crate::row::value::Server;

pub(super) type Row<'a> = Option<&'a [Option<&'a [u8]>]>;

/// What a change becomes for consumers.
pub(super) enum Fate<'r> {
    Nothing,
    Event {
        op: Op,
        old: Row<'r>,
        new: Row<'r>,
        keyed: bool,
    },
    /// Its key changes.
    Moved {
        old: &'r [Option<&'r [u8]>],
        new: &'r [Option<&'r [u8]>],
    },
    /// Whatever consumers have of the record, it is over: a delete that tells the key alone.
    Gone(&'r [Option<&'r [u8]>]),
    /// The same, and the message's key is not known.
    Unknown,
}

impl Plan {
    /// How many events with a value a change becomes.
    pub fn count(
        &self,
        head: &ChunkHead,
        old: Row<'_>,
        new: Row<'_>,
        server: &dyn Server,
        scratch: &mut Scratch,
    ) -> Result<u64, Malformed> {
        let Scratch { key, old_key, .. } = scratch;
        Ok(match self.fate(head, old, new, server, key, old_key)? {
            Fate::Nothing | Fate::Unknown => 0,
            Fate::Event { .. } | Fate::Gone(_) => 1,
            Fate::Moved { .. } => 2,
        })
    }

    /// Whether every row of such a chunk is one event, so that nobody has to look.
    pub fn is_one_each(&self, head: &ChunkHead) -> bool {
        head.op != Op::Update
            && head.origin != Origin::Keeper
            && self.filter.is_none()
            && !self.options.skips(head.op)
    }

    /// What a change becomes. Its key, where it has one, is written to `key`, and the old one of a
    /// record that moved to `old_key`.
    pub(super) fn fate<'r>(
        &self,
        head: &ChunkHead,
        old: Row<'r>,
        new: Row<'r>,
        server: &dyn Server,
        key: &mut Vec<u8>,
        old_key: &mut Vec<u8>,
    ) -> Result<Fate<'r>, Malformed> {
        let op = head.op;
        if self.options.skips(op) {
            return Ok(Fate::Nothing);
        }
        let needed = Malformed("change without its row");
        let (op, old, new) = match op {
            Op::Create | Op::Read => (op, None, Some(new.ok_or(needed)?)),
            Op::Update => (op, old, Some(new.ok_or(needed)?)),
            Op::Delete => (op, Some(old.ok_or(needed)?), None),
            Op::Truncate => {
                return Ok(Fate::Event { op, old: None, new: None, keyed: false });
            }
        };
        if head.origin == Origin::Keeper
            && let Some(slots) = self.gone(op, old, new, server)?
        {
            return Ok(if self.options.skips(Op::Delete) {
                Fate::Nothing
            } else if op == Op::Read || self.key.is_known(slots) {
                self.key.write(key, slots, server)?;
                Fate::Gone(slots)
            } else {
                Fate::Unknown
            });
        }
        let (op, old, new) = match self.filtered(op, old, new, server)? {
            Some((op, old, new)) if !self.options.skips(op) => (op, old, new),
            _ => return Ok(Fate::Nothing),
        };
        let keyed = match new.or(old) {
            Some(slots) => self.key.write(key, slots, server)?,
            None => false,
        };
        if let (Some(old), Some(new)) = (old, new)
            && keyed
            && !self.key.same_bytes(old, new)
        {
            self.key.write(old_key, old, server)?;
            if old_key != key {
                return Ok(Fate::Moved { old, new });
            }
        }
        Ok(Fate::Event { op, old, new, keyed })
    }

    /// Of a record that was looked for: whether it is over for consumers, since it is not there or the row
    /// filter keeps it. What they have of it nobody knows, and they may be told in vain.
    fn gone<'r>(
        &self,
        op: Op,
        old: Row<'r>,
        new: Row<'r>,
        server: &dyn Server,
    ) -> Result<Row<'r>, Malformed> {
        let (Some(slots), Some(filter), Op::Read) = (new, &self.filter, op) else {
            return Ok(old.filter(|_| op == Op::Delete));
        };
        Ok((!filter.holds(slots, server)?).then_some(slots))
    }

    /// What the row filter leaves of a change. A row that begins to pass it is new to consumers, one
    /// that ends to is gone.
    #[allow(clippy::type_complexity)]
    fn filtered<'r>(
        &self,
        op: Op,
        old: Row<'r>,
        new: Row<'r>,
        server: &dyn Server,
    ) -> Result<Option<(Op, Row<'r>, Row<'r>)>, Malformed> {
        let Some(filter) = &self.filter else { return Ok(Some((op, old, new))) };
        let passes = |row: Row<'_>| row.map(|slots| filter.holds(slots, server)).transpose();
        Ok(match (op, passes(old)?, passes(new)?) {
            // Whether consumers know a row whose old values are unknown, nobody can tell.
            (Op::Update, Some(true) | None, Some(false)) => Some((Op::Delete, old.or(new), None)),
            (Op::Update, Some(false), Some(true)) => Some((Op::Create, None, new)),
            (_, Some(false), None | Some(false)) | (_, None, Some(false)) => None,
            _ => Some((op, old, new)),
        })
    }
}
