//! Records that are gone, or not for consumers any more, and whose end no change told: a resync or a
//! retry tells it by their key alone.

use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::support::cluster::Cluster;
use crate::support::consumer::Event;
use crate::world::{World, broker, cluster_with};

/// A cluster that publishes small messages only.
fn narrow() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        cluster_with(&format!(
            "manifold.kafka_brokers = '{}'\nmanifold.kafka_options = 'message.max.bytes=20000'\n\
             manifold.hash_salt = 'pepper'\nmanifold.topic_partitions = 1",
            broker().bootstrap()
        ))
    })
}

/// An org whose table has these columns, and whose mapping these members.
fn org(world: &mut World<'_>, columns: &str, mapping: &Value) {
    world.run(&format!(
        "CREATE SCHEMA org; CREATE TABLE org.lead ({columns}); SELECT manifold.add_org('org'); \
         SELECT manifold.set_mapping('org', 'lead', 'lead', '{mapping}')"
    ));
}

fn publish(world: &mut World<'_>, options: &Value) {
    world.run(&format!("SELECT manifold.set_publication('org', 'lead', '{options}')"));
}

fn start(world: &mut World<'_>) {
    world.run("SELECT manifold.start('org')");
    world.published();
}

/// Capture does not see this.
fn unseen(world: &mut World<'_>, sql: &str) {
    world.run("ALTER TABLE org.lead DISABLE TRIGGER ALL");
    world.run(sql);
    for name in ["before", "insert", "update", "delete", "truncate"] {
        world.run(&format!("ALTER TABLE org.lead ENABLE ALWAYS TRIGGER manifold_{name}"));
    }
    world.run("ALTER TABLE org.lead ENABLE REPLICA TRIGGER \"!manifold_row\"");
}

fn resync(world: &mut World<'_>) {
    world.run("SELECT manifold.resync('org')");
    world.published();
}

/// Tries again what Kafka would not take.
fn retry(world: &mut World<'_>) {
    let asked = world.value::<i64>("SELECT manifold.retry('org', reason => 'not_published')");
    assert!(asked > 0, "nothing to retry");
    world.await_count("manifold.reread", 0);
    world.published();
}

const REFUSED: &str = "manifold.problem WHERE reason = 'not_published' AND org = 'org'";

fn topic(world: &World<'_>) -> Vec<Event> {
    world.topic("org.lead").all().to_vec()
}

/// The operations of a key, in order.
fn told<'a>(events: &'a [Event], column: &str, value: &str) -> Vec<&'a str> {
    let of_key = events.iter().filter(|event| event.key[column].as_str() == Some(value));
    of_key.map(|event| event.op().unwrap_or("gone")).collect()
}

fn gap(world: &mut World<'_>) -> Option<String> {
    let status = world.status("org", "publisher").remove(0);
    (status.state == "warn").then_some(status.detail)
}

#[test]
fn what_a_row_filter_tests_is_not_needed_to_delete() {
    let mut world = World::in_cluster(narrow());
    org(
        &mut world,
        "sfid text PRIMARY KEY, city text NOT NULL, secret text NOT NULL, long text",
        &json!({"fields": {"city": "city"}}),
    );
    publish(&mut world, &json!({"when": {"column": "city", "is": "Ulm"}}));
    world.run("INSERT INTO org.lead SELECT n, 'Ulm', 'secret' FROM unnest('{missed,large,moved,same}'::text[]) n");
    start(&mut world);

    // A delete that nobody saw.
    unseen(&mut world, "DELETE FROM org.lead WHERE sfid = 'missed'");
    resync(&mut world);
    let events = topic(&world);
    assert_eq!(told(&events, "sfid", "missed"), ["r", "d", "gone"]);
    let delete = events.iter().find(|event| event.op() == Some("d")).unwrap();
    assert_eq!(
        delete.before(),
        &json!({"sfid": "missed", "city": "", "secret": "", "long": null}),
        "its key alone, and nothing that the schema rules out"
    );
    assert_eq!(gap(&mut world), None);

    // A delete that Kafka would not take, and one of a row that is not for consumers any more.
    world.run("UPDATE org.lead SET long = repeat('x', 30000) WHERE sfid IN ('large', 'moved')");
    world.run("DELETE FROM org.lead WHERE sfid = 'large'");
    world.run("UPDATE org.lead SET city = 'Rome', long = NULL WHERE sfid = 'moved'");
    world.published();
    assert_eq!(world.count(REFUSED), 2);
    retry(&mut world);
    assert_eq!(world.count(REFUSED), 0);
    let events = topic(&world);
    for sfid in ["large", "moved"] {
        // Of what Kafka would not take, the tombstone was small enough.
        assert_eq!(told(&events, "sfid", sfid), ["r", "r", "gone", "d", "gone"]);
    }
    assert_eq!(told(&events, "sfid", "same"), ["r", "r"]);
    let is_moved = |event: &&Event| event.key["sfid"] == "moved" && event.op() == Some("d");
    let delete = events.iter().find(is_moved).unwrap();
    assert_eq!(
        delete.before(),
        &json!({"sfid": "moved", "city": "", "secret": "", "long": null}),
        "of a row that is not published no more than its key leaves"
    );
}

