//! Changes as Debezium events: names of topics, keys, and the JSON envelope that consumers of
//! Debezium and Kafka Connect's sinks read. Pure, what becomes of a [`Message`] being the sink's,
//! but for [`feed`] and `send`, which read the log and drive a producer.

mod again;
pub mod apart;
mod careful;
pub mod columns;
mod decimal;
pub mod encode;
pub mod envelope;
pub mod events;
mod fate;
pub mod feed;
mod field;
pub mod form;
#[cfg(test)]
mod gone_tests;
pub mod heartbeat;
mod hstore;
pub mod hurry;
pub mod json;
pub mod key;
mod message;
pub mod modes;
pub mod naming;
pub mod options;
#[cfg(test)]
mod options_tests;
mod places;
pub mod plans;
pub mod progress;
pub mod publication;
pub mod refusals;
mod room;
#[cfg(test)]
mod rows_tests;
pub mod schema;
mod send;
#[cfg(test)]
mod tests;
pub mod topic;
pub mod transaction;
pub mod transactions;
mod verdict;
pub mod window;

pub use columns::Treatments;
pub use envelope::{Error, Plan, Scratch, Source};
pub use key::Key;
pub use message::{EncodeError, Message};
pub use options::Options;
pub use places::Places;
