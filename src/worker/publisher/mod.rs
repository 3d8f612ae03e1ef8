//! The publisher: log to Kafka. Its rounds, and which producer it makes them with.

pub mod noted;
mod producer;
mod shown;

use std::time::{Duration, Instant};

use pgrx::pg_sys;
use pgrx::prelude::*;

use self::noted::{note_booked, note_fed, save_proven};
use self::producer::{producer, set_producer};
use self::shown::{Shown, show_health};
use super::exactly::{self, Aborts, Exactly, Step, Work};
use super::heart::Heart;
use super::lifecycle::{self, Failure, Turn, Worker};
use crate::catalog::Catalog;
use crate::kafka::{self, Config, Delivery, Health, Producer};
use crate::log::claim;
use crate::log::lanes::Lanes;
use crate::log::snapshot::Snapshot;
use crate::log::{objects, position};
use crate::normalize::quarantine;
use crate::pg::identity;
use crate::pg::shared::Kind;
use crate::publish::feed::{CONSUMER, Course, Feed};
use crate::publish::hurry::Hurry;
use crate::publish::plans::Plans;
use crate::settings;

/// How long what is on its way is waited for when settings change.
const SETTLE: Duration = Duration::from_secs(10);

/// # Safety
/// Called by the server as a background worker's main function.
#[unsafe(no_mangle)]
#[pg_guard]
pub extern "C-unwind" fn manifold_publisher(argument: pg_sys::Datum) {
    let Some(mut worker) = Worker::start(Kind::Publisher, argument) else { return };
    // A position that a crash loses is sent again: delivery is at least once anyway.
    lifecycle::set(c"synchronous_commit", c"off");
    producer::end_with_process();
    let mut publisher = Publisher::default();
    worker.run(|worker| publisher.turn(worker));
}

#[derive(Default)]
struct Publisher {
    definitions: Option<u64>,
    reloads: Option<u32>,
    /// What the options file held when the producer was configured: brokers, options and the names of
    /// topics are all of this one text. Before there is a producer nothing is sent to any topic.
    file: String,
    catalog: Catalog,
    feed: Option<Feed>,
    fingerprint: Option<u64>,
    deliveries: Vec<Delivery>,
    heart: Heart,
    hurry: Hurry,
    shown: Shown,
    /// Where there are transactions.
    exactly: Option<Exactly>,
    /// How large requests may be, where that is less than usual, until there is a reload.
    batch_size: Option<usize>,
    /// What a producer knew that another one takes the place of; the feed stays, too.
    aborts: Option<Aborts>,
    /// Why there are no transactions though they are asked for, until there is a reload.
    declined: Option<kafka::Error>,
    /// At how many reloads it was stopped until there is another one.
    stopped: Option<u32>,
    /// How often transactions have failed one after another, and until when they are not tried.
    failures: u32,
    until: Option<Instant>,
    /// Since when it waits for what is on its way, to go on otherwise.
    settling: Option<Instant>,
}

impl Publisher {
    fn turn(&mut self, worker: &Worker) -> Result<Turn, Failure> {
        let outcome = match worker.begin() {
            Ok(Some(moment)) => self.round(worker, &moment.now),
            Ok(None) => return Ok(Turn::Gone),
            Err(failure) => Err(failure),
        };
        if outcome.is_err() {
            self.shown = Shown::Left;
            if self.exactly.is_some() {
                self.failures += 1;
                self.until = Some(Instant::now() + lifecycle::backoff(self.failures));
            }
            self.start_over();
        }
        outcome
    }

