//! Appending chunks, below the level where rights are checked and triggers fire: whoever may write
//! a captured table may make it append, and needs no rights on the log.
//!
//! A full chunk fills a page, so inserting chunk by chunk is what a multi-insert would do.

use pgrx::pg_sys;

use super::change::{Op, Origin};
use super::chunk;
use super::objects::Objects;
use crate::pg::compat;
use crate::pg::relation::{Index, Table};
use crate::pg::{shared, xact};

/// Offsets in a log tuple's data area; fixed, since no column before `images` is null or variable.
const SEQ: usize = 0;
const XID: usize = 8;
const AT: usize = 16;
const SOURCE: usize = 24;
const LAYOUT: usize = 28;
const ROWS: usize = 32;
const OP: usize = 36;
const ORIGIN: usize = 37;
const IMAGES: usize = 40;
/// Heap tuple header without a null bitmap (`MAXALIGN(SizeofHeapTupleHeader)`).
const HEADER: usize = 24;
/// What comes before the images: tuple header, fixed columns, varlena header.
const PREFIX: usize = HEADER + IMAGES + 4;
const ATTRIBUTES: u16 = 9;
/// A row with more bytes than this is not described.
const LARGEST: usize = 512 * 1024 * 1024;

/// What all chunks of one statement share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    pub source: i32,
    pub layout: i32,
    pub op: Op,
    pub origin: Origin,
}

/// Rows of one statement, laid out as a tuple of the log.
pub struct Chunk {
    statement: Statement,
    at: i64,
    /// `PREFIX` bytes to be filled in when it is written, then images.
    tuple: Vec<u8>,
    rows: i32,
}

impl Chunk {
    pub fn new(statement: Statement) -> Chunk {
        let mut tuple = Vec::with_capacity(PREFIX + chunk::FULL);
        tuple.resize(PREFIX, 0);
        Chunk { statement, at: compat::now(), tuple, rows: 0 }
    }

    /// Makes room for a row of so many bytes. A value of the server has less than 1 GB, and a process
    /// that cannot have the memory must not take the server down: such a row is not described.
    pub fn reserve(&mut self, bytes: usize) -> Result<(), &'static str> {
        if bytes > LARGEST {
            return Err("a row of more than 512 MB");
        }
        self.tuple.try_reserve(bytes + 64).map_err(|_| "no memory for a row")
    }

    /// Adds a row, as `write` packs it. A chunk that would grow beyond a page goes to `full` first,
    /// which leaves it empty.
    pub fn row(&mut self, write: impl FnOnce(&mut Vec<u8>), mut full: impl FnMut(&mut Chunk)) {
        let start = self.tuple.len();
        write(&mut self.tuple);
        self.rows += 1;
        if self.tuple.len() > PREFIX + chunk::FULL && self.rows > 1 {
            let row = self.tuple.split_off(start);
            self.rows -= 1;
            full(self);
            self.tuple.extend_from_slice(&row);
            self.rows = 1;
        }
        if self.tuple.len() >= PREFIX + chunk::FULL {
            full(self);
        }
    }

    /// What is in it, leaving it empty.
    pub fn take(&mut self) -> Chunk {
        let empty = Chunk { tuple: Vec::with_capacity(PREFIX + chunk::FULL), ..*self };
        let taken = std::mem::replace(self, empty);
        self.clear();
        taken
    }

    fn clear(&mut self) {
        self.tuple.clear();
        self.tuple.resize(PREFIX, 0);
        self.rows = 0;
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    pub fn images(&self) -> &[u8] {
        &self.tuple[PREFIX..]
    }
}

/// The log, open for writing.
pub struct Log {
    table: Table,
    index: Index,
    change_seq: pg_sys::Oid,
    xid: u64,
}

impl Log {
    pub fn open(objects: &Objects) -> Log {
        let (table, index) = open_for_writing(objects);
        // SAFETY: assigns the transaction its id, as the insert would.
        let xid = unsafe { pg_sys::GetTopFullTransactionId().value };
        Log { table, index, change_seq: objects.change_seq, xid }
    }

