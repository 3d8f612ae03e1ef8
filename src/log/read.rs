//! Reading the log by the difference of two snapshots.
//!
//! A batch is what the position has not consumed and the target sees, in the order of sequence
//! numbers. Only the index is read to find it, (xid, seq) and the place of each chunk; the chunks
//! themselves are then fetched one by one, each decoded where it lies in the server's buffers. So
//! memory does not grow with a transaction's size: [`select`] keeps no more than `limit` references,
//! the lowest. What cannot be among them is passed over: of a transaction with many chunks, only
//! those that count are read.
//!
//! Why nothing is lost and order holds: docs/how-it-works.md.

use std::collections::{BTreeSet, BinaryHeap};
use std::ops::Range;

use pgrx::pg_sys;

use super::append::offsets;
use super::change::{ChunkHead, Op, Origin};
use super::objects::Objects;
use super::snapshot::{Position, Snapshot};
use crate::error::{Error, Result};
use crate::pg::compat;
use crate::pg::relation::{Index, Table};
use crate::pg::snapshot::Fresh;

/// Microseconds from 1970 to 2000, the server's epoch.
pub const EPOCH: i64 = 946_684_800_000_000;

/// Where a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    pub seq: i64,
    pub source: i32,
    block: u32,
    offset: u16,
    table: u8,
}

#[cfg(test)]
impl Reference {
    pub fn new(seq: i64, source: i32) -> Reference {
        Reference { seq, source, block: 0, offset: 0, table: 0 }
    }
}

/// What a batch consists of.
#[derive(Debug, Default)]
pub struct Selection {
    /// Ascending by sequence number.
    pub references: Vec<Reference>,
    /// Whether there are no more than these up to the target.
    pub complete: bool,
    /// Whether there is anything up to the target, wanted or not.
    pub passed: bool,
}

/// The transactions that are over now. The caller's own is not, even if it has an id that others
/// have overtaken.
pub fn current_snapshot() -> Snapshot {
    let fresh = Fresh::push();
    // SAFETY: the server's function takes no arguments and returns a pg_snapshot in memory that the
    // transaction's end frees: a length, the number of running transactions, and 64-bit ids (xmin,
    // xmax, the running ones in order; `utils/adt/xid8funcs.c`).
    let (now, own) = unsafe {
        let function = pg_sys::Oid::from(pg_sys::F_PG_CURRENT_SNAPSHOT);
        let datum = pg_sys::OidFunctionCall0Coll(function, pg_sys::InvalidOid);
        let words = datum.cast_mut_ptr::<u32>();
        let (running, ids) = (words.add(1).read() as usize, words.add(2).cast::<u64>());
        let id = |at: usize| ids.add(at).read_unaligned();
        let running = (0..running).map(|at| id(2 + at)).collect();
        let now = Snapshot { xmin: id(0), xmax: id(1), running };
        (now, pg_sys::GetTopFullTransactionIdIfAny().value)
    };
    drop(fresh);
    if own == 0 { now } else { now.without(own) }
}

/// An MVCC snapshot for as long as it lives. Taken after the target, it shows all that the target
/// sees: what was over then is over now.
pub struct Visible(pg_sys::Snapshot);

impl Visible {
    pub fn now() -> Visible {
        // SAFETY: in a transaction; registered here, unregistered on drop.
        unsafe { Visible(pg_sys::RegisterSnapshot(pg_sys::GetTransactionSnapshot())) }
    }
}

impl Drop for Visible {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: registered in `now`.
            unsafe { pg_sys::UnregisterSnapshot(self.0) }
        }
    }
}

