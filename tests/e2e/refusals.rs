//! Single changes that cannot be published: each is named, once, and all others go on.

use crate::world::{LIMIT, World, broker, cluster_with};

/// An org with a table whose rows are `sfid`, `city` and a mood.
const ORG: &str = r#"CREATE SCHEMA org; CREATE TYPE org.mood AS ENUM ('good', 'bad');
    CREATE TABLE org.lead (sfid text PRIMARY KEY, city text, mood org.mood DEFAULT 'good');
    SELECT manifold.add_org('org');
    SELECT manifold.set_mapping('org', 'lead', 'lead', '{"fields": {"status": {"column": "city", "rules": [{"map": {"Rome": "new"}}]}}}');
    SELECT manifold.start('org')"#;

#[test]
fn a_damaged_row_is_noted_once_however_often_its_chunk_goes_on() {
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.kafka_options = 'queue.buffering.max.messages=10'\n\
         manifold.topic_prefix = 'damaged'",
        broker().bootstrap()
    ));
    let mut world = World::in_cluster(&cluster);
    world.prefix = "damaged".into();
    world.run(ORG);
    world.published();
    world.run("SELECT manifold.pause('org', 'publisher')");
    // The damaged row is among the first; its chunk is sent ten messages at a time.
    world.run(
        "INSERT INTO org.lead SELECT n, 'Ulm', (CASE n WHEN 3 THEN 'bad' ELSE 'good' END)::org.mood \
         FROM generate_series(1, 100) n",
    );
    world.normalized();
    world.run("SET allow_system_table_mods = on; DELETE FROM pg_enum WHERE enumlabel = 'bad'");
    world.run("SELECT manifold.resume('org', 'publisher')");
    world.topic("org.lead").at_least(99, LIMIT);
    world.published();
    let noted = "SELECT string_agg(concat_ws(' ', reason, times), '; ') FROM manifold.problem \
                 WHERE org = 'org' AND entity = 'kafka'";
    world.await_text(noted, Some("not_published 1"));
}

#[test]
fn what_kafka_would_not_take_is_named_whatever_other_problems_the_org_has() {
    const MANY: i64 = 130;
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.kafka_options = 'message.max.bytes=20000'\n\
         manifold.topic_prefix = 'counted'\nmanifold.max_problems = {MANY}",
        broker().bootstrap()
    ));
    let mut world = World::in_cluster(&cluster);
    world.prefix = "counted".into();
    world.run(ORG);
    let of = |entity: &str| format!("manifold.problem WHERE org = 'org' AND entity = '{entity}'");
    world.run("INSERT INTO org.lead SELECT n, 'Ulm' FROM generate_series(1, 200) n");
    world.await_count(&of("lead"), MANY);
    world.run(&format!("UPDATE org.lead SET city = repeat('x', 30000) WHERE sfid::int <= {MANY}"));
    world.published();
    world.await_count(&of("kafka"), MANY);
    world.await_count(&of("lead"), MANY);
}
