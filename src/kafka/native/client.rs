//! A producing client: its handle, its main queue, its topics.

use super::buffer;
use super::codes;
use super::conf::Conf;
use super::describe;
use super::event::{Event, Happening};
use super::halt;
use super::signals::SignalsBlocked;
use super::throttle;
use super::topics;
use super::verify;
use crate::kafka::admin::TopicSpec;
use crate::kafka::code::Code;
use rd::rd_kafka_vtype_t as vtype;
use rdkafka::bindings as rd;
use std::collections::HashMap;
use std::ffi::{CString, c_int, c_void};
use std::io::Write;
use std::mem::{self, ManuallyDrop};
use std::os::fd::RawFd;
use std::os::unix::net::UnixStream;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A token is handed to librdkafka in place of a pointer and comes back with the delivery.
const _: () = assert!(usize::BITS == 64, "tokens need 64 bit pointers");

/// One message to send; slices are copied.
pub(in crate::kafka) struct Message<'a> {
    pub(in crate::kafka) topic: &'a str,
    pub(in crate::kafka) key: Option<&'a [u8]>,
    pub(in crate::kafka) value: Option<&'a [u8]>,
    pub(in crate::kafka) headers: &'a [(&'a str, &'a [u8])],
    pub(in crate::kafka) timestamp_ms: i64,
    pub(in crate::kafka) token: u64,
}

/// An rd_kafka_t of type producer, its main queue and its topics.
pub(in crate::kafka) struct Client {
    rk: NonNull<rd::rd_kafka_t>,
    queue: NonNull<rd::rd_kafka_queue_t>,
    topics: HashMap<Box<str>, NonNull<rd::rd_kafka_topic_t>>,
    /// The one that was sent to last: messages come in runs.
    last: Option<(Box<str>, NonNull<rd::rd_kafka_topic_t>)>,
    /// Topics that were used for the first time since `new_topics` was last asked.
    new_topics: Vec<Box<str>>,
    /// The thread that gives up what waits in the queue, and whether it is at that.
    purge: Option<JoinHandle<()>>,
    is_giving_up: Arc<AtomicBool>,
}

impl Client {
    /// Starts the library's threads, with every signal blocked in them: a SIGTERM meant for the
    /// process must run its handler on the main thread and nowhere else.
    pub(in crate::kafka) fn new(mut conf: Conf) -> Result<Client, String> {
        // Or the library's threads would write to the process's standard error.
        if conf.set("log.queue", "true").is_err() {
            return Err("this librdkafka cannot queue its logs".to_owned());
        }
        // A transaction with a message that failed is aborted as a whole.
        let halts = conf.get("transactional.id").is_none_or(|id| id.is_empty());
        let mut text = [0u8; 512];
        let events = rd::RD_KAFKA_EVENT_DR | rd::RD_KAFKA_EVENT_ERROR;
        // SAFETY: the configuration is valid; from here on the client owns it unless null returns.
        let rk = unsafe {
            rd::rd_kafka_conf_set_events(conf.0.as_ptr(), events);
            rd::rd_kafka_conf_set_ssl_cert_verify_cb(conf.0.as_ptr(), Some(verify::verify));
            rd::rd_kafka_conf_set_throttle_cb(conf.0.as_ptr(), Some(throttle::throttled));
            if halts {
                halt::halt_partitions(conf.0.as_ptr());
            }
            let _blocked = SignalsBlocked::new();
            rd::rd_kafka_new(
                rd::rd_kafka_type_t::RD_KAFKA_PRODUCER,
                conf.0.as_ptr(),
                text.as_mut_ptr().cast(),
                text.len(),
            )
        };
        // A library that refuses to start has freed interceptors, and forgotten that they were ours: what is
        // left of the configuration cannot be freed.
        if halts || !rk.is_null() {
            mem::forget(conf);
        }
        let rk = NonNull::new(rk).ok_or_else(|| buffer(&text))?;
        // SAFETY: the client lives; both calls only take references to it. A log queue that cannot
        // be set means no logs, which is no reason to fail.
        let queue = unsafe {
            let queue = rd::rd_kafka_queue_get_main(rk.as_ptr());
            rd::rd_kafka_set_log_queue(rk.as_ptr(), queue);
            queue
        };
        match NonNull::new(queue) {
            Some(queue) => Ok(Client {
                rk,
                queue,
                topics: HashMap::new(),
                last: None,
                new_topics: Vec::new(),
                purge: None,
                is_giving_up: Arc::default(),
            }),
            None => {
                // SAFETY: nothing else refers to the client.
                unsafe { rd::rd_kafka_destroy(rk.as_ptr()) };
                Err("librdkafka gave no queue".to_owned())
            }
        }
    }

