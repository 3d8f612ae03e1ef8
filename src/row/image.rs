//! Row images: a table row's bytes as the server stores them, with every out-of-line value pulled
//! in, and old rows as the difference to the new one.
//!
//! The body of an image is the data area of a heap tuple (native byte order, attributes aligned
//! relative to its start; see `heaptuple.c` and `access/tupmacs.h`), so that capturing a row is a
//! copy. An image is
//!
//! ```text
//! u16  number of attributes, bit 15 set when a null bitmap follows
//! [u8] null bitmap, one bit an attribute, set = not null, as in a heap tuple
//! [u8] data area
//! ```
//!
//! and a delta (an old row, where the new one is at hand) is
//!
//! ```text
//! for each attribute that differs:
//!   varint  attributes since the last one that differs (since the first, for the first)
//!   varint  0 for null, otherwise the attribute's bytes and one
//!   [u8]    the attribute's bytes
//! ```
//!
//! A varint has seven bits a byte, the lowest first; all bytes but the last have bit 7 set (LEB128).
//! An attribute's bytes are a *slot*: exactly its fixed length, or a varlena with its header.

use super::layout::{Column, Layout};

const HAS_NULLS: u16 = 0x8000;

/// The attributes of one row as byte slices; `None` is NULL. As long as the layout: what a short
/// tuple lacks (columns added after it was written, without a default) is NULL.
pub type Slots<'a> = Vec<Option<&'a [u8]>>;

/// An image or a delta that its layout cannot explain. It means corruption or the wrong layout,
/// never a value that a user wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "row image does not fit its layout: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

/// Appends the image of a tuple with `natts` attributes to `out`. `nulls` is the tuple's null
/// bitmap, where it has one, and `data` its data area.
pub fn write_image(out: &mut Vec<u8>, natts: u16, nulls: Option<&[u8]>, data: &[u8]) {
    let bitmap = nulls.map(|bits| &bits[..usize::from(natts).div_ceil(8)]);
    let flag = if bitmap.is_some() { HAS_NULLS } else { 0 };
    out.extend_from_slice(&(natts | flag).to_ne_bytes());
    out.extend_from_slice(bitmap.unwrap_or_default());
    out.extend_from_slice(data);
}

/// Splits an image into slots. `slots` is cleared first and may be reused from row to row.
pub fn read_image<'a>(
    image: &'a [u8],
    layout: &Layout,
    slots: &mut Slots<'a>,
) -> Result<(), Malformed> {
    let (head, rest) = take_u16(image)?;
    let natts = usize::from(head & !HAS_NULLS);
    let (nulls, data) = if head & HAS_NULLS != 0 {
        let (bits, data) =
            rest.split_at_checked(natts.div_ceil(8)).ok_or(Malformed("null bitmap cut short"))?;
        (Some(bits), data)
    } else {
        (None, rest)
    };
    read_tuple(natts, nulls, data, &layout.columns, slots)
}

/// Splits the parts of a heap tuple into slots.
pub fn read_tuple<'a>(
    natts: usize,
    nulls: Option<&[u8]>,
    data: &'a [u8],
    columns: &[Column],
    slots: &mut Slots<'a>,
) -> Result<(), Malformed> {
    if natts > columns.len() {
        return Err(Malformed("more attributes than columns"));
    }
    slots.clear();
    let mut at = 0;
    for (index, column) in columns[..natts].iter().enumerate() {
        if nulls.is_some_and(|bits| bits[index / 8] & (1 << (index % 8)) == 0) {
            slots.push(None);
            continue;
        }
        let start = aligned(at, column.length, column.align, data);
        let rest = data.get(start..).ok_or(Malformed("data area cut short"))?;
        let length = slot_length(rest, column.length)?;
        slots.push(Some(rest.get(..length).ok_or(Malformed("data area cut short"))?));
        at = start + length;
    }
    slots.resize(columns.len(), None);
    Ok(())
}

/// Where the next value of a type starts, at or after `at`, relative to the start of `data`.
///
/// A varlena that begins with a non-zero byte has a one-byte header and is not aligned; padding is
/// always zero bytes (`att_align_pointer`).
pub fn aligned(at: usize, length: i16, align: char, data: &[u8]) -> usize {
    if length == -1 && data.get(at).is_some_and(|&byte| byte != 0) {
        return at;
    }
    let to = match align {
        'd' => 8,
        'i' => 4,
        's' => 2,
        _ => 1,
    };
    at.next_multiple_of(to)
}

/// How many bytes the value at the start of `data` takes, its varlena header included.
pub fn slot_length(data: &[u8], length: i16) -> Result<usize, Malformed> {
    match length {
        -1 => varlena_length(data),
        -2 => data
            .iter()
            .position(|&byte| byte == 0)
            .map(|end| end + 1)
            .ok_or(Malformed("string without an end")),
        fixed => usize::try_from(fixed).map_err(|_| Malformed("unknown type length")),
    }
}

#[cfg(target_endian = "big")]
compile_error!("varlena headers are read in little-endian order only");

fn varlena_length(data: &[u8]) -> Result<usize, Malformed> {
    match data.first() {
        None => Err(Malformed("value cut short")),
        Some(0x01) => Err(Malformed("out-of-line value")),
        Some(first) if first & 0x01 == 0x01 => Ok(usize::from(first >> 1)),
        Some(_) => {
            let header = data.first_chunk::<4>().ok_or(Malformed("value cut short"))?;
            Ok((u32::from_ne_bytes(*header) >> 2) as usize)
        }
    }
}

