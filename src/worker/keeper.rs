//! The keeper: finds out whether the extension is in its database, reads tables that were there
//! before capture (backfill), and keeps the log small (rotation).

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::lifecycle::{self, Failure, Turn, Worker};
use crate::capture::backfill::{Backfill, Step};
use crate::capture::reread::{self, Reread};
use crate::log::rotate::{self, Rotation};
use crate::log::{laggard, objects};
use crate::normalize::quarantine;
use crate::pg::shared::{self, Kind, Presence};
use crate::pg::{identity, xact};

const ROTATE_EVERY: Duration = Duration::from_secs(1);
/// How soon a backfill looks again whether the normalizer has come after it.
const PACE: Duration = Duration::from_millis(10);

/// # Safety
/// Called by the server as a background worker's main function.
#[unsafe(no_mangle)]
#[pg_guard]
pub extern "C-unwind" fn manifold_keeper(argument: pg_sys::Datum) {
    let Some(mut worker) = Worker::start(Kind::Keeper, argument) else { return };
    let mut keeper = Keeper {
        jobs: Vec::new(),
        definitions: None,
        rotation: Rotation::default(),
        rotated: None,
    };
    worker.run(|worker| keeper.turn(worker));
}

struct Keeper {
    jobs: Vec<Job>,
    definitions: Option<u64>,
    rotation: Rotation,
    rotated: Option<Instant>,
}

impl Keeper {
    fn turn(&mut self, worker: &Worker) -> Result<Turn, Failure> {
        if worker.begin()?.is_none() {
            // Said first, then looked again: an extension that comes just now says so after it.
            worker.database.set_presence(Presence::Absent);
            if lifecycle::transaction(|| Ok(identity::extension()))?.is_some() {
                worker.database.set_presence(Presence::Unknown);
                shared::wake_launcher();
            }
            return Ok(Turn::Gone);
        }
        if worker.database.presence() != Presence::Present {
            worker.database.set_presence(Presence::Present);
            shared::wake_launcher();
        }
        if self.rotated.is_none_or(|at| at.elapsed() >= ROTATE_EVERY) {
            if let Some(objects) = lifecycle::transaction(|| Ok(objects::objects()))? {
                lifecycle::transaction(|| self.rotation.rotate(&objects))?;
                lifecycle::transaction(rotate::rotate_positions)?;
                let horizon = worker.database.log_horizon.load(Ordering::Relaxed);
                if horizon > 0 {
                    lifecycle::transaction(|| laggard::drop_consumers(&objects, horizon))?;
                }
            }
            self.rotated = Some(Instant::now());
        }
        self.take_up_requests(worker)?;
        self.read_some()
    }

    /// Finds sources that wait to be read, those that a crash interrupted included.
    fn take_up_requests(&mut self, worker: &Worker) -> Result<(), Failure> {
        let definitions = worker.database.definitions();
        if definitions.is_some() && self.definitions == definitions {
            return Ok(());
        }
        let waiting = lifecycle::transaction(Job::waiting)?;
        self.jobs.retain(|ours| waiting.iter().any(|theirs| ours.is_same(theirs)));
        for job in waiting {
            if !self.jobs.iter().any(|ours| ours.is_same(&job)) {
                self.jobs.push(job);
            }
        }
        self.definitions = definitions;
        Ok(())
    }

    /// A few hundred rows for the source whose turn it is, unless it waits for the normalizer.
    fn read_some(&mut self) -> Result<Turn, Failure> {
        for _ in 0..self.jobs.len() {
            if let Some(turn) = self.step()? {
                return Ok(turn);
            }
        }
        Ok(Turn::Wait(if self.jobs.is_empty() { lifecycle::IDLE } else { PACE }))
    }

    /// A step of the first job, which then goes to the end of the queue. `None`: it yields.
    fn step(&mut self) -> Result<Option<Turn>, Failure> {
        let mut job = self.jobs.remove(0);
        let outcome = lifecycle::transaction(|| {
            let step = job.step()?;
            lifecycle::clear_error(job.consumer(), job.source())?;
            Ok(step)
        });
        match outcome {
            Ok(Step::Finished) => Ok(Some(Turn::Again)),
            Ok(step) => {
                self.jobs.push(job);
                Ok(match step {
                    Step::Yielding => None,
                    // Rows or the table are locked just now.
                    Step::Waiting => Some(Turn::Wait(lifecycle::IDLE)),
                    _ => Some(Turn::Again),
                })
            }
            Err(failure) => {
                job.rewind();
                let (consumer, source) = (job.consumer(), job.source());
                self.jobs.push(job);
                lifecycle::transaction(|| {
                    lifecycle::note_error(consumer, source, "error", &failure)
                })?;
                Ok(Some(Turn::Wait(lifecycle::IDLE)))
            }
        }
    }
}

/// Rows of a source that are to be read into the log.
enum Job {
    Backfill(Backfill),
    Reread(Reread),
}

impl Job {
    fn waiting() -> crate::error::Result<Vec<Job>> {
        let mut jobs: Vec<Job> = Backfill::waiting()?.into_iter().map(Job::Backfill).collect();
        jobs.extend(Reread::waiting()?.into_iter().map(Job::Reread));
        Ok(jobs)
    }

    /// As `manifold.status` calls it.
    fn consumer(&self) -> &'static str {
        match self {
            Job::Backfill(_) => "backfill",
            Job::Reread(_) => "retry",
        }
    }

    fn source(&self) -> i32 {
        match self {
            Job::Backfill(backfill) => backfill.source(),
            Job::Reread(reread) => reread.source,
        }
    }

    fn is_same(&self, other: &Job) -> bool {
        match (self, other) {
            (Job::Backfill(ours), Job::Backfill(theirs)) => ours.is_same(theirs),
            (Job::Reread(ours), Job::Reread(theirs)) => ours.source == theirs.source,
            _ => false,
        }
    }

    /// Runs in a transaction of its own.
    fn step(&mut self) -> crate::error::Result<Step> {
        match self {
            Job::Backfill(backfill) => {
                if backfill.is_new()? {
                    quarantine::begin_anew(&backfill.org, &backfill.table, backfill.sweep)?;
                }
                let step = backfill.step()?;
                if matches!(step, Step::Finished) && backfill.sweep {
                    quarantine::end_reading(&backfill.org, &backfill.table)?;
                }
                Ok(step)
            }
            Job::Reread(reread) => match reread.step()? {
                reread::Outcome::Step(step) => Ok(step),
                reread::Outcome::All => {
                    reread.give_way()?;
                    // The workers read the definitions anew, and we the requests.
                    xact::defined();
                    Ok(Step::Finished)
                }
            },
        }
    }

    /// Forgets what is in memory only: the step that failed was rolled back.
    fn rewind(&mut self) {
        if let Job::Backfill(backfill) = self {
            backfill.rewind();
        }
    }
}
