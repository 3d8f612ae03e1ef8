//! Keys of messages: what identifies a record in its topic.

use super::envelope::Error;
use super::field::Field;
use crate::row::image::Malformed;
use crate::row::layout::Layout;
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
    fields: Vec<Field>,
    /// With [`Key::Record`], how many of `fields` make the key of a record that has an sfid; the
    /// others make it while it has none.
    preferred: Option<usize>,
}

impl KeyPlan {
    pub fn new(key: &Key, layout: &Layout, table: &str) -> Result<KeyPlan, Error> {
        let field = |name: &str, first: bool| {
            let (index, column) = layout.column(name)?;
            Some(Field::new(index, column, first))
        };
        let missing = |column: &str| Error::NoKeyColumn {
            table: table.to_owned(),
            column: column.to_owned(),
        };
        match key {
            Key::Columns(names) => {
                let mut fields = Vec::with_capacity(names.len());
                for name in names {
                    fields.push(field(name, fields.is_empty()).ok_or_else(|| missing(name))?);
                }
                Ok(KeyPlan { fields, preferred: None })
            }
            Key::Record => match (field("sfid", true), field("id", true)) {
                (Some(sfid), Some(id)) => {
                    Ok(KeyPlan { fields: vec![sfid, id], preferred: Some(1) })
                }
                (Some(only), None) | (None, Some(only)) => {
                    Ok(KeyPlan { fields: vec![only], preferred: None })
                }
                (None, None) => Err(missing("sfid")),
            },
        }
    }

    fn fields(&self, slots: &[Option<&[u8]>]) -> &[Field] {
        match self.preferred {
            None => &self.fields,
            Some(preferred) => {
                let (first, second) = self.fields.split_at(preferred);
                if first.iter().all(|field| field.slot(slots).is_some()) { first } else { second }
            }
        }
    }

    /// Whether both rows have the same key by their bytes. Equal keys may differ in these, never
    /// the other way round.
    pub fn same_bytes(&self, one: &[Option<&[u8]>], other: &[Option<&[u8]>]) -> bool {
        self.fields.iter().all(|field| field.slot(one) == field.slot(other))
    }

    /// Writes the key of a row to `out`, which is cleared; false where messages have none.
    pub fn write(
        &self,
        out: &mut Vec<u8>,
        slots: &[Option<&[u8]>],
        server: &dyn Server,
    ) -> Result<bool, Malformed> {
        out.clear();
        let fields = self.fields(slots);
        for field in fields {
            field.write(out, slots, server)?;
        }
        if !fields.is_empty() {
            out.push(b'}');
        }
        Ok(!fields.is_empty())
    }
}
