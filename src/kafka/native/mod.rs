//! Safe guards over the few librdkafka handles that a producer needs. All unsafe code that has to
//! do with a living client is here.
//!
//! Written over the C library rather than over `rdkafka::BaseProducer` for one reason: that type's
//! `Drop` waits without limit for threads that may sit in a DNS look-up, and a Postgres worker must
//! end within seconds.

mod client;
mod codes;
mod conf;
mod create;
mod describe;
mod event;
mod halt;
mod reader;
mod signals;
mod throttle;
mod topics;
mod transaction;
mod verify;

pub(super) use client::{Client, Message};
pub(super) use conf::{Conf, Refusal};
pub(super) use create::Creation;
pub(super) use describe::TopicState;
pub(super) use event::Happening;
pub(super) use reader::{PartitionReader, Taken};
pub(super) use transaction::Refused;
pub(super) use verify::{BEFORE as BEFORE_REASON, FACILITY as CERTIFICATE};

use std::borrow::Cow;
use std::ffi::{CStr, c_char};

/// # Safety
/// The pointer is null, or points to a string that ends in NUL and outlives the result.
unsafe fn text<'a>(string: *const c_char) -> Cow<'a, str> {
    if string.is_null() {
        return "".into();
    }
    // SAFETY: by this function's contract.
    unsafe { CStr::from_ptr(string) }.to_string_lossy()
}

fn buffer(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
}
