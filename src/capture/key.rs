//! Columns that name a record, and rows that hold nothing else: what a delete through the log says.

use std::ffi::CString;

use pgrx::pg_sys;

use super::layout;
use super::statement::Tuple;
use crate::error::Result;
use crate::pg::identity::AsUser;
use crate::pg::relation::Table;
use crate::pg::{compat, sql};

/// A column of a table that a key comes from.
pub(super) struct Key {
    /// Zero-based.
    at: usize,
    /// Quoted.
    pub name: String,
    /// Its type below all domains.
    pub base: pg_sys::Oid,
    typmod: i32,
}

impl Key {
    pub fn find(table: &Table, name: &str) -> Option<Key> {
        // SAFETY: the table is open, so its tuple descriptor is valid.
        unsafe {
            let layout = layout::describe((*table.0).rd_att);
            let (at, column) = layout.column(name)?;
            let mut typmod = compat::attribute((*table.0).rd_att, at).atttypmod;
            let base = pg_sys::getBaseTypeAndTypmod(column.type_oid.into(), &mut typmod);
            Some(Key { at, name: sql::identifier(name).ok()?, base, typmod })
        }
    }

    /// The condition that a row `t` has this value, which is text. Where one value has several texts,
    /// by the type's own equality.
    pub fn is(&self, value: &str) -> String {
        let (name, number) = match self.base {
            pg_sys::BPCHAROID => {
                let name = &self.name;
                return format!("t.{name}::pg_catalog.bpchar = {value}::pg_catalog.bpchar");
            }
            pg_sys::FLOAT4OID => (&self.name, "float4"),
            pg_sys::FLOAT8OID => (&self.name, "float8"),
            pg_sys::NUMERICOID => (&self.name, "numeric"),
            _ => return format!("t.{}::text = {value}", self.name),
        };
        let is_number = format!("{value} ~ '^-?[0-9]+([.][0-9]+)?$'");
        format!("t.{name} = CASE WHEN {is_number} THEN {value}::pg_catalog.{number} END")
    }

    /// Those of some keys that the table does not have, with a fresh snapshot.
    pub fn missing(&self, table: &Table, name: &str, keys: Vec<String>) -> Result<Vec<String>> {
        // The cast of a type that is not the server's own may run its owner's code.
        let own_type = self.base.to_u32() < pg_sys::FirstNormalObjectId;
        let _owner = (!own_type).then(|| AsUser::owner_of(table));
        let is = self.is("wanted.sfid");
        // The parameter brings no collation of its own, so that whichever the column has will do.
        sql::fresh_rows(
            &format!(
                "SELECT wanted.sfid FROM pg_catalog.unnest($1) AS wanted(sfid) \
                 WHERE NOT EXISTS (SELECT FROM {name} t WHERE {is})"
            ),
            &[keys.into()],
            |row| Ok(row.get::<String>(1)?.unwrap_or_default()),
        )
    }
}

/// A row of the table in which all but these keys is null.
///
/// # Safety
/// The table is open.
pub(super) unsafe fn row<'a>(table: &Table, keys: &[(&Key, &str)]) -> Tuple<'a> {
    // SAFETY: the input functions of the types below all domains, so no constraint runs; the tuple
    // lasts as long as the transaction.
    unsafe {
        let tupdesc = (*table.0).rd_att;
        let natts = (*tupdesc).natts as usize;
        let mut values = vec![pg_sys::Datum::null(); natts];
        let mut nulls = vec![true; natts];
        for (key, value) in keys {
            let text = CString::new(*value).unwrap_or_default();
            let (mut function, mut parameter) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
            pg_sys::getTypeInputInfo(key.base, &mut function, &mut parameter);
            values[key.at] = pg_sys::OidInputFunctionCall(
                function,
                text.as_ptr().cast_mut(),
                parameter,
                key.typmod,
            );
            nulls[key.at] = false;
        }
        Tuple::from_minimal(pg_sys::heap_form_minimal_tuple(
            tupdesc,
            values.as_mut_ptr(),
            nulls.as_mut_ptr(),
        ))
    }
}
