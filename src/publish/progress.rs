//! Exactly once: what the progress topic says, and where to go on.
//!
//! The progress topic holds where the publisher is: a record a lane, the last one of each counting. In
//! one Kafka transaction go messages and the records of all lanes that are elsewhere than the last
//! transaction left them, an org that left the main lane or joined it included. So what the topic says
//! is always the whole state after one transaction, and that state has all messages before it and
//! none after.
//!
//! The database keeps two things. A *claim*, on disk before the transaction is committed, says what the
//! transaction is called: session (a publisher's life) and number. And a copy of the state, written
//! after the commit, is the lower bound up to which the log may be emptied. What the topic says is
//! believed if the claim knows it; if not, somebody else has written it, or the database or the topic
//! is not what it was. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::log::claim::Claim;
use crate::log::lanes::Lanes;
use crate::log::position::MAIN;
use crate::log::snapshot::{Position, Snapshot};

/// Where each lane is.
pub type State = BTreeMap<i32, Position>;

/// What the topic says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The last transaction: its session and its number.
    pub session: String,
    pub transaction: u64,
    pub state: State,
}

/// Where a publisher goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    pub state: State,
    /// As in [`Claim`].
    pub previous: Option<String>,
    /// The number of the last transaction.
    pub transaction: u64,
}

/// What can be between topic and database that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contradiction {
    /// Another publisher wrote last.
    Foreign,
    /// The topic knows of a transaction that the database does not: the database is an earlier one.
    Restored,
    /// The topic has lost what it held.
    Lost,
}

/// Where to go on: where the topic says, if the database knows of it; where the database says, if no
/// transaction since it began to count has been committed. `org_of` says which org a source is of.
pub fn resume(
    claim: Option<&Claim>,
    told: Option<&Told>,
    saved: &State,
    org_of: impl Fn(i32) -> Option<i32>,
) -> Result<Start, Contradiction> {
    let from_database = || Start {
        state: saved.clone(),
        previous: None,
        transaction: told.map_or(0, |told| told.transaction),
    };
    let Some(claim) = claim else { return Ok(from_database()) };
    let known = told.filter(|told| {
        told.session == claim.session || Some(&told.session) == claim.previous.as_ref()
    });
    let Some(told) = known else {
        return match (&claim.previous, told) {
            // The session's first transaction came to nothing, it had begun with the database, and
            // nobody has committed one in its place.
            (None, None) => Ok(from_database()),
            (None, Some(told)) if told.transaction < claim.transaction => Ok(from_database()),
            (_, Some(_)) => Err(Contradiction::Foreign),
            (Some(_), None) => Err(Contradiction::Lost),
        };
    };
    // A claim is on disk before its transaction can be committed, and its session's transactions come
    // one after another: the last one is the claimed one or the one before it.
    if told.transaction > claim.transaction {
        return Err(Contradiction::Restored);
    }
    if told.transaction + 1 < claim.transaction || !covers(&told.state, saved, org_of) {
        return Err(Contradiction::Lost);
    }
    Ok(Start {
        state: told.state.clone(),
        previous: Some(told.session.clone()),
        transaction: told.transaction,
    })
}

/// Whether everything is at least where the other state has it, whichever lanes it is in.
fn covers(state: &State, other: &State, org_of: impl Fn(i32) -> Option<i32>) -> bool {
    let (state, other) = (Lanes::new(state.clone()), Lanes::new(other.clone()));
    let of = |lanes: &Lanes, lane: i32| {
        let has = lane == MAIN || lanes.has(lane);
        lanes.position(if has { lane } else { lanes.parent(lane, &org_of) }).clone()
    };
    let all = [MAIN].into_iter().chain(state.own()).chain(other.own());
    all.into_iter().all(|lane| of(&state, lane).covers(&of(&other, lane)))
}

const CONSUMER: &str = "publisher";

#[derive(Serialize, Deserialize)]
struct Key {
    consumer: String,
    lane: i32,
}

#[derive(Serialize, Deserialize)]
struct Record {
    /// For people: the org of the lane, or the one table of it.
    org: Option<String>,
    seen: String,
    upto: Option<String>,
    last_seq: Option<i64>,
    session: String,
    transaction: u64,
    /// For people: the database that wrote it.
    database: String,
}

