//! Exactly once: the life of a transactional producer, step by step.
//!
//! ```text
//! look at the progress topic ── is it ours? ── initialize ── read it whole ── first transaction
//!                                  │ no                                            │
//!                                stopped        ┌── feed ── claim, records, drain ── commit ── save ─┐
//!                                               └────────────────────────────────────────────────────┘
//! ```
//!
//! No step waits longer than a moment, so signals are heard at all times; and none waits for locks of
//! others while a transaction is open, since consumers that read what is committed wait for its end.
//!
//! Why no moment to die at loses or repeats anything, see `publish::progress` and
//! docs/how-it-works.md.

use std::time::{Duration, Instant};

use super::lifecycle::{self, Failure};
use super::publisher::{note_booked, note_fed, save_proven};
use crate::catalog::{CANONICAL, CANONICAL_NAME, Catalog};
use crate::error::Error;
use crate::kafka::{
    self, Config, Delivery, Ending, Health, NewProgressTopic, Producer, ProgressReader, Reading,
    SendError,
};
use crate::log::claim;
use crate::log::lanes::{self, Lanes};
use crate::log::objects;
use crate::log::position::{self, MAIN};
use crate::log::snapshot::Snapshot;
use crate::pg::sql;
use crate::publish::apart::Booked;
use crate::publish::feed::{CONSUMER, Course, Feed};
use crate::publish::naming::{self, Naming};
use crate::publish::progress::{self, Contradiction, Session, Start, State, Told, Written};

/// How long one call waits at most.
const SLICE: Duration = Duration::from_millis(200);
/// How long a transaction takes in messages. Behind, it makes batches of some thousands of them; what
/// little waits when there is little is committed at once.
const LONG: Duration = Duration::from_millis(250);
/// How long a lock of the database may keep an open transaction waiting.
const LOCK_LIMIT: &std::ffi::CStr = c"1s";
/// How long brokers may take to name a coordinator before that is worth telling.
const PATIENCE: Duration = Duration::from_secs(10);
/// What progress records carry in place of a batch's number, which begin with 1.
const PROGRESS: u64 = 0;

/// What a step came to.
pub enum Step {
    Again,
    /// Until something arrives, or this much time has passed.
    Wait(Duration),
    /// Publishing exactly once is over, and the database knows all that was published.
    Over,
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
    Aborting,
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
    /// It has been told that the brokers name no coordinator.
    told_of_waiting: bool,
    /// A transaction was committed.
    under_way: bool,
}

