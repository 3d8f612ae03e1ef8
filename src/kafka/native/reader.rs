//! A consuming client that reads one partition from its beginning, without a group.

use super::buffer;
use super::client::destroy;
use super::codes;
use super::conf::Conf;
use super::signals::SignalsBlocked;
use super::text;
use crate::kafka::code::Code;
use rdkafka::bindings as rd;
use std::ffi::{CString, c_int};
use std::mem;
use std::ptr::{self, NonNull};
use std::slice;
use std::time::Duration;

/// What the partition gave.
#[derive(Debug)]
pub(in crate::kafka) enum Taken {
    /// Nothing within the time.
    Nothing,
    Record {
        key: Vec<u8>,
        /// `None`: a tombstone.
        value: Option<Vec<u8>>,
    },
    /// All that is committed has been read. `all`: nothing uncommitted follows.
    End {
        all: bool,
    },
    Failed {
        code: Code,
        reason: String,
    },
}

/// An rd_kafka_t of type consumer and the topic that it reads.
pub(in crate::kafka) struct PartitionReader {
    rk: NonNull<rd::rd_kafka_t>,
    topic: NonNull<rd::rd_kafka_topic_t>,
    name: CString,
    started: bool,
}

impl PartitionReader {
    pub(in crate::kafka) fn new(mut conf: Conf, topic: &str) -> Result<Self, String> {
        for (name, value) in [
            ("log.queue", "true"),
            ("isolation.level", "read_committed"),
            ("enable.partition.eof", "true"),
            // Else it waits for more at the end, where there is none.
            ("fetch.wait.max.ms", "10"),
        ] {
            if conf.set(name, value).is_err() {
                return Err(format!("this librdkafka cannot set {name}"));
            }
        }
        let name = CString::new(topic).map_err(|_| "a NUL in a topic's name".to_owned())?;
        let mut message = [0u8; 512];
        // SAFETY: as for the producing client: the configuration is the client's unless null returns.
        let rk = unsafe {
            let _blocked = SignalsBlocked::new();
            rd::rd_kafka_new(
                rd::rd_kafka_type_t::RD_KAFKA_CONSUMER,
                conf.0.as_ptr(),
                message.as_mut_ptr().cast(),
                message.len(),
            )
        };
        let rk = NonNull::new(rk).ok_or_else(|| buffer(&message))?;
        mem::forget(conf);
        // SAFETY: a living client; a null topic configuration means the client's own.
        let topic = unsafe {
            // Logs go to the main queue, which nobody reads: the producer's say the same.
            rd::rd_kafka_set_log_queue(rk.as_ptr(), ptr::null_mut());
            rd::rd_kafka_topic_new(rk.as_ptr(), name.as_ptr(), ptr::null_mut())
        };
        match NonNull::new(topic) {
            Some(topic) => Ok(Self { rk, topic, name, started: false }),
            None => {
                // SAFETY: nothing else refers to the client.
                unsafe { rd::rd_kafka_destroy(rk.as_ptr()) };
                Err("no topic can have this name".to_owned())
            }
        }
    }

    /// How many partitions the topic has; `Err` says why that is not known, such as that there is no
    /// such topic.
    pub(in crate::kafka) fn partitions(&self, limit: Duration) -> Result<usize, Code> {
        let limit = c_int::try_from(limit.as_millis()).unwrap_or(c_int::MAX);
        let mut metadata = ptr::null();
        // SAFETY: the out-parameter is valid; what it holds is read while it lives, and freed once.
        // Codes are read as numbers, since a broker may send one that the enum does not have.
        unsafe {
            let topic = self.topic.as_ptr();
            let code = codes::rd_kafka_metadata(self.rk.as_ptr(), 0, topic, &mut metadata, limit);
            let code = Code::new(code);
            if code != Code::NONE || metadata.is_null() {
                return Err(code);
            }
            let found = if (*metadata).topic_cnt == 1 {
                let topic = (*metadata).topics;
                match Code::new(ptr::addr_of!((*topic).err).cast::<i32>().read()) {
                    Code::NONE => Ok(usize::try_from((*topic).partition_cnt).unwrap_or(0)),
                    code => Err(code),
                }
            } else {
                Err(Code::UNKNOWN_TOPIC_OR_PART)
            };
            rd::rd_kafka_metadata_destroy(metadata);
            found
        }
    }

    /// Begins to read the first partition from its beginning.
    pub(in crate::kafka) fn start(&mut self) -> Result<(), Code> {
        // SAFETY: a living topic of this client.
        let started = unsafe {
            rd::rd_kafka_consume_start(
                self.topic.as_ptr(),
                0,
                i64::from(rd::RD_KAFKA_OFFSET_BEGINNING),
            )
        };
        self.started = started == 0;
        // SAFETY: no preconditions; says why the last call failed.
        if self.started { Ok(()) } else { Err(Code::new(unsafe { codes::rd_kafka_last_error() })) }
    }

    /// Takes one thing, waiting for it up to the timeout.
    pub(in crate::kafka) fn take(&self, timeout: Duration) -> Taken {
        let timeout = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: a topic that is read; the message is freed once, after all that is read from it.
        unsafe {
            let message = rd::rd_kafka_consume(self.topic.as_ptr(), 0, timeout);
            if message.is_null() {
                return Taken::Nothing;
            }
            let bytes = |start: *mut std::ffi::c_void, length: usize| {
                (!start.is_null()).then(|| slice::from_raw_parts(start.cast(), length).to_vec())
            };
            let taken = match Code::new(ptr::addr_of!((*message).err).cast::<i32>().read()) {
                Code::NONE => Taken::Record {
                    key: bytes((*message).key, (*message).key_len).unwrap_or_default(),
                    value: bytes((*message).payload, (*message).len),
                },
                Code::LOCAL_PARTITION_EOF => Taken::End { all: (*message).offset >= self.high() },
                code => Taken::Failed {
                    code,
                    reason: text(rd::rd_kafka_message_errstr(message)).into_owned(),
                },
            };
            rd::rd_kafka_message_destroy(message);
            taken
        }
    }

    /// The partition's end as the last answer of the broker gave it, uncommitted messages included.
    fn high(&self) -> i64 {
        let (mut low, mut high) = (0, i64::MAX);
        // SAFETY: a living client, a string that ends in NUL, two valid out-parameters.
        unsafe {
            let name = self.name.as_ptr();
            rd::rd_kafka_get_watermark_offsets(self.rk.as_ptr(), name, 0, &mut low, &mut high);
        }
        high
    }

    /// As for the producing client.
    pub(in crate::kafka) fn destroy(self, limit: Duration) -> bool {
        // SAFETY: the topic goes before the client, once.
        unsafe {
            if self.started {
                rd::rd_kafka_consume_stop(self.topic.as_ptr(), 0);
            }
            rd::rd_kafka_topic_destroy(self.topic.as_ptr());
        }
        destroy(self.rk, None, limit)
    }
}
