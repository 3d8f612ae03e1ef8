//! What capture could not tell: the writer does not feel it, an admin is told, and a resync repairs it.

use super::nested::trigger;
use super::place::Place;
use crate::support::wait;
use crate::world::{LIMIT, World};

const MAPPING: &str = r#"'{"fields": {"city": "name"}}'"#;

/// An org whose leads are canonical and published: a, b and c, each with a value out of line.
fn running(world: &mut World<'static>) {
    world.run(
        "CREATE SCHEMA org; CREATE TABLE org.lead (sfid text PRIMARY KEY, name text, big text); ALTER TABLE org.lead ALTER big SET STORAGE EXTERNAL; \
         SELECT manifold.add_org('org')",
    );
    world.run(&format!(
        "SELECT manifold.set_mapping('org', 'lead', entity => 'lead', mapping => {MAPPING})"
    ));
    world.run("SELECT manifold.start('org')");
    for sfid in ["a", "b", "c"] {
        world.run(&format!(
            "INSERT INTO org.lead VALUES ('{sfid}', 'first', repeat('{sfid}', 5000))"
        ));
    }
    world.await_count("canonical.lead", 3);
    world.published();
}

/// Takes the large value of b away, as a broken disk does; who only carries it along does not notice.
fn corrupt(world: &mut World<'static>) {
    world.run(
        "CREATE EXTENSION pg_surgery; \
         DO $$DECLARE toast regclass; places tid[]; BEGIN SELECT reltoastrelid INTO toast FROM pg_class WHERE oid = 'org.lead'::regclass; \
           EXECUTE format('SELECT array_agg(ctid) FROM %s WHERE chunk_id = (SELECT DISTINCT chunk_id FROM %1$s ORDER BY 1 OFFSET 1 LIMIT 1)', toast) INTO places; \
           PERFORM heap_force_kill(toast, places); END$$",
    );
}

fn gap(world: &mut World<'static>, consumer: &str) -> Option<String> {
    let detail = world.status("org", consumer).remove(0).detail;
    detail.contains("gap").then_some(detail)
}

fn resync(world: &mut World<'static>) {
    world.run("SELECT manifold.resync('org', 'lead')");
    wait::until("the resync", LIMIT, || match world.status("org", "backfill") {
        status if status.iter().any(|s| s.is_behind()) => Err(format!("{status:#?}")),
        _ => Ok(()),
    });
    world.published();
}

/// The canonical leads are those of the table, and so are the last events of their topic.
fn agreed(world: &mut World<'static>) {
    let wrong = "SELECT string_agg(format('%s: %s, canonical %s', sfid, s.name, c.city), '; ') \
        FROM org.lead s FULL JOIN canonical.lead c USING (sfid) WHERE s.name IS DISTINCT FROM c.city";
    assert_eq!(world.value::<Option<String>>(wrong), None);
    let mut topic = world.topic("canonical.lead");
    let events = topic.all().to_vec();
    crate::check::topic_tells_table(&mut world.client, "canonical", "lead", &events);
}

#[test]
fn a_row_that_cannot_be_described_does_not_fail_its_statement_and_a_resync_makes_up_for_it() {
    let mut world = World::new();
    running(&mut world);
    corrupt(&mut world);
    assert!(
        world.client.batch_execute("SELECT md5(big) FROM org.lead").is_err(),
        "b cannot be read"
    );
    world.run("UPDATE org.lead SET name = 'second'");
    for consumer in ["normalizer", "publisher"] {
        let gap = gap(&mut world, consumer).unwrap_or_else(|| panic!("no gap for the {consumer}"));
        assert!(gap.contains("manifold.resync"), "it says what to do: {gap}");
        assert_eq!(world.status("org", consumer)[0].state, "warn");
    }
    // What comes after it is captured as ever.
    world.run("UPDATE org.lead SET name = 'third' WHERE sfid = 'a'; DELETE FROM org.lead WHERE sfid = 'b'; INSERT INTO org.lead VALUES ('d', 'fourth')");
    world.await_count("canonical.lead WHERE city IN ('third', 'fourth')", 2);
    world.normalized();
    assert_eq!(world.count("canonical.lead WHERE sfid = 'b'"), 1, "its delete is not known");
    resync(&mut world);
    assert_eq!(gap(&mut world, "normalizer"), None);
    assert_eq!(world.status("org", "normalizer")[0].state, "ok");
    agreed(&mut world);
    assert_eq!(world.count("canonical.lead"), 3);
    let mut topic = world.topic("org.lead");
    let deleted =
        topic.all().iter().any(|event| event.op() == Some("d") && event.key["sfid"] == "b");
    assert!(deleted, "the topic of the table is told of the delete as well");
}

#[test]
fn a_gap_that_is_rolled_back_is_none() {
    let mut world = World::new();
    running(&mut world);
    corrupt(&mut world);
    world.run("BEGIN; SAVEPOINT s; UPDATE org.lead SET name = 'x'; ROLLBACK TO s; UPDATE org.lead SET name = 'y' WHERE sfid = 'a'; COMMIT");
    world.run("BEGIN; DELETE FROM org.lead; ROLLBACK");
    world.await_count("canonical.lead WHERE city = 'y'", 1);
    assert_eq!(gap(&mut world, "normalizer"), None);
}

#[test]
fn a_row_that_cannot_be_read_holds_up_no_other_backfill() {
    let mut world = World::new();
    running(&mut world);
    corrupt(&mut world);
    world.run("SELECT manifold.resync('org', 'lead')");
    world.await_status("org", "backfill", "in trouble", |s| s.state == "error");
    let _acme = world.running("acme", 20);
    world.run("DELETE FROM org.lead WHERE sfid = 'b'");
    world.normalized();
    agreed_without(&mut world, "b");
}

