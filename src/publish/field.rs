//! One column of a published row.

use super::encode::Encoder;
use super::json;
use crate::row::Kind;
use crate::row::image::{Malformed, Varlena, varlena};
use crate::row::layout::Column;
use crate::row::text::Out;
use crate::row::value::{Server, Value};

/// One column of a row: where it is, what comes before its value, how the value is written.
pub(super) struct Field {
    index: usize,
    /// `{"name":` or `,"name":`
    prefix: Vec<u8>,
    column: Column,
    kind: Kind,
    encoder: Encoder,
}

impl Field {
    pub fn new(index: usize, column: &Column, first: bool) -> Field {
        let mut prefix = vec![if first { b'{' } else { b',' }];
        json::string(&mut prefix, &column.name);
        prefix.push(b':');
        let (kind, encoder) = (Kind::of(column), Encoder::of(column));
        Field { index, prefix, column: column.clone(), kind, encoder }
    }

    pub fn slot<'a>(&self, slots: &[Option<&'a [u8]>]) -> Option<&'a [u8]> {
        slots.get(self.index).copied().flatten()
    }

    pub fn value<'a>(&self, slot: &'a [u8], server: &dyn Server) -> Result<Value<'a>, Malformed> {
        self.kind.decode(&self.column, slot, server)
    }

    /// Appends the column's name and value.
    pub fn write(
        &self,
        out: &mut Vec<u8>,
        slots: &[Option<&[u8]>],
        server: &dyn Server,
    ) -> Result<(), Malformed> {
        out.extend_from_slice(&self.prefix);
        let Some(slot) = self.slot(slots) else {
            out.put("null");
            return Ok(());
        };
        // Most values are text, and of most of these no byte changes.
        if self.kind == Kind::Text
            && let Varlena::Plain(bytes) = varlena(slot)?
        {
            json::string_of_bytes(out, bytes);
        } else {
            self.encoder.write(out, &self.value(slot, server)?);
        }
        Ok(())
    }
}
