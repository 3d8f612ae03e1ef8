//! Counting transactions from the log, each once.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::vec::IntoIter;

use super::envelope::Scratch;
use super::message::Message;
use super::naming;
use super::plans::Plans;
use super::transaction::Transaction;
use crate::catalog::{CANONICAL_NAME, Catalog};
use crate::error::Result;
use crate::log::change::{ChunkHead, EventId, Op};
use crate::log::chunk;
use crate::log::objects::Objects;
use crate::log::read::{self, Fetcher, Reference, Visible};
use crate::pg::server::Here;
use crate::row::image::Malformed;

/// Where chunks are looked up.
pub struct Log<'a> {
    pub objects: &'a Objects,
    pub visible: &'a Visible,
    pub fetcher: &'a Fetcher<'a>,
}

/// Chunks that are counted in one turn of a lane: others are not to wait for millions of rows.
const TURN_CHUNKS: usize = 512;

/// What is known of a chunk's transaction.
pub enum Known {
    /// It is not told of.
    Untold,
    /// It is large, and is still being counted.
    NotYet,
    Counted(Rc<Transaction>),
}

/// The transactions that are being published, by id and org.
#[derive(Debug, Default)]
pub struct Transactions {
    counts: BTreeMap<(u64, i32), Count>,
}

#[derive(Debug)]
enum Count {
    /// These chunks are to be counted yet.
    Begun(Transaction, IntoIter<Reference>),
    Whole(Rc<Transaction>),
}

impl Transactions {
    /// What an org did in the transaction of a chunk. Rows that a backfill read are in none, as with
    /// Debezium.
    ///
    /// # Errors
    /// What keeps one of the org's sources from being published.
    pub fn get(
        &mut self,
        head: &ChunkHead,
        org: i32,
        catalog: &Catalog,
        plans: &mut Plans,
        log: &Log<'_>,
    ) -> Result<Known> {
        if head.op == Op::Read || !plans.tells_transactions() {
            return Ok(Known::Untold);
        }
        let begin = || {
            let name = catalog.orgs.values().find(|known| known.id == org);
            let name = name.map_or(CANONICAL_NAME, |org| org.name.as_str());
            let of_org = |source| catalog.org_of(source) == Some(org);
            let chunks = read::of_transaction(log.objects, log.visible, head.xid, of_org);
            (Transaction::new(head.xid, name), chunks)
        };
        let mut scratch = Scratch::default();
        self.known(head, org, begin, |transaction, chunk| {
            count(transaction, chunk, catalog, plans, log, &mut scratch)
        })
    }

    /// Counted when its first chunk comes, and known until the last one has passed.
    fn known(
        &mut self,
        head: &ChunkHead,
        org: i32,
        begin: impl FnOnce() -> (Transaction, Vec<Reference>),
        mut count: impl FnMut(&mut Transaction, &Reference) -> Result<()>,
    ) -> Result<Known> {
        let id = (head.xid, org);
        let known = self.counts.entry(id).or_insert_with(|| {
            let (transaction, chunks) = begin();
            Count::Begun(transaction, chunks.into_iter())
        });
        let (transaction, chunks) = match known {
            Count::Whole(transaction) => return Ok(Known::Counted(Rc::clone(transaction))),
            Count::Begun(transaction, chunks) => (transaction, chunks),
        };
        let mut turn = chunks.by_ref().take(TURN_CHUNKS);
        let outcome = turn.try_for_each(|chunk| count(transaction, &chunk));
        if let Err(error) = outcome {
            // It begins anew when the source can be published.
            self.counts.remove(&id);
            return Err(error);
        }
        if !chunks.as_slice().is_empty() {
            return Ok(Known::NotYet);
        }
        let whole = Rc::new(std::mem::take(transaction));
        *known = Count::Whole(Rc::clone(&whole));
        Ok(Known::Counted(whole))
    }

    /// A chunk has been published; what ends with it is not needed any more.
    pub fn passed(&mut self, head: &ChunkHead, org: i32) {
        let known = self.counts.get(&(head.xid, org));
        if matches!(known, Some(Count::Whole(transaction)) if transaction.is_over(head.seq)) {
            self.counts.remove(&(head.xid, org));
        }
    }

    pub fn clear(&mut self) {
        self.counts.clear();
    }
}

