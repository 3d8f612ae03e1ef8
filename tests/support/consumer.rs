//! A real Kafka consumer that reads a topic from its beginning.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::Value;

use super::wait::{self, LIMIT, seconds};

const COMMITTED: &str = "read_committed";
const UNCOMMITTED: &str = "read_uncommitted";

/// Longer than a pause between two messages of a load.
const ROUND: Duration = seconds(1);

#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub partition: i32,
    pub offset: i64,
    /// As bytes were sent, for comparing.
    pub key_text: String,
    pub value_text: Option<String>,
    pub key: Value,
    /// `None` is a tombstone.
    pub value: Option<Value>,
    pub headers: BTreeMap<String, String>,
}

impl Event {
    pub fn op(&self) -> Option<&str> {
        self.value.as_ref()?["op"].as_str()
    }

    pub fn before(&self) -> &Value {
        self.value.as_ref().map_or(&Value::Null, |value| &value["before"])
    }

    pub fn after(&self) -> &Value {
        self.value.as_ref().map_or(&Value::Null, |value| &value["after"])
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// Reads one topic, and keeps all that it has read. The topic need not exist yet.
pub struct Topic {
    pub name: String,
    bootstrap: String,
    isolation: &'static str,
    consumer: BaseConsumer,
    assigned: bool,
    partitions: usize,
    /// Partitions that were read to their end at least once.
    ended: BTreeSet<i32>,
    events: Vec<Event>,
}

impl Topic {
    pub fn new(bootstrap: &str, name: &str) -> Self {
        Self::reading(bootstrap, name, COMMITTED)
    }

    /// One that sees messages of transactions that are open or were aborted, too.
    pub fn uncommitted(bootstrap: &str, name: &str) -> Self {
        Self::reading(bootstrap, name, UNCOMMITTED)
    }

    fn reading(bootstrap: &str, name: &str, isolation: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            bootstrap: bootstrap.to_owned(),
            isolation,
            consumer: client(bootstrap, isolation),
            assigned: false,
            partitions: 0,
            ended: BTreeSet::new(),
            events: Vec::new(),
        }
    }

    /// Reads until the events so far satisfy `enough`, which otherwise says what is missing.
    pub fn until(
        &mut self,
        what: &str,
        limit: Duration,
        mut enough: impl FnMut(&[Event]) -> Result<(), String>,
    ) -> &[Event] {
        let what = format!("{what} in topic {}", self.name);
        wait::until(&what, limit, || {
            self.read(Duration::from_millis(100))?;
            enough(&self.events)
                .map_err(|missing| format!("{} events; {missing}", self.events.len()))
        });
        &self.events
    }

    /// Reads until there are `n` events or more.
    pub fn at_least(&mut self, n: usize, limit: Duration) -> &[Event] {
        self.until(&format!("{n} events"), limit, |events| {
            if events.len() >= n { Ok(()) } else { Err("too few".to_owned()) }
        })
    }

    /// Reads all that the topic holds now, from its beginning; nothing when there is no such topic.
    pub fn all(&mut self) -> &[Event] {
        self.assigned = false;
        self.events.clear();
        self.ended.clear();
        let what = format!("the end of topic {}", self.name);
        if self.isolation == COMMITTED {
            self.await_transactions();
        }
        if wait::until(&what, LIMIT, || self.assign()) {
            wait::until(&what, LIMIT, || {
                self.read(Duration::from_millis(100))?;
                let ended = self.ended.len();
                if ended == self.partitions {
                    Ok(())
                } else {
                    Err(format!("{ended} partitions have ended"))
                }
            });
        }
        &self.events
    }

    /// Waits until all that is there now is committed or aborted, and seen to be: brokers write in each
    /// partition that a transaction is committed after they have said so.
    fn await_transactions(&self) {
        let all = client(&self.bootstrap, UNCOMMITTED);
        let mut first = None;
        wait::until(&format!("transactions in topic {} to end", self.name), LIMIT, || {
            let (ends, seen) = (ends(&all, &self.name)?, ends(&self.consumer, &self.name)?);
            let first = first.get_or_insert_with(|| ends.clone());
            // One that was deleted may have come back, and be shorter.
            let there = |(partition, end): (&i32, &i64)| {
                first.get(partition).is_none_or(|first| seen[partition] >= *first.min(end))
            };
            if seen.len() == ends.len() && ends.iter().all(there) {
                Ok(())
            } else {
                Err(format!("{seen:?} of {first:?}"))
            }
        });
    }

    /// Where a topic of one partition ends, what is in it but is no message included.
    pub fn end(&self) -> usize {
        let marks = self.consumer.fetch_watermarks(&self.name, 0, LIMIT);
        let (_, end) = marks.unwrap_or_else(|e| panic!("the end of {}: {e}", self.name));
        usize::try_from(end).expect("an offset")
    }

    /// Takes all partitions from their beginning, once the topic exists.
    fn assign(&mut self) -> Result<bool, String> {
        if self.assigned {
            return Ok(true);
        }
        let partitions = partitions(&self.consumer, &self.name)?;
        let mut list = TopicPartitionList::new();
        for partition in &partitions {
            list.add_partition_offset(&self.name, *partition, Offset::Beginning)
                .map_err(|e| e.to_string())?;
        }
        self.consumer.assign(&list).map_err(|e| e.to_string())?;
        self.partitions = partitions.len();
        self.assigned = self.partitions > 0;
        Ok(self.assigned)
    }

    /// Takes what has arrived, waiting for `patience` at most when nothing has. A round comes to its end
    /// however fast more arrives.
    fn read(&mut self, patience: Duration) -> Result<(), String> {
        if !self.assign()? {
            return Err("there is no such topic".to_owned());
        }
        let began = Instant::now();
        // Empty-handed polls end the round; broker errors are what the caller waits through.
        while let Some(polled) = self.consumer.poll(Duration::from_millis(20)) {
            match polled {
                Ok(message) => {
                    let event = event(&message);
                    self.events.push(event);
                }
                Err(KafkaError::PartitionEOF(partition)) => {
                    self.ended.insert(partition);
                }
                Err(_) if began.elapsed() < patience => {}
                Err(e) => return Err(e.to_string()),
            }
            if began.elapsed() > ROUND {
                break;
            }
        }
        Ok(())
    }
}

fn client(bootstrap: &str, isolation: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("isolation.level", isolation)
        .set("group.id", "pg_manifold-test")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "50")
        .set("reconnect.backoff.max.ms", "500")
        .set("log_level", "0")
        .create()
        .expect("a consumer needs no broker to be made")
}

