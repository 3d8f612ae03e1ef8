//! The messages that a chunk becomes, in order, with those that tell where its transaction begins and
//! ends.

use super::envelope::Scratch;
use super::message::{EncodeError, Message};
use super::plans::Compiled;
use super::transaction::Transaction;
use super::transactions::Told;
use crate::log::change::{ChunkHead, EventId};
use crate::log::chunk;
use crate::pg::server::Here;
use crate::row::image::Malformed;

/// A chunk, and all that its messages are made with.
pub struct Events<'a> {
    pub head: &'a ChunkHead,
    pub images: &'a [u8],
    pub compiled: &'a Compiled,
    pub transaction: Option<&'a Transaction>,
    pub transaction_topic: &'a str,
    pub schemas: bool,
    /// When they are made, in microseconds since 1970-01-01 UTC.
    pub now_us: i64,
}

/// What comes of one change, message by message.
pub enum Event<'a> {
    Message(Message<'a>),
    /// Its row is damaged: there is none.
    Damaged(EventId, Malformed),
    /// A record is gone whose message key is not known: there is none.
    NoKey(EventId),
}

impl Events<'_> {
    /// Hands everything to `each`, in order.
    pub fn each<E: From<Malformed>>(
        &self,
        scratch: &mut Scratch,
        each: &mut dyn FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Events { head, images, compiled, now_us, .. } = *self;
        if let Some(begins) = self.transaction.filter(|of| of.begins_with(head.seq)) {
            self.tell(begins, false, each)?;
        }
        let mut orders = self.transaction.and_then(|of| of.orders(head.seq));
        chunk::for_each_change(head.op, images, &compiled.layout, |ordinal, row| {
            let encoded = compiled.plan.encode_within(
                orders.as_mut(),
                head,
                ordinal,
                row.old.as_deref(),
                row.new.as_deref(),
                now_us,
                &Here,
                scratch,
                &mut |message| each(Event::Message(message)),
            );
            let id = EventId { seq: head.seq, ordinal };
            match encoded {
                Ok(()) => Ok(()),
                Err(EncodeError::Sink(stop)) => Err(stop),
                Err(EncodeError::Row(malformed)) => each(Event::Damaged(id, malformed)),
                Err(EncodeError::NoKey) => each(Event::NoKey(id)),
            }
        })?;
        match self.transaction.filter(|of| of.ends_with(head.seq)) {
            Some(ends) => self.tell(ends, true, each),
            None => Ok(()),
        }
    }

    fn tell<E>(
        &self,
        transaction: &Transaction,
        ends: bool,
        each: &mut dyn FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let told = Told::new(transaction, ends, self.head, self.schemas);
        each(Event::Message(told.message(self.transaction_topic, self.head, self.now_us)))
    }
}
