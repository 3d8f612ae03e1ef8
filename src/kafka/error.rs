//! What can be wrong between us and Kafka: what happened ([`Display`](fmt::Display)) and what to do
//! about it ([`Error::hint`]). No text holds the value of an option that may be a secret.

use super::code::Code;
use std::fmt;
use std::time::Duration;

/// An error of the configuration, of the connection, or of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The broker list is empty.
    NoBrokers,
    /// The options file is to name the brokers, and does not.
    NoBrokersInFile,
    /// A broker address cannot be one. The address comes without user name and password.
    BadBroker { address: String, reason: String },
    /// The options cannot be read; `place` says where, such as "line 3 of the options file".
    BadSyntax { place: String, reason: String },
    /// librdkafka has no option of that name.
    UnknownOption { option: String, place: String, nearest: Option<String> },
    /// librdkafka refuses the value of this option.
    BadValue { option: String, reason: String },
    /// The option would break what the product promises, or is set by it.
    OptionNotAllowed { option: String, reason: String },
    /// librdkafka refuses to start with these options.
    NotStarted { reason: String },
    /// No broker answers.
    Unreachable { reason: String },
    /// The name of a broker cannot be resolved.
    NameNotResolved { reason: String },
    /// TLS cannot be agreed on with a broker.
    Tls { reason: String },
    /// A broker does not accept the credentials.
    Authentication { reason: String },
    /// The credentials are good, but do not allow this; no topic: something of the cluster.
    Denied { topic: Option<String>, code: Code },
    /// The topic does not exist and the brokers do not create it by themselves.
    UnknownTopic { topic: String },
    /// The topic does not exist, and the brokers did not let us create it; `command` does.
    NotCreated { topic: String, reason: String, command: String },
    /// No topic can have this name.
    BadTopic { topic: String, reason: String },
    /// A message is larger than the client or the broker accepts; size of key and value in bytes,
    /// where it is known which of a request it is.
    TooLarge { topic: String, size: Option<usize>, of_broker: bool },
    /// The broker will never take this message, for a reason other than its size.
    Rejected { topic: String, size: Option<usize>, code: Code, reason: String },
    /// No broker leads a partition of the topic.
    NoLeader { topic: String, partition: i32 },
    /// Brokers that answer acknowledge no message for the topic.
    NotMoving { topic: String, seconds: u64 },
    /// The message could not be delivered for now.
    NotDelivered { topic: String, code: Code, reason: String },
    /// This producer can send no more; a new one can.
    Fatal { code: Code, reason: String },
    /// A transaction had to be aborted.
    Aborted { code: Code, reason: String },
    /// Another producer with the same `transactional.id` has taken over.
    Fenced { id: String },
    /// The brokers allow no transactions.
    NoTransactions { id: String, code: Code, reason: String },
    /// The topic for progress is missing and cannot be created.
    NoProgressTopic {
        topic: String,
        reason: String,
        /// By a rule, and not by chance.
        refused: bool,
    },
    /// The topic for progress has more than one partition.
    BadProgressTopic { topic: String, partitions: usize },
    /// The credentials do not allow to read the topic for progress.
    NotReadable { topic: String },
    /// Any other error of the connection.
    Other { code: Code, reason: String },
}

impl Error {
    /// Sorts an error of the connection by what the admin has to do about it.
    pub(super) fn of_client(code: Code, reason: &str) -> Error {
        let reason = reason.to_owned();
        match code {
            Code::LOCAL_RESOLVE => Error::NameNotResolved { reason },
            Code::LOCAL_SSL => Error::Tls { reason },
            // After the handshake of TLS 1.3, when the broker has looked at our certificate.
            Code::LOCAL_TRANSPORT if reason.contains("SSL alert") => Error::Tls { reason },
            Code::LOCAL_AUTHENTICATION | Code::SASL_FAILED => Error::Authentication { reason },
            Code::LOCAL_TRANSPORT | Code::LOCAL_TIMED_OUT | Code::LOCAL_ALL_BROKERS_DOWN => {
                Error::Unreachable { reason }
            }
            Code::TOPIC_DENIED | Code::CLUSTER_DENIED | Code::TRANSACTIONAL_ID_DENIED => {
                Error::Denied { topic: None, code }
            }
            Code::LOCAL_FATAL => Error::Fatal { code, reason },
            _ => Error::Other { code, reason },
        }
    }