impl Exactly {
    /// `config` is the one without transactions.
    pub fn new(config: &Config, naming: &Naming, closing: bool) -> Result<Exactly, Failure> {
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
            told_of_waiting: false,
            under_way: false,
        })
    }

    /// Whether a transaction was committed: all is well.
    pub fn is_under_way(&self) -> bool {
        self.under_way
    }

    pub fn step(
        &mut self,
        now: &Snapshot,
        feed: &mut Feed,
        catalog: &Catalog,
        producer: &mut Producer,
        deliveries: &mut Vec<Delivery>,
    ) -> Result<Step, Failure> {
        let open = producer.in_transaction();
        lifecycle::set(c"lock_timeout", if open { LOCK_LIMIT } else { c"0" });
        if let Some(error) = producer.spent_by() {
            return self.refused(error);
        }
        let failed = self.book(feed, catalog, deliveries)?;
        let parked = Booked { apart: feed.watch(producer, catalog), ..Booked::default() };
        for lane in &parked.apart {
            feed.postpone(*lane);
        }
        note_booked(feed, catalog, &parked)?;
        if (failed || !parked.apart.is_empty()) && producer.in_transaction() {
            self.phase = Phase::Aborting;
        }
        match &mut self.phase {
            Phase::Looking(reader) => match reader.read(SLICE) {
                Ok(Reading::NotYet) => Ok(Step::Again),
                Ok(Reading::Missing) if self.closing => self.close_anyway("it is gone"),
                Ok(Reading::Missing) => {
                    let new = NewProgressTopic::ask(producer, &self.topic);
                    self.phase = Phase::Creating(new.map_err(|e| Failure::from(&e))?);
                    Ok(Step::Again)
                }
                Ok(Reading::Read { .. }) => {
                    // Whoever initializes stops all others with his id. So that a copy of this
                    // database does not stop the original, nor one that was stopped the one that
                    // took its place, it is looked up first who has been at work.
                    let told = self.told(reader_records(&self.phase))?;
                    if let Err(contradiction) = self.start(told.as_ref(), catalog)? {
                        return self.contradicted(contradiction);
                    }
                    self.phase = Phase::Initializing(Instant::now());
                    Ok(Step::Again)
                }
                Err(error) => self.refused(error),
            },
            Phase::Creating(new) => match new.is_there(SLICE) {
                Ok(false) => Ok(Step::Again),
                Ok(true) => {
                    let mut reader = self.reader()?;
                    reader.be_patient();
                    self.phase = Phase::Looking(reader);
                    Ok(Step::Again)
                }
                Err(error) => self.refused(error),
            },
            Phase::Initializing(since) => {
                let since = *since;
                match producer.init_transactions(SLICE) {
                    Ok(true) => {
                        self.phase = Phase::Reading(self.reader()?);
                        Ok(Step::Again)
                    }
                    Ok(false) => self.initialize_later(since, producer),
                    Err(error) => self.refused(error),
                }
            }
            Phase::Reading(reader) => match reader.read(SLICE) {
                Ok(Reading::NotYet | Reading::Read { all: false }) => Ok(Step::Again),
                Ok(Reading::Missing) => self.contradicted(Contradiction::Lost),
                Ok(Reading::Read { all: true }) => self.go_on(feed, catalog),
                Err(error) => self.refused(error),
            },
            Phase::Feeding(since) => {
                let since = *since;
                self.feed(since, now, feed, catalog, producer)
            }
            Phase::Draining(_, unsent) => {
                while let Some((key, value)) = unsent.last() {
                    let (key, value) = (key.as_bytes(), value.as_deref().map(str::as_bytes));
                    match producer.send(&self.topic, Some(key), value, &[], 0, PROGRESS) {
                        Ok(()) => drop(unsent.pop()),
                        Err(SendError::QueueFull) => break,
                        Err(SendError::Fatal(error)) => return self.refused(error),
                        Err(
                            SendError::Refused { error, .. }
                            | SendError::TopicUnavailable { error, .. },
                        ) => return Err(Failure::from(&error)),
                    }
                }
                // An acknowledgement that is missing would have the library wait for it.
                if producer.in_flight() > 0 {
                    return Ok(Step::Wait(lifecycle::IDLE));
                }
                if !unsent.is_empty() {
                    // It is not for want of room: the library takes nothing but the end of it any more.
                    self.phase = Phase::Aborting;
                    return Ok(Step::Again);
                }
                let Phase::Draining(after, _) =
                    std::mem::replace(&mut self.phase, Phase::Feeding(None))
                else {
                    return Ok(Step::Again);
                };
                self.phase = Phase::Committing(after);
                Ok(Step::Again)
            }
            Phase::Committing(after) => match producer.commit(SLICE) {
                Ok(Ending::Done) => {
                    let after = std::mem::take(after);
                    self.committed(after, feed, catalog)
                }
                Ok(Ending::NotYet) => Ok(Step::Again),
                Ok(Ending::MustAbort(_)) => {
                    self.phase = Phase::Aborting;
                    Ok(Step::Again)
                }
                Err(error) => self.refused(error),
            },
            Phase::Aborting => match producer.abort(SLICE) {
                Ok(true) => {
                    // With the first one, which has records only, goes what the session began with.
                    if !self.under_way {
                        return Err(first_failed());
                    }
                    // Nothing of it is ever seen; lanes are where they were before it.
                    feed.forget_in_flight();
                    self.phase = Phase::Feeding(None);
                    Ok(Step::Again)
                }
                Ok(false) => Ok(Step::Again),
                Err(error) => self.refused(error),
            },
        }
    }

    fn reader(&self) -> Result<ProgressReader, Failure> {
        ProgressReader::open(&self.config, &self.topic).map_err(|error| Failure::from(&error))
    }

    /// Books what became of messages; whether any of them failed. An acknowledgement proves nothing
    /// here, but that the message is no longer on its way: the commit proves all.
    fn book(
        &self,
        feed: &mut Feed,
        catalog: &Catalog,
        deliveries: &mut Vec<Delivery>,
    ) -> Result<bool, Failure> {
        let (mut failed, mut of_progress) = (false, None);
        let given_up = matches!(self.phase, Phase::Aborting);
        // What is given up with a transaction, or did not arrive in time, is nobody's trouble.
        deliveries.retain(|delivery| match &delivery.result {
            Ok(()) => true,
            Err(error) => {
                failed = true;
                let tells = !given_up && (error.of_message || error.is_of_topic());
                if tells && delivery.token == PROGRESS {
                    of_progress = Some(Failure::from(&error.error));
                }
                if !tells {
                    feed.settle(delivery.token);
                }
                tells
            }
        });
        // Another transaction would end no better.
        if let Some(failure) = of_progress {
            return Err(failure);
        }
        let booked = feed.book(deliveries, catalog);
        for refused in &booked.refused {
            // It is sent again without this message, and may then be committed.
            if let Some(org) = catalog.org_of(refused.source) {
                feed.pass_over(feed.lanes.of(refused.source, org), refused.place);
            }
        }
        note_booked(feed, catalog, &booked)?;
        Ok(failed)
    }

    fn told(&self, records: Option<&kafka::Records>) -> Result<Option<Told>, Failure> {
        let told = records.map(progress::read).transpose();
        told.map(Option::flatten).map_err(|progress::Unreadable(key)| Failure {
            message: format!(
                "the progress topic \"{}\" holds what no publisher wrote: {key}",
                self.topic
            ),
            hint: Some(
                "Nobody else may write to it. Delete the topic, turn manifold.exactly_once off, and \
                 on again: publishing goes on from the database's own position."
                    .into(),
            ),
        })
    }

    /// Where to go on, as things stand.
    fn start(
        &self,
        told: Option<&Told>,
        catalog: &Catalog,
    ) -> Result<Result<Start, Contradiction>, Failure> {
        let told = told.map(|told| {
            let mut told = told.clone();
            // The lane of what was removed is nobody's, wherever it is.
            told.state.retain(|&lane, _| lane == MAIN || catalog.org_of_lane(lane).is_some());
            told
        });
        let org_of = |source| catalog.org_of(source);
        lifecycle::transaction(|| {
            let saved = with_main(position::load(CONSUMER)?);
            Ok(progress::resume(claim::load()?.as_ref(), told.as_ref(), &saved, org_of))
        })
    }

    /// All that predecessors did is known now: the database learns of it, and the session begins.
    fn go_on(&mut self, feed: &mut Feed, catalog: &Catalog) -> Result<Step, Failure> {
        let told = self.told(reader_records(&self.phase))?;
        let start = match self.start(told.as_ref(), catalog)? {
            Ok(start) => start,
            Err(contradiction) => return self.contradicted(contradiction),
        };
        let closing = self.closing;
        let name = lifecycle::transaction(|| {
            let saved = position::load(CONSUMER)?;
            for lane in saved.keys().filter(|lane| !start.state.contains_key(lane)) {
                position::save(CONSUMER, *lane, None)?;
            }
            for (lane, position) in &start.state {
                if saved.get(lane) != Some(position) {
                    position::save(CONSUMER, *lane, Some(position))?;
                }
            }
            if closing {
                claim::save(None)?;
            }
            sql::one::<String>("SELECT pg_catalog.gen_random_uuid()::text", &[])
        })?;
        if closing {
            return Ok(Step::Over);
        }
        let name = name.unwrap_or_default();
        let session = Session::new(name, &start, told.as_ref(), &self.database);
        feed.go_on_from(Lanes::new(start.state.clone()));
        self.session = Some(session);
        self.close(start.state, catalog)
    }

    fn feed(
        &mut self,
        since: Option<Instant>,
        now: &Snapshot,
        feed: &mut Feed,
        catalog: &Catalog,
        producer: &mut Producer,
    ) -> Result<Step, Failure> {
        let cut = feed.cut();
        if cut.is_some() && producer.in_flight() > 0 {
            // A chunk is half sent. The position before it is no place to commit at: the half would be
            // sent again. It goes on as soon as there is room.
            return Ok(Step::Wait(lifecycle::IDLE));
        }
        if since.is_none() {
            // What is in trouble is tried in a transaction of its own: should it fail again, no other
            // messages are aborted with it.
            self.course = match (self.course, feed.due()) {
                (Course::Sound, Some(lane)) => Course::Alone(lane),
                _ => Course::Sound,
            };
        }
        let course = cut.map_or(self.course, Course::Alone);
        let fed = lifecycle::transaction(|| {
            let Some(objects) = objects::objects() else { return Ok(None) };
            let fed = feed.turn(now, &objects, catalog, producer, course)?;
            note_fed(feed, catalog, &fed)?;
            Ok(Some(fed))
        })?;
        let Some(fed) = fed else { return Ok(Step::Wait(lifecycle::IDLE)) };
        // The rest of the chunk is not to be sent: its org is paused now, say, or no more.
        let stuck = cut.is_some() && feed.cut() == cut && !fed.sent;
        if stuck || !fed.failed.is_empty() {
            // Some of what the topic sent may be in this transaction, and it begins again before it.
            self.begin_again(feed, producer);
            return Ok(Step::Again);
        }
        if feed.is_quiet() && producer.in_transaction() {
            // All that it has is of an org that has just been removed.
            self.phase = Phase::Aborting;
            return Ok(Step::Again);
        }
        if feed.is_quiet() {
            self.phase = Phase::Feeding(None);
            let tried = self.course != Course::Sound;
            let later = feed.next_try().unwrap_or(lifecycle::IDLE).min(lifecycle::IDLE);
            return Ok(if fed.more || tried { Step::Again } else { Step::Wait(later) });
        }
        let since = since.unwrap_or_else(Instant::now);
        let enough = !fed.more || since.elapsed() >= LONG;
        if enough && feed.cut().is_none() {
            return self.close(feed.ahead(), catalog);
        }
        self.phase = Phase::Feeding(Some(since));
        Ok(Step::Again)
    }

    /// What was sent since the last commit is never to be seen: all begins again before it.
    pub fn begin_again(&mut self, feed: &mut Feed, producer: &Producer) {
        feed.forget_in_flight();
        self.phase = if producer.in_transaction() { Phase::Aborting } else { Phase::Feeding(None) };
    }

    /// The transaction is to leave the lanes at `after`: claims it, on disk, while the messages arrive.
    fn close(&mut self, after: State, catalog: &Catalog) -> Result<Step, Failure> {
        let Some(session) = &self.session else { return Ok(Step::Again) };
        let org = |lane: i32| match lanes::source_of(lane) {
            Some(source) => catalog.sources.get(&source).map(naming::name),
            None if lane == CANONICAL => Some(CANONICAL_NAME.to_owned()),
            None => catalog.orgs.values().find(|org| org.id == lane).map(|org| org.name.clone()),
        };
        let mut records = session.records(&after, org);
        // Sent from the end on.
        records.reverse();
        // A commit is synchronous in three ways: the claim is on disk before the transaction can be
        // committed; so are all positions that were saved before; and so are all changes in it, which
        // no crash can take back any more, even where their writers did not wait for the disk.
        lifecycle::set(c"synchronous_commit", c"on");
        let claimed = lifecycle::transaction(|| claim::save(Some(session.claim())));
        lifecycle::set(c"synchronous_commit", c"off");
        claimed?;
        self.phase = Phase::Draining(after, records);
        Ok(Step::Again)
    }

    /// The commit proves all that the transaction had.
    fn committed(
        &mut self,
        after: State,
        feed: &mut Feed,
        catalog: &Catalog,
    ) -> Result<Step, Failure> {
        lifecycle::set(c"lock_timeout", c"0");
        let first = !std::mem::replace(&mut self.under_way, true);
        if let Some(session) = &mut self.session {
            session.committed(after);
        }
        self.phase = Phase::Feeding(None);
        lifecycle::transaction(|| {
            save_proven(feed, catalog)?;
            // The first one shows that what was wrong before is no more.
            if first { lifecycle::clear_error(CONSUMER, 0) } else { Ok(()) }
        })?;
        Ok(Step::Again)
    }

    /// The brokers name no coordinator: that may be a matter of moments, or of their configuration.
    fn initialize_later(&mut self, since: Instant, producer: &Producer) -> Result<Step, Failure> {
        let up = matches!(producer.health(), Health::Up { .. });
        if up && since.elapsed() > PATIENCE && !self.told_of_waiting {
            self.told_of_waiting = true;
            let failure = Failure {
                message: "the Kafka brokers have no coordinator for transactions yet".into(),
                hint: Some(
                    "Nothing is published until they have. On fewer than three brokers, set their \
                     transaction.state.log.replication.factor and transaction.state.log.min.isr \
                     accordingly; or turn manifold.exactly_once off."
                        .into(),
                ),
            };
            lifecycle::transaction(|| lifecycle::note_error(CONSUMER, 0, "error", &failure))?;
        }
        Ok(Step::Again)
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
        Err(Failure::from(&error))
    }

    fn contradicted(&mut self, contradiction: Contradiction) -> Result<Step, Failure> {
        let topic = &self.topic;
        let (message, first) = match contradiction {
            Contradiction::Foreign => (
                format!(
                    "another publisher has taken over: it wrote to the progress topic \"{topic}\" last"
                ),
                "See to it that one database alone publishes with this manifold.topic_prefix.",
            ),
            Contradiction::Restored => (
                format!(
                    "the progress topic \"{topic}\" knows of changes that this database does not: it was restored, copied or failed over from an earlier point"
                ),
                "See to it that one database alone publishes with this manifold.topic_prefix. What was \
                 published and is not in this database stays in the topics; manifold.resync publishes \
                 every row as it is.",
            ),
            Contradiction::Lost => (
                format!(
                    "the progress topic \"{topic}\" does not hold what this database has published"
                ),
                "Check that manifold.kafka_brokers and manifold.topic_prefix are those of before, and \
                 that the topic was not deleted or emptied (it needs cleanup.policy=compact).",
            ),
        };
        if self.closing {
            return self.close_anyway(&message);
        }
        let hint = format!(
            "{first} To go on from where the database was, repetitions not ruled out, turn \
             manifold.exactly_once off, and, once manifold.status is well, on again."
        );
        Ok(Step::Stopped(Failure { message, hint: Some(hint) }))
    }

    /// What was published last cannot be found out: the database's own position it is, which is never
    /// beyond it. At least once, as the admin now wants it.
    fn close_anyway(&self, why: &str) -> Result<Step, Failure> {
        pgrx::log!("pg_manifold publisher: not reading the progress topic any more: {why}");
        lifecycle::transaction(|| claim::save(None))?;
        Ok(Step::Over)
    }
}

fn first_failed() -> Failure {
    Failure { message: "the progress topic could not be written".into(), hint: None }
}

fn reader_records(phase: &Phase) -> Option<&kafka::Records> {
    match phase {
        Phase::Looking(reader) | Phase::Reading(reader) => Some(reader.records()),
        _ => None,
    }
}

/// A consumer without a position starts with all that the log holds.
fn with_main(saved: State) -> State {
    let lanes = Lanes::new(saved);
    lanes.turns().into_iter().map(|lane| (lane, lanes.position(lane).clone())).collect()
}

/// Lanes are dropped from a log that has outgrown its limit: what the database says counts from now on.
pub fn forget_claim() -> Result<(), Error> {
    if claim::load()?.is_some() { claim::save(None) } else { Ok(()) }
}
