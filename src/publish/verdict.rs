//! Verdict: what brokers have said of an org's messages, so that culprits need not be looked for.
//!
//! A broker that finds records invalid mostly says which of the request. One that finds a request too
//! large does not, but can be asked how large the topic's may be. What is known counts for as long as
//! the org is sent with care: after that, an admin may have changed it. Pure.

use std::collections::HashMap;

use crate::kafka::{Error, Named};

/// What is known of an org's messages.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How large a request may be, by topic, in bytes.
    limits: HashMap<String, usize>,
    /// Messages that are never taken, and why.
    refused: Vec<(Named, Error)>,
}

impl Verdict {
    pub fn learn(&mut self, topic: &str, bytes: usize) {
        self.limits.insert(topic.to_owned(), bytes);
    }

    pub fn refuse(&mut self, message: Named, error: Error) {
        if !self.refused.iter().any(|(known, _)| *known == message) {
            self.refused.push((message, error));
        }
    }

    /// The smallest of the limits that are known.
    pub fn smallest_limit(&self) -> Option<usize> {
        self.limits.values().copied().min()
    }

    /// How large a request for a topic may be.
    pub fn limit(&self, topic: &str) -> Option<usize> {
        self.limits.get(topic).copied()
    }

    /// Why a message is never taken.
    pub fn on(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, &[u8])],
    ) -> Option<&Error> {
        // The usual case: nothing is known.
        if self.refused.is_empty() {
            return None;
        }
        let is = |(named, _): &&(Named, Error)| named.is(topic, key, value, headers);
        self.refused.iter().find(is).map(|(_, error)| error)
    }
}
