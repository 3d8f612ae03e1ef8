//! Transaction metadata: the block in events, and the topic of beginnings and ends.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{add, contacts, eager};
use crate::support::consumer::Event;
use crate::support::wait;
use crate::world::{LIMIT, World, broker_behind, cluster_with};

/// The ends of transactions by id, each told once, after its beginning.
fn ends(told: &[Event]) -> BTreeMap<String, Value> {
    let mut begun = BTreeSet::new();
    let mut ended = BTreeMap::new();
    for event in told {
        let value = event.value.clone().expect("no tombstones here");
        let id = value["id"].as_str().expect("text").to_owned();
        assert_eq!(event.key, json!({"id": id}));
        assert!(value["ts_ms"].as_i64() > Some(0), "{value}");
        match value["status"].as_str() {
            Some("BEGIN") => {
                assert_eq!(
                    (&value["event_count"], &value["data_collections"]),
                    (&Value::Null, &Value::Null)
                );
                begun.insert(id);
            }
            Some("END") => {
                assert!(begun.contains(&id), "{id} ends before it begins");
                ended.insert(id, value);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(begun.len(), ended.len(), "all that begins ends");
    ended
}

/// What the events of a topic say of their place: (id, total order, order in the table) to event id
/// and operation.
fn places(events: &[Event]) -> BTreeMap<(String, i64, i64), (String, String)> {
    let mut places = BTreeMap::new();
    for event in events {
        let Some(value) = &event.value else { continue };
        let block = &value["transaction"];
        if block.is_null() {
            assert_eq!(event.op(), Some("r"), "{value}");
            continue;
        }
        let number = |name: &str| block[name].as_i64().expect("a number");
        let place = (
            block["id"].as_str().expect("text").to_owned(),
            number("total_order"),
            number("data_collection_order"),
        );
        let what = (event.header("event_id").to_owned(), event.op().unwrap_or_default().to_owned());
        let before = places.insert(place.clone(), what.clone());
        assert!(
            before.as_ref().is_none_or(|before| *before == what),
            "{place:?}: {before:?} {what:?}"
        );
    }
    places
}

#[test]
fn events_name_their_transaction_and_its_end_says_how_many_there_are() {
    let mut world = World::in_cluster(eager());
    for org in ["tiny", "other"] {
        contacts(&mut world, org);
    }
    world.run("CREATE TABLE tiny.person (LIKE tiny.contact INCLUDING ALL)");
    world.run("SELECT manifold.set_mapping('tiny', 'person', 'contact', '{\"fields\": {\"email\": \"email\"}}')");
    world.run("SELECT manifold.start('tiny'); SELECT manifold.start('other')");
    add(&mut world, "tiny", 9);
    world.published();
    world.run("BEGIN");
    let xid: String = world.value("SELECT pg_current_xact_id()::text");
    add(&mut world, "tiny", 1);
    add(&mut world, "other", 1);
    world.run("INSERT INTO tiny.person (sfid) VALUES ('p1'), ('p2')");
    // A key that changes is two events.
    world.run("UPDATE tiny.contact SET sfid = '003X' WHERE sfid = '0031'");
    world.run("SAVEPOINT s; DELETE FROM tiny.person; ROLLBACK TO s");
    world.run("DELETE FROM tiny.contact; COMMIT");
    world.published();

    let id = format!("{xid}:tiny");
    let mut seen = BTreeMap::new();
    for table in ["tiny.contact", "tiny.person", "other.contact", "canonical.contact"] {
        seen.extend(places(world.topic(table).all()));
    }
    let of_it: Vec<(i64, i64, &str)> = seen
        .iter()
        .filter(|((of, ..), _)| *of == id)
        .map(|((_, total, order), (_, op))| (*total, *order, op.as_str()))
        .collect();
    let expected =
        [(1, 1, "c"), (2, 1, "c"), (3, 2, "c"), (4, 2, "d"), (5, 3, "c"), (6, 4, "d"), (7, 5, "d")];
    assert_eq!(of_it, expected);
    let mut topic = world.topic("transaction");
    let ends = ends(topic.all());
    assert_eq!(
        (&ends[&id]["event_count"], &ends[&id]["data_collections"]),
        (
            &json!(7),
            &json!([{"data_collection": "tiny.contact", "event_count": 5},
                    {"data_collection": "tiny.person", "event_count": 2}])
        )
    );
    assert_eq!(ends[&format!("{xid}:other")]["event_count"], 1);
    // What the ends say is there, is there, and nothing else.
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for (id, ..) in seen.keys() {
        *counts.entry(id).or_default() += 1;
    }
    for (id, end) in &ends {
        assert_eq!(counts.remove(id.as_str()), end["event_count"].as_i64(), "{id}");
    }
    assert!(counts.is_empty(), "without an end: {counts:?}");
    assert!(ends.keys().any(|id| id.ends_with(":canonical")), "{:?}", ends.keys());
}

#[test]
fn a_transaction_is_told_alike_however_often_its_publisher_is_killed() {
    const ROWS: i64 = 8_000;
    let (broker, between) = broker_behind();
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.provide_transaction_metadata = on\n\
         manifold.topic_prefix = 'told'\nmanifold.topic_partitions = 1\n\
         manifold.log_table_size = 1MB\nmanifold.log_table_age = 1s",
        between.address()
    ));
    let mut world = World::in_cluster(&cluster);
    world.prefix = "told".into();
    contacts(&mut world, "tiny");
    world.run("SELECT manifold.start('tiny')");
    world.has_read("tiny");
    world.published();
    // The transaction takes more requests than answers pass here altogether.
    let hold = || between.hold_after("told.tiny.contact", 2);
    hold();
    world.run("BEGIN");
    let xid: String = world.value("SELECT pg_current_xact_id()::text");
    world.run(&format!(
        "INSERT INTO tiny.contact (sfid, notes) SELECT n, repeat('x', 1500) FROM generate_series(1, {ROWS}) n; \
         UPDATE tiny.contact SET phone = sfid WHERE id % 2 = 0; COMMIT"
    ));
    for _ in 0..4 {
        wait::until("an answer that does not come", LIMIT, || match between.met() {
            0 => Err("none"),
            _ => Ok(()),
        });
        world.run(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity \
             WHERE backend_type LIKE 'pg_manifold publisher%' AND datname = current_database()",
        );
        let lag: i64 = world
            .value("SELECT sum(changes)::bigint FROM manifold.lag() WHERE consumer = 'publisher'");
        assert!(lag > 0, "it ended in the middle");
        hold();
        world.run("INSERT INTO tiny.contact (notes) VALUES ('another transaction')");
    }
    between.pass();
    world.published();
    let id = format!("{xid}:tiny");
    let count = ROWS + ROWS / 2;
    let all = places(world.topic_on(&broker, "tiny.contact").all());
    let orders: Vec<i64> =
        all.keys().filter(|(of, ..)| *of == id).map(|(_, total, _)| *total).collect();
    assert_eq!(orders.len() as i64, count);
    assert!(orders.iter().copied().eq(1..=count), "each place once");
    let mut told = world.topic_on(&broker, "transaction");
    let told = told.all();
    let of_it: Vec<_> = told.iter().filter(|event| event.key["id"] == id.as_str()).collect();
    assert!(of_it.len() >= 2, "{of_it:?}");
    for event in of_it {
        let value = event.value.as_ref().unwrap();
        if value["status"] == "END" {
            assert_eq!(value["event_count"], count, "{value}");
        }
    }
}
