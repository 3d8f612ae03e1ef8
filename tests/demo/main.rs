//! `make demo` and `make up`: pg_manifold on a throwaway Postgres and a throwaway Kafka broker, with
//! Heroku Connect played for the three fixture orgs.
//!
//!   demo          the story, then the servers stay until Ctrl-C
//!   demo story    the story alone
//!   demo up       the servers alone, which stay; .run/env says where they are

#[path = "../support/mod.rs"]
mod support;

mod story;
mod up;

use std::thread;

use support::broker::Broker;
use support::cluster::Cluster;
use support::run;

pub const DATABASE: &str = "manifold";

/// Both servers, with the extension created in [`DATABASE`].
pub struct Servers {
    pub cluster: Cluster,
    pub broker: Broker,
}

impl Servers {
    pub fn start() -> Self {
        let broker = Broker::start(run::dir());
        let settings = format!("manifold.kafka_brokers = '{}'", broker.bootstrap());
        let cluster = Cluster::start(run::dir(), &settings);
        let mut client = cluster.connect("postgres");
        client
            .batch_execute(&format!("CREATE DATABASE {DATABASE}"))
            .unwrap_or_else(|e| panic!("cannot create the database: {e:?}"));
        cluster
            .connect(DATABASE)
            .batch_execute("CREATE EXTENSION pg_manifold")
            .unwrap_or_else(|e| panic!("cannot create the extension: {e:?}"));
        Self { cluster, broker }
    }
}

fn main() {
    run::end_at_signal();
    let task = std::env::args().nth(1);
    match task.as_deref() {
        None | Some("demo") => {
            let _servers = tell();
            println!("Ctrl-C stops the servers and removes everything.");
            loop {
                thread::park();
            }
        }
        Some("story") => {
            tell();
        }
        Some("up") => up::up(),
        Some(other) => panic!("{other}: expected demo, story or up"),
    }
}

fn tell() -> Servers {
    println!("Starting a private Postgres and a Kafka broker …");
    let servers = Servers::start();
    story::tell(&servers);
    servers
}
