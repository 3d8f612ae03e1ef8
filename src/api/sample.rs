//! Rows of a table to try mappings on.

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::{mapping, source};
use crate::capture::statement::Tuple;
use crate::capture::tree;
use crate::error::Result;
use crate::normalize::preview::Sample;
use crate::pg::server::Here;
use crate::pg::sql;
use crate::row::decode;
use crate::row::image::Slots;

/// Some rows of a table: all of a small one, else of blocks from all over it, the same ones each time.
pub(super) fn read(schema: &str, table: &str, n: usize) -> Result<Sample> {
    let layout = mapping::columns_of(schema, table)?;
    let members = tree::members(schema, table)?;
    let top = members.first().ok_or_else(|| source::missing_table(schema, table))?;
    let share = sql::one::<f64>(
        "SELECT 100.0::float8 * 5 * $2 / NULLIF(sum(c.reltuples), 0)::float8 FROM pg_catalog.pg_class c \
         WHERE c.oid = ANY ($1) AND c.reltuples > 0",
        &[members.iter().map(|member| member.oid).collect::<Vec<_>>().into(), (n as i64).into()],
    )?;
    let sampled = |share: f64| format!(" TABLESAMPLE SYSTEM ({share}) REPEATABLE (1)");
    let few = share.filter(|share| *share < 50.0).map(sampled);
    let mut sample = rows(layout, &top.name, few.as_deref().unwrap_or_default(), n)?;
    if few.is_some() && sample.rows.len() < n {
        // Statistics that are out of date.
        sample = rows(sample.layout, &top.name, "", n)?;
    }
    Ok(sample)
}

fn rows(layout: crate::row::layout::Layout, name: &str, sampled: &str, n: usize) -> Result<Sample> {
    let query = format!("SELECT t FROM {name} t{sampled} LIMIT {n}");
    let mut sample = Sample { layout, rows: Vec::new(), slots: Vec::new() };
    Spi::connect(|client| -> Result<()> {
        let mut cursor = client.try_open_cursor(&query, &[])?;
        loop {
            let mut found = cursor.fetch(100)?;
            if found.is_empty() {
                return Ok(());
            }
            while found.next().is_some() {
                let Some(datum) = found.get_datum_by_ordinal(1)? else { continue };
                // SAFETY: a composite value of the table's row type, in the query's memory; the server
                // has pulled in what was out of line.
                let tuple = unsafe {
                    let header = pg_sys::pg_detoast_datum(datum.cast_mut_ptr());
                    Tuple::from_composite(header.cast())
                };
                let mut slots = Slots::new();
                tuple.read(&sample.layout, &mut slots)?;
                let values = sample.layout.columns.iter().zip(&slots).map(|(column, slot)| {
                    if column.dropped {
                        return Ok(crate::row::value::Value::Null);
                    }
                    Ok(decode(column, *slot, &Here)?.into_owned())
                });
                sample.rows.push(values.collect::<Result<_>>()?);
                sample.slots.push(slots.iter().map(|slot| slot.map(<[u8]>::to_vec)).collect());
            }
        }
    })?;
    Ok(sample)
}
