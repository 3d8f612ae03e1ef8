//! What breaks: workers killed, the broker gone. Nothing is missing afterwards, and nothing is out of
//! order.

use postgres::Client;

use crate::check;
use crate::support::broker::Broker;
use crate::support::cluster::Cluster;
use crate::support::fixtures::{Org, Row};
use crate::support::heroku_connect::{HerokuConnect, Mapped};
use crate::support::run;
use crate::support::wait::{self, seconds};
use crate::world::{LIMIT, World, broker, cluster_with};

const PLAIN: [(&str, &str); 2] = [
    ("city", "nullif(btrim(regexp_replace(s.city, '\\s+', ' ', 'g')), '')"),
    ("modified_at", "s.systemmodstamp AT TIME ZONE 'UTC'"),
];

const ROWS: usize = 6_000;
const BATCH: usize = 100;

/// Loads in batches, each followed by an update of some of its rows and the deletion of one; begins
/// again at the batch at which a crash of the server broke the connection, as Heroku Connect does.
fn sync(connect: impl Fn() -> Option<Client>, org: &Org, lead: &Mapped, rows: &[Row]) {
    let sfid = org.position("sfid");
    let mut connection = None;
    for (n, batch) in rows.chunks(BATCH).enumerate() {
        let sfids: Vec<_> =
            batch.iter().map(|row| row[sfid].as_deref().expect("an sfid")).collect();
        wait::until("a batch to be synced", LIMIT, || {
            let mut hc = match connection.take() {
                Some(hc) => hc,
                None => HerokuConnect::attach(connect().ok_or("no connection")?, &org.name),
            };
            let done =
                format!("SELECT count(*) FROM {}.lead WHERE sfid = '{}'", org.name, sfids[0]);
            let count: i64 =
                hc.client().query_one(&done, &[]).map_err(|_| "the connection broke")?.get(0);
            if count == 0 {
                let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    hc.insert(lead, &org.columns, batch, BATCH);
                }));
                outcome.map_err(|_| "the connection broke")?;
            }
            let city = format!("batch {n}");
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                hc.update(lead, &sfids[..BATCH / 4], &[("city", Some(&city))]);
                hc.delete(lead, &sfids[BATCH - 1..]);
            }));
            outcome.map_err(|_| "the connection broke")?;
            connection = Some(hc);
            Ok::<(), &str>(())
        });
    }
}

/// What must hold after all that.
fn nothing_is_missing(world: &mut World<'_>, broker: &Broker) {
    assert_eq!(world.count("acme.lead"), (ROWS - ROWS / BATCH) as i64);
    world.published();
    check::canonical_follows(&mut world.client, "acme", &PLAIN);
    for (schema, table) in [("acme", "lead"), ("canonical", "lead")] {
        let mut topic = world.topic_on(broker, &format!("{schema}.{table}"));
        let events = topic.all();
        check::topic_tells_table(&mut world.client, schema, table, events);
    }
}

fn reconnected<'a>(cluster: &'a Cluster, name: &str) -> World<'a> {
    wait::until("the server to be back", LIMIT, || cluster.try_connect(name).map(drop));
    World::reopen(cluster, name)
}

#[test]
fn workers_that_are_killed_in_the_middle_of_a_load_lose_nothing() {
    let broker = broker();
    // The prefix keeps apart the topics of databases that have the same name in another cluster.
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.topic_prefix = 'killed'",
        broker.bootstrap()
    ));
    let mut world = World::in_cluster(&cluster);
    let acme = world.running("acme", 0);
    let name = world.keep();
    let (org, lead) = (acme.org, acme.lead);
    let rows = org.many(ROWS);
    std::thread::scope(|scope| {
        let loader = scope.spawn(|| sync(|| cluster.try_connect(&name).ok(), &org, &lead, &rows));
        for kill in 1..=4 {
            let mut world = reconnected(&cluster, &name);
            let some = (kill * ROWS / 6) as i64;
            wait::until(&format!("{some} leads to be synced"), LIMIT, || {
                let count = "SELECT count(*) FROM acme.lead";
                let n: i64 = world.client.query_one(count, &[]).map_err(|e| e.to_string())?.get(0);
                if n >= some { Ok(()) } else { Err(format!("{n} leads")) }
            });
            let workers = wait::until("workers", LIMIT, || {
                let workers = world.workers();
                if workers.len() > 1 { Ok(workers) } else { Err(format!("{workers:?}")) }
            });
            for pid in workers {
                // SAFETY: a system call on plain integers; the server's own processes, read just now.
                unsafe { libc::kill(pid, libc::SIGKILL) };
            }
            // From here on, who is let in is let in after the crash.
            wait::until("the server to notice", LIMIT, || {
                match world.client.batch_execute("SELECT") {
                    Ok(()) => Err("it goes on"),
                    Err(_) => Ok(()),
                }
            });
            world.keep();
        }
        loader.join().expect("the sync went through");
    });
    let mut world = reconnected(&cluster, &name);
    world.prefix = "killed".to_owned();
    nothing_is_missing(&mut world, broker);
}