/// Counts one chunk.
fn count(
    transaction: &mut Transaction,
    chunk: &Reference,
    catalog: &Catalog,
    plans: &mut Plans,
    log: &Log<'_>,
    scratch: &mut Scratch,
) -> Result<()> {
    log.fetcher.fetch(chunk, |head, images| {
        if head.op == Op::Read || plans.skips(head.op) {
            return Ok(());
        }
        let compiled = plans.get(catalog, head.source, head.layout)?;
        let mut events = 0;
        if compiled.plan.is_one_each(head) {
            events = u64::try_from(head.rows.max(1)).unwrap_or(1);
        } else {
            chunk::for_each_change(head.op, images, &compiled.layout, |_, row| {
                let (old, new) = (row.old.as_deref(), row.new.as_deref());
                // Of a row whose key cannot be read there is no event. Nor is there of one that is damaged
                // elsewhere, but to find that out would be to encode each row twice.
                events += compiled.plan.count(head, old, new, &Here, scratch).unwrap_or(0);
                Ok::<(), Malformed>(())
            })?;
        }
        if let Some(source) = catalog.sources.get(&head.source) {
            transaction.count(head.seq, head.source, &naming::name(source), events);
        }
        Ok(())
    })?;
    pgrx::check_for_interrupts!();
    Ok(())
}

/// What is said where a transaction begins or ends.
pub struct Told {
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Told {
    pub fn new(transaction: &Transaction, ends: bool, head: &ChunkHead, schemas: bool) -> Told {
        let at_ms = head.at.div_euclid(1000);
        Told { key: transaction.key(schemas), value: transaction.value(ends, at_ms, schemas) }
    }

    pub fn message<'a>(&'a self, topic: &'a str, head: &ChunkHead, now_us: i64) -> Message<'a> {
        Message {
            topic,
            key: Some(&self.key),
            value: Some(&self.value),
            headers: &[],
            timestamp_ms: now_us.div_euclid(1000),
            event: EventId { seq: head.seq, ordinal: 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::log::change::Origin;

    fn chunk(seq: i64) -> ChunkHead {
        ChunkHead {
            seq,
            xid: 7,
            source: 1,
            layout: 1,
            op: Op::Create,
            origin: Origin::Application,
            at: 0,
            rows: 1,
        }
    }

    fn begin(chunks: i64) -> (Transaction, Vec<Reference>) {
        let chunks = (1..=chunks).map(|seq| Reference::new(seq, 1)).collect();
        (Transaction::new(7, "acme"), chunks)
    }

    /// Chunks that a filter leaves nothing of, behind all others.
    #[test]
    fn a_transaction_is_counted_once_whatever_becomes_of_its_last_chunks() {
        let mut transactions = Transactions::default();
        let mut counts = 0;
        for seq in 1..=100 {
            let known = transactions.known(
                &chunk(seq),
                5,
                || begin(100),
                |transaction, chunk| {
                    counts += 1;
                    transaction.count(chunk.seq, 1, "acme.lead", u64::from(chunk.seq < 3));
                    Ok(())
                },
            );
            assert!(matches!(known, Ok(Known::Counted(_))));
            transactions.passed(&chunk(seq), 5);
        }
        assert_eq!((counts, transactions.counts.len()), (100, 0));
    }

    #[test]
    fn a_large_transaction_is_counted_in_turns_and_anew_after_an_error() {
        let mut transactions = Transactions::default();
        let chunks = 3 * TURN_CHUNKS as i64;
        let mut turn = |fails: i64| {
            let count = |transaction: &mut Transaction, chunk: &Reference| {
                if chunk.seq == fails {
                    return Err(Error::state("it cannot be published", "Wait."));
                }
                transaction.count(chunk.seq, 1, "acme.lead", 2);
                Ok(())
            };
            transactions.known(&chunk(1), 5, || begin(chunks), count)
        };
        assert!(matches!(turn(0), Ok(Known::NotYet)));
        assert!(turn(chunks / 2).is_err());
        assert!(matches!((turn(0), turn(0)), (Ok(Known::NotYet), Ok(Known::NotYet))));
        let Ok(Known::Counted(whole)) = turn(0) else { panic!("it is not counted") };
        let value = String::from_utf8(whole.value(true, 0, false)).unwrap();
        assert!(value.contains(&format!("\"event_count\":{},", 2 * chunks)), "{value}");
    }
}
