//! End-to-end tests: real Postgres, real Kafka, a Heroku Connect simulator, and nothing but SQL and
//! topics to look through.

#[path = "../support/mod.rs"]
mod support;

mod check;
mod world;

mod aids;
mod backfill;
mod bad_input;
mod bounds;
mod capture;
mod consumer;
mod control;
mod debezium;
mod definitions;
mod deletes;
mod exact;
mod exactly_once;
mod faults;
mod faults_apart;
mod faults_brokers;
mod faults_topics;
mod flow;
mod harness;
mod jdbc_sink;
mod kills;
mod ledger;
mod lifecycle;
mod load;
mod log;
mod onboarding;
mod onboarding_doc;
mod orgs;
mod publication;
mod publishing;
mod quarantine;
mod redefined;
mod refusals;
mod remedy;
mod retention;
mod rights;
mod rules;
mod security;
mod security_apart;
mod security_mended;
mod security_secrets;
mod surface;
