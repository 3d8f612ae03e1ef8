//! Capture: whatever happens to the rows of a table, and however, a consumer is told exactly that.
//!
//! The judge is [`events::History`]: it replays what was captured, event by event, on the rows that
//! were there before. Each event has to go on where the one before it ended, and in the end there
//! have to be the rows that the table has, value by value in the server's own text.

mod events;
mod place;

mod circumstances;
mod concurrency;
mod gaps;
mod inheritance;
mod isolation;
mod nested;
mod nested_edges;
mod nested_property;
mod partitions;
mod property;
mod refused;
mod statements;
mod storage;
mod subscription;
mod tables;
mod timeouts;
mod values;
mod writes;