    /// Appends a chunk and leaves it empty.
    pub fn write(&mut self, chunk: &mut Chunk) {
        let seq = compat::next_value(self.change_seq);
        let tuple = &mut chunk.tuple;
        let images = tuple.len() - PREFIX;
        let data = &mut tuple[HEADER..];
        data[SEQ..SEQ + 8].copy_from_slice(&seq.to_ne_bytes());
        data[XID..XID + 8].copy_from_slice(&self.xid.to_ne_bytes());
        data[AT..AT + 8].copy_from_slice(&chunk.at.to_ne_bytes());
        data[SOURCE..SOURCE + 4].copy_from_slice(&chunk.statement.source.to_ne_bytes());
        data[LAYOUT..LAYOUT + 4].copy_from_slice(&chunk.statement.layout.to_ne_bytes());
        data[ROWS..ROWS + 4].copy_from_slice(&chunk.rows.to_ne_bytes());
        data[OP] = chunk.statement.op as u8;
        data[ORIGIN] = chunk.statement.origin as u8;
        let varlena_header = ((images + 4) as u32) << 2;
        data[IMAGES..IMAGES + 4].copy_from_slice(&varlena_header.to_ne_bytes());
        // SAFETY: `tuple` is laid out as the log's row type: all columns not null, fixed columns at
        // their aligned offsets, then one varlena with a four-byte header. The server copies it.
        unsafe {
            let header = tuple.as_mut_ptr().cast::<pg_sys::HeapTupleHeaderData>();
            (*header).t_infomask2 = ATTRIBUTES;
            (*header).t_infomask = pg_sys::HEAP_HASVARWIDTH as u16;
            (*header).t_hoff = HEADER as u8;
            let mut heap_tuple = pg_sys::HeapTupleData {
                t_len: tuple.len() as u32,
                t_tableOid: (*self.table.0).rd_id,
                t_data: header,
                ..Default::default()
            };
            pg_sys::heap_insert(
                self.table.0,
                &mut heap_tuple,
                pg_sys::GetCurrentCommandId(true),
                0,
                std::ptr::null_mut(),
            );
            let mut values = [
                pg_sys::Datum::from(self.xid),
                pg_sys::Datum::from(seq),
                pg_sys::Datum::from(chunk.statement.source),
            ];
            let mut nulls = [false; 3];
            pg_sys::index_insert(
                self.index.0,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
                &mut heap_tuple.t_self,
                self.table.0,
                pg_sys::IndexUniqueCheck::UNIQUE_CHECK_NO,
                false,
                std::ptr::null_mut(),
            );
        }
        xact::captured();
        chunk.clear();
    }
}

/// Collects rows and appends them as chunks.
pub struct Appender {
    chunk: Chunk,
    log: Log,
}

impl Appender {
    pub fn open(objects: &Objects, statement: Statement) -> Appender {
        Appender { chunk: Chunk::new(statement), log: Log::open(objects) }
    }

    /// As [`Chunk::reserve`].
    pub fn reserve(&mut self, bytes: usize) -> Result<(), &'static str> {
        self.chunk.reserve(bytes)
    }

    /// Adds a row, as `write` packs it.
    pub fn row(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let log = &mut self.log;
        self.chunk.row(write, |full| log.write(full));
    }

    /// Appends what is left.
    pub fn finish(mut self) {
        if !self.chunk.is_empty() {
            self.log.write(&mut self.chunk);
        }
    }
}

/// The table that is written to now. Readers read all three, so any of them is right; one that is
/// being emptied this very moment is locked, and the next is taken rather than waiting.
fn open_for_writing(objects: &Objects) -> (Table, Index) {
    use std::sync::atomic::Ordering;
    let current =
        shared::my_database().map_or(0, |database| database.log_table.load(Ordering::Relaxed));
    for turn in 0..3 {
        let number = (current as usize + turn) % 3;
        if let Some(table) = Table::try_open(objects.tables[number], pg_sys::RowExclusiveLock) {
            return (table, Index::open(objects.indexes[number], pg_sys::RowExclusiveLock));
        }
    }
    // Somebody else holds them all (VACUUM FULL by hand, say): then waiting is all that is left.
    let number = current as usize % 3;
    let table = Table::open(objects.tables[number], pg_sys::RowExclusiveLock);
    (table, Index::open(objects.indexes[number], pg_sys::RowExclusiveLock))
}

/// Where a chunk's columns are in a log tuple's data area, for reading.
pub(super) mod offsets {
    pub const SEQ: usize = super::SEQ;
    pub const XID: usize = super::XID;
    pub const AT: usize = super::AT;
    pub const SOURCE: usize = super::SOURCE;
    pub const LAYOUT: usize = super::LAYOUT;
    pub const ROWS: usize = super::ROWS;
    pub const OP: usize = super::OP;
    pub const ORIGIN: usize = super::ORIGIN;
    pub const IMAGES: usize = super::IMAGES;
}
