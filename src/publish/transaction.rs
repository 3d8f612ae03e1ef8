//! Transaction metadata: which transaction an event belongs to, and where each begins and ends, as
//! Debezium tells it (`provide.transaction.metadata`).
//!
//! A transaction is told by org: what one org's tables (or the canonical tables) changed in it. So an
//! org that waits keeps no other from telling that a transaction has ended, and learns nothing of
//! others. Its id is `XID:ORG`.
//!
//! Numbers are counted from the log, not as messages go out: all chunks of a transaction are committed
//! together, and the log keeps them until the last of them is published. So they are the same however
//! often, and from where on, it is published again.

use std::collections::BTreeMap;

use super::json;
use super::schema::{self, plain, structure};
use crate::row::text::Out;

/// Where an event is in its transaction.
#[derive(Debug, Clone)]
pub struct Orders<'a> {
    pub id: &'a str,
    /// Events of the transaction before it, and of the same table.
    pub total: u64,
    pub collection: u64,
}

impl Orders<'_> {
    /// Appends the block of the next event.
    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        self.total += 1;
        self.collection += 1;
        out.put("{\"id\":");
        json::string(out, self.id);
        out.put(",\"total_order\":");
        json::integer(out, self.total);
        out.put(",\"data_collection_order\":");
        json::integer(out, self.collection);
        out.push(b'}');
    }
}

/// The events of one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counted {
    seq: i64,
    /// Events of the transaction before the chunk's, and of its source.
    total: u64,
    collection: u64,
}

/// What one org did in a transaction.
#[derive(Debug, Default)]
pub struct Transaction {
    id: String,
    /// The chunks that become events, by number.
    chunks: Vec<Counted>,
    /// The last chunk looked at, which may have become none.
    last: i64,
    total: u64,
    by_source: BTreeMap<i32, (String, u64)>,
}

impl Transaction {
    pub fn new(xid: u64, org: &str) -> Transaction {
        Transaction { id: format!("{xid}:{org}"), ..Transaction::default() }
    }

    /// Counts the next chunk, in the order of numbers. `collection` is its table.
    pub fn count(&mut self, seq: i64, source: i32, collection: &str, events: u64) {
        self.last = seq;
        if events == 0 {
            return;
        }
        let of_source =
            &mut self.by_source.entry(source).or_insert_with(|| (collection.to_owned(), 0)).1;
        self.chunks.push(Counted { seq, total: self.total, collection: *of_source });
        self.total += events;
        *of_source += events;
    }

    /// Where the events of a chunk begin.
    pub fn orders(&self, seq: i64) -> Option<Orders<'_>> {
        let at = self.chunks.binary_search_by_key(&seq, |chunk| chunk.seq).ok()?;
        let Counted { total, collection, .. } = self.chunks[at];
        Some(Orders { id: &self.id, total, collection })
    }

    pub fn begins_with(&self, seq: i64) -> bool {
        self.chunks.first().is_some_and(|first| first.seq == seq)
    }

    pub fn ends_with(&self, seq: i64) -> bool {
        self.chunks.last().is_some_and(|last| last.seq == seq)
    }

    /// Whether nothing of it comes at or after this number.
    pub fn is_over(&self, seq: i64) -> bool {
        self.last <= seq
    }

    /// The key of the messages that tell of it.
    pub fn key(&self, schemas: bool) -> Vec<u8> {
        let mut out = Vec::new();
        if schemas {
            let members = [plain("string", false, "id")];
            let name = "io.debezium.connector.common.TransactionMetadataKey";
            out.put(&schema::before_payload(&structure(&members, name, Some(1), false, "")));
        }
        out.put("{\"id\":");
        json::string(&mut out, &self.id);
        out.put(if schemas { "}}" } else { "}" });
        out
    }

    /// The message that says that it begins (`false`) or ends.
    pub fn value(&self, ends: bool, at_ms: i64, schemas: bool) -> Vec<u8> {
        let mut out = Vec::new();
        if schemas {
            out.put(&schema::before_payload(&value_schema()));
        }
        out.put(if ends { "{\"status\":\"END\",\"id\":" } else { "{\"status\":\"BEGIN\",\"id\":" });
        json::string(&mut out, &self.id);
        if ends {
            out.put(",\"event_count\":");
            json::integer(&mut out, self.total);
            out.put(",\"data_collections\":[");
            for (at, (collection, events)) in self.by_source.values().enumerate() {
                out.put(if at > 0 { ",{\"data_collection\":" } else { "{\"data_collection\":" });
                json::string(&mut out, collection);
                out.put(",\"event_count\":");
                json::integer(&mut out, *events);
                out.push(b'}');
            }
            out.push(b']');
        } else {
            out.put(",\"event_count\":null,\"data_collections\":null");
        }
        out.put(",\"ts_ms\":");
        json::integer(&mut out, at_ms);
        out.put(if schemas { "}}" } else { "}" });
        out
    }
}

