//! The servers that tests share, and a database with its org for each test.

use std::sync::OnceLock;

use crate::support::broker::Broker;
use crate::support::cluster::{Cluster, Database, QUICK};
use crate::support::run;

/// The cluster for all tests that leave their server as they found it.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start(run::dir(), QUICK))
}

/// The broker for all tests that leave it running.
pub fn broker() -> &'static Broker {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    BROKER.get_or_init(|| Broker::start(run::dir()))
}

pub fn database() -> Database<'static> {
    cluster().database()
}
