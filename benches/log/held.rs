//! With a transaction open elsewhere all the while, and without: writing, and reading what was written.
//!
//! The open transaction is REPEATABLE READ and has an id: its snapshot keeps dead rows from being
//! removed, and it is in every snapshot's list of running ones. Statements of 500 rows go to a
//! captured table and to one without capture in turn; what the second loses is Postgres's own.

use std::fmt;
use std::time::{Duration, Instant};

use postgres::{Client, Statement};

use crate::cpu;
use crate::narrow::{Narrow, SETTINGS};
use crate::report::{Goal, Report};
use crate::support::cluster::Cluster;
use crate::support::run;
use crate::support::wait::seconds;

/// So many that each is updated once or twice: with an old snapshot Postgres itself gets slower with
/// every dead version of a row, and that is not in question.
const ROWS: usize = 400_000;
const BATCH: usize = 500;
const WINDOWS: usize = 12;
const WINDOW: Duration = seconds(5);

/// The log turns and is emptied many times, which an idle publisher does not hinder.
const SMALL_LOG: &str = "manifold.log_table_size = 8MB\nmanifold.max_log_size = 16MB\n";

pub fn measure(report: &mut Report) {
    // Two servers that take turns, so that the machine's moods meet both.
    let start = || Cluster::start(run::dir(), &format!("{SETTINGS}{SMALL_LOG}"));
    let (free, held) = (start(), start());
    let (mut free, mut held) = (Course::new(&free), Course::new(&held));
    let _open = held.hold();
    println!(
        "Rows per second in windows of {WINDOW:?}: written, written without capture, normalized (waiting at the end)\n\n\
         {:<40}an old snapshot held elsewhere",
        ""
    );
    for _ in 0..WINDOWS {
        println!("{:<40}{}", free.window().to_string(), held.window());
    }
    // Whatever adds up has done so by the second half.
    let late = |course: &Course<'_>, of: fn(&Window) -> f64| {
        let windows = &course.windows[WINDOWS / 2..];
        windows.iter().map(of).sum::<f64>() / windows.len() as f64
    };
    let mut compare = |figure, unit, of: fn(&Window) -> f64, goal| {
        let figure = format!("{figure}, old snapshot held to not held");
        report.compare(figure, unit, late(&held, of), late(&free, of), goal);
    };
    let goal = Some(Goal::AtLeast(0.9));
    compare("writing", "rows/s", |w| w.written, goal);
    compare("reading", "rows/s", |w| w.read, goal);
    compare("reading: CPU per row", "µs", |w| w.cpu, Some(Goal::AtMost(1.11)));
    // What Postgres itself loses.
    compare("writing without capture", "rows/s", |w| w.written_plain, None);
    let share = |course| late(course, |w| w.written) / late(course, |w| w.written_plain);
    report.compare(
        "writing, as a part of that without capture, held to not held",
        "",
        share(&held),
        share(&free),
        goal,
    );
}

/// Rows per second in one window, and what was waiting when its last statement was done.
struct Window {
    written: f64,
    written_plain: f64,
    read: f64,
    lag: i64,
    /// Microseconds of CPU of the normalizer per row.
    cpu: f64,
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { written, written_plain, read, lag, .. } = self;
        write!(f, "{written:>8.0}  {written_plain:>8.0}  {read:>8.0}  ({lag})")
    }
}

/// One server, written to and read in windows.
struct Course<'a> {
    narrow: Narrow<'a>,
    writer: Writer,
    windows: Vec<Window>,
}

impl<'a> Course<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let mut narrow = Narrow::new(cluster);
        for schema in ["acme", "plain"] {
            narrow.fill(schema, ROWS);
            narrow.run(&format!("VACUUM ANALYZE {schema}.contact"));
        }
        narrow.settled(&["normalizer"], seconds(300));
        narrow.run("VACUUM ANALYZE canonical.contact");
        Self { writer: Writer::new(&narrow), narrow, windows: Vec::new() }
    }

    /// Opens a transaction that stays open as long as the client lives.
    fn hold(&self) -> Client {
        let mut holder = self.narrow.database.connect();
        holder
            .batch_execute(
                "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id(), count(*) FROM acme.contact",
            )
            .expect("a transaction begins");
        holder
    }

    fn window(&mut self) -> &Window {
        let (began, normalizer) = (Instant::now(), self.narrow.worker("normalizer"));
        let cpu = cpu::milliseconds(normalizer);
        let (captured, plain) = self.writer.write_until(began + WINDOW);
        let lag = self.narrow.lag("normalizer");
        // All that was written counts as read by the time it was read: the other server comes next.
        self.narrow.settled(&["normalizer"], seconds(300));
        let rows = (captured.statements * BATCH) as f64;
        let read = rows / began.elapsed().as_secs_f64();
        let cpu = (cpu::milliseconds(normalizer) - cpu) * 1000.0 / rows;
        let (written, written_plain) = (captured.rate(), plain.rate());
        self.windows.push(Window { written, written_plain, read, lag, cpu });
        &self.windows[self.windows.len() - 1]
    }
}

#[derive(Default)]
struct Tally {
    statements: usize,
    time: Duration,
}

impl Tally {
    fn rate(&self) -> f64 {
        (self.statements * BATCH) as f64 / self.time.as_secs_f64()
    }
}

/// Updates the rows of both tables from the first to the last, again and again.
struct Writer {
    client: Client,
    captured: Statement,
    plain: Statement,
    next: usize,
}

impl Writer {
    fn new(narrow: &Narrow<'_>) -> Self {
        let mut client = narrow.database.connect();
        client.batch_execute("SET xmlbinary = 'hex'").expect("a setting of the server");
        let mut prepare = |schema: &str| {
            let sql = format!(
                "UPDATE {schema}.contact SET status = 'round ' || $1, systemmodstamp = now() AT TIME ZONE 'UTC' \
                 WHERE id > $2 AND id <= $2 + {BATCH}"
            );
            client.prepare(&sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"))
        };
        Self { captured: prepare("acme"), plain: prepare("plain"), client, next: 0 }
    }

    fn write_until(&mut self, end: Instant) -> (Tally, Tally) {
        let (mut captured, mut plain) = (Tally::default(), Tally::default());
        while Instant::now() < end {
            let round = (self.next * BATCH / ROWS).to_string();
            let from = (self.next * BATCH % ROWS) as i32;
            self.next += 1;
            for (statement, tally) in [(&self.captured, &mut captured), (&self.plain, &mut plain)] {
                let began = Instant::now();
                let rows = self.client.execute(statement, &[&round, &from]);
                tally.time += began.elapsed();
                tally.statements += 1;
                assert_eq!(rows.unwrap_or_else(|e| panic!("{e:?}")), BATCH as u64);
            }
        }
        (captured, plain)
    }
}