/// The lowest `limit` chunks between a position and a target, of the sources that `wanted` names.
/// References of rolled-back subtransactions are among them; the chunk itself then turns out not to
/// be there.
pub fn select(
    objects: &Objects,
    visible: &Visible,
    position: &Position,
    target: &Snapshot,
    limit: usize,
    mut wanted: impl FnMut(i32) -> bool,
) -> Selection {
    // A max-heap of the lowest so far: its top is what gives way.
    let mut lowest: BinaryHeap<Reference> = BinaryHeap::with_capacity(limit.min(1024));
    let (mut complete, mut passed) = (true, false);
    let mut meet = |xid: u64, reference: Reference| {
        if position.seen.sees(xid) || !target.sees(xid) {
            return Step::Transaction;
        }
        if let Some((upto, last)) = &position.within
            && reference.seq <= *last
            && upto.sees(xid)
        {
            return Step::After(*last);
        }
        passed = true;
        let full = lowest.len() >= limit;
        if full && lowest.peek().is_none_or(|highest| highest.seq < reference.seq) {
            complete = false;
            return Step::Transaction;
        }
        if wanted(reference.source) {
            if full {
                lowest.pop();
                complete = false;
            }
            lowest.push(reference);
        }
        Step::Next
    };
    for_each_entry(objects, visible, position, target, 0..3, &mut meet);
    Selection { references: lowest.into_sorted_vec(), complete, passed }
}

/// The sources of all chunks between a position and a target, in some of the log's tables.
pub fn sources(
    objects: &Objects,
    visible: &Visible,
    position: &Position,
    target: &Snapshot,
    tables: Range<usize>,
) -> BTreeSet<i32> {
    let mut found = BTreeSet::new();
    for_each_entry(objects, visible, position, target, tables, &mut |xid, reference| {
        if target.sees(xid) && !position.consumed(xid, reference.seq) {
            found.insert(reference.source);
        }
        Step::Next
    });
    found
}

/// All chunks of a transaction that is over, of the sources that `wanted` names, ascending.
pub fn of_transaction(
    objects: &Objects,
    visible: &Visible,
    xid: u64,
    mut wanted: impl FnMut(i32) -> bool,
) -> Vec<Reference> {
    let mut found = Vec::new();
    read_ranges(objects, visible, &[(xid, xid + 1)], 0..3, &mut |_, reference| {
        if wanted(reference.source) {
            found.push(reference);
        }
        Step::Next
    });
    found.sort_unstable();
    found
}

/// Shows `meet` the index entries of all transactions that a batch may hold.
fn for_each_entry(
    objects: &Objects,
    visible: &Visible,
    position: &Position,
    target: &Snapshot,
    tables: Range<usize>,
    meet: &mut impl FnMut(u64, Reference) -> Step,
) {
    // Transactions that were running at the position, one by one; then all that came after. A
    // transaction that stays open for hours costs one look-up, not the reading of all since.
    let seen = &position.seen;
    let finished = seen.running.iter().copied().filter(|&xid| target.sees(xid));
    let ranges: Vec<(u64, u64)> =
        finished.map(|xid| (xid, xid + 1)).chain([(seen.xmax, target.xmax)]).collect();
    read_ranges(objects, visible, &ranges, tables, meet);
}

/// Shows `meet` the index entries of ranges of transactions.
fn read_ranges(
    objects: &Objects,
    visible: &Visible,
    ranges: &[(u64, u64)],
    tables: Range<usize>,
    meet: &mut impl FnMut(u64, Reference) -> Step,
) {
    for number in tables {
        let table = Table::open(objects.tables[number], pg_sys::AccessShareLock);
        if table.blocks() > 0 {
            let index = Index::open(objects.indexes[number], pg_sys::AccessShareLock);
            let number = number as u8;
            let entries = Entries { table: &table, index: &index, visible, number };
            for &(from, to) in ranges {
                entries.read(from, to, meet);
            }
            index.release(pg_sys::AccessShareLock);
        }
        table.release(pg_sys::AccessShareLock);
    }
}

/// Which entry of the index is the next to be looked at.
enum Step {
    Next,
    /// The first of this transaction that has a higher sequence number.
    After(i64),
    /// The first of the next transaction.
    Transaction,
}

/// The index of one of the log's tables.
struct Entries<'a> {
    table: &'a Table,
    index: &'a Index,
    visible: &'a Visible,
    number: u8,
}

