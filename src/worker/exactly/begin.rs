//! Before the first transaction: who was at work, where to go on, and whether this publisher may.

use std::time::{Duration, Instant};

use super::{Exactly, Phase, SLICE, Step, Work};
use crate::catalog::Catalog;
use crate::kafka::{self, Health, NewProgressTopic, Producer, ProgressReader, Reading};
use crate::log::claim;
use crate::log::lanes::Lanes;
use crate::log::position::{self, MAIN};
use crate::log::snapshot::Position;
use crate::pg::sql;
use crate::publish::feed::CONSUMER;
use crate::publish::progress::{self, Contradiction, Session, Start, State, Told};
use crate::worker::lifecycle::{self, Failure};

/// How long brokers may take to name a coordinator before that is worth telling.
const PATIENCE: Duration = Duration::from_secs(10);

impl Exactly {
    /// Whoever initializes stops all others with his id. So that a copy of this database does not stop
    /// the original, nor one that was stopped the one that took its place, it is looked up first who has
    /// been at work.
    pub(super) fn look(&mut self, work: &mut Work<'_>) -> Result<Step, Failure> {
        let Phase::Looking(reader) = &mut self.phase else { return Ok(Step::Again) };
        match reader.read(SLICE) {
            Ok(Reading::NotYet) => Ok(Step::Again),
            Ok(Reading::Missing) if self.closing => self.close_anyway("it is gone"),
            Ok(Reading::Missing) => {
                let new = NewProgressTopic::ask(work.producer, &self.topic);
                self.phase = Phase::Creating(new.map_err(|e| Failure::from(&e))?);
                Ok(Step::Again)
            }
            Ok(Reading::Read { .. }) => {
                let told = self.told()?;
                if let Err(contradiction) = self.start(told.as_ref(), work.catalog)? {
                    return self.contradicted(contradiction);
                }
                self.phase = Phase::Initializing(Instant::now());
                Ok(Step::Again)
            }
            Err(error) => self.refused(error),
        }
    }

    /// The progress topic has been created.
    pub(super) fn created(&mut self) -> Result<Step, Failure> {
        let mut reader = self.reader()?;
        reader.be_patient();
        self.phase = Phase::Looking(reader);
        Ok(Step::Again)
    }

    pub(super) fn initialize(
        &mut self,
        since: Instant,
        producer: &mut Producer,
    ) -> Result<Step, Failure> {
        match producer.init_transactions(SLICE) {
            Ok(true) => {
                self.phase = Phase::Reading(self.reader()?);
                Ok(Step::Again)
            }
            Ok(false) => self.initialize_later(since, producer),
            Err(error) => self.refused(error),
        }
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

    pub(super) fn read(&mut self, work: &mut Work<'_>) -> Result<Step, Failure> {
        let Phase::Reading(reader) = &mut self.phase else { return Ok(Step::Again) };
        match reader.read(SLICE) {
            Ok(Reading::NotYet | Reading::Read { all: false }) => Ok(Step::Again),
            Ok(Reading::Missing) => self.contradicted(Contradiction::Lost),
            Ok(Reading::Read { all: true }) => self.go_on(work),
            Err(error) => self.refused(error),
        }
    }

    fn reader(&self) -> Result<ProgressReader, Failure> {
        ProgressReader::open(&self.config, &self.topic).map_err(|error| Failure::from(&error))
    }

    /// What the topic says, as far as it is read.
    fn told(&self) -> Result<Option<Told>, Failure> {
        let records: Option<&kafka::Records> = match &self.phase {
            Phase::Looking(reader) | Phase::Reading(reader) => Some(reader.records()),
            _ => None,
        };
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
        // The lane of what was removed is nobody's, wherever it is.
        let is_somebodys =
            |lane: &i32, _: &mut Position| *lane == MAIN || catalog.org_of_lane(*lane).is_some();
        let told = told.map(|told| {
            let mut told = told.clone();
            told.state.retain(is_somebodys);
            told
        });
        let org_of = |source| catalog.org_of(source);
        lifecycle::transaction(|| {
            let mut saved = with_main(position::load(CONSUMER)?);
            saved.retain(is_somebodys);
            Ok(progress::resume(claim::load()?.as_ref(), told.as_ref(), &saved, org_of))
        })
    }

    /// All that predecessors did is known now: the database learns of it, and the session begins.
    fn go_on(&mut self, work: &mut Work<'_>) -> Result<Step, Failure> {
        let told = self.told()?;
        let start = match self.start(told.as_ref(), work.catalog)? {
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
        work.feed.go_on_from(Lanes::new(start.state.clone()));
        self.session = Some(session);
        self.close(start.state, work.catalog)
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
    pub(super) fn close_anyway(&self, why: &str) -> Result<Step, Failure> {
        pgrx::log!("pg_manifold publisher: not reading the progress topic any more: {why}");
        lifecycle::transaction(|| claim::save(None))?;
        Ok(Step::Over)
    }
}

/// A consumer without a position starts with all that the log holds.
fn with_main(saved: State) -> State {
    let lanes = Lanes::new(saved);
    lanes.turns().into_iter().map(|lane| (lane, lanes.position(lane).clone())).collect()
}
