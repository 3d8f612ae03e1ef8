//! What becomes of a column's values: decided once from its type and the modes, for the value that
//! is written and for the schema that describes it alike.

use std::collections::HashMap;

use super::modes::{Binaries, Decimals, Hstores, Intervals, Modes, Times};
use crate::row::layout::Column;
use crate::row::oid;

/// Types that are not built in have another number in each database; these say what is behind the
/// numbers of a layout.
pub type Types = HashMap<u32, Type>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Type {
    pub name: String,
    /// An enum's values in their order; none for other types.
    pub labels: Vec<String>,
}

/// A Kafka Connect type with its semantic name, and how a value is written as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    Boolean,
    Int16,
    Int32,
    Int64,
    Float,
    Double,
    Text,
    /// Text under one of Debezium's names.
    Named(&'static str),
    Enum(Vec<String>),
    /// The unscaled number; the precision where the type has one.
    Decimal {
        scale: usize,
        precision: Option<u32>,
    },
    VariableScale,
    DecimalText,
    DecimalDouble,
    Bytes,
    Base64,
    Base64UrlSafe,
    Hex,
    /// Of so many bits at most.
    Bits(u32),
    Date(Calendar),
    Time(Unit),
    Timestamp(Unit),
    /// With so many digits of a fraction of a second.
    ZonedTimestamp(usize),
    ZonedTime,
    MicroDuration,
    Interval,
    HstoreJson,
    HstoreMap,
    Point,
    Array(Box<Form>),
}

/// Whose dates these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calendar {
    Debezium,
    Connect,
    Iso,
}

/// What a time is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Milliseconds,
    Microseconds,
    Nanoseconds,
    /// Milliseconds by Kafka Connect's own types.
    Connect,
    Iso,
}

pub const JSON: &str = "io.debezium.data.Json";
const XML: &str = "io.debezium.data.Xml";
const UUID: &str = "io.debezium.data.Uuid";
const LTREE: &str = "io.debezium.data.Ltree";
const TSVECTOR: &str = "io.debezium.data.Tsvector";

/// The length that Debezium gives a varbit without one.
const ANY_LENGTH: u32 = i32::MAX as u32;

impl Form {
    pub fn of(column: &Column, modes: &Modes, types: &Types) -> Form {
        match &column.element {
            // Money in an array is left to the server.
            Some(element) if element.base_oid == oid::MONEY => Form::Array(Box::new(Form::Text)),
            Some(element) => {
                let element = Form::scalar(element.base_oid, column.typmod, modes, types);
                Form::Array(Box::new(element))
            }
            None => Form::scalar(column.base_oid, column.typmod, modes, types),
        }
    }

    fn scalar(base_oid: u32, typmod: i32, modes: &Modes, types: &Types) -> Form {
        let digits = usize::try_from(typmod).map_or(6, |digits| digits.min(6));
        match base_oid {
            oid::BOOL => Form::Boolean,
            oid::INT2 => Form::Int16,
            oid::INT4 => Form::Int32,
            oid::INT8 | oid::OID => Form::Int64,
            oid::FLOAT4 => Form::Float,
            oid::FLOAT8 => Form::Double,
            oid::NUMERIC | oid::MONEY => match modes.decimal {
                Decimals::String => Form::DecimalText,
                Decimals::Double => Form::DecimalDouble,
                Decimals::Precise if base_oid == oid::MONEY => {
                    Form::Decimal { scale: 2, precision: None }
                }
                Decimals::Precise => Form::precise(typmod),
            },
            oid::BYTEA => match modes.binary {
                Binaries::Bytes => Form::Bytes,
                Binaries::Base64 => Form::Base64,
                Binaries::Base64UrlSafe => Form::Base64UrlSafe,
                Binaries::Hex => Form::Hex,
            },
            oid::BIT | oid::VARBIT => match u32::try_from(typmod) {
                Ok(1) => Form::Boolean,
                Ok(length) => Form::Bits(length),
                Err(_) => Form::Bits(ANY_LENGTH),
            },
            oid::DATE => Form::Date(match modes.time {
                Times::Connect => Calendar::Connect,
                Times::IsoString => Calendar::Iso,
                _ => Calendar::Debezium,
            }),
            oid::TIME => Form::Time(match modes.time {
                Times::AdaptiveTimeMicroseconds => Unit::Microseconds,
                time => unit(time, digits),
            }),
            oid::TIMESTAMP => Form::Timestamp(unit(modes.time, digits)),
            oid::TIMESTAMPTZ => Form::ZonedTimestamp(digits),
            oid::TIMETZ => Form::ZonedTime,
            oid::INTERVAL => match modes.interval {
                Intervals::Numeric => Form::MicroDuration,
                Intervals::String => Form::Interval,
            },
            oid::JSON | oid::JSONB => Form::Named(JSON),
            oid::XML => Form::Named(XML),
            oid::UUID => Form::Named(UUID),
            oid::TSVECTOR => Form::Named(TSVECTOR),
            oid::POINT => Form::Point,
            other => match types.get(&other) {
                Some(kind) if !kind.labels.is_empty() => Form::Enum(kind.labels.clone()),
                Some(kind) if kind.name == "ltree" => Form::Named(LTREE),
                Some(kind) if kind.name == "hstore" => match modes.hstore {
                    Hstores::Json => Form::HstoreJson,
                    Hstores::Map => Form::HstoreMap,
                },
                _ => Form::Text,
            },
        }
    }

    /// By the modifier of a numeric (`numerictypmodin`): precision in the upper half, scale in the
    /// eleven lowest bits, sign included.
    fn precise(typmod: i32) -> Form {
        const HEADER: i32 = 4;
        let Some(packed) = typmod.checked_sub(HEADER).filter(|packed| *packed >= 0) else {
            return Form::VariableScale;
        };
        let scale = ((packed & 0x7FF) ^ 0x400) - 0x400;
        Form::Decimal {
            // Numbers that are whole hundreds are whole numbers.
            scale: usize::try_from(scale).unwrap_or(0),
            precision: Some((packed >> 16 & 0xFFFF) as u32),
        }
    }
}

fn unit(times: Times, digits: usize) -> Unit {
    match times {
        Times::Adaptive | Times::AdaptiveTimeMicroseconds if digits <= 3 => Unit::Milliseconds,
        Times::Adaptive | Times::AdaptiveTimeMicroseconds | Times::Microseconds => {
            Unit::Microseconds
        }
        Times::Connect => Unit::Connect,
        Times::IsoString => Unit::Iso,
        Times::Nanoseconds => Unit::Nanoseconds,
    }
}
