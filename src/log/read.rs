//! Reading the log by the difference of two snapshots.
//!
//! A batch is what the position has not consumed and the target sees, in the order of sequence
//! numbers. Only the index is read to find it, (xid, seq) and the place of each chunk, 16 bytes a
//! chunk; the chunks themselves are then fetched one by one, each decoded where it lies in the
//! server's buffers. So memory does not grow with a transaction's size, nor with a chunk's number:
//! [`select`] keeps no more than `limit` references, the lowest, and reads the index again for more.
//!
//! Why nothing is lost and order holds: docs/how-it-works.md.

use std::collections::BinaryHeap;

use pgrx::pg_sys;

use super::append::offsets;
use super::change::{ChunkHead, Op, Origin};
use super::objects::Objects;
use super::snapshot::{Position, Snapshot};
use crate::error::{Error, Result};
use crate::pg::relation::{Index, Table};
use crate::pg::{compat, sql};

/// Microseconds from 1970 to 2000, the server's epoch.
const EPOCH: i64 = 946_684_800_000_000;

/// Where a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    pub seq: i64,
    pub xid: u64,
    pub source: i32,
    table: u8,
    block: u32,
    offset: u16,
}

/// What a batch consists of.
pub struct Selection {
    /// Ascending by sequence number.
    pub references: Vec<Reference>,
    /// Whether there are no more than these up to the target.
    pub complete: bool,
}

/// The transactions that are over now.
pub fn current_snapshot() -> Result<Snapshot> {
    let text: String =
        sql::one("SELECT pg_catalog.pg_current_snapshot()::text", &[])?.unwrap_or_default();
    text.parse().map_err(|_| Error::Corrupt(format!("\"{text}\" is no snapshot")))
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
pub fn select(
    objects: &Objects,
    visible: &Visible,
    position: &Position,
    target: &Snapshot,
    limit: usize,
    mut wanted: impl FnMut(i32) -> bool,
) -> Selection {
    // A max-heap of the lowest so far: its top is what gives way.
    let mut lowest = BinaryHeap::with_capacity(limit.min(1024) + 1);
    let mut complete = true;
    for_each_entry(objects, visible, position, target, |reference| {
        if !wanted(reference.source) {
            return;
        }
        lowest.push(reference);
        if lowest.len() > limit {
            lowest.pop();
            complete = false;
        }
    });
    Selection { references: lowest.into_sorted_vec(), complete }
}

/// Calls `each` for every index entry between a position and a target. Entries of rolled-back
/// subtransactions are among them; the chunk itself then turns out not to be there.
pub fn for_each_entry(
    objects: &Objects,
    visible: &Visible,
    position: &Position,
    target: &Snapshot,
    mut each: impl FnMut(Reference),
) {
    // Transactions that were running at the position, one by one; then all that came after. A
    // transaction that stays open for hours costs one look-up, not the reading of all since.
    let seen = &position.seen;
    let finished = seen.running.iter().copied().filter(|&xid| target.sees(xid));
    let ranges: Vec<(u64, u64)> =
        finished.map(|xid| (xid, xid + 1)).chain([(seen.xmax, target.xmax)]).collect();
    for number in 0..3u8 {
        let table = Table::open(objects.tables[usize::from(number)], pg_sys::AccessShareLock);
        if table.blocks() == 0 {
            continue;
        }
        let index = Index::open(objects.indexes[usize::from(number)], pg_sys::AccessShareLock);
        for &(from, to) in ranges.iter().filter(|(from, to)| from < to) {
            scan(&table, &index, visible, from, to, |entry| {
                let reference = Reference { table: number, ..entry };
                if !position.consumed(reference.xid, reference.seq) && target.sees(reference.xid) {
                    each(reference);
                }
            });
        }
    }
}

/// Index entries with `from <= xid < to`.
fn scan(
    table: &Table,
    index: &Index,
    visible: &Visible,
    from: u64,
    to: u64,
    mut each: impl FnMut(Reference),
) {
    // SAFETY: keys on the first index column; the index tuple is (int8, int8, int4), none of them
    // null, behind a header of 8 bytes.
    unsafe {
        let mut keys = [pg_sys::ScanKeyData::default(); 2];
        let mut key = |at: usize, strategy: u32, function: u32, value: u64| {
            pg_sys::ScanKeyInit(
                &mut keys[at],
                1,
                strategy as u16,
                pg_sys::Oid::from(function),
                pg_sys::Datum::from(value),
            )
        };
        key(0, pg_sys::BTGreaterEqualStrategyNumber, pg_sys::F_XID8GE, from);
        key(1, pg_sys::BTLessStrategyNumber, pg_sys::F_XID8LT, to);
        let scan = pg_sys::index_beginscan(table.0, index.0, visible.0, 2, 0);
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
            each(Reference {
                xid: entry.cast::<u64>().read_unaligned(),
                seq: entry.add(8).cast::<i64>().read_unaligned(),
                source: entry.add(16).cast::<i32>().read_unaligned(),
                table: 0,
                block: (u32::from(block.bi_hi) << 16) | u32::from(block.bi_lo),
                offset: (*place).ip_posid,
            });
        }
        pg_sys::index_endscan(scan);
    }
}

/// Fetches chunks by reference; keeps the tables open.
pub struct Fetcher<'a> {
    visible: &'a Visible,
    tables: [Table; 3],
}

impl<'a> Fetcher<'a> {
    pub fn open(objects: &Objects, visible: &'a Visible) -> Fetcher<'a> {
        let tables = objects.tables.map(|oid| Table::open(oid, pg_sys::AccessShareLock));
        Fetcher { visible, tables }
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
            let outcome = with_tuple(&tuple, with);
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
