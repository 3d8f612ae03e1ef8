//! End-to-end tests: real Postgres, real Kafka, a Heroku Connect simulator, and nothing but SQL and
//! topics to look through.

#[path = "../support/mod.rs"]
mod support;

mod harness;
mod world;
