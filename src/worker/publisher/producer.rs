//! The process's one producer, which outlives no process.

use std::cell::Cell;
use std::time::Duration;

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::kafka::Producer;

/// How long the client may take to end: SIGTERM is answered within seconds.
const CLOSE: Duration = Duration::from_secs(2);

thread_local! {
    /// Where the exit callback finds the producer: a process that ends by FATAL runs no destructors,
    /// and the client's threads must not outlive what they use. A plain pointer, since such an end
    /// comes in the middle of whatever uses it, and never returns there.
    static PRODUCER: Cell<*mut Producer> = const { Cell::new(std::ptr::null_mut()) };
}

/// The producer, where there is one. Not to be called while an earlier result is in use.
pub fn producer() -> Option<&'static mut Producer> {
    // SAFETY: null or made by `Box::into_raw` in `set_producer`, which alone frees it.
    unsafe { PRODUCER.get().as_mut() }
}

/// Puts another producer in the place of the one that is there, and ends that one.
pub fn set_producer(new: Option<Producer>) {
    let new = new.map_or(std::ptr::null_mut(), |producer| Box::into_raw(Box::new(producer)));
    let old = PRODUCER.replace(new);
    if !old.is_null() {
        // SAFETY: it came from `Box::into_raw`, and nothing points to it any more.
        let mut old = unsafe { Box::from_raw(old) };
        old.close(CLOSE);
    }
}

/// Has the producer end with the process. To be called once.
pub fn end_with_process() {
    // SAFETY: called once, when the process ends.
    unsafe { pg_sys::before_shmem_exit(Some(close_producer), pg_sys::Datum::null()) };
}

#[pg_guard]
unsafe extern "C-unwind" fn close_producer(_code: i32, _argument: pg_sys::Datum) {
    if let Some(producer) = producer()
        && !producer.close(CLOSE)
    {
        // A thread stuck in a look-up of a name, say; it ends with the process.
        pgrx::log!("pg_manifold publisher: the Kafka client did not end in time");
    }
}
