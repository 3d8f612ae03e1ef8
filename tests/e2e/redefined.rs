//! Definitions that change while changes are on their way.

use std::collections::BTreeMap;

use crate::support::late::Gate;
use crate::support::wait;
use crate::world::{LIMIT, World, broker_behind, cluster, cluster_with};

#[test]
fn the_first_changes_of_a_source_are_taken_though_its_session_stands_still_in_its_commit() {
    let mut world = World::new();
    let mut acme = world.running("acme", 10);
    world.run(
        "CREATE SCHEMA late; CREATE TABLE late.lead (id int PRIMARY KEY, sfid varchar(18) UNIQUE, city text)",
    );
    world.published();
    let mut session = world.database.connect();
    let gate = Gate::new(cluster().folder());
    gate.stop_here(&mut session);
    std::thread::scope(|scope| {
        // Opened, whatever happens, before the session is waited for.
        let gate = gate;
        gate.close();
        let begun = scope.spawn(move || {
            session.batch_execute(
                "BEGIN; SELECT manifold.add_org('late'); \
                 SELECT manifold.set_mapping('late', 'lead', 'lead', '{\"fields\": {\"city\": \"city\"}}'); \
                 SELECT manifold.start('late'); INSERT INTO late.lead VALUES (1, '00Q1', 'Ulm'); COMMIT",
            )
        });
        world.await_count("late.lead", 1);
        // The workers are beyond the new source's first change when they have this one.
        acme.load(10, 1);
        world.await_count("canonical.lead WHERE org = 'acme'", 11);
        world.topic("acme.lead").at_least(11, LIMIT);
        world.await_count("canonical.lead WHERE org = 'late'", 1);
        let mut topic = world.topic("late.lead");
        topic.until("the insert", LIMIT, |events| {
            let inserts = events.iter().filter(|event| event.op() == Some("c"));
            if inserts.count() == 1 { Ok(()) } else { Err(format!("{events:#?}")) }
        });
        assert!(!begun.is_finished(), "it stands still");
        gate.open();
        begun.join().expect("no panic").unwrap_or_else(|e| panic!("{e:?}"));
    });
    world.published();
}

/// Changes of what is published come while chunks are half sent: the producer's queue is shorter than they
/// are, and answers do not come until it has happened, in another place each time.
fn half_sent(prefix: &str, exactly: bool) {
    const ROWS: usize = 600;
    let (broker, between) = broker_behind();
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.kafka_options = 'queue.buffering.max.messages=10'\n\
         manifold.topic_prefix = '{prefix}'\nmanifold.topic_partitions = 1\n\
         manifold.exactly_once = {exactly}",
        between.address()
    ));
    let mut world = World::in_cluster(&cluster);
    world.prefix = prefix.to_owned();
    world.run(
        "CREATE SCHEMA org; CREATE TABLE org.lead (sfid text PRIMARY KEY, city text); \
         SELECT manifold.add_org('org'); SELECT manifold.set_mapping('org', 'lead', 'lead', '{\"fields\": {\"city\": \"city\"}}'); \
         SELECT manifold.start('org')",
    );
    // The backfill is not to find what is inserted from now on.
    world.published();
    for n in 0..10 {
        // Of ten messages each at most: there are more of them, though every other time only Ulm is sent.
        between.hold_after(&format!("{prefix}.org.lead"), n * 2);
        world.run(&format!(
            "INSERT INTO org.lead SELECT n, CASE WHEN n % 3 = 0 THEN 'Ulm' ELSE 'Bonn' END \
             FROM generate_series({}, {}) n",
            n * ROWS,
            (n + 1) * ROWS - 1
        ));
        wait::until("an answer that does not come", LIMIT, || match between.met() {
            0 => Err("none"),
            _ => Ok(()),
        });
        let when = [r#"{"when": {"column": "city", "is": "Ulm"}}"#, "{}"][n % 2];
        world.run(&format!("SELECT manifold.set_publication('org', 'lead', '{when}')"));
        between.pass();
        world.published();
    }
    let mut sent: BTreeMap<String, usize> = BTreeMap::new();
    for event in world.topic_on(&broker, "org.lead").all() {
        let sfid = event.after()["sfid"].as_str().expect("an insert").to_owned();
        *sent.entry(sfid).or_default() += 1;
    }
    let leads = world.client.query("SELECT sfid, city FROM org.lead", &[]);
    for lead in leads.unwrap_or_else(|e| panic!("{e:?}")) {
        let (sfid, city): (String, String) = (lead.get(0), lead.get(1));
        let times = sent.get(&sfid).copied().unwrap_or_default();
        assert!(times > 0 || city != "Ulm", "{sfid} is missing");
        assert!(times < 2 || !exactly, "{sfid} is there {times} times");
    }
}

#[test]
fn of_a_chunk_that_is_half_sent_nothing_is_lost_when_what_is_published_changes() {
    half_sent("half", false);
}

#[test]
fn of_a_chunk_that_is_half_sent_everything_is_sent_once_when_what_is_published_changes() {
    half_sent("half-exactly", true);
}
