//! Debezium, tuned as far as it goes, reading the same table.

use postgres::Client;

use crate::place::{Place, SLOT, value};
use crate::support::connect::{Connect, Connector, await_slot};
use crate::support::run;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tuning {
    Throughput,
    Latency,
}

impl Tuning {
    pub const ALL: [Self; 2] = [Self::Throughput, Self::Latency];

    pub fn name(self) -> &'static str {
        match self {
            Self::Throughput => "for throughput",
            Self::Latency => "for latency",
        }
    }
}

/// A worker, not started yet. It remembers nothing: the slot does.
pub fn prepared(place: &Place, tuning: Tuning) -> Connect {
    let (poll, linger) = match tuning {
        Tuning::Throughput => ("50", "5"),
        Tuning::Latency => ("5", "0"),
    };
    let connector = Connector::postgres(SLOT, place.cluster.port(), place.database(), "debezium")
        .set("publication.autocreate.mode", "disabled")
        .set("max.batch.size", "8192")
        .set("max.queue.size", "32768")
        .set("poll.interval.ms", poll);
    Connect::prepared(run::dir(), &place.broker.bootstrap())
        .jvm(&["-Xmx2g"])
        .schemas(place.described)
        .set("producer.compression.type", "lz4")
        .set("producer.batch.size", "262144")
        .set("producer.linger.ms", linger)
        .connector(connector)
}

/// Waits until it reads, and returns its processes: the Java machine's and the server's.
pub fn processes(connect: &Connect, client: &mut Client) -> Vec<i32> {
    await_slot(client, SLOT);
    let sender: i32 = value(
        client,
        &format!("SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{SLOT}'"),
    );
    vec![connect.pid() as i32, sender]
}
