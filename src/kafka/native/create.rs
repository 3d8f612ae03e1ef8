//! A request for a topic that somebody waits for.

use super::client::Client;
use super::topics;
use crate::kafka::admin::TopicSpec;
use crate::kafka::code::Code;
use rdkafka::bindings as rd;
use std::ffi::c_int;
use std::ptr::NonNull;
use std::time::Duration;

/// A request that is on its way; the answer comes to a queue of its own.
pub(in crate::kafka) struct Creation(NonNull<rd::rd_kafka_queue_t>);

impl Client {
    /// Asks for a topic.
    pub(in crate::kafka) fn ask_for(
        &self,
        topic: &str,
        spec: &TopicSpec,
    ) -> Result<Creation, String> {
        // SAFETY: a living client; the queue is freed by its guard.
        let queue = NonNull::new(unsafe { rd::rd_kafka_queue_new(self.raw()) });
        let creation = queue.map(Creation).ok_or_else(|| "librdkafka gave no queue".to_owned())?;
        topics::create(self.handle(), creation.0, topic, spec, 0)?;
        Ok(creation)
    }
}

impl Creation {
    /// What came of it, once that is known: the brokers' code, and their words.
    pub(in crate::kafka) fn outcome(&self, limit: Duration) -> Option<(Code, String)> {
        let limit = c_int::try_from(limit.as_millis()).unwrap_or(c_int::MAX);
        let mut outcome = None;
        // SAFETY: the event is freed once, after all that is read from it; nothing but the answer comes
        // to this queue.
        unsafe {
            let event = rd::rd_kafka_queue_poll(self.0.as_ptr(), limit);
            if event.is_null() {
                return None;
            }
            topics::answer(event, |_, code, reason| outcome = Some((code, reason.to_owned())));
            rd::rd_kafka_event_destroy(event);
        }
        outcome
    }
}

impl Drop for Creation {
    fn drop(&mut self) {
        // SAFETY: owned.
        unsafe { rd::rd_kafka_queue_destroy(self.0.as_ptr()) }
    }
}
