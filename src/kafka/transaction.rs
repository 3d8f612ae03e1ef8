//! A producer's transactions: all messages between two commits become visible together, or none
//! (to consumers that read with `isolation.level=read_committed`).
//!
//! No call waits longer than its limit, so that the owner can look after other things in between; a
//! call that is not done is made again. What cannot be told apart is not guessed: after an error that
//! is neither "again" nor "abort", the owner drops the producer and begins with what Kafka holds.

use super::code::Code;
use super::error::Error;
use super::native::Refused;
use super::producer::Producer;
use std::time::Duration;

/// Where a transactional producer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Predecessors may still be at work.
    New,
    /// No transaction is open; the next message opens one.
    Ready,
    Open,
    /// Whether it will have been committed is the brokers' to say: nothing else may be tried.
    Committing,
}

/// How ending a transaction went.
#[derive(Debug)]
pub enum Ending {
    Done,
    /// Call again.
    NotYet,
    /// It cannot be committed, and has to be aborted.
    MustAbort(Error),
}

impl Producer {
    /// Ends what predecessors with the same `transactional.id` left open, and keeps them from doing
    /// anything more. False: call again.
    ///
    /// # Errors
    /// What the brokers refuse; this producer is of no more use then.
    pub fn init_transactions(&mut self, limit: Duration) -> Result<bool, Error> {
        let Some(client) = &self.client else { return Err(super::producer::closed()) };
        match client.init_transactions(limit) {
            Ok(()) => {
                self.transaction = Some(State::Ready);
                Ok(true)
            }
            Err(refused) if refused.again => Ok(false),
            Err(refused) => Err(self.spent(refused)),
        }
    }

    /// Whether messages were sent that no commit has made visible.
    pub fn in_transaction(&self) -> bool {
        matches!(self.transaction, Some(State::Open | State::Committing))
    }

    /// Opens a transaction before the first message, where there are transactions.
    pub(super) fn open_transaction(&mut self) -> Result<(), Error> {
        if self.transaction != Some(State::Ready) {
            return Ok(());
        }
        self.listener.kept_out = None;
        let Some(client) = &self.client else { return Err(super::producer::closed()) };
        client.begin_transaction().map_err(|refused| self.spent(refused))?;
        self.transaction = Some(State::Open);
        Ok(())
    }

    /// Commits. To be called when nothing is in flight any more: the library would wait for deliveries
    /// that only [`poll`](Producer::poll) takes.
    ///
    /// # Errors
    /// Whether it was committed is not known, but to the next producer with the same id after its
    /// `init_transactions`.
    pub fn commit(&mut self, limit: Duration) -> Result<Ending, Error> {
        let Some(client) = &self.client else { return Err(super::producer::closed()) };
        self.transaction = Some(State::Committing);
        match client.commit_transaction(limit) {
            Ok(()) => {
                self.transaction = Some(State::Ready);
                Ok(Ending::Done)
            }
            Err(refused) if refused.again => Ok(Ending::NotYet),
            Err(refused) if refused.abort => {
                self.transaction = Some(State::Open);
                Ok(Ending::MustAbort(self.aborted(refused)))
            }
            Err(refused) => Err(self.spent(refused)),
        }
    }

    /// Aborts: what was sent since the last commit is never seen by those who read what is committed.
    /// The messages that it gives up are reported as failed by [`poll`](Producer::poll), which has to be
    /// called in between.
    ///
    /// # Errors
    /// As for [`commit`](Producer::commit).
    pub fn abort(&mut self, limit: Duration) -> Result<bool, Error> {
        let Some(client) = &self.client else { return Err(super::producer::closed()) };
        match client.abort_transaction(limit) {
            Ok(()) => {
                self.transaction = Some(State::Ready);
                Ok(true)
            }
            Err(refused) if refused.again => Ok(false),
            Err(refused) => Err(self.spent(refused)),
        }
    }

    /// Why the transaction that is open has to be aborted, if so.
    pub fn must_abort(&mut self) -> Option<Error> {
        if self.transaction != Some(State::Open) {
            return None;
        }
        // Refused in any case, one being open; of one that has failed, the library says why.
        let refused = self.client.as_ref()?.begin_transaction().err()?;
        refused.abort.then(|| self.aborted(refused))
    }

    fn aborted(&self, refused: Refused) -> Error {
        let reason = self.listener.config.redact(&refused.reason);
        match &self.listener.kept_out {
            Some(topic) => Error::of_message(refused.code, topic, &reason),
            None => Error::Aborted { code: refused.code, reason },
        }
    }

    /// Why this producer can do nothing more, if so.
    pub fn spent_by(&self) -> Option<Error> {
        let (code, reason) = self.client.as_ref()?.fatal()?;
        Some(self.of_transaction(code, &reason))
    }

    fn spent(&self, refused: Refused) -> Error {
        let of_call = || self.of_transaction(refused.code, &refused.reason);
        self.spent_by().unwrap_or_else(of_call)
    }

    /// Sorts an error by what it means for transactions.
    fn of_transaction(&self, code: Code, reason: &str) -> Error {
        let reason = self.listener.config.redact(reason);
        let id = self.listener.config.transactional_id().unwrap_or_default().to_owned();
        match code {
            Code::LOCAL_FENCED | Code::PRODUCER_FENCED | Code::INVALID_PRODUCER_EPOCH => {
                Error::Fenced { id }
            }
            Code::TRANSACTIONAL_ID_DENIED
            | Code::CLUSTER_DENIED
            | Code::LOCAL_UNSUPPORTED
            | Code::INVALID_TRANSACTION_TIMEOUT => Error::NoTransactions { id, code, reason },
            code => Error::Fatal { code, reason },
        }
    }
}
