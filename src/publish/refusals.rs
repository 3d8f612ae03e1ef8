//! Records whose last change Kafka would not take. When it has acknowledged a later change of such a
//! record, that is what consumers have of it, and the problem is over. Pure.

use std::collections::HashMap;

use crate::log::change::EventId;
use crate::row::name;

/// A record: number of the source, and the message's key, [hashed](name::of) if it is too long.
pub type Record = (i32, String);

#[derive(Debug, Default)]
pub struct Refusals {
    /// The change that was refused, by source and key.
    refused: HashMap<i32, HashMap<String, String>>,
    /// The part of the window that has the first later change of it on its way.
    later: HashMap<Record, u64>,
}

impl Refusals {
    /// A change was refused.
    pub fn add(&mut self, (source, key): Record, event: String) {
        let record = (source, name::of(&key).into_owned());
        self.later.remove(&record);
        self.refused.entry(source).or_default().insert(record.1, event);
    }

    /// These are all refused changes, each with its source and key (hashed if it is
    /// too long). What is on its way stays known.
    pub fn replace(&mut self, all: Vec<(i32, String, String)>) {
        self.refused.clear();
        for (source, key, event) in all {
            self.refused.entry(source).or_default().insert(key, event);
        }
        let refused = &self.refused;
        self.later.retain(|(source, key), _| {
            refused.get(source).is_some_and(|keys| keys.contains_key(key))
        });
    }

    /// A message was taken for sending. Of the refused change itself, its tombstone may be small enough
    /// to be sent; that mends nothing.
    pub fn sent(&mut self, source: i32, key: &[u8], event: EventId, token: u64) {
        // Of most sources nothing was refused.
        let Some(keys) = self.refused.get(&source) else { return };
        let Ok(key) = std::str::from_utf8(key) else { return };
        let key = name::of(key);
        if keys.get(&*key).is_some_and(|refused| *refused != event.to_string()) {
            self.later.entry((source, key.into_owned())).or_insert(token);
        }
    }

    /// These parts will be sent again.
    pub fn give_up(&mut self, is_given_up: impl Fn(u64) -> bool) {
        self.later.retain(|_, token| !is_given_up(*token));
    }

    /// What is on its way is no longer waited for.
    pub fn give_up_all(&mut self) {
        self.later.clear();
    }

    /// Takes out the records that are mended: of which a later change is no longer on its way.
    pub fn mended(&mut self, is_on_its_way: impl Fn(u64) -> bool) -> Vec<Record> {
        let arrived = self.later.extract_if(|_, token| !is_on_its_way(*token));
        let mended: Vec<Record> = arrived.map(|(record, _)| record).collect();
        for (source, key) in &mended {
            if let Some(keys) = self.refused.get_mut(source) {
                keys.remove(key);
                if keys.is_empty() {
                    self.refused.remove(source);
                }
            }
        }
        mended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: i64) -> EventId {
        EventId { seq, ordinal: 0 }
    }

    fn refused() -> Refusals {
        let mut refusals = Refusals::default();
        refusals.add((1, "a".into()), "7.0".into());
        refusals
    }

    #[test]
    fn a_later_change_mends_a_record_when_it_has_arrived() {
        let mut refusals = refused();
        refusals.sent(1, b"a", event(7), 1);
        refusals.sent(2, b"a", event(8), 1);
        refusals.sent(1, b"b", event(8), 1);
        assert_eq!(refusals.mended(|_| false), []);
        refusals.sent(1, b"a", event(8), 2);
        assert_eq!(refusals.mended(|token| token == 2), []);
        assert_eq!(refusals.mended(|_| false), [(1, "a".to_string())]);
        assert_eq!(refusals.mended(|_| false), []);
    }

    #[test]
    fn a_record_with_a_long_key_is_mended_too() {
        let long = "k".repeat(5000);
        let mut refusals = Refusals::default();
        refusals.add((1, long.clone()), "7.0".into());
        refusals.sent(1, long.as_bytes(), event(8), 1);
        let mended = refusals.mended(|_| false);
        assert_eq!(mended, [(1, name::of(&long).into_owned())]);
    }

    #[test]
    fn what_was_given_up_or_refused_in_its_turn_mends_nothing() {
        let mut refusals = refused();
        refusals.sent(1, b"a", event(8), 2);
        refusals.give_up(|token| token == 2);
        assert_eq!(refusals.mended(|_| false), []);
        refusals.sent(1, b"a", event(8), 3);
        refusals.add((1, "a".into()), "9.0".into());
        assert_eq!(refusals.mended(|_| false), []);
    }
    #[test]
    fn what_is_on_its_way_mends_though_definitions_change_meanwhile() {
        let mut refusals = refused();
        refusals.add((1, "b".into()), "7.1".into());
        refusals.sent(1, b"a", event(8), 2);
        refusals.sent(1, b"b", event(8), 2);
        refusals.replace(vec![(1, "a".into(), "7.0".into())]);
        assert_eq!(refusals.mended(|_| false), [(1, "a".to_string())]);
    }

    #[test]
    fn of_many_later_changes_one_is_remembered() {
        let mut refusals = refused();
        for seq in 8..1000 {
            refusals.sent(1, b"a", event(seq), seq as u64);
            refusals.sent(1, b"b", event(seq), seq as u64);
        }
        assert_eq!(refusals.later.len(), 1);
        assert_eq!(refusals.mended(|token| token > 8), [(1, "a".to_string())]);
    }
}
