//! One cluster and one broker for both ways, and one table whose changes both publish.

use std::time::Duration;

use postgres::Client;
use postgres::types::FromSql;

use crate::support::broker::Broker;
use crate::support::cluster::Cluster;
use crate::support::fixtures::{Org, Row};
use crate::support::heroku_connect::{HerokuConnect, ident, literal};
use crate::support::manifold::{self, Status};
use crate::support::mapping::Mapping;
use crate::support::run;
use crate::support::wait::{self, seconds};

/// Rows of a statement, which is a transaction: what Heroku Connect says in its log.
pub const BATCH: usize = 500;
/// Different rows, whose values come again and again.
const DIFFERENT: usize = 10_000;

const DATABASE: &str = "bench";
/// Debezium's slot and publication.
pub const SLOT: &str = "debezium";
/// Topics are called alike, but for the prefix.
pub const OURS: &str = "manifold.acme.lead";
pub const THEIRS: &str = "debezium.acme.lead";

/// Neither the disk nor whole pages in the WAL, which have nothing to do with publishing. The log is
/// not given up for a publisher that has no brokers yet.
const SETTINGS: &str = "\
wal_level = logical
fsync = off
full_page_writes = off
autovacuum = off
checkpoint_timeout = 1d
max_wal_size = 64GB
shared_buffers = 256MB
manifold.topic_prefix = 'manifold'
manifold.max_log_size = 1TB
";

pub struct Place {
    pub cluster: Cluster,
    pub broker: Broker,
    /// All columns but id and sfid, as SQL.
    columns: String,
    /// Rows of the table so far.
    pub rows: usize,
    /// Whether events have schemas, ours and Debezium's.
    pub described: bool,
}

impl Place {
    pub fn make() -> Self {
        let cluster = Cluster::start(run::dir(), SETTINGS);
        execute(&mut cluster.connect("postgres"), &format!("CREATE DATABASE {DATABASE}"));
        let org = Org::load("acme");
        let broker = Broker::measured(run::dir());
        let place = Self { columns: names(&org), cluster, broker, rows: 0, described: false };
        let mut client = place.connect();
        execute(&mut client, "CREATE EXTENSION pg_manifold");
        execute(&mut client, "SELECT manifold.create_entity('lead')");
        place.values(&mut client, &org);
        for schema in ["acme", "plain", "captured", "decoded"] {
            place.table(schema, &org);
        }
        for schema in ["acme", "captured"] {
            place.capture(&mut client, schema);
        }
        manifold::settled(&mut client, &["backfill"], seconds(60));
        // Old rows for Debezium, which reads from here on.
        for schema in ["acme", "decoded"] {
            execute(&mut client, &format!("ALTER TABLE {schema}.lead REPLICA IDENTITY FULL"));
        }
        execute(&mut client, &format!("CREATE PUBLICATION {SLOT} FOR TABLE acme.lead"));
        let slot = format!("SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput')");
        execute(&mut client, &slot);
        place
    }

    pub fn connect(&self) -> Client {
        self.cluster.connect(DATABASE)
    }