    /// Has one byte written to the descriptor whenever the queue stops being empty.
    pub(in crate::kafka) fn wake_on(&self, fd: RawFd) {
        const BYTE: &[u8; 1] = b"!";
        // SAFETY: the library copies the payload; `wake_off` comes before the descriptor closes.
        unsafe {
            rd::rd_kafka_queue_io_event_enable(self.queue.as_ptr(), fd, BYTE.as_ptr().cast(), 1);
        }
    }

    fn wake_off(&self) {
        // SAFETY: -1 switches off; taken under the queue's lock, so that no write comes after.
        unsafe {
            rd::rd_kafka_queue_io_event_enable(self.queue.as_ptr(), -1, ptr::null(), 0);
        }
    }

    fn topic(&mut self, name: &str) -> Result<NonNull<rd::rd_kafka_topic_t>, Code> {
        if let Some((_, topic)) = self.last.as_ref().filter(|(last, _)| **last == *name) {
            return Ok(*topic);
        }
        let topic = match self.topics.get(name) {
            Some(topic) => *topic,
            None => {
                let topic = self.make(name)?;
                self.new_topics.push(name.into());
                topic
            }
        };
        self.last = Some((name.into(), topic));
        Ok(topic)
    }

    /// Knows a topic from now on that is there.
    pub(in crate::kafka) fn open(&mut self, name: &str) {
        if !self.topics.contains_key(name) {
            // What is wrong with it, sending to it will tell.
            let _ = self.make(name);
        }
    }

    fn make(&mut self, name: &str) -> Result<NonNull<rd::rd_kafka_topic_t>, Code> {
        // The library takes any name, and tells much later, if at all, that no topic has it.
        if !can_be_a_topic(name) {
            return Err(Code::TOPIC_EXCEPTION);
        }
        let c_name = CString::new(name).map_err(|_| Code::TOPIC_EXCEPTION)?;
        // SAFETY: a null topic configuration means the client's own.
        let topic =
            unsafe { rd::rd_kafka_topic_new(self.rk.as_ptr(), c_name.as_ptr(), ptr::null_mut()) };
        let topic = NonNull::new(topic).ok_or(Code::TOPIC_EXCEPTION)?;
        self.topics.insert(name.into(), topic);
        Ok(topic)
    }

    /// Whether `new_topics` would return any.
    pub(in crate::kafka) fn has_new_topics(&self) -> bool {
        !self.new_topics.is_empty()
    }

    /// Takes out the topics that were used for the first time since the last call.
    pub(in crate::kafka) fn new_topics(&mut self) -> Vec<Box<str>> {
        mem::take(&mut self.new_topics)
    }

    /// Asks the brokers to create a topic; the answer is served as [`Happening::Created`].
    pub(in crate::kafka) fn create(
        &self,
        topic: &str,
        spec: &TopicSpec,
        number: usize,
    ) -> Result<(), String> {
        topics::create(self.rk, self.queue, topic, spec, number)
    }

    /// Copies the message into the library's queue; never blocks.
    pub(in crate::kafka) fn produce(&mut self, message: &Message<'_>) -> Result<(), Code> {
        let topic = self.topic(message.topic)?;
        let headers = Headers::new(message.headers);
        let (key, key_len) = parts(message.key);
        let (value, value_len) = parts(message.value);
        // SAFETY: each tag is followed by what the library reads for it, in C's types; slices are
        // copied before the call returns; the headers are the library's if it succeeds.
        let result = unsafe {
            codes::rd_kafka_producev(
                self.rk.as_ptr(),
                vtype::RD_KAFKA_VTYPE_RKT,
                topic.as_ptr(),
                vtype::RD_KAFKA_VTYPE_MSGFLAGS,
                rd::RD_KAFKA_MSG_F_COPY,
                vtype::RD_KAFKA_VTYPE_KEY,
                key,
                key_len,
                vtype::RD_KAFKA_VTYPE_VALUE,
                value,
                value_len,
                vtype::RD_KAFKA_VTYPE_TIMESTAMP,
                message.timestamp_ms,
                vtype::RD_KAFKA_VTYPE_OPAQUE,
                message.token as usize as *mut c_void,
                vtype::RD_KAFKA_VTYPE_HEADERS,
                headers.0,
                vtype::RD_KAFKA_VTYPE_END,
            )
        };
        match Code::new(result) {
            Code::NONE => {
                mem::forget(headers);
                Ok(())
            }
            code => Err(code),
        }
    }

