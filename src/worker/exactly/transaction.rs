//! The round of transactions: messages in, records of where lanes are, commit, positions saved.

use std::time::{Duration, Instant};

use super::aborted::{Aborts, Blame};
use super::{Exactly, PROGRESS, Phase, SLICE, Step, Work};
use crate::catalog::{CANONICAL, CANONICAL_NAME, Catalog};
use crate::kafka::{Ending, Producer, SendError};
use crate::log::claim;
use crate::log::lanes;
use crate::log::objects;
use crate::log::position;
use crate::publish::feed::{CONSUMER, Course, Feed};
use crate::publish::naming;
use crate::publish::progress::State;
use crate::worker::lifecycle::{self, Failure};
use crate::worker::publisher::noted::{note_fed, save_proven};

/// How long a transaction takes in messages at most: at first, and after others that were as long, each
/// twice as long as the one before. What little waits when there is little is committed at once; whoever
/// is far behind does not gain from short ones, whose ends are waited for.
pub(super) const SHORT: Duration = Duration::from_millis(250);
const LONG: Duration = Duration::from_secs(2);
/// How long a heartbeat may keep everything else waiting.
const BEAT: Duration = Duration::from_secs(5);

impl Exactly {
    pub(super) fn feed(
        &mut self,
        since: Option<Instant>,
        work: &mut Work<'_>,
    ) -> Result<Step, Failure> {
        let cut = work.feed.cut();
        if cut.is_some() && work.producer.in_flight() > 0 {
            // A chunk is half sent. The position before it is no place to commit at: the half would be
            // sent again. It goes on as soon as there is room.
            return Ok(Step::Wait(lifecycle::IDLE));
        }
        if since.is_none() {
            if let Some(left) =
                self.aborts.until.and_then(|until| until.checked_duration_since(Instant::now()))
            {
                return Ok(Step::Wait(left.min(lifecycle::IDLE)));
            }
            // Where heartbeats do not arrive, they are tried by themselves: nobody's messages are
            // aborted with one.
            if work.heart.trouble().is_some()
                && work.heart.beat_again(&work.feed.plans, work.producer)
            {
                return self.close_beat(work);
            }
            // What is in trouble is tried in a transaction of its own: should it fail again, no other
            // messages are aborted with it.
            self.course = match (self.course, work.feed.due()) {
                (Course::Sound, Some(lane)) => Course::Alone(lane),
                _ => Course::Sound,
            };
        }
        let course = cut.map_or(self.course, Course::Alone);
        let fed = lifecycle::transaction(|| {
            let Some(objects) = objects::objects() else { return Ok(None) };
            let fed = work.feed.turn(work.now, &objects, work.catalog, work.producer, course)?;
            note_fed(work.feed, work.catalog, &fed)?;
            Ok(Some(fed))
        })?;
        let Some(fed) = fed else { return Ok(Step::Wait(lifecycle::IDLE)) };
        // The rest of the chunk is not to be sent: its org is paused now, say, or no more.
        let stuck = cut.is_some() && work.feed.cut() == cut && !fed.sent;
        if stuck || !fed.failed.is_empty() {
            // Some of what the topic sent may be in this transaction, and it begins again before it.
            self.begin_again(work.feed, work.producer);
            return Ok(Step::Again);
        }
        if work.feed.is_quiet() && work.producer.in_transaction() {
            // All that it has is of an org that has just been removed.
            self.abort(Blame::Told);
            return Ok(Step::Again);
        }
        if work.feed.is_quiet() {
            self.phase = Phase::Feeding(None);
            if work.heart.trouble().is_none() && work.heart.beat(&work.feed.plans, work.producer) {
                return self.close_beat(work);
            }
            let tried = self.course != Course::Sound;
            let times = work.feed.next_try().into_iter().chain(work.heart.next());
            let later = times.fold(lifecycle::IDLE, Duration::min);
            return Ok(if fed.more || tried { Step::Again } else { Step::Wait(later) });
        }
        let since = since.unwrap_or_else(Instant::now);
        let behind = fed.more || fed.full;
        let enough = !behind || since.elapsed() >= self.length;
        if enough && work.feed.cut().is_none() {
            let longest = LONG.min(self.config.transaction_timeout() / 8).max(SHORT);
            self.length = if behind { longest.min(self.length * 2) } else { SHORT };
            if work.heart.trouble().is_none() {
                work.heart.beat(&work.feed.plans, work.producer);
            }
            return self.close(work.feed.ahead(), work.catalog);
        }
        self.phase = Phase::Feeding(Some(since));
        if fed.more || enough {
            return Ok(Step::Again);
        }
        // There is room when something has arrived.
        Ok(Step::Wait(self.length.saturating_sub(since.elapsed())))
    }

