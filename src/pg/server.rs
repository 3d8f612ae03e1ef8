//! What decoding row images needs of the server.

use pgrx::pg_sys;

use super::{expression, subtransaction};
use crate::row::image::Malformed;
use crate::row::text::hex;
use crate::row::value::Server;

/// The server that this process belongs to. To be used in a transaction.
pub struct Here;

impl Server for Here {
    fn decompress(&self, slot: &[u8]) -> Result<Vec<u8>, Malformed> {
        subtransaction::attempt(|| {
            // SAFETY: a varlena of its own length, copied to where the server may read it aligned.
            unsafe {
                let stored = copy(slot);
                let plain = pg_sys::pg_detoast_datum(stored.cast());
                let bytes = std::slice::from_raw_parts(
                    pgrx::vardata_any(plain).cast::<u8>(),
                    pgrx::varsize_any_exhdr(plain),
                )
                .to_vec();
                if plain.cast() != stored {
                    pg_sys::pfree(plain.cast());
                }
                pg_sys::pfree(stored);
                bytes
            }
        })
        .map_err(|_| Malformed("compressed value cannot be decompressed"))
    }

    fn evaluate(&self, query: &str, row: &str) -> Result<Option<String>, String> {
        expression::evaluate(query, row)
    }

    /// A type that was dropped since has no output function any more: its values are given as bytea
    /// is, so that the rest of the row is not lost with them.
    fn text(&self, type_oid: u32, _typmod: i32, slot: &[u8]) -> Result<String, Malformed> {
        if !type_exists(type_oid) {
            let mut text = String::from("\\x");
            hex(&mut text, slot);
            return Ok(text);
        }
        subtransaction::attempt(|| {
            // SAFETY: the bytes are a value of this type, as they lie in a tuple.
            unsafe {
                let oid = pg_sys::Oid::from(type_oid);
                let (mut length, mut by_value) = (0, false);
                pg_sys::get_typlenbyval(oid, &mut length, &mut by_value);
                let stored = copy(slot);
                let datum =
                    if by_value { by_value_datum(slot) } else { pg_sys::Datum::from(stored) };
                let (mut output, mut varlena) = (pg_sys::InvalidOid, false);
                pg_sys::getTypeOutputInfo(oid, &mut output, &mut varlena);
                let text = pg_sys::OidOutputFunctionCall(output, datum);
                let owned = std::ffi::CStr::from_ptr(text).to_string_lossy().into_owned();
                pg_sys::pfree(text.cast());
                pg_sys::pfree(stored);
                owned
            }
        })
        .map_err(|_| Malformed("value that its type's output function refuses"))
    }
}

fn type_exists(oid: u32) -> bool {
    let key = pg_sys::Datum::from(pg_sys::Oid::from(oid));
    let none = pg_sys::Datum::null();
    // SAFETY: a look-up in the system cache by its one key.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::TYPEOID as i32;
        pg_sys::SearchSysCacheExists(cache, key, none, none, none)
    }
}

unsafe fn copy(slot: &[u8]) -> *mut std::ffi::c_void {
    // SAFETY: room for at least one byte, filled with the slot's.
    unsafe {
        let stored = pg_sys::palloc(slot.len().max(1));
        std::ptr::copy_nonoverlapping(slot.as_ptr(), stored.cast(), slot.len());
        stored
    }
}

/// As `fetch_att` does it: sign-extended, in native byte order.
fn by_value_datum(slot: &[u8]) -> pg_sys::Datum {
    match *slot {
        [byte] => pg_sys::Datum::from(byte as i8),
        [a, b] => pg_sys::Datum::from(i16::from_ne_bytes([a, b])),
        [a, b, c, d] => pg_sys::Datum::from(i32::from_ne_bytes([a, b, c, d])),
        _ => {
            let bytes = slot.first_chunk::<8>().copied().unwrap_or_default();
            pg_sys::Datum::from(i64::from_ne_bytes(bytes))
        }
    }
}