    /// Sorts an error that one message met.
    pub(super) fn of_message(code: Code, topic: &str, reason: &str) -> Error {
        let reason = if reason.is_empty() { code.description() } else { reason };
        let (topic, reason) = (topic.to_owned(), reason.to_owned());
        match code {
            Code::LOCAL_UNKNOWN_TOPIC
            | Code::LOCAL_UNKNOWN_PARTITION
            | Code::UNKNOWN_TOPIC_OR_PART => Error::UnknownTopic { topic },
            Code::TOPIC_EXCEPTION => Error::BadTopic { topic, reason },
            Code::MSG_SIZE_TOO_LARGE | Code::INVALID_MSG_SIZE | Code::RECORD_LIST_TOO_LARGE => {
                Error::TooLarge { topic, size: None, of_broker: true }
            }
            Code::TOPIC_DENIED | Code::CLUSTER_DENIED | Code::TRANSACTIONAL_ID_DENIED => {
                let topic = (code == Code::TOPIC_DENIED).then_some(topic);
                Error::Denied { topic, code }
            }
            Code::INVALID_MSG
            | Code::INVALID_RECORD
            | Code::INVALID_TIMESTAMP
            | Code::POLICY_VIOLATION => Error::Rejected { topic, size: None, code, reason },
            Code::LOCAL_FATAL => Error::Fatal { code, reason },
            _ => Error::NotDelivered { topic, code, reason },
        }
    }

    /// That messages for a topic are not acknowledged, and have not been for so long.
    pub fn not_moving(topic: &str, time: Duration) -> Error {
        Error::NotMoving { topic: topic.to_owned(), seconds: time.as_secs() }
    }

    /// The same, now that it is known which message it is about.
    pub fn of_size(self, bytes: usize) -> Error {
        match self {
            Error::TooLarge { topic, of_broker, .. } => {
                Error::TooLarge { topic, size: Some(bytes), of_broker }
            }
            Error::Rejected { topic, code, reason, .. } => {
                Error::Rejected { topic, size: Some(bytes), code, reason }
            }
            other => other,
        }
    }

    /// The topic that it is about, where it is about one.
    pub fn topic(&self) -> Option<&str> {
        match self {
            Error::Denied { topic, .. } => topic.as_deref(),
            Error::UnknownTopic { topic }
            | Error::NotCreated { topic, .. }
            | Error::BadTopic { topic, .. }
            | Error::TooLarge { topic, .. }
            | Error::Rejected { topic, .. }
            | Error::NoLeader { topic, .. }
            | Error::NotMoving { topic, .. }
            | Error::NotDelivered { topic, .. }
            | Error::NoProgressTopic { topic, .. }
            | Error::BadProgressTopic { topic, .. }
            | Error::NotReadable { topic } => Some(topic),
            _ => None,
        }
    }

    /// Whether it is one message that is at fault.
    pub fn is_of_message(&self) -> bool {
        matches!(self, Error::TooLarge { .. } | Error::Rejected { .. })
    }

    /// Whether the same message may be taken another time, be it after the admin has acted.
    pub fn is_retriable(&self) -> bool {
        !matches!(self, Error::TooLarge { .. } | Error::Rejected { .. } | Error::BadTopic { .. })
    }

    /// Whether it is about the numbers of messages, and hence about what went wrong before.
    pub fn is_of_sequence(&self) -> bool {
        matches!(self, Error::Aborted { code, .. } if code.is_of_sequence())
    }

    /// Whether the brokers say that there was no transaction to end.
    pub fn is_of_nothing(&self) -> bool {
        matches!(self, Error::Fatal { code: Code::INVALID_TRANSACTION, .. })
    }

