//! Halting a partition in the moment in which one of its requests fails.
//!
//! After an error for good the library goes on with the next request of the partition at once, and whoever
//! reads the report is too late. An interceptor is not: it is called on the thread that has the
//! broker's answer, before that thread makes another request. What waits stays in the queue until it is
//! given up, or the partition is resumed.

use crate::kafka::code::Code;
use rdkafka::bindings as rd;
use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

const NAME: &CStr = c"pg_manifold";
const OK: rd::rd_kafka_resp_err_t = rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;

/// How often partitions have been resumed.
static RESUMED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The partition that this thread halted last, and when: all messages of a request fail.
    static HALTED: Cell<(*const c_void, i32, u64)> = const { Cell::new((ptr::null(), -1, 0)) };
}

/// Has the client that is made with this configuration halt partitions.
///
/// # Safety
/// A configuration that lives.
pub(super) unsafe fn halt_partitions(conf: *mut rd::rd_kafka_conf_t) {
    // SAFETY: as promised; the functions are there as long as the process.
    unsafe {
        rd::rd_kafka_conf_interceptor_add_on_new(conf, NAME.as_ptr(), Some(begin), ptr::null_mut());
    }
}

unsafe extern "C" fn begin(
    rk: *mut rd::rd_kafka_t,
    _conf: *const rd::rd_kafka_conf_t,
    _opaque: *mut c_void,
    _text: *mut c_char,
    _size: usize,
) -> rd::rd_kafka_resp_err_t {
    // SAFETY: the client that is being made.
    unsafe {
        rd::rd_kafka_interceptor_add_on_acknowledgement(
            rk,
            NAME.as_ptr(),
            Some(acknowledged),
            ptr::null_mut(),
        )
    }
}

/// The partition that is halted for a message's sake: one whose request failed. Of others that fail the
/// library may hold locks that halting would wait for.
///
/// # Safety
/// A message that lives, and its code.
pub(super) unsafe fn halted(message: *const rd::rd_kafka_message_t, code: Code) -> Option<i32> {
    // SAFETY: as promised.
    unsafe {
        let fails = code != Code::NONE && !code.is_given_up();
        let halts = fails && rd::rd_kafka_message_broker_id(message) >= 0;
        halts.then(|| (*message).partition)
    }
}

/// Runs on a thread of the library's, for each message, before its report is in the queue.
unsafe extern "C" fn acknowledged(
    rk: *mut rd::rd_kafka_t,
    message: *mut rd::rd_kafka_message_t,
    _opaque: *mut c_void,
) -> rd::rd_kafka_resp_err_t {
    // SAFETY: the message lives while the call lasts; its code is read as a number, see `codes`.
    unsafe {
        let code = Code::new(ptr::addr_of!((*message).err).cast::<i32>().read());
        let Some(partition) = halted(message, code) else { return OK };
        let topic = (*message).rkt;
        let now = (topic.cast_const().cast(), partition, RESUMED.load(Ordering::SeqCst));
        if HALTED.replace(now) != now {
            let name = rd::rd_kafka_topic_name(topic);
            let list = rd::rd_kafka_topic_partition_list_new(1);
            rd::rd_kafka_topic_partition_list_add(list, name, partition);
            // Waits for the library's main thread, which waits for none that talks to a broker.
            rd::rd_kafka_pause_partitions(rk, list);
            rd::rd_kafka_topic_partition_list_destroy(list);
        }
    }
    OK
}

/// Has a partition go on. One that was not halted does so anyway.
pub(super) fn resume(rk: NonNull<rd::rd_kafka_t>, topic: &str, partition: i32) {
    let Ok(topic) = CString::new(topic) else { return };
    RESUMED.fetch_add(1, Ordering::SeqCst);
    // SAFETY: a living client; the list is freed once, and the name copied.
    unsafe {
        let list = rd::rd_kafka_topic_partition_list_new(1);
        rd::rd_kafka_topic_partition_list_add(list, topic.as_ptr(), partition);
        rd::rd_kafka_resume_partitions(rk.as_ptr(), list);
        rd::rd_kafka_topic_partition_list_destroy(list);
    }
}
