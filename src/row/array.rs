//! Arrays (`utils/array.h`): behind the varlena header the number of dimensions, the offset of the
//! data (0 when there is no null bitmap), the element type, a length and a lower bound for each
//! dimension, the null bitmap, and the elements, each aligned as in a tuple.

use std::borrow::Cow;

use super::decode::Kind;
use super::image::{Malformed, Varlena, aligned, slot_length, take_u32, varlena};
use super::layout::Element;
use super::value::{Server, Value};

/// Bytes of the varlena header, from the start of which the server counts offsets.
const HEADER: usize = 4;

/// `MAXDIM` of the server.
const MAX_DIMENSIONS: u32 = 6;

/// Decodes an array of at most one dimension. `None` is one of more.
pub(super) fn decode<'a>(
    element: &Element,
    slot: &'a [u8],
    server: &dyn Server,
) -> Result<Option<Value<'a>>, Malformed> {
    match varlena(slot)? {
        Varlena::Plain(bytes) => decode_plain(element, bytes, 1, server),
        Varlena::Compressed(slot) => {
            let bytes = server.decompress(slot)?;
            Ok(decode_plain(element, &bytes, 1, server)?.map(Value::into_owned))
        }
    }
}

/// Decodes the elements of an array of any number of dimensions, in the order of storage.
pub(super) fn decode_flat<'a>(
    element: &Element,
    slot: &'a [u8],
    server: &dyn Server,
) -> Result<Value<'a>, Malformed> {
    let value = match varlena(slot)? {
        Varlena::Plain(bytes) => decode_plain(element, bytes, MAX_DIMENSIONS, server)?,
        Varlena::Compressed(slot) => {
            let bytes = server.decompress(slot)?;
            decode_plain(element, &bytes, MAX_DIMENSIONS, server)?.map(Value::into_owned)
        }
    };
    value.ok_or(Malformed("array of too many dimensions"))
}

fn decode_plain<'a>(
    element: &Element,
    bytes: &'a [u8],
    most: u32,
    server: &dyn Server,
) -> Result<Option<Value<'a>>, Malformed> {
    let (dimensions, rest) = take_u32(bytes)?;
    let (offset, rest) = take_u32(rest)?;
    let (_element_type, rest) = take_u32(rest)?;
    if dimensions == 0 {
        return Ok(Some(Value::Array(Vec::new())));
    }
    if dimensions > most {
        return Ok(None);
    }
    let (mut length, mut rest) = (1usize, rest);
    for _ in 0..dimensions {
        let (along, after) = take_u32(rest)?;
        length = length.checked_mul(along as usize).ok_or(Malformed("array cut short"))?;
        rest = after;
    }
    for _ in 0..dimensions {
        (_, rest) = take_u32(rest)?;
    }

    let (nulls, data) = if offset == 0 {
        // Header, three words, lengths and lower bounds make a multiple of 8: aligned as they are.
        (None, rest)
    } else {
        let nulls = rest.get(..length.div_ceil(8)).ok_or(Malformed("array bitmap cut short"))?;
        let data = (offset as usize).checked_sub(HEADER).and_then(|start| bytes.get(start..));
        (Some(nulls), data.ok_or(Malformed("array cut short"))?)
    };
    if element.length == 0 || (nulls.is_none() && length > data.len()) {
        return Err(Malformed("array cut short"));
    }

    let kind = Kind::of_type(element.base_oid);
    let mut values = Vec::with_capacity(length.min(bytes.len() * 8));
    let mut at = 0;
    for index in 0..length {
        if nulls.is_some_and(|bits| bits[index / 8] & (1 << (index % 8)) == 0) {
            values.push(Value::Null);
            continue;
        }
        let start = aligned(at, element.length, element.align, data);
        let rest = data.get(start..).ok_or(Malformed("array cut short"))?;
        let length = slot_length(rest, element.length)?;
        let slot = rest.get(..length).ok_or(Malformed("array cut short"))?;
        values.push(match kind {
            Kind::Other => Value::Other(Cow::Owned(server.text(element.type_oid, -1, slot)?)),
            kind => kind.decode_scalar(slot, server)?,
        });
        at = start + length;
    }
    Ok(Some(Value::Array(values)))
}
