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

/// Rows that are in memory at a time, where they are taken page by page.
const PAGE: usize = 1000;

/// Some rows of a table: all of a small one, else of blocks from all over it, the same ones each time.
pub(super) fn read(schema: &str, table: &str, n: usize) -> Result<Sample> {
    let mut whole: Option<Sample> = None;
    pages(schema, table, n, |page| {
        match &mut whole {
            Some(whole) => {
                whole.rows.extend(page.rows);
                whole.slots.extend(page.slots);
            }
            None => whole = Some(page),
        }
        Ok(())
    })?;
    let empty = || {
        Ok(Sample {
            layout: mapping::columns_of(schema, table)?,
            rows: Vec::new(),
            slots: Vec::new(),
        })
    };
    whole.map_or_else(empty, Ok)
}

/// The same, page by page.
pub(super) fn pages(
    schema: &str,
    table: &str,
    n: usize,
    mut each: impl FnMut(Sample) -> Result<()>,
) -> Result<()> {
    let members = tree::members(schema, table)?;
    let top = members.first().ok_or_else(|| source::missing_table(schema, table))?;
    let share = sql::one::<f64>(
        "SELECT 100.0::float8 * 5 * $2 / NULLIF(sum(c.reltuples), 0)::float8 FROM pg_catalog.pg_class c \
         WHERE c.oid = ANY ($1) AND c.reltuples > 0",
        &[members.iter().map(|member| member.oid).collect::<Vec<_>>().into(), (n as i64).into()],
    )?;
    let sampled = |share: f64| format!(" TABLESAMPLE SYSTEM ({share}) REPEATABLE (1)");
    let rows = |sampled: &str| format!("FROM {} t{sampled} LIMIT {n}", top.name);
    let all = rows("");
    let some = match share.filter(|share| *share < 50.0).map(sampled) {
        None => all,
        Some(few) => {
            let few = rows(&few);
            let enough = format!("SELECT count(*) >= $1 FROM (SELECT {few}) few");
            // Too few where statistics are out of date.
            let enough = sql::one::<bool>(&enough, &[(n as i64).into()])?;
            if enough == Some(true) { few } else { all }
        }
    };
    let layout = mapping::columns_of(schema, table)?;
    let page = || Sample { layout: layout.clone(), rows: Vec::new(), slots: Vec::new() };
    let mut sample = page();
    Spi::connect(|client| -> Result<()> {
        let mut cursor = client.try_open_cursor(&format!("SELECT t {some}"), &[])?;
        loop {
            let mut found = cursor.fetch(100)?;
            if found.is_empty() || sample.rows.len() >= PAGE {
                each(std::mem::replace(&mut sample, page()))?;
            }
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
    })
}
