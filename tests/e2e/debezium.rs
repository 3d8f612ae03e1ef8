//! Debezium beside us: the same changes of the same table, as it publishes them and as we do.

use crate::support::connect::{self, Connect, Connector};
use crate::support::consumer::Topic;
use crate::support::run;
use crate::world::{LIMIT, broker, cluster_with};

#[test]
fn debezium_runs_in_a_connect_of_our_own() {
    let cluster = cluster_with("wal_level = logical");
    let database = cluster.database();
    let mut client = database.connect();
    client.batch_execute("CREATE TABLE t (id int PRIMARY KEY)").unwrap();
    let name = database.name.as_str();
    let mut debezium = Connect::prepared(run::dir(), &broker().bootstrap())
        .connector(Connector::postgres("debezium", cluster.port(), name, "debezium"))
        .start();
    connect::await_slot(&mut client, "debezium");
    client.batch_execute("INSERT INTO t VALUES (1)").unwrap();
    let mut topic = Topic::new(&broker().bootstrap(), "debezium.public.t");
    topic.at_least(1, LIMIT);
    debezium.stop();
    client.batch_execute("INSERT INTO t VALUES (2)").unwrap();
    debezium.launch();
    topic.at_least(2, LIMIT);
    debezium.assert_running();
    debezium.stop();
    client.execute("SELECT pg_drop_replication_slot('debezium')", &[]).unwrap();
}