impl Entries<'_> {
    /// Entries that are read one after the other although they could be passed over: to find the
    /// place beyond them costs about as much.
    const PATIENCE: u32 = 64;

    /// Shows `meet` the entries with `from <= xid < to`, in the order of (xid, seq), but for those
    /// that it wants passed over.
    fn read(&self, from: u64, to: u64, meet: &mut impl FnMut(u64, Reference) -> Step) {
        let mut next = Some(from);
        while let Some(from) = next.take()
            && from < to
        {
            let (mut current, mut idle) = (from, 0);
            self.scan([Key::From(from), Key::Below(to)], |xid, reference| {
                if xid != current {
                    (current, idle) = (xid, 0);
                }
                match meet(xid, reference) {
                    Step::Next => idle = 0,
                    _ if idle < Self::PATIENCE => idle += 1,
                    Step::Transaction => next = Some(xid + 1),
                    Step::After(last) => {
                        self.scan([Key::Transaction(xid), Key::After(last)], |xid, reference| {
                            !matches!(meet(xid, reference), Step::Transaction)
                        });
                        next = Some(xid + 1);
                    }
                }
                next.is_none()
            });
        }
    }

    /// Calls `each` with every entry that the keys select, until it returns false.
    fn scan(&self, keys: [Key; 2], mut each: impl FnMut(u64, Reference) -> bool) {
        let mut keys = keys.map(Key::scan_key);
        // SAFETY: the index tuple is (int8, int8, int4), none of them null, behind a header of 8
        // bytes. When an ERROR unwinds, the transaction's end lets go of the scan.
        unsafe {
            let scan = pg_sys::index_beginscan(self.table.0, self.index.0, self.visible.0, 2, 0);
            (*scan).xs_want_itup = true;
            pg_sys::index_rescan(scan, keys.as_mut_ptr(), 2, std::ptr::null_mut(), 0);
            loop {
                let place =
                    pg_sys::index_getnext_tid(scan, pg_sys::ScanDirection::ForwardScanDirection);
                if place.is_null() {
                    break;
                }
                let entry = (*scan).xs_itup.cast::<u8>().add(size_of::<pg_sys::IndexTupleData>());
                let block = (*place).ip_blkid;
                let reference = Reference {
                    seq: entry.add(8).cast::<i64>().read_unaligned(),
                    source: entry.add(16).cast::<i32>().read_unaligned(),
                    block: (u32::from(block.bi_hi) << 16) | u32::from(block.bi_lo),
                    offset: (*place).ip_posid,
                    table: self.number,
                };
                if !each(entry.cast::<u64>().read_unaligned(), reference) {
                    break;
                }
            }
            pg_sys::index_endscan(scan);
        }
    }
}

/// A condition on the index.
#[derive(Clone, Copy)]
enum Key {
    From(u64),
    Below(u64),
    Transaction(u64),
    After(i64),
}

impl Key {
    fn scan_key(self) -> pg_sys::ScanKeyData {
        let (column, strategy, function, value) = match self {
            Key::From(xid) => (1, pg_sys::BTGreaterEqualStrategyNumber, pg_sys::F_XID8GE, xid),
            Key::Below(xid) => (1, pg_sys::BTLessStrategyNumber, pg_sys::F_XID8LT, xid),
            Key::Transaction(xid) => (1, pg_sys::BTEqualStrategyNumber, pg_sys::F_XID8EQ, xid),
            Key::After(seq) => (2, pg_sys::BTGreaterStrategyNumber, pg_sys::F_INT8GT, seq as u64),
        };
        let mut key = pg_sys::ScanKeyData::default();
        // SAFETY: fills in the key; the function compares values of the column's type.
        unsafe {
            pg_sys::ScanKeyInit(
                &mut key,
                column,
                strategy as u16,
                pg_sys::Oid::from(function),
                pg_sys::Datum::from(value),
            );
        }
        key
    }
}

/// Fetches chunks by reference; keeps the tables open until it is closed.
pub struct Fetcher<'a> {
    visible: &'a Visible,
    tables: [Table; 3],
}

