//! The library's functions that return an error's code, declared with a number for it. The bindings have
//! an enum there, and a broker newer than the library sends codes that it does not have: such a value of
//! an enum must never come to be.

use rdkafka::bindings as rd;
use std::ffi::{c_char, c_int};

unsafe extern "C" {
    pub(super) fn rd_kafka_error_code(error: *const rd::rd_kafka_error_t) -> i32;
    pub(super) fn rd_kafka_event_error(event: *mut rd::rd_kafka_event_t) -> i32;
    pub(super) fn rd_kafka_fatal_error(
        rk: *mut rd::rd_kafka_t,
        text: *mut c_char,
        size: usize,
    ) -> i32;
    pub(super) fn rd_kafka_flush(rk: *mut rd::rd_kafka_t, timeout_ms: c_int) -> i32;
    pub(super) fn rd_kafka_last_error() -> i32;
    pub(super) fn rd_kafka_metadata(
        rk: *mut rd::rd_kafka_t,
        all_topics: c_int,
        only: *mut rd::rd_kafka_topic_t,
        metadata: *mut *const rd::rd_kafka_metadata,
        timeout_ms: c_int,
    ) -> i32;
    pub(super) fn rd_kafka_producev(rk: *mut rd::rd_kafka_t, ...) -> i32;
    pub(super) fn rd_kafka_topic_result_error(topic: *const rd::rd_kafka_topic_result_t) -> i32;
}
