//! Exactly once: the life of a transactional producer, step by step.
//!
//! ```text
//! look at the progress topic ── is it ours? ── initialize ── read it whole ── first transaction
//!                                  │ no                                            │
//!                                stopped        ┌── feed ── claim, records, drain ── commit ── save ─┐
//!                                               └────────────────────────────────────────────────────┘
//! ```
//!
//! `begin` has what comes before the first transaction, `transaction` the round of transactions, and
//! `aborted` what is to be done about those that come to nothing.
//!
//! No step waits longer than a moment, so signals are heard at all times; and none waits for locks of
//! others while a transaction is open, since consumers that read what is committed wait for its end.
//!
//! Why no moment to die at loses or repeats anything, see `publish::progress` and
//! docs/how-it-works.md.

mod aborted;
mod begin;
mod transaction;

use std::time::{Duration, Instant};

use super::heart::Heart;
use super::lifecycle::{self, Failure};
use super::publisher::noted::note_booked;
use crate::catalog::Catalog;
use crate::error::Error;
use crate::kafka::{self, Config, Delivery, NewProgressTopic, Producer, ProgressReader};
use crate::log::claim;
use crate::log::snapshot::Snapshot;
use crate::publish::apart::Booked;
use crate::publish::feed::{Course, Feed};
use crate::publish::naming::Naming;
use crate::publish::progress::{Session, State, Written};
pub use aborted::Aborts;
use aborted::Blame;

/// How long one call waits at most.
const SLICE: Duration = Duration::from_millis(200);
/// How long a lock of the database may keep an open transaction waiting.
const LOCK_LIMIT: &std::ffi::CStr = c"1s";
/// What progress records carry in place of a batch's number, which begin with 1.
const PROGRESS: u64 = 0;

/// What a step came to.
pub enum Step {
    Again,
    /// Until something arrives, or this much time has passed.
    Wait(Duration),
    /// Publishing exactly once is over, and the database knows all that was published.
    Over,
    /// It goes on with another producer, which is to know what this one knows.
    Anew(Aborts),
    /// The brokers refuse what it needs, and nothing has been published in this way yet.
    Declined(kafka::Error),
    /// It does not go on before the admin has done something.
    Stopped(Failure),
}

enum Phase {
    /// Reads the topic without disturbing anybody.
    Looking(ProgressReader),
    Creating(NewProgressTopic),
    Initializing(Instant),
    /// Reads the topic when no predecessor can write to it any more.
    Reading(ProgressReader),
    /// No transaction is open, or one that is being filled, since then.
    Feeding(Option<Instant>),
    /// All is sent that the transaction is to have, but these records.
    Draining(State, Vec<Written>),
    Committing(State),
    Aborting(Blame),
}

/// What a step works with.
pub struct Work<'a> {
    pub now: &'a Snapshot,
    pub feed: &'a mut Feed,
    pub catalog: &'a Catalog,
    pub producer: &'a mut Producer,
    pub deliveries: &'a mut Vec<Delivery>,
    pub heart: &'a mut Heart,
}

/// Publishing in transactions.
pub struct Exactly {
    config: Config,
    topic: String,
    database: String,
    /// It is only to be found out what was published.
    closing: bool,
    phase: Phase,
    session: Option<Session>,
    course: Course,
    /// How long the next transaction takes in messages at most.
    length: Duration,
    /// It has been told that the brokers name no coordinator.
    told_of_waiting: bool,
    /// A transaction was committed.
    under_way: bool,
    aborts: Aborts,
    /// Since when a transaction with nothing but a heartbeat is on its way.
    beating: Option<Instant>,
}

impl Exactly {
    /// `config` is the one without transactions.
    /// `aborts` is what an earlier producer knew.
    pub fn new(
        config: &Config,
        naming: &Naming,
        closing: bool,
        aborts: Aborts,
    ) -> Result<Exactly, Failure> {
        let topic = naming.progress();
        let reader = ProgressReader::open(config, &topic).map_err(|e| Failure::from(&e))?;
        Ok(Exactly {
            config: config.clone(),
            topic,
            database: naming.database.clone(),
            closing,
            phase: Phase::Looking(reader),
            session: None,
            course: Course::Sound,
            length: transaction::SHORT,
            told_of_waiting: false,
            under_way: false,
            aborts,
            beating: None,
        })
    }

    /// Whether transactions are committed: all is well.
    pub fn is_well(&self) -> bool {
        self.under_way && !self.aborts.told
    }

    /// Whether nobody knows yet what becomes of a transaction.
    pub fn is_committing(&self) -> bool {
        matches!(self.phase, Phase::Committing(_))
    }

    /// What the next producer is to know.
    pub fn into_aborts(self) -> Aborts {
        self.aborts
    }

    pub fn step(&mut self, work: &mut Work<'_>) -> Result<Step, Failure> {
        let open = work.producer.in_transaction();
        lifecycle::set(c"lock_timeout", if open { LOCK_LIMIT } else { c"0" });
        if let Some(error) = work.producer.spent_by() {
            return self.spent(error, work);
        }
        let failed = self.book(work)?;
        let parked =
            Booked { apart: work.feed.watch(work.producer, work.catalog), ..Booked::default() };
        for lane in &parked.apart {
            work.feed.postpone(*lane);
        }
        note_booked(work.feed, work.catalog, &parked)?;
        let failed = if parked.apart.is_empty() { failed } else { Some(Blame::Told) };
        if let Some(blame) = failed.filter(|_| work.producer.in_transaction()) {
            self.abort(blame);
        }
        match &self.phase {
            Phase::Looking(_) => self.look(work),
            Phase::Creating(new) => match new.is_there(SLICE) {
                Ok(false) => Ok(Step::Again),
                Ok(true) => self.created(),
                Err(error) => self.refused(error),
            },
            Phase::Initializing(since) => self.initialize(*since, work.producer),
            Phase::Reading(_) => self.read(work),
            Phase::Feeding(since) => self.feed(*since, work),
            Phase::Draining(..) => self.drain(work),
            Phase::Committing(_) => self.commit(work),
            Phase::Aborting(_) => self.end_aborted(work),
        }
    }

    fn refused(&mut self, error: kafka::Error) -> Result<Step, Failure> {
        let final_refusal = matches!(
            error,
            kafka::Error::NoTransactions { .. }
                | kafka::Error::NotReadable { .. }
                | kafka::Error::BadProgressTopic { .. }
        );
        if self.closing && final_refusal {
            return self.close_anyway(&error.to_string());
        }
        let missing = matches!(error, kafka::Error::NoProgressTopic { refused: true, .. });
        // Who has been promised each change once is not given it twice; others lose nothing by it.
        let promised = || lifecycle::transaction(|| Ok(claim::load()?.is_some()));
        if (final_refusal || missing) && !self.closing && !promised()? {
            return Ok(Step::Declined(error));
        }
        Err(Failure::from(&error))
    }
}

/// Lanes are dropped from a log that has outgrown its limit: what the database says counts from now on.
pub fn forget_claim() -> Result<(), Error> {
    if claim::load()?.is_some() { claim::save(None) } else { Ok(()) }
}
