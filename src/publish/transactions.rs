//! Counting transactions from the log, each once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::rc::Rc;

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
use crate::log::read::{self, Fetcher, Visible};
use crate::pg::server::Here;
use crate::row::image::Malformed;

/// Where chunks are looked up.
pub struct Log<'a> {
    pub objects: &'a Objects,
    pub visible: &'a Visible,
    pub fetcher: &'a Fetcher<'a>,
}

/// The transactions that are being published, by id and org.
#[derive(Debug, Default)]
pub struct Transactions {
    known: BTreeMap<(u64, i32), Rc<Transaction>>,
}

impl Transactions {
    /// What an org did in the transaction of a chunk; `None` where that is not told. Rows that a
    /// backfill read are in none, as with Debezium.
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
    ) -> Result<Option<Rc<Transaction>>> {
        if head.op == Op::Read || !plans.tells_transactions() {
            return Ok(None);
        }
        self.known(head, org, || count(head.xid, org, catalog, plans, log)).map(Some)
    }

    /// Counted when its first chunk comes, and known until the last one has passed.
    fn known(
        &mut self,
        head: &ChunkHead,
        org: i32,
        count: impl FnOnce() -> Result<Transaction>,
    ) -> Result<Rc<Transaction>> {
        Ok(match self.known.entry((head.xid, org)) {
            Entry::Occupied(known) => Rc::clone(known.get()),
            Entry::Vacant(new) => Rc::clone(new.insert(Rc::new(count()?))),
        })
    }

    /// A chunk has been published; what ends with it is not needed any more.
    pub fn passed(&mut self, head: &ChunkHead, org: i32) {
        if self.known.get(&(head.xid, org)).is_some_and(|transaction| transaction.is_over(head.seq))
        {
            self.known.remove(&(head.xid, org));
        }
    }

    pub fn clear(&mut self) {
        self.known.clear();
    }
}

fn count(
    xid: u64,
    org: i32,
    catalog: &Catalog,
    plans: &mut Plans,
    log: &Log<'_>,
) -> Result<Transaction> {
    let name = catalog.orgs.values().find(|known| known.id == org);
    let mut transaction =
        Transaction::new(xid, name.map_or(CANONICAL_NAME, |org| org.name.as_str()));
    let mut scratch = Scratch::default();
    let of_org = |source| catalog.org_of(source) == Some(org);
    for reference in read::of_transaction(log.objects, log.visible, xid, of_org) {
        log.fetcher.fetch(&reference, |head, images| {
            if head.op == Op::Read || plans.skips(head.op) {
                return Ok(());
            }
            let compiled = plans.get(catalog, head.source, head.layout)?;
            let mut events = 0;
            if compiled.plan.is_one_each(head.op) {
                events = u64::try_from(head.rows.max(1)).unwrap_or(1);
            } else {
                chunk::for_each_change(head.op, images, &compiled.layout, |_, row| {
                    let (old, new) = (row.old.as_deref(), row.new.as_deref());
                    // A damaged row becomes no event.
                    let one = compiled.plan.count(head.op, old, new, &Here, &mut scratch);
                    events += one.unwrap_or(0);
                    Ok::<(), Malformed>(())
                })?;
            }
            if let Some(source) = catalog.sources.get(&head.source) {
                transaction.count(head.seq, head.source, &naming::name(source), events);
            }
            Ok(())
        })?;
        pgrx::check_for_interrupts!();
    }
    Ok(transaction)
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
    use crate::log::change::Origin;

    /// Chunks that a filter leaves nothing of, behind all others.
    #[test]
    fn a_transaction_is_counted_once_whatever_becomes_of_its_last_chunks() {
        let chunk = |seq| ChunkHead {
            seq,
            xid: 7,
            source: 1,
            layout: 1,
            op: Op::Create,
            origin: Origin::Application,
            at: 0,
            rows: 1,
        };
        let mut transactions = Transactions::default();
        let mut counts = 0;
        for seq in 1..=100 {
            let known = transactions.known(&chunk(seq), 5, || {
                counts += 1;
                let mut transaction = Transaction::new(7, "acme");
                (1..=100)
                    .for_each(|seq| transaction.count(seq, 1, "acme.lead", u64::from(seq < 3)));
                Ok(transaction)
            });
            assert!(known.is_ok());
            transactions.passed(&chunk(seq), 5);
        }
        assert_eq!((counts, transactions.known.len()), (1, 0));
    }
}
