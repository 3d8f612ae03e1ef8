//! What a change is: the vocabulary that capture writes and consumers read.

/// What happened to the rows of a chunk. The letters are Debezium's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Op {
    Create = b'c',
    Update = b'u',
    Delete = b'd',
    /// A row that was already there when capture started (backfill).
    Read = b'r',
    Truncate = b't',
}

impl Op {
    pub fn from_byte(byte: u8) -> Option<Op> {
        [Op::Create, Op::Update, Op::Delete, Op::Read, Op::Truncate]
            .into_iter()
            .find(|op| *op as u8 == byte)
    }
}

/// Who wrote the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Origin {
    /// Heroku Connect's own write: it runs with `xmlbinary = hex`.
    HerokuConnect = b'h',
    /// Anybody else's write, which Heroku Connect sends on to Salesforce.
    Application = b'a',
    /// One of our workers.
    Worker = b'w',
    /// The keeper, of a record that it looked for by its key, whoever wrote that. A delete is of one
    /// that is not there, and its row holds the key alone.
    Keeper = b'k',
}

impl Origin {
    pub fn from_byte(byte: u8) -> Option<Origin> {
        [Origin::HerokuConnect, Origin::Application, Origin::Worker, Origin::Keeper]
            .into_iter()
            .find(|origin| *origin as u8 == byte)
    }

    /// As the `origin` header and the status views say it.
    pub fn name(self) -> &'static str {
        match self {
            Origin::HerokuConnect => "heroku_connect",
            Origin::Application => "application",
            Origin::Worker | Origin::Keeper => "manifold",
        }
    }
}

/// What all rows of one chunk share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkHead {
    /// Sequence number, one a chunk; the order of changes within a batch.
    pub seq: i64,
    /// Full id of the top-level transaction (xid8).
    pub xid: u64,
    pub source: i32,
    pub layout: i32,
    pub op: Op,
    pub origin: Origin,
    /// When the statement ran: microseconds since 1970-01-01 UTC.
    pub at: i64,
    /// Number of rows in the chunk; 0 for truncate.
    pub rows: i32,
}

/// Stable id of one change: chunk number and ordinal within the chunk, written `seq.ordinal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    pub seq: i64,
    pub ordinal: u32,
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.seq, self.ordinal)
    }
}
