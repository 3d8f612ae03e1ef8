//! Pausing, stopping, removing; and orgs that leave each other alone.

use crate::world::{LIMIT, World, cluster_with};

#[test]
fn a_paused_normalizer_falls_behind_and_catches_up() {
    let mut world = World::new();
    let mut acme = world.running("acme", 10);
    world.run("SELECT manifold.pause('acme', 'normalizer')");
    world.await_status("acme", "normalizer", "paused", |s| s.state == "paused");
    acme.load(10, 20);
    world.await_status("acme", "normalizer", "behind", |s| {
        s.state == "paused" && s.lag_changes >= 20
    });
    // The publisher goes on.
    world.topic("acme.lead").at_least(30, LIMIT);
    assert_eq!(world.count("canonical.lead"), 10);
    world.run("SELECT manifold.resume('acme', 'normalizer')");
    world.await_count("canonical.lead", 30);
    world.await_status("acme", "normalizer", "ok", |s| s.state == "ok" && s.lag_changes == 0);
}

#[test]
fn a_paused_publisher_holds_back_its_org_alone() {
    let mut world = World::new();
    let mut acme = world.running("acme", 10);
    let mut globex = world.running("globex", 10);
    world.published();
    world.run("SELECT manifold.pause('acme', 'publisher')");
    acme.load(10, 20);
    globex.load(10, 20);
    world.topic("globex.lead").at_least(30, LIMIT);
    world.await_count("canonical.lead", 60);
    world.await_status("acme", "publisher", "paused and behind", |s| {
        s.state == "paused" && s.lag_changes >= 20
    });
    assert_eq!(world.topic("acme.lead").all().len(), 10);
    world.run("SELECT manifold.resume('acme', 'publisher')");
    world.topic("acme.lead").at_least(30, LIMIT);
}

#[test]
fn an_org_with_a_long_backlog_under_the_throttle_leaves_the_others_their_turn() {
    let cluster = cluster_with("manifold.kafka_brokers = ''");
    let mut world = World::in_cluster(&cluster);
    let mut acme = world.running("acme", 0);
    let mut globex = world.running("globex", 1);
    // All of it takes longer than anything is waited for.
    cluster.set("manifold.normalize_max_rows_per_second", "40");
    let rows = acme.org.many(10_000);
    acme.connect.load(&acme.lead, &acme.org.columns, &rows);
    world.await_status("acme", "normalizer", "behind", |s| s.lag_changes > 5_000);
    let sfid = globex.org.sfid(0).to_owned();
    globex.update(&[&sfid], &[("city", Some("Fair"))]);
    world.await_count("canonical.lead WHERE city = 'Fair'", 1);
    assert!(
        world.count("canonical.lead WHERE org = 'acme'") < 9_000,
        "acme is still behind, under the throttle"
    );
    cluster.set("manifold.normalize_max_rows_per_second", "0");
    world.await_count("canonical.lead WHERE org = 'acme'", 10_000);
}

#[test]
fn without_brokers_an_error_that_has_passed_leaves_the_status() {
    let cluster = cluster_with("manifold.kafka_brokers = ''");
    let mut world = World::in_cluster(&cluster);
    let _acme = world.running("acme", 1);
    // The definitions have changed, and for a while they cannot be read.
    world.run(
        "ALTER TABLE manifold.publication RENAME TO elsewhere; \
         SELECT manifold.pause('acme', 'publisher'), manifold.resume('acme', 'publisher')",
    );
    let told = |error: &String| error.contains("manifold.publication");
    world.await_status("acme", "publisher", "in error", |s| {
        s.state == "error" && s.last_error.as_ref().is_some_and(told)
    });
    world.run("ALTER TABLE manifold.elsewhere RENAME TO publication");
    world.await_status("acme", "publisher", "well", |s| {
        s.state == "ok" && s.detail.starts_with("idle")
    });
}

#[test]
fn a_stopped_org_is_not_captured_and_has_no_triggers() {
    let mut world = World::new();
    let mut acme = world.running("acme", 5);
    let triggers = "pg_trigger WHERE tgrelid = 'acme.lead'::regclass AND NOT tgisinternal AND tgname NOT LIKE 'hc_%'";
    assert!(world.count(triggers) > 0);
    let disabled = format!("{triggers} AND tgenabled NOT IN ('A', 'R')");
    assert_eq!(world.count(&disabled), 0, "they fire in replica sessions, too");
    world.run("SELECT manifold.stop('acme')");
    assert_eq!(world.count(triggers), 0);
    acme.load(5, 5);
    world.published();
    assert_eq!(world.count("canonical.lead"), 5);
    // Started again, what was missed is captured.
    world.run("SELECT manifold.start('acme')");
    world.await_count("canonical.lead", 10);
}

#[test]
fn a_removed_org_is_gone_and_the_others_stay() {
    let mut world = World::new();
    let mut acme = world.running("acme", 5);
    let mut globex = world.running("globex", 5);
    world.run("SELECT manifold.remove_org('acme')");
    assert_eq!(world.count("manifold.status WHERE org = 'acme'"), 0);
    assert_eq!(world.count("acme.lead"), 5, "the synced table is not ours");
    acme.load(5, 5);
    globex.load(5, 5);
    world.await_count("canonical.lead WHERE org = 'globex'", 10);
    assert_eq!(world.count("canonical.lead WHERE org = 'acme' AND sfid IN (SELECT sfid FROM acme.lead WHERE id > 5)"), 0);
    // And may come back.
    world.onboard("acme");
    world.await_count("canonical.lead WHERE org = 'acme'", 10);
}

#[test]
fn a_row_that_cannot_be_written_is_set_aside_and_its_neighbours_go_on() {
    let mut world = World::new();
    let mut acme = world.running("acme", 0);
    // Somebody's constraint on the canonical table, which one lead breaks.
    let bad = acme.org.sfid(13).to_owned();
    world.run(&format!("ALTER TABLE canonical.lead ADD CONSTRAINT picky CHECK (sfid <> '{bad}')"));
    acme.load(0, 100);
    world.await_count("canonical.lead", 99);
    world.await_count(
        &format!("manifold.problem WHERE org = 'acme' AND record = '{bad}' AND field = '*'"),
        1,
    );
    world.normalized();
    acme.load(100, 10);
    world.await_count("canonical.lead", 109);
}

#[test]
fn a_source_that_is_dropped_or_altered_does_not_stop_the_others() {
    let mut world = World::new();
    let acme = world.running("acme", 5);
    let mut globex = world.running("globex", 5);
    world.run(
        "ALTER TABLE acme.lead ADD COLUMN new__c text; ALTER TABLE acme.lead DROP COLUMN rating",
    );
    let sfid = acme.org.sfid(0).to_owned();
    world.run(&format!("UPDATE acme.lead SET new__c = 'kept' WHERE sfid = '{sfid}'"));
    world.await_text(
        &format!("SELECT extras ->> 'new__c' FROM canonical.lead WHERE sfid = '{sfid}'"),
        Some("kept"),
    );
    world.run("DROP TABLE acme.lead");
    globex.load(5, 5);
    world.await_count("canonical.lead WHERE org = 'globex'", 10);
    drop(acme.connect);
}
