//! Exactly once together with what else publishing can do: heartbeats, the topic of transactions, a log
//! that is let go of.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{cluster, once, well, world};
use crate::check;
use crate::ledger;
use crate::support::admin::Admin;
use crate::support::broker::Broker;
use crate::support::cluster::Cluster;
use crate::support::consumer::{Event, Topic};
use crate::support::run;
use crate::support::wait;
use crate::world::{LIMIT, World, broker_behind, cluster_with};

#[test]
fn heartbeats_go_in_transactions_and_one_that_fails_holds_up_nothing() {
    let mut broker = Broker::prepared(run::dir());
    broker.creates_topics(false);
    broker.launch();
    let cluster = cluster(&broker, "beating");
    cluster.set("manifold.create_topics", "off");
    let admin = Admin::new(&broker.bootstrap());
    for topic in ["beating.acme.lead", "beating.canonical.lead"] {
        admin.create(topic, 1, &[]);
    }
    admin.create("beating.publisher-progress", 1, &[("cleanup.policy", "compact")]);
    let mut world = world(&cluster, "beating");
    let mut acme = world.running("acme", 20);
    world.published();
    let name = "__debezium-heartbeat.beating";
    cluster.set("manifold.heartbeat_interval", "100ms");
    world.await_status("acme", "publisher", "warned of heartbeats", |s| {
        s.state == "warn" && s.last_error.as_deref().is_some_and(|e| e.contains(name))
    });
    acme.load(20, 10);
    world.published();
    once(world.topic_on(&broker, "acme.lead"), 30);
    admin.create(name, 1, &[]);
    let mut beats = Topic::new(&broker.bootstrap(), name);
    let beats = beats.at_least(3, LIMIT).to_vec();
    for event in &beats {
        assert_eq!(event.key_text, r#"{"serverName":"beating"}"#);
        assert!(event.value.as_ref().is_some_and(|value| value["ts_ms"].is_i64()), "{event:?}");
    }
    well(&mut world);
    // With nothing to publish, and with something.
    acme.load(30, 10);
    world.published();
    once(world.topic_on(&broker, "acme.lead"), 40);
    let mut more = Topic::new(&broker.bootstrap(), name);
    let seen = more.all().len();
    more.at_least(seen + 2, LIMIT);
    well(&mut world);
}

/// What each event says of its place, each once: (id, total order) to the order in its table.
fn places(events: &[Event]) -> BTreeMap<(String, i64), i64> {
    let mut places = BTreeMap::new();
    for event in events {
        let Some(value) = &event.value else { continue };
        let block = &value["transaction"];
        if block.is_null() {
            assert_eq!(event.op(), Some("r"), "{value}");
            continue;
        }
        let number = |name: &str| block[name].as_i64().expect("a number");
        let id = block["id"].as_str().expect("text").to_owned();
        let before = places.insert((id, number("total_order")), number("data_collection_order"));
        assert!(before.is_none(), "twice: {block}");
    }
    places
}

/// The ends of transactions by id; each has one beginning before it, and one end.
fn ends(told: &[Event]) -> BTreeMap<String, Value> {
    let (mut begun, mut ended) = (BTreeMap::new(), BTreeMap::new());
    for event in told {
        let value = event.value.clone().expect("no tombstones here");
        let id = value["id"].as_str().expect("text").to_owned();
        let of = if value["status"] == "BEGIN" { &mut begun } else { &mut ended };
        assert!(of.insert(id.clone(), value).is_none(), "{id} is told twice");
        assert!(begun.contains_key(&id), "{id} ends before it begins");
    }
    assert_eq!(begun.len(), ended.len(), "all that begins ends");
    ended
}

/// Kills the publisher, and returns its process id.
fn kill(cluster: &Cluster, name: &str) -> i32 {
    let pid = publisher(cluster, name, 0);
    // SAFETY: a system call on plain integers; the server's own process, read just now.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    pid
}

/// Waits for a publisher that is another one than this.
fn publisher(cluster: &Cluster, name: &str, last: i32) -> i32 {
    let sql = "SELECT pid FROM pg_stat_activity \
               WHERE backend_type = 'pg_manifold publisher' AND datname = current_database()";
    wait::until("a publisher", LIMIT, || {
        let mut client = cluster.try_connect(name).map_err(|e| e.to_string())?;
        let row = client.query_opt(sql, &[]).map_err(|e| e.to_string())?;
        let pid = row.map(|row| row.get(0)).filter(|pid| *pid != last);
        pid.ok_or("none".to_owned())
    })
}

#[test]
fn transactions_are_told_once_however_often_the_publisher_is_killed() {
    const ROUNDS: i32 = 6;
    let (broker, between) = broker_behind();
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.topic_prefix = 'toldonce'\n\
         manifold.exactly_once = on\nmanifold.provide_transaction_metadata = on\n\
         manifold.topic_partitions = 1\nmanifold.log_table_size = 1MB\nmanifold.log_table_age = 1s",
        between.address()
    ));
    let mut world = world(&cluster, "toldonce");
    ledger::create(&mut world);
    world.published();
    let name = world.keep();
    for round in 0..ROUNDS {
        // In the middle of a transaction, of whose requests no more than so many are answered; or
        // wherever it is.
        let middle = round % 2 == 0;
        if middle {
            between.hold_after("toldonce.acme.lead", round as usize / 2);
        }
        let mut client = cluster.connect(&name);
        // Small transactions, and one that is larger than what goes in one of Kafka's.
        let run = |client: &mut postgres::Client, sql: &str| {
            client.batch_execute(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        };
        for i in 1..60 {
            run(&mut client, &format!("SELECT act({i}), act({i} + 100), act({i} + 200, 0.1)"));
        }
        run(
            &mut client,
            &format!("SELECT act(i, 0.1) FROM generate_series(1000, {}) i", 3000 + round),
        );
        drop(client);
        if middle {
            wait::until("an answer that does not come", LIMIT, || match between.met() {
                0 => Err("none"),
                _ => Ok(()),
            });
        }
        let killed = kill(&cluster, &name);
        between.pass();
        publisher(&cluster, &name, killed);
    }
    let mut world = World::reopen(&cluster, &name);
    world.prefix = "toldonce".to_owned();
    world.published();
    well(&mut world);
    let mut told = world.topic_on(&broker, "transaction");
    let whole = |ends: &BTreeMap<String, Value>| -> i64 {
        ends.values().map(|end| end["event_count"].as_i64().expect("a number")).sum()
    };
    // The last one is seen a moment after it is committed.
    let mut seen = BTreeMap::new();
    wait::until("the end of all transactions", LIMIT, || {
        seen = places(world.topic_on(&broker, "acme.lead").all());
        seen.extend(places(world.topic_on(&broker, "canonical.lead").all()));
        let told = ends(told.all());
        if whole(&told) == seen.len() as i64 {
            Ok(())
        } else {
            Err(format!("{}, {}", whole(&told), seen.len()))
        }
    });
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for (id, _) in seen.keys() {
        *counts.entry(id).or_default() += 1;
    }
    for (id, end) in &ends(told.all()) {
        assert_eq!(counts.remove(id.as_str()), end["event_count"].as_i64(), "{id}");
    }
    assert!(counts.is_empty(), "without an end: {counts:?}");
    let noted = world.count("ledger");
    let told = seen.keys().filter(|(id, _)| id.ends_with(":acme")).count();
    assert_eq!(told as i64, noted, "changes of the ledger");
    world.keep();
}

