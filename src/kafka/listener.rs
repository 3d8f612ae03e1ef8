//! Makes deliveries, events, health and the end of a producer of what the library tells.

use super::admin::Requests;
use super::code::Code;
use super::config::Config;
use super::delivery::{Delivery, DeliveryError, TopicReport};
use super::error::Error;
use super::events::{EventKind, Journal, clean};
use super::health::{Change, Tracker};
use super::native::{BEFORE_REASON, CERTIFICATE, Happening, TopicState};
use crate::row::time;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How long at least it counts that a broker made us wait: with a quota, it does so again and again.
const THROTTLED_FOR: Duration = Duration::from_secs(5);
/// Syslog's levels.
const LOG_ERROR: i32 = 3;
const LOG_WARNING: i32 = 4;

/// All that a producer knows of its messages and brokers.
pub(super) struct Listener {
    /// Takes secrets out of the library's texts.
    pub(super) config: Config,
    /// Messages sent and not yet reported.
    pub(super) pending: usize,
    pub(super) tracker: Tracker,
    pub(super) journal: Journal,
    pub(super) fatal: Option<Error>,
    pub(super) reports: Vec<TopicReport>,
    /// Topics that were asked about to make them known, and those of them that are there.
    pub(super) prepared: HashSet<String>,
    pub(super) found: Vec<String>,
    /// Topics that the brokers were asked to create.
    pub(super) topics: Requests,
    /// Topics that messages failed for because they do not exist.
    pub(super) missing: Vec<String>,
    /// Topics for which the brokers found a request too large.
    pub(super) too_large: Vec<String>,
    /// How large requests for a topic may be, as the brokers answered.
    pub(super) limits: Vec<(String, usize)>,
    /// Partitions that the library halted when a request failed, and whether what waited has been given up
    /// since.
    pub(super) halted: BTreeMap<(String, i32), bool>,
    /// The topic that the brokers did not take into the transaction.
    pub(super) kept_out: Option<String>,
    /// Until when a broker makes us wait, or may do so again.
    pub(super) throttled: Option<Instant>,
    /// Why a broker's certificate was not accepted last.
    certificate: Option<String>,
    last_failure: Option<Arc<DeliveryError>>,
}

impl Listener {
    pub(super) fn new(config: Config) -> Listener {
        Listener {
            config,
            pending: 0,
            tracker: Tracker::new(),
            journal: Journal::default(),
            fatal: None,
            reports: Vec::new(),
            prepared: HashSet::new(),
            found: Vec::new(),
            topics: Requests::default(),
            missing: Vec::new(),
            too_large: Vec::new(),
            limits: Vec::new(),
            halted: BTreeMap::new(),
            kept_out: None,
            throttled: None,
            certificate: None,
            last_failure: None,
        }
    }

    /// Takes one event of the library; what became of a message goes to `deliver`.
    pub(super) fn take(&mut self, happening: Happening<'_>, deliver: &mut impl FnMut(Delivery)) {
        match happening {
            Happening::Delivered { token } => {
                self.pending = self.pending.saturating_sub(1);
                self.proof();
                deliver(Delivery { token, result: Ok(()), named: None });
            }
            Happening::Failed { token, code, topic, halted, reason, possibly_written, named } => {
                self.pending = self.pending.saturating_sub(1);
                if code.is_from_broker() {
                    self.proof();
                }
                if let Some(partition) = halted
                    && self.config.transactional_id().is_none()
                    && !self.is_halted(topic, partition)
                {
                    self.halted.insert((topic.to_owned(), partition), false);
                }
                let failure = self.failure(code, topic, reason, possibly_written);
                if matches!(failure.error, Error::TooLarge { .. })
                    && !self.too_large.iter().any(|known| known == topic)
                {
                    self.too_large.push(topic.to_owned());
                }
                deliver(Delivery { token, result: Err(failure), named });
            }
            Happening::Error { code, reason, fatal: false } => self.error(code, reason),
            Happening::Error { code, reason, .. } => {
                self.fail(code, reason);
            }
            Happening::Created { number, code, reason } => {
                let reason = self.config.redact(clean(reason));
                self.topics.answered(number, code, &reason);
                // What is said of a missing topic is another thing now.
                self.last_failure = None;
            }
            Happening::Log { level, facility, text } => self.log(level, facility, text),
            Happening::Throttled { ms } => {
                if ms > 0 {
                    let time = Duration::from_millis(ms.into()).max(THROTTLED_FOR);
                    self.throttled = Some(Instant::now() + time);
                }
            }
            Happening::Topic { topic, state } => self.report(topic, state),
            Happening::Limit { topic, bytes } => self.limits.push((topic.to_owned(), bytes)),
        }
    }

