//! How values are written where Debezium has several ways. Names of the answers are Debezium's.

/// Everything that is chosen once for all topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Modes {
    pub decimal: Decimals,
    pub binary: Binaries,
    pub time: Times,
    pub interval: Intervals,
    pub hstore: Hstores,
    /// Whether keys and values carry their Kafka Connect schema.
    pub schemas: bool,
}

/// `decimal.handling.mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Decimals {
    /// Exact, and readable without a schema: what Debezium's users without schemas end up with.
    #[default]
    String,
    /// The unscaled number as bytes, its scale in the schema or beside it.
    Precise,
    Double,
}

/// `binary.handling.mode`. Without a schema, `Bytes` and `Base64` look the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Binaries {
    #[default]
    Bytes,
    Base64,
    Base64UrlSafe,
    Hex,
}

/// `time.precision.mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Times {
    /// Milliseconds where the column keeps no more, else microseconds.
    #[default]
    Adaptive,
    /// As `Adaptive`, but times of day are microseconds.
    AdaptiveTimeMicroseconds,
    /// Kafka Connect's own types, of milliseconds.
    Connect,
    IsoString,
    Microseconds,
    Nanoseconds,
}

/// `interval.handling.mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Intervals {
    /// Microseconds, a month being a twelfth of 365.25 days.
    #[default]
    Numeric,
    String,
}

/// `hstore.handling.mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hstores {
    #[default]
    Json,
    Map,
}