#[test]
fn a_log_that_is_let_go_of_leaves_what_others_are_told_as_it_is() {
    let broker = Broker::start(run::dir());
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.topic_prefix = 'letgo'\nmanifold.exactly_once = on\n\
         manifold.log_table_size = 1MB\nmanifold.max_log_size = 1MB\nmanifold.drop_log_size = 4MB",
        broker.bootstrap()
    ));
    let mut world = world(&cluster, "letgo");
    let mut acme = world.running("acme", 20);
    let mut globex = world.running("globex", 20);
    world.published();
    world.run("SELECT manifold.pause('acme', 'publisher')");
    // Until it is too much.
    let rows = acme.org.many(20_000);
    let mut batches = rows.chunks(200);
    let mut loaded = 20;
    wait::until("the paused org to be dropped", LIMIT, || {
        if let Some(batch) = batches.next() {
            acme.connect.insert(&acme.lead, &acme.org.columns, batch, 200);
            loaded += batch.len();
        }
        match world.count("manifold.gap") {
            0 => Err(format!("no gap; {}", world.value::<i64>("SELECT manifold.log_size()"))),
            _ => Ok(()),
        }
    });
    // What a resync reads is more than the limit.
    cluster.set("manifold.drop_log_size", "0");
    globex.load(20, 10);
    world.run("SELECT manifold.resume('acme', 'publisher')");
    world.published();
    // The gap shows, and is repaired; nobody was told anything twice.
    world.run("SELECT manifold.resync('acme')");
    world.published();
    well(&mut world);
    once(world.topic_on(&broker, "globex.lead"), 30);
    let events = world.topic_on(&broker, "acme.lead").all().to_vec();
    check::topic_tells_table(&mut world.client, "acme", "lead", &events);
    let told = |op| events.iter().filter(|event| event.op() == Some(op)).count();
    assert_eq!(told("r"), 20 + loaded, "what was there at first, and at the resync");
    // Those that were written before the log was let go of are told by the resync alone.
    assert!(told("c") < loaded - 20, "nothing was let go of: {}", told("c"));
    once(world.topic_on(&broker, "acme.lead"), events.len());
}