#[test]
fn a_type_that_is_dropped_before_its_values_are_read_stops_no_consumer() {
    let mut world = World::new();
    world.run("CREATE SCHEMA org; CREATE TYPE org.fate AS ENUM ('here'); CREATE TABLE org.lead (sfid text PRIMARY KEY, name text, fate org.fate); \
        SELECT manifold.add_org('org')");
    world.run(&format!(
        "SELECT manifold.set_mapping('org', 'lead', entity => 'lead', mapping => {MAPPING})"
    ));
    world.run("SELECT manifold.start('org')");
    world.published();
    world.run(
        "SELECT manifold.pause('org', 'normalizer'); SELECT manifold.pause('org', 'publisher')",
    );
    world.run("INSERT INTO org.lead VALUES ('a', 'with its type', 'here')");
    world.run("DROP TYPE org.fate CASCADE; INSERT INTO org.lead VALUES ('b', 'without')");
    world.run(
        "SELECT manifold.resume('org', 'normalizer'); SELECT manifold.resume('org', 'publisher')",
    );
    world.await_count("canonical.lead WHERE city = 'without'", 1);
    world.await_count("canonical.lead WHERE city = 'with its type'", 1);
    world.published();
    for consumer in ["normalizer", "publisher"] {
        assert_ne!(world.status("org", consumer)[0].state, "error");
    }
}

fn agreed_without(world: &mut World<'static>, sfid: &str) {
    assert_eq!(world.count(&format!("canonical.lead WHERE org = 'org' AND sfid = '{sfid}'")), 0);
    assert_eq!(world.count("canonical.lead WHERE org = 'org'"), 2);
}

#[test]
fn what_happened_while_capture_was_stopped_is_made_up_for_at_the_start() {
    let mut world = World::new();
    running(&mut world);
    world.run("SELECT manifold.stop('org')");
    world.run("DELETE FROM org.lead WHERE sfid = 'a'; UPDATE org.lead SET name = 'unseen' WHERE sfid = 'b'; INSERT INTO org.lead VALUES ('d', 'new')");
    world.run("SELECT manifold.start('org')");
    world.published();
    wait::until("the canonical leads to agree", LIMIT, || {
        match world.count("canonical.lead WHERE sfid = 'a'") {
            0 => Ok(()),
            _ => Err("a is still there"),
        }
    });
    world.published();
    agreed(&mut world);
}

#[test]
fn a_delete_that_was_missed_is_made_up_for_though_the_normalizer_is_behind() {
    let mut world = World::new();
    running(&mut world);
    world.run("SELECT manifold.pause('org', 'normalizer')");
    world.run("INSERT INTO org.lead VALUES ('late', 'captured, and not canonical yet')");
    world.run("ALTER TABLE org.lead DISABLE TRIGGER USER; DELETE FROM org.lead WHERE sfid = 'late'; ALTER TABLE org.lead ENABLE TRIGGER USER");
    world.run("SELECT manifold.resync('org', 'lead'); SELECT manifold.resume('org', 'normalizer')");
    wait::until("the resync", LIMIT, || match world.status("org", "backfill") {
        status if status.iter().any(|s| s.is_behind()) => Err(format!("{status:#?}")),
        _ => Ok(()),
    });
    world.published();
    agreed(&mut world);
}

#[test]
fn triggers_that_were_disabled_and_tables_that_were_made_anew_are_noticed_and_repaired() {
    let mut world = World::new();
    running(&mut world);
    let noticed = |world: &mut World<'static>, what: &str| {
        let status = world.status("org", "normalizer").remove(0);
        assert!(
            status.state == "warn" && status.detail.contains("manifold."),
            "{what}: {status:?}"
        );
    };
    world.run("ALTER TABLE org.lead DISABLE TRIGGER USER; DELETE FROM org.lead WHERE sfid = 'a'");
    noticed(&mut world, "disabled");
    world.run(
        "ALTER TABLE org.lead ENABLE TRIGGER USER; UPDATE org.lead SET name = 'x' WHERE sfid = 'b'",
    );
    noticed(&mut world, "enabled again, and not as they were");
    resync(&mut world);
    agreed(&mut world);
    // Recreated, as Heroku Connect does it with a mapping.
    world.run("DROP TABLE org.lead");
    noticed(&mut world, "dropped");
    world.run("CREATE TABLE org.lead (sfid text PRIMARY KEY, more int, name text); INSERT INTO org.lead VALUES ('b', 1, 'anew'), ('e', 2, 'anew')");
    noticed(&mut world, "another table");
    resync(&mut world);
    world.run("UPDATE org.lead SET name = 'captured' WHERE sfid = 'e'");
    world.published();
    agreed(&mut world);
}

#[test]
fn more_within_one_statement_than_can_be_kept_is_a_gap_and_no_error() {
    let mut place = Place::new(&format!(
        "CREATE TABLE lead (sfid text UNIQUE, n int, big text); ALTER TABLE lead ALTER big SET STORAGE EXTERNAL; \
         INSERT INTO lead VALUES ('large', 0, repeat('x', 9000000)), ('small', 0, 'y'); {}",
        trigger(
            "again",
            "AFTER UPDATE ON lead FOR EACH ROW WHEN (pg_trigger_depth() = 0)",
            "FOR i IN 1..8 LOOP UPDATE lead SET n = i WHERE sfid = NEW.sfid; END LOOP;"
        )
    ));
    assert_eq!(place.write("UPDATE lead SET n = -1 WHERE sfid = 'small'"), ["u"; 9].join(" "));
    place.run("UPDATE lead SET n = -1 WHERE sfid = 'large'");
    assert!(place.trouble("lead").is_some_and(|trouble| trouble.contains("64 MB")));
    place.told_or_troubled("lead", "72 MB within a statement");
}
