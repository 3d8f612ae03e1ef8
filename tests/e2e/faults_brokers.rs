//! Brokers that break under load, each in its own way; one cluster, broker and proxy for all of it, a
//! database for each.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::check;
use crate::load::under_load;
use crate::support::broker::Broker;
use crate::support::cluster::Cluster;
use crate::support::consumer::Event;
use crate::support::proxy::Proxy;
use crate::support::run;
use crate::support::wait;
use crate::world::{LIMIT, Synced, World, cluster_with};

/// A broker that sends its clients to a proxy, and a cluster that publishes to it.
struct Stage {
    broker: Broker,
    proxy: Proxy,
    cluster: Cluster,
}

/// For one test at a time; another one after a test that failed.
fn stage() -> MutexGuard<'static, Stage> {
    static STAGE: OnceLock<Mutex<Stage>> = OnceLock::new();
    let shared = STAGE.get_or_init(|| Mutex::new(Stage::set()));
    let stage = shared.lock().unwrap_or_else(|poisoned| {
        let mut stage = PoisonError::into_inner(poisoned);
        *stage = Stage::set();
        shared.clear_poison();
        stage
    });
    stage.cluster.set("manifold.kafka_brokers", &stage.bootstrap());
    stage
}

impl Stage {
    fn set() -> Self {
        let proxy = Proxy::start();
        let advertised = format!("\nadvertised.listeners=PLAINTEXT://127.0.0.1:{}\n", proxy.port());
        let mut broker = Broker::with(run::dir(), &advertised, &[]);
        proxy.lead_to(broker.port());
        broker.launch();
        let cluster = cluster_with("");
        Self { broker, proxy, cluster }
    }

    fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.proxy.port())
    }
}

/// A database with an org whose leads are published.
fn publishing(cluster: &Cluster) -> (World<'_>, Synced) {
    let mut world = World::in_cluster(cluster);
    let acme = world.running("acme", 100);
    world.published();
    (world, acme)
}

/// Waits until so many events more are in the topic than there were.
fn goes_on(world: &World<'_>, broker: &Broker, more: usize) {
    let before = world.topic_on(broker, "acme.lead").all().len();
    world.topic_on(broker, "acme.lead").at_least(before + more, LIMIT);
}

fn in_trouble(world: &mut World<'_>, error: &str) {
    world.await_status("acme", "publisher", &format!("in trouble: {error}"), |s| {
        s.state == "error"
            && s.last_error.as_deref().is_some_and(|e| e.contains(error))
            && !s.detail.is_empty()
            && s.lag_changes > 0
    });
}

fn well(world: &mut World<'_>) {
    world.published();
    world.await_status("acme", "publisher", "well", |s| s.state == "ok" && s.lag_changes == 0);
}

fn nothing_is_missing(world: &mut World<'_>, brokers: &[&Broker]) {
    for schema in ["acme", "canonical"] {
        let table = format!("{schema}.lead");
        let read = |broker: &&Broker| world.topic_on(broker, &table).all().to_vec();
        let events: Vec<Event> = brokers.iter().flat_map(read).collect();
        check::topic_tells_table(&mut world.client, schema, "lead", &events);
    }
}

#[test]
fn connections_that_are_cut_in_the_middle_lose_nothing() {
    let stage = stage();
    let Stage { broker, proxy, cluster } = &*stage;
    let (mut world, mut acme) = publishing(cluster);
    under_load(&mut acme, || {
        let before = proxy.cuts();
        proxy.cut_every(Some(100_000));
        wait::until("connections to be cut ten times", LIMIT, || {
            let cuts = proxy.cuts() - before;
            if cuts >= 10 { Ok(()) } else { Err(format!("{cuts} cuts")) }
        });
        proxy.cut_every(None);
        goes_on(&world, broker, 50);
    });
    well(&mut world);
    nothing_is_missing(&mut world, &[broker]);
}

#[test]
fn a_broker_that_comes_back_with_an_empty_disk_is_filled_by_a_resync() {
    let mut stage = stage();
    let Stage { broker, cluster, .. } = &mut *stage;
    let (mut world, mut acme) = publishing(cluster);
    under_load(&mut acme, || {
        goes_on(&world, broker, 50);
        broker.kill();
        in_trouble(&mut world, "no Kafka broker can be reached");
        broker.wipe();
        broker.launch();
        world.topic_on(broker, "acme.lead").at_least(50, LIMIT);
    });
    well(&mut world);
    // What only the lost disk had is in the tables still.
    for org in ["acme", "canonical"] {
        world.run(&format!("SELECT manifold.resync('{org}')"));
    }
    well(&mut world);
    nothing_is_missing(&mut world, &[broker]);
}

