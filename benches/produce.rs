//! What it costs to hand a finished event to librdkafka and to learn that it has arrived, and how
//! fast librdkafka can take them: the events of the fixture org acme's leads, from memory, to a real
//! broker, in one partition.
//!
//! `cargo bench --bench produce`; needs Kafka's jars (pgrx-config/install.sh).
//! MANIFOLD_BENCH_ROWS says how many events a round has (default 300,000).

use pg_manifold::log::change::{ChunkHead, Op, Origin};
use pg_manifold::publish::form::Types;
use pg_manifold::publish::modes::Modes;
use pg_manifold::publish::{EncodeError, Key, Options, Plan, Scratch, Source};
use pg_manifold::row::image::{Slots, read_image};

#[path = "support/cpu.rs"]
mod cpu;
#[path = "support/csv.rs"]
mod csv;
#[path = "support/leads.rs"]
mod leads;
#[path = "support/limit.rs"]
mod limit;
#[path = "support/report.rs"]
mod report;
#[path = "../tests/support/mod.rs"]
mod support;
#[path = "support/tuple.rs"]
mod tuple;

use limit::{Limit, Sample};
use report::Report;
use support::broker::Broker;
use support::run;

/// Rounds, of which the first warms the broker up and the best counts.
const ROUNDS: usize = 4;

fn main() {
    run::end_at_signal();
    let count = std::env::var("MANIFOLD_BENCH_ROWS").map_or(300_000, |rows| {
        rows.parse().unwrap_or_else(|e| panic!("MANIFOLD_BENCH_ROWS: {rows}: {e}"))
    });
    let samples = samples();
    let broker = Broker::measured(run::dir());
    let rounds = (0..ROUNDS).map(|_| {
        let limit = limit::measure(&broker.bootstrap(), "", &["limit".to_owned()], &samples, count);
        println!(
            "{:>9.0} events/s, CPU an event: {:.0} ns handing over, {:.0} ns in librdkafka's threads",
            limit.per_second, limit.own, limit.library
        );
        limit
    });
    let rounds: Vec<Limit> = rounds.skip(1).collect();
    let least = |of: fn(&Limit) -> f64| rounds.iter().map(of).fold(f64::INFINITY, f64::min);
    let mut report = Report::new("produce");
    report.value("hand over and take the delivery", "ns/event", least(|l| l.own), None);
    report.value("librdkafka's threads", "ns/event", least(|l| l.library), None);
    report.value("events", "events/s", -least(|l| -l.per_second), None);
    report.print();
    report.write();
}

/// An event for each lead.
fn samples() -> Vec<Sample> {
    let (layout, images) = leads::load(&leads::fixtures().join("orgs/acme"));
    let source = Source {
        prefix: "manifold".into(),
        database: "postgres".into(),
        org: Some("acme".into()),
        schema: "acme".into(),
        table: "lead".into(),
        topic: "limit".into(),
        key: Key::Record,
        options: Options::default(),
        treatments: Default::default(),
        places: Default::default(),
        when: None,
        modes: Modes::default(),
        types: Types::new(),
    };
    let plan = Plan::new(&layout, &source).expect("plan");
    let head = ChunkHead {
        seq: 123_456_789,
        xid: 987_654,
        source: 1,
        layout: 1,
        op: Op::Create,
        origin: Origin::HerokuConnect,
        at: 1_734_425_877_123_456,
        rows: images.len() as i32,
    };
    let (mut slots, mut scratch, mut samples) = (Slots::new(), Scratch::default(), Vec::new());
    for (ordinal, image) in images.iter().enumerate() {
        read_image(image, &layout, &mut slots).expect("image");
        let now = 1_734_425_877_200_000;
        let encoded: Result<(), EncodeError<()>> = plan.encode(
            &head,
            ordinal as u32,
            None,
            Some(&slots),
            now,
            &leads::NoServer,
            &mut scratch,
            &mut |message| {
                let headers = message.headers.iter();
                samples.push(Sample {
                    key: message.key.unwrap_or_default().to_vec(),
                    value: message.value.map(<[u8]>::to_vec),
                    headers: headers
                        .map(|(name, value)| ((*name).to_owned(), value.to_vec()))
                        .collect(),
                });
                Ok(())
            },
        );
        encoded.expect("event");
    }
    samples
}
