//! `make bench-kafka`: publishing, beside Debezium and beside what librdkafka can do.
//!
//! One cluster, one broker, one table (the fixture org acme's leads, 44 columns), and the same changes
//! for both: they are written once, while nobody publishes, and then drained by one after the other,
//! each with the machine to itself, into a topic of one partition of its own. Needs the packaged
//! extension and the jars of Kafka and Debezium. MANIFOLD_BENCH_ROWS says how many inserts the backlog
//! has (default 1,000,000; half as many updates), MANIFOLD_BENCH_PARTS which of `debezium`, `writer`,
//! `limit`, `reading`, `schemas`, `latency`, `restart`, `exactly` and `profile` are measured
//! beside our drains (default: all but the last, which `make profile-kafka` measures alone).
//!
//! What makes the comparison fair:
//!
//! - Debezium is tuned as far as it goes (debezium.rs): large batches and queues, lz4, 2 GB of heap, and no
//!   schemas but where both have them. Each latency is compared with its better tuning, everything else with the one for
//!   throughput. The Java machines of Debezium and of the broker compile as they like.
//! - A rate counts from the first event to the last. What a start costs is a figure of its own.
//! - Both pay for the other while rows are written: the table has our triggers, and whole old rows
//!   in the WAL. What each costs the writer is measured on tables of their own (writer.rs).
//! - The normalizer is paused: Debezium does nothing of the kind.
//! - CPU is that of all processes that one of them needs beside the broker: our publisher with
//!   librdkafka's threads; Debezium's Java machine and the walsender. Memory is that of the publisher
//!   and of the Java machine, without the server's shared buffers.
//! - librdkafka's limit is what the publisher's own producer, with the same options, does with the
//!   events of this run from memory.

#[path = "../support/cpu.rs"]
mod cpu;
#[path = "../support/limit.rs"]
mod limit;
#[path = "../support/memory.rs"]
mod memory;
#[path = "../support/report.rs"]
mod report;
#[path = "../support/spread.rs"]
mod spread;
#[path = "../../tests/support/mod.rs"]
mod support;

mod debezium;
mod drain;
mod exactly;
mod latency;
mod place;
mod profile;
mod reading;
mod restart;
mod topic;
mod writer;

use std::time::Instant;

use debezium::Tuning;
use drain::{Drain, Pair};
use latency::Latency;
use place::{OURS, Place};
use report::{Goal, Report};
use support::run;

/// Events that librdkafka's limit is measured with.
const SAMPLES: usize = 20_000;

/// Which parts are measured.
#[derive(Clone, Copy)]
struct Parts {
    debezium: bool,
    profile: bool,
}

fn main() {
    run::end_at_signal();
    let rows: usize = std::env::var("MANIFOLD_BENCH_ROWS").map_or(1_000_000, |rows| {
        rows.parse().unwrap_or_else(|e| panic!("MANIFOLD_BENCH_ROWS: {rows}: {e}"))
    });
    let parts = std::env::var("MANIFOLD_BENCH_PARTS").unwrap_or_default();
    let named = |part: &str| parts.split(',').any(|name| name == part);
    let wanted = |part: &str| parts.is_empty() || named(part);
    let parts = Parts { debezium: wanted("debezium"), profile: named("profile") };
    let began = Instant::now();
    let say = |what: &str| println!("[{:>4} s] {what} …", began.elapsed().as_secs());
    say("Preparing a private Postgres, a broker and the tables");
    let mut place = Place::make();
    let mut report = Report::new("kafka");

    if wanted("writer") {
        say("What the writer paid");
        report_writer(&writer::measure(&place), &mut report);
    }
    say(&format!("Writing {rows} rows, half of them again"));
    place.write(|first, count| place.insert("acme", first, count), rows);
    say("Draining inserts");
    let inserts = drain::measure(&place, rows, parts, "inserts");
    report_drain("inserts", &inserts, &mut report);
    if wanted("limit") {
        say("librdkafka with the same events");
        report_limit(&place, rows, inserts.ours.per_second, &mut report);
    }
    if wanted("reading") {
        say("Reading the log");
        let read = reading::measure(&place, rows / 2);
        report.value("reading the log, nothing published: CPU", "µs/row", read, None);
    }
    say("Writing updates");
    place.write(|first, count| Place::update("acme", first, count), rows / 2);
    say("Draining updates");
    let updates = drain::measure(&place, rows / 2, parts, "updates");
    report_drain("updates with old rows", &updates, &mut report);
    if wanted("schemas") {
        // Each event is some ten times as large.
        let rows = rows / 8;
        say("Writing updates for events with schemas");
        place.describe(true);
        place.write(|first, count| Place::update("acme", first, count), rows);
        say("Draining updates with schemas");
        report_schemas(&drain::measure(&place, rows, parts, "updates with schemas"), &mut report);
        place.describe(false);
    }
    if wanted("latency") {
        say("Latency at 1,000 inserts a second");
        let ours = latency::ours(&mut place);
        let tunings = if parts.debezium { &Tuning::ALL[..] } else { &[] };
        let theirs = tunings.iter().map(|tuning| latency::theirs(&mut place, *tuning));
        report_latency(&ours, &theirs.collect::<Vec<_>>(), &mut report);
    }
    if wanted("restart") {
        say("Restarts");
        let restarts = restart::measure(&mut place, parts);
        for (what, ours) in [("publisher", restarts.publisher), ("server", restarts.server)] {
            let figure = format!("first event after a restart of the {what}");
            report.beside(figure, "s", ours, restarts.debezium, Goal::AtMost(0.5));
        }
    }
    if wanted("exactly") {
        say("Draining inserts at least once, and exactly once");
        let (once, exactly) = exactly::measure(&place, rows / 2);
        let figure = "draining inserts exactly once, to at least once";
        let goal = Some(Goal::AtLeast(1.0 / 1.3));
        report.compare(figure, "events/s", exactly.per_second, once.per_second, goal);
        report.compare(format!("{figure}: CPU"), "µs/event", exactly.cpu, once.cpu, None);
    }
    say("Done");
    report.print();
    report.write();
}