    fn round(&mut self, worker: &Worker, now: &Snapshot) -> Result<Turn, Failure> {
        self.read_definitions(worker)?;
        // What a transaction has that is being committed would be sent again; it ends in a moment, or the
        // brokers are not there.
        let ends = self.exactly.as_ref().is_some_and(Exactly::is_committing)
            && producer().is_some_and(|producer| matches!(producer.health(), Health::Up { .. }));
        if let (Some(horizon), Some(feed), false) = (worker.horizon(), self.feed.as_mut(), ends) {
            let catalog = &self.catalog;
            let before = feed.lanes.clone();
            lifecycle::transaction(|| {
                let Some(objects) = objects::objects() else { return Ok(()) };
                feed.drop_laggards(horizon, now, &objects, catalog)?;
                // The database is ahead of the progress topic now, and what it says counts.
                if feed.lanes != before { exactly::forget_claim() } else { Ok(()) }
            })?;
            if feed.lanes != before && self.exactly.is_some() {
                self.start_over();
                self.read_definitions(worker)?;
            }
        }
        if self.reloads != Some(worker.reloads()) {
            self.until = None;
        }
        if self.stopped == Some(worker.reloads()) || self.until.is_some_and(|t| Instant::now() < t)
        {
            worker.database.set_deaf(Kind::Publisher, true);
            return Ok(Turn::Wait(lifecycle::IDLE));
        }
        let configured = self.configure(worker)?;
        worker.database.set_deaf(Kind::Publisher, !configured);
        if !configured {
            return Ok(Turn::Wait(lifecycle::IDLE));
        }
        // Without transactions another producer would repeat what is on its way: the topic is sent with care.
        if self.exactly.is_some() && self.is_too_large() {
            let aborts = self.exactly.take().map(Exactly::into_aborts);
            self.go_on_anew(aborts.unwrap_or_default());
            return Ok(Turn::Again);
        }
        match producer() {
            Some(producer) if self.exactly.is_some() => self.publish_exactly(worker, now, producer),
            Some(producer) => self.publish(worker, now, producer),
            None => Ok(Turn::Wait(lifecycle::IDLE)),
        }
    }

    fn read_definitions(&mut self, worker: &Worker) -> Result<(), Failure> {
        let definitions = worker.database.definitions();
        if definitions.is_none() || self.definitions != definitions || self.feed.is_none() {
            let catalog = lifecycle::transaction(Catalog::load_sources)?;
            let before = std::mem::replace(&mut self.catalog, catalog);
            // What was noted by now: of an earlier life, or of a source that has gone since.
            let refusals = lifecycle::transaction(quarantine::refusals)?;
            match &mut self.feed {
                Some(_) if before.publishes_as(&self.catalog) => {}
                Some(feed) => {
                    let torn = feed.refresh();
                    if let (true, Some(exactly), Some(producer)) =
                        (torn, self.exactly.as_mut(), producer())
                    {
                        exactly.begin_again(feed, producer);
                    }
                }
                None => {
                    let (lanes, troubled, database) = lifecycle::transaction(|| {
                        let lanes = Lanes::new(position::load(CONSUMER)?);
                        Ok((lanes, lifecycle::open_errors(CONSUMER)?, identity::database()))
                    })?;
                    let file = || Ok(self.file.clone());
                    let publishing = settings::publication::publishing(&database, file)?;
                    let plans = Plans::new(publishing);
                    self.feed = Some(Feed::new(lanes, plans, &troubled));
                }
            }
            if let Some(feed) = &mut self.feed {
                feed.refusals.replace(refusals);
            }
            self.definitions = definitions;
        }
        Ok(())
    }

