//! Decoding: from a slot to a [`Value`], by the column's type.
//!
//! Formats are those of the server's `Datum`s as they lie in a tuple: fixed types in native byte
//! order, the others behind a varlena header. No input makes this panic: what does not fit its
//! type is [`Malformed`].

use std::borrow::Cow;

use super::image::{Malformed, Varlena, take_u32, varlena};
use super::layout::Column;
use super::time::{self, DAY};
use super::value::{Server, Value};
use super::{array, jsonb, numeric, oid};

/// Days and microseconds from 1970-01-01 to 2000-01-01, where the server's calendar starts.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROSECONDS: i64 = EPOCH_DAYS as i64 * DAY;

/// How the slots of a column are decoded. Derived from the column once, by those who read many
/// rows of one layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric,
    Text,
    Name,
    Bytea,
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
    Interval,
    Uuid,
    Json,
    Jsonb,
    Bits,
    Point,
    /// An array, of elements that the layout names.
    Array,
    /// Left to the server's output function.
    Other,
}

impl Kind {
    pub fn of(column: &Column) -> Kind {
        match column.element {
            Some(_) => Kind::Array,
            None => Kind::of_type(column.base_oid),
        }
    }

    /// The kind of a type that is no array.
    pub fn of_type(base_oid: u32) -> Kind {
        match base_oid {
            oid::TEXT | oid::VARCHAR | oid::BPCHAR => Kind::Text,
            oid::BOOL => Kind::Bool,
            oid::INT2 => Kind::Int2,
            oid::INT4 => Kind::Int4,
            oid::INT8 => Kind::Int8,
            oid::OID => Kind::Oid,
            oid::FLOAT4 => Kind::Float4,
            oid::FLOAT8 => Kind::Float8,
            oid::NUMERIC => Kind::Numeric,
            oid::NAME => Kind::Name,
            oid::BYTEA => Kind::Bytea,
            oid::DATE => Kind::Date,
            oid::TIME => Kind::Time,
            oid::TIMETZ => Kind::TimeTz,
            oid::TIMESTAMP => Kind::Timestamp,
            oid::TIMESTAMPTZ => Kind::TimestampTz,
            oid::INTERVAL => Kind::Interval,
            oid::UUID => Kind::Uuid,
            oid::JSON => Kind::Json,
            oid::JSONB => Kind::Jsonb,
            oid::BIT | oid::VARBIT => Kind::Bits,
            oid::POINT => Kind::Point,
            _ => Kind::Other,
        }
    }

