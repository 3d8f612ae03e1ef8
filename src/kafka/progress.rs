//! Reading a small compacted topic of one partition whole: the last record of each key.

use super::admin::TopicSpec;
use super::code::Code;
use super::config::Config;
use super::error::Error;
use super::native::{Creation, PartitionReader, Taken};
use super::producer::Producer;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long the client may take to end.
const CLOSE: Duration = Duration::from_secs(1);
/// How long brokers may take to tell each other of a new topic, or to find a partition's leader.
const SETTLE: Duration = Duration::from_secs(15);

/// What is in the topic by key.
pub type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// How far reading is.
#[derive(Debug, PartialEq, Eq)]
pub enum Reading {
    /// Call again.
    NotYet,
    /// There is no such topic.
    Missing,
    /// All that is committed is read. `all`: and nothing uncommitted follows.
    Read { all: bool },
}

/// A topic that is being read from its beginning, committed messages only.
pub struct ProgressReader {
    topic: String,
    reader: Option<PartitionReader>,
    reading: bool,
    records: Records,
    /// Until when a topic that was just created may be missing.
    patience: Option<Instant>,
}

impl ProgressReader {
    /// # Errors
    /// As for [`Producer::new`].
    pub fn open(config: &Config, topic: &str) -> Result<ProgressReader, Error> {
        let reader = PartitionReader::new(config.native()?, topic)
            .map_err(|reason| Error::NotStarted { reason: config.redact(&reason) })?;
        Ok(ProgressReader {
            topic: topic.to_owned(),
            reader: Some(reader),
            reading: false,
            records: Records::new(),
            patience: None,
        })
    }

    /// Reads on for as long as the limit.
    ///
    /// # Errors
    /// Why the topic cannot be read, or that it is not one of a single partition.
    pub fn read(&mut self, limit: Duration) -> Result<Reading, Error> {
        let deadline = Instant::now() + limit;
        let Some(reader) = &mut self.reader else { return Ok(Reading::Missing) };
        if !self.reading {
            match reader.partitions(limit) {
                Ok(1) => {}
                Ok(partitions) => {
                    return Err(Error::BadProgressTopic { topic: self.topic.clone(), partitions });
                }
                Err(code) => return self.unreadable(code, ""),
            }
            let topic = &self.topic;
            reader.start().map_err(|code| Error::of_message(code, topic, code.description()))?;
            self.reading = true;
        }
        loop {
            match reader.take(deadline.saturating_duration_since(Instant::now())) {
                Taken::Nothing => return Ok(Reading::NotYet),
                Taken::Record { key, value: Some(value) } => {
                    self.records.insert(key, value);
                }
                Taken::Record { key, value: None } => {
                    self.records.remove(&key);
                }
                Taken::End { all } => return Ok(Reading::Read { all }),
                Taken::Failed { code, reason } => return self.unreadable(code, &reason),
            }
        }
    }

    fn unreadable(&self, code: Code, reason: &str) -> Result<Reading, Error> {
        let patient = self.patience.is_some_and(|until| Instant::now() < until);
        match code {
            Code::UNKNOWN_TOPIC_OR_PART
            | Code::LOCAL_UNKNOWN_TOPIC
            | Code::LOCAL_UNKNOWN_PARTITION => {
                Ok(if patient { Reading::NotYet } else { Reading::Missing })
            }
            Code::LEADER_NOT_AVAILABLE if patient => Ok(Reading::NotYet),
            // The connection's troubles are the producer's too, which tells of them.
            Code::LOCAL_TIMED_OUT
            | Code::LOCAL_TRANSPORT
            | Code::LOCAL_ALL_BROKERS_DOWN
            | Code::LOCAL_RESOLVE
            | Code::LOCAL_SSL
            | Code::LOCAL_AUTHENTICATION => Ok(Reading::NotYet),
            Code::TOPIC_DENIED => Err(Error::NotReadable { topic: self.topic.clone() }),
            code => Err(Error::of_message(code, &self.topic, reason)),
        }
    }

    /// The topic has just been created.
    pub fn be_patient(&mut self) {
        self.patience = Some(Instant::now() + SETTLE);
    }

    /// What has been read so far.
    pub fn records(&self) -> &Records {
        &self.records
    }
}

impl Drop for ProgressReader {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            // One that does not end in time ends by itself.
            let _ = reader.destroy(CLOSE);
        }
    }
}

/// A request for a progress topic.
pub struct NewProgressTopic {
    topic: String,
    creation: Creation,
}

impl NewProgressTopic {
    /// # Errors
    /// If it cannot even be asked for.
    pub fn ask(producer: &Producer, topic: &str) -> Result<NewProgressTopic, Error> {
        let Some(client) = &producer.client else { return Err(super::producer::closed()) };
        let missing = |reason: &str, refused| Error::NoProgressTopic {
            topic: topic.to_owned(),
            reason: reason.to_owned(),
            refused,
        };
        // Where topics are not to be created, this one is not either.
        let Some(spec) = producer.config().topics() else {
            return Err(missing("manifold creates no topics here", true));
        };
        let mut spec = TopicSpec { partitions: 1, ..spec.clone() };
        spec.config.retain(|(name, _)| name != "cleanup.policy");
        spec.config.push(("cleanup.policy".to_owned(), "compact".to_owned()));
        let creation = client.ask_for(topic, &spec).map_err(|reason| missing(&reason, false))?;
        Ok(NewProgressTopic { topic: topic.to_owned(), creation })
    }

    /// Whether it is there.
    ///
    /// # Errors
    /// Why it is not to be had.
    pub fn is_there(&self, limit: Duration) -> Result<bool, Error> {
        match self.creation.outcome(limit) {
            None => Ok(false),
            Some((Code::NONE | Code::TOPIC_ALREADY_EXISTS, _)) => Ok(true),
            Some((code, reason)) => {
                let reason = if reason.is_empty() { code.description().to_owned() } else { reason };
                let refused = code.is_denied();
                Err(Error::NoProgressTopic { topic: self.topic.clone(), reason, refused })
            }
        }
    }
}
