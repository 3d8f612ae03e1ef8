//! Which layout a table's rows have now: found by fingerprint, numbered when new.
//!
//! The table `manifold.layout` is read and written below SQL, as the log is, and with a snapshot
//! that takes part in no serialization conflict (SnapshotSelf: committed rows and our own).

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use pgrx::pg_sys;

use crate::log::objects::{self, Objects};
use crate::pg::relation::{Index, Table};
use crate::pg::{compat, xact};
use crate::row::layout::{Column, Element, Layout};

/// `attgenerated` of virtual columns, from PostgreSQL 18 on.
const VIRTUAL: u8 = b'v';

/// A layout with its number.
#[derive(Clone)]
pub struct Numbered {
    pub id: i32,
    pub layout: Rc<Layout>,
}

#[derive(Default)]
struct Cache {
    /// The log that these layouts belong to; another one after DROP and CREATE EXTENSION.
    objects: Option<Objects>,
    invalidations: u64,
    /// Rolled-back work of this session may include layouts that it numbered.
    aborts: u64,
    by_table: HashMap<(pg_sys::Oid, i32), Numbered>,
}

thread_local! {
    static CACHE: RefCell<Cache> = RefCell::default();
}

/// The layout of an open table, for a source.
///
/// # Safety
/// The relation is open.
pub unsafe fn of(relation: pg_sys::Relation, source: i32, objects: &Objects) -> Numbered {
    // SAFETY: as promised.
    let table = unsafe { (*relation).rd_id };
    let (invalidations, aborts) = (objects::invalidations(), xact::aborts());
    let known = CACHE.with_borrow_mut(|cache| {
        if cache.objects != Some(*objects)
            || cache.invalidations != invalidations
            || cache.aborts != aborts
        {
            *cache = Cache { objects: Some(*objects), invalidations, aborts, ..Cache::default() };
        }
        cache.by_table.get(&(table, source)).cloned()
    });
    known.unwrap_or_else(|| {
        // SAFETY: the relation is open, so its tuple descriptor is valid.
        let layout = unsafe { describe((*relation).rd_att) };
        let id = number(&layout, table, source, objects);
        let numbered = Numbered { id, layout: Rc::new(layout) };
        CACHE.with_borrow_mut(|cache| {
            cache.by_table.insert((table, source), numbered.clone());
        });
        numbered
    })
}

/// The columns of a table as they are now.
pub fn of_table(table: pg_sys::Oid) -> Layout {
    let relation = Table::open(table, pg_sys::AccessShareLock);
    // SAFETY: the relation is open.
    unsafe { describe((*relation.0).rd_att) }
}

/// The columns of a tuple descriptor.
///
/// # Safety
/// `tupdesc` is valid.
pub unsafe fn describe(tupdesc: pg_sys::TupleDesc) -> Layout {
    // SAFETY: as promised; type look-ups find the types of existing columns.
    unsafe {
        let natts = (*tupdesc).natts as usize;
        Layout { columns: (0..natts).map(|at| column(tupdesc, at)).collect() }
    }
}

unsafe fn column(tupdesc: pg_sys::TupleDesc, at: usize) -> Column {
    // SAFETY: names end with NUL; for a dropped column no type is looked up.
    unsafe {
        let attribute = compat::attribute(tupdesc, at);
        // A virtual generated column has a place in rows and never a value, as if it were dropped.
        let dropped = attribute.attisdropped || attribute.attgenerated as u8 == VIRTUAL;
        let name = std::ffi::CStr::from_ptr(attribute.attname.data.as_ptr());
        let mut column = Column {
            name: name.to_string_lossy().into_owned(),
            dropped,
            not_null: compat::is_not_null(tupdesc, at),
            type_name: String::new(),
            type_oid: attribute.atttypid.to_u32(),
            base_oid: attribute.atttypid.to_u32(),
            typmod: attribute.atttypmod,
            length: attribute.attlen,
            align: attribute.attalign as u8 as char,
            element: None,
        };
        if !dropped {
            // With its schema, whatever the writer's search_path is.
            let flags = pg_sys::FORMAT_TYPE_TYPEMOD_GIVEN | pg_sys::FORMAT_TYPE_FORCE_QUALIFY;
            column.type_name = text_of(pg_sys::format_type_extended(
                attribute.atttypid,
                attribute.atttypmod,
                flags as u16,
            ));
            let base = pg_sys::getBaseTypeAndTypmod(attribute.atttypid, &mut column.typmod);
            column.base_oid = base.to_u32();
            column.element = element(base);
        }
        column
    }
}

