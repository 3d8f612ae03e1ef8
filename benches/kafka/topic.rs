//! What a topic holds, and when it came to hold it.
#![allow(dead_code, reason = "each bench uses its own part of this")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::limit::Sample;
use crate::support::wait::seconds;

/// Events of a topic's only partition so far; none while there is no such topic.
pub struct Counter {
    consumer: BaseConsumer,
    topic: String,
}

impl Counter {
    pub fn new(brokers: &str, topic: &str) -> Self {
        Self { consumer: consumer(brokers), topic: topic.to_owned() }
    }

    pub fn count(&self) -> usize {
        let marks = self.consumer.fetch_watermarks(&self.topic, 0, seconds(10));
        marks.map_or(0, |(_, high)| usize::try_from(high).unwrap_or_default())
    }
}

/// Notes when each record's event arrives, from now on.
pub struct Tail {
    seen: Arc<Mutex<HashMap<String, Instant>>>,
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Tail {
    /// Reads from the topic's end; the topic exists.
    pub fn start(brokers: &str, topic: &str) -> Self {
        let consumer = consumer(brokers);
        let end = Counter::new(brokers, topic).count();
        assign(&consumer, topic, Offset::Offset(end as i64));
        // It reads when it has been told twice that there is nothing more.
        let seen = Arc::new(Mutex::new(HashMap::new()));
        let done = Arc::new(AtomicBool::new(false));
        let (note, stop) = (seen.clone(), done.clone());
        let thread = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
                    let now = Instant::now();
                    if let Some(sfid) = sfid(&message) {
                        note.lock().expect("no panic").entry(sfid).or_insert(now);
                    }
                }
            }
        });
        Self { seen, done, thread: Some(thread) }
    }

    /// When the record's event arrived, if it has.
    pub fn arrival(&self, sfid: &str) -> Option<Instant> {
        self.seen.lock().expect("no panic").get(sfid).copied()
    }

    /// Waits for a record's event.
    pub fn wait(&self, sfid: &str, limit: Duration) -> Instant {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(at) = self.arrival(sfid) {
                return at;
            }
            assert!(Instant::now() < deadline, "waited {limit:?} for the event of {sfid}");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The first events of a topic, as they were sent.
pub fn samples(brokers: &str, topic: &str, count: usize) -> Vec<Sample> {
    let consumer = consumer(brokers);
    assign(&consumer, topic, Offset::Beginning);
    let mut samples = Vec::new();
    let deadline = Instant::now() + seconds(60);
    while samples.len() < count {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
            samples.push(Sample {
                key: message.key().unwrap_or_default().to_vec(),
                value: message.payload().map(<[u8]>::to_vec),
                headers: headers
                    .map(|header| {
                        (header.key.to_owned(), header.value.unwrap_or_default().to_vec())
                    })
                    .collect(),
            });
        }
        assert!(Instant::now() < deadline, "{} of {count} events of {topic}", samples.len());
    }
    samples
}

fn consumer(brokers: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "pg_manifold-bench")
        .set("enable.auto.commit", "false")
        // An event is handed out as soon as the broker has it.
        .set("fetch.min.bytes", "1")
        .set("log_level", "0")
        .create()
        .expect("a consumer needs no broker to be made")
}

fn assign(consumer: &BaseConsumer, topic: &str, offset: Offset) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, offset)
        .and_then(|()| consumer.assign(&list))
        .unwrap_or_else(|e| panic!("cannot read {topic}: {e}"));
}

/// The sfid in an event's row. Looked for rather than parsed: the consumer shares the processors.
fn sfid(message: &BorrowedMessage) -> Option<String> {
    const NAME: &[u8] = b"\"sfid\":\"";
    let value = message.payload()?;
    let at = value.windows(NAME.len()).position(|window| window == NAME)? + NAME.len();
    let text = value.get(at..at + 18)?;
    std::str::from_utf8(text).ok().map(str::to_owned)
}