#[test]
fn a_broker_that_stops_in_the_middle_of_a_load_is_reported_and_holds_up_nothing_else() {
    let mut broker = Broker::start(run::dir());
    let cluster = cluster_with(&format!("manifold.kafka_brokers = '{}'", broker.bootstrap()));
    let mut world = World::in_cluster(&cluster);
    let acme = world.running("acme", 0);
    let rows = acme.org.many(ROWS);
    let (first, second) = rows.split_at(ROWS / 2);
    let name = world.database.name.clone();
    let connect = || cluster.try_connect(&name).ok();
    std::thread::scope(|scope| {
        let (org, lead) = (&acme.org, &acme.lead);
        let loader = scope.spawn(move || sync(connect, org, lead, first));
        world.topic_on(&broker, "acme.lead").at_least(500, LIMIT);
        broker.kill();
        loader.join().expect("the sync goes on without a broker");
    });
    sync(connect, &acme.org, &acme.lead, second);
    let left = (ROWS - ROWS / BATCH) as i64;
    world.await_count("canonical.lead", left);
    world.await_status("acme", "publisher", "in trouble", |s| {
        ["warn", "error"].contains(&s.state.as_str()) && s.last_error.is_some() && s.lag_changes > 0
    });
    let normalizer = world.status("acme", "normalizer");
    assert!(normalizer.iter().all(|s| s.state == "ok"), "{normalizer:?}");
    broker.launch();
    nothing_is_missing(&mut world, &broker);
    world
        .await_status("acme", "publisher", "well again", |s| s.state == "ok" && s.lag_changes == 0);
}

#[test]
fn a_broker_that_is_not_there_is_named_until_the_right_one_is_set() {
    // Port 1 of this machine: nobody listens.
    let cluster = cluster_with("manifold.kafka_brokers = '127.0.0.1:1'");
    let mut world = World::in_cluster(&cluster);
    let _acme = world.running("acme", 10);
    world.await_status("acme", "publisher", "in trouble", |s| {
        s.state != "ok" && s.last_error.as_deref().is_some_and(|e| e.contains("127.0.0.1:1"))
    });
    let broker = Broker::start(run::dir());
    cluster.set("manifold.kafka_brokers", &broker.bootstrap());
    world.published();
    world.await_status("acme", "publisher", "well", |s| s.state == "ok");
    assert_eq!(world.topic_on(&broker, "acme.lead").all().len(), 10);
}

#[test]
fn the_server_stops_in_time_whatever_its_workers_wait_for() {
    let broker = Broker::start(run::dir());
    let mut cluster = cluster_with(&format!("manifold.kafka_brokers = '{}'", broker.bootstrap()));
    let mut world = World::in_cluster(&cluster);
    let mut acme = world.running("acme", 10);
    broker.freeze();
    acme.load(10, 1000);
    world.await_status("acme", "publisher", "behind", |s| s.lag_changes > 0);
    let name = world.keep();
    let started = std::time::Instant::now();
    cluster.stop();
    // More than a busy machine takes, less than any time-out of the network.
    assert!(started.elapsed() < seconds(30), "it took {:?}", started.elapsed());
    broker.thaw();
    cluster.launch();
    let mut world = World::reopen(&cluster, &name);
    world.published();
    let mut topic = world.topic_on(&broker, "acme.lead");
    let events = topic.all();
    check::topic_tells_table(&mut world.client, "acme", "lead", events);
}

#[test]
fn a_launcher_that_is_ended_leaves_one_set_of_workers() {
    let cluster = cluster_with(&format!("manifold.kafka_brokers = '{}'", broker().bootstrap()));
    let mut world = World::in_cluster(&cluster);
    let mut acme = world.running("acme", 10);
    world.published();
    let launcher = "pg_stat_activity WHERE backend_type = 'pg_manifold launcher'";
    let first: i32 = world.value(&format!("SELECT pid FROM {launcher}"));
    let before: Vec<i32> = world.workers().into_iter().filter(|pid| *pid != first).collect();
    world.run(&format!("SELECT pg_terminate_backend({first})"));
    wait::until("another launcher", LIMIT, || {
        match world.count(&format!("{launcher} AND pid <> {first}")) {
            1 => Ok(()),
            n => Err(format!("{n} launchers")),
        }
    });
    acme.load(10, 10);
    world.published();
    let now = world.workers();
    assert!(before.iter().all(|pid| now.contains(pid)), "the workers go on: {before:?}, {now:?}");
    let mut topic = world.topic("acme.lead");
    assert_eq!(topic.all().len(), 20, "nothing is published twice");
}