fn value_schema() -> String {
    let members = [plain("string", false, "data_collection"), plain("int64", false, "event_count")];
    let collection = structure(&members, "event.collection", Some(1), true, "");
    let collections = format!(
        "{{\"type\":\"array\",\"items\":{collection},\"optional\":true,\"field\":\"data_collections\"}}"
    );
    let members = [
        plain("string", false, "status"),
        plain("string", false, "id"),
        plain("int64", true, "event_count"),
        collections,
        plain("int64", false, "ts_ms"),
    ];
    let name = "io.debezium.connector.common.TransactionMetadataValue";
    structure(&members, name, Some(1), false, "")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn example() -> Transaction {
        let mut transaction = Transaction::new(571, "acme");
        transaction.count(10, 1, "acme.lead", 3);
        transaction.count(12, 2, "acme.contact", 2);
        transaction.count(13, 2, "acme.contact", 0);
        transaction.count(15, 1, "acme.lead", 1);
        transaction
    }

    #[test]
    fn events_are_numbered_from_any_chunk_on() {
        let mut transaction = example();
        let at = |seq| transaction.orders(seq).map(|orders| (orders.total, orders.collection));
        assert_eq!(
            (at(10), at(12), at(13), at(15)),
            (Some((0, 0)), Some((3, 0)), None, Some((5, 3)))
        );
        let mut out = Vec::new();
        let mut orders = transaction.orders(15).unwrap();
        orders.write(&mut out);
        assert_eq!(out, br#"{"id":"571:acme","total_order":6,"data_collection_order":4}"#);
        assert!(transaction.begins_with(10) && !transaction.begins_with(12));
        assert!(transaction.ends_with(15) && !transaction.ends_with(13));
        assert!(transaction.is_over(15) && !transaction.is_over(12));
        transaction.count(16, 2, "acme.contact", 0);
        assert!(transaction.is_over(16) && !transaction.is_over(15) && transaction.ends_with(15));
    }

    #[test]
    fn beginnings_and_ends_are_debeziums() {
        let transaction = example();
        assert_eq!(transaction.key(false), br#"{"id":"571:acme"}"#);
        let value = |ends, schemas| {
            serde_json::from_slice::<Json>(&transaction.value(ends, 7, schemas)).unwrap()
        };
        let begin = json!({"status": "BEGIN", "id": "571:acme", "event_count": null,
            "data_collections": null, "ts_ms": 7});
        let end = json!({"status": "END", "id": "571:acme", "event_count": 6,
            "data_collections": [{"data_collection": "acme.lead", "event_count": 4},
                                 {"data_collection": "acme.contact", "event_count": 2}],
            "ts_ms": 7});
        assert_eq!((value(false, false), value(true, false)), (begin.clone(), end.clone()));
        assert_eq!((&value(false, true)["payload"], &value(true, true)["payload"]), (&begin, &end));
        let key: Json = serde_json::from_slice(&transaction.key(true)).unwrap();
        assert_eq!(key["payload"], json!({"id": "571:acme"}));
    }
}
