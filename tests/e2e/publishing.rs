//! Events as they are in the topics, and as `peek` shows them.

use std::collections::BTreeSet;

use crate::check;
use crate::support::broker::Broker;
use crate::support::consumer::{Event, topics};
use crate::support::run;
use crate::world::{World, broker, cluster_with, text};

#[test]
fn an_event_is_debeziums_envelope_with_headers() {
    let mut world = World::new();
    let mut acme = world.running("acme", 1);
    let sfid = acme.org.sfid(0).to_owned();
    acme.update(&[&sfid], &[("city", Some("Rome"))]);
    // Taken in one batch, update and delete would be one change of the canonical row.
    world.await_count("canonical.lead WHERE city = 'Rome'", 1);
    acme.connect.delete(&acme.lead, &[&sfid]);
    world.await_count("canonical.lead", 0);
    world.published();
    for (table, ops) in [("acme.lead", ["r", "u", "d"]), ("canonical.lead", ["c", "u", "d"])] {
        let mut topic = world.topic(table);
        let events = topic.all();
        assert_eq!(events.len(), 4, "{events:#?}");
        let (schema, name) = table.split_once('.').unwrap();
        for (event, op) in events.iter().zip(ops) {
            envelope(event, op, &world.database.name, schema, name);
        }
        assert_eq!(events[3].value, None, "a tombstone follows the delete");
        assert_eq!(events[3].key_text, events[2].key_text);
        let ids: BTreeSet<_> = events[..3].iter().map(|event| event.header("event_id")).collect();
        assert_eq!(ids.len(), 3);
    }
    assert_eq!(world.topic("acme.lead").all()[0].key_text, format!("{{\"sfid\":\"{sfid}\"}}"));
    assert_eq!(
        world.topic("canonical.lead").all()[0].key_text,
        format!("{{\"org\":\"acme\",\"sfid\":\"{sfid}\"}}")
    );
}

fn envelope(event: &Event, op: &str, database: &str, schema: &str, table: &str) {
    let value = event.value.as_ref().expect("not a tombstone");
    assert_eq!(event.op(), Some(op), "{value:#}");
    let members: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        members,
        ["before", "after", "source", "transaction", "op", "ts_ms", "ts_us", "ts_ns"]
    );
    assert_eq!(event.before().is_null(), op == "c" || op == "r");
    assert_eq!(event.after().is_null(), op == "d");
    let source = &value["source"];
    assert_eq!(source["name"], database, "the topic prefix");
    assert_eq!(
        (&source["db"], text(&source["schema"]), text(&source["table"])),
        (&database.into(), schema, table)
    );
    assert!(source["txId"].as_i64() > Some(0) || op == "r", "{source}");
    assert_eq!(text(&source["snapshot"]) == "false", op != "r", "{source}");
    let [ms, us, ns] =
        ["ts_ms", "ts_us", "ts_ns"].map(|unit| value[unit].as_i64().expect("a number"));
    assert!(us / 1000 == ms && ns / 1000 == us, "{ms} {us} {ns}");
    assert!(source["ts_ms"].as_i64().expect("a number") <= ms);
    assert_eq!(event.header("org"), "acme");
    assert!(
        !event.header("event_id").is_empty() && !event.header("origin").is_empty(),
        "{:?}",
        event.headers
    );
}

#[test]
fn every_row_of_the_fixture_orgs_is_published_as_it_is() {
    let mut world = World::new();
    for org in crate::support::fixtures::ORGS {
        world.running(org, 2000);
    }
    world.published();
    for (schema, rows) in [("acme", 2000), ("globex", 2000), ("initech", 2000), ("canonical", 6000)]
    {
        let mut topic = world.topic(&format!("{schema}.lead"));
        let events = topic.all();
        assert_eq!(events.len(), rows, "{schema}: one event a row");
        let events = events.to_vec();
        check::topic_tells_table(&mut world.client, schema, "lead", &events);
        if schema != "canonical" {
            assert!(
                events.iter().all(|event| event.op() == Some("r") && event.header("org") == schema)
            );
        }
    }
    let prefix = format!("{}.", world.database.name);
    let mut names = topics(&broker().bootstrap(), &prefix);
    names.retain(|name| name.ends_with(".lead"));
    assert_eq!(names.len(), 4, "{names:?}");
}

