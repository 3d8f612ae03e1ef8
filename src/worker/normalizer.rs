//! The normalizer: log to canonical tables. Lifecycle, and what `manifold.status` says of it.

use std::time::Duration;

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::lifecycle::{self, Failure, Turn, Worker};
use crate::catalog::Catalog;
use crate::log::lanes::Lanes;
use crate::log::snapshot::Snapshot;
use crate::log::{objects, position};
use crate::normalize::digest::Stop;
use crate::normalize::feed::{CONSUMER, Feed};
use crate::pg::shared::Kind;
use crate::settings;

/// # Safety
/// Called by the server as a background worker's main function.
#[unsafe(no_mangle)]
#[pg_guard]
pub extern "C-unwind" fn manifold_normalizer(argument: pg_sys::Datum) {
    let Some(mut worker) = Worker::start(Kind::Normalizer, argument) else { return };
    let mut normalizer = Normalizer::default();
    worker.run(|worker| normalizer.turn(worker));
}

#[derive(Default)]
struct Normalizer {
    definitions: Option<u64>,
    catalog: Catalog,
    feed: Option<Feed>,
}

impl Normalizer {
    fn turn(&mut self, worker: &Worker) -> Result<Turn, Failure> {
        let Some(moment) = worker.begin()? else { return Ok(Turn::Gone) };
        let outcome = self.round(worker, &moment.now);
        if outcome.is_err() {
            // What is in memory may be ahead of what was rolled back.
            self.feed = None;
        }
        outcome
    }

    /// A turn for every lane, all up to the same moment.
    fn round(&mut self, worker: &Worker, now: &Snapshot) -> Result<Turn, Failure> {
        self.read_definitions(worker)?;
        let catalog = &self.catalog;
        let Some(feed) = self.feed.as_mut() else { return Ok(Turn::Again) };
        if let Some(horizon) = worker.horizon() {
            lifecycle::transaction(|| match objects::objects() {
                Some(objects) => feed.drop_laggards(horizon, now, &objects, catalog),
                None => Ok(()),
            })?;
        }
        feed.set_rate(settings::normalize_max_rows_per_second().unwrap_or(0));
        lifecycle::transaction(|| feed.tidy(catalog))?;
        let mut more = false;
        let mut throttled = false;
        for lane in feed.lanes_in_turn(catalog) {
            let lanes = feed.lanes.clone();
            let mut stop = None;
            let outcome = lifecycle::transaction(|| {
                let Some(objects) = objects::objects() else { return Ok(false) };
                match feed.turn(lane, now, &objects, catalog) {
                    Ok(more) => Ok(more),
                    Err(Stop::Server(error)) => Err(error),
                    Err(Stop::Org(org, failure)) => {
                        stop = Some((org, failure));
                        Err(crate::error::Error::Corrupt("turn rolled back".into()))
                    }
                }
            });
            match (outcome, stop) {
                (Ok(again), _) => {
                    more |= again;
                    throttled |= !again && feed.lanes.position(lane).within.is_some();
                    feed.lanes.had_turn(lane);
                }
                (Err(_), Some((org, failure))) => {
                    // What the turn did in memory was rolled back with it.
                    feed.lanes = lanes;
                    let failure = Failure { message: failure.message, hint: failure.hint };
                    pgrx::log!("pg_manifold normalizer: org {org}: {}", failure.message);
                    lifecycle::transaction(|| {
                        if let Some((lane, position)) = feed.set_apart(org) {
                            position::save(CONSUMER, lane, position.as_ref())?;
                        }
                        lifecycle::note_error(CONSUMER, org, "error", &failure)
                    })?;
                    more = true;
                }
                (Err(failure), None) => return Err(failure),
            }
            worker.interrupts();
            if worker.is_held() {
                return Ok(Turn::Again);
            }
        }
        lifecycle::transaction(|| feed.join(now, catalog))?;
        if more {
            return Ok(Turn::Again);
        }
        let wait = feed.next_try().unwrap_or(lifecycle::IDLE).min(lifecycle::IDLE);
        let wait = if throttled { feed.throttle_wait().min(wait) } else { wait };
        Ok(Turn::Wait(wait.max(Duration::from_millis(1))))
    }

    fn read_definitions(&mut self, worker: &Worker) -> Result<(), Failure> {
        let definitions = worker.database.definitions();
        if definitions.is_some() && self.definitions == definitions && self.feed.is_some() {
            return Ok(());
        }
        self.catalog = lifecycle::transaction(Catalog::load)?;
        match &mut self.feed {
            Some(feed) => feed.refresh(),
            None => {
                let (lanes, troubled) = lifecycle::transaction(|| {
                    Ok((Lanes::new(position::load(CONSUMER)?), lifecycle::open_errors(CONSUMER)?))
                })?;
                self.feed = Some(Feed::new(lanes, &troubled));
            }
        }
        self.definitions = definitions;
        Ok(())
    }
}
