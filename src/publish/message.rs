//! What a change is handed to the sink as: messages with their headers, or why there are none.

use std::fmt;

use super::field::Field;
use crate::log::change::EventId;
use crate::row::image::Malformed;
use crate::row::value::Server;

/// One message to send. All messages of one change carry the same `event`.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    pub topic: &'a str,
    pub key: Option<&'a [u8]>,
    /// `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// `event_id` (`seq.ordinal`), `origin`, `org` where it is known, `mapping_version` where a
    /// mapping made the row, Debezium's `__debezium.context.…` where they are asked for, and where a
    /// key changed `__debezium.newkey` or `__debezium.oldkey` with the other key as JSON.
    pub headers: &'a [(&'static str, &'a [u8])],
    /// When the event was made, as with Debezium, whose records leave it to the producer: what a
    /// backfill sends must not be older than the topic's retention.
    pub timestamp_ms: i64,
    pub event: EventId,
}

/// Why a change was not published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EncodeError<E> {
    /// Its row is damaged. Nothing of this change has reached the sink.
    Row(Malformed),
    /// A record is gone whose message key is not known. Nothing of this change has reached the sink.
    NoKey,
    /// The sink refused.
    Sink(E),
}

impl<E: fmt::Display> fmt::Display for EncodeError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncodeError::Row(error) => error.fmt(f),
            EncodeError::NoKey => f.write_str("the message key is not known"),
            EncodeError::Sink(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for EncodeError<E> {}

impl<E> From<Malformed> for EncodeError<E> {
    fn from(error: Malformed) -> Self {
        EncodeError::Row(error)
    }
}

/// The headers of a message.
#[derive(Clone, Copy)]
pub(super) struct Headers<'a> {
    list: [(&'static str, &'a [u8]); 8],
    length: usize,
}

impl<'a> Headers<'a> {
    pub(super) fn new(event_id: &'a str, origin: &'a str) -> Headers<'a> {
        let mut headers = Headers { list: [("", &[]); 8], length: 0 };
        headers.add("event_id", event_id.as_bytes());
        headers.add("origin", origin.as_bytes());
        headers
    }

    pub(super) fn add(&mut self, name: &'static str, value: &'a [u8]) {
        if let Some(place) = self.list.get_mut(self.length) {
            *place = (name, value);
            self.length += 1;
        }
    }

    pub(super) fn all(&self) -> &[(&'static str, &'a [u8])] {
        &self.list[..self.length]
    }
}

/// A column's value as text, for a header.
pub(super) fn text_of<'b>(
    field: &Option<Field>,
    slots: &[Option<&[u8]>],
    server: &dyn Server,
    buffer: &'b mut String,
) -> Result<Option<&'b str>, Malformed> {
    let Some(field) = field else { return Ok(None) };
    let Some(slot) = field.slot(slots) else { return Ok(None) };
    buffer.clear();
    field.value(slot, server)?.display(buffer);
    Ok(Some(buffer))
}
