//! Exactly once: who reads what is committed sees every change once.

use crate::support::broker::Broker;
use crate::support::cluster::Cluster;
use crate::support::consumer::{Event, Topic};
use crate::support::wait;
use crate::world::{LIMIT, World, broker, cluster_with};

/// A cluster that publishes exactly once to the shared broker, or another one.
fn cluster(broker: &Broker, prefix: &str) -> Cluster {
    cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.topic_prefix = '{prefix}'\n\
         manifold.exactly_once = on",
        broker.bootstrap()
    ))
}

/// A database in it, with its topics' prefix.
fn world<'a>(cluster: &'a Cluster, prefix: &str) -> World<'a> {
    let mut world = World::in_cluster(cluster);
    world.prefix = prefix.to_owned();
    world
}

/// Every change is there, and none twice.
fn once(events: &[Event], n: usize) {
    let mut ids: Vec<&str> = events.iter().map(|event| event.header("event_id")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), events.len()), (n, n), "{events:#?}");
}

#[test]
fn the_progress_topic_says_how_far_the_publisher_is() {
    let cluster = cluster(broker(), "progress");
    let mut world = world(&cluster, "progress");
    let mut acme = world.running("acme", 40);
    acme.load(40, 10);
    world.published();
    once(world.topic("acme.lead").all(), 50);
    once(world.topic("canonical.lead").all(), 50);
    wait::until("the record of what the database says", LIMIT, || {
        let mut topic = Topic::new(&broker().bootstrap(), "progress.publisher-progress");
        let last = topic.all().last().cloned().expect("a record");
        assert_eq!(last.key_text, r#"{"consumer":"publisher","lane":0}"#);
        assert_eq!(last.partition, 0);
        let value = last.value.expect("a value");
        let row = world.client.query_one(
            "SELECT (SELECT seen::text FROM manifold.position WHERE consumer = 'publisher' AND lane = 0), \
               (SELECT claim::jsonb FROM manifold.position WHERE consumer = 'exactly_once')",
            &[],
        );
        let row = row.unwrap_or_else(|e| panic!("{e:?}"));
        let (seen, claim): (String, serde_json::Value) = (row.get(0), row.get(1));
        assert_eq!(value["session"], claim["session"]);
        assert_eq!(value["database"], world.database.name);
        let says = (value["seen"].as_str(), value["transaction"].as_u64());
        let knows = (Some(seen.as_str()), claim["transaction"].as_u64());
        if says == knows { Ok(()) } else { Err(format!("{says:?}, {knows:?}")) }
    });
}
