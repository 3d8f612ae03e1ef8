//! What is published, as what, and where.

mod options;
mod partitions;
mod renamed;
mod topics;
mod transactions;

use std::sync::OnceLock;

use crate::support::cluster::Cluster;
use crate::support::consumer::{Event, Topic};
use crate::world::{World, broker, cluster_with};

/// A cluster that publishes to the shared broker, with everything on that is off by default.
fn eager() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        cluster_with(&format!(
            "manifold.kafka_brokers = '{}'\nmanifold.hash_salt = 'pepper'\n\
             manifold.skipped_operations = 'none'\nmanifold.extended_headers_enabled = on\n\
             manifold.topic_partitions = 1\n\
             manifold.heartbeat_interval = 200ms\nmanifold.provide_transaction_metadata = on",
            broker().bootstrap()
        ))
    })
}

/// An org with a table of contacts, which has a mapping and is not started.
fn contacts(world: &mut World, org: &str) {
    world.run(&format!(
        "CREATE SCHEMA {org}; CREATE TABLE {org}.contact (id serial PRIMARY KEY, sfid varchar(18) UNIQUE, \
           email varchar(40), phone varchar(40), birthdate date, notes text); \
         SELECT manifold.add_org('{org}'); \
         SELECT manifold.create_entity('contact', '[{{\"name\": \"email\", \"type\": \"text\"}}]') \
           WHERE NOT EXISTS (SELECT FROM manifold.entity WHERE entity = 'contact'); \
         SELECT manifold.set_mapping('{org}', 'contact', 'contact', '{{\"fields\": {{\"email\": \"email\"}}}}')"
    ));
}

/// Adds a contact with the number `n`.
fn add(world: &mut World, org: &str, n: i32) {
    world.run(&format!(
        "INSERT INTO {org}.contact (sfid, email, phone, birthdate, notes) \
         VALUES ('003{n}', 'anne{n}@example.com', '+49 30 {n}', '1980-01-02', 'likes tea, {n} cups')"
    ));
}

/// `printf 'pepperanne1@example.com' | sha256sum | cut -c 1-40`: what becomes of the first contact's address.
const ANNE: &str = "71c7641bac69a36a2d0b23786d9f98a764ce4734";

/// All that a topic holds, as one text.
fn everything(events: &[Event]) -> String {
    format!("{events:?}")
}

/// The number of messages that a topic holds.
fn count(topic: &mut Topic) -> usize {
    topic.all().len()
}

/// The SQLSTATE and the message of a statement that fails.
fn refused(world: &mut World, sql: &str) -> (String, String) {
    let error = world.client.batch_execute(sql).expect_err(sql);
    let error = error.as_db_error().unwrap_or_else(|| panic!("{sql}: {error:?}"));
    let text = [Some(error.message()), error.detail(), error.hint()];
    let text: Vec<&str> = text.into_iter().flatten().collect();
    (error.code().code().to_owned(), text.join("\n"))
}
