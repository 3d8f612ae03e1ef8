//! SQL from Rust, a statement at a time.

use pgrx::datum::DatumWithOid;
use pgrx::prelude::*;
use pgrx::spi::SpiHeapTupleData;

use crate::error::Result;

/// Reads, with the transaction's current snapshot; takes no transaction id.
pub fn rows<T>(
    sql: &str,
    arguments: &[DatumWithOid],
    mut row: impl FnMut(&SpiHeapTupleData) -> Result<T>,
) -> Result<Vec<T>> {
    Spi::connect(|client| client.select(sql, None, arguments)?.map(|tuple| row(&tuple)).collect())
}

/// Reads with a fresh snapshot; takes a transaction id.
pub fn fresh_rows<T>(
    sql: &str,
    arguments: &[DatumWithOid],
    mut row: impl FnMut(&SpiHeapTupleData) -> Result<T>,
) -> Result<Vec<T>> {
    Spi::connect_mut(|client| {
        client.update(sql, None, arguments)?.map(|tuple| row(&tuple)).collect()
    })
}

/// The first column of the first row, if there is one and it is not null.
pub fn one<T: FromDatum + IntoDatum>(sql: &str, arguments: &[DatumWithOid]) -> Result<Option<T>> {
    Ok(rows(sql, arguments, |row| Ok(row.get::<T>(1)?))?.into_iter().next().flatten())
}

/// Writes; returns the number of rows.
pub fn run(sql: &str, arguments: &[DatumWithOid]) -> Result<usize> {
    Spi::connect_mut(|client| Ok(client.update(sql, None, arguments)?.len()))
}

/// Writes, or reads with a fresh snapshot; the first column of the first row.
pub fn run_one<T: FromDatum + IntoDatum>(
    sql: &str,
    arguments: &[DatumWithOid],
) -> Result<Option<T>> {
    Spi::connect_mut(|client| {
        let first = client.update(sql, None, arguments)?.map(|row| row.get::<T>(1)).next();
        Ok(first.transpose()?.flatten())
    })
}

/// `schema.table`, quoted by the server where need be.
pub fn qualified(schema: &str, table: &str) -> Result<String> {
    Ok(one("SELECT pg_catalog.format('%I.%I', $1, $2)", &[schema.into(), table.into()])?
        .unwrap_or_default())
}

/// A name, quoted by the server where need be.
pub fn identifier(name: &str) -> Result<String> {
    Ok(one("SELECT pg_catalog.quote_ident($1)", &[name.into()])?.unwrap_or_default())
}
