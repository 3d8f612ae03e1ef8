//! A batch of one mapping: what its rows come to, each record once. Pure.
//!
//! Rows come in the order of the log, so the last word on a record counts.

use std::collections::HashMap;

use super::outcome::{Outcome, Problem};
use crate::log::change::EventId;

/// What is to happen to a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Its canonical row is to hold these values.
    Upsert { fields: Vec<Option<String>>, extras: Option<String> },
    /// Its canonical row is to go.
    Delete,
    /// It cannot land; the canonical row that it may have had stays as it was. The source row as
    /// JSON.
    Hold { image: String },
}

/// The last word on a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// sfid, or `id:N` where there is none yet.
    pub record: String,
    pub event: EventId,
    pub fate: Fate,
    pub problems: Vec<Problem>,
}

impl Entry {
    /// The value of a field that is to land.
    pub fn field(&self, at: usize) -> Option<&str> {
        match &self.fate {
            Fate::Upsert { fields, .. } => fields.get(at)?.as_deref(),
            _ => None,
        }
    }

    /// The extras that are to land, as JSON.
    pub fn extras(&self) -> Option<&str> {
        match &self.fate {
            Fate::Upsert { extras, .. } => extras.as_deref(),
            _ => None,
        }
    }
}

/// The records of one mapping in one batch.
#[derive(Debug, Default)]
pub struct Batch {
    /// The source was truncated: all rows from before are to go first.
    pub truncated: bool,
    entries: Vec<Entry>,
    by_record: HashMap<String, usize>,
}

impl Batch {
    /// Takes over what a plan made of a row that has its key.
    pub fn upsert(&mut self, record: String, event: EventId, outcome: &mut Outcome) {
        let fate = Fate::Upsert {
            fields: std::mem::take(&mut outcome.fields),
            extras: outcome.extras.take(),
        };
        let problems = std::mem::take(&mut outcome.problems);
        self.put(Entry { record, event, fate, problems });
    }

    /// The record is gone.
    pub fn delete(&mut self, record: String, event: EventId) {
        self.put(Entry { record, event, fate: Fate::Delete, problems: Vec::new() });
    }

    /// The record cannot land.
    pub fn hold(&mut self, record: String, event: EventId, image: String, problems: Vec<Problem>) {
        self.put(Entry { record, event, fate: Fate::Hold { image }, problems });
    }

    /// A row whose image cannot be read, or not all of it. Where not even its key can be, the record is
    /// not known; the event stands for it.
    pub fn undecodable(
        &mut self,
        record: Option<String>,
        event: EventId,
        image: String,
        message: &str,
    ) {
        let problem = Problem {
            field: "*".into(),
            value: None,
            rule: "decode",
            reason: "undecodable",
            message: message.into(),
        };
        let record = record.unwrap_or_else(|| format!("event:{event}"));
        self.hold(record, event, image, vec![problem]);
    }

    /// All records are gone.
    pub fn truncate(&mut self) {
        self.truncated = true;
        self.entries.clear();
        self.by_record.clear();
    }

    fn put(&mut self, entry: Entry) {
        match self.by_record.get(&entry.record) {
            Some(&at) => self.entries[at] = entry,
            None => {
                self.by_record.insert(entry.record.clone(), self.entries.len());
                self.entries.push(entry);
            }
        }
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: i64) -> EventId {
        EventId { seq, ordinal: 0 }
    }

    #[test]
    fn the_last_word_on_a_record_counts() {
        let mut batch = Batch::default();
        batch.upsert("a".into(), event(1), &mut Outcome::default());
        batch.delete("b".into(), event(2));
        batch.delete("a".into(), event(3));
        let fates: Vec<_> =
            batch.entries().iter().map(|entry| (entry.record.as_str(), entry.event.seq)).collect();
        assert_eq!(fates, [("a", 3), ("b", 2)]);
        assert_eq!(batch.entries()[0].fate, Fate::Delete);
    }

    #[test]
    fn a_truncate_forgets_what_came_before() {
        let mut batch = Batch::default();
        batch.delete("a".into(), event(1));
        batch.truncate();
        batch.delete("b".into(), event(2));
        assert!(batch.truncated);
        assert_eq!(batch.entries().len(), 1);
    }
}
