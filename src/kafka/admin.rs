//! Topics that do not exist yet: what they are created like, and what to do where they cannot be.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::code::Code;

/// How soon the same topic is asked for again, at the earliest.
const AGAIN: Duration = Duration::from_secs(1);

/// What topics are created like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TopicSpec {
    /// -1: the broker's default.
    pub partitions: i32,
    /// -1: the broker's default.
    pub replication_factor: i32,
    pub config: Vec<(String, String)>,
}

impl TopicSpec {
    /// Reads a topic's configuration: `key=value` with commas; a value in double quotes may hold
    /// commas.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn config(text: &str) -> Result<Vec<(String, String)>, String> {
        let mut found: Vec<(String, String)> = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (name, after) = rest
                .split_once('=')
                .ok_or_else(|| format!("\"{rest}\" is not written key=value"))?;
            let name = name.trim();
            let legal = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
            if name.is_empty() || !name.chars().all(legal) {
                return Err(format!("\"{name}\" cannot be the name of a topic's option"));
            }
            if found.iter().any(|(known, _)| known == name) {
                return Err(format!("\"{name}\" is given twice"));
            }
            let after = after.trim_start();
            let (value, after) = match after.strip_prefix('"') {
                Some(quoted) => quoted
                    .split_once('"')
                    .ok_or_else(|| format!("the quote of {name} is not closed"))?,
                None => after.split_at(after.find(',').unwrap_or(after.len())),
            };
            found.push((name.to_owned(), value.trim().to_owned()));
            let after = after.trim_start();
            rest = match after.strip_prefix(',') {
                Some(next) => next.trim_start(),
                None if after.is_empty() => after,
                None => return Err(format!("a comma is missing before \"{after}\"")),
            };
        }
        Ok(found)
    }

    /// The command by which an admin creates such a topic.
    pub(super) fn command(&self, topic: &str, brokers: &str, on_heroku: bool) -> String {
        let number = |option: &str, number: i32| match number {
            ..=0 => String::new(),
            number => format!(" {option} {number}"),
        };
        if on_heroku {
            // There the number of partitions has to be given, and has to last.
            let partitions = if self.partitions > 0 { self.partitions } else { 8 };
            return format!("heroku kafka:topics:create '{topic}' --partitions {partitions}");
        }
        let config: String =
            self.config.iter().map(|(name, value)| format!(" --config '{name}={value}'")).collect();
        format!(
            "kafka-topics.sh --bootstrap-server {brokers} --create --topic '{topic}'{}{}{config}",
            number("--partitions", self.partitions),
            number("--replication-factor", self.replication_factor),
        )
    }
}

/// What the brokers said of the topics that they were asked to create.
#[derive(Default)]
pub(super) struct Requests {
    /// By name: when it was asked for, and why it was refused.
    asked: HashMap<String, (Instant, Option<String>)>,
    /// Names by the number of the request.
    names: Vec<String>,
}

impl Requests {
    /// Whether to ask for a topic now; if so, the number of the request.
    pub fn due(&mut self, topic: &str, now: Instant) -> Option<usize> {
        match self.asked.get_mut(topic) {
            Some((at, _)) if now.duration_since(*at) < AGAIN => None,
            Some((at, _)) => {
                *at = now;
                self.names.iter().position(|name| name == topic)
            }
            None => {
                self.asked.insert(topic.to_owned(), (now, None));
                self.names.push(topic.to_owned());
                Some(self.names.len() - 1)
            }
        }
    }

    /// The answer to a request.
    pub fn answered(&mut self, number: usize, code: Code, reason: &str) {
        let Some(name) = self.names.get(number) else { return };
        if let Some((_, refused)) = self.asked.get_mut(name) {
            *refused = match code {
                Code::NONE | Code::TOPIC_ALREADY_EXISTS => None,
                code => Some(match reason {
                    "" => code.name().to_owned(),
                    reason => format!("{} ({})", reason.trim_end_matches('.'), code.name()),
                }),
            };
        }
    }

    /// Why a topic could not be created.
    pub fn refused(&self, topic: &str) -> Option<&str> {
        self.asked.get(topic)?.1.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topics_configuration_is_read() {
        let config = |text| TopicSpec::config(text);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(config(""), Ok(Vec::new()));
        assert_eq!(
            config("cleanup.policy=compact, min.insync.replicas = 2"),
            Ok(vec![pair("cleanup.policy", "compact"), pair("min.insync.replicas", "2")])
        );
        assert_eq!(
            config("cleanup.policy=\"compact,delete\",retention.ms=-1"),
            Ok(vec![pair("cleanup.policy", "compact,delete"), pair("retention.ms", "-1")])
        );
        for (text, culprit) in [
            ("compact", "compact"),
            ("a=1,a=2", "\"a\""),
            ("a b=1", "\"a b\""),
            ("a=\"1", "quote"),
            ("a=\"1\" b=2", "comma"),
        ] {
            assert!(config(text).is_err_and(|error| error.contains(culprit)), "{text}");
        }
    }

    #[test]
    fn commands_say_what_is_set() {
        let spec = TopicSpec {
            partitions: 3,
            replication_factor: -1,
            config: TopicSpec::config("cleanup.policy=\"compact,delete\"").unwrap(),
        };
        assert_eq!(
            spec.command("m.acme.lead", "b:9092", false),
            "kafka-topics.sh --bootstrap-server b:9092 --create --topic 'm.acme.lead' \
             --partitions 3 --config 'cleanup.policy=compact,delete'"
        );
        assert_eq!(
            spec.command("m.acme.lead", "b:9096", true),
            "heroku kafka:topics:create 'm.acme.lead' --partitions 3"
        );
    }

    #[test]
    fn a_refused_topic_is_asked_for_again_after_a_while() {
        let mut requests = Requests::default();
        let start = Instant::now();
        assert_eq!(requests.due("a", start), Some(0));
        assert_eq!(requests.due("b", start), Some(1));
        assert_eq!(requests.due("a", start), None);
        requests.answered(0, Code::TOPIC_DENIED, "Authorization failed.");
        assert_eq!(
            requests.refused("a"),
            Some("Authorization failed (TOPIC_AUTHORIZATION_FAILED)")
        );
        assert_eq!(requests.due("a", start + AGAIN), Some(0));
        requests.answered(0, Code::TOPIC_ALREADY_EXISTS, "");
        assert_eq!((requests.refused("a"), requests.refused("b")), (None, None));
    }
}
