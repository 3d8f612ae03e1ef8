//! What can be wrong between us and Kafka: what happened ([`Display`](fmt::Display)) and what to do
//! about it ([`Error::hint`]). No text holds the value of an option that may be a secret.

use super::code::Code;
use std::fmt;

/// An error of the configuration, of the connection, or of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The broker list is empty.
    NoBrokers,
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
    /// No topic can have this name.
    BadTopic { topic: String, reason: String },
    /// A message is larger than the client (`size` in bytes) or the broker (no size) accepts.
    TooLarge { topic: String, size: Option<usize> },
    /// The broker will never take this message, for a reason other than its size.
    Rejected { topic: String, code: Code, reason: String },
    /// The message could not be delivered for now.
    NotDelivered { topic: String, code: Code, reason: String },
    /// This producer can send no more; a new one can.
    Fatal { code: Code, reason: String },
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
        let (topic, reason) = (topic.to_owned(), reason.to_owned());
        match code {
            Code::LOCAL_UNKNOWN_TOPIC
            | Code::LOCAL_UNKNOWN_PARTITION
            | Code::UNKNOWN_TOPIC_OR_PART => Error::UnknownTopic { topic },
            Code::TOPIC_EXCEPTION => Error::BadTopic { topic, reason },
            Code::MSG_SIZE_TOO_LARGE | Code::INVALID_MSG_SIZE | Code::RECORD_LIST_TOO_LARGE => {
                Error::TooLarge { topic, size: None }
            }
            Code::TOPIC_DENIED | Code::CLUSTER_DENIED | Code::TRANSACTIONAL_ID_DENIED => {
                let topic = (code == Code::TOPIC_DENIED).then_some(topic);
                Error::Denied { topic, code }
            }
            Code::INVALID_MSG
            | Code::INVALID_RECORD
            | Code::INVALID_TIMESTAMP
            | Code::POLICY_VIOLATION => Error::Rejected { topic, code, reason },
            Code::LOCAL_FATAL => Error::Fatal { code, reason },
            _ => Error::NotDelivered { topic, code, reason },
        }
    }

    /// Whether the same message may be taken another time, be it after the admin has acted.
    pub fn is_retriable(&self) -> bool {
        !matches!(self, Error::TooLarge { .. } | Error::Rejected { .. } | Error::BadTopic { .. })
    }

    /// Whether the producer has to be replaced.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Error::Fatal { .. })
    }

    /// What to do about it, in whole sentences.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Error::NoBrokers => "Give the brokers as host:port, separated by commas.",
            Error::BadBroker { .. } => {
                "A broker is written host:port, kafka://host:port or kafka+ssl://host:port; \
                 several are separated by commas. User name and password are options \
                 (sasl.username, sasl.password), not part of an address."
            }
            Error::BadSyntax { .. } => {
                "Write key=value, one a line or separated by semicolons. A value that holds a \
                 semicolon or begins with a space belongs in quotes. Lines that begin with # are \
                 comments."
            }
            Error::UnknownOption { nearest: Some(nearest), .. } => {
                return Some(format!("Perhaps you meant \"{nearest}\"."));
            }
            Error::UnknownOption { .. } => {
                "The options are those of librdkafka, which its CONFIGURATION.md lists; they are \
                 not always named as in the Java client."
            }
            Error::BadValue { .. } => {
                "librdkafka's CONFIGURATION.md lists the values that each option takes."
            }
            Error::OptionNotAllowed { .. } => "Remove the option.",
            Error::NotStarted { reason } => return Some(start_hint(reason)),
            Error::Unreachable { reason } => return Some(unreachable_hint(reason)),
            Error::NameNotResolved { .. } => {
                "Check the broker list, and that this server's DNS knows the names. Brokers hand \
                 out names of their own (advertised.listeners), which must resolve here as well."
            }
            Error::Tls { reason } => return Some(tls_hint(reason)),
            Error::Authentication { .. } => {
                "Check sasl.mechanism, sasl.username and sasl.password, or the client \
                 certificate, against what the broker was told."
            }
            Error::Denied { topic: Some(topic), .. } => {
                return Some(format!(
                    "Allow it on the broker: kafka-acls.sh --bootstrap-server <broker> --add \
                     --allow-principal User:<name> --operation Write --operation Describe \
                     --topic '{topic}'"
                ));
            }
            Error::Denied { .. } => {
                "Allow it on the broker. The idempotent producer needs Write on a topic, or \
                 IdempotentWrite on the cluster with brokers older than 2.8."
            }
            Error::UnknownTopic { topic } => {
                return Some(format!(
                    "Create it: kafka-topics.sh --bootstrap-server <broker> --create --topic \
                     '{topic}' --partitions <n> --replication-factor <n>, or on Heroku: heroku \
                     kafka:topics:create '{topic}'. Sending goes on by itself afterwards."
                ));
            }
            Error::BadTopic { .. } => {
                "A topic name has 1 to 249 of the characters a-z A-Z 0-9 . _ - and is not . or .."
            }
            Error::TooLarge { size: Some(_), .. } => {
                "Raise the option message.max.bytes, and max.message.bytes of the topic with it."
            }
            Error::TooLarge { .. } => {
                "Raise max.message.bytes of the topic (or message.max.bytes of the broker)."
            }
            Error::Rejected { .. } => "See the broker's log and the topic's configuration.",
            Error::Fatal { .. } => {
                "The producer is started anew, from the last acknowledged position."
            }
            Error::NotDelivered { .. } | Error::Other { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

fn start_hint(reason: &str) -> String {
    let hint =
        if reason.contains("ssl.") || reason.contains("PEM") || reason.contains("certificate") {
            "Check that the file named by the option exists, can be read by the server's user and \
         holds PEM text, or that the PEM text is complete, from BEGIN to END."
        } else {
            "The options contradict each other: change or remove the one that is named."
        };
    hint.to_owned()
}

fn unreachable_hint(reason: &str) -> String {
    let hint = if reason.contains("security.protocol") || reason.contains("ApiVersion") {
        "The broker hangs up on this kind of connection: check security.protocol (plaintext, ssl, \
         sasl_plaintext, sasl_ssl) against the listener on this port."
    } else {
        "Check that the broker runs, that host and port are right, and that no firewall is in \
         between. Nothing is lost: sending goes on by itself once a broker answers."
    };
    hint.to_owned()
}

fn tls_hint(reason: &str) -> String {
    let reason = reason.to_ascii_lowercase();
    let hint = if reason.contains("unknown_ca")
        || reason.contains("unknown ca")
        || reason.contains("certificate required")
        || reason.contains("bad certificate")
        || reason.contains("alert")
    {
        "The broker refuses our certificate: check ssl.certificate.location and ssl.key.location \
         (or ssl.certificate.pem and ssl.key.pem), and that its CA is one that the broker trusts."
    } else if reason.contains("hostname") || reason.contains("ip address mismatch") {
        "The broker's certificate is for another name: connect by that name, or, where the names \
         can never agree (Kafka on Heroku), set ssl.endpoint.identification.algorithm=none."
    } else if reason.contains("verify failed") || reason.contains("self-signed") {
        "The broker's certificate is signed by none of the known CAs: give the CA by \
         ssl.ca.location or ssl.ca.pem."
    } else if reason.contains("wrong version") || reason.contains("plaintext") {
        "The listener on this port does not speak TLS: use its TLS port, or another \
         security.protocol."
    } else {
        "Check security.protocol against the listener on this port, and the options ssl.*."
    };
    hint.to_owned()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoBrokers => f.write_str("no Kafka broker is given"),
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
            Error::BadTopic { topic, reason } => {
                write!(f, "\"{topic}\" cannot be a Kafka topic: {reason}")
            }
            Error::TooLarge { topic, size: Some(size) } => {
                write!(f, "a message of {size} bytes is too large for Kafka topic \"{topic}\"")
            }
            Error::TooLarge { topic, size: None } => {
                write!(f, "the broker finds a message too large for Kafka topic \"{topic}\"")
            }
            Error::Rejected { topic, code, reason } => {
                let code = code.name();
                write!(
                    f,
                    "the broker refuses a message for Kafka topic \"{topic}\": {reason} ({code})"
                )
            }
            Error::NotDelivered { topic, code, reason } => {
                let code = code.name();
                write!(
                    f,
                    "a message for Kafka topic \"{topic}\" was not delivered: {reason} ({code})"
                )
            }
            Error::Fatal { code, reason } => {
                write!(f, "the Kafka producer failed: {reason} ({})", code.name())
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
    fn errors_of_the_connection_are_sorted_by_what_to_do() {
        let hint = |code, reason| Error::of_client(code, reason).hint().unwrap_or_default();
        assert!(hint(Code::LOCAL_TRANSPORT, "Connection refused").contains("firewall"));
        let reason = "Disconnected: verify that security.protocol is correctly configured";
        assert!(hint(Code::LOCAL_TRANSPORT, reason).contains("security.protocol"));
        assert!(hint(Code::LOCAL_SSL, "certificate verify failed").contains("ssl.ca.location"));
        assert!(hint(Code::LOCAL_SSL, "tlsv1 alert unknown ca").contains("ssl.key.location"));
        assert!(hint(Code::LOCAL_SSL, "Hostname mismatch").contains("identification"));
        assert!(hint(Code::LOCAL_AUTHENTICATION, "x").contains("sasl.password"));
        assert!(hint(Code::LOCAL_RESOLVE, "x").contains("DNS"));
    }

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
        assert!(of(Code::LOCAL_MSG_TIMED_OUT).to_string().contains("_MSG_TIMED_OUT"));
    }
}