#[test]
fn another_broker_on_another_port_takes_over_when_it_is_set() {
    let mut stage = stage();
    let Stage { broker, cluster, .. } = &mut *stage;
    let (mut world, mut acme) = publishing(cluster);
    let new = Broker::start(run::dir());
    under_load(&mut acme, || {
        goes_on(&world, broker, 50);
        broker.kill();
        in_trouble(&mut world, "no Kafka broker can be reached");
        cluster.set("manifold.kafka_brokers", &new.bootstrap());
        world.topic_on(&new, "acme.lead").at_least(50, LIMIT);
    });
    well(&mut world);
    broker.launch();
    nothing_is_missing(&mut world, &[broker, &new]);
}

#[test]
fn a_name_that_does_not_resolve_is_told_and_the_right_one_is_taken_at_once() {
    let stage = stage();
    let Stage { broker, cluster, .. } = &*stage;
    let (mut world, mut acme) = publishing(cluster);
    under_load(&mut acme, || {
        goes_on(&world, broker, 20);
        cluster.set("manifold.kafka_brokers", "kafka.no-such-host.invalid:9092");
        in_trouble(&mut world, "no-such-host.invalid");
        world.await_status("acme", "publisher", "told what to do", |s| s.detail.contains("DNS"));
        cluster.set("manifold.kafka_brokers", &broker.bootstrap());
        goes_on(&world, broker, 50);
    });
    well(&mut world);
    nothing_is_missing(&mut world, &[broker]);
}

#[test]
fn a_quota_slows_publishing_down_and_nothing_else() {
    const QUOTA: [&str; 4] = ["--entity-type", "clients", "--entity-name", "pg_manifold"];
    let stage = stage();
    let Stage { broker, cluster, .. } = &*stage;
    let (mut world, mut acme) = publishing(cluster);
    let quota = |change: [&str; 2]| {
        let arguments: Vec<&str> = ["--alter"].into_iter().chain(change).chain(QUOTA).collect();
        broker.tool("kafka.admin.ConfigCommand", &arguments);
    };
    under_load(&mut acme, || {
        quota(["--add-config", "producer_byte_rate=20000"]);
        // Slow is not wrong, but told.
        world.await_status("acme", "publisher", "slowed down by a quota", |s| {
            s.state == "warn"
                && s.lag_changes > 500
                && s.last_error.as_deref().is_some_and(|e| e.contains("throttle"))
                && s.detail.contains("producer_byte_rate")
        });
        goes_on(&world, broker, 1);
        quota(["--delete-config", "producer_byte_rate"]);
    });
    well(&mut world);
    nothing_is_missing(&mut world, &[broker]);
}

#[test]
fn a_broker_that_ends_because_its_disk_is_full_is_waited_for() {
    let mut stage = stage();
    let Stage { broker, cluster, .. } = &mut *stage;
    let (mut world, mut acme) = publishing(cluster);
    under_load(&mut acme, || {
        // No file of the broker's grows any more, and it gives its only log folder up.
        broker.limit_files(1);
        broker.await_end();
        in_trouble(&mut world, "no Kafka broker can be reached");
        broker.launch();
        goes_on(&world, broker, 50);
    });
    well(&mut world);
    nothing_is_missing(&mut world, &[broker]);
}

#[test]
fn a_broker_that_is_shut_down_or_killed_is_waited_for() {
    let mut stage = stage();
    let Stage { broker, cluster, .. } = &mut *stage;
    let (mut world, mut acme) = publishing(cluster);
    under_load(&mut acme, || {
        for end in [Broker::stop, Broker::kill] {
            goes_on(&world, broker, 50);
            end(broker);
            in_trouble(&mut world, "no Kafka broker can be reached");
            broker.launch();
        }
        goes_on(&world, broker, 50);
    });
    well(&mut world);
    nothing_is_missing(&mut world, &[broker]);
}

#[test]
fn a_broker_that_hangs_is_waited_for() {
    let stage = stage();
    let Stage { broker, cluster, .. } = &*stage;
    let (mut world, mut acme) = publishing(cluster);
    under_load(&mut acme, || {
        goes_on(&world, broker, 50);
        broker.freeze();
        let moment: String = world.value("SELECT clock_timestamp()::text");
        world.await_status("acme", "publisher", "behind", |s| s.lag_changes > 500);
        let follows = format!("SELECT (max(normalized_at) > '{moment}')::text FROM canonical.lead");
        world.await_text(&follows, Some("true"));
        broker.thaw();
        goes_on(&world, broker, 50);
    });
    well(&mut world);
    nothing_is_missing(&mut world, &[broker]);
}
