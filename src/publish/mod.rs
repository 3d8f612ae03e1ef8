//! Changes as Debezium events: names of topics, keys, and the JSON envelope that consumers of
//! Debezium and Kafka Connect's sinks read. Pure: what becomes of a [`Message`] is the sink's.

pub mod encode;
pub mod envelope;
mod field;
mod hstore;
pub mod json;
pub mod key;
#[cfg(test)]
mod tests;
pub mod topic;

pub use envelope::{EncodeError, Error, Message, Options, Plan, Scratch, Source};
pub use key::Key;
