//! The rows that are there before the start: captured through the same log while the sync goes on.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::check;
use crate::support::manifold;
use crate::support::wait;
use crate::world::{LIMIT, Synced, World, cluster_with};

const ROWS: usize = 20_000;

const PLAIN: [(&str, &str); 1] =
    [("postal_code", "nullif(btrim(regexp_replace(s.postalcode, '\\s+', ' ', 'g')), '')")];

/// An org with many leads, not onboarded yet.
fn large(world: &World) -> Synced {
    let mut acme = world.sync("acme", 0);
    let rows = acme.org.many(ROWS);
    acme.connect.load(&acme.lead, &acme.org.columns, &rows);
    acme
}

#[test]
fn rows_that_change_during_the_backfill_are_right_in_the_end() {
    let mut world = World::new();
    let mut acme = large(&world);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = {
            let (mut client, done) = (world.database.connect(), &done);
            scope.spawn(move || {
                let mut round = 0;
                while round == 0 || !done.load(Ordering::Relaxed) {
                    // Spread over the whole table, ahead of the backfill and behind it.
                    let sql = format!(
                        "SET xmlbinary = hex; \
                         UPDATE acme.lead SET postalcode = 'r{round}' WHERE id % 997 = {0} % 997; \
                         DELETE FROM acme.lead WHERE id % 1999 = {0}; \
                         INSERT INTO acme.lead (sfid, postalcode) VALUES ('00QNEW' || lpad('{round}', 12, '0'), 'new')",
                        round * 31 + 5
                    );
                    client.batch_execute(&sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
                    round += 1;
                    // A load, not a flood.
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
                round
            })
        };
        world.onboard("acme");
        // The normalizer is never done while somebody writes.
        manifold::settled(&mut world.client, &["backfill"], LIMIT);
        done.store(true, Ordering::Relaxed);
        assert!(writer.join().unwrap() > 0);
    });
    let sfid = acme.org.many(ROWS)[ROWS - 1][acme.org.position("sfid")].clone().unwrap();
    acme.connect.update(&acme.lead, &[&sfid], &[("postalcode", Some("last"))]);
    world.published();
    check::canonical_follows(&mut world.client, "acme", &PLAIN);
    for (schema, table) in [("acme", "lead"), ("canonical", "lead")] {
        let mut topic = world.topic(&format!("{schema}.{table}"));
        let events = topic.all();
        check::topic_tells_table(&mut world.client, schema, table, events);
    }
}

#[test]
fn a_backfill_shows_its_progress_and_goes_on_after_a_crash() {
    let mut cluster = cluster_with("manifold.kafka_brokers = ''");
    let name;
    {
        let mut world = World::in_cluster(&cluster);
        let _acme = large(&world);
        // However fast the machine: the backfill waits for the normalizer, which is slow.
        cluster.set("manifold.normalize_max_rows_per_second", "50");
        world.onboard("acme");
        let status = wait::until("a backfill under way", LIMIT, || {
            let status = world.status("acme", "backfill");
            let under_way =
                status.iter().find(|s| s.is_behind() && s.detail.contains('%')).cloned();
            under_way.ok_or_else(|| format!("{:#?}", manifold::status(&mut world.client)))
        });
        assert!(!status.detail.starts_with("100"), "there is something left: {status:?}");
        name = world.keep();
    }
    cluster.kill();
    cluster.launch();
    cluster.set("manifold.normalize_max_rows_per_second", "0");
    let mut world = World::reopen(&cluster, &name);
    world.normalized();
    world.await_count("canonical.lead", ROWS as i64);
    check::canonical_follows(&mut world.client, "acme", &PLAIN);
    // It went on, and did not begin anew: hardly a row was captured twice.
    let peeked: i64 = world.value("SELECT count(DISTINCT key) FROM manifold.peek('acme', 1000000) WHERE topic LIKE '%.acme.lead'");
    assert_eq!(peeked, ROWS as i64);
    let captured: i64 = world.value(
        "SELECT count(*) FROM manifold.peek('acme', 1000000) WHERE topic LIKE '%.acme.lead'",
    );
    assert!(captured < ROWS as i64 + ROWS as i64 / 2, "{captured} events for {ROWS} rows");
}

#[test]
fn an_org_with_an_empty_table_is_started_at_once() {
    let mut world = World::new();
    let _acme = world.running("acme", 0);
    world.published();
    assert_eq!(world.count("canonical.lead"), 0);
}
