//! Chunks: the row images of one statement, packed until they fill a page of the log.
//!
//! A chunk's `images` is a sequence of rows, each `varint length, image`, and for an update
//! `varint length, delta` after it (see [`crate::row::image`]).

use super::change::Op;
use crate::row::image::{self, Malformed, Slots};
use crate::row::layout::Layout;

/// Bytes of images at which a chunk is full: with the log's other columns it then fills a page (the
/// server's `MaxHeapTupleSize`, 8160), and stays in line. A larger row makes a chunk of its own, which
/// the server stores out of line.
pub const FULL: usize = 8092;

/// Appends `write`'s bytes with their length before them.
pub fn write_part(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    // Room for the length that images have; what has another is moved.
    const USUAL: usize = 2;
    out.extend_from_slice(&[0; USUAL]);
    write(out);
    let (bytes, length) = image::varint((out.len() - start - USUAL) as u32);
    if length == USUAL {
        out[start..start + USUAL].copy_from_slice(&bytes[..USUAL]);
    } else {
        out.splice(start..start + USUAL, bytes[..length].iter().copied());
    }
}

fn read_part<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let (length, rest) = image::take_varint(bytes)?;
    let (part, rest) =
        rest.split_at_checked(length as usize).ok_or(Malformed("chunk cut short"))?;
    *bytes = rest;
    Ok(part)
}

/// One row of a chunk, before and after.
#[derive(Debug, Default)]
pub struct Row<'a> {
    pub old: Option<Slots<'a>>,
    pub new: Option<Slots<'a>>,
}

/// Calls `each` with every row of a chunk's images and its ordinal.
pub fn for_each_row<'a, E: From<Malformed>>(
    op: Op,
    mut images: &'a [u8],
    layout: &Layout,
    mut each: impl FnMut(u32, &Row<'a>) -> Result<(), E>,
) -> Result<(), E> {
    let mut row = Row::default();
    let mut ordinal = 0;
    while !images.is_empty() {
        let part = read_part(&mut images)?;
        match op {
            Op::Delete => image::read_image(part, layout, row.old.get_or_insert_default())?,
            _ => image::read_image(part, layout, row.new.get_or_insert_default())?,
        }
        if let (Op::Update, Some(new)) = (op, &row.new) {
            let delta = read_part(&mut images)?;
            image::read_delta(delta, new, row.old.get_or_insert_default())?;
        }
        each(ordinal, &row)?;
        ordinal += 1;
    }
    Ok(())
}

/// As [`for_each_row`]; a truncate, which has no rows, is one change.
pub fn for_each_change<'a, E: From<Malformed>>(
    op: Op,
    images: &'a [u8],
    layout: &Layout,
    mut each: impl FnMut(u32, &Row<'a>) -> Result<(), E>,
) -> Result<(), E> {
    match op {
        Op::Truncate => each(0, &Row::default()),
        _ => for_each_row(op, images, layout, each),
    }
}
