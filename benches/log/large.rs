//! One transaction of very many rows: how much memory its consumers take, and how quick they are. One
//! after the other, so that each has the processors to itself.

use std::time::{Duration, Instant};

use postgres::Client;

use crate::memory::{Peak, Watch};
use crate::narrow::{Narrow, SETTINGS};
use crate::report::{Goal, Report};
use crate::support::broker::Broker;
use crate::support::cluster::Cluster;
use crate::support::run;
use crate::support::wait::seconds;

/// Megabytes of its own that a consumer may take.
const GOAL: f64 = 256.0;
/// Changes that a call of `manifold.next` asks for.
const CALL: i32 = 10_000;

/// The log is not given up for a publisher that has no brokers yet.
const LARGE_LOG: &str = "manifold.max_log_size = 1TB\n";

pub fn measure(rows: usize, report: &mut Report) {
    let broker = Broker::start(run::dir());
    let cluster = Cluster::start(run::dir(), &format!("{SETTINGS}{LARGE_LOG}"));
    let mut narrow = Narrow::new(&cluster);
    narrow.run("SELECT manifold.create_consumer('bench', 'acme')");
    // Longer than anything takes that still makes progress.
    let limit = seconds(300) + Duration::from_millis(rows as u64);

    println!("One transaction of {rows} rows …");
    let writer = Watch::start(backend(&mut narrow.client));
    let normalizer = Watch::start(narrow.worker("normalizer"));
    let began = Instant::now();
    narrow.fill("acme", rows);
    let rows = rows as f64;
    tell("writer", writer.peak(), rows, began, report);

    let began = Instant::now();
    narrow.settled(&["normalizer"], limit);
    tell("normalizer", normalizer.peak(), rows, began, report);

    let (mut session, mut taken) = (narrow.database.connect(), 0);
    let consumer = Watch::start(backend(&mut session));
    let began = Instant::now();
    loop {
        let sql = format!("SELECT count(*) FROM manifold.next('bench', {CALL})");
        let row = session.query_one(&sql, &[]).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        match row.get::<_, i64>(0) {
            0 => break,
            more => taken += more,
        }
    }
    assert_eq!(taken as f64, rows, "changes that manifold.next gave");
    tell("manifold.next", consumer.peak(), rows, began, report);

    let publisher = Watch::start(narrow.worker("publisher"));
    let began = Instant::now();
    cluster.set("manifold.kafka_brokers", &broker.bootstrap());
    narrow.settled(&["publisher"], limit * 2);
    // Every row, and the canonical row that was made of it.
    tell("publisher", publisher.peak(), rows * 2.0, began, report);
}

fn tell(name: &str, peak: Peak, changes: f64, began: Instant, report: &mut Report) {
    let rate = changes / began.elapsed().as_secs_f64();
    println!(
        "  {name}: {:.0} MB of its own, {:.0} MB resident, {rate:.0} changes/s",
        peak.own, peak.resident
    );
    let goal = Some(Goal::AtMost(GOAL));
    report.value(format!("{name}: memory of its own, at most"), "MB", peak.own, goal);
    report.value(
        format!("{name}: resident with shared buffers, at most"),
        "MB",
        peak.resident,
        None,
    );
    report.value(format!("{name}: changes"), "rows/s", rate, None);
}

fn backend(client: &mut Client) -> i32 {
    client.query_one("SELECT pg_backend_pid()", &[]).expect("a session has one").get(0)
}