/// What a mapping and a publication make of a delete that nobody saw: told by nobody, and an admin is.
#[test]
fn where_the_message_key_is_not_known_an_admin_is_told() {
    for (key, options) in [("sfid", json!({"key_columns": ["ext"]})), ("ext", json!({}))] {
        let mut world = World::in_cluster(narrow());
        org(
            &mut world,
            "id serial PRIMARY KEY, sfid text UNIQUE, ext text UNIQUE, city text",
            &json!({"key": key, "fields": {"city": "city"}}),
        );
        publish(&mut world, &options);
        world.run("INSERT INTO org.lead (sfid, ext, city) VALUES ('00Q1', 'e1', 'Ulm'), ('00Q2', 'e2', 'Ulm')");
        start(&mut world);
        assert_eq!(gap(&mut world), None);
        unseen(&mut world, "DELETE FROM org.lead WHERE ext = 'e1'");
        resync(&mut world);
        assert_eq!(world.count("canonical.lead"), 1);
        let events = topic(&world);
        let ops: Vec<_> = events.iter().map(|event| event.op()).collect();
        assert_eq!(ops, [Some("r"); 3], "by {key}: no message for a record that is none");
        let gap_of = gap(&mut world).unwrap_or_else(|| panic!("by {key}: no gap"));
        assert!(gap_of.contains("records that are gone") && gap_of.contains("resync"), "{gap_of}");
        // The topic is made anew, by whoever reads this.
        resync(&mut world);
        assert_eq!(gap(&mut world), None, "by {key}");
    }
}

#[test]
fn a_missed_delete_that_no_sweep_can_find_shows() {
    let mut world = World::in_cluster(narrow());
    org(
        &mut world,
        "sfid text PRIMARY KEY, city text",
        &json!({"when": {"column": "city", "is": "Ulm"}, "fields": {"city": "city"}}),
    );
    world.run("INSERT INTO org.lead VALUES ('in', 'Ulm'), ('out', 'Rome')");
    start(&mut world);
    assert_eq!(gap(&mut world), None);
    world.run("ALTER TABLE org.lead DISABLE TRIGGER ALL; DELETE FROM org.lead");
    resync(&mut world);
    assert_eq!(world.count("canonical.lead"), 0);
    let events = topic(&world);
    assert_eq!(told(&events, "sfid", "in"), ["r", "d", "gone"]);
    assert_eq!(told(&events, "sfid", "out"), ["r"]);
    let gap_of = gap(&mut world).expect("a gap");
    assert!(gap_of.contains("may hold records that are gone"), "{gap_of}");
    resync(&mut world);
    assert_eq!(gap(&mut world), None, "nothing was missed this time");
}

#[test]
fn a_record_that_goes_by_a_hash_is_found() {
    let mut world = World::in_cluster(narrow());
    org(
        &mut world,
        "sfid varchar(18) PRIMARY KEY, city text, long text",
        &json!({"fields": {"city": "city"}}),
    );
    publish(&mut world, &json!({"hash_columns": ["sfid"]}));
    world.run("INSERT INTO org.lead VALUES ('00Q1', 'Ulm')");
    start(&mut world);
    world.run("UPDATE org.lead SET long = repeat('x', 30000)");
    world.await_count(REFUSED, 1);
    unseen(&mut world, "UPDATE org.lead SET long = 'short'");
    retry(&mut world);
    world.await_count(REFUSED, 0);
    let events = topic(&world);
    let told: Vec<_> = events.iter().map(|event| (event.op(), &event.key)).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0].1, told[1].1);
    assert_eq!(events[1].after()["long"], "short");
    assert_eq!(world.count("canonical.lead"), 1);
}

#[test]
fn a_key_of_fixed_length_is_found_however_it_is_written() {
    let mut world = World::in_cluster(narrow());
    org(
        &mut world,
        "sfid char(18) PRIMARY KEY, city text, long text",
        &json!({"fields": {"city": "city", "status": {"column": "city", "rules": [{"map": {"Ulm": "new"}}]}}}),
    );
    world.run("INSERT INTO org.lead VALUES ('00Q000000000001', 'Ulm'), ('00Q000000000002', 'Ulm'), ('00Q000000000003', 'Ulm')");
    start(&mut world);
    unseen(&mut world, "DELETE FROM org.lead WHERE sfid = '00Q000000000003'");
    resync(&mut world);
    assert_eq!(world.count("canonical.lead"), 2);
    world.run("UPDATE org.lead SET city = 'Rome' WHERE sfid = '00Q000000000001'");
    world.run("UPDATE org.lead SET long = repeat('x', 30000) WHERE sfid = '00Q000000000002'");
    world.await_count(REFUSED, 1);
    world.await_count("manifold.problem WHERE reason = 'unmapped_value'", 1);
    unseen(&mut world, "UPDATE org.lead SET city = 'Ulm', long = 'short'");
    world.run("SELECT manifold.retry('org')");
    world.await_count("manifold.reread", 0);
    world.published();
    world.await_count("manifold.problem WHERE org = 'org'", 0);
    assert_eq!(world.count("canonical.lead WHERE status = 'new'"), 2);
    let events = topic(&world);
    let deleted: Vec<_> = events.iter().filter(|event| event.op() == Some("d")).collect();
    assert_eq!(deleted.len(), 1, "{deleted:#?}");
    assert_eq!(deleted[0].key, json!({"sfid": "00Q000000000003   "}));
}

#[test]
fn numbers_that_are_keys_are_found_however_they_are_written() {
    let mut world = World::in_cluster(narrow());
    org(
        &mut world,
        "id serial PRIMARY KEY, sfid text, number__c float8, city text",
        &json!({"key": "number__c", "fields": {"city": "city"}}),
    );
    world.run("INSERT INTO org.lead (sfid, number__c) VALUES ('00Q1', 2000000000000000), ('00Q2', 0.1), ('00Q3', 7)");
    start(&mut world);
    unseen(&mut world, "DELETE FROM org.lead WHERE sfid = '00Q3'");
    resync(&mut world);
    let left = "SELECT string_agg(sfid, ' ' ORDER BY sfid) FROM canonical.lead";
    world.await_text(left, Some("0.1 2000000000000000"));
}
