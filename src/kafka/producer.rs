//! The producer: messages in, deliveries out, all on the caller's thread.

use super::code::Code;
use super::config::Config;
use super::delivery::{Delivery, SendError, TopicReport};
use super::error::Error;
use super::events::ClientEvent;
use super::health::Health;
use super::listener::Listener;
use super::native::{Client, Message};
use super::transaction::State;
use std::collections::HashSet;
use std::fmt;
use std::io::Read;
use std::mem;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How often metadata is asked for while a topic is in trouble.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Topics that one question is about at most: the library compares each answer with all of them.
const QUESTION: usize = 500;
/// How long messages on their way are hurried: the least that the library knows.
const HURRY: Duration = Duration::from_millis(1);
/// How long a try to abort a transaction takes.
const ABORT_SLICE: Duration = Duration::from_millis(50);
/// How often what waits behind a request that failed is given up, until nothing does.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long it may take to give up what waits, before something is wrong.
const STUCK: Duration = Duration::from_secs(5);
/// How long `Drop` may take.
const DROP_LIMIT: Duration = Duration::from_secs(1);

/// Sends messages, idempotently and in order per partition, until it is closed or fails fatally.
///
/// Nothing happens but in calls: the owner waits for [`wake_fd`](Producer::wake_fd) to become
/// readable (beside whatever else it waits for) and calls [`poll`](Producer::poll).
pub struct Producer {
    /// `None` once closed.
    pub(super) client: Option<Client>,
    pub(super) listener: Listener,
    /// `None` where it sends without transactions.
    pub(super) transaction: Option<State>,
    looked: Option<Instant>,
    /// Topics that are made with one partition.
    in_order: HashSet<String>,
    /// When what waited was last given up, and how soon at the earliest it is again.
    gave_up: Option<(Instant, Duration)>,
    wake_read: UnixStream,
    /// The library's end, kept open as long as the library may write to it.
    wake_write: UnixStream,
}

impl Producer {
    /// Starts a client. It connects in the background; no broker needs to be there.
    ///
    /// Never in a process that forks afterwards: the threads would be missing in the child.
    ///
    /// # Errors
    /// [`Error::NotStarted`] when options contradict each other, or a file that they name cannot
    /// be used.
    pub fn new(config: &Config) -> Result<Producer, Error> {
        let not_started = |reason: String| Error::NotStarted { reason };
        let io = |e: std::io::Error| not_started(format!("no socket pair to wake up by: {e}"));
        let (wake_read, wake_write) = UnixStream::pair().map_err(io)?;
        wake_read.set_nonblocking(true).map_err(io)?;
        wake_write.set_nonblocking(true).map_err(io)?;
        let client =
            Client::new(config.native()?).map_err(|reason| not_started(config.redact(&reason)))?;
        client.wake_on(wake_write.as_raw_fd());
        Ok(Producer {
            client: Some(client),
            listener: Listener::new(config.clone()),
            looked: None,
            in_order: HashSet::new(),
            transaction: config.transactional_id().map(|_| State::New),
            gave_up: None,
            wake_read,
            wake_write,
        })
    }

    /// The configuration that it was made with.
    pub fn config(&self) -> &Config {
        &self.listener.config
    }

    /// A descriptor that is readable when there is something to poll; to wait for, not to read.
    pub fn wake_fd(&self) -> RawFd {
        self.wake_read.as_raw_fd()
    }

    /// Makes the descriptor unreadable until there is something new. `poll` does it by itself; who
    /// calls it alone must poll afterwards, or what is waiting already wakes nobody.
    pub fn drain_wake(&mut self) {
        let mut bytes = [0; 64];
        while matches!(self.wake_read.read(&mut bytes), Ok(n) if n == bytes.len()) {}
    }