    /// Decodes a slot of `column`, which must be of this kind.
    #[inline]
    pub fn decode<'a>(
        self,
        column: &Column,
        slot: &'a [u8],
        server: &dyn Server,
    ) -> Result<Value<'a>, Malformed> {
        // Most values are text.
        if self == Kind::Text
            && let Varlena::Plain(bytes) = varlena(slot)?
        {
            return Ok(Value::Text(utf8(bytes)));
        }
        let decoded = match (self, &column.element) {
            (Kind::Other, _) => None,
            (Kind::Array, Some(element)) => array::decode(element, slot, server)?,
            (Kind::Array, None) => return Err(Malformed("array of unknown elements")),
            (scalar, _) => Some(scalar.decode_scalar(slot, server)?),
        };
        match decoded {
            Some(value) => Ok(value),
            None => {
                let text = server.text(column.type_oid, column.typmod, slot)?;
                Ok(Value::Other(Cow::Owned(text)))
            }
        }
    }

    /// As [`Kind::decode`], but an array of any number of dimensions becomes the list of its elements
    /// in the order in which they are stored.
    pub fn decode_flat<'a>(
        self,
        column: &Column,
        slot: &'a [u8],
        server: &dyn Server,
    ) -> Result<Value<'a>, Malformed> {
        match (self, &column.element) {
            (Kind::Array, Some(element)) => array::decode_flat(element, slot, server),
            _ => self.decode(column, slot, server),
        }
    }

    /// Decodes a slot of any kind but `Array` and `Other`.
    pub(super) fn decode_scalar<'a>(
        self,
        slot: &'a [u8],
        server: &dyn Server,
    ) -> Result<Value<'a>, Malformed> {
        Ok(match self {
            Kind::Bool => Value::Bool(fixed::<1>(slot)?[0] != 0),
            Kind::Int2 => Value::Int(i16::from_ne_bytes(fixed(slot)?).into()),
            Kind::Int4 => Value::Int(i32::from_ne_bytes(fixed(slot)?).into()),
            Kind::Int8 => Value::Int(i64::from_ne_bytes(fixed(slot)?)),
            Kind::Oid => Value::Int(u32::from_ne_bytes(fixed(slot)?).into()),
            Kind::Float4 => Value::Float4(f32::from_ne_bytes(fixed(slot)?)),
            Kind::Float8 => Value::Float8(f64::from_ne_bytes(fixed(slot)?)),
            Kind::Date => Value::Date(date(i32::from_ne_bytes(fixed(slot)?))?),
            Kind::Time => Value::Time(time_of_day(i64::from_ne_bytes(fixed(slot)?))?),
            Kind::TimeTz => timetz(slot)?,
            Kind::Timestamp => timestamp(slot, Value::Timestamp, "")?,
            Kind::TimestampTz => timestamp(slot, Value::TimestampTz, "+00")?,
            Kind::Interval => interval(slot)?,
            Kind::Uuid => Value::Uuid(fixed(slot)?),
            Kind::Point => {
                let bytes = fixed::<16>(slot)?;
                let coordinate = |bytes: &[u8]| Ok(f64::from_ne_bytes(fixed(bytes)?));
                Value::Point(coordinate(&bytes[..8])?, coordinate(&bytes[8..])?)
            }
            Kind::Name => {
                let end = slot.iter().position(|&byte| byte == 0).unwrap_or(slot.len());
                Value::Text(utf8(&slot[..end]))
            }
            _ => match varlena(slot)? {
                Varlena::Plain(bytes) => self.decode_varlena(bytes)?,
                Varlena::Compressed(slot) => {
                    self.decode_varlena(&server.decompress(slot)?)?.into_owned()
                }
            },
        })
    }

    fn decode_varlena(self, bytes: &[u8]) -> Result<Value<'_>, Malformed> {
        match self {
            Kind::Text => Ok(Value::Text(utf8(bytes))),
            Kind::Numeric => Ok(Value::Numeric(numeric::text(bytes)?)),
            Kind::Json => Ok(Value::Json(utf8(bytes))),
            Kind::Jsonb => Ok(Value::Json(Cow::Owned(jsonb::text(bytes)?))),
            Kind::Bytea => Ok(Value::Bytea(Cow::Borrowed(bytes))),
            Kind::Bits => bits(bytes),
            _ => Err(Malformed("type without a decoder")),
        }
    }
}

/// Decodes one slot; `None` is NULL. `slot` is as [`super::image::read_image`] yields it.
#[inline]
pub fn decode<'a>(
    column: &Column,
    slot: Option<&'a [u8]>,
    server: &dyn Server,
) -> Result<Value<'a>, Malformed> {
    match slot {
        None => Ok(Value::Null),
        Some(slot) => Kind::of(column).decode(column, slot, server),
    }
}

/// Text as it is in a UTF-8 database; anything else is shown with replacement characters.
#[inline]
pub(super) fn utf8(bytes: &[u8]) -> Cow<'_, str> {
    // The lossy conversion alone gives the same, several times slower.
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

fn fixed<const N: usize>(slot: &[u8]) -> Result<[u8; N], Malformed> {
    slot.try_into().map_err(|_| Malformed("value of another length than its type"))
}

fn date(days: i32) -> Result<i32, Malformed> {
    match days {
        i32::MAX | i32::MIN => Ok(days),
        days => days
            .checked_add(EPOCH_DAYS)
            .filter(|&rebased| rebased != i32::MAX)
            .ok_or(Malformed("date out of range")),
    }
}

/// The server's calendar ends in the year 294276 and, counted from 1970 in 64 bits, ours thirty
/// years before: what lies between is left as text.
fn timestamp(
    slot: &[u8],
    value: fn(i64) -> Value<'static>,
    zone: &str,
) -> Result<Value<'static>, Malformed> {
    let microseconds = i64::from_ne_bytes(fixed(slot)?);
    if matches!(microseconds, i64::MAX | i64::MIN) {
        return Ok(value(microseconds));
    }
    Ok(match microseconds.checked_add(EPOCH_MICROSECONDS) {
        Some(rebased) if rebased != i64::MAX => value(rebased),
        _ => {
            let days = microseconds.div_euclid(DAY) + i64::from(EPOCH_DAYS);
            let of_day = microseconds.rem_euclid(DAY);
            let mut text = String::new();
            time::day_and_time(&mut text, days, of_day, " ", zone);
            Value::Other(Cow::Owned(text))
        }
    })
}

fn time_of_day(microseconds: i64) -> Result<i64, Malformed> {
    // 24:00:00 is a time of day to the server.
    if (0..=DAY).contains(&microseconds) {
        Ok(microseconds)
    } else {
        Err(Malformed("time out of range"))
    }
}

