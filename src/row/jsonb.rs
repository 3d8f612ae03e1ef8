//! The on-disk format of `jsonb` (`utils/jsonb.h`): a tree of containers. A container is a header
//! word (how many entries, and whether they are an array, an object or a lone scalar), an entry
//! word for every key and value, and the data that the entries refer to. An entry says its type
//! and either its length or, every so often, the end of its data: read from the front, both give
//! the same.

use super::decode::utf8;
use super::image::{Malformed, Varlena, take_u32, varlena};
use super::{json, numeric};

const COUNT: u32 = 0x0FFF_FFFF;
const SCALAR: u32 = 0x1000_0000;
const OBJECT: u32 = 0x2000_0000;
const ARRAY: u32 = 0x4000_0000;

const LENGTH_OR_END: u32 = 0x0FFF_FFFF;
const HAS_END: u32 = 0x8000_0000;
const TYPE: u32 = 0x7000_0000;
const STRING: u32 = 0x0000_0000;
const NUMERIC: u32 = 0x1000_0000;
const FALSE: u32 = 0x2000_0000;
const TRUE: u32 = 0x3000_0000;
const NULL: u32 = 0x4000_0000;
const CONTAINER: u32 = 0x5000_0000;

/// The text that `jsonb_out` prints for the bytes behind the varlena header.
pub(super) fn text(bytes: &[u8]) -> Result<String, Malformed> {
    let mut out = String::with_capacity(bytes.len() + bytes.len() / 2);
    // Containers that are open, outermost first: a stack of our own, so that no depth of nesting
    // can exhaust the thread's.
    let mut open = vec![Container::start(bytes, &mut out)?];
    while let Some(container) = open.last_mut() {
        match container.next(&mut out)? {
            Step::Done => {
                open.pop();
            }
            Step::Scalar => {}
            Step::Nested(bytes) => open.push(Container::start(bytes, &mut out)?),
        }
    }
    Ok(out)
}

enum Step<'a> {
    Done,
    Scalar,
    Nested(&'a [u8]),
}

/// A container being written.
struct Container<'a> {
    data: &'a [u8],
    /// Of an object.
    keys: Option<Entries<'a>>,
    values: Entries<'a>,
    first: bool,
    close: &'static str,
}

impl<'a> Container<'a> {
    fn start(bytes: &'a [u8], out: &mut String) -> Result<Self, Malformed> {
        let (header, rest) = take_u32(bytes)?;
        let count = (header & COUNT) as usize;
        let split = |count: usize| {
            rest.split_at_checked(count.saturating_mul(4)).ok_or(Malformed("jsonb cut short"))
        };
        if header & OBJECT != 0 {
            let (words, data) = split(count * 2)?;
            let (key_words, value_words) = words.split_at(count * 4);
            let keys = Entries { words: key_words, at: 0 };
            let mut end = Entries { words: key_words, at: 0 };
            while end.next()?.is_some() {}
            let values = Entries { words: value_words, at: end.at };
            out.push('{');
            Ok(Container { data, keys: Some(keys), values, first: true, close: "}" })
        } else if header & ARRAY != 0 {
            let (words, data) = split(count)?;
            let lone = header & SCALAR != 0;
            out.push_str(if lone { "" } else { "[" });
            let close = if lone { "" } else { "]" };
            let values = Entries { words, at: 0 };
            Ok(Container { data, keys: None, values, first: true, close })
        } else {
            Err(Malformed("jsonb container of unknown kind"))
        }
    }

    fn next(&mut self, out: &mut String) -> Result<Step<'a>, Malformed> {
        let Some(entry) = self.values.next()? else {
            out.push_str(self.close);
            return Ok(Step::Done);
        };
        if !std::mem::take(&mut self.first) {
            out.push_str(", ");
        }
        if let Some(keys) = &mut self.keys {
            let key = keys.next()?.ok_or(Malformed("jsonb value without a key"))?;
            json::string(out, &utf8(key.bytes(self.data)?));
            out.push_str(": ");
        }
        match entry.kind {
            STRING => json::string(out, &utf8(entry.bytes(self.data)?)),
            NUMERIC => match varlena(entry.aligned(self.data)?)? {
                Varlena::Plain(bytes) => out.push_str(&numeric::text(bytes)?),
                Varlena::Compressed(_) => return Err(Malformed("compressed number in jsonb")),
            },
            TRUE => out.push_str("true"),
            FALSE => out.push_str("false"),
            NULL => out.push_str("null"),
            CONTAINER => return Ok(Step::Nested(entry.aligned(self.data)?)),
            _ => return Err(Malformed("jsonb entry of unknown type")),
        }
        Ok(Step::Scalar)
    }
}

/// A run of entry words, and where the data of the next one starts.
struct Entries<'a> {
    words: &'a [u8],
    at: usize,
}

impl Entries<'_> {
    fn next(&mut self) -> Result<Option<Entry>, Malformed> {
        if self.words.is_empty() {
            return Ok(None);
        }
        let (word, rest) = take_u32(self.words)?;
        self.words = rest;
        let number = (word & LENGTH_OR_END) as usize;
        let start = self.at;
        self.at = if word & HAS_END != 0 { number } else { start + number };
        Ok(Some(Entry { kind: word & TYPE, start, end: self.at }))
    }
}

struct Entry {
    kind: u32,
    start: usize,
    end: usize,
}

impl Entry {
    fn bytes<'a>(&self, data: &'a [u8]) -> Result<&'a [u8], Malformed> {
        data.get(self.start..self.end).ok_or(Malformed("jsonb cut short"))
    }

    /// Numbers and containers are aligned to four bytes, and the padding counts as theirs.
    fn aligned<'a>(&self, data: &'a [u8]) -> Result<&'a [u8], Malformed> {
        data.get(self.start.next_multiple_of(4)..self.end).ok_or(Malformed("jsonb cut short"))
    }
}
