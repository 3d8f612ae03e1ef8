//! Why a broker's certificate is not accepted: OpenSSL tells a callback, and librdkafka nobody else.

use rdkafka::bindings as rd;
use std::ffi::{c_char, c_int, c_void};
use std::ptr;

/// The facility under which the reason comes back, as a line of the log.
pub(in crate::kafka) const FACILITY: &str = "SSLCERTVRFY";
/// What precedes the reason in that line.
pub(in crate::kafka) const BEFORE: &str = "verification callback failed: ";

/// Judges as OpenSSL has judged, and puts its reason into words. Runs on a thread of the library's.
pub(super) unsafe extern "C" fn verify(
    _client: *mut rd::rd_kafka_t,
    _broker: *const c_char,
    _id: i32,
    error: *mut c_int,
    _depth: c_int,
    _certificate: *const c_char,
    _size: usize,
    text: *mut c_char,
    capacity: usize,
    _opaque: *mut c_void,
) -> c_int {
    // SAFETY: the library's own arguments: a number, and a buffer of the size that it says.
    unsafe {
        let words = match *error {
            0 => return 1,
            9 => "it is not yet valid",
            10 => "it has expired",
            18 => "it is self-signed, and not one that we were told to trust",
            19..=21 => "no CA that we were told to trust has signed it",
            23 => "it has been revoked",
            62 => "it is for another host name",
            64 => "it is for another IP address",
            _ => "OpenSSL finds it invalid",
        };
        if capacity > 0 {
            let length = words.len().min(capacity - 1);
            ptr::copy_nonoverlapping(words.as_ptr().cast(), text, length);
            *text.add(length) = 0;
        }
    }
    0
}
