//! What the library's queue hands out.

use super::describe::TopicState;
use super::{codes, halt, text, topics};
use crate::kafka::code::Code;
use crate::kafka::message::Named;
use rdkafka::bindings as rd;
use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::slice;

/// What the library's queue holds, borrowed while the event lives.
pub(in crate::kafka) enum Happening<'a> {
    Delivered {
        token: u64,
    },
    Failed {
        token: u64,
        code: Code,
        topic: &'a str,
        /// The partition that was halted for its sake.
        halted: Option<i32>,
        reason: &'a str,
        possibly_written: bool,
        /// Which message it is, where it is the record that is invalid.
        named: Option<Box<Named>>,
    },
    Error {
        code: Code,
        reason: &'a str,
        /// Whether it is the end of this client.
        fatal: bool,
    },
    /// The brokers' answer to a request to create a topic.
    Created {
        number: usize,
        code: Code,
        reason: &'a str,
    },
    Log {
        level: i32,
        facility: &'a str,
        text: &'a str,
    },
    /// A broker makes us wait before the next request, a quota being used up; 0: no more.
    Throttled {
        ms: u32,
    },
    /// How large a request for a topic may be.
    Limit {
        topic: &'a str,
        bytes: usize,
    },
    /// An answer about a topic.
    Topic {
        topic: &'a str,
        state: TopicState,
    },
}

/// An rd_kafka_event_t.
pub(super) struct Event(pub(super) NonNull<rd::rd_kafka_event_t>);

impl Event {
    pub(super) fn kind(&self) -> i32 {
        // SAFETY: the event lives.
        unsafe { rd::rd_kafka_event_type(self.0.as_ptr()) }
    }

    pub(super) fn reports(&self, take: &mut impl FnMut(Happening<'_>)) {
        loop {
            // SAFETY: messages and their strings live as long as the event. The code is read as a
            // number because a broker may send one that the enum does not have.
            unsafe {
                let message = rd::rd_kafka_event_message_next(self.0.as_ptr());
                if message.is_null() {
                    return;
                }
                let token = (*message)._private as usize as u64;
                let code = Code::new(ptr::addr_of!((*message).err).cast::<i32>().read());
                if code == Code::NONE {
                    take(Happening::Delivered { token });
                    continue;
                }
                let status = rd::rd_kafka_message_status(message);
                let topic = text(rd::rd_kafka_topic_name((*message).rkt));
                let named = code.is_of_record().then(|| Box::new(name(&topic, message)));
                take(Happening::Failed {
                    token,
                    code,
                    topic: &topic,
                    halted: halt::halted(message, code),
                    named,
                    reason: &text(rd::rd_kafka_message_produce_errstr(message)),
                    possibly_written: status
                        != rd::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED,
                });
            }
        }
    }

    pub(super) fn error(&self, take: &mut impl FnMut(Happening<'_>)) {
        // SAFETY: the string lives as long as the event.
        let (code, reason, fatal) = unsafe {
            let event = self.0.as_ptr();
            (
                Code::new(codes::rd_kafka_event_error(event)),
                text(rd::rd_kafka_event_error_string(event)),
                rd::rd_kafka_event_error_is_fatal(event) != 0,
            )
        };
        take(Happening::Error { code, reason: &reason, fatal });
    }

    pub(super) fn created(&self, take: &mut impl FnMut(Happening<'_>)) {
        // SAFETY: the event lives, and is of that kind.
        unsafe {
            topics::answer(self.0.as_ptr(), |number, code, reason| {
                take(Happening::Created { number, code, reason });
            });
        }
    }

    pub(super) fn log(&self, take: &mut impl FnMut(Happening<'_>)) {
        let (mut facility, mut line, mut level) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the strings that it points to live as long as the event.
        unsafe {
            let event = self.0.as_ptr();
            if rd::rd_kafka_event_log(event, &mut facility, &mut line, &mut level) == 0 {
                take(Happening::Log { level, facility: &text(facility), text: &text(line) });
            }
        }
    }
}

/// # Safety
/// A message that lives.
unsafe fn name(topic: &str, message: *const rd::rd_kafka_message_t) -> Named {
    // SAFETY: as promised; what the library hands out lives as long as the message, with the lengths
    // that come with it.
    unsafe {
        let bytes = |start: *const c_void, length: usize| {
            (!start.is_null()).then(|| slice::from_raw_parts(start.cast::<u8>(), length).to_vec())
        };
        let mut headers = Vec::new();
        let mut native = ptr::null_mut();
        if rd::rd_kafka_message_headers(message, &mut native) as i32 == 0 {
            let (mut key, mut value, mut length) = (ptr::null(), ptr::null(), 0);
            while rd::rd_kafka_header_get_all(
                native,
                headers.len(),
                &mut key,
                &mut value,
                &mut length,
            ) as i32
                == 0
            {
                headers.push((text(key).into_owned(), bytes(value, length).unwrap_or_default()));
            }
        }
        Named {
            topic: topic.to_owned(),
            key: bytes((*message).key, (*message).key_len),
            is_tombstone: (*message).payload.is_null(),
            headers,
        }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: owned.
        unsafe { rd::rd_kafka_event_destroy(self.0.as_ptr()) }
    }
}
