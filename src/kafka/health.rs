//! Whether brokers can be reached: a state machine over what the library happens to tell.
//!
//! librdkafka says when a connection breaks and never when one is up again. So an error only raises
//! a *doubt*, and proof settles it: an answer to a message, or, with none on the way, a probe that
//! finds a broker connected. One broken connection of a cluster that goes on delivering changes
//! nothing; a connected broker while messages get nowhere (its advertised address being wrong, say)
//! is not taken for health.

use super::error::Error;
use std::time::{Duration, Instant, SystemTime};

/// Whether brokers answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// No broker has answered yet, and none has failed to for long.
    Connecting { since: SystemTime },
    /// Brokers answer.
    Up { since: SystemTime },
    /// No broker answers, or nothing that is sent arrives. It is tried again all the time.
    Down { since: SystemTime, reason: Error },
}

/// Time between two probes.
const PROBE_EVERY: Duration = Duration::from_millis(250);
/// How long no broker may be connected after an error.
const UNCONNECTED: Duration = Duration::from_secs(1);
/// How long messages may get nowhere after an error though a broker is connected.
const UNANSWERED: Duration = Duration::from_secs(5);

/// How long an error explains what happens after it: the library keeps silent about one that
/// repeats within half a minute.
const EXPLAINS: Duration = Duration::from_secs(60);

/// What is worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Brokers answered, and do no more.
    Fell(Error),
    /// Brokers answer again.
    Recovered,
}

pub(super) struct Tracker {
    health: Health,
    doubt: Option<(Instant, Error)>,
    last: Option<(Instant, Error)>,
    probed: Option<Instant>,
}

impl Tracker {
    pub(super) fn new() -> Tracker {
        let health = Health::Connecting { since: SystemTime::now() };
        Tracker { health, doubt: None, last: None, probed: None }
    }

    pub(super) fn health(&self) -> &Health {
        &self.health
    }

    /// An error of one connection.
    pub(super) fn error(&mut self, error: Error, now: Instant) {
        if let Health::Down { reason, .. } = &mut self.health {
            *reason = error.clone();
        }
        let since = self.doubt.as_ref().map_or(now, |(since, _)| *since);
        self.doubt = Some((since, error.clone()));
        self.last = Some((now, error));
    }

    /// The library has given up on every broker that it knows (for now). Why, it mostly said before.
    pub(super) fn all_down(&mut self, reason: Error, now: Instant) -> Option<Change> {
        let recent = |(at, _): &&(Instant, Error)| now.duration_since(*at) < EXPLAINS;
        let last = self.last.as_ref().filter(recent).map(|(_, error)| error.clone());
        let (_, reason) = self.doubt.get_or_insert((now, last.unwrap_or(reason)));
        let reason = reason.clone();
        self.fall(reason)
    }

    fn fall(&mut self, reason: Error) -> Option<Change> {
        if matches!(self.health, Health::Down { .. }) {
            return None;
        }
        self.health = Health::Down { since: SystemTime::now(), reason: reason.clone() };
        Some(Change::Fell(reason))
    }

    /// A broker answered.
    pub(super) fn proof(&mut self) -> Option<Change> {
        self.doubt = None;
        let change = match self.health {
            Health::Up { .. } => return None,
            Health::Connecting { .. } => None,
            Health::Down { .. } => Some(Change::Recovered),
        };
        self.health = Health::Up { since: SystemTime::now() };
        change
    }

    /// Whether it is time to look for a connected broker.
    pub(super) fn probe_due(&self, now: Instant) -> bool {
        let settled = matches!(self.health, Health::Up { .. }) && self.doubt.is_none();
        !settled && self.probed.is_none_or(|at| now.duration_since(at) >= PROBE_EVERY)
    }

    /// What the probe found, and whether messages are on the way.
    pub(super) fn probed(
        &mut self,
        connected: bool,
        waiting: bool,
        now: Instant,
    ) -> Option<Change> {
        self.probed = Some(now);
        if connected && !(waiting && self.doubt.is_some()) {
            return self.proof();
        }
        let (since, reason) = self.doubt.as_ref()?;
        let limit = if connected { UNANSWERED } else { UNCONNECTED };
        if now.duration_since(*since) < limit {
            return None;
        }
        let reason = reason.clone();
        self.fall(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Error {
        Error::Unreachable { reason: "refused".to_owned() }
    }

    fn denied() -> Error {
        Error::Authentication { reason: "wrong password".to_owned() }
    }

    fn is_down(tracker: &Tracker, because: &Error) -> bool {
        matches!(tracker.health(), Health::Down { reason, .. } if reason == because)
    }

    fn is_up(tracker: &Tracker) -> bool {
        matches!(tracker.health(), Health::Up { .. })
    }

    #[test]
    fn all_brokers_gone_is_down_for_the_reason_said_before() {
        let (mut tracker, now) = (Tracker::new(), Instant::now());
        tracker.error(refused(), now);
        tracker.all_down(Error::Unreachable { reason: "1/1 brokers are down".to_owned() }, now);
        assert!(is_down(&tracker, &refused()));
        tracker.error(denied(), now);
        assert!(is_down(&tracker, &denied()), "the latest reason counts");
        assert_eq!(tracker.proof(), Some(Change::Recovered));
        assert!(is_up(&tracker));
        assert_eq!(tracker.proof(), None);
    }

    #[test]
    fn one_lost_connection_of_several_is_not_down() {
        let (mut tracker, now) = (Tracker::new(), Instant::now());
        tracker.proof();
        tracker.error(refused(), now);
        assert!(tracker.probe_due(now));
        assert_eq!(tracker.probed(true, false, now), None);
        assert!(is_up(&tracker) && !tracker.probe_due(now + PROBE_EVERY));
    }

    #[test]
    fn a_doubt_that_lasts_is_down() {
        let (mut tracker, now) = (Tracker::new(), Instant::now());
        tracker.proof();
        tracker.error(refused(), now);
        tracker.probed(false, false, now);
        assert!(is_up(&tracker) && !tracker.probe_due(now));
        tracker.probed(false, false, now + UNCONNECTED);
        assert!(is_down(&tracker, &refused()));
        let change = tracker.probed(true, false, now + UNCONNECTED * 2);
        assert_eq!(change, Some(Change::Recovered));
        assert!(is_up(&tracker));
    }

    #[test]
    fn a_connected_broker_that_takes_nothing_is_not_up() {
        let (mut tracker, now) = (Tracker::new(), Instant::now());
        tracker.error(refused(), now);
        tracker.probed(true, true, now + UNCONNECTED);
        assert!(matches!(tracker.health(), Health::Connecting { .. }));
        tracker.probed(true, true, now + UNANSWERED);
        assert!(is_down(&tracker, &refused()));
        assert_eq!(tracker.probed(true, true, now + UNANSWERED * 2), None);
        assert_eq!(tracker.proof(), Some(Change::Recovered));
    }

    #[test]
    fn an_error_that_the_library_does_not_repeat_still_explains() {
        let (mut tracker, now) = (Tracker::new(), Instant::now());
        let all = || Error::Unreachable { reason: "1/1 brokers are down".to_owned() };
        tracker.error(refused(), now);
        tracker.proof();
        let change = tracker.all_down(all(), now + EXPLAINS / 2);
        assert_eq!(change, Some(Change::Fell(refused())));
        tracker.proof();
        assert_eq!(tracker.all_down(all(), now + EXPLAINS), Some(Change::Fell(all())));
    }
}
