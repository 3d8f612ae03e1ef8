//! The rows of one statement, from the trigger's transition tables to the log.

use pgrx::PgMemoryContexts;
use pgrx::pg_sys;

use super::merge::Merge;
use crate::log::chunk::write_part;
use crate::pg::subtransaction;
use crate::row::image::{self, Slots};
use crate::row::layout::Layout;

/// Why rows could not be described.
pub struct Undescribable(pub String);

impl From<image::Malformed> for Undescribable {
    fn from(error: image::Malformed) -> Self {
        Undescribable(error.to_string())
    }
}

impl From<&'static str> for Undescribable {
    fn from(reason: &'static str) -> Self {
        Undescribable(reason.into())
    }
}

/// A tuple's parts, borrowed from a slot or a composite value.
#[derive(Clone, Copy)]
pub struct Tuple<'a> {
    pub natts: u16,
    pub nulls: Option<&'a [u8]>,
    pub data: &'a [u8],
}

impl<'a> Tuple<'a> {
    /// The parts of a minimal tuple.
    ///
    /// # Safety
    /// `tuple` is valid and stays so for `'a`.
    pub(super) unsafe fn from_minimal(tuple: pg_sys::MinimalTuple) -> Tuple<'a> {
        // SAFETY: the layout of htup_details.h: offsets count as if the full header were there.
        unsafe {
            let offset = std::mem::offset_of!(pg_sys::HeapTupleHeaderData, t_infomask2)
                - std::mem::offset_of!(pg_sys::MinimalTupleData, t_infomask2);
            let end = (*tuple).t_len as usize + offset;
            let start = tuple.cast::<u8>().sub(offset);
            Tuple::from_parts(
                start,
                end,
                (*tuple).t_infomask2,
                (*tuple).t_infomask,
                (*tuple).t_hoff,
            )
        }
    }

    /// The parts of a composite value (whose out-of-line values the server has pulled in).
    ///
    /// # Safety
    /// `header` is valid and stays so for `'a`.
    pub unsafe fn from_composite(header: pg_sys::HeapTupleHeader) -> Tuple<'a> {
        // SAFETY: a composite value begins with a varlena length over the whole tuple.
        unsafe {
            let end = pgrx::varsize_any(header.cast());
            Tuple::from_parts(
                header.cast(),
                end,
                (*header).t_infomask2,
                (*header).t_infomask,
                (*header).t_hoff,
            )
        }
    }

    unsafe fn from_parts(
        start: *const u8,
        end: usize,
        infomask2: u16,
        infomask: u16,
        hoff: u8,
    ) -> Tuple<'a> {
        let natts = infomask2 & pg_sys::HEAP_NATTS_MASK as u16;
        let hoff = usize::from(hoff);
        let bits = std::mem::offset_of!(pg_sys::HeapTupleHeaderData, t_bits);
        // SAFETY: as the callers promise.
        unsafe {
            let nulls = (u32::from(infomask) & pg_sys::HEAP_HASNULL != 0).then(|| {
                std::slice::from_raw_parts(start.add(bits), usize::from(natts).div_ceil(8))
            });
            Tuple { natts, nulls, data: std::slice::from_raw_parts(start.add(hoff), end - hoff) }
        }
    }

    /// Splits it into its values.
    pub fn read(&self, layout: &Layout, slots: &mut Slots<'a>) -> Result<(), image::Malformed> {
        image::read_tuple(usize::from(self.natts), self.nulls, self.data, &layout.columns, slots)
    }

    /// Bytes of its image, at most.
    pub fn size(&self) -> usize {
        self.data.len() + self.nulls.map_or(0, <[u8]>::len)
    }

    /// Appends the tuple as an image with its length.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_part(out, |out| image::write_image(out, self.natts, self.nulls, self.data));
    }
}

/// One transition table, read from its start through a read pointer of its own.
pub struct Transition {
    store: *mut pg_sys::Tuplestorestate,
    pointer: i32,
    slot: *mut pg_sys::TupleTableSlot,
    /// For rows that have to be rebuilt; emptied with every row. Most statements have none.
    scratch: Option<PgMemoryContexts>,
}

impl Transition {
    /// # Safety
    /// `store` is the transition table of the trigger that is running, on a table with `tupdesc`.
    pub unsafe fn open(
        store: *mut pg_sys::Tuplestorestate,
        tupdesc: pg_sys::TupleDesc,
    ) -> Transition {
        // SAFETY: as promised. Other triggers read the same store: each has its own pointer, and
        // selects it before each row.
        unsafe {
            let pointer =
                pg_sys::tuplestore_alloc_read_pointer(store, pg_sys::EXEC_FLAG_REWIND as i32);
            pg_sys::tuplestore_select_read_pointer(store, pointer);
            pg_sys::tuplestore_rescan(store);
            let slot =
                pg_sys::MakeSingleTupleTableSlot(tupdesc, &raw const pg_sys::TTSOpsMinimalTuple);
            Transition { store, pointer, slot, scratch: None }
        }
    }

    /// The next row; valid until the one after it is asked for.
    pub fn next_row(&mut self) -> Result<Option<Tuple<'_>>, Undescribable> {
        // SAFETY: the slot holds a minimal tuple, as it was made for them.
        unsafe {
            pg_sys::tuplestore_select_read_pointer(self.store, self.pointer);
            if !pg_sys::tuplestore_gettupleslot(self.store, true, false, self.slot) {
                return Ok(None);
            }
            let tuple = (*self.slot.cast::<pg_sys::MinimalTupleTableSlot>()).mintuple;
            if is_whole((*tuple).t_infomask, (*tuple).t_infomask2, self.slot) {
                return Ok(Some(Tuple::from_minimal(tuple)));
            }
            let slot = self.slot;
            let scratch = self.scratch.get_or_insert_with(|| PgMemoryContexts::new("manifold row"));
            scratch.reset();
            let rebuilt = subtransaction::attempt(|| scratch.switch_to(|_| rebuild(slot)))
                .map_err(|failure| Undescribable(failure.message))?;
            Ok(Some(Tuple::from_minimal(rebuilt)))
        }
    }
}

