//! The keeper: finds out whether the extension is in its database, reads tables that were there
//! before capture (backfill), and keeps the log small (rotation).

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::lifecycle::{self, Failure, Turn, Worker};
use crate::capture::backfill::{Backfill, Step};
use crate::log::rotate::{self, Rotation};
use crate::log::{laggard, objects};
use crate::pg::identity;
use crate::pg::shared::{self, Kind, Presence};

const ROTATE_EVERY: Duration = Duration::from_secs(1);

/// # Safety
/// Called by the server as a background worker's main function.
#[unsafe(no_mangle)]
#[pg_guard]
pub extern "C-unwind" fn manifold_keeper(argument: pg_sys::Datum) {
    let Some(mut worker) = Worker::start(Kind::Keeper, argument) else { return };
    let mut keeper = Keeper {
        backfills: Vec::new(),
        definitions: None,
        rotation: Rotation::default(),
        rotated: None,
    };
    worker.run(|worker| keeper.turn(worker));
}

struct Keeper {
    backfills: Vec<Backfill>,
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
        self.backfill_one()
    }

    /// Finds sources that wait for a backfill, those that a crash interrupted included.
    fn take_up_requests(&mut self, worker: &Worker) -> Result<(), Failure> {
        let definitions = worker.database.definitions.load(Ordering::Acquire);
        if self.definitions == Some(definitions) {
            return Ok(());
        }
        let waiting = lifecycle::transaction(Backfill::waiting)?;
        self.backfills.retain(|ours| waiting.iter().any(|theirs| ours.is_same(theirs)));
        for backfill in waiting {
            if !self.backfills.iter().any(|ours| ours.is_same(&backfill)) {
                self.backfills.push(backfill);
            }
        }
        self.definitions = Some(definitions);
        Ok(())
    }

    /// One chunk of the backfill whose turn it is.
    fn backfill_one(&mut self) -> Result<Turn, Failure> {
        if self.backfills.is_empty() {
            return Ok(Turn::Wait(lifecycle::IDLE));
        }
        let mut backfill = self.backfills.remove(0);
        let source = backfill.source();
        let outcome = lifecycle::transaction(|| {
            let step = backfill.step()?;
            lifecycle::clear_error("backfill", source)?;
            Ok(step)
        });
        match outcome {
            Ok(Step::Finished) => Ok(Turn::Again),
            Ok(Step::More) => {
                self.backfills.push(backfill);
                Ok(Turn::Again)
            }
            Ok(Step::Waiting) => {
                self.backfills.push(backfill);
                // Rows or the table are locked just now.
                Ok(Turn::Wait(lifecycle::IDLE))
            }
            Err(failure) => {
                backfill.rewind();
                self.backfills.push(backfill);
                lifecycle::transaction(|| {
                    lifecycle::note_error("backfill", source, "error", &failure)
                })?;
                Ok(Turn::Wait(lifecycle::IDLE))
            }
        }
    }
}
