//! From the answer to a commit to the consumer: a thousand transactions of one row a second.

use std::thread;
use std::time::{Duration, Instant};

use crate::cpu;
use crate::debezium::{self, Tuning};
use crate::place::{OURS, Place, THEIRS, execute};
use crate::support::wait::seconds;
use crate::topic::Tail;

const PER_SECOND: u32 = 1000;
/// Seconds that only warm up.
const WARM_UP: usize = 5;
/// Of them, and those that count.
const SECONDS: usize = 25;

/// Milliseconds, and what else it took.
pub struct Latency {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
    /// Microseconds of CPU an event.
    pub cpu: f64,
    /// Microseconds that the median insert took, with its commit.
    pub insert: f64,
}

pub fn ours(place: &mut Place) -> Latency {
    let mut client = place.connect();
    let publisher = place.publisher(&mut client);
    place.publish(true);
    // Connected before the first insert.
    place.published(&mut client, "acme", seconds(60));
    let latency = measure(place, OURS, &[publisher]);
    place.published(&mut client, "acme", seconds(60));
    place.publish(false);
    tell("pg_manifold", &latency);
    latency
}

pub fn theirs(place: &mut Place, tuning: Tuning) -> Latency {
    let mut client = place.connect();
    let mut connect = debezium::prepared(place, tuning).start();
    let processes = debezium::processes(&connect, &mut client);
    let latency = measure(place, THEIRS, &processes);
    connect.stop();
    tell(&format!("Debezium {}", tuning.name()), &latency);
    latency
}

fn measure(place: &mut Place, topic: &str, processes: &[i32]) -> Latency {
    let tail = Tail::start(&place.broker.bootstrap(), topic);
    let mut client = place.connect();
    execute(&mut client, "SET xmlbinary = 'hex'");
    let sql = place.single("acme");
    let statement = client.prepare(&sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    // A consumer that has just been assigned asks its broker first.
    let first = sfid(place);
    client.execute(&statement, &[&first, &1]).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    tail.wait(&first, seconds(60));

    let time = || processes.iter().map(|&process| cpu::process_microseconds(process)).sum::<f64>();
    let count = SECONDS * PER_SECOND as usize;
    let (mut commits, mut inserts) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let (began, spent) = (Instant::now(), time());
    for number in 0..count {
        let due = began + Duration::from_secs(1) / PER_SECOND * number as u32;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let sfid = sfid(place);
        let row = 1 + (number % 10_000) as i32;
        let start = Instant::now();
        client.execute(&statement, &[&sfid, &row]).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        inserts.push(start.elapsed().as_secs_f64() * 1e6);
        commits.push((sfid, Instant::now()));
    }
    if let Some((last, _)) = commits.last() {
        tail.wait(last, seconds(60));
    }
    let cpu = (time() - spent) / count as f64;
    let warm = WARM_UP * PER_SECOND as usize;
    let latencies = commits[warm..].iter().map(|(sfid, committed)| {
        let arrived = tail.wait(sfid, seconds(60));
        arrived.saturating_duration_since(*committed).as_secs_f64() * 1e3
    });
    let latencies = sorted(latencies);
    let inserts = sorted(inserts[warm..].iter().copied());
    let at = |part: f64| latencies[(part * (latencies.len() - 1) as f64) as usize];
    Latency {
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        max: at(1.0),
        cpu,
        insert: inserts[inserts.len() / 2],
    }
}

/// One that no other row has: 18 characters.
fn sfid(place: &mut Place) -> String {
    place.rows += 1;
    format!("00Q8y{:010}AAA", place.rows)
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn tell(name: &str, latency: &Latency) {
    let Latency { p50, p90, p99, max, cpu, insert } = latency;
    println!(
        "  {name}: p50 {p50:.2}, p90 {p90:.2}, p99 {p99:.2}, max {max:.1} ms; {cpu:.0} µs of CPU an \
         event, {insert:.0} µs an insert"
    );
}
