//! How long brokers make us wait between requests, a quota being used up: librdkafka tells a callback.

use rdkafka::bindings as rd;
use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};

thread_local! {
    /// What the callback was told during the poll that is going on.
    static TOLD: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Runs on the thread that polls, within that call.
pub(super) unsafe extern "C" fn throttled(
    _client: *mut rd::rd_kafka_t,
    _broker: *const c_char,
    _id: i32,
    time_ms: c_int,
    _opaque: *mut c_void,
) {
    TOLD.set(u32::try_from(time_ms).ok());
}

/// Takes out what the last poll of this thread was told: milliseconds, 0 where it is over.
pub(super) fn told() -> Option<u32> {
    TOLD.take()
}