/// `TimeTzADT`: the time, and the zone in seconds *west* of UTC (`utils/date.h`).
fn timetz(slot: &[u8]) -> Result<Value<'static>, Malformed> {
    let bytes = fixed::<12>(slot)?;
    let west = i32::from_ne_bytes(fixed(&bytes[8..])?);
    if west.unsigned_abs() >= 16 * 3600 {
        return Err(Malformed("time zone out of range"));
    }
    Ok(Value::TimeTz(time_of_day(i64::from_ne_bytes(fixed(&bytes[..8])?))?, -west))
}

/// The number in a slot of type money, whose text wears the dress of the server's locale: hundredths
/// (`utils/adt/cash.c`), wherever that locale does not say otherwise.
pub fn money(slot: &[u8]) -> Result<Value<'static>, Malformed> {
    let hundredths = i64::from_ne_bytes(fixed(slot)?);
    let sign = if hundredths < 0 { "-" } else { "" };
    let hundredths = hundredths.unsigned_abs();
    let text = format!("{sign}{}.{:02}", hundredths / 100, hundredths % 100);
    Ok(Value::Numeric(Cow::Owned(text)))
}

/// `VarBit`: the number of bits, and the bits (`utils/varbit.h`).
fn bits(bytes: &[u8]) -> Result<Value<'_>, Malformed> {
    let (length, bits) = take_u32(bytes)?;
    match bits.get(..(length as usize).div_ceil(8)) {
        Some(bits) => Ok(Value::Bits(length, Cow::Borrowed(bits))),
        None => Err(Malformed("bits cut short")),
    }
}

/// `Interval`: microseconds, days, months (`datatype/timestamp.h`).
fn interval(slot: &[u8]) -> Result<Value<'static>, Malformed> {
    let bytes = fixed::<16>(slot)?;
    Ok(Value::Interval {
        microseconds: i64::from_ne_bytes(fixed(&bytes[..8])?),
        days: i32::from_ne_bytes(fixed(&bytes[8..12])?),
        months: i32::from_ne_bytes(fixed(&bytes[12..])?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::layout::Element;

    /// Knows one compressed value: the text array {ab}.
    struct Archive;

    impl Server for Archive {
        fn decompress(&self, _: &[u8]) -> Result<Vec<u8>, Malformed> {
            let words = [1u32, 0, oid::TEXT, 1, 1, (4 + 2) << 2];
            let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            bytes.extend(b"ab");
            Ok(bytes)
        }

        fn text(&self, _: u32, _: i32, _: &[u8]) -> Result<String, Malformed> {
            Err(Malformed("not asked for"))
        }
    }

    #[test]
    fn compressed_values_are_the_servers_to_unpack() {
        let slot = ((8u32 << 2) | 2).to_ne_bytes();
        let text = Element { type_oid: 25, base_oid: oid::TEXT, length: -1, align: 'i' };
        let mut column = Column {
            name: "c".into(),
            dropped: false,
            not_null: false,
            type_name: "text[]".into(),
            type_oid: 1009,
            base_oid: 1009,
            typmod: -1,
            length: -1,
            align: 'i',
            element: Some(text),
        };
        let value = decode(&column, Some(&slot), &Archive).unwrap();
        assert_eq!(value, Value::Array(vec![Value::Text("ab".into())]));
        (column.element, column.base_oid) = (None, oid::BYTEA);
        let Value::Bytea(bytes) = decode(&column, Some(&slot), &Archive).unwrap() else {
            panic!("bytea");
        };
        assert_eq!(bytes.len(), 26);
    }

    #[test]
    fn money_is_a_number() {
        for (hundredths, expected) in
            [(123_411i64, "1234.11"), (-5, "-0.05"), (i64::MIN, "-92233720368547758.08")]
        {
            assert_eq!(money(&hundredths.to_ne_bytes()), Ok(Value::Numeric(expected.into())));
        }
    }

    #[test]
    fn the_last_years_of_the_servers_calendar_are_text() {
        let last = 9_223_371_331_199_999_999i64.to_ne_bytes();
        let value = timestamp(&last, Value::TimestampTz, "+00").unwrap();
        assert_eq!(value, Value::Other("294276-12-31 23:59:59.999999+00".into()));
        let last_number = (i64::MAX - 1 - EPOCH_MICROSECONDS).to_ne_bytes();
        let value = timestamp(&last_number, Value::Timestamp, "").unwrap();
        assert_eq!(value, Value::Timestamp(i64::MAX - 1));
    }
}
