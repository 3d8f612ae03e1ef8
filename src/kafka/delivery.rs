//! What becomes of messages.

use super::code::Code;
use super::error::Error;
use super::message::Named;
use std::fmt;
use std::sync::Arc;

/// What became of one message.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The token given to [`Producer::send`].
    pub token: u64,
    /// `Ok` is proof: all replicas that have to have the message have it.
    pub result: Result<(), Arc<DeliveryError>>,
    /// Which message it is, where the broker says that it is invalid.
    pub named: Option<Box<Named>>,
}

/// Why a message was not delivered. Messages that failed together share one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryError {
    /// The topic that it was for.
    pub topic: String,
    /// Kafka's or librdkafka's code.
    pub code: Code,
    /// The same for people, with hint.
    pub error: Error,
    /// Whether sending the message again may succeed, be it after the admin has acted.
    pub retriable: bool,
    /// Whether one message is to blame. A whole request fails for one culprit: alone, the others
    /// may pass.
    pub of_message: bool,
    /// Whether this producer can send no more.
    pub fatal: bool,
    /// Whether the topic may hold the message all the same.
    pub possibly_written: bool,
}

/// What the brokers say of a topic that they were asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicReport {
    pub topic: String,
    /// Why its messages do not move, if the brokers know.
    pub trouble: Option<Error>,
}

impl DeliveryError {
    /// Whether it says what is wrong with the message, its topic, or the broker that has it.
    pub fn tells(&self) -> bool {
        self.of_message || self.is_of_topic() || self.code.is_from_broker()
    }

    /// Whether nothing is wrong with the message, but with another one of the same request.
    pub fn is_of_another(&self) -> bool {
        self.code == Code::LOCAL_OTHER_RECORD
    }

    /// Whether nothing is wrong with the message: it was given up with a transaction, or came after
    /// others that were.
    pub fn is_for_others(&self) -> bool {
        self.code.is_of_sequence() || self.code.is_given_up()
    }

    /// Whether nothing was wrong with the message: the library was told to give it up.
    pub fn is_given_up(&self) -> bool {
        self.code.is_given_up()
    }

    fn is_of_topic(&self) -> bool {
        matches!(
            self.error,
            Error::UnknownTopic { .. }
                | Error::BadTopic { .. }
                | Error::TooLarge { .. }
                | Error::Rejected { .. }
                | Error::Denied { topic: Some(_), .. }
        )
    }
}

/// Why a message was not taken for sending. It has not been sent, and no delivery will follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The queue is full: poll, and try again.
    QueueFull,
    /// This message can never go; `size` is that of key and value in bytes.
    Refused { topic: String, size: usize, error: Error },
    /// The topic cannot be written now (it does not exist, say); other topics can.
    TopicUnavailable { topic: String, error: Error },
    /// This producer can send no more: close it, make a new one, and go on from the last proven
    /// position.
    Fatal(Error),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::QueueFull => f.write_str("the queue to Kafka is full"),
            SendError::Refused { error, .. }
            | SendError::TopicUnavailable { error, .. }
            | SendError::Fatal(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SendError {}
