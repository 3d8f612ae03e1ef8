//! `make bench-capture`: what capture costs those who write, beside no trigger, the usual audit
//! trigger, and logical decoding with whole old rows.
//!
//! The fixture org acme's leads (44 columns) in four mapped tables as Heroku Connect makes them, with
//! the same indexes and rows, but without its own triggers, whose time would hide ours. Needs the
//! packaged extension; MANIFOLD_BENCH_ROUNDS (default 5) says how often all is repeated.
//!
//! What makes the comparison fair:
//!
//! - The ways take turns statement by statement, so that whatever else the machine does meets all.
//! - Nothing but the statement is timed. Tables are brought back to their size, and logs emptied,
//!   between rounds; autovacuum and checkpoints wait for then too. Buffers and WAL segments are such as
//!   were used before, and the first pass of a round only warms up.
//! - The workers run, but the org is paused: each commit wakes them and they go to sleep again
//!   without reading a row, and a timed statement begins after a moment's rest. What they do with
//!   rows is their own time and not the writer's.
//! - `fsync = off`: waiting for the disk would only make what a trigger adds look smaller.
//!   `full_page_writes = off`: how many whole pages the WAL holds depends on the last checkpoint.
//! - An update sets two columns, one of them systemmodstamp, which is indexed and which no sync
//!   leaves alone: no update stays within its page.

#[path = "../support/cpu.rs"]
mod cpu;
#[path = "../support/report.rs"]
mod report;
#[path = "../support/spread.rs"]
mod spread;
#[path = "../../tests/support/mod.rs"]
mod support;

mod place;
mod single;
mod statements;

use place::{BATCH, Place, Way};
use report::{Goal, Report};
use single::{CLIENTS, Kind, Run};
use spread::Spread;
use statements::{Op, Sample, Samples};
use support::run;

fn main() {
    run::end_at_signal();
    let rounds = std::env::var("MANIFOLD_BENCH_ROUNDS").map_or(5, |rounds| {
        rounds.parse().unwrap_or_else(|e| panic!("MANIFOLD_BENCH_ROUNDS: {rounds}: {e}"))
    });
    println!("Preparing a private Postgres, and a table for each way to capture …");
    let mut place = Place::make();
    let sizes = place.sizes();
    let samples = statements::measure(&mut place, rounds);
    let mut report = Report::new("capture");
    print_times(&samples);
    report_times(&samples, &mut report);
    report_bytes(&samples, &sizes, &mut report);
    report_transactions(&single::measure(&mut place, rounds), &mut report);
    report.print();
    report.write();
}

fn print_times(samples: &Samples) {
    let count = samples[&(Way::Nothing, Op::Insert)].len();
    let titles = ["milliseconds", "milliseconds of CPU of the session's process"];
    for (title, of) in titles.into_iter().zip([time, cpu]) {
        println!(
            "\nOne statement of {BATCH} rows, {title}: median (quartiles; least) of {count}\n"
        );
        print_spreads(samples, of);
    }
}

fn time(sample: &Sample) -> f64 {
    sample.milliseconds
}

fn cpu(sample: &Sample) -> f64 {
    sample.cpu
}

fn print_spreads(samples: &Samples, of: fn(&Sample) -> f64) {
    print!("{:<8}", "");
    for way in Way::ALL {
        print!("{:<30}", way.name());
    }
    println!();
    for op in Op::ALL {
        print!("{:<8}", op.name());
        for way in Way::ALL {
            let s = spread(samples, way, op, of);
            let cell = format!("{:.2} ({:.2}–{:.2}; {:.2})", s.median, s.lower, s.upper, s.min);
            print!("{cell:<30}");
        }
        println!();
    }
}

fn spread(samples: &Samples, way: Way, op: Op, of: fn(&Sample) -> f64) -> Spread {
    Spread::of(samples[&(way, op)].iter().map(of))
}

fn report_times(samples: &Samples, report: &mut Report) {
    for op in Op::ALL {
        let median = |way| spread(samples, way, op, time).median;
        let nothing = median(Way::Nothing);
        let added = |way| median(way) - nothing;
        let name = op.name();
        report.compare(
            format!("{name}: added time, to the audit trigger's"),
            "ms",
            added(Way::Manifold),
            added(Way::Audit),
            Some(Goal::AtMost(0.125)),
        );
        let goal = match op {
            Op::Insert => Some(Goal::AtMost(1.3)),
            Op::Update => Some(Goal::AtMost(1.4)),
            Op::Delete | Op::Copy => None,
        };
        let ours = median(Way::Manifold);
        report.compare(
            format!("{name}: whole statement, to no trigger"),
            "ms",
            ours,
            nothing,
            goal,
        );
        report.compare(
            format!("{name}: whole statement, to wal_level = logical"),
            "ms",
            ours,
            median(Way::Logical),
            None,
        );
        let cpu = |way| spread(samples, way, op, cpu).median;
        let (ours, nothing) = (cpu(Way::Manifold), cpu(Way::Nothing));
        report.compare(format!("{name}: CPU, to no trigger"), "ms", ours, nothing, None);
    }
}

fn report_bytes(samples: &Samples, sizes: &place::Sizes, report: &mut Report) {
    // What a log takes on disk grows by pages: the mean over all statements is what counts.
    let mean = |way, op, of: fn(&Sample) -> f64| {
        let samples = &samples[&(way, op)];
        samples.iter().map(of).sum::<f64>() / (samples.len() * BATCH) as f64
    };
    let log = |way, op| mean(way, op, |sample| sample.log_bytes);
    let goals = [
        (Op::Insert, "the row", sizes.row, 1.2),
        (Op::Update, "new row and changed columns", sizes.row + sizes.changed, 1.0),
    ];
    for (op, what, size, goal) in goals {
        report.compare(
            format!("{}: log on disk per change, to {what}", op.name()),
            "bytes",
            log(Way::Manifold, op),
            size,
            Some(Goal::AtMost(goal)),
        );
    }
    for op in [Op::Insert, Op::Update, Op::Delete] {
        report.compare(
            format!("{}: log on disk per change, to the audit table", op.name()),
            "bytes",
            log(Way::Manifold, op),
            log(Way::Audit, op),
            None,
        );
    }
    for op in Op::ALL {
        // The median, since the server writes a little WAL of its own now and then.
        let wal = |way| spread(samples, way, op, |sample| sample.wal_bytes).median / BATCH as f64;
        for way in [Way::Nothing, Way::Audit, Way::Logical] {
            report.compare(
                format!("{}: WAL per change, to {}", op.name(), way.name()),
                "bytes",
                wal(Way::Manifold),
                wal(way),
                None,
            );
        }
    }
}

fn report_transactions(runs: &single::Runs, report: &mut Report) {
    for kind in Kind::ALL {
        for clients in CLIENTS {
            let median = |way, of: fn(&Run) -> f64| {
                Spread::of(runs[&(way, kind, clients)].iter().map(of)).median
            };
            let name = format!("{} one lead, clients: {clients}", kind.name());
            let mut compare = |what, unit, of: fn(&Run) -> f64, way, goal| {
                let name = format!("{name}; {what} {}", Way::name(way));
                report.compare(name, unit, median(Way::Manifold, of), median(way, of), goal);
            };
            let goal = Some(Goal::AtLeast(0.9));
            compare("to", "tps", |run| run.tps, Way::Nothing, goal);
            compare("to", "tps", |run| run.tps, Way::Audit, None);
            compare("CPU, to", "µs", |run| run.cpu, Way::Nothing, None);
        }
    }
}