unsafe fn element(array: pg_sys::Oid) -> Option<Element> {
    // SAFETY: look-ups of existing types.
    unsafe {
        let oid = pg_sys::get_element_type(array);
        if oid == pg_sys::InvalidOid {
            return None;
        }
        let (mut length, mut by_value, mut align) = (0, false, 0);
        pg_sys::get_typlenbyvalalign(oid, &mut length, &mut by_value, &mut align);
        Some(Element {
            type_oid: oid.to_u32(),
            base_oid: pg_sys::getBaseType(oid).to_u32(),
            length,
            align: align as u8 as char,
        })
    }
}

unsafe fn text_of(text: *mut std::ffi::c_char) -> String {
    // SAFETY: a palloc'ed C string of the server.
    unsafe {
        let owned = std::ffi::CStr::from_ptr(text).to_string_lossy().into_owned();
        pg_sys::pfree(text.cast());
        owned
    }
}

fn number(layout: &Layout, table: pg_sys::Oid, source: i32, objects: &Objects) -> i32 {
    let mut hasher = DefaultHasher::new();
    layout.hash(&mut hasher);
    let fingerprint = hasher.finish() as i64;
    // Serializing strings and numbers cannot fail; were it to, an empty text matches nothing.
    let columns = serde_json::to_string(layout).unwrap_or_default();
    find(source, fingerprint, table, &columns, objects)
        .unwrap_or_else(|| add(source, fingerprint, table, &columns, objects))
}

fn find(
    source: i32,
    fingerprint: i64,
    relation: pg_sys::Oid,
    columns: &str,
    objects: &Objects,
) -> Option<i32> {
    let table = Table::open(objects.layout, pg_sys::AccessShareLock);
    // SAFETY: two keys on the index' columns; every column of the table is not null, and its first
    // four are of fixed length.
    unsafe {
        let mut keys = [pg_sys::ScanKeyData::default(); 2];
        let equal = pg_sys::BTEqualStrategyNumber as u16;
        pg_sys::ScanKeyInit(
            &mut keys[0],
            1,
            equal,
            pg_sys::Oid::from(pg_sys::F_INT4EQ),
            pg_sys::Datum::from(source),
        );
        pg_sys::ScanKeyInit(
            &mut keys[1],
            2,
            equal,
            pg_sys::Oid::from(pg_sys::F_INT8EQ),
            pg_sys::Datum::from(fingerprint),
        );
        let scan = pg_sys::systable_beginscan(
            table.0,
            objects.layout_index,
            true,
            &raw mut pg_sys::SnapshotSelfData,
            2,
            keys.as_mut_ptr(),
        );
        let mut found = None;
        loop {
            let tuple = pg_sys::systable_getnext(scan);
            if tuple.is_null() {
                break;
            }
            let mut null = false;
            let value = |number, null: &mut bool| {
                pg_sys::heap_getattr(tuple, number, (*table.0).rd_att, null)
            };
            let is_its = value(4, &mut null) == pg_sys::Datum::from(relation);
            let stored = |null| pg_sys::text_to_cstring(value(6, null).cast_mut_ptr());
            if is_its && text_of(stored(&mut null)) == columns {
                found = Some(value(3, &mut null).value() as i32);
                break;
            }
        }
        pg_sys::systable_endscan(scan);
        found
    }
}

fn add(
    source: i32,
    fingerprint: i64,
    relation: pg_sys::Oid,
    columns: &str,
    objects: &Objects,
) -> i32 {
    let table = Table::open(objects.layout, pg_sys::RowExclusiveLock);
    let index = Index::open(objects.layout_index, pg_sys::RowExclusiveLock);
    let id = compat::next_value(objects.layout_seq) as i32;
    // SAFETY: the values are of the columns' types, in their order.
    unsafe {
        let text = pg_sys::cstring_to_text_with_len(columns.as_ptr().cast(), columns.len() as i32);
        let mut values = [
            pg_sys::Datum::from(source),
            pg_sys::Datum::from(fingerprint),
            pg_sys::Datum::from(id),
            pg_sys::Datum::from(relation),
            pg_sys::Datum::from(pg_sys::GetCurrentTimestamp()),
            pg_sys::Datum::from(text),
        ];
        let mut nulls = [false; 6];
        let tuple =
            pg_sys::heap_form_tuple((*table.0).rd_att, values.as_mut_ptr(), nulls.as_mut_ptr());
        let command = pg_sys::GetCurrentCommandId(true);
        pg_sys::heap_insert(table.0, tuple, command, 0, std::ptr::null_mut());
        pg_sys::index_insert(
            index.0,
            values.as_mut_ptr(),
            nulls.as_mut_ptr(),
            &mut (*tuple).t_self,
            table.0,
            pg_sys::IndexUniqueCheck::UNIQUE_CHECK_NO,
            false,
            std::ptr::null_mut(),
        );
        pg_sys::heap_freetuple(tuple);
    }
    id
}
