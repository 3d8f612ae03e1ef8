//! An org with a narrow mapped table, in a database of its own.

use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use postgres::types::FromSql;

use crate::support::cluster::{Cluster, Database};
use crate::support::fixtures::Column;
use crate::support::heroku_connect::HerokuConnect;
use crate::support::manifold::{self, Status};
use crate::support::wait::seconds;

/// Neither the disk nor whole pages in the WAL, which have nothing to do with the log.
pub const SETTINGS: &str = "\
fsync = off
full_page_writes = off
max_wal_size = 8GB
shared_buffers = 128MB
";

pub struct Narrow<'a> {
    pub database: Database<'a>,
    pub client: Client,
}

impl<'a> Narrow<'a> {
    /// The org acme, started, with an empty table `acme.contact`; and the same table without capture,
    /// `plain.contact`.
    pub fn new(cluster: &'a Cluster) -> Self {
        let database = cluster.database();
        let mut narrow = Self { client: database.connect(), database };
        narrow.run("CREATE EXTENSION pg_manifold");
        narrow.run(
            "SELECT manifold.create_entity('contact', '[
                 {\"name\": \"name\", \"type\": \"text\"}, {\"name\": \"status\", \"type\": \"text\"},
                 {\"name\": \"modified_at\", \"type\": \"timestamptz\"}]')",
        );
        for schema in ["acme", "plain"] {
            narrow.map_table(schema);
        }
        narrow.run("SELECT manifold.add_org('acme', schema => 'acme')");
        narrow.run(
            "SELECT manifold.set_mapping('acme', 'contact', entity => 'contact', mapping => '{\"fields\": {
                 \"name\": \"name\", \"status\": \"status\", \"modified_at\": \"systemmodstamp\"}}')",
        );
        narrow.run("SELECT manifold.start('acme')");
        narrow.settled(&["backfill"], seconds(60));
        narrow.run("SET xmlbinary = 'hex'");
        narrow
    }

    /// Heroku Connect's table without its triggers, whose time is not in question.
    fn map_table(&self, schema: &str) {
        let mut connect = HerokuConnect::provision(self.database.connect(), schema);
        let columns = [
            Column::new("sfid", "varchar(18)"),
            Column::new("name", "varchar(80)"),
            Column::new("status", "varchar(40)"),
        ];
        connect.map_table("contact", &columns);
        for trigger in ["hc_contact_status_trigger", "hc_contact_logtrigger"] {
            let sql = format!("DROP TRIGGER {trigger} ON {schema}.contact");
            connect.client().batch_execute(&sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        }
    }

    /// Adds `rows` rows by one statement, which is a transaction.
    pub fn fill(&mut self, schema: &str, rows: usize) {
        self.run(&format!(
            "INSERT INTO {schema}.contact (sfid, name, status, systemmodstamp, isdeleted, _hc_lastop) \
             SELECT '003' || lpad(n::text, 12, '0') || 'AAA', 'Contact ' || n, 'new', '2024-01-01', false, 'SYNCED' \
             FROM generate_series(1, {rows}) AS n"
        ));
    }

    pub fn run(&mut self, sql: &str) {
        self.client.batch_execute(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }

    pub fn value<T: for<'b> FromSql<'b>>(&mut self, sql: &str) -> T {
        self.client.query_one(sql, &[]).unwrap_or_else(|e| panic!("{sql}: {e:?}")).get(0)
    }

    /// Changes that a consumer has still to read.
    pub fn lag(&mut self, consumer: &str) -> i64 {
        let status = manifold::status(&mut self.client);
        status.iter().filter(|s| s.consumer == consumer).map(|s| s.lag_changes).sum()
    }

    /// Waits until consumers have nothing left to do.
    pub fn settled(&mut self, consumers: &[&str], limit: Duration) {
        let began = Instant::now();
        loop {
            let looked = Instant::now();
            let status = manifold::status(&mut self.client);
            let behind = |s: &&Status| consumers.contains(&&*s.consumer) && s.is_behind();
            let Some(first) = status.iter().find(behind) else { return };
            assert!(began.elapsed() < limit, "waited {limit:?}; last seen: {first:?}");
            // A look reads the log that is left: the longer it takes, the fewer.
            thread::sleep(seconds(10).min(looked.elapsed() * 20));
        }
    }

    /// Process id of a worker.
    pub fn worker(&mut self, name: &str) -> i32 {
        self.value(&format!(
            "SELECT pid FROM pg_stat_activity \
             WHERE backend_type = 'pg_manifold {name}' AND datname = current_database()"
        ))
    }
}
