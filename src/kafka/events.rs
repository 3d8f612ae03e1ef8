//! What the library has to say, collected until the caller asks: no logging from inside a poll, and
//! no more than a handful of lines however long an outage lasts.

use super::error::Error;
use std::mem;

/// How many different events are kept between two calls of `Producer::events`.
const KEPT: usize = 32;

/// Something to be told to the admin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientEvent {
    /// What happened.
    pub kind: EventKind,
    /// How often since the last call.
    pub times: u32,
}

/// What happened to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// An error of the connection; the library goes on trying unless it is fatal.
    Error(Error),
    /// A broker answers again after none did.
    Recovered,
    /// A line of the library's log; level as in syslog, 4 being a warning and 3 an error.
    Log { level: i32, facility: String, text: String },
    /// So many more different events were dropped.
    Dropped(u32),
}

/// Bounded, each different event once.
#[derive(Default)]
pub(super) struct Journal {
    events: Vec<ClientEvent>,
    dropped: u32,
}

impl Journal {
    pub(super) fn add(&mut self, kind: EventKind) {
        if let Some(event) = self.events.iter_mut().find(|e| e.kind == kind) {
            event.times = event.times.saturating_add(1);
        } else if self.events.len() < KEPT {
            self.events.push(ClientEvent { kind, times: 1 });
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    pub(super) fn take(&mut self) -> Vec<ClientEvent> {
        let dropped = mem::take(&mut self.dropped);
        let mut events = mem::take(&mut self.events);
        if dropped > 0 {
            events.push(ClientEvent { kind: EventKind::Dropped(dropped), times: 1 });
        }
        events
    }
}

/// A reason without what differs each time it happens ("(after 3ms in state CONNECT, 2 identical
/// error(s) suppressed)"), so that the same error is the same text.
pub(super) fn clean(reason: &str) -> &str {
    reason.find(" (after ").map_or(reason, |end| &reason[..end]).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> EventKind {
        EventKind::Log { level: 4, facility: "FAIL".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn the_same_event_is_kept_once_and_counted() {
        let mut journal = Journal::default();
        for _ in 0..1000 {
            journal.add(line("refused"));
        }
        assert_eq!(journal.take(), [ClientEvent { kind: line("refused"), times: 1000 }]);
        assert_eq!(journal.take(), []);
    }

    #[test]
    fn a_flood_of_different_events_is_cut() {
        let mut journal = Journal::default();
        for n in 0..100 {
            journal.add(line(&n.to_string()));
        }
        let events = journal.take();
        assert_eq!(events.len(), KEPT + 1);
        assert_eq!(events[KEPT].kind, EventKind::Dropped(100 - KEPT as u32));
    }

    #[test]
    fn reasons_lose_what_changes_each_time() {
        let reason = "a:1/1: Connect failed: refused (after 0ms in state CONNECT, 3 suppressed)";
        assert_eq!(clean(reason), "a:1/1: Connect failed: refused");
        assert_eq!(clean("plain"), "plain");
    }
}
