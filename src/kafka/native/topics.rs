//! The library's request to create a topic.

use super::buffer;
use super::codes;
use super::text;
use crate::kafka::admin::TopicSpec;
use crate::kafka::code::Code;
use rdkafka::bindings as rd;
use std::ffi::{CString, c_void};
use std::ptr::{self, NonNull};

/// An rd_kafka_NewTopic_t.
struct NewTopic(NonNull<rd::rd_kafka_NewTopic_t>);

impl NewTopic {
    fn new(name: &str, spec: &TopicSpec) -> Result<NewTopic, String> {
        let c_text = |text: &str| CString::new(text).map_err(|error| error.to_string());
        let name = c_text(name)?;
        let mut error = [0u8; 256];
        // SAFETY: the strings are copied, the buffer is as long as said, the result is owned.
        unsafe {
            let topic = rd::rd_kafka_NewTopic_new(
                name.as_ptr(),
                spec.partitions,
                spec.replication_factor,
                error.as_mut_ptr().cast(),
                error.len(),
            );
            let topic = NonNull::new(topic).map(NewTopic).ok_or_else(|| buffer(&error))?;
            for (name, value) in &spec.config {
                let (name, value) = (c_text(name)?, c_text(value)?);
                rd::rd_kafka_NewTopic_set_config(topic.0.as_ptr(), name.as_ptr(), value.as_ptr());
            }
            Ok(topic)
        }
    }
}

impl Drop for NewTopic {
    fn drop(&mut self) {
        // SAFETY: owned.
        unsafe { rd::rd_kafka_NewTopic_destroy(self.0.as_ptr()) }
    }
}

/// Asks the brokers to create a topic; the answer comes to the queue, with the number of the request.
///
/// # Errors
/// What the library does not even ask for.
pub(super) fn create(
    rk: NonNull<rd::rd_kafka_t>,
    queue: NonNull<rd::rd_kafka_queue_t>,
    name: &str,
    spec: &TopicSpec,
    number: usize,
) -> Result<(), String> {
    let topic = NewTopic::new(name, spec)?;
    // SAFETY: a living client and its queue; the library copies topics and options.
    unsafe {
        let options = rd::rd_kafka_AdminOptions_new(
            rk.as_ptr(),
            rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATETOPICS,
        );
        if options.is_null() {
            return Err("this librdkafka cannot create topics".to_owned());
        }
        rd::rd_kafka_AdminOptions_set_opaque(options, number as *mut c_void);
        let mut topics = [topic.0.as_ptr()];
        rd::rd_kafka_CreateTopics(rk.as_ptr(), topics.as_mut_ptr(), 1, options, queue.as_ptr());
        rd::rd_kafka_AdminOptions_destroy(options);
    }
    Ok(())
}

/// Hands out the answer to a request: its number, and what the brokers say.
///
/// # Safety
/// The event lives and is the result of a request to create topics.
pub(super) unsafe fn answer(
    event: *mut rd::rd_kafka_event_t,
    take: impl FnOnce(usize, Code, &str),
) {
    // SAFETY: results, topics and strings live as long as the event.
    unsafe {
        let number = rd::rd_kafka_event_opaque(event) as usize;
        let code = Code::new(codes::rd_kafka_event_error(event));
        if code != Code::NONE {
            take(number, code, &text(rd::rd_kafka_event_error_string(event)));
            return;
        }
        let result = rd::rd_kafka_event_CreateTopics_result(event);
        let mut count = 0;
        let topics = if result.is_null() {
            ptr::null_mut()
        } else {
            rd::rd_kafka_CreateTopics_result_topics(result, &mut count)
        };
        if topics.is_null() || count == 0 {
            return;
        }
        // One request, one topic.
        let topic = *topics;
        let code = Code::new(codes::rd_kafka_topic_result_error(topic));
        take(number, code, &text(rd::rd_kafka_topic_result_error_string(topic)));
    }
}
