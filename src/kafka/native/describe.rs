//! Asking brokers about topics.

use super::codes;
use super::event::{Event, Happening};
use super::text;
use crate::kafka::code::Code;
use rdkafka::bindings as rd;
use std::ffi::{CStr, CString, c_char};
use std::ptr::{self, NonNull};

/// How long brokers have to answer.
const LIMIT_MS: i32 = 5000;

/// What brokers say of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kafka) enum TopicState {
    /// All its partitions have a leader.
    Led,
    NoLeader {
        partition: i32,
    },
    Error(Code),
}

/// Sends the question; its answer goes to the queue.
pub(super) fn ask(
    rk: NonNull<rd::rd_kafka_t>,
    queue: NonNull<rd::rd_kafka_queue_t>,
    topics: &[&str],
) {
    let names: Vec<CString> = topics.iter().filter_map(|name| CString::new(*name).ok()).collect();
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    // SAFETY: client and queue live; names are copied; what is made here is freed here.
    unsafe {
        let collection =
            rd::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        let options = rd::rd_kafka_AdminOptions_new(
            rk.as_ptr(),
            rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
        );
        rd::rd_kafka_AdminOptions_set_request_timeout(options, LIMIT_MS, ptr::null_mut(), 0);
        rd::rd_kafka_DescribeTopics(rk.as_ptr(), collection, options, queue.as_ptr());
        rd::rd_kafka_AdminOptions_destroy(options);
        rd::rd_kafka_TopicCollection_destroy(collection);
    }
}

/// The topic's setting that says how large a request may be.
const LIMIT: &CStr = c"max.message.bytes";

/// Asks how large a request for a topic may be.
pub(super) fn ask_limit(
    rk: NonNull<rd::rd_kafka_t>,
    queue: NonNull<rd::rd_kafka_queue_t>,
    topic: &str,
) {
    let Ok(name) = CString::new(topic) else { return };
    // SAFETY: client and queue live; the name is copied; what is made here is freed here.
    unsafe {
        let kind = rd::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC;
        let mut resources = [rd::rd_kafka_ConfigResource_new(kind, name.as_ptr())];
        let options = rd::rd_kafka_AdminOptions_new(
            rk.as_ptr(),
            rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS,
        );
        rd::rd_kafka_AdminOptions_set_request_timeout(options, LIMIT_MS, ptr::null_mut(), 0);
        let (rk, queue) = (rk.as_ptr(), queue.as_ptr());
        rd::rd_kafka_DescribeConfigs(rk, resources.as_mut_ptr(), resources.len(), options, queue);
        rd::rd_kafka_AdminOptions_destroy(options);
        rd::rd_kafka_ConfigResource_destroy(resources[0]);
    }
}

impl Event {
    /// How large requests may be. No answer, for want of rights, say, is no news.
    pub(super) fn limits(&self, take: &mut impl FnMut(Happening<'_>)) {
        // SAFETY: everything lives as long as the event; arrays have the length that comes with them.
        unsafe {
            let result = rd::rd_kafka_event_DescribeConfigs_result(self.0.as_ptr());
            if result.is_null() {
                return;
            }
            let mut count = 0;
            let resources = rd::rd_kafka_DescribeConfigs_result_resources(result, &mut count);
            for index in 0..count {
                let resource = *resources.add(index);
                let topic = text(rd::rd_kafka_ConfigResource_name(resource));
                let mut count = 0;
                let entries = rd::rd_kafka_ConfigResource_configs(resource, &mut count);
                for index in 0..count {
                    let entry = *entries.add(index);
                    let name = rd::rd_kafka_ConfigEntry_name(entry);
                    let value = rd::rd_kafka_ConfigEntry_value(entry);
                    if value.is_null() || CStr::from_ptr(name) != LIMIT {
                        continue;
                    }
                    if let Ok(bytes) = text(value).parse() {
                        take(Happening::Limit { topic: &topic, bytes });
                    }
                }
            }
        }
    }

    /// The answer. None at all, a time-out say, is no news: somebody will ask again.
    pub(super) fn topics(&self, take: &mut impl FnMut(Happening<'_>)) {
        // SAFETY: everything lives as long as the event; arrays have the length that comes with them.
        unsafe {
            let result = rd::rd_kafka_event_DescribeTopics_result(self.0.as_ptr());
            if result.is_null() {
                return;
            }
            let mut count = 0;
            let topics = rd::rd_kafka_DescribeTopics_result_topics(result, &mut count);
            for index in 0..count {
                let topic = *topics.add(index);
                let error = rd::rd_kafka_TopicDescription_error(topic);
                let code = if error.is_null() { 0 } else { codes::rd_kafka_error_code(error) };
                let state = match code {
                    0 => leaders(topic),
                    code => TopicState::Error(Code::new(code)),
                };
                let topic = text(rd::rd_kafka_TopicDescription_name(topic));
                take(Happening::Topic { topic: &topic, state });
            }
        }
    }
}

/// # Safety
/// A description that lives.
unsafe fn leaders(topic: *const rd::rd_kafka_TopicDescription_t) -> TopicState {
    let mut count = 0;
    // SAFETY: as promised; the array has the length that comes with it.
    unsafe {
        let partitions = rd::rd_kafka_TopicDescription_partitions(topic, &mut count);
        for index in 0..count {
            let partition = *partitions.add(index);
            if rd::rd_kafka_TopicPartitionInfo_leader(partition).is_null() {
                let partition = rd::rd_kafka_TopicPartitionInfo_partition(partition);
                return TopicState::NoLeader { partition };
            }
        }
    }
    TopicState::Led
}