#[test]
fn a_topic_of_transactions_without_a_leader_shows_and_nothing_is_told_twice() {
    let mut first = Broker::start(run::dir());
    let mut second = first.beside();
    second.launch();
    let admin = Admin::new(&first.bootstrap());
    for topic in ["acme.lead", "canonical.lead", "publisher-progress"] {
        admin.create_on_nodes(&format!("untold.{topic}"), &[1], &[]);
    }
    admin.create_on_nodes("untold.transaction", &[2], &[]);
    let cluster = cluster(&first, "untold");
    cluster.set("manifold.provide_transaction_metadata", "on");
    let mut world = world(&cluster, "untold");
    let mut acme = world.running("acme", 20);
    world.published();
    second.kill();
    acme.load(20, 10);
    world.await_status("acme", "publisher", "in trouble", |s| {
        s.state == "error"
            && s.last_error
                .as_deref()
                .is_some_and(|e| e.contains("untold.transaction") && e.contains("no leader"))
            && s.detail.contains("--describe --topic 'untold.transaction'")
    });
    second.launch();
    world.published();
    well(&mut world);
    once(world.topic_on(&first, "acme.lead"), 30);
    let told = ends(world.topic_on(&first, "transaction").all());
    assert!(told.keys().any(|id| id.ends_with(":acme")), "{told:?}");
    first.stop();
}

#[test]
fn a_topic_of_transactions_that_is_missing_shows_and_is_waited_for() {
    let mut broker = Broker::prepared(run::dir());
    broker.creates_topics(false);
    broker.launch();
    let cluster = cluster(&broker, "nowhere");
    let admin = Admin::new(&broker.bootstrap());
    for topic in ["acme.lead", "canonical.lead"] {
        admin.create(&format!("nowhere.{topic}"), 1, &[]);
    }
    admin.create("nowhere.publisher-progress", 1, &[("cleanup.policy", "compact")]);
    cluster.set("manifold.create_topics", "off");
    cluster.set("manifold.provide_transaction_metadata", "on");
    let mut world = world(&cluster, "nowhere");
    let mut acme = world.running("acme", 20);
    acme.load(20, 10);
    world.await_status("acme", "publisher", "in trouble", |s| {
        s.state == "error"
            && s.last_error.as_deref().is_some_and(|e| e.contains("nowhere.transaction"))
            && s.detail.contains("--create --topic 'nowhere.transaction'")
    });
    admin.create("nowhere.transaction", 1, &[]);
    world.published();
    well(&mut world);
    once(world.topic_on(&broker, "acme.lead"), 30);
    let told = ends(world.topic_on(&broker, "transaction").all());
    assert!(told.keys().any(|id| id.ends_with(":acme")), "{told:?}");
}