#[test]
fn without_a_broker_peek_shows_what_is_published_once_there_is_one() {
    let cluster = cluster_with("manifold.kafka_brokers = ''");
    let mut world = World::in_cluster(&cluster);
    let mut acme = world.running("acme", 3);
    let sfid = acme.org.sfid(0).to_owned();
    acme.update(&[&sfid], &[("city", Some("Rome"))]);
    acme.connect.delete(&acme.lead, &[&sfid]);
    world.normalized();
    // No broker is no trouble.
    world.await_status("acme", "publisher", "idle", |s| {
        s.state == "ok" && s.last_error.is_none() && s.lag_changes > 0
    });

    let peeked = peek(&mut world, 100);
    assert!(peeked.len() >= 6, "{peeked:#?}");
    assert_eq!(peek(&mut world, 2), peeked[..2], "n limits");
    assert_eq!(peek(&mut world, 100), peeked, "looking takes nothing");

    let broker = Broker::start(run::dir());
    cluster.set("manifold.kafka_brokers", &broker.bootstrap());
    world.published();
    let mut sent = Vec::new();
    let of_topics: BTreeSet<_> = peeked.iter().map(|event| event.topic.clone()).collect();
    for topic in of_topics {
        let name = topic
            .strip_prefix(&format!("{}.", world.database.name))
            .expect("the prefix")
            .to_owned();
        for event in world.topic_on(&broker, &name).all() {
            sent.push(Peeked::of(&topic, event));
        }
    }
    for event in &peeked {
        assert!(
            sent.contains(event),
            "peeked, but not sent so: {event:#?}\nof {:#?}",
            &sent[..sent.len().min(3)]
        );
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Peeked {
    event_id: String,
    topic: String,
    key: String,
    value: Option<serde_json::Value>,
    headers: serde_json::Value,
}

impl Peeked {
    fn of(topic: &str, event: &Event) -> Self {
        Self {
            event_id: event.header("event_id").to_owned(),
            topic: topic.to_owned(),
            key: event.key_text.clone(),
            value: event.value.clone().map(without_processing_time),
            headers: serde_json::to_value(&event.headers).unwrap(),
        }
    }
}

/// The outer times say when an event was made for sending, and so differ.
fn without_processing_time(mut value: serde_json::Value) -> serde_json::Value {
    let envelope = value.as_object_mut().expect("an envelope");
    for unit in ["ts_ms", "ts_us", "ts_ns"] {
        envelope.remove(unit);
    }
    value
}

fn peek(world: &mut World, n: i32) -> Vec<Peeked> {
    let sql = "SELECT event_id::text, topic::text, key::text, value::text, headers::jsonb FROM manifold.peek('acme', $1)";
    let rows = world.client.query(sql, &[&n]).unwrap_or_else(|e| panic!("{e:?}"));
    rows.iter()
        .map(|row| Peeked {
            event_id: row.get(0),
            topic: row.get(1),
            key: row.get(2),
            value: row
                .get::<_, Option<String>>(3)
                .map(|text| without_processing_time(serde_json::from_str(&text).unwrap())),
            headers: row.get(4),
        })
        .collect()
}

#[test]
fn the_topic_prefix_can_be_chosen() {
    let broker = Broker::start(run::dir());
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.topic_prefix = 'crm'",
        broker.bootstrap()
    ));
    let mut world = World::in_cluster(&cluster);
    let _acme = world.running("acme", 3);
    world.published();
    let mut names = topics(&broker.bootstrap(), "crm.");
    names.sort_unstable();
    assert_eq!(names, ["crm.acme.lead", "crm.canonical.lead"]);
}
