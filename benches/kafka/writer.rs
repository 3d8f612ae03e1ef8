//! What the writer paid: the same statements on three tables alike, one that nobody reads, one that
//! we capture, and one whose whole old rows go into the WAL for Debezium. The ways take turns
//! statement by statement; the publisher is connected and idle, the org being paused.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;

use crate::place::{BATCH, Place, execute};
use crate::spread::Spread;
use crate::support::wait::seconds;

const WAYS: [&str; 3] = ["plain", "captured", "decoded"];
const ROUNDS: usize = 40;
/// Of which only warm up:
const WARM_UP: usize = 5;
/// Transactions of one row, for a statement of many.
const SINGLES: usize = 100;
/// For workers that a commit has woken.
const REST: Duration = Duration::from_millis(5);

/// Median microseconds a row.
pub struct Cost {
    pub kind: &'static str,
    pub nothing: f64,
    pub ours: f64,
    pub theirs: f64,
}

pub fn measure(place: &Place) -> Vec<Cost> {
    let mut client = place.connect();
    execute(&mut client, "SELECT manifold.pause('captured', 'publisher')");
    place.publish(true);
    place.published(&mut client, "acme", seconds(60));
    execute(&mut client, "SET xmlbinary = 'hex'");
    let mut times: BTreeMap<(usize, &str), Vec<f64>> = BTreeMap::new();
    let mut ways = WAYS;
    for round in 0..ROUNDS {
        ways.rotate_left(1);
        for way in ways {
            let first = round * BATCH;
            let insert = place.insert(way, first, BATCH);
            let update = Place::update(way, first, BATCH);
            let (inserted, updated) = (time(&mut client, &insert), time(&mut client, &update));
            let sql = place.single(way);
            let statement = client.prepare(&sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
            let began = Instant::now();
            for number in 0..SINGLES {
                let sfid = format!("00Q7x{:010}AAA", round * SINGLES + number);
                let row = 1 + number as i32;
                client
                    .execute(&statement, &[&sfid, &row])
                    .unwrap_or_else(|e| panic!("{sql}: {e:?}"));
            }
            let single = began.elapsed().as_secs_f64() * 1e6 / SINGLES as f64;
            // So that the next round's rows are numbered alike.
            execute(&mut client, &format!("DELETE FROM {way}.lead WHERE sfid LIKE '00Q7x%'"));
            execute(&mut client, &format!("SELECT setval('{way}.lead_id_seq', {})", first + BATCH));
            if round >= WARM_UP {
                for (kind, taken) in [inserted, updated, single].into_iter().enumerate() {
                    times.entry((kind, way)).or_default().push(taken);
                }
            }
        }
    }
    place.publish(false);
    let median = |kind, way| Spread::of(times[&(kind, way)].iter().copied()).median;
    let kinds = ["insert of 500 rows", "update of 500 rows", "insert of one row"];
    let costs = kinds.into_iter().enumerate().map(|(number, kind)| Cost {
        kind,
        nothing: median(number, WAYS[0]),
        ours: median(number, WAYS[1]),
        theirs: median(number, WAYS[2]),
    });
    let costs: Vec<Cost> = costs.collect();
    for Cost { kind, nothing, ours, theirs } in &costs {
        println!(
            "  {kind}, µs a row: {nothing:.1} alone, {ours:.1} captured by pg_manifold, {theirs:.1} \
             with whole old rows in the WAL"
        );
    }
    costs
}

/// Microseconds a row.
fn time(client: &mut Client, statement: &str) -> f64 {
    thread::sleep(REST);
    let began = Instant::now();
    execute(client, statement);
    began.elapsed().as_secs_f64() * 1e6 / BATCH as f64
}
