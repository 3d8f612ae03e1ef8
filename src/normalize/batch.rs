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
    Upsert { fields: Texts, extras: Option<String> },
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

/// The texts of a row's fields, one behind the other: a batch has thousands of rows, and memory of its
/// own for each text takes longer than the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    text: String,
    /// Where each ends; the others are NULL.
    ends: Vec<Option<usize>>,
}

impl Texts {
    pub fn of(fields: &[Option<String>]) -> Texts {
        let length = fields.iter().flatten().map(String::len).sum();
        let mut text = String::with_capacity(length);
        let ends = fields.iter().map(|field| {
            text.push_str(field.as_deref()?);
            Some(text.len())
        });
        let ends = ends.collect();
        Texts { text, ends }
    }

    /// All of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let text = &self.text[start..(*end)?];
            start += text.len();
            Some(text)
        })
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
        let (fields, extras) = (Texts::of(&outcome.fields), outcome.extras.clone());
        let fate = Fate::Upsert { fields, extras };
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
            path: String::new(),
            input: None,
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
    fn texts_are_what_they_are_of() {
        let fields = [None, Some("é".into()), Some(String::new()), None, Some("b".into())];
        let texts = Texts::of(&fields);
        let found: Vec<_> = texts.iter().map(|text| text.map(str::to_string)).collect();
        assert_eq!(found, fields);
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
