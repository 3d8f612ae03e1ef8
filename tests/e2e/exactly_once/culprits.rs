//! One message that is never taken among thousands: found at once, set aside, and all others go on.

use super::{cluster, once, well, world};
use crate::support::admin::Admin;
use crate::support::broker::Broker;
use crate::support::cluster::Cluster;
use crate::support::consumer::Topic;
use crate::support::run;
use crate::world::{World, cluster_with};

/// Changes in one go, and the one in the middle that is not taken.
const MANY: usize = 5_000;
const BAD: usize = 2_500;
/// Transactions that it may take: one that fails, groups that are twice as large each time, and one for each
/// quarter of a second that it takes to send the rest.
const FEW: usize = MANY / 20;

/// How many transactions have been committed or aborted in a topic of one partition: each leaves a mark
/// behind its messages, which has an offset and is nobody's message.
fn transactions(broker: &Broker, name: &str) -> usize {
    let mut topic = Topic::uncommitted(&broker.bootstrap(), name);
    let messages = topic.all().len();
    topic.end() - messages
}

/// An org with a table of people, which is being published.
fn people<'a>(cluster: &'a Cluster, prefix: &str) -> World<'a> {
    let mut world = world(cluster, prefix);
    world.run(
        "CREATE SCHEMA tiny; CREATE TABLE tiny.person (id serial PRIMARY KEY, sfid varchar(18) UNIQUE, notes text); \
         INSERT INTO tiny.person (sfid) VALUES ('first'); SELECT manifold.add_org('tiny'); \
         SELECT manifold.set_mapping('tiny', 'person', 'lead', '{\"fields\": {\"city\": \"notes\"}}'); \
         SELECT manifold.start('tiny')",
    );
    world.published();
    world
}

fn problem(world: &mut World<'_>) -> (String, String) {
    let sql = "SELECT record, message FROM manifold.problem \
               WHERE entity = 'kafka' AND org = 'tiny' AND reason = 'not_published'";
    world.await_count(&format!("({sql}) problem"), 1);
    let row = world.client.query_one(sql, &[]).unwrap_or_else(|e| panic!("{e:?}"));
    (row.get(0), row.get(1))
}

/// One message that is too large for its topic, compressed or not.
fn too_large(prefix: &str, codec: &str) {
    let broker = Broker::start(run::dir());
    let name = format!("{prefix}.tiny.person");
    Admin::new(&broker.bootstrap()).create(&name, 1, &[("max.message.bytes", "50000")]);
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.topic_prefix = '{prefix}'\n\
         manifold.kafka_options = 'compression.type={codec}'\nmanifold.exactly_once = on",
        broker.bootstrap()
    ));
    let mut world = people(&cluster, prefix);
    let before = transactions(&broker, &name);
    world.run(&format!(
        "INSERT INTO tiny.person (sfid, notes) SELECT 'P' || i, CASE i WHEN {BAD} THEN \
           (SELECT string_agg(md5(j::text), '') FROM generate_series(1, 4000) j) END \
         FROM generate_series(1, {MANY}) i"
    ));
    let (record, message) = problem(&mut world);
    assert_eq!(record, format!("{{\"sfid\":\"P{BAD}\"}}"));
    assert!(
        message.contains("the broker's limit") && message.contains("max.message.bytes"),
        "{message}"
    );
    world.published();
    world.await_status("tiny", "publisher", "well", |s| s.state == "ok");
    // The first one, and all but the culprit.
    once(world.topic_on(&broker, "tiny.person"), MANY);
    let taken = transactions(&broker, &name) - before;
    assert!(taken <= FEW, "{taken} transactions");
}

#[test]
fn one_too_large_message_among_thousands_takes_few_transactions_to_find() {
    too_large("large", "none");
}

#[test]
fn one_too_large_message_that_may_be_compressed_takes_few_transactions_to_find() {
    too_large("packed", "lz4");
}

#[test]
fn the_brokers_report_names_the_message_that_it_finds_invalid() {
    let broker = Broker::start(run::dir());
    let name = "invalid.tiny.person";
    // Where topics are compacted, a message without a key is invalid, such as that of a TRUNCATE.
    Admin::new(&broker.bootstrap()).create(name, 1, &[("cleanup.policy", "compact")]);
    let cluster = cluster(&broker, "invalid");
    cluster.set("manifold.skipped_operations", "none");
    let mut world = people(&cluster, "invalid");
    let before = transactions(&broker, name);
    let insert = |from: usize, to: usize| {
        format!(
            "INSERT INTO tiny.person (sfid) SELECT 'P' || i FROM generate_series({from}, {to}) i;"
        )
    };
    world.run(&format!(
        "BEGIN; {} TRUNCATE tiny.person; {} COMMIT",
        insert(1, BAD),
        insert(BAD + 1, MANY)
    ));
    let (record, message) = problem(&mut world);
    assert!(!record.contains("sfid"), "{record}");
    assert!(message.contains(name) && message.contains("INVALID_RECORD"), "{message}");
    world.published();
    world.await_status("tiny", "publisher", "well", |s| s.state == "ok");
    once(world.topic_on(&broker, "tiny.person"), MANY + 1);
    let taken = transactions(&broker, name) - before;
    assert!(taken <= FEW, "{taken} transactions");
}

#[test]
fn what_is_refused_is_set_aside_and_all_else_is_there_once() {
    let broker = Broker::start(run::dir());
    let cluster = cluster(&broker, "aborted");
    let mut world = world(&cluster, "aborted");
    let mut acme = world.running("acme", 20);
    let mut globex = world.running("globex", 20);
    world.published();
    let admin = Admin::new(&broker.bootstrap());
    admin.set("aborted.acme.lead", &[("max.message.bytes", "20000")]);
    // One that is too large among many that are not, in one statement and one chunk.
    let sfid = acme.org.sfid(7).to_owned();
    world.run("ALTER TABLE acme.lead ADD COLUMN long__c text");
    world.run(&format!(
        "UPDATE acme.lead SET city = 'Rome', long__c = CASE sfid WHEN '{sfid}' THEN \
           (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 2000) i) END"
    ));
    globex.load(20, 20);
    acme.load(20, 10);
    world.await_text(
        "SELECT reason FROM manifold.problem WHERE entity = 'kafka' AND org = 'acme'",
        Some("not_published"),
    );
    world.published();
    well(&mut world);
    // 20 read, 19 of 20 updated, 10 more; and what the quarantine holds is shown there.
    once(world.topic_on(&broker, "acme.lead"), 49);
    once(world.topic_on(&broker, "globex.lead"), 40);
}
