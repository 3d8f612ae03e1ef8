//! Workers come and go with the extension, out of everybody's way.

use std::time::{Duration, Instant};

use crate::support::wait::{self, seconds};
use crate::world::{LIMIT, World, cluster, cluster_with};

/// More than a busy machine takes for what is done at once, and less than any time-out of the network.
const AT_ONCE: Duration = seconds(30);

/// The server's refusal to do something now; it must not refuse for another reason.
fn refusal(error: &postgres::Error, code: &str) -> String {
    assert_eq!(error.code().map(|code| code.code()), Some(code), "{error:?}");
    error.to_string()
}

fn await_workers(world: &mut World<'_>, what: &str, condition: impl Fn(usize) -> bool) {
    wait::until(what, LIMIT, || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                   AND backend_type ILIKE '%manifold%'";
        let n = usize::try_from(world.value::<i64>(sql)).unwrap_or(0);
        if condition(n) { Ok(()) } else { Err(format!("{n} workers")) }
    });
}

#[test]
fn creating_and_dropping_the_extension_is_noticed_without_a_restart() {
    let mut world = World::new();
    let _acme = world.running("acme", 5);
    await_workers(&mut world, "a worker per consumer", |n| n >= 3);
    wait::until("the extension to be dropped", LIMIT, || {
        // A worker may be in the middle of a turn, and of two who wait for each other the server picks one.
        let outcome = world.client.batch_execute("DROP EXTENSION pg_manifold CASCADE");
        outcome.map_err(|error| refusal(&error, "40P01"))
    });
    await_workers(&mut world, "the workers to leave", |n| n == 0);
    // The sync goes on without us.
    world.run("UPDATE acme.lead SET city = 'alone'");
    world.run("DROP SCHEMA IF EXISTS canonical CASCADE; DROP SCHEMA IF EXISTS qc CASCADE");
    world.run("CREATE EXTENSION pg_manifold; SELECT manifold.create_entity('lead')");
    world.onboard("acme");
    world.await_count("canonical.lead WHERE city = 'alone'", 5);
}

#[test]
fn a_database_can_be_dropped_renamed_and_copied_under_running_workers() {
    let mut world = World::new();
    let _acme = world.running("acme", 5);
    await_workers(&mut world, "a worker per consumer", |n| n >= 3);
    let name = world.keep();
    drop(_acme);
    let mut client = cluster().connect("postgres");
    let no_sessions = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND backend_type = 'client backend'"
    );
    wait::until("our own sessions to have left", LIMIT, || {
        let n: i64 = client.query_one(&no_sessions, &[]).unwrap().get(0);
        if n == 0 { Ok(()) } else { Err(format!("{n} sessions")) }
    });
    for sql in [
        format!("CREATE DATABASE {name}_copy TEMPLATE {name}"),
        format!("ALTER DATABASE {name} RENAME TO {name}_renamed"),
        format!("DROP DATABASE {name}_renamed"),
    ] {
        // The server waits for five seconds, which may be short for a machine that is busy.
        wait::until(&sql, LIMIT, || {
            client.batch_execute(&sql).map_err(|error| refusal(&error, "55006"))
        });
    }
    // The copy is taken up as a database of its own.
    let mut copy = World::reopen(cluster(), &format!("{name}_copy"));
    copy.run("UPDATE acme.lead SET city = 'copied'");
    copy.await_count("canonical.lead WHERE city = 'copied'", 5);
}

#[test]
fn a_worker_ends_at_once_when_asked_to_and_comes_back() {
    let mut world = World::new();
    let mut acme = world.running("acme", 5);
    let mut admin = world.database.connect();
    let workers = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type ILIKE '%manifold%'";
    let pids: Vec<i32> = admin.query(workers, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    assert!(!pids.is_empty());
    for pid in &pids {
        admin.execute("SELECT pg_terminate_backend($1)", &[pid]).unwrap();
    }
    wait::until("the workers to end", AT_ONCE, || {
        let left: i64 = admin
            .query_one("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY ($1)", &[&pids])
            .unwrap()
            .get(0);
        if left == 0 { Ok(()) } else { Err(format!("{left} are left")) }
    });
    acme.load(5, 5);
    world.await_count("canonical.lead", 10);
}

#[test]
fn trouble_in_one_database_is_not_anothers() {
    let mut broken = World::new();
    let mut sound = World::new();
    let mut ours = broken.running("acme", 5);
    let mut theirs = sound.running("acme", 5);
    broken.run("ALTER TABLE canonical.lead RENAME TO mislaid");
    ours.load(5, 5);
    broken.await_status("acme", "normalizer", "in trouble", |s| {
        s.state == "error" && s.last_error.is_some()
    });
    theirs.load(5, 5);
    sound.await_count("canonical.lead", 10);
    broken.run("ALTER TABLE canonical.mislaid RENAME TO lead");
    broken.await_count("canonical.lead", 10);
    broken.await_status("acme", "normalizer", "well", |s| s.state == "ok");
}

#[test]
fn an_idle_system_polls_no_more_than_once_a_second() {
    // A server of its own, where nobody else works.
    let cluster = cluster_with("manifold.kafka_brokers = ''");
    let mut world = World::in_cluster(&cluster);
    let _acme = world.running("acme", 5);
    world.normalized();
    let workers = world.workers();
    let switches = || workers.iter().filter_map(|pid| context_switches(*pid)).sum::<u64>();
    let mut observer = cluster.connect("postgres");
    // What the start has left to do comes to its end.
    wait::until("a system that is idle", LIMIT, || {
        let (before, started) = (switches(), Instant::now());
        // The server measures the time; nothing is awaited.
        observer.batch_execute("SELECT pg_sleep(6)").unwrap();
        let rate =
            (switches() - before) as f64 / started.elapsed().as_secs_f64() / workers.len() as f64;
        // A poll is a wake-up, and what it does may sleep a few times more, in a lock or a write.
        if rate < 4.0 { Ok(()) } else { Err(format!("{rate:.1} wake-ups a second and worker")) }
    });
}

fn context_switches(pid: i32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
    line.trim().parse().ok()
}

#[test]
fn without_preloading_the_extension_says_what_to_do() {
    let cluster = cluster_with("shared_preload_libraries = ''");
    let mut client = cluster.connect("postgres");
    let error = client.batch_execute("CREATE EXTENSION pg_manifold").unwrap_err();
    let error = error.as_db_error().expect("the server's");
    assert_eq!(error.code().code(), "55000", "{error:?}");
    assert!(error.message().contains("shared_preload_libraries"), "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("restart")), "{error:?}");
    let left: i64 = client
        .query_one("SELECT count(*) FROM pg_namespace WHERE nspname = 'manifold'", &[])
        .unwrap()
        .get(0);
    assert_eq!(left, 0);
}
