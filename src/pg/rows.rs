//! Rows of a table made from texts, as one array: how a statement takes thousands of them at once.
//!
//! `unnest` of one array of rows costs a fraction of what an array for each column does, whose elements
//! the server keeps and fetches one by one before it puts rows together of them.

use pgrx::PgMemoryContexts;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;

use super::compat;
use super::relation::Table;

/// An array of a table's row type in the making.
pub struct Rows {
    table: Table,
    columns: Vec<Option<Column>>,
    values: Vec<pg_sys::Datum>,
    nulls: Vec<bool>,
    /// A value with the zero that ends it.
    text: Vec<u8>,
    rows: Vec<pg_sys::Datum>,
    /// The values of one row.
    scratch: PgMemoryContexts,
    /// The rows.
    context: PgMemoryContexts,
}

/// How a column's texts are read.
struct Column {
    at: usize,
    input: pg_sys::FmgrInfo,
    parameter: pg_sys::Oid,
    typmod: i32,
}

impl Rows {
    /// For the columns of these names; others are null. What the table does not have is left out: the
    /// statement that names it says so.
    pub fn of(table: pg_sys::Oid, columns: &[&str]) -> Rows {
        // What is made here is what the statement then meets: the lock is the one that it takes.
        let table = Table::open(table, pg_sys::RowExclusiveLock);
        let columns = columns.iter().map(|name| Column::named(&table, name)).collect();
        // SAFETY: the table is open.
        let width = unsafe { (*(*table.0).rd_att).natts } as usize;
        Rows {
            table,
            columns,
            values: vec![pg_sys::Datum::null(); width],
            nulls: vec![true; width],
            text: Vec::new(),
            rows: Vec::new(),
            scratch: PgMemoryContexts::new("manifold row"),
            context: PgMemoryContexts::new("manifold rows"),
        }
    }

    /// Adds a row: a text for every column, in the order of the names.
    pub fn add<'a>(&mut self, texts: impl Iterator<Item = Option<&'a str>>) {
        let Rows { table, columns, values, nulls, text, .. } = self;
        // SAFETY: the functions are those of the columns' types, and get C strings; what they make lasts
        // until the row is formed.
        let row = unsafe {
            self.scratch.reset();
            self.scratch.switch_to(|_| {
                for (column, value) in columns.iter_mut().zip(texts) {
                    let Some(column) = column else { continue };
                    nulls[column.at] = value.is_none();
                    let Some(value) = value else { continue };
                    text.clear();
                    text.extend_from_slice(value.as_bytes());
                    text.push(0);
                    values[column.at] = pg_sys::InputFunctionCall(
                        &mut column.input,
                        text.as_mut_ptr().cast(),
                        column.parameter,
                        column.typmod,
                    );
                }
            });
            self.context.switch_to(|_| {
                let (values, nulls) = (values.as_mut_ptr(), nulls.as_mut_ptr());
                let tuple = pg_sys::heap_form_tuple((*table.0).rd_att, values, nulls);
                pg_sys::HeapTupleHeaderGetDatum((*tuple).t_data)
            })
        };
        self.rows.push(row);
    }

    /// The array, for as long as this lives.
    pub fn array(&mut self) -> DatumWithOid<'_> {
        let rows = &mut self.rows;
        // SAFETY: the elements are of the table's row type, which is aligned as any composite type; the
        // array lives in our memory context.
        unsafe {
            let row_type = (*(*self.table.0).rd_rel).reltype;
            let (array, align) = (pg_sys::get_array_type(row_type), b'd' as _);
            let length = rows.len() as i32;
            let made = self.context.switch_to(|_| {
                pg_sys::construct_array(rows.as_mut_ptr(), length, row_type, -1, false, align)
            });
            DatumWithOid::new(pg_sys::Datum::from(made), array)
        }
    }
}

impl Column {
    fn named(table: &Table, name: &str) -> Option<Column> {
        // SAFETY: the table is open; the function's state lives in the memory context of the caller.
        unsafe {
            let tupdesc = (*table.0).rd_att;
            let found = (0..(*tupdesc).natts as usize).find_map(|at| {
                let attribute = compat::attribute(tupdesc, at);
                let named = !attribute.attisdropped && attribute.name() == name;
                named.then_some((at, attribute.atttypid, attribute.atttypmod))
            });
            let (at, type_oid, typmod) = found?;
            let (mut function, mut parameter) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
            pg_sys::getTypeInputInfo(type_oid, &mut function, &mut parameter);
            let mut input = pg_sys::FmgrInfo::default();
            pg_sys::fmgr_info(function, &mut input);
            Some(Column { at, input, parameter, typmod })
        }
    }
}
