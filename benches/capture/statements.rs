//! Statements of a batch of rows, timed one by one.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, Statement};

use crate::cpu;
use crate::place::{BATCH, Place, ROWS, Way, execute, value};

/// Passes in a round, and one before them to warm up.
const PASSES: usize = 10;
/// In which the workers, woken by a commit, go to sleep again.
const REST: Duration = Duration::from_millis(3);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    Insert,
    Update,
    Delete,
    Copy,
}

impl Op {
    pub const ALL: [Self; 4] = [Self::Insert, Self::Update, Self::Delete, Self::Copy];

    pub fn name(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Copy => "COPY",
        }
    }
}

pub struct Sample {
    pub milliseconds: f64,
    /// Milliseconds of CPU of the session's process.
    pub cpu: f64,
    pub wal_bytes: f64,
    pub log_bytes: f64,
}

pub type Samples = BTreeMap<(Way, Op), Vec<Sample>>;

pub fn measure(place: &mut Place, rounds: usize) -> Samples {
    let mut samples = Samples::new();
    for round in 1..=rounds {
        println!("Statements, round {round} of {rounds} …");
        round_at("replica", &Way::WITH_TRIGGER, place, &mut samples);
        round_at("logical", &[Way::Logical], place, &mut samples);
    }
    samples
}

fn round_at(wal_level: &str, ways: &[Way], place: &mut Place, samples: &mut Samples) {
    place.restart(wal_level);
    let mut sessions: Vec<_> = ways.iter().map(|&way| Session::open(place, way)).collect();
    for pass in 0..=PASSES {
        // No way is always the first.
        sessions.rotate_left(1);
        for session in &mut sessions {
            let way = session.way;
            for (op, sample) in session.pass(place, pass) {
                if pass > 0 {
                    samples.entry((way, op)).or_default().push(sample);
                }
            }
        }
    }
    drop(sessions);
    place.tidy();
}

/// Heroku Connect's session, with what it runs; and another, to look.
struct Session {
    way: Way,
    client: Client,
    process: i32,
    observer: Client,
    insert: Statement,
    update: Statement,
    delete: Statement,
    copy: String,
    rows: Vec<u8>,
}

impl Session {
    fn open(place: &Place, way: Way) -> Self {
        let (mut client, observer) = (place.connect(), place.connect());
        // The plan is not to change in the middle.
        execute(&mut client, "SET xmlbinary = 'hex'; SET plan_cache_mode = 'force_generic_plan'");
        let process = value(&mut client, "SELECT pg_backend_pid()");
        let (schema, columns) = (way.schema(), &place.columns);
        let mut prepare =
            |sql: &str| client.prepare(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        Self {
            way,
            insert: prepare(&format!(
                "INSERT INTO {schema}.lead ({columns}) SELECT {columns} FROM synced.batch"
            )),
            update: prepare(&format!("UPDATE {schema}.lead SET {CHANGES} WHERE sfid = ANY ($1)")),
            delete: prepare(&format!("DELETE FROM {schema}.lead WHERE sfid = ANY ($1)")),
            copy: format!("COPY {schema}.lead ({columns}) FROM STDIN"),
            rows: rows(&mut client, columns),
            client,
            process,
            observer,
        }
    }

    /// Every statement once. Rows that are inserted and copied are deleted again.
    fn pass(&mut self, place: &Place, pass: usize) -> [(Op, Sample); 4] {
        // From all over the table, other ones in each pass.
        let some = (0..BATCH).map(|i| &*place.sfids[(i * ROWS / BATCH + pass) % ROWS]);
        let (some, batch) = (some.collect::<Vec<_>>(), &place.batch);
        let insert = self.timed(|s| s.client.execute(&s.insert, &[]));
        let update = self.timed(|s| s.client.execute(&s.update, &[&some]));
        let delete = self.timed(|s| s.client.execute(&s.delete, &[batch]));
        let copy = self.timed(|s| {
            let mut writer = s.client.copy_in(&s.copy)?;
            writer.write_all(&s.rows).expect("the connection takes data");
            writer.finish()
        });
        self.client.execute(&self.delete, &[batch]).expect("a delete that went well before");
        [(Op::Insert, insert), (Op::Update, update), (Op::Delete, delete), (Op::Copy, copy)]
    }

    fn timed(&mut self, run: impl FnOnce(&mut Self) -> Result<u64, postgres::Error>) -> Sample {
        let (wal, log) = self.written();
        thread::sleep(REST);
        let cpu = cpu::milliseconds(self.process);
        let start = Instant::now();
        let rows = run(self);
        let milliseconds = start.elapsed().as_secs_f64() * 1000.0;
        let cpu = cpu::milliseconds(self.process) - cpu;
        let rows = rows.unwrap_or_else(|e| panic!("{}: {e:?}", self.way.name()));
        assert_eq!(rows, BATCH as u64, "{}: rows of a statement", self.way.name());
        let (wal_after, log_after) = self.written();
        Sample {
            milliseconds,
            cpu,
            wal_bytes: (wal_after - wal) as f64,
            log_bytes: (log_after - log) as f64,
        }
    }

    /// Bytes of WAL and of the log so far.
    fn written(&mut self) -> (i64, i64) {
        let wal = "(pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint";
        let sql = format!("SELECT ARRAY[{wal}, {}]", self.way.log_size());
        let found: Vec<i64> = value(&mut self.observer, &sql);
        (found[0], found[1])
    }
}

/// Both differ from what was there before.
pub const CHANGES: &str = "status = CASE status WHEN 'Qualified' THEN 'Working - Contacted' ELSE 'Qualified' END, \
     systemmodstamp = now() AT TIME ZONE 'UTC'";

/// The batch as COPY takes it.
fn rows(client: &mut Client, columns: &str) -> Vec<u8> {
    let mut rows = Vec::new();
    let sql = format!("COPY (SELECT {columns} FROM synced.batch) TO STDOUT");
    let mut reader = client.copy_out(&sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    reader.read_to_end(&mut rows).expect("the connection gives data");
    rows
}