/// A record of the progress topic: key and value, `None` for a lane that is no more.
pub type Written = (String, Option<String>);

/// A publisher's life, as far as the topic is concerned.
#[derive(Debug, Clone)]
pub struct Session {
    claim: Claim,
    /// What the topic says now.
    committed: State,
    database: String,
}

impl Session {
    /// Begins with a topic that says `told`. Its first transaction takes the topic to where the start is,
    /// whether there is anything to publish or not, so that others can see who is at work.
    pub fn new(name: String, start: &Start, told: Option<&Told>, database: &str) -> Session {
        let claim = Claim {
            session: name,
            previous: start.previous.clone(),
            transaction: start.transaction + 1,
        };
        let committed = told.map(|told| told.state.clone()).unwrap_or_default();
        Session { claim, committed, database: database.to_owned() }
    }

    /// What the database has to know before the next transaction may be committed.
    pub fn claim(&self) -> &Claim {
        &self.claim
    }

    /// The records that the next transaction ends with, to leave the lanes at `after`. The main lane's is
    /// always among them: it says which transaction the last one is.
    pub fn records(&self, after: &State, org: impl Fn(i32) -> Option<String>) -> Vec<Written> {
        let key = |lane: i32| json(&Key { consumer: CONSUMER.into(), lane });
        let gone = self.committed.keys().filter(|lane| !after.contains_key(lane));
        let gone = gone.map(|&lane| (key(lane), None));
        let moved = after.iter().filter(|(lane, position)| {
            **lane == MAIN || self.committed.get(lane) != Some(position)
        });
        let moved = moved.map(|(&lane, position)| {
            let record = Record {
                org: org(lane),
                seen: position.seen.to_string(),
                upto: position.within.as_ref().map(|(upto, _)| upto.to_string()),
                last_seq: position.within.as_ref().map(|(_, last)| *last),
                session: self.claim.session.clone(),
                transaction: self.claim.transaction,
                database: self.database.clone(),
            };
            (key(lane), Some(json(&record)))
        });
        gone.chain(moved).collect()
    }

    /// What is to be saved once the transaction that leaves the lanes at `after` has been committed.
    pub fn changes<'a>(
        &'a self,
        after: &'a State,
    ) -> impl Iterator<Item = (i32, Option<&'a Position>)> {
        let gone = self.committed.keys().filter(|lane| !after.contains_key(lane));
        let moved = after.iter().filter(|(lane, at)| self.committed.get(lane) != Some(at));
        gone.map(|lane| (*lane, None)).chain(moved.map(|(lane, at)| (*lane, Some(at))))
    }

    /// The transaction has been committed.
    pub fn committed(&mut self, after: State) {
        self.committed = after;
        // From now on the topic has to know of this session: an empty one is one that has lost it.
        self.claim.previous = Some(self.claim.session.clone());
        self.claim.transaction += 1;
    }
}

fn json(value: &impl Serialize) -> String {
    // Strings, numbers and nulls: there is nothing that could fail.
    serde_json::to_string(value).unwrap_or_default()
}

/// A record that is none of ours: its key.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable(pub String);

/// Reads the records of the topic, the last one of each key.
pub fn read(records: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<Option<Told>, Unreadable> {
    let mut state = State::new();
    let mut last = None;
    for (key, value) in records {
        let unreadable = || Unreadable(String::from_utf8_lossy(key).into_owned());
        let found: Key = serde_json::from_slice(key).map_err(|_| unreadable())?;
        let record: Record = serde_json::from_slice(value).map_err(|_| unreadable())?;
        let snapshot = |text: &str| text.parse::<Snapshot>().map_err(|_| unreadable());
        let within = match (&record.upto, record.last_seq) {
            (Some(upto), Some(last)) => Some((snapshot(upto)?, last)),
            _ => None,
        };
        state.insert(found.lane, Position { seen: snapshot(&record.seen)?, within });
        if found.lane == MAIN {
            last = Some((record.session, record.transaction));
        }
    }
    match last {
        Some((session, transaction)) => Ok(Some(Told { session, transaction, state })),
        None if state.is_empty() => Ok(None),
        None => Err(Unreadable("the main lane's record is missing".into())),
    }
}

#[cfg(test)]
#[path = "progress_test.rs"]
mod tests;
