//! What it costs to turn a captured row into a Debezium event: reading the image, decoding the
//! values and writing the JSON, for the leads of the fixture org acme (44 columns).
//!
//! `cargo bench --bench encode`; MANIFOLD_FIXTURES names the directory that holds `orgs/`
//! (default: ../shared/fixtures).

use std::hint::black_box;

use pg_manifold::log::change::{ChunkHead, Op, Origin};
use pg_manifold::publish::form::Types;
use pg_manifold::publish::modes::Modes;
use pg_manifold::publish::{EncodeError, Key, Options, Plan, Scratch, Source, Treatments};
use pg_manifold::row::decode;
use pg_manifold::row::image::{Slots, read_image};

#[path = "support/csv.rs"]
mod csv;
#[path = "support/leads.rs"]
mod leads;
#[path = "support/report.rs"]
mod report;
#[path = "support/tuple.rs"]
mod tuple;

use leads::NoServer;
use report::Report;

fn main() {
    let (layout, images) = leads::load(&leads::fixtures().join("orgs/acme"));
    let bytes: usize = images.iter().map(Vec::len).sum();
    println!("{} leads, {} columns", images.len(), layout.columns.len());
    println!("image                     {:>8} bytes a row", bytes / images.len());

    let mut report = Report::new("encode");
    report.value("image", "bytes a row", bytes as f64 / images.len() as f64, None);
    let mut slots = Slots::new();
    measure(&mut report, "read", images.len(), || {
        for image in &images {
            read_image(image, &layout, &mut slots).expect("image");
            black_box(&slots);
        }
    });
    measure(&mut report, "read, decode", images.len(), || {
        for image in &images {
            read_image(image, &layout, &mut slots).expect("image");
            for (column, slot) in layout.columns.iter().zip(&slots) {
                black_box(decode(column, *slot, &NoServer).expect("value"));
            }
        }
    });
    let source = |schemas: bool| Source {
        prefix: "manifold".into(),
        database: "postgres".into(),
        org: Some("acme".into()),
        schema: "acme".into(),
        table: "lead".into(),
        topic: "manifold.acme.lead".into(),
        key: Key::Record,
        options: Options::default(),
        modes: Modes { schemas, ..Modes::default() },
        types: Types::new(),
        treatments: Treatments::default(),
        places: Default::default(),
        when: None,
    };
    for (name, op, schemas) in [
        ("create", Op::Create, false),
        ("update with old row", Op::Update, false),
        ("create with schemas", Op::Create, true),
    ] {
        let plan = Plan::new(&layout, &source(schemas)).expect("plan");
        let head = ChunkHead {
            seq: 123_456_789,
            xid: 987_654,
            source: 1,
            layout: 1,
            op,
            origin: Origin::HerokuConnect,
            at: 1_734_425_877_123_456,
            rows: images.len() as i32,
        };
        let changed = ["status", "systemmodstamp"]
            .map(|name| layout.column(name).map_or(0, |(index, _)| index));
        let mut other = Slots::new();
        read_image(&images[0], &layout, &mut other).expect("image");
        let (mut old, mut scratch) = (Slots::new(), Scratch::default());
        let (mut events, mut written) = (0, 0);
        measure(&mut report, &format!("read, decode, encode: {name}"), images.len(), || {
            for (ordinal, image) in images.iter().enumerate() {
                read_image(image, &layout, &mut slots).expect("image");
                // As the log has it: the old row is the new one but for what differs.
                old.clear();
                old.extend_from_slice(&slots);
                for index in changed {
                    old[index] = other[index];
                }
                let before = (op == Op::Update).then_some(old.as_slice());
                let sent: Result<(), EncodeError<()>> = plan.encode(
                    &head,
                    ordinal as u32,
                    before,
                    Some(&slots),
                    1_734_425_877_200_000,
                    &NoServer,
                    &mut scratch,
                    &mut |message| {
                        events += 1;
                        written += message.value.map_or(0, <[u8]>::len);
                        black_box(&message);
                        Ok(())
                    },
                );
                sent.expect("event");
            }
        });
        println!("{:<41} {:>8} bytes a value", "", written / events);
    }
    report.write();
}

/// Runs for a second of CPU after a warm-up and prints the mean and the best pass: CPU time, so
/// that what else the machine does shows less.
fn measure(report: &mut Report, name: &str, rows: usize, mut pass: impl FnMut()) {
    pass();
    let (mut best, mut total, mut passes) = (u64::MAX, 0, 0u32);
    while total < 1_000_000_000 {
        let start = cpu_nanoseconds();
        pass();
        let taken = cpu_nanoseconds() - start;
        best = best.min(taken);
        total += taken;
        passes += 1;
    }
    let mean = total as f64 / f64::from(passes) / rows as f64;
    println!(
        "{name:<41} {mean:>8.0} ns mean, {:>6.0} ns best, {:>10.0} events/s",
        best as f64 / rows as f64,
        1e9 / mean
    );
    report.value(name, "ns a row", mean, None);
}

/// CPU time of this thread.
fn cpu_nanoseconds() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills the struct that it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