    pub fn database(&self) -> &'static str {
        DATABASE
    }

    /// The values of rows, to be copied from inside the database.
    fn values(&self, client: &mut Client, org: &Org) {
        let rows: Vec<Row> = org.many(DIFFERENT);
        let mut connect = HerokuConnect::provision(self.connect(), "synced");
        let mapped = connect.map_table(&org.table, &org.columns);
        connect.load(&mapped, &org.columns, &rows);
        let columns = &self.columns;
        execute(
            client,
            &format!("CREATE TABLE batch AS SELECT id, {columns} FROM synced.lead ORDER BY id"),
        );
        execute(client, "CREATE INDEX ON batch (id)");
        execute(client, "DROP SCHEMA synced CASCADE");
        execute(client, "VACUUM ANALYZE batch");
    }

    /// Heroku Connect's table without its triggers, whose time is not in question.
    fn table(&self, schema: &str, org: &Org) {
        let mut connect = HerokuConnect::provision(self.connect(), schema);
        let mapped = connect.map_table(&org.table, &org.columns);
        let table = format!("{schema}.{}", mapped.table);
        execute(
            connect.client(),
            &format!(
                "DROP TRIGGER hc_lead_status_trigger ON {table}; DROP TRIGGER hc_lead_logtrigger ON {table}"
            ),
        );
    }

    /// Without the normalizer, whose work Debezium does not do.
    fn capture(&self, client: &mut Client, schema: &str) {
        let mapping = literal(Some(&Mapping::load("acme").json.to_string()));
        execute(client, &format!("SELECT manifold.add_org('{schema}', schema => '{schema}')"));
        execute(
            client,
            &format!(
                "SELECT manifold.set_mapping('{schema}', 'lead', entity => 'lead', mapping => {mapping})"
            ),
        );
        execute(client, &format!("SELECT manifold.pause('{schema}', 'normalizer')"));
        execute(client, &format!("SELECT manifold.start('{schema}')"));
    }

    /// Has pg_manifold publish, or no longer.
    pub fn publish(&self, yes: bool) {
        let brokers = if yes { self.broker.bootstrap() } else { String::new() };
        self.cluster.set("manifold.kafka_brokers", &brokers);
    }

    /// Has events carry their schemas, or no longer.
    pub fn describe(&mut self, yes: bool) {
        self.cluster.set("manifold.schemas_enable", if yes { "on" } else { "off" });
        self.described = yes;
    }

    /// `count` new rows from `first` on, by one statement.
    pub fn insert(&self, schema: &str, first: usize, count: usize) -> String {
        let columns = &self.columns;
        let start = first % DIFFERENT;
        format!(
            "INSERT INTO {schema}.lead (sfid, {columns}) \
             SELECT '00Q9z' || lpad(({first} + id - {start})::text, 10, '0') || 'AAA', {columns} \
             FROM batch WHERE id > {start} AND id <= {start} + {count} ORDER BY id"
        )
    }

    /// An update of `count` rows from `first` on, which sets what no sync leaves alone.
    pub fn update(schema: &str, first: usize, count: usize) -> String {
        format!(
            "UPDATE {schema}.lead SET status = 'Working - Contacted', \
             systemmodstamp = now() AT TIME ZONE 'UTC' WHERE id > {first} AND id <= {first} + {count}"
        )
    }

    /// A statement of one new row, whose sfid and values' row are its parameters.
    pub fn single(&self, schema: &str) -> String {
        let columns = &self.columns;
        format!(
            "INSERT INTO {schema}.lead (sfid, {columns}) SELECT $1, {columns} FROM batch WHERE id = $2"
        )
    }

    /// Writes `rows` rows in statements of [`BATCH`], each a transaction.
    pub fn write(&self, statement: impl Fn(usize, usize) -> String, rows: usize) {
        let mut client = self.connect();
        execute(&mut client, "SET xmlbinary = 'hex'");
        let mut first = 0;
        while first < rows {
            let count = BATCH.min(rows - first);
            execute(&mut client, &statement(first, count));
            first += count;
        }
    }

    /// Process id of our publisher, which runs within seconds.
    pub fn publisher(&self, client: &mut Client) -> i32 {
        let sql = "SELECT pid FROM pg_stat_activity \
                   WHERE backend_type = 'pg_manifold publisher' AND datname = current_database()";
        wait::until("the publisher", seconds(30), || match client.query_opt(sql, &[]) {
            Ok(Some(row)) => Ok(row.get(0)),
            Ok(None) => Err("it does not run".to_owned()),
            Err(error) => Err(error.to_string()),
        })
    }

    /// Waits until our publisher has nothing left to do for an org.
    pub fn published(&self, client: &mut Client, org: &str, limit: Duration) {
        wait::until("the publisher to have caught up", limit, || {
            let status = manifold::status(client);
            let behind = |s: &&Status| s.org == org && s.consumer == "publisher" && s.is_behind();
            status.iter().find(behind).map_or(Ok(()), |s| Err(format!("{s:?}")))
        });
    }
}

fn names(org: &Org) -> String {
    let names = org.columns.iter().map(|column| column.name.as_str());
    let names = names.filter(|name| !matches!(*name, "id" | "sfid"));
    names.map(ident).collect::<Vec<_>>().join(", ")
}

pub fn execute(client: &mut Client, sql: &str) {
    client.batch_execute(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
}

pub fn value<T: for<'a> FromSql<'a>>(client: &mut Client, sql: &str) -> T {
    client.query_one(sql, &[]).unwrap_or_else(|e| panic!("{sql}: {e:?}")).get(0)
}
