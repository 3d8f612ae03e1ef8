//! Keys of messages: what identifies a record in its topic.

use super::envelope::{Error, Source};
use super::field::Field;
use super::schema;
use crate::normalize::filter::Place;
use crate::row::image::Malformed;
use crate::row::layout::Layout;
use crate::row::text::Out;
use crate::row::value::Server;

/// What the key of a table's messages is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// Of an org's table: `{"sfid":"…"}`, and `{"id":…}` as long as Salesforce has not given the
    /// record its id.
    Record,
    /// These columns, in this order. None at all: messages without a key.
    Columns(Vec<String>),
}

/// A key compiled for a layout.
pub(super) struct KeyPlan {
    /// The columns of the key; none where messages have no key.
    columns: Part,
    /// With [`Key::Record`], what the key of a record is made of while it has no sfid.
    substitute: Option<Part>,
    end: &'static str,
}

/// Columns that make a key together.
struct Part {
    /// The schema, where there is one.
    start: Vec<u8>,
    fields: Vec<Field>,
}

impl KeyPlan {
    pub fn new(layout: &Layout, source: &Source) -> Result<KeyPlan, Error> {
        let part = |names: &[String]| {
            let mut fields = Vec::with_capacity(names.len());
            for name in names {
                let (index, column) = match source.places.find(layout, name) {
                    Place::At(index, column) if !source.excludes(index, column) => (index, column),
                    _ => {
                        let (table, column) = (source.table.clone(), name.clone());
                        return Err(Error::NoKeyColumn { table, column });
                    }
                };
                let first = fields.is_empty();
                fields.push(Field::of(index, column, first, source));
            }
            let mut start = Vec::new();
            if source.modes.schemas && !fields.is_empty() {
                start.put(&schema::before_payload(&schema::key(&source.topic, &fields)));
            }
            Ok(Part { start, fields })
        };
        let (columns, substitute) = match &source.key {
            Key::Columns(names) => (part(names)?, None),
            Key::Record => match (part(&["sfid".to_owned()]), part(&["id".to_owned()])) {
                (Ok(sfid), Ok(id)) => (sfid, Some(id)),
                (sfid, id) => (id.or(sfid)?, None),
            },
        };
        Ok(KeyPlan { columns, substitute, end: if source.modes.schemas { "}}" } else { "}" } })
    }

    /// Whether the column at this place is one of the key's.
    pub fn has(&self, index: usize) -> bool {
        let parts = std::iter::once(&self.columns).chain(&self.substitute);
        parts.flat_map(|part| &part.fields).any(|field| field.index() == index)
    }

    fn part(&self, slots: &[Option<&[u8]>]) -> &Part {
        match &self.substitute {
            Some(part) if self.columns.fields.iter().any(|field| field.slot(slots).is_none()) => {
                part
            }
            _ => &self.columns,
        }
    }

    /// Whether a row of which only some columns are known has all those of the key.
    pub fn is_known(&self, slots: &[Option<&[u8]>]) -> bool {
        let fields = &self.part(slots).fields;
        !fields.is_empty() && fields.iter().all(|field| field.slot(slots).is_some())
    }

    /// Whether both rows have the same key by their bytes. Equal keys may differ in these, never
    /// the other way round.
    pub fn same_bytes(&self, one: &[Option<&[u8]>], other: &[Option<&[u8]>]) -> bool {
        let same =
            |part: &Part| part.fields.iter().all(|field| field.slot(one) == field.slot(other));
        same(&self.columns) && self.substitute.as_ref().is_none_or(same)
    }

    /// Writes the key of a row to `out`, which is cleared; false where messages have none.
    pub fn write(
        &self,
        out: &mut Vec<u8>,
        slots: &[Option<&[u8]>],
        server: &dyn Server,
    ) -> Result<bool, Malformed> {
        out.clear();
        let part = self.part(slots);
        out.extend_from_slice(&part.start);
        for field in &part.fields {
            field.write(out, slots, server)?;
        }
        if !part.fields.is_empty() {
            out.put(self.end);
        }
        Ok(!part.fields.is_empty())
    }
}

/// A key that was written, without its schema. No column's value looks like the start of one, and
/// none of a schema's own members is called payload.
pub fn payload(key: &[u8]) -> &[u8] {
    const START: &[u8] = b"{\"schema\":{\"type\":\"struct\"";
    const BETWEEN: &[u8] = b",\"payload\":";
    if !key.starts_with(START) {
        return key;
    }
    let at = key.windows(BETWEEN.len()).position(|window| window == BETWEEN);
    let payload = at.and_then(|at| key.get(at + BETWEEN.len()..));
    payload.and_then(|rest| rest.strip_suffix(b"}")).unwrap_or(key)
}