/// What a varlena slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Varlena<'a> {
    /// The value's bytes, without a header.
    Plain(&'a [u8]),
    /// The whole slot with its header, compressed by the server (pglz or lz4).
    Compressed(&'a [u8]),
}

/// Strips the header of a varlena slot.
pub fn varlena(slot: &[u8]) -> Result<Varlena<'_>, Malformed> {
    match slot.first() {
        None | Some(0x01) => Err(Malformed("no varlena")),
        Some(first) if first & 0x01 == 0x01 => Ok(Varlena::Plain(&slot[1..])),
        Some(first) if first & 0x03 == 0x02 => Ok(Varlena::Compressed(slot)),
        Some(_) => slot.get(4..).map(Varlena::Plain).ok_or(Malformed("value cut short")),
    }
}

/// Appends the delta that leads from the `new` slots back to the `old` ones.
pub fn write_delta(out: &mut Vec<u8>, old: &[Option<&[u8]>], new: &[Option<&[u8]>]) {
    let mut next = 0;
    for (index, value) in old.iter().enumerate() {
        if new.get(index).is_some_and(|other| other == value) {
            continue;
        }
        write_varint(out, (index - next) as u32);
        next = index + 1;
        match value {
            None => out.push(0),
            Some(bytes) => {
                write_varint(out, bytes.len() as u32 + 1);
                out.extend_from_slice(bytes);
            }
        }
    }
}

/// Rebuilds the old slots from a delta and the `new` slots.
pub fn read_delta<'a>(
    mut delta: &'a [u8],
    new: &[Option<&'a [u8]>],
    old: &mut Slots<'a>,
) -> Result<(), Malformed> {
    old.clear();
    old.extend_from_slice(new);
    let mut next = 0;
    while !delta.is_empty() {
        let (skipped, rest) = take_varint(delta)?;
        let (length, rest) = take_varint(rest)?;
        let index = next + skipped as usize;
        let slot = old.get_mut(index).ok_or(Malformed("delta of a missing attribute"))?;
        next = index + 1;
        (*slot, delta) = match (length as usize).checked_sub(1) {
            None => (None, rest),
            Some(length) => {
                let (bytes, rest) =
                    rest.split_at_checked(length).ok_or(Malformed("delta cut short"))?;
                (Some(bytes), rest)
            }
        };
    }
    Ok(())
}

/// Appends a number in as few bytes as it needs.
pub(crate) fn write_varint(out: &mut Vec<u8>, number: u32) {
    let (bytes, length) = varint(number);
    out.extend_from_slice(&bytes[..length]);
}

/// A number as a varint, and how many bytes it takes.
pub(crate) fn varint(mut number: u32) -> ([u8; 5], usize) {
    let (mut bytes, mut length) = ([0; 5], 0);
    while number >= 0x80 {
        bytes[length] = number as u8 | 0x80;
        number >>= 7;
        length += 1;
    }
    bytes[length] = number as u8;
    (bytes, length + 1)
}

/// Takes a varint off the front.
pub(crate) fn take_varint(bytes: &[u8]) -> Result<(u32, &[u8]), Malformed> {
    let mut number = 0;
    for (at, &byte) in bytes.iter().take(5).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let number = u32::try_from(number).map_err(|_| Malformed("number out of range"))?;
            return Ok((number, &bytes[at + 1..]));
        }
    }
    Err(Malformed("number cut short"))
}

/// Takes a native-endian u16 off the front.
pub(crate) fn take_u16(bytes: &[u8]) -> Result<(u16, &[u8]), Malformed> {
    let (head, rest) = bytes.split_first_chunk::<2>().ok_or(Malformed("cut short"))?;
    Ok((u16::from_ne_bytes(*head), rest))
}

/// Takes a native-endian u32 off the front.
pub(crate) fn take_u32(bytes: &[u8]) -> Result<(u32, &[u8]), Malformed> {
    let (head, rest) = bytes.split_first_chunk::<4>().ok_or(Malformed("cut short"))?;
    Ok((u32::from_ne_bytes(*head), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slots(values: &[Option<Vec<u8>>]) -> Slots<'_> {
        values.iter().map(Option::as_deref).collect()
    }

    proptest! {
        #[test]
        fn a_delta_leads_back(
            pairs in proptest::collection::vec(
                (any::<Option<[u8; 2]>>(), any::<Option<Vec<u8>>>(), any::<bool>()), 0..200)
        ) {
            let new: Vec<_> = pairs.iter().map(|(new, ..)| new.map(|new| new.to_vec())).collect();
            let old: Vec<_> = pairs.iter().zip(&new)
                .map(|((_, old, same), new)| if *same { new.clone() } else { old.clone() }).collect();
            let mut delta = Vec::new();
            write_delta(&mut delta, &slots(&old), &slots(&new));
            let mut back = Slots::new();
            prop_assert_eq!(read_delta(&delta, &slots(&new), &mut back), Ok(()));
            prop_assert_eq!(back, slots(&old));
        }

        #[test]
        fn no_bytes_are_too_bad_for_a_delta(delta in any::<Vec<u8>>(), columns in 0usize..9) {
            let _ = read_delta(&delta, &vec![None; columns], &mut Slots::new());
        }

        #[test]
        fn numbers_come_back(number in any::<u32>(), shift in 0u32..32, more in any::<[u8; 2]>()) {
            let number = number >> shift;
            let mut out = Vec::new();
            write_varint(&mut out, number);
            out.extend(more);
            prop_assert_eq!(take_varint(&out), Ok((number, &more[..])));
        }
    }
}
