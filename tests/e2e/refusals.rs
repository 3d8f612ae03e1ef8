//! Single changes that cannot be published: each is named, once, and all others go on.

use std::collections::BTreeMap;

use crate::support::admin::Admin;
use crate::world::{LIMIT, World, broker, cluster_with, text};

/// An org with a table whose rows are `sfid`, `city` and a mood.
fn org(name: &str) -> String {
    r#"CREATE SCHEMA NAME; CREATE TYPE NAME.mood AS ENUM ('good', 'bad');
    CREATE TABLE NAME.lead (sfid text PRIMARY KEY, city text, mood NAME.mood DEFAULT 'good');
    SELECT manifold.add_org('NAME');
    SELECT manifold.set_mapping('NAME', 'lead', 'lead', '{"fields": {"status": {"column": "city", "rules": [{"map": {"Rome": "new"}}]}}}');
    SELECT manifold.start('NAME')"#
        .replace("NAME", name)
}

#[test]
fn a_damaged_row_is_noted_once_however_often_its_chunk_goes_on() {
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.kafka_options = 'queue.buffering.max.messages=10'\n\
         manifold.topic_prefix = 'damaged'",
        broker().bootstrap()
    ));
    let mut world = World::in_cluster(&cluster);
    world.prefix = "damaged".into();
    world.run(&org("org"));
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
    world.run(&org("org"));
    let of = |entity: &str| format!("manifold.problem WHERE org = 'org' AND entity = '{entity}'");
    world.run("INSERT INTO org.lead SELECT n, 'Ulm' FROM generate_series(1, 200) n");
    world.await_count(&of("lead"), MANY);
    world.run(&format!("UPDATE org.lead SET city = repeat('x', 30000) WHERE sfid::int <= {MANY}"));
    world.published();
    world.await_count(&of("kafka"), MANY);
    world.await_count(&of("lead"), MANY);
}

#[test]
fn what_waits_behind_a_request_that_is_refused_does_not_overtake_it() {
    const ORGS: [&str; 2] = ["org", "other"];
    const LEADS: usize = 10;
    const ROUNDS: i64 = 40;
    // Where a request has few messages, the next ones are on their way before it is refused.
    for messages in [3, 20] {
        let prefix = format!("behind{messages}");
        let cluster = cluster_with(&format!(
            "manifold.kafka_brokers = '{}'\nmanifold.topic_prefix = '{prefix}'\n\
             manifold.kafka_options = 'batch.num.messages={messages}'",
            broker().bootstrap()
        ));
        let admin = Admin::new(&broker().bootstrap());
        admin.create(&format!("{prefix}.org.lead"), 1, &[("max.message.bytes", "20000")]);
        let mut world = World::in_cluster(&cluster);
        world.prefix = prefix;
        for name in ORGS {
            world.run(&org(name));
            let rows = format!("SELECT n, '0' FROM generate_series(1, {LEADS}) n");
            world.run(&format!("INSERT INTO {name}.lead {rows}"));
        }
        world.published();
        let for_all = |what: &str| {
            ORGS.map(|name| format!("SELECT manifold.{what}('{name}', 'publisher')")).join(";")
        };
        world.run(&for_all("pause"));
        // All leads are changed round after round, and each fourth round begins with one that is too large.
        for round in 1..=ROUNDS {
            let large = "SELECT string_agg(md5(i::text), '') FROM generate_series(1, 2000) i";
            if round % 4 == 1 {
                world.run(&format!("INSERT INTO org.lead VALUES ('large {round}', ({large}))"));
            }
            for name in ORGS {
                let change = format!("UPDATE {name}.lead SET city = '{round}' WHERE sfid < 'a'");
                world.run(&change);
            }
        }
        world.run(&for_all("resume"));
        world.published();
        world.await_count("manifold.problem WHERE org = 'org' AND entity = 'kafka'", ROUNDS / 4);

        let rounds: Vec<String> = (0..=ROUNDS).map(|round| round.to_string()).collect();
        for name in ORGS {
            let mut cities: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for event in world.topic(&format!("{name}.lead")).all() {
                let city = text(&event.after()["city"]).to_owned();
                let known = cities.entry(event.key_text.clone()).or_default();
                if !known.contains(&city) {
                    known.push(city);
                }
            }
            assert_eq!(cities.len(), LEADS);
            for (key, cities) in cities {
                assert_eq!(cities, rounds, "{key} of {name}, requests of {messages} messages");
            }
        }
    }
}
