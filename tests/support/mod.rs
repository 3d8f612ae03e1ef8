//! What tests and demo share: a private Postgres, a Kafka broker, a Heroku Connect simulator and the
//! fixture orgs. Where something goes wrong these modules panic with a message that says what to do:
//! a test then fails and the demo ends.
#![allow(dead_code, reason = "each program uses its own part of this")]

pub mod admin;
pub mod broker;
pub mod cluster;
pub mod connect;
pub mod consumer;
pub mod fixtures;
pub mod go_between;
pub mod heroku_connect;
pub mod installation;
pub mod late;
pub mod manifold;
pub mod mapping;
pub mod proxy;
pub mod run;
pub mod server;
pub mod tls;
pub mod wait;
