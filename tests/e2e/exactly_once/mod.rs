//! Exactly once: who reads what is committed sees every change once.

mod culprits;
mod midway;
mod refusals;
mod together;

use crate::check;
use crate::load::under_load;
use crate::support::broker::Broker;
use crate::support::cluster::Cluster;
use crate::support::consumer::{Event, Topic};
use crate::support::go_between::GoBetween;
use crate::support::heroku_connect::HerokuConnect;
use crate::support::run;
use crate::support::wait;
use crate::world::{LIMIT, World, broker, broker_behind, cluster_with};

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

/// Every change is there, and none twice. Brokers write in each partition that a transaction is committed
/// after they have said so: the last one may be seen a moment later.
fn once(mut topic: Topic, n: usize) {
    topic.at_least(n, LIMIT);
    let events = topic.all();
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
    once(world.topic("acme.lead"), 50);
    once(world.topic("canonical.lead"), 50);
    wait::until("the record of what the database says", LIMIT, || {
        let mut topic = Topic::new(&broker().bootstrap(), "progress.publisher-progress");
        let main = |event: &&Event| event.key_text == r#"{"consumer":"publisher","lane":0}"#;
        let last = topic.all().iter().rfind(main).cloned().expect("a record");
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

/// A broker behind a go-between, and a cluster that publishes to it.
fn behind(prefix: &str) -> (Broker, GoBetween, Cluster) {
    let (broker, between) = broker_behind();
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.topic_prefix = '{prefix}'\n\
         manifold.exactly_once = on",
        between.address()
    ));
    (broker, between, cluster)
}

/// Waits until nothing is wrong with publishing.
fn well(world: &mut World<'_>) {
    world.await_status("acme", "publisher", "well", |s| s.state == "ok");
}

/// Waits until the status says this of publishing.
fn told(world: &mut World<'_>, what: &str) {
    world.await_status("acme", "publisher", what, |s| {
        s.state == "error" && s.last_error.as_deref().is_some_and(|e| e.contains(what))
    });
}

/// Waits until the status says that there are no transactions, and why.
fn declined(world: &mut World<'_>, why: &str) {
    world.await_status("acme", "publisher", why, |s| {
        s.state == "warn"
            && s.last_error.as_deref().is_some_and(|e| e.contains(why))
            && s.detail.contains("delivery is at least once")
    });
}

#[test]
fn it_is_switched_off_and_on_under_load_without_losing_or_repeating() {
    let cluster = cluster(broker(), "switched");
    let mut world = world(&cluster, "switched");
    let mut acme = world.running("acme", 0);
    under_load(&mut acme, || {
        for value in ["off", "on", "off", "on"] {
            goes_on(&world, broker(), 300);
            cluster.set("manifold.exactly_once", value);
            // The other way is under way when there is a claim, or none.
            let claim = "(SELECT FROM manifold.position WHERE consumer = 'exactly_once' \
                         AND claim IS NOT NULL) c";
            world.await_count(claim, i64::from(value == "on"));
        }
    });
    world.published();
    tells_once(&mut world, broker());
    well(&mut world);
}

/// Waits until so many events more are in the topic than there were.
fn goes_on(world: &World<'_>, broker: &Broker, more: usize) {
    let before = world.topic_on(broker, "acme.lead").all().len();
    world.topic_on(broker, "acme.lead").at_least(before + more, LIMIT);
}

/// The topic tells the table, each change once.
fn tells_once(world: &mut World<'_>, broker: &Broker) {
    let events = world.topic_on(broker, "acme.lead").all().to_vec();
    check::topic_tells_table(&mut world.client, "acme", "lead", &events);
    // A tombstone is called as what it follows.
    let events = events.iter().filter(|event| event.value.is_some());
    let mut ids: Vec<&str> = events.map(|event| event.header("event_id")).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "something is there twice");
}

#[test]
fn of_two_publishers_with_one_identity_one_stops_and_stays_so_until_it_is_told() {
    let mut original = cluster(broker(), "copies");
    let mut world = world(&original, "copies");
    let mut acme = world.running("acme", 20);
    world.published();
    let (lead, org) = (acme.lead, acme.org);
    drop(acme.connect);
    let name = world.keep();
    original.stop();
    let mut copy = original.copy();
    copy.launch();
    // Nothing was published since the copy was made: it goes on in the original's place.
    let mut copied = World::reopen(&copy, &name);
    copied.prefix = "copies".into();
    let mut its = HerokuConnect::attach(copied.database.connect(), "acme");
    its.load(&lead, &org.columns, &org.leads[20..30]);
    copied.published();
    // The original finds out without stopping the copy.
    original.launch();
    let mut world = World::reopen(&original, &name);
    world.prefix = "copies".into();
    told(&mut world, "another publisher has taken over");
    acme.connect = HerokuConnect::attach(world.database.connect(), "acme");
    acme.connect.load(&lead, &org.columns, &org.leads[40..45]);
    world.run("SELECT pg_reload_conf()");
    its.load(&lead, &org.columns, &org.leads[30..35]);
    copied.published();
    told(&mut world, "another publisher has taken over");
    once(world.topic("acme.lead"), 35);
    // It is the original that is to go on: the copy is fenced in the middle of its work, and does not
    // fight for it.
    original.set("manifold.exactly_once", "off");
    world.published();
    well(&mut world);
    original.set("manifold.exactly_once", "on");
    let claim =
        "(SELECT FROM manifold.position WHERE consumer = 'exactly_once' AND claim IS NOT NULL) c";
    world.await_count(claim, 1);
    world.published();
    its.load(&lead, &org.columns, &org.leads[50..60]);
    told(&mut copied, "another publisher has taken over");
    acme.connect.load(&lead, &org.columns, &org.leads[45..50]);
    world.published();
    well(&mut world);
    copied.run("SELECT pg_reload_conf()");
    told(&mut copied, "another publisher has taken over");
    let topic = world.topic("acme.lead").all().len();
    assert_eq!(topic, 45, "35 of the copy, 10 of the original, none of a copy that was fenced");
    copied.keep();
    world.keep();
}

