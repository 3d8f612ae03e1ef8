//! The columns of a row as they are published: left out, masked, hashed or cut where the source's
//! options say so.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use sha2::{Digest, Sha256};

use super::envelope::{Error, Source};
use super::field::Field;
use super::json;
use super::places::Places;
use super::publication::Treatment;
use crate::row::image::Malformed;
use crate::row::layout::{Column, Layout};
use crate::row::oid;
use crate::row::text::Out;
use crate::row::value::Server;

/// Hexadecimal digits of a SHA-256.
const DIGITS: usize = 64;

/// How the columns of a source are treated.
#[derive(Debug, Clone, Default)]
pub struct Treatments {
    pub columns: BTreeMap<String, Treatment>,
    pub salt: Salt,
}

/// Goes before every value that is hashed. A secret.
#[derive(Clone, Default)]
pub struct Salt(Rc<str>);

impl Salt {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Salt {
    fn from(salt: String) -> Salt {
        Salt(salt.into())
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Treatments {
    /// What is done to a column, which is at a position of its layout.
    fn of(&self, places: &Places, position: usize, column: &Column) -> Option<Treatment> {
        let meant = |(name, _): &(&String, _)| places.means(name, position, column);
        self.columns.iter().filter(meant).map(|(_, treatment)| *treatment).min()
    }

    /// What is written in place of a column's values.
    fn treated(&self, treatment: Treatment, column: &Column) -> Option<Treated> {
        match treatment {
            Treatment::Excluded => None,
            Treatment::Masked(length) => Some(Treated::Masked("*".repeat(length))),
            Treatment::Hashed => {
                Some(Treated::Hashed { salt: self.salt.clone(), digits: digits(column) })
            }
            Treatment::Truncated(most) => Some(Treated::Truncated(most)),
        }
    }
}

impl Source {
    /// Whether a column is left out.
    pub(super) fn excludes(&self, position: usize, column: &Column) -> bool {
        self.treatments.of(&self.places, position, column) == Some(Treatment::Excluded)
    }

    /// What is written in place of a column's values, if they are not published as they are.
    pub(super) fn treated(&self, position: usize, column: &Column) -> Option<Treated> {
        let treatment = self.treatments.of(&self.places, position, column)?;
        self.treatments.treated(treatment, column)
    }

    /// Where nobody knows what a column is called that must not leave as it is, nothing leaves.
    pub(super) fn find_treated(&self, layout: &Layout) -> Result<(), Error> {
        let lost = |(name, _): &(&String, _)| layout.column(name).is_none();
        match self.treatments.columns.iter().find(lost).filter(|_| !self.places.are_known()) {
            Some((name, treatment)) => Err(Error::NoTreatedColumn {
                table: self.table.clone(),
                column: name.clone(),
                option: treatment.member(),
            }),
            None => Ok(()),
        }
    }
}

/// With fewer, different values soon have the same hash: too few for a key.
pub(super) const TELLING: usize = 16;

/// As Debezium has it, a hash is cut to the length that the column declares, so that it fits a copy
/// of the table.
pub(super) fn digits(column: &Column) -> usize {
    let declared = matches!(column.base_oid, oid::VARCHAR | oid::BPCHAR) && column.typmod > 4;
    // The modifier counts four bytes that a length word once took.
    if declared { DIGITS.min(column.typmod as usize - 4) } else { DIGITS }
}

/// What is written in place of a value.
pub(super) enum Treated {
    Masked(String),
    Hashed { salt: Salt, digits: usize },
    Truncated(usize),
}

impl Treated {
    /// What a schema says of it, as Debezium's does: a parameter's name and value.
    pub fn parameter(&self) -> (&'static str, String) {
        match self {
            Treated::Masked(_) | Treated::Hashed { .. } => ("masked", true.to_string()),
            Treated::Truncated(most) => ("truncateLength", most.to_string()),
        }
    }

    /// Appends what stands for the column's value.
    pub fn write(
        &self,
        field: &Field,
        out: &mut Vec<u8>,
        slots: &[Option<&[u8]>],
        server: &dyn Server,
    ) -> Result<(), Malformed> {
        if let Treated::Masked(mask) = self {
            json::string(out, mask);
            return Ok(());
        }
        let Some(slot) = field.slot(slots) else {
            field.put_null(out);
            return Ok(());
        };
        let mut text = String::new();
        field.value(slot, server)?.display(&mut text);
        match self {
            Treated::Masked(_) => {}
            Treated::Hashed { salt, digits } => {
                let hash = Sha256::new().chain_update(&*salt.0).chain_update(&text);
                out.push(b'"');
                for digit in
                    hash.finalize().iter().flat_map(|byte| [byte >> 4, byte & 15]).take(*digits)
                {
                    out.push(b"0123456789abcdef"[usize::from(digit)]);
                }
                out.push(b'"');
            }
            Treated::Truncated(most) => {
                json::string(out, cut(&text, *most));
            }
        }
        Ok(())
    }
}

/// The first characters of a text, counted as Debezium does: in units of UTF-16, of which one beyond the
/// first 65,536 takes two. It is kept or left whole.
fn cut(text: &str, most: usize) -> &str {
    let mut units = 0;
    let end = text.char_indices().find(|(_, c)| {
        units += c.len_utf16();
        units > most
    });
    &text[..end.map_or(text.len(), |(at, _)| at)]
}

/// The columns of a row.
pub(super) struct Columns {
    fields: Vec<Field>,
    /// Which of the fields the key is made of.
    of_key: Vec<bool>,
}

impl Columns {
    /// `of_key` says which columns the key is made of.
    pub fn new(layout: &Layout, source: &Source, of_key: impl Fn(usize) -> bool) -> Columns {
        let mut columns = Columns { fields: Vec::new(), of_key: Vec::new() };
        for (index, column) in layout.live().filter(|(at, column)| !source.excludes(*at, column)) {
            let first = columns.fields.is_empty();
            columns.fields.push(Field::of(index, column, first, source));
            columns.of_key.push(of_key(index));
        }
        columns
    }

    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Appends the row as an object.
    pub fn write(
        &self,
        out: &mut Vec<u8>,
        slots: &[Option<&[u8]>],
        server: &dyn Server,
    ) -> Result<(), Malformed> {
        for field in &self.fields {
            field.write(out, slots, server)?;
        }
        out.put(if self.fields.is_empty() { "{}" } else { "}" });
        Ok(())
    }

    /// Appends two versions of a row as objects, with `between` between them. Of a column whose value is
    /// the same one in both, in the same place in memory, the text is copied: most columns of most
    /// updates, since the log stores of an old row only what differs.
    pub fn write_both(
        &self,
        out: &mut Vec<u8>,
        [first, second]: [&[Option<&[u8]>]; 2],
        between: &str,
        server: &dyn Server,
    ) -> Result<(), Malformed> {
        let start = out.len();
        let mut ends = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            field.write(out, first, server)?;
            ends.push(out.len());
        }
        let close = if self.fields.is_empty() { "{}" } else { "}" };
        out.put(close);
        out.put(between);
        // Of the first version, what is to be copied next.
        let mut run = start..start;
        for (field, end) in self.fields.iter().zip(ends) {
            if is_same(field.slot(first), field.slot(second)) {
                run.end = end;
            } else {
                out.extend_from_within(run);
                field.write(out, second, server)?;
                run = end..end;
            }
        }
        out.extend_from_within(run);
        out.put(close);
        Ok(())
    }

    /// Appends the row as an object that holds no more than the key and what cannot be null.
    pub fn write_identity(
        &self,
        out: &mut Vec<u8>,
        slots: &[Option<&[u8]>],
        server: &dyn Server,
    ) -> Result<(), Malformed> {
        self.write_some(out, slots, server, |field, of_key| of_key || !field.nullable())
    }

    /// Appends the row as an object that holds no more than the key.
    pub fn write_key(
        &self,
        out: &mut Vec<u8>,
        slots: &[Option<&[u8]>],
        server: &dyn Server,
    ) -> Result<(), Malformed> {
        self.write_some(out, slots, server, |_, of_key| of_key)
    }

    fn write_some(
        &self,
        out: &mut Vec<u8>,
        slots: &[Option<&[u8]>],
        server: &dyn Server,
        is_told: impl Fn(&Field, bool) -> bool,
    ) -> Result<(), Malformed> {
        for (field, of_key) in self.fields.iter().zip(&self.of_key) {
            if is_told(field, *of_key) {
                field.write(out, slots, server)?;
            } else {
                field.write_null(out);
            }
        }
        out.put(if self.fields.is_empty() { "{}" } else { "}" });
        Ok(())
    }
}

/// Whether two slots are one and the same.
fn is_same(one: Option<&[u8]>, other: Option<&[u8]>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => std::ptr::eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}