    /// Takes a message for sending; key, value and headers are copied. Never blocks, so that a full
    /// queue is an error; no broker being there is none.
    ///
    /// A value of `None` is a tombstone. `timestamp_ms` counts from the Unix epoch, 0 meaning now.
    /// The token comes back with the message's [`Delivery`].
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send(
        &mut self,
        topic: &str,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, &[u8])],
        timestamp_ms: i64,
        token: u64,
    ) -> Result<(), SendError> {
        if let Some(error) = &self.listener.fatal {
            return Err(SendError::Fatal(error.clone()));
        }
        self.open_transaction().map_err(SendError::Fatal)?;
        let Some(client) = &mut self.client else {
            return Err(SendError::Fatal(closed()));
        };
        let message = Message { topic, key, value, headers, timestamp_ms, token };
        match client.produce(&message) {
            Ok(()) => {
                self.listener.pending += 1;
                if client.has_new_topics() {
                    self.create_new_topics();
                }
                Ok(())
            }
            Err(Code::LOCAL_QUEUE_FULL) => Err(SendError::QueueFull),
            // The transaction has to be aborted: the report of the message that failed says so.
            Err(Code::LOCAL_STATE) if self.in_transaction() => Err(SendError::QueueFull),
            Err(code) => {
                let size = key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
                Err(self.not_sent(code, topic, size))
            }
        }
    }

    #[cold]
    fn not_sent(&mut self, code: Code, topic: &str, size: usize) -> SendError {
        if code == Code::LOCAL_FATAL {
            let found = self.client.as_ref().and_then(Client::fatal);
            let (code, reason) = found.unwrap_or((code, String::new()));
            return SendError::Fatal(self.listener.fail(code, &reason));
        }
        let error = match self.listener.of_message(code, topic, code.description()) {
            Error::TooLarge { topic, .. } => {
                Error::TooLarge { topic, size: Some(size), of_broker: false }
            }
            error => error,
        };
        let topic = topic.to_owned();
        if error.is_retriable() {
            SendError::TopicUnavailable { topic, error }
        } else {
            SendError::Refused { topic, size, error }
        }
    }

    /// Makes topics known that are to be sent to soon, with a few questions to the brokers for all of
    /// them: the library asks for each by itself, has messages wait for the answer, and takes the longer to
    /// find a topic the more it knows. Those that do not exist are left as they are.
    pub fn prepare(&mut self, topics: Vec<String>) {
        for question in topics.chunks(QUESTION) {
            self.ask_about(&question.iter().map(String::as_str).collect::<Vec<_>>());
        }
        self.listener.prepared.extend(topics);
    }

    /// Has a topic made with one partition, where it does not exist, so that its messages stay in order.
    pub fn keep_in_order(&mut self, topic: &str) {
        self.in_order.insert(topic.to_owned());
    }

    #[cold]
    fn create_new_topics(&mut self) {
        let new = self.client.as_mut().map(Client::new_topics).unwrap_or_default();
        new.iter().for_each(|topic| self.create(topic));
    }

    /// Asks the brokers to create a topic, unless they were asked just now. Where it exists already,
    /// their answer says so, and nothing is lost.
    fn create(&mut self, topic: &str) {
        let Listener { config, topics, .. } = &mut self.listener;
        let (Some(spec), Some(client)) = (config.topics(), &self.client) else { return };
        let Some(number) = topics.due(topic, Instant::now()) else { return };
        let mut spec = spec.clone();
        if self.in_order.contains(topic) {
            spec.partitions = 1;
        }
        if let Err(reason) = client.create(topic, &spec, number) {
            topics.answered(number, Code::LOCAL_INVALID_ARGUMENT, &reason);
        }
    }

    /// Has what was sent leave at once rather than wait for company: there is nothing more to come. Takes
    /// a millisecond, for which the library's threads are awake.
    pub fn hurry(&mut self) {
        if let Some(client) = &self.client {
            client.flush(HURRY);
        }
    }

    /// Has the partitions go on that were halted when a request of them failed, once nothing is `left` of
    /// their topic here. Until then, what waits behind the request would arrive before it is sent again: it is
    /// given up, which `left` is told, too. Returns whether that has begun; reports follow.
    pub fn clear_halted(&mut self, left: impl Fn(&str, bool) -> bool) -> bool {
        let Some(client) = &mut self.client else { return false };
        self.listener.halted.retain(|(topic, partition), given_up| {
            let stays = left(topic, *given_up);
            if !stays {
                client.resume(topic, *partition);
            }
            stays
        });
        if self.listener.halted.is_empty() {
            self.gave_up = None;
            return false;
        }
        // What was in flight comes back to the queue, and is given up the next time.
        let pause = match self.gave_up {
            Some((at, pause)) if at.elapsed() < pause => return false,
            Some((_, pause)) => LONGEST_PAUSE.min(pause * 2),
            None => FIRST_PAUSE,
        };
        let gives_up = self.wake_write.try_clone().is_ok_and(|done| client.give_up_queue(done));
        if gives_up {
            self.gave_up = Some((Instant::now(), pause));
            self.listener.halted.values_mut().for_each(|given_up| *given_up = true);
        }
        gives_up
    }

    /// Whether what waits is being given up: then what is sent now may be, too. When it no longer is, `poll`
    /// takes all reports.
    pub fn is_giving_up(&self) -> bool {
        self.client.as_ref().is_some_and(Client::is_giving_up)
    }

    /// Whether that takes so long that only another producer goes on: the library waits for each of its threads,
    /// one of which may sit in a DNS look-up.
    pub fn is_stuck(&self) -> bool {
        self.is_giving_up() && self.gave_up.is_some_and(|(since, _)| since.elapsed() > STUCK)
    }

    /// Appends what became of messages, waiting up to the timeout (whole milliseconds) for the
    /// first. Also keeps an eye on the brokers, and is to be called every second or so when there
    /// is nothing to send.
    ///
    /// Deliveries of a partition come in the order of sending, those of different partitions in
    /// any.
    pub fn poll(&mut self, timeout: Duration, deliveries: &mut Vec<Delivery>) {
        self.serve(timeout, |delivery| deliveries.push(delivery));
        for topic in mem::take(&mut self.listener.missing) {
            self.create(&topic);
        }
        for topic in mem::take(&mut self.listener.too_large) {
            if let Some(client) = &self.client {
                client.ask_limit(&topic);
            }
        }
        if let Some(client) = &mut self.client {
            mem::take(&mut self.listener.found).iter().for_each(|topic| client.open(topic));
        }
        self.watch();
    }

    fn serve(&mut self, timeout: Duration, mut deliver: impl FnMut(Delivery)) {
        // Before the queue is read, or a wake-up for what arrives meanwhile would be lost.
        self.drain_wake();
        let Some(client) = &self.client else { return };
        let listener = &mut self.listener;
        let mut timeout = timeout;
        while client.serve(timeout, |happening| listener.take(happening, &mut deliver)) {
            timeout = Duration::ZERO;
        }
    }

    fn watch(&mut self) {
        let now = Instant::now();
        if let Some(client) = &self.client
            && self.listener.tracker.probe_due(now)
        {
            let change =
                self.listener.tracker.probed(client.probe(), self.listener.pending > 0, now);
            self.listener.tell(change);
        }
    }

    /// Asks the brokers, without waiting, whether anything is wrong with these topics. What they
    /// answer is found in `reports`, if they do.
    pub fn ask_about(&self, topics: &[&str]) {
        if let Some(client) = &self.client {
            client.describe(topics);
        }
    }

    /// What the brokers answered to `ask_about` since the last call.
    pub fn reports(&mut self) -> Vec<TopicReport> {
        std::mem::take(&mut self.listener.reports)
    }

    /// How large requests for a topic may be, in bytes: asked for after one was too large, and told once.
    pub fn limits(&mut self) -> Vec<(String, usize)> {
        std::mem::take(&mut self.listener.limits)
    }

    /// Has the library look again, once a second at most, at topics that it holds for missing or
    /// forbidden: by itself it would do so every few minutes.
    pub fn look_again(&mut self) {
        let now = Instant::now();
        if let Some(client) = &self.client
            && self.looked.is_none_or(|at| now.duration_since(at) >= LOOK_EVERY)
        {
            client.probe();
            self.looked = Some(now);
        }
    }

    /// What happened to the connection since the last call, each thing once.
    pub fn events(&mut self) -> Vec<ClientEvent> {
        self.listener.journal.take()
    }

    /// Whether brokers answer, as far as the last `poll` knows.
    pub fn health(&self) -> &Health {
        self.listener.tracker.health()
    }

    /// Whether brokers make us wait between requests, since a quota is used up.
    pub fn is_throttled(&self) -> bool {
        self.listener.throttled.is_some_and(|until| Instant::now() < until)
    }

    /// The error after which nothing can be sent, if there was one.
    pub fn fatal(&self) -> Option<&Error> {
        self.listener.fatal.as_ref()
    }

    /// How many messages were taken and not yet reported by `poll`.
    pub fn in_flight(&self) -> usize {
        self.listener.pending
    }

    /// Aborts the transaction that is open, if there is one and it can be done soon: else consumers wait
    /// until the brokers find out that nobody goes on with it.
    fn abort_within(&mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        while self.transaction == Some(State::Open)
            && Instant::now() < deadline
            && matches!(self.abort(ABORT_SLICE), Ok(false))
        {
            // The library waits for the reports of what it gave up to be taken.
            self.serve(Duration::ZERO, drop);
        }
    }

    /// Ends the client, giving up what is in flight. Later calls do nothing.
    ///
    /// Meant for the owner's end and for a process's exit callback alike, since a process that
    /// exits with the library's threads running may crash in OpenSSL's own exit handler. False if
    /// they still run when the time is over: then end the process by `_exit`.
    pub fn close(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        self.abort_within(limit / 2);
        let Some(client) = self.client.take() else {
            return true;
        };
        self.listener.pending = 0;
        client.purge();
        client.destroy(deadline.saturating_duration_since(Instant::now()))
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.close(DROP_LIMIT);
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("config", &self.listener.config)
            .field("in_flight", &self.listener.pending)
            .field("health", self.health())
            .field("fatal", &self.listener.fatal)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Producer {
    /// Has the library meet a fatal error.
    pub(super) fn break_down(&self) {
        if let Some(client) = &self.client {
            client.break_down();
        }
    }
}

pub(super) fn closed() -> Error {
    Error::Fatal { code: Code::LOCAL_FATAL, reason: "it has been closed".to_owned() }
}