    /// Makes the producer that the settings ask for; false where they ask for none.
    fn configure(&mut self, worker: &Worker) -> Result<bool, Failure> {
        let running = producer().is_some();
        if self.reloads == Some(worker.reloads()) && running {
            return Ok(true);
        }
        if running && self.settles() {
            return Ok(true);
        }
        let brokers = settings::kafka_brokers();
        if brokers.is_empty() {
            if self.reloads != Some(worker.reloads()) {
                self.end_producer();
                self.shown = Shown::Left;
                self.reloads = Some(worker.reloads());
            }
            // There is nobody whose answer would say that it is over.
            if self.shown != Shown::Well {
                lifecycle::transaction(|| lifecycle::clear_error(CONSUMER, 0))?;
                self.shown = Shown::Well;
            }
            return Ok(false);
        }
        let file = settings::options_file().map_err(Failure::from)?;
        let config = Config::parse(&brokers, &settings::kafka_options(), &file)
            .map_err(failure)
            .inspect_err(|_| self.end_producer())?
            .creating(settings::publication::topic_spec()?);
        self.file = file;
        if self.reloads != Some(worker.reloads()) {
            self.batch_size = None;
            self.declined = None;
        }
        let config = match self.batch_size {
            Some(bytes) => config.with_batch_size(bytes),
            None => config,
        };
        // A new prefix means other topics: begin anew, with new plans.
        if self.fingerprint != Some(config.fingerprint()) || self.reloads.is_some() || !running {
            let same = self.reloads == Some(worker.reloads());
            let aborts = self.aborts.take().filter(|_| same);
            if aborts.is_none() {
                self.start_over();
            }
            self.fingerprint = Some(config.fingerprint());
            self.shown = Shown::Left;
            self.heart.forget();
            self.read_definitions(worker)?;
            let claim = lifecycle::transaction(claim::load)?;
            let Some(feed) = &self.feed else { return Ok(false) };
            let naming = feed.plans.naming().clone();
            let wanted = settings::exactly_once() && self.declined.is_none();
            // What was published last in transactions, the progress topic knows best.
            if wanted || claim.is_some() {
                let transactional = config.transactional(&naming.publisher());
                set_producer(Some(Producer::new(&transactional).map_err(failure)?));
                self.exactly =
                    Some(Exactly::new(&config, &naming, !wanted, aborts.unwrap_or_default())?);
            } else {
                set_producer(Some(Producer::new(&config).map_err(failure)?));
            }
            if let Some(producer) = producer() {
                producer.keep_in_order(&naming.transactions());
                producer.keep_in_order(&naming.heartbeats());
            }
        }
        self.reloads = Some(worker.reloads());
        self.stopped = None;
        Ok(true)
    }

    /// Whether to wait for what is on its way before another producer takes over: without transactions
    /// it would be sent again.
    fn settles(&mut self) -> bool {
        let Some(producer) = producer().filter(|_| self.exactly.is_none()) else { return false };
        let since = *self.settling.get_or_insert_with(Instant::now);
        let hope = matches!(producer.health(), Health::Up { .. }) && since.elapsed() < SETTLE;
        let settles = producer.in_flight() > 0 && producer.fatal().is_none() && hope;
        if !settles {
            self.settling = None;
        }
        settles
    }

    fn publish(
        &mut self,
        worker: &Worker,
        now: &Snapshot,
        producer: &mut Producer,
    ) -> Result<Turn, Failure> {
        let Some(feed) = self.feed.as_mut() else { return Ok(Turn::Again) };
        let mut gives_up = producer.is_giving_up();
        producer.poll(Duration::ZERO, &mut self.deliveries);
        // Then everything fails, and nothing is wrong with any org.
        if let Some(error) = producer.fatal() {
            return Err(failure(error.clone()));
        }
        self.heart.heard(&self.deliveries);
        let heard = !self.deliveries.is_empty();
        let catalog = &self.catalog;
        let mut booked = feed.book(&mut self.deliveries, catalog);
        booked.apart.extend(feed.watch(producer, catalog));
        note_booked(feed, catalog, &booked)?;
        let left = |topic: &str, given_up| feed.has_left(topic, given_up, catalog);
        gives_up = gives_up || producer.clear_halted(left);
        let waits = self.settling.is_some() || gives_up;
        let feeds = !waits && !feed.is_clogged();
        if feed.has_proof() && !feeds {
            lifecycle::transaction(|| save_proven(feed, catalog))?;
        }
        let warning = self.declined.as_ref().or(self.heart.trouble());
        show_health(producer, warning, &mut self.shown, true)?;
        if feed.is_clogged() || producer.is_stuck() {
            self.start_over();
            // The next round makes another producer.
            return Ok(Turn::Again);
        }
        if !feed.troubles().is_empty() {
            producer.look_again();
        }
        if gives_up && !producer.is_giving_up() {
            return Ok(Turn::Again);
        }
        if waits {
            producer.hurry();
            return Ok(Turn::WaitFor(lifecycle::IDLE, producer.wake_fd()));
        }
        let fed = lifecycle::transaction(|| {
            let Some(objects) = objects::objects() else { return Ok(None) };
            // Together with what is sent next: a transaction of its own would cost as much again.
            if feed.has_proof() {
                save_proven(feed, catalog)?;
            }
            let fed = feed.turn(now, &objects, catalog, producer, Course::All)?;
            note_fed(feed, catalog, &fed)?;
            Ok(Some(fed))
        })?;
        let Some(fed) = fed else { return Ok(Turn::Gone) };
        self.heart.beat(&feed.plans, producer);
        let times = feed.next_try().into_iter().chain(self.heart.next());
        let time = times.fold(lifecycle::IDLE, Duration::min);
        if feed.has_proof() || fed.more {
            return Ok(Turn::Again);
        }
        let company = fed.full || !feed.waits_for_company();
        let mut time = time;
        if feed.awaits_reports() {
            if self.hurry.is_due(heard || fed.sent, company) {
                producer.hurry();
            }
            time = time.min(self.hurry.patience());
        }
        if fed.sent {
            worker.without_pause();
        }
        Ok(Turn::WaitFor(time, producer.wake_fd()))
    }

