//! Everything that talks to Kafka, and nothing else: this room knows no Postgres.
//!
//! ```text
//! broker list, options ──► Config ──► Producer ──► librdkafka's own threads ──► brokers
//!                                        ▲ │
//!                              send, poll │ │ deliveries by token, client events, health
//! ```
//!
//! Everything runs on the thread that calls: librdkafka's threads only fill a queue, which
//! [`Producer::poll`] empties, and write to [`Producer::wake_fd`] when it stops being empty.

mod admin;
mod brokers;
mod code;
mod config;
mod defaults;
mod delivery;
mod environment;
mod error;
mod events;
mod health;
mod hint;
mod listener;
mod message;
mod native;
mod options;
mod producer;
mod progress;
mod secrets;
mod transaction;
mod validity;

pub use admin::TopicSpec;
pub use code::Code;
pub use config::{Config, check_brokers, holds_secrets, topic_prefix};
pub use delivery::{Delivery, DeliveryError, SendError, TopicReport};
pub use error::Error;
pub use events::{ClientEvent, EventKind};
pub use health::Health;
pub use message::{Named, batch_size};
pub use producer::Producer;
pub use progress::{NewProgressTopic, ProgressReader, Reading, Records};
pub use transaction::Ending;

#[cfg(test)]
mod tests;