    /// Serves one event, waiting for it up to the timeout. False if there was none.
    pub(in crate::kafka) fn serve(
        &self,
        timeout: Duration,
        mut take: impl FnMut(Happening<'_>),
    ) -> bool {
        let timeout = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: the event is destroyed by its guard, after everything borrowed from it.
        let event = unsafe { rd::rd_kafka_queue_poll(self.queue.as_ptr(), timeout) };
        if let Some(ms) = throttle::told() {
            take(Happening::Throttled { ms });
        }
        let Some(event) = NonNull::new(event).map(Event) else {
            return false;
        };
        match event.kind() {
            rd::RD_KAFKA_EVENT_DR => event.reports(&mut take),
            rd::RD_KAFKA_EVENT_ERROR => event.error(&mut take),
            rd::RD_KAFKA_EVENT_CREATETOPICS_RESULT => event.created(&mut take),
            rd::RD_KAFKA_EVENT_LOG => event.log(&mut take),
            rd::RD_KAFKA_EVENT_DESCRIBETOPICS_RESULT => event.topics(&mut take),
            rd::RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT => event.limits(&mut take),
            _ => {}
        }
        true
    }

    /// Has everything sent at once, whatever `linger.ms` says. The library only does so while the call
    /// lasts, and here, where deliveries are events, that is until the time is over.
    pub(in crate::kafka) fn flush(&self, time: Duration) {
        let time = c_int::try_from(time.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: a living producer. That not all has arrived yet is no error.
        unsafe { codes::rd_kafka_flush(self.rk.as_ptr(), time) };
    }

    /// Asks the library to give up all messages, queued and in flight, without waiting for it;
    /// their reports follow.
    pub(in crate::kafka) fn purge(&self) {
        let what = rd::RD_KAFKA_PURGE_F_QUEUE
            | rd::RD_KAFKA_PURGE_F_INFLIGHT
            | rd::RD_KAFKA_PURGE_F_NON_BLOCKING;
        // SAFETY: a living producer and known flags, for which the call cannot fail.
        unsafe { rd::rd_kafka_purge(self.rk.as_ptr(), what) };
    }

    /// Has a partition go on that was halted when a request of it failed.
    pub(in crate::kafka) fn resume(&self, topic: &str, partition: i32) {
        halt::resume(self.rk, topic, partition);
    }

    /// Has the library give up what waits in the queue; what is in flight is not, unless a connection is cut
    /// for it. A byte is written to `done` at the end, when all reports are in the queue. Of a thread of its
    /// own, since the library waits for its own threads, one of which may sit in a DNS look-up.
    /// False if no thread is to be had.
    pub(in crate::kafka) fn give_up_queue(&mut self, mut done: UnixStream) -> bool {
        let (rk, is_giving_up) = (Sendable(self.rk), Arc::clone(&self.is_giving_up));
        let give_up = move || {
            let rk = rk;
            // SAFETY: a living producer: `destroy` waits for this thread.
            unsafe { rd::rd_kafka_purge(rk.0.as_ptr(), rd::RD_KAFKA_PURGE_F_QUEUE) };
            is_giving_up.store(false, Ordering::SeqCst);
            // Where there is no room for a byte, one is there already.
            let _ = done.write(b"!");
        };
        let _blocked = SignalsBlocked::new();
        self.is_giving_up.store(true, Ordering::SeqCst);
        self.purge = thread::Builder::new().name("kafka purge".to_owned()).spawn(give_up).ok();
        self.is_giving_up.fetch_and(self.purge.is_some(), Ordering::SeqCst);
        self.purge.is_some()
    }

    /// Whether it is still at that.
    pub(in crate::kafka) fn is_giving_up(&self) -> bool {
        self.is_giving_up.load(Ordering::SeqCst)
    }

    /// Whether a broker is connected and ready; asks it for metadata of the topics in use, without
    /// waiting for the answer, and starts connecting if none is.
    pub(in crate::kafka) fn probe(&self) -> bool {
        let mut metadata = ptr::null();
        // SAFETY: the out-parameter is valid, and what it may hold afterwards is freed once.
        let code = unsafe {
            let none = ptr::null_mut();
            let code = codes::rd_kafka_metadata(self.rk.as_ptr(), 0, none, &mut metadata, 0);
            if !metadata.is_null() {
                rd::rd_kafka_metadata_destroy(metadata);
            }
            code
        };
        // With no time to wait, "no broker usable" and "no answer yet" are told apart by the code.
        matches!(Code::new(code), Code::NONE | Code::LOCAL_TIMED_OUT)
    }

    /// Asks for the state of topics; the answer comes as an event, an error as none.
    pub(in crate::kafka) fn describe(&self, topics: &[&str]) {
        describe::ask(self.rk, self.queue, topics);
    }

    /// Asks how large a request for a topic may be; the answer comes as an event, an error as none.
    pub(in crate::kafka) fn ask_limit(&self, topic: &str) {
        describe::ask_limit(self.rk, self.queue, topic);
    }

    /// The error after which this producer can send no more, if there was one.
    pub(in crate::kafka) fn fatal(&self) -> Option<(Code, String)> {
        let mut text = [0u8; 512];
        // SAFETY: the buffer is as long as said.
        let code = unsafe {
            codes::rd_kafka_fatal_error(self.rk.as_ptr(), text.as_mut_ptr().cast(), text.len())
        };
        let code = Code::new(code);
        (code != Code::NONE).then(|| (code, buffer(&text)))
    }

    #[cfg(test)]
    pub(in crate::kafka) fn break_down(&self) {
        let code = rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
        // SAFETY: a living client and a string that ends in NUL.
        unsafe { rd::rd_kafka_test_fatal_error(self.rk.as_ptr(), code, c"a gap".as_ptr()) };
    }

    /// Ends the library's threads and frees the client. False if that took longer than the limit,
    /// in which case it goes on in the background.
    pub(in crate::kafka) fn destroy(self, limit: Duration) -> bool {
        self.wake_off();
        // SAFETY: topics and queue go before the client, each once (`self` is forgotten below).
        unsafe {
            for topic in self.topics.values() {
                rd::rd_kafka_topic_destroy(topic.as_ptr());
            }
            rd::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
        let rk = self.rk;
        let mut this = ManuallyDrop::new(self);
        (this.topics, this.last) = (HashMap::new(), None);
        destroy(rk, this.purge.take(), limit)
    }

    pub(super) fn handle(&self) -> NonNull<rd::rd_kafka_t> {
        self.rk
    }

    pub(super) fn raw(&self) -> *mut rd::rd_kafka_t {
        self.rk.as_ptr()
    }
}

/// Ends a client whose last reference this is, but for that of a thread that is about to end; false if that
/// took longer than the limit.
pub(super) fn destroy(
    rk: NonNull<rd::rd_kafka_t>,
    after: Option<JoinHandle<()>>,
    limit: Duration,
) -> bool {
    let rk = Sendable(rk);
    // rd_kafka_destroy joins the library's threads, one of which may sit in a DNS look-up: only a
    // thread of its own can bound the wait. It blocks all signals and calls nothing else.
    let (done, finished) = mpsc::channel();
    let free = move || {
        let rk = rk;
        let _ = after.map(JoinHandle::join);
        // SAFETY: the last reference, given to this thread alone.
        unsafe { rd::rd_kafka_destroy(rk.0.as_ptr()) };
        // The receiver may have gone, its time being over.
        let _ = done.send(());
    };
    let blocked = SignalsBlocked::new();
    let helper = thread::Builder::new().name("kafka close".to_owned()).spawn(free);
    drop(blocked);
    match helper {
        Ok(thread) => finished.recv_timeout(limit).is_ok() && thread.join().is_ok(),
        // No thread to be had, and the client went with the closure unfreed: better than to wait
        // without limit in a process that is short of everything.
        Err(_) => false,
    }
}

/// The pointer to a client, on its way to the thread that frees it.
struct Sendable(NonNull<rd::rd_kafka_t>);
// SAFETY: librdkafka's handles may be used from any thread.
unsafe impl Send for Sendable {}

/// An rd_kafka_headers_t, or null for no headers.
struct Headers(*mut rd::rd_kafka_headers_t);

impl Headers {
    fn new(headers: &[(&str, &[u8])]) -> Headers {
        if headers.is_empty() {
            return Headers(ptr::null_mut());
        }
        // SAFETY: names and values are copied, with the lengths given.
        unsafe {
            let native = rd::rd_kafka_headers_new(headers.len());
            for (name, value) in headers {
                rd::rd_kafka_header_add(
                    native,
                    name.as_ptr().cast(),
                    name.len() as isize,
                    value.as_ptr().cast(),
                    value.len() as isize,
                );
            }
            Headers(native)
        }
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: owned; forgotten when a message took it.
            unsafe { rd::rd_kafka_headers_destroy(self.0) }
        }
    }
}

/// Kafka's rule for topic names.
fn can_be_a_topic(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=249).contains(&name.len()) && name.bytes().all(legal) && name != "." && name != ".."
}

fn parts(bytes: Option<&[u8]>) -> (*mut c_void, usize) {
    // Empty is not null: a slice's pointer never is.
    bytes.map_or((ptr::null_mut(), 0), |b| (b.as_ptr().cast_mut().cast(), b.len()))
}
