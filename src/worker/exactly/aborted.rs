//! Transactions that come to nothing: for whose sake, and what is done about it.
//!
//! Where a message's own report says what is wrong, it is known which topic it was for: that one is set
//! apart, all others begin again without it. Where none does, the library still says why the transaction
//! had to be aborted, and mostly for which topic. Where it does not, it is tried once more, since it may
//! have been a moment's trouble; then those that were in it are tried each by itself, so that one alone
//! has the trouble that is its own. What is nobody's own shows for all.

use std::time::Instant;

use super::{Exactly, PROGRESS, Phase, SLICE, Step, Work};
use crate::kafka::{Error, Health, Producer};
use crate::publish::apart::Booked;
use crate::publish::feed::CONSUMER;
use crate::publish::heartbeat;
use crate::worker::lifecycle::{self, Failure};
use crate::worker::publisher::noted::note_booked;

/// How many transactions may be aborted one after another for numbers that the library misses.
const SEQUENCE: u32 = 2;

/// Why a transaction is aborted.
pub(super) enum Blame {
    /// It is known, and noted.
    Told,
    /// No message's report says why: this is what the library says.
    Nobody(Error),
}

/// Transactions that came to nothing, without anybody to blame.
#[derive(Debug, Default)]
pub struct Aborts {
    /// How many, one after another.
    count: u32,
    /// The status says why.
    pub(super) told: bool,
    /// Until when no transaction is begun.
    pub(super) until: Option<Instant>,
}

impl Blame {
    /// What the library says, or what a report said that is nobody's own.
    pub(super) fn of(producer: &mut Producer, report: Option<Error>) -> Blame {
        let said = producer.must_abort().or(report);
        said.map_or(Blame::Told, Blame::Nobody)
    }
}

impl Exactly {
    /// Books what became of messages; if any failed, why. An acknowledgement proves nothing here, but
    /// that the message is no longer on its way: the commit proves all.
    pub(super) fn book(&mut self, work: &mut Work<'_>) -> Result<Option<Blame>, Failure> {
        work.heart.heard(work.deliveries);
        let up = matches!(work.producer.health(), Health::Up { .. });
        let (mut failed, mut told) = (false, false);
        let (mut of_progress, mut of_nobody) = (None, None);
        let feed = &mut *work.feed;
        work.deliveries.retain(|delivery| {
            let Err(error) = &delivery.result else { return true };
            failed = true;
            if error.is_for_others() {
                feed.settle(delivery.token);
                return false;
            }
            match delivery.token {
                heartbeat::TOKEN => told = true,
                PROGRESS if up || error.tells() => of_progress = Some(Failure::from(&error.error)),
                _ if error.tells() => return true,
                token => {
                    of_nobody.get_or_insert_with(|| error.error.clone());
                    feed.settle(token);
                }
            }
            false
        });
        // Another transaction would end no better.
        if let Some(failure) = of_progress {
            return Err(failure);
        }
        let booked = feed.book(work.deliveries, work.catalog);
        for refused in &booked.refused {
            // It is sent again without this message, and may then be committed.
            if let Some(org) = work.catalog.org_of(refused.source) {
                feed.pass_over(feed.lanes.of(refused.source, org), refused.place);
            }
        }
        note_booked(feed, work.catalog, &booked)?;
        told |= !booked.apart.is_empty() || !booked.refused.is_empty();
        Ok(match (failed, told) {
            (false, _) => None,
            (true, true) => Some(Blame::Told),
            (true, false) => Some(Blame::of(work.producer, of_nobody)),
        })
    }

    /// The transaction comes to nothing. What is known of why, by the first or a later report, stays
    /// known.
    pub(super) fn abort(&mut self, blame: Blame) {
        match (&mut self.phase, blame) {
            (Phase::Aborting(known), Blame::Told) => *known = Blame::Told,
            (Phase::Aborting(_), Blame::Nobody(_)) => {}
            (phase, blame) => *phase = Phase::Aborting(blame),
        }
    }

    pub(super) fn end_aborted(&mut self, work: &mut Work<'_>) -> Result<Step, Failure> {
        match work.producer.abort(SLICE) {
            Ok(false) => Ok(Step::Again),
            Ok(true) => self.blame(work).map(|()| Step::Again),
            Err(error) => self.spent(error, work),
        }
    }

    /// The producer is of no more use. Where the brokers had not begun what was to be aborted, having
    /// taken no topic into it, the library gives up: what is known of why is still what is wrong.
    pub(super) fn spent(&mut self, error: Error, work: &mut Work<'_>) -> Result<Step, Failure> {
        if !matches!(self.phase, Phase::Aborting(_)) || !error.is_of_nothing() {
            return self.refused(error);
        }
        self.blame(work)?;
        Ok(Step::Anew(std::mem::take(&mut self.aborts)))
    }

    /// A transaction is no more: does what is to be done about why.
    fn blame(&mut self, work: &mut Work<'_>) -> Result<(), Failure> {
        let lanes = work.feed.in_flight();
        // Nothing of it is ever seen; lanes are where they were before it.
        work.feed.forget_in_flight();
        self.beating = None;
        let blame = std::mem::replace(&mut self.phase, Phase::Feeding(None));
        if let Phase::Aborting(Blame::Nobody(error)) = blame {
            // With the first one, which has records only, goes what the session began with.
            if !self.under_way || error.topic() == Some(self.topic.as_str()) {
                return Err(Failure::from(&error));
            }
            self.find_out(&error, &lanes, work)?;
            return Ok(());
        }
        self.aborts.count = 0;
        if !self.under_way {
            return Err(Failure {
                message: "the progress topic could not be written".into(),
                hint: None,
            });
        }
        Ok(())
    }

    /// Whose fault it was that a transaction with messages of these came to nothing.
    fn find_out(
        &mut self,
        error: &Error,
        lanes: &[i32],
        work: &mut Work<'_>,
    ) -> Result<(), Failure> {
        // After an outage nothing is anybody's fault.
        if !matches!(work.producer.health(), Health::Up { .. }) {
            return Ok(());
        }
        self.aborts.count += 1;
        // What comes after messages that were refused is missed in their place, once.
        if error.is_of_sequence() && self.aborts.count <= SEQUENCE {
            return Ok(());
        }
        pgrx::log!("pg_manifold publisher: a transaction was aborted: {error}");
        let failure = Failure::from(error);
        let feed = &mut *work.feed;
        let topic = error.topic();
        let of_topic = topic.and_then(|topic| feed.apart_of(topic, work.catalog));
        let again = self.aborts.count > 1;
        let (apart, failure) = match (of_topic, topic, lanes) {
            (Some(lane), ..) => (vec![lane], Some(failure)),
            (None, Some(topic), _) if *topic == feed.plans.naming().heartbeats() => {
                work.heart.failed(error.clone());
                return Ok(());
            }
            (None, None, [lane]) if again || feed.troubles().contains_key(lane) => {
                (vec![*lane], Some(failure))
            }
            (None, None, [_, _, ..]) if again => (lanes.to_vec(), None),
            _ if again || topic.is_some() => {
                self.aborts.told = true;
                self.aborts.until = Some(Instant::now() + lifecycle::backoff(self.aborts.count));
                return lifecycle::transaction(|| {
                    lifecycle::note_error(CONSUMER, 0, "error", &failure)
                });
            }
            _ => return Ok(()),
        };
        for lane in &apart {
            feed.set_apart(*lane, failure.clone(), work.catalog);
        }
        note_booked(feed, work.catalog, &Booked { apart, ..Booked::default() })
    }
}