    fn publish_exactly(
        &mut self,
        worker: &Worker,
        now: &Snapshot,
        producer: &mut Producer,
    ) -> Result<Turn, Failure> {
        let (Some(feed), Some(exactly)) = (self.feed.as_mut(), self.exactly.as_mut()) else {
            return Ok(Turn::Again);
        };
        producer.poll(Duration::ZERO, &mut self.deliveries);
        // What the brokers refuse is not over because they answer.
        show_health(producer, self.heart.trouble(), &mut self.shown, exactly.is_well())?;
        let step = exactly.step(&mut Work {
            now,
            feed,
            catalog: &self.catalog,
            producer,
            deliveries: &mut self.deliveries,
            heart: &mut self.heart,
        })?;
        if exactly.is_well() {
            self.failures = 0;
        }
        match step {
            Step::Again => Ok(Turn::Again),
            Step::Wait(time) => Ok(Turn::WaitFor(time, producer.wake_fd())),
            Step::Over => {
                self.start_over();
                self.reloads = None;
                Ok(Turn::Again)
            }
            Step::Anew(aborts) => {
                self.go_on_anew(aborts);
                Ok(Turn::Again)
            }
            Step::Declined(error) => {
                pgrx::log!("pg_manifold publisher: at least once: {error}");
                self.start_over();
                self.declined = Some(error);
                Ok(Turn::Again)
            }
            Step::Stopped(failure) => {
                pgrx::log!("pg_manifold publisher: stopped: {}", failure.message);
                self.start_over();
                self.stopped = Some(worker.reloads());
                lifecycle::transaction(|| lifecycle::note_error(CONSUMER, 0, "error", &failure))?;
                Ok(Turn::Wait(lifecycle::IDLE))
            }
        }
    }

    /// Back to what is proven, with a new producer: after an error there is no knowing what the old
    /// one still has on its way.
    fn start_over(&mut self) {
        self.end_producer();
        self.aborts = None;
        self.feed = None;
    }

    /// The same with all that is known of topics.
    fn go_on_anew(&mut self, aborts: Aborts) {
        if let Some(feed) = &mut self.feed {
            feed.lose_in_flight();
        }
        self.end_producer();
        self.aborts = Some(aborts);
    }

    /// Whether a topic takes only smaller requests than the library makes: then another producer is to
    /// make smaller ones, or each that is full would be refused.
    fn is_too_large(&mut self) -> bool {
        let limit = self.feed.as_ref().and_then(Feed::smallest_limit);
        let too_large = |limit: &usize| {
            producer().is_some_and(|producer| producer.config().batch_size() > *limit)
        };
        let Some(limit) = limit.filter(too_large) else { return false };
        self.batch_size = Some(limit);
        true
    }

    fn end_producer(&mut self) {
        self.exactly = None;
        self.settling = None;
        self.deliveries.clear();
        lifecycle::set(c"lock_timeout", c"0");
        set_producer(None);
    }
}

fn failure(error: kafka::Error) -> Failure {
    Failure::from(&error)
}
