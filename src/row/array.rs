//! Arrays (`utils/array.h`): behind the varlena header the number of dimensions, the offset of the
//! data (0 when there is no null bitmap), the element type, a length and a lower bound for each
//! dimension, the null bitmap, and the elements, each aligned as in a tuple.

use super::decode::Kind;
use super::image::{Malformed, Varlena, aligned, slot_length, take_u32, varlena};
use super::layout::Element;
use super::value::{Server, Value};

/// Bytes of the varlena header, from the start of which the server counts offsets.
const HEADER: usize = 4;

/// Decodes an array of at most one dimension. `None` is one of more.
pub(super) fn decode<'a>(
    element: &Element,
    slot: &'a [u8],
    server: &dyn Server,
) -> Result<Option<Value<'a>>, Malformed> {
    match varlena(slot)? {
        Varlena::Plain(bytes) => decode_plain(element, bytes, server),
        Varlena::Compressed(slot) => {
            let bytes = server.decompress(slot)?;
            Ok(decode_plain(element, &bytes, server)?.map(Value::into_owned))
        }
    }
}

fn decode_plain<'a>(
    element: &Element,
    bytes: &'a [u8],
    server: &dyn Server,
) -> Result<Option<Value<'a>>, Malformed> {
    let (dimensions, rest) = take_u32(bytes)?;
    let (offset, rest) = take_u32(rest)?;
    let (_element_type, rest) = take_u32(rest)?;
    match dimensions {
        0 => return Ok(Some(Value::Array(Vec::new()))),
        1 => {}
        _ => return Ok(None),
    }
    let (length, rest) = take_u32(rest)?;
    let (_lower_bound, rest) = take_u32(rest)?;
    let length = length as usize;

    let (nulls, data) = if offset == 0 {
        // Header, three words, length and lower bound make 24 bytes: aligned as they are.
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
    let mut values = Vec::with_capacity(length);
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
        values.push(kind.decode_scalar(slot, server)?);
        at = start + length;
    }
    Ok(Some(Value::Array(values)))
}