fn report_writer(costs: &[writer::Cost], report: &mut Report) {
    for cost in costs {
        for (name, baseline) in [("alone", cost.nothing), ("for Debezium", cost.theirs)] {
            let figure = format!("{}, to the same {name}", cost.kind);
            report.compare(figure, "µs/row", cost.ours, baseline, None);
        }
    }
}

fn report_drain(what: &str, Pair { ours, theirs }: &Pair, report: &mut Report) {
    let theirs = |of: fn(&Drain) -> f64| theirs.as_ref().map_or(f64::NAN, of);
    report.compare(
        format!("draining {what}"),
        "events/s",
        ours.per_second,
        theirs(|drain| drain.per_second),
        Some(Goal::AtLeast(5.0)),
    );
    report.beside(
        format!("draining {what}: CPU"),
        "µs/event",
        ours.cpu,
        theirs(|drain| drain.cpu),
        Goal::AtMost(8.0),
    );
    report.beside(
        format!("draining {what}: memory at most"),
        "MB",
        ours.memory.unshared,
        theirs(|drain| drain.memory.unshared),
        Goal::AtMost(128.0),
    );
}

fn report_schemas(Pair { ours, theirs }: &Pair, report: &mut Report) {
    let theirs = |of: fn(&Drain) -> f64| theirs.as_ref().map_or(f64::NAN, of);
    let what = "draining updates with schemas";
    report.compare(what, "events/s", ours.per_second, theirs(|drain| drain.per_second), None);
    report.compare(format!("{what}: CPU"), "µs/event", ours.cpu, theirs(|drain| drain.cpu), None);
}

fn report_limit(place: &Place, rows: usize, ours: f64, report: &mut Report) {
    let samples = topic::samples(&place.broker.bootstrap(), OURS, SAMPLES.min(rows));
    let limit =
        limit::measure(&place.broker.bootstrap(), "", &["limit".to_owned()], &samples, rows);
    println!(
        "  {:.0} events/s, CPU an event: {:.1} µs handing over, {:.1} µs in librdkafka's threads",
        limit.per_second,
        limit.own / 1e3,
        limit.library / 1e3
    );
    report.compare(
        "draining inserts, to librdkafka's limit",
        "events/s",
        ours,
        limit.per_second,
        Some(Goal::AtLeast(0.65)),
    );
}

fn report_latency(ours: &Latency, theirs: &[Latency], report: &mut Report) {
    let best = |of: fn(&Latency) -> f64| theirs.iter().map(of).fold(f64::NAN, f64::min);
    let figure = |name| format!("commit to consumer, 1,000 inserts/s: {name}");
    let (p50, p99) = (best(|l| l.p50), best(|l| l.p99));
    report.beside(figure("p50"), "ms", ours.p50, p50, Goal::AtMost(3.0));
    report.compare(figure("p90"), "ms", ours.p90, best(|l| l.p90), None);
    report.beside(figure("p99"), "ms", ours.p99, p99, Goal::AtMost(10.0));
    report.compare(figure("max"), "ms", ours.max, best(|l| l.max), None);
    let figure = "1,000 inserts/s: CPU";
    report.compare(figure, "µs/event", ours.cpu, best(|l| l.cpu), None);
    let figure = "1,000 inserts/s: median insert, to the same beside Debezium";
    report.compare(figure, "µs", ours.insert, best(|l| l.insert), None);
}
