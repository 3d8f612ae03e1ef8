//! When the library is told that nothing more comes.
//!
//! What was sent waits in the library for company: for as much as fills a request, or for
//! [`Producer::hurry`](crate::kafka::Producer::hurry). Said too early it makes small requests; and while
//! a partition's request is under way, saying it moves nothing, and costs a millisecond in which the
//! library's thread spins. Pure.

use std::time::Duration;

/// How long what may wait for company is left to itself, at first and at most.
const FIRST: Duration = Duration::from_millis(20);
const LAST: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Hurry {
    patience: Duration,
}

impl Default for Hurry {
    fn default() -> Hurry {
        Hurry { patience: FIRST }
    }
}

impl Hurry {
    /// Whether to hurry, at the end of a turn with something on its way. `news`: something was sent or
    /// reported since the last one. `company`: more is to be sent as soon as there is room, or a whole
    /// request is under way, whose answer comes first.
    pub fn is_due(&mut self, news: bool, company: bool) -> bool {
        self.patience = if news { FIRST } else { LAST.min(self.patience * 2) };
        !(news && company)
    }

    /// How long to wait for news then. Who hurried waits as well: the library's thread may not have had
    /// its turn in the meantime.
    pub fn patience(&self) -> Duration {
        self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_waits_for_company_that_does_not_come() {
        let mut hurry = Hurry::default();
        assert!(hurry.is_due(true, false), "nothing more comes");
        assert!(!hurry.is_due(true, true) && hurry.patience() == FIRST, "an answer comes first");
        assert!(hurry.is_due(false, true), "it did not come");
        assert_eq!(hurry.patience(), FIRST * 2);
    }

    #[test]
    fn an_outage_is_not_hurried_all_the_time() {
        let mut hurry = Hurry::default();
        let waited: Duration = (0..20)
            .map(|_| {
                assert!(hurry.is_due(false, true));
                hurry.patience()
            })
            .sum();
        assert!(waited > Duration::from_secs(10), "{waited:?}");
        hurry.is_due(true, true);
        assert_eq!(hurry.patience(), FIRST);
    }
}
