//! From a restart to the first event.

use std::time::{Duration, Instant};

use postgres::Client;

use crate::Parts;
use crate::debezium::{self, Tuning};
use crate::place::{OURS, Place, THEIRS, execute, value};
use crate::spread::Spread;
use crate::support::wait::{self, seconds};
use crate::topic::Tail;

const LIMIT: Duration = seconds(60);

/// Seconds, the median of a few.
pub struct Restarts {
    /// Our publisher was ended; until the event of a row that was written meanwhile.
    pub publisher: f64,
    /// The whole server was restarted; since it accepts connections.
    pub server: f64,
    /// Connect was started, with an event waiting.
    pub debezium: f64,
}

pub fn measure(place: &mut Place, parts: Parts) -> Restarts {
    let restarts = Restarts {
        publisher: publisher(place),
        server: server(place),
        debezium: if parts.debezium { debezium(place) } else { f64::NAN },
    };
    let Restarts { publisher, server, debezium } = restarts;
    println!(
        "  pg_manifold: {publisher:.2} s after its end, {server:.2} s after the server's start; \
         Debezium: {debezium:.2} s"
    );
    restarts
}

fn publisher(place: &mut Place) -> f64 {
    place.publish(true);
    let mut client = place.connect();
    place.published(&mut client, "acme", LIMIT);
    let tail = Tail::start(&place.broker.bootstrap(), OURS);
    let times = (0..5).map(|_| {
        let sfid = insert(place);
        tail.wait(&sfid, LIMIT);
        let old = settled_in(&mut client, place);
        let began = Instant::now();
        let _: bool = value(&mut client, &format!("SELECT pg_terminate_backend({old})"));
        wait::until("the publisher to end", LIMIT, || {
            let gone = !std::path::Path::new(&format!("/proc/{old}")).exists();
            if gone { Ok(()) } else { Err("it runs") }
        });
        let sfid = insert(place);
        (tail.wait(&sfid, LIMIT) - began).as_secs_f64()
    });
    let times: Vec<f64> = times.collect();
    Spread::of(times).median
}

/// The publisher, once it has lived for a while: one that ends soon after its start is started again
/// after a pause, lest it does nothing else.
fn settled_in(client: &mut Client, place: &Place) -> i32 {
    let publisher = place.publisher(client);
    wait::until("the publisher to have lived for some seconds", LIMIT, || {
        let age = format!(
            "SELECT extract(epoch FROM clock_timestamp() - backend_start)::float8 \
             FROM pg_stat_activity WHERE pid = {publisher}"
        );
        let age: f64 = value(client, &age);
        if age > 6.0 { Ok(()) } else { Err(format!("{age:.1} s")) }
    });
    publisher
}

fn server(place: &mut Place) -> f64 {
    let tail = Tail::start(&place.broker.bootstrap(), OURS);
    let times = (0..3).map(|_| {
        place.cluster.restart();
        let began = Instant::now();
        let sfid = insert(place);
        (tail.wait(&sfid, LIMIT) - began).as_secs_f64()
    });
    let times: Vec<f64> = times.collect();
    drop(tail);
    place.published(&mut place.connect(), "acme", LIMIT);
    place.publish(false);
    Spread::of(times).median
}

fn debezium(place: &mut Place) -> f64 {
    let tail = Tail::start(&place.broker.bootstrap(), THEIRS);
    let mut connect = debezium::prepared(place, Tuning::Latency);
    let times = (0..3).map(|_| {
        let sfid = insert(place);
        let began = Instant::now();
        connect.launch();
        let arrived = tail.wait(&sfid, LIMIT);
        connect.await_running();
        connect.stop();
        (arrived - began).as_secs_f64()
    });
    let times: Vec<f64> = times.collect();
    Spread::of(times).median
}

fn insert(place: &mut Place) -> String {
    place.rows += 1;
    let sfid = format!("00Q8y{:010}AAA", place.rows);
    let mut client = place.connect();
    let sql = place.single("acme");
    execute(&mut client, &sql.replace("$1", &format!("'{sfid}'")).replace("$2", "1"));
    sfid
}
