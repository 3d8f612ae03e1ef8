//! What to do about an error.

use super::error::Error;

/// What becomes of a wish for transactions that is refused.
const DECLINED: &str = "Until then delivery is at least once; or, where changes have been published \
    exactly once before, nothing is published.";

impl Error {
    /// What to do about it, in whole sentences.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Error::NoBrokers => "Give the brokers as host:port, separated by commas.",
            Error::NoBrokersInFile => {
                "manifold.kafka_brokers = 'file' takes the brokers from the options file, which is \
                 the output of heroku config --shell then. Set the brokers otherwise."
            }
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
                "Check sasl.mechanism, sasl.username and sasl.password against what the broker was \
                 told, and that the listener on this port takes SASL."
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
            Error::NotCreated { command, .. } => {
                return Some(format!(
                    "Create it: {command}; or allow us to (Create on the topic). Publishing goes on \
                     by itself afterwards."
                ));
            }
            Error::BadTopic { .. } => {
                "A topic name has 1 to 249 of the characters a-z A-Z 0-9 . _ - and is not . or .."
            }
            Error::TooLarge { topic, of_broker: false, .. } => {
                return Some(format!(
                    "Raise message.max.bytes in manifold.kafka_options, and max.message.bytes of \
                     topic '{topic}' with it."
                ));
            }
            Error::TooLarge { topic, .. } => {
                return Some(format!(
                    "Raise max.message.bytes of the topic: kafka-configs.sh --bootstrap-server \
                     <broker> --alter --topic '{topic}' --add-config max.message.bytes=<bytes>."
                ));
            }
            Error::NoLeader { topic, .. } => {
                return Some(format!(
                    "A broker that has the partition must run: kafka-topics.sh --bootstrap-server \
                     <broker> --describe --topic '{topic}' shows which. Sending goes on by itself \
                     then, and other topics go on meanwhile."
                ));
            }
            Error::NotMoving { topic, .. } => {
                return Some(format!(
                    "Compare the topic's in-sync replicas with its min.insync.replicas \
                     (kafka-topics.sh --bootstrap-server <broker> --describe --topic '{topic}'), \
                     and see the logs of its leaders. Sending goes on by itself then."
                ));
            }
            Error::Rejected { .. } => "See the broker's log and the topic's configuration.",
            Error::Fatal { code, .. } if code.is_denied() => {
                "Allow it on the broker: kafka-acls.sh --bootstrap-server <broker> --add \
                 --allow-principal User:<name> --operation Write --operation Describe --topic \
                 '<prefix>.' --resource-pattern-type prefixed. The idempotent producer needs Write \
                 on a topic, or IdempotentWrite on the cluster with brokers older than 2.8."
            }
            Error::Fatal { .. } => {
                "The producer is started anew, from the last acknowledged position."
            }
            Error::Aborted { code, .. } if code.is_denied() => {
                "Allow it on the broker: kafka-acls.sh --bootstrap-server <broker> --add \
                 --allow-principal User:<name> --operation Write --operation Describe --topic \
                 '<prefix>.' --resource-pattern-type prefixed. It goes on by itself afterwards."
            }
            Error::Aborted { .. } => {
                "It is begun again by itself. Where that does not help, see the logs of the brokers; \
                 without transactions (manifold.exactly_once off) delivery is at least once."
            }
            Error::Fenced { .. } => {
                "See to it that one database alone publishes with this manifold.topic_prefix. Then, \
                 where this one is to go on: turn manifold.exactly_once off, and on again."
            }
            Error::NoTransactions { id, .. } => {
                return Some(format!(
                    "Allow it on the broker: kafka-acls.sh --bootstrap-server \
                     <broker> --add --allow-principal User:<name> --operation Write --operation \
                     Describe --transactional-id '{id}'; then SELECT pg_reload_conf(). {DECLINED} Where \
                     the brokers have no transactions (Kafka on Heroku), turn manifold.exactly_once off."
                ));
            }
            Error::NoProgressTopic { topic, .. } => {
                return Some(format!(
                    "Create it: kafka-topics.sh --bootstrap-server <broker> --create --topic '{topic}' \
                     --partitions 1 --replication-factor <n> --config cleanup.policy=compact; then SELECT \
                     pg_reload_conf(). {DECLINED} Or turn manifold.exactly_once off."
                ));
            }
            Error::BadProgressTopic { topic, .. } => {
                return Some(format!(
                    "Delete topic '{topic}' if it is nobody's, then SELECT pg_reload_conf(): it is created \
                     anew with one partition. {DECLINED}"
                ));
            }
            Error::NotReadable { topic } => {
                return Some(format!(
                    "Allow it on the broker: kafka-acls.sh --bootstrap-server <broker> --add \
                     --allow-principal User:<name> --operation Read --operation Write --operation \
                     Describe --topic '{topic}'; then SELECT pg_reload_conf(). {DECLINED}"
                ));
            }
            Error::NotDelivered { topic, .. } => {
                return Some(format!(
                    "It is sent again by itself. Where that does not help, see the broker's log, and the \
                     topic: kafka-topics.sh --bootstrap-server <broker> --describe --topic '{topic}'."
                ));
            }
            Error::Other { .. } => return None,
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
    let hint = if reason.contains("security.protocol")
        || reason.contains("requesting ApiVersion")
        || reason.contains("SSL")
    {
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
    let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    let hint = if says(&["our certificate has expired"]) {
        "Get a new certificate, put it and its key where ssl.certificate.location and \
         ssl.key.location (or ssl.certificate.pem and ssl.key.pem) have the old ones, and SELECT \
         pg_reload_conf(). On Heroku: write the options file again. Nothing is lost meanwhile."
    } else if says(&["has expired", "not yet valid"]) {
        "The broker needs a certificate that is valid now; check the clocks of both servers, too. A \
         Java broker takes a new keystore by kafka-configs.sh, without a restart."
    } else if says(&["another host", "another ip", "hostname", "ip address mismatch"]) {
        "The broker's certificate is for another name: connect by that name, or, where the names \
         can never agree (Kafka on Heroku), set ssl.endpoint.identification.algorithm=none."
    } else if says(&["verify failed", "self-signed", "that we were told to trust"]) {
        "The broker's certificate is signed by none of the known CAs: give the CA by \
         ssl.ca.location or ssl.ca.pem."
    } else if says(&["alert", "certificate required", "authentication might be required"]) {
        "The broker refuses our certificate, or the lack of one: check ssl.certificate.location and \
         ssl.key.location (or ssl.certificate.pem and ssl.key.pem), that it is still valid, and \
         that its CA is one that the broker trusts."
    } else if says(&["wrong version", "plaintext"]) {
        "The listener on this port does not speak TLS: use its TLS port, or another \
         security.protocol."
    } else {
        "Check security.protocol against the listener on this port, and the options ssl.*."
    };
    hint.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::code::Code;

    #[test]
    fn errors_of_the_connection_are_sorted_by_what_to_do() {
        let hint = |code, reason| Error::of_client(code, reason).hint().unwrap_or_default();
        assert!(hint(Code::LOCAL_TRANSPORT, "Connection refused").contains("firewall"));
        let reason = "Disconnected: verify that security.protocol is correctly configured";
        assert!(hint(Code::LOCAL_TRANSPORT, reason).contains("security.protocol"));
        let reason = "SSL handshake failed: Disconnected: connecting to a PLAINTEXT listener?";
        assert!(hint(Code::LOCAL_TRANSPORT, reason).contains("security.protocol"));
        assert!(hint(Code::LOCAL_SSL, "certificate verify failed").contains("ssl.ca.location"));
        assert!(hint(Code::LOCAL_SSL, "tlsv1 alert unknown ca").contains("ssl.key.location"));
        let expired = hint(Code::LOCAL_SSL, "a:1/1: our certificate has expired, on 2024-12-17");
        assert!(expired.contains("ssl.certificate.location") && expired.contains("pg_reload_conf"));
        assert!(hint(Code::LOCAL_SSL, "Hostname mismatch").contains("identification"));
        assert!(hint(Code::LOCAL_AUTHENTICATION, "x").contains("sasl.password"));
        assert!(hint(Code::LOCAL_RESOLVE, "x").contains("DNS"));
    }
}
