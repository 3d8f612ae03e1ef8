//! One column of a published row.

use super::columns::Treated;
use super::encode;
use super::envelope::Source;
use super::form::{Form, Types};
use super::json;
use super::modes::Modes;
use crate::row::decode::{self, Kind};
use crate::row::image::{Malformed, Varlena, varlena};
use crate::row::layout::Column;
use crate::row::oid;
use crate::row::text::Out;
use crate::row::value::{Server, Value};

/// One column of a row: where it is, what comes before its value, how the value is written.
pub(super) struct Field {
    index: usize,
    /// `{"name":` or `,"name":`
    prefix: Vec<u8>,
    column: Column,
    kind: Kind,
    form: Form,
    /// What is written in place of its values, where the source's options say so.
    treated: Option<Box<Treated>>,
}

impl Field {
    /// A column as the source's options have it published.
    pub fn of(index: usize, column: &Column, first: bool, source: &Source) -> Field {
        let mut field = Field::new(index, column, first, &source.modes, &source.types);
        field.treated = source.treated(index, column).map(Box::new);
        if field.treated.is_some() {
            field.form = Form::Text;
        }
        field
    }

    /// A column as it is.
    pub fn new(index: usize, column: &Column, first: bool, modes: &Modes, types: &Types) -> Field {
        let mut prefix = vec![if first { b'{' } else { b',' }];
        json::string(&mut prefix, &column.name);
        prefix.push(b':');
        let (kind, form) = (Kind::of(column), Form::of(column, modes, types));
        Field { index, prefix, column: column.clone(), kind, form, treated: None }
    }

    pub fn name(&self) -> &str {
        &self.column.name
    }

    pub fn form(&self) -> &Form {
        &self.form
    }

    pub fn treated(&self) -> Option<&Treated> {
        self.treated.as_deref()
    }

    pub fn nullable(&self) -> bool {
        !self.column.not_null
    }

    /// Where the column is in a row.
    pub fn index(&self) -> usize {
        self.index
    }

    pub fn slot<'a>(&self, slots: &[Option<&'a [u8]>]) -> Option<&'a [u8]> {
        slots.get(self.index).copied().flatten()
    }

    pub fn value<'a>(&self, slot: &'a [u8], server: &dyn Server) -> Result<Value<'a>, Malformed> {
        if self.kind == Kind::Other && self.column.base_oid == oid::MONEY {
            return decode::money(slot);
        }
        self.kind.decode_flat(&self.column, slot, server)
    }

    /// Appends the column's name without its value.
    pub fn write_null(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.prefix);
        self.put_null(out);
    }

    /// Appends null, and where the column is never null what Debezium has for a value that is not known.
    pub fn put_null(&self, out: &mut Vec<u8>) {
        out.put(if self.nullable() { "null" } else { encode::zero(&self.form) });
    }

    /// Appends the column's name and value.
    pub fn write(
        &self,
        out: &mut Vec<u8>,
        slots: &[Option<&[u8]>],
        server: &dyn Server,
    ) -> Result<(), Malformed> {
        out.extend_from_slice(&self.prefix);
        if let Some(treated) = &self.treated {
            return treated.write(self, out, slots, server);
        }
        let Some(slot) = self.slot(slots) else {
            self.put_null(out);
            return Ok(());
        };
        // Most values are text, and of most of these no byte changes.
        if self.kind == Kind::Text
            && let Varlena::Plain(bytes) = varlena(slot)?
        {
            json::string_of_bytes(out, bytes);
        } else {
            encode::write(&self.form, self.nullable(), out, &self.value(slot, server)?);
        }
        Ok(())
    }
}
