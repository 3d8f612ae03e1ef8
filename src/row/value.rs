//! Typed values: what a slot means, by its column's type.

use std::borrow::Cow;

use super::image::Malformed;

/// A decoded value. Borrows from the image where it can.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    /// int2, int4, int8, oid
    Int(i64),
    Float4(f32),
    Float8(f64),
    /// Plain decimal text as the server prints it (`1234.50`), `NaN`, `Infinity` or `-Infinity`.
    Numeric(Cow<'a, str>),
    /// text, varchar, char(n), name, citext
    Text(Cow<'a, str>),
    Bytea(Cow<'a, [u8]>),
    /// Days since 1970-01-01; i32::MAX and i32::MIN are infinity and -infinity.
    Date(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// Microseconds since midnight in the zone, and the zone's offset in seconds east of UTC.
    TimeTz(i64, i32),
    /// Microseconds since 1970-01-01 00:00; i64::MAX and i64::MIN are infinity and -infinity.
    Timestamp(i64),
    /// The same, in UTC.
    TimestampTz(i64),
    Interval {
        months: i32,
        days: i32,
        microseconds: i64,
    },
    Uuid([u8; 16]),
    /// bit(n), varbit: how many bits, and the bits, the first in the highest place of the first byte.
    Bits(u32, Cow<'a, [u8]>),
    Point(f64, f64),
    /// json and jsonb: the server's text output.
    Json(Cow<'a, str>),
    /// One-dimensional arrays. Others arrive as `Other`, but for [`super::Kind::decode_flat`].
    Array(Vec<Value<'a>>),
    /// Any type without an entry here: the server's text output.
    Other(Cow<'a, str>),
}

impl Value<'_> {
    /// The same value, borrowing nothing.
    pub fn into_owned(self) -> Value<'static> {
        fn text(value: Cow<'_, str>) -> Cow<'static, str> {
            Cow::Owned(value.into_owned())
        }
        match self {
            Value::Null => Value::Null,
            Value::Bool(value) => Value::Bool(value),
            Value::Int(value) => Value::Int(value),
            Value::Float4(value) => Value::Float4(value),
            Value::Float8(value) => Value::Float8(value),
            Value::Numeric(value) => Value::Numeric(text(value)),
            Value::Text(value) => Value::Text(text(value)),
            Value::Bytea(value) => Value::Bytea(Cow::Owned(value.into_owned())),
            Value::Date(days) => Value::Date(days),
            Value::Time(at) => Value::Time(at),
            Value::TimeTz(at, east) => Value::TimeTz(at, east),
            Value::Timestamp(at) => Value::Timestamp(at),
            Value::TimestampTz(at) => Value::TimestampTz(at),
            Value::Interval { months, days, microseconds } => {
                Value::Interval { months, days, microseconds }
            }
            Value::Uuid(bytes) => Value::Uuid(bytes),
            Value::Bits(length, bits) => Value::Bits(length, Cow::Owned(bits.into_owned())),
            Value::Point(x, y) => Value::Point(x, y),
            Value::Json(value) => Value::Json(text(value)),
            Value::Array(values) => {
                Value::Array(values.into_iter().map(Value::into_owned).collect())
            }
            Value::Other(value) => Value::Other(text(value)),
        }
    }
}

/// What decoding needs of the server; a plain table of functions, so that this room stays pure.
pub trait Server {
    /// Decompresses a varlena slot (header included); returns the bytes without a header.
    fn decompress(&self, slot: &[u8]) -> Result<Vec<u8>, Malformed>;
    /// The text output of a value of the type `type_oid`; `slot` is the value's bytes (a varlena
    /// with its header).
    fn text(&self, type_oid: u32, typmod: i32, slot: &[u8]) -> Result<String, Malformed>;
    /// The one value of a query that takes a row as JSON, or what is wrong with it.
    fn evaluate(&self, _query: &str, _row: &str) -> Result<Option<String>, String> {
        Err("there is no server to evaluate SQL".into())
    }
}