    fn is_halted(&self, topic: &str, partition: i32) -> bool {
        self.halted.keys().any(|(known, number)| known == topic && *number == partition)
    }

    fn log(&mut self, level: i32, facility: &str, line: &str) {
        let text = self.config.redact(clean(line));
        if facility == CERTIFICATE {
            // An error event follows that does not say why.
            self.certificate = text.split_once(BEFORE_REASON).map(|(_, why)| why.to_owned());
            return;
        }
        if level > LOG_WARNING {
            // That a broker hung up is no news; that it did at the first word is.
            if facility == "FAIL" && hung_up_at_once(line) {
                let reason = format!("{text} at the first request (security.protocol?)");
                self.tracker.error(Error::Unreachable { reason }, Instant::now());
            } else if self.config.is_curious() {
                self.journal.add(EventKind::Log { level, facility: facility.to_owned(), text });
            }
            return;
        }
        match facility {
            // An error event says the same.
            "FAIL" | "ERROR" | "FATAL" if level <= LOG_ERROR => return,
            // What follows does not say which topic it was.
            "ADDPARTS" => self.kept_out = kept_out(line).or(self.kept_out.take()),
            // No error event comes of a broker that hangs.
            "FAIL" | "REQTMOUT" => {
                let reason = text.clone();
                let error = Error::Unreachable { reason };
                self.tracker.error(error, Instant::now());
            }
            _ => {}
        }
        self.journal.add(EventKind::Log { level, facility: facility.to_owned(), text });
    }

    fn report(&mut self, topic: &str, state: TopicState) {
        let topic = topic.to_owned();
        if self.prepared.remove(&topic) && state == TopicState::Led {
            self.found.push(topic.clone());
        }
        let trouble = match state {
            TopicState::Led => None,
            TopicState::NoLeader { partition } => {
                Some(Error::NoLeader { topic: topic.clone(), partition })
            }
            // It is being created, or its messages fail soon.
            TopicState::Error(Code::UNKNOWN_TOPIC_OR_PART) => None,
            TopicState::Error(code) => Some(Error::of_message(code, &topic, code.description())),
        };
        self.reports.push(TopicReport { topic, trouble });
    }

    fn proof(&mut self) {
        let change = self.tracker.proof();
        self.tell(change);
    }

    /// One error for all that fail alike, one after another: a purge fails hundreds of thousands.
    fn failure(
        &mut self,
        code: Code,
        topic: &str,
        reason: &str,
        possibly_written: bool,
    ) -> Arc<DeliveryError> {
        if let Some(last) = &self.last_failure
            && last.code == code
            && last.topic == topic
            && last.possibly_written == possibly_written
        {
            return Arc::clone(last);
        }
        let error = self.of_message(code, topic, reason);
        let failure = Arc::new(DeliveryError {
            topic: topic.to_owned(),
            code,
            retriable: error.is_retriable(),
            of_message: error.is_of_message() || code == Code::LOCAL_OTHER_RECORD,
            fatal: error.is_fatal(),
            error,
            possibly_written,
        });
        self.last_failure = Some(Arc::clone(&failure));
        failure
    }

    /// The error that a message met. For one whose topic does not exist, with what came of creating it.
    pub(super) fn of_message(&mut self, code: Code, topic: &str, reason: &str) -> Error {
        let error = Error::of_message(code, topic, &self.config.redact(reason));
        if !matches!(error, Error::UnknownTopic { .. }) {
            return error;
        }
        let Some(command) = self.config.command(topic) else { return error };
        if !self.missing.iter().any(|known| known == topic) {
            self.missing.push(topic.to_owned());
        }
        match self.topics.refused(topic) {
            Some(reason) => {
                Error::NotCreated { topic: topic.to_owned(), reason: reason.to_owned(), command }
            }
            None => error,
        }
    }

