//! `make bench-log`: what an old snapshot, and a transaction of very many rows, do to the log and to
//! those who read it.
//!
//! Both with a narrow mapped table, so that rows are what counts and not their bytes. Needs the
//! packaged extension and Kafka's jars. MANIFOLD_BENCH_ROWS says how many rows the one transaction has
//! (default 5,000,000).

#[path = "../support/cpu.rs"]
mod cpu;
#[path = "../support/memory.rs"]
mod memory;
#[path = "../support/report.rs"]
mod report;
#[path = "../../tests/support/mod.rs"]
mod support;

mod held;
mod large;
mod narrow;

use report::Report;
use support::run;

fn main() {
    run::end_at_signal();
    let rows = std::env::var("MANIFOLD_BENCH_ROWS").map_or(5_000_000, |rows| {
        rows.parse().unwrap_or_else(|e| panic!("MANIFOLD_BENCH_ROWS: {rows}: {e}"))
    });
    let mut report = Report::new("log");
    held::measure(&mut report);
    large::measure(rows, &mut report);
    report.print();
    report.write();
}
