//! `make bench-normalize`: rows a second from the log to the canonical table, beside the same mapping
//! written by hand as one `INSERT … SELECT … ON CONFLICT`; and what each rule costs.
//!
//! The leads of the three fixture orgs, again and again, each with an sfid of its own.
//! MANIFOLD_BENCH_ROWS says how many of each org (default 20,000). Both write to the same table, which
//! is captured. Ours takes the rows from the log, checks phone numbers, addresses and codes in earnest,
//! and notes every value that cannot be used; what is written by hand is content with regular
//! expressions, and forgets them.

#[path = "../support/cpu.rs"]
mod cpu;
#[path = "../support/report.rs"]
mod report;
#[path = "../../tests/support/mod.rs"]
mod support;

mod rules;
mod server;

use report::Report;
use support::run;

fn main() {
    run::end_at_signal();
    let rows = std::env::var("MANIFOLD_BENCH_ROWS").map_or(20_000, |rows| {
        rows.parse().unwrap_or_else(|e| panic!("MANIFOLD_BENCH_ROWS: {rows}: {e}"))
    });
    let mut report = Report::new("normalize");
    server::measure(rows, &mut report);
    rules::measure(&mut report);
    report.print();
    report.write();
}