    /// What was sent since the last commit is never to be seen: all begins again before it.
    pub fn begin_again(&mut self, feed: &mut Feed, producer: &Producer) {
        feed.forget_in_flight();
        self.phase = Phase::Feeding(None);
        if producer.in_transaction() {
            self.abort(Blame::Told);
        }
    }

    /// The transaction has a heartbeat, and nothing else.
    fn close_beat(&mut self, work: &mut Work<'_>) -> Result<Step, Failure> {
        self.beating = Some(Instant::now());
        self.close(work.feed.ahead(), work.catalog)
    }

    /// The transaction is to leave the lanes at `after`: claims it, on disk, while the messages arrive.
    pub(super) fn close(&mut self, after: State, catalog: &Catalog) -> Result<Step, Failure> {
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

    /// Sends the records, and waits until all that the transaction has has arrived.
    pub(super) fn drain(&mut self, work: &mut Work<'_>) -> Result<Step, Failure> {
        let Phase::Draining(_, unsent) = &mut self.phase else { return Ok(Step::Again) };
        while let Some((key, value)) = unsent.last() {
            let (key, value) = (key.as_bytes(), value.as_deref().map(str::as_bytes));
            match work.producer.send(&self.topic, Some(key), value, &[], 0, PROGRESS) {
                Ok(()) => drop(unsent.pop()),
                Err(SendError::QueueFull) => break,
                Err(SendError::Fatal(error)) => return self.refused(error),
                Err(
                    SendError::Refused { error, .. } | SendError::TopicUnavailable { error, .. },
                ) => return Err(Failure::from(&error)),
            }
        }
        // An acknowledgement that is missing would have the library wait for it.
        if work.producer.in_flight() > 0 {
            if self.beating.is_some_and(|since| since.elapsed() > BEAT) {
                work.heart.missed(&work.feed.plans, BEAT);
                self.abort(Blame::Told);
                return Ok(Step::Again);
            }
            // Nothing more comes before the commit.
            work.producer.hurry();
            return Ok(Step::Wait(lifecycle::IDLE));
        }
        if !unsent.is_empty() {
            // It is not for want of room: the library takes nothing but the end of it any more.
            self.abort(Blame::of(work.producer, None));
            return Ok(Step::Again);
        }
        let Phase::Draining(after, _) = std::mem::replace(&mut self.phase, Phase::Feeding(None))
        else {
            return Ok(Step::Again);
        };
        self.phase = Phase::Committing(after);
        Ok(Step::Again)
    }

    pub(super) fn commit(&mut self, work: &mut Work<'_>) -> Result<Step, Failure> {
        match work.producer.commit(SLICE) {
            Ok(Ending::Done) => self.committed(work),
            Ok(Ending::NotYet) => Ok(Step::Again),
            Ok(Ending::MustAbort(error)) => {
                self.abort(Blame::Nobody(error));
                Ok(Step::Again)
            }
            Err(error) => self.refused(error),
        }
    }

    /// The commit proves all that the transaction had.
    fn committed(&mut self, work: &mut Work<'_>) -> Result<Step, Failure> {
        lifecycle::set(c"lock_timeout", c"0");
        let Phase::Committing(after) = std::mem::replace(&mut self.phase, Phase::Feeding(None))
        else {
            return Ok(Step::Again);
        };
        let first = !std::mem::replace(&mut self.under_way, true);
        self.beating = None;
        // It shows that what was wrong before is no more: the first one if it could not be begun, one
        // with messages if they were aborted.
        let (had_messages, told) = (!work.feed.is_quiet(), self.aborts.told);
        let clears = if told { had_messages } else { first };
        if had_messages {
            self.aborts = Aborts::default();
        }
        lifecycle::transaction(|| {
            save_proven(work.feed, work.catalog)?;
            for (lane, position) in self.session.iter().flat_map(|session| session.changes(&after))
            {
                position::save(CONSUMER, lane, position)?;
            }
            if clears { lifecycle::clear_error(CONSUMER, 0) } else { Ok(()) }
        })?;
        if let Some(session) = &mut self.session {
            session.committed(after);
        }
        Ok(Step::Again)
    }
}
