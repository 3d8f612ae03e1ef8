//! Nothing that one org's rows hold, and nothing that they cost, stops the org or holds up others.

use crate::world::{World, broker, cluster_with};

/// A text of some thousand bytes, which no compression makes fit into an index.
fn long(rows: usize) -> String {
    format!("(SELECT string_agg(md5(i::text), '') FROM generate_series(1, {rows}) i)")
}

#[test]
fn a_key_that_no_index_takes_holds_up_its_row_alone() {
    let mut world = World::new();
    let _acme = world.sync("acme", 3);
    world.run(
        r#"ALTER TABLE acme.lead ADD COLUMN ext__c text;
           UPDATE acme.lead SET ext__c = sfid;
           SELECT manifold.add_org('acme');
           SELECT manifold.set_mapping('acme', 'lead', entity => 'lead',
             mapping => '{"key": "ext__c", "fields": {"city": "city"}}');
           SELECT manifold.start('acme')"#,
    );
    world.await_count("canonical.lead", 3);
    world.run(&format!("UPDATE acme.lead SET ext__c = {} WHERE id = 1", long(200)));
    let held = "manifold.problem WHERE reason = 'key_too_long' AND field = '*' \
        AND record LIKE 'sha256:%' AND length(value) = 200 AND image ->> 'ext__c' IS NOT NULL";
    world.await_count(held, 1);
    world.run("UPDATE acme.lead SET city = 'Rome' WHERE id = 2");
    world.await_count("canonical.lead WHERE city = 'Rome'", 1);
    assert_eq!(world.count("canonical.lead"), 2);

    // Nothing can be looked for by such a key, so the table is read.
    assert_eq!(world.value::<i64>("SELECT manifold.retry(reason => 'key_too_long')"), 1);
    world.await_count("manifold.reread", 0);
    world.normalized();
    assert_eq!(world.count(held), 1);
    assert_eq!(world.count("manifold.problem_count WHERE kept = 1"), 1);

    world.run("UPDATE acme.lead SET ext__c = 'short' WHERE id = 1");
    world.await_count("canonical.lead WHERE sfid = 'short'", 1);
    world.normalized();
    assert_eq!(world.count("manifold.problem"), 0);
}

#[test]
fn what_kafka_refuses_is_noted_however_long_its_key() {
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.kafka_options = 'message.max.bytes=20000'",
        broker().bootstrap()
    ));
    let mut world = World::in_cluster(&cluster);
    let _acme = world.sync("acme", 2);
    world.run(
        r#"ALTER TABLE acme.lead ADD COLUMN ext__c text;
           SELECT manifold.add_org('acme');
           SELECT manifold.set_mapping('acme', 'lead', entity => 'lead',
             mapping => '{"fields": {"city": "city"}}');
           SELECT manifold.set_publication('acme', 'lead', '{"key_columns": ["ext__c"]}');
           SELECT manifold.start('acme')"#,
    );
    world.published();
    world.run(&format!("UPDATE acme.lead SET ext__c = {} WHERE id = 1", long(1000)));
    let refused =
        "manifold.problem WHERE entity = 'kafka' AND org = 'acme' AND record LIKE 'sha256:%'";
    world.await_count(refused, 1);
    world.run("UPDATE acme.lead SET city = 'Rome' WHERE id = 2");
    world.published();
    assert_eq!(world.count("manifold.status WHERE state = 'error'"), 0);
    // A later change of the record is published, and it is over.
    cluster.set("manifold.kafka_options", "message.max.bytes=900000");
    world.run("UPDATE acme.lead SET city = 'Rome' WHERE id = 1");
    world.await_count(refused, 0);
}