#[test]
fn a_progress_topic_that_was_deleted_is_missed() {
    let broker = Broker::start(run::dir());
    let cluster = cluster(&broker, "deleted");
    let mut world = world(&cluster, "deleted");
    let mut acme = world.running("acme", 10);
    world.published();
    let name = "deleted.publisher-progress";
    broker.tool("org.apache.kafka.tools.TopicCommand", &["--delete", "--topic", name]);
    world.run("SELECT pg_reload_conf()");
    told(&mut world, "does not hold what this database has published");
    acme.load(10, 10);
    cluster.set("manifold.exactly_once", "off");
    world.published();
    well(&mut world);
    cluster.set("manifold.exactly_once", "on");
    let claim =
        "(SELECT FROM manifold.position WHERE consumer = 'exactly_once' AND claim IS NOT NULL) c";
    world.await_count(claim, 1);
    acme.load(20, 10);
    world.published();
    well(&mut world);
    once(world.topic_on(&broker, "acme.lead"), 30);
}

#[test]
fn a_broker_that_restarts_in_the_middle_of_transactions_loses_and_repeats_nothing() {
    let mut broker = Broker::start(run::dir());
    let cluster = cluster(&broker, "restarted");
    let mut world = world(&cluster, "restarted");
    let mut acme = world.running("acme", 0);
    under_load(&mut acme, || {
        for _ in 0..2 {
            goes_on(&world, &broker, 300);
            broker.kill();
            broker.launch();
        }
    });
    world.published();
    tells_once(&mut world, &broker);
    well(&mut world);
}

#[test]
fn brokers_that_refuse_transactions_are_told_of_and_delivery_is_at_least_once_until_they_do_not() {
    let broker = Broker::guarded(run::dir());
    let options = "security.protocol=sasl_plaintext; sasl.mechanism=PLAIN; \
                   sasl.username=manifold; sasl.password=manifold-secret";
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.kafka_options = '{options}'\n\
         manifold.topic_prefix = 'refused'\nmanifold.exactly_once = on",
        broker.guarded_bootstrap()
    ));
    let topics = ["acme.lead", "canonical.lead"].map(|topic| format!("refused.{topic}"));
    for topic in &topics {
        broker.tool("org.apache.kafka.tools.TopicCommand", &["--create", "--topic", topic]);
        broker.allow("manifold", &["Write", "Describe"], topic);
    }
    let mut world = world(&cluster, "refused");
    let mut acme = world.running("acme", 10);
    // Without the right to create it, nor to see it, the topic is missing.
    declined(&mut world, "the progress topic \"refused.publisher-progress\"");
    world.published();
    once(world.topic_on(&broker, "acme.lead"), 10);
    let compact = ["--partitions", "1", "--config", "cleanup.policy=compact"];
    let create = ["--create", "--topic", "refused.publisher-progress"];
    broker.tool("org.apache.kafka.tools.TopicCommand", &[&create[..], &compact[..]].concat());
    broker.allow("manifold", &["Read", "Write", "Describe"], "refused.publisher-progress");
    world.run("SELECT pg_reload_conf()");
    declined(&mut world, "allow no transactions");
    acme.load(10, 10);
    world.published();
    once(world.topic_on(&broker, "acme.lead"), 20);
    assert_eq!(world.count("manifold.position WHERE claim IS NOT NULL"), 0, "nothing was promised");
    broker.rule(&[
        "--add",
        "--allow-principal",
        "User:manifold",
        "--operation",
        "Write",
        "--operation",
        "Describe",
        "--transactional-id",
        "refused.publisher",
    ]);
    world.run("SELECT pg_reload_conf()");
    well(&mut world);
    acme.load(20, 10);
    world.published();
    once(world.topic_on(&broker, "acme.lead"), 30);
    let progress = Topic::new(&broker.bootstrap(), "refused.publisher-progress").all().len();
    assert!(progress > 0, "in transactions again");
}

#[test]
fn brokers_that_cannot_keep_transactions_are_told_of() {
    let mut broker = Broker::prepared(run::dir());
    broker.set("transaction.state.log.replication.factor", "3");
    broker.launch();
    let cluster = cluster(&broker, "uncoordinated");
    let mut world = world(&cluster, "uncoordinated");
    let _acme = world.running("acme", 5);
    told(&mut world, "no coordinator for transactions");
    assert_eq!(world.topic_on(&broker, "acme.lead").all().len(), 0, "nothing is published");
    broker.stop();
    broker.set("transaction.state.log.replication.factor", "1");
    broker.launch();
    world.published();
    well(&mut world);
    once(world.topic_on(&broker, "acme.lead"), 5);
}
