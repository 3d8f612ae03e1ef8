//! Definitions that change while changes are on their way.

use std::collections::BTreeMap;

use crate::support::consumer::Topic;
use crate::support::late::Gate;
use crate::support::wait;
use crate::world::{LIMIT, World, broker, cluster, cluster_with};

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

/// Changes of the org that wait for the publisher.
fn lag(world: &mut World<'_>) -> i64 {
    world.value(
        "SELECT coalesce(sum(changes), 0)::bigint FROM manifold.lag() JOIN manifold.source s USING (source_id) \
         WHERE consumer = 'publisher' AND s.org = 'org'",
    )
}

fn position(world: &mut World<'_>) -> Option<String> {
    world.value(
        "SELECT string_agg(p::text, ' ') FROM manifold.position p WHERE consumer = 'publisher'",
    )
}

/// Changes of what is published come while chunks are half sent, the producer's queue being shorter than
/// they are: all that both allow is there. `reached` is something else when the publisher has gone on.
fn half_sent<T: PartialEq>(
    prefix: &str,
    exactly: bool,
    rows: i32,
    mut reached: impl FnMut(&mut World<'_>) -> T,
) {
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.kafka_options = 'queue.buffering.max.messages=10'\n\
         manifold.topic_prefix = '{prefix}'\nmanifold.topic_partitions = 1\n\
         manifold.exactly_once = {exactly}",
        broker().bootstrap()
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
    let mut in_the_middle = 0;
    for n in 0..10 {
        let before = reached(&mut world);
        world.run(&format!(
            "INSERT INTO org.lead SELECT n, CASE WHEN n % 3 = 0 THEN 'Ulm' ELSE 'Bonn' END \
             FROM generate_series({}, {}) n",
            n * rows,
            (n + 1) * rows - 1
        ));
        wait::until("the publisher to begin", LIMIT, || {
            if reached(&mut world) == before { Err("it does not") } else { Ok(()) }
        });
        let when = [r#"{"when": {"column": "city", "is": "Ulm"}}"#, "{}"][n as usize % 2];
        world.run(&format!("SELECT manifold.set_publication('org', 'lead', '{when}')"));
        in_the_middle += i32::from(lag(&mut world) > 0);
        wait::until("the publisher to end", LIMIT, || match lag(&mut world) {
            0 => Ok(()),
            lag => Err(format!("{lag} changes wait")),
        });
    }
    assert!(in_the_middle > 2, "{in_the_middle} changes came while there was something to send");
    world.published();
    let mut sent: BTreeMap<String, usize> = BTreeMap::new();
    for event in world.topic("org.lead").all() {
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
    half_sent("half", false, 3000, position);
}

#[test]
fn of_a_chunk_that_is_half_sent_everything_is_sent_once_when_what_is_published_changes() {
    // What a transaction has sent shows there before it is committed.
    let mut topic = Topic::uncommitted(&broker().bootstrap(), "half-exactly.org.lead");
    half_sent("half-exactly", true, 1000, |_| topic.all().len());
}