    fn error(&mut self, code: Code, reason: &str) {
        let mut error = Error::of_client(code, &self.config.redact(clean(reason)));
        if let Error::Tls { reason } = &mut error {
            let broker = reason.split(": ").next().unwrap_or_default();
            if !reason.contains("certificate verify failed") {
                // A broker that refuses our certificate says little of why.
                if let Some(end) = self.config.expired(SystemTime::now()) {
                    let mut day = String::new();
                    time::date(&mut day, i32::try_from(end.div_euclid(86_400)).unwrap_or_default());
                    *reason = format!("{broker}: our certificate has expired, on {day}");
                }
            } else if let Some(why) = &self.certificate {
                *reason = format!("{broker}: the broker's certificate is not accepted: {why}");
            }
        }
        let now = Instant::now();
        if code == Code::LOCAL_ALL_BROKERS_DOWN {
            let change = self.tracker.all_down(error, now);
            return self.tell(change);
        }
        let of_connection = matches!(
            error,
            Error::Unreachable { .. }
                | Error::NameNotResolved { .. }
                | Error::Tls { .. }
                | Error::Authentication { .. }
        );
        if of_connection {
            self.tracker.error(error.clone(), now);
        }
        self.journal.add(EventKind::Error(error));
    }

    pub(super) fn tell(&mut self, change: Option<Change>) {
        match change {
            None => {}
            Some(Change::Recovered) => self.journal.add(EventKind::Recovered),
            Some(Change::Fell(reason)) => self.journal.add(EventKind::Error(reason)),
        }
    }

    /// Notes a fatal error. More of them follow as a consequence; the first says why.
    pub(super) fn fail(&mut self, code: Code, reason: &str) -> Error {
        if let Some(first) = &self.fatal {
            return first.clone();
        }
        let reason = self.config.redact(reason);
        let error = Error::Fatal { code, reason };
        self.fatal = Some(error.clone());
        self.journal.add(EventKind::Error(error.clone()));
        error
    }
}

/// Whether a line tells of a broker that ended a connection as soon as it was up, as one does that
/// speaks TLS, or wants SASL, when we do not.
fn hung_up_at_once(line: &str) -> bool {
    let Some((what, when)) = line.split_once(" (after ") else { return false };
    let age = when.split_once("ms in state ").and_then(|(age, state)| {
        let known = state.starts_with("APIVERSION_QUERY") || state.starts_with("UP");
        age.parse::<u32>().ok().filter(|_| known)
    });
    what.contains("Disconnected") && age.is_some_and(|age| age < 2000)
}

/// The topic that a line says was not taken into a transaction for its own sake.
fn kept_out(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("Failed to add partition \"")?;
    let (topic, rest) = rest.split_once('"')?;
    (!rest.contains("Operation not attempted")).then(|| topic.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_that_are_kept_out_of_a_transaction_are_known() {
        let line = |why| {
            format!(
                "a:1/1: Failed to add partition \"m.acme.lead\" [2] to transaction: Broker: {why}"
            )
        };
        let denied = line("Topic authorization failed");
        assert_eq!(kept_out(&denied).as_deref(), Some("m.acme.lead"));
        assert_eq!(kept_out(&line("Operation not attempted")), None, "for another one's sake");
    }

    #[test]
    fn brokers_that_hang_up_at_once_are_known() {
        for (line, at_once) in [
            ("a:1/bootstrap: Disconnected (after 3ms in state APIVERSION_QUERY)", true),
            ("a:1/bootstrap: Disconnected (after 3ms in state UP, 2 identical)", true),
            ("a:1/1: Disconnected (after 60003ms in state UP)", false),
            ("a:1/1: Connect failed: refused (after 3ms in state CONNECT)", false),
        ] {
            assert_eq!(hung_up_at_once(line), at_once, "{line}");
        }
    }
}