    /// Whether the producer has to be replaced.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Error::Fatal { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoBrokers => f.write_str("no Kafka broker is given"),
            Error::NoBrokersInFile => f.write_str("manifold.kafka_options_file has no KAFKA_URL"),
            Error::BadBroker { address, reason } => {
                write!(f, "\"{address}\" is not a Kafka broker address: {reason}")
            }
            Error::BadSyntax { place, reason } => {
                write!(f, "cannot read the Kafka options: {reason} ({place})")
            }
            Error::UnknownOption { option, place, .. } => {
                write!(f, "there is no Kafka option \"{option}\" ({place})")
            }
            Error::BadValue { option, reason } => {
                write!(f, "invalid value for the Kafka option \"{option}\": {reason}")
            }
            Error::OptionNotAllowed { option, reason } => {
                write!(f, "the Kafka option \"{option}\" cannot be set like this: {reason}")
            }
            Error::NotStarted { reason } => write!(f, "the Kafka client cannot start: {reason}"),
            Error::Unreachable { reason } => write!(f, "no Kafka broker can be reached: {reason}"),
            Error::NameNotResolved { reason } => {
                write!(f, "the name of a Kafka broker cannot be resolved: {reason}")
            }
            Error::Tls { reason } => write!(f, "no TLS connection to the Kafka broker: {reason}"),
            Error::Authentication { reason } => {
                write!(f, "the Kafka broker does not accept our credentials: {reason}")
            }
            Error::Denied { topic: Some(topic), code } => {
                write!(f, "not allowed to write to Kafka topic \"{topic}\" ({})", code.name())
            }
            Error::Denied { topic: None, code } => {
                write!(f, "not allowed by the Kafka cluster ({})", code.name())
            }
            Error::UnknownTopic { topic } => write!(f, "Kafka topic \"{topic}\" does not exist"),
            Error::NotCreated { topic, reason, .. } => {
                write!(f, "Kafka topic \"{topic}\" does not exist and cannot be created: {reason}")
            }
            Error::BadTopic { topic, reason } => {
                write!(f, "\"{topic}\" cannot be a Kafka topic: {reason}")
            }
            Error::TooLarge { topic, size: Some(size), of_broker } => {
                let whose = if *of_broker { "the broker's" } else { "our own" };
                write!(
                    f,
                    "a message of {size} bytes is too large for Kafka topic \"{topic}\", by {whose} limit"
                )
            }
            Error::TooLarge { topic, size: None, .. } => {
                write!(f, "the broker finds a message too large for Kafka topic \"{topic}\"")
            }
            Error::NoLeader { topic, partition } => write!(
                f,
                "messages for Kafka topic \"{topic}\" cannot be sent: partition {partition} has no leader"
            ),
            Error::NotMoving { topic, seconds } => write!(
                f,
                "messages for Kafka topic \"{topic}\" are not acknowledged for {seconds} s, though the brokers answer"
            ),
            Error::Rejected { topic, size, code, reason } => {
                let code = code.name();
                f.write_str("the broker refuses a message ")?;
                if let Some(size) = size {
                    write!(f, "of {size} bytes ")?;
                }
                write!(f, "for Kafka topic \"{topic}\": {reason} ({code})")
            }
            Error::NotDelivered { topic, code, reason } => {
                let code = code.name();
                write!(
                    f,
                    "a message for Kafka topic \"{topic}\" was not delivered: {reason} ({code})"
                )
            }
            Error::Fatal { code, .. } if code.is_denied() => {
                write!(
                    f,
                    "not allowed by the Kafka cluster to write to any topic ({})",
                    code.name()
                )
            }
            Error::Fatal { code, reason } => {
                write!(f, "the Kafka producer failed: {reason} ({})", code.name())
            }
            Error::Aborted { code, reason } => {
                write!(f, "a Kafka transaction had to be aborted: {reason} ({})", code.name())
            }
            Error::Fenced { id } => {
                write!(f, "another publisher has taken over the transactional id \"{id}\"")
            }
            Error::NoTransactions { id, code, reason } => {
                let code = code.name();
                write!(
                    f,
                    "the Kafka brokers allow no transactions with the transactional id \"{id}\": \
                     {reason} ({code})"
                )
            }
            Error::NoProgressTopic { topic, reason, .. } => {
                write!(f, "the progress topic \"{topic}\" cannot be created: {reason}")
            }
            Error::BadProgressTopic { topic, partitions } => write!(
                f,
                "the progress topic \"{topic}\" has {partitions} partitions instead of one"
            ),
            Error::NotReadable { topic } => {
                write!(f, "the brokers do not allow to read the progress topic \"{topic}\"")
            }
            Error::Other { code, reason } => write!(f, "Kafka: {reason} ({})", code.name()),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_a_message_name_the_topic_and_the_way_out() {
        let of = |code| Error::of_message(code, "crm.acme.lead", "reason");
        let unknown = of(Code::LOCAL_UNKNOWN_TOPIC);
        assert_eq!(unknown.to_string(), "Kafka topic \"crm.acme.lead\" does not exist");
        assert!(unknown.hint().is_some_and(|h| h.contains("--create --topic 'crm.acme.lead'")));
        assert!(unknown.is_retriable() && !unknown.is_fatal());
        assert!(!of(Code::MSG_SIZE_TOO_LARGE).is_retriable());
        assert!(!of(Code::INVALID_RECORD).is_retriable());
        assert!(of(Code::LOCAL_FATAL).is_fatal());
        assert!(of(Code::TOPIC_DENIED).hint().is_some_and(|h| h.contains("kafka-acls.sh")));
        assert!(of(Code::LOCAL_TIMED_OUT).to_string().contains("_TIMED_OUT"));
    }
}