impl<'a> Fetcher<'a> {
    pub fn open(objects: &Objects, visible: &'a Visible) -> Fetcher<'a> {
        let tables = objects.tables.map(|oid| Table::open(oid, pg_sys::AccessShareLock));
        Fetcher { visible, tables }
    }

    /// A transaction that goes on does not keep the log from being emptied: what it has read it needs
    /// no more, and what it has not is kept by its position.
    pub fn close(self) {
        for table in self.tables {
            table.release(pg_sys::AccessShareLock);
        }
    }

    /// Hands the chunk to `with`, if it is there: a rolled-back subtransaction's is not.
    pub fn fetch<T>(
        &self,
        reference: &Reference,
        with: impl FnOnce(&ChunkHead, &[u8]) -> Result<T>,
    ) -> Result<Option<T>> {
        // SAFETY: the place comes from the table's index; the tuple stays pinned in its buffer until
        // `with` is done. When an ERROR unwinds, the transaction's end lets go of the pin.
        unsafe {
            let mut tuple = pg_sys::HeapTupleData::default();
            tuple.t_self.ip_blkid.bi_hi = (reference.block >> 16) as u16;
            tuple.t_self.ip_blkid.bi_lo = reference.block as u16;
            tuple.t_self.ip_posid = reference.offset;
            let mut buffer: pg_sys::Buffer = 0;
            let table = self.tables[usize::from(reference.table)].0;
            if !compat::heap_fetch(table, self.visible.0, &mut tuple, &mut buffer) {
                #[cfg(feature = "pg14")]
                if buffer != 0 {
                    pg_sys::ReleaseBuffer(buffer);
                }
                return Ok(None);
            }
            let outcome = with_tuple(&tuple, |head, images| {
                if head.seq != reference.seq {
                    let message = format!("chunk {} of the log is not in its place", reference.seq);
                    return Err(Error::Corrupt(message));
                }
                with(head, images)
            });
            pg_sys::ReleaseBuffer(buffer);
            outcome.map(Some)
        }
    }
}

unsafe fn with_tuple<T>(
    tuple: &pg_sys::HeapTupleData,
    with: impl FnOnce(&ChunkHead, &[u8]) -> Result<T>,
) -> Result<T> {
    // SAFETY: every column is not null, so the offsets are those that chunks are written with.
    unsafe {
        let header = tuple.t_data;
        let data = header.cast::<u8>().add(usize::from((*header).t_hoff));
        let i64_at = |at: usize| data.add(at).cast::<i64>().read_unaligned();
        let i32_at = |at: usize| data.add(at).cast::<i32>().read_unaligned();
        let (op, origin) = (*data.add(offsets::OP), *data.add(offsets::ORIGIN));
        let (Some(op), Some(origin)) = (Op::from_byte(op), Origin::from_byte(origin)) else {
            return Err(Error::Corrupt(format!("a chunk with operation {op} by {origin}")));
        };
        let head = ChunkHead {
            seq: i64_at(offsets::SEQ),
            xid: i64_at(offsets::XID) as u64,
            source: i32_at(offsets::SOURCE),
            layout: i32_at(offsets::LAYOUT),
            op,
            origin,
            at: i64_at(offsets::AT) + EPOCH,
            rows: i32_at(offsets::ROWS),
        };
        // A one-byte header (of a value that was moved out of line) stands unaligned.
        let at = crate::row::image::aligned(
            offsets::ORIGIN + 1,
            -1,
            'i',
            std::slice::from_raw_parts(data, offsets::IMAGES + 4),
        );
        let stored = data.add(at).cast::<pg_sys::varlena>();
        let plain = pg_sys::pg_detoast_datum_packed(stored);
        let images = std::slice::from_raw_parts(
            pgrx::vardata_any(plain).cast::<u8>(),
            pgrx::varsize_any_exhdr(plain),
        );
        let outcome = with(&head, images);
        if plain != stored {
            pg_sys::pfree(plain.cast());
        }
        outcome
    }
}