/// The partitions of a topic; none where there is no such topic.
fn partitions(client: &BaseConsumer, topic: &str) -> Result<Vec<i32>, String> {
    // Metadata of all topics: asking for one could make the broker create it.
    let metadata = client.fetch_metadata(None, seconds(5)).map_err(|e| e.to_string())?;
    let topic = metadata.topics().iter().find(|found| found.name() == topic);
    Ok(topic.into_iter().flat_map(|topic| topic.partitions()).map(|p| p.id()).collect())
}

/// Where the partitions of a topic end for this client.
fn ends(client: &BaseConsumer, topic: &str) -> Result<BTreeMap<i32, i64>, String> {
    let mark = |partition| {
        let marks = client.fetch_watermarks(topic, partition, seconds(5));
        marks.map(|(_, end)| (partition, end)).map_err(|e| e.to_string())
    };
    partitions(client, topic)?.into_iter().map(mark).collect()
}

/// The names of all topics that begin with `prefix`.
pub fn topics(bootstrap: &str, prefix: &str) -> Vec<String> {
    let consumer = client(bootstrap, COMMITTED);
    let metadata =
        consumer.fetch_metadata(None, LIMIT).unwrap_or_else(|e| panic!("cannot list topics: {e}"));
    let names = metadata.topics().iter().map(|topic| topic.name().to_owned());
    names.filter(|name| name.starts_with(prefix)).collect()
}

fn event(message: &BorrowedMessage) -> Event {
    let text = |bytes: &[u8]| {
        String::from_utf8(bytes.to_owned()).expect("keys, values and headers are UTF-8")
    };
    let key_text = message.key().map_or(String::new(), text);
    let value_text = message.payload().map(text);
    let json = |text: &str| {
        serde_json::from_str(text).unwrap_or_else(|e| panic!("not JSON ({e}): {text}"))
    };
    Event {
        partition: message.partition(),
        offset: message.offset(),
        key: if key_text.is_empty() { Value::Null } else { json(&key_text) },
        value: value_text.as_deref().map(json),
        key_text,
        value_text,
        headers: message.headers().map_or_else(BTreeMap::new, |headers| {
            headers
                .iter()
                .map(|header| (header.key.to_owned(), header.value.map_or(String::new(), text)))
                .collect()
        }),
    }
}