impl Drop for Transition {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: made in `open`, dropped once.
            unsafe { pg_sys::ExecDropSingleTupleTableSlot(self.slot) }
        }
    }
}

/// Whether a tuple's bytes are all of its row: nothing is out of line, and it does not date from
/// before a column was added with a default.
unsafe fn is_whole(infomask: u16, infomask2: u16, slot: *mut pg_sys::TupleTableSlot) -> bool {
    // SAFETY: the slot is valid.
    unsafe {
        let tupdesc = (*slot).tts_tupleDescriptor;
        let natts = i32::from(infomask2 & pg_sys::HEAP_NATTS_MASK as u16);
        let short = natts < (*tupdesc).natts
            && !(*tupdesc).constr.is_null()
            && !(*(*tupdesc).constr).missing.is_null();
        u32::from(infomask) & pg_sys::HEAP_HASEXTERNAL == 0 && !short
    }
}

/// The row of a row trigger's slot. What has to be made for it lasts as long as the present memory
/// context.
///
/// # Safety
/// `slot` is a slot of the trigger that is running, and not empty.
pub unsafe fn row_of<'a>(slot: *mut pg_sys::TupleTableSlot) -> Result<Tuple<'a>, Undescribable> {
    // SAFETY: as promised; the server frees with the context.
    unsafe {
        let mut ours = false;
        let tuple = pg_sys::ExecFetchSlotHeapTuple(slot, false, &mut ours);
        let header = (*tuple).t_data;
        if is_whole((*header).t_infomask, (*header).t_infomask2, slot) {
            return Ok(Tuple::from_parts(
                header.cast(),
                (*tuple).t_len as usize,
                (*header).t_infomask2,
                (*header).t_infomask,
                (*header).t_hoff,
            ));
        }
        let context = pg_sys::CurrentMemoryContext;
        let rebuilt = subtransaction::attempt(|| {
            pg_sys::MemoryContextSwitchTo(context);
            rebuild(slot)
        })
        .map_err(|failure| Undescribable(failure.message))?;
        Ok(Tuple::from_minimal(rebuilt))
    }
}

/// A copy of the slot's row with every out-of-line value pulled in (compressed ones stay
/// compressed) and every missing default filled in.
unsafe fn rebuild(slot: *mut pg_sys::TupleTableSlot) -> pg_sys::MinimalTuple {
    // SAFETY: after slot_getsomeattrs_int all attributes are in the slot's arrays.
    unsafe {
        let tupdesc = (*slot).tts_tupleDescriptor;
        let natts = (*tupdesc).natts as usize;
        if usize::try_from((*slot).tts_nvalid).unwrap_or(0) < natts {
            pg_sys::slot_getsomeattrs_int(slot, natts as i32);
        }
        let nulls = (*slot).tts_isnull;
        let mut values = Vec::with_capacity(natts);
        for at in 0..natts {
            let value = *(*slot).tts_values.add(at);
            let varlena = crate::pg::compat::attribute(tupdesc, at).attlen == -1;
            let external = varlena && !*nulls.add(at) && {
                let first: *const u8 = value.cast_mut_ptr();
                *first == 0x01
            };
            values.push(if external {
                pg_sys::Datum::from(pg_sys::detoast_external_attr(value.cast_mut_ptr()))
            } else {
                value
            });
        }
        pg_sys::heap_form_minimal_tuple(tupdesc, values.as_mut_ptr(), nulls)
    }
}

/// Adds the rows of one transition table (inserted or deleted rows).
pub fn add_rows(table: &mut Transition, merge: &mut Merge) -> Result<(), Undescribable> {
    while let Some(tuple) = table.next_row()? {
        merge.row(tuple.size(), |out| tuple.write(out))?;
    }
    Ok(())
}

/// Adds updated rows: the new image and what leads back to the old one. Both tables have the same
/// rows in the same order: the server adds to them in pairs.
pub fn add_updates(
    old_table: &mut Transition,
    new_table: &mut Transition,
    layout: &Layout,
    merge: &mut Merge,
) -> Result<(), Undescribable> {
    let columns = layout.columns.len();
    loop {
        let (old, new) = match (old_table.next_row()?, new_table.next_row()?) {
            (Some(old), Some(new)) => (old, new),
            (None, None) => return Ok(()),
            _ => return Err(Undescribable("old and new rows differ in number".into())),
        };
        // Borrowed from this row, so they cannot be kept for the next.
        let (mut old_slots, mut new_slots) =
            (Slots::with_capacity(columns), Slots::with_capacity(columns));
        old.read(layout, &mut old_slots)?;
        new.read(layout, &mut new_slots)?;
        merge.row(new.size() + old.size(), |out| {
            write_update(out, &new, &old_slots, &new_slots);
        })?;
    }
}

/// Writes an updated row: its new image, then the delta that leads back to the old one.
pub fn write_update(
    out: &mut Vec<u8>,
    new: &Tuple<'_>,
    old_slots: &[Option<&[u8]>],
    new_slots: &[Option<&[u8]>],
) {
    new.write(out);
    write_part(out, |out| image::write_delta(out, old_slots, new_slots));
}
