//! One cluster with a table for each way to capture.

use postgres::Client;
use postgres::types::FromSql;

use crate::support::cluster::Cluster;
use crate::support::fixtures::{Org, Row};
use crate::support::heroku_connect::{HerokuConnect, ident};
use crate::support::manifold;
use crate::support::mapping::Mapping;
use crate::support::run;
use crate::support::wait::seconds;

/// Rows of a statement.
pub const BATCH: usize = 500;
/// Rows of a table.
pub const ROWS: usize = 10_000;

const DATABASE: &str = "bench";

/// main.rs says why.
const SETTINGS: &str = "\
fsync = off
full_page_writes = off
autovacuum = off
checkpoint_timeout = 1d
max_wal_size = 16GB
min_wal_size = 1GB
bgwriter_lru_maxpages = 0
shared_buffers = 256MB
";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    Nothing,
    Manifold,
    Audit,
    Logical,
}

impl Way {
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Manifold, Self::Audit, Self::Logical];
    /// Those that `wal_level = replica` does for.
    pub const WITH_TRIGGER: [Self; 3] = [Self::Nothing, Self::Manifold, Self::Audit];

    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "no trigger",
            Self::Manifold => "pg_manifold",
            Self::Audit => "audit trigger",
            Self::Logical => "wal_level = logical",
        }
    }

    pub fn schema(self) -> &'static str {
        match self {
            Self::Nothing => "plain",
            Self::Manifold => "acme",
            Self::Audit => "audited",
            Self::Logical => "decoded",
        }
    }

    /// Bytes on disk of what it writes beside the table.
    pub fn log_size(self) -> &'static str {
        match self {
            Self::Nothing | Self::Logical => "0::bigint",
            Self::Manifold => {
                "(SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class \
                  WHERE relnamespace = 'manifold'::regnamespace AND relkind = 'r' AND relname LIKE 'change%')"
            }
            Self::Audit => "pg_total_relation_size('audited.log')",
        }
    }
}

/// Mean bytes of a row with its header, and of the columns that an update changes.
pub struct Sizes {
    pub row: f64,
    pub changed: f64,
}

pub struct Place {
    pub cluster: Cluster,
    /// All columns but id, as SQL.
    pub columns: String,
    /// sfids of the rows that every table has.
    pub sfids: Vec<String>,
    /// sfids of the rows of a batch, which come and go.
    pub batch: Vec<String>,
    /// A lead of the fixture.
    pub lead: Vec<(String, Option<String>)>,
}

impl Place {
    pub fn make() -> Self {
        let cluster = Cluster::start(run::dir(), SETTINGS);
        execute(&mut cluster.connect("postgres"), &format!("CREATE DATABASE {DATABASE}"));
        let org = Org::load("acme");
        let rows = org.many(ROWS + BATCH);
        let place = Self {
            columns: names(&org),
            sfids: sfids(&org, &rows[..ROWS]),
            batch: sfids(&org, &rows[ROWS..]),
            lead: lead(&org),
            cluster,
        };
        let mut client = place.connect();
        execute(&mut client, "CREATE EXTENSION pg_manifold");
        place.sync(&mut client, &org, &rows);
        for way in Way::ALL {
            place.make_table(way, &org);
        }
        place.capture(&mut client);
        for way in Way::ALL {
            place.fill(&mut client, way);
        }
        place.tidy();
        place
    }

    pub fn connect(&self) -> Client {
        self.cluster.connect(DATABASE)
    }

    pub fn database(&self) -> &'static str {
        DATABASE
    }

    /// Starts the server again with another level of WAL.
    pub fn restart(&mut self, wal_level: &str) {
        self.cluster.set("wal_level", wal_level);
        self.cluster.restart();
        self.warm_up();
    }

    /// Uses every buffer and enough of the WAL once: the operating system gives memory when it is
    /// first touched, a new WAL segment is filled with zeros, and whoever needs them first would pay.
    fn warm_up(&self) {
        let mut client = self.connect();
        execute(&mut client, "CREATE TABLE filler (page text)");
        execute(&mut client, "ALTER TABLE filler ALTER page SET STORAGE PLAIN");
        execute(
            &mut client,
            "INSERT INTO filler SELECT repeat('x', 8000) FROM generate_series(1, \
             (SELECT setting::integer FROM pg_settings WHERE name = 'shared_buffers'))",
        );
        execute(&mut client, "DROP TABLE filler");
        execute(&mut client, "CHECKPOINT");
    }

    /// Brings all tables back to their size and empties the logs.
    pub fn tidy(&self) {
        let mut client = self.connect();
        for way in Way::ALL {
            let table = format!("{}.lead", way.schema());
            execute(&mut client, &format!("DELETE FROM {table} WHERE id > {ROWS}"));
            execute(&mut client, &format!("VACUUM {table}"));
        }
        let log: String = value(
            &mut client,
            "SELECT string_agg(oid::regclass::text, ', ') FROM pg_class \
             WHERE relnamespace = 'manifold'::regnamespace AND relkind = 'r' AND relname LIKE 'change%'",
        );
        execute(&mut client, &format!("TRUNCATE {log}, audited.log"));
        // WAL segments are used again.
        execute(&mut client, "CHECKPOINT");
    }

    pub fn sizes(&self) -> Sizes {
        let size = |what: &str| {
            let sql = format!("SELECT avg({what})::float8 FROM plain.lead AS lead");
            value(&mut self.connect(), &sql)
        };
        Sizes {
            row: size("pg_column_size(lead.*)"),
            changed: size("pg_column_size(status) + pg_column_size(systemmodstamp)"),
        }
    }

    /// The values, as Heroku Connect syncs them.
    fn sync(&self, client: &mut Client, org: &Org, rows: &[Row]) {
        let mut connect = HerokuConnect::provision(self.connect(), "synced");
        let mapped = connect.map_table(&org.table, &org.columns);
        connect.load(&mapped, &org.columns, rows);
        let columns = &self.columns;
        execute(
            client,
            &format!(
                "CREATE TABLE synced.batch AS SELECT {columns} FROM synced.lead WHERE id > {ROWS} ORDER BY id"
            ),
        );
        execute(client, "VACUUM ANALYZE synced.batch");
    }

    /// Heroku Connect's table without its triggers.
    fn make_table(&self, way: Way, org: &Org) {
        let mut connect = HerokuConnect::provision(self.connect(), way.schema());
        let mapped = connect.map_table(&org.table, &org.columns);
        let table = format!("{}.{}", way.schema(), mapped.table);
        execute(
            connect.client(),
            &format!(
                "DROP TRIGGER hc_lead_status_trigger ON {table}; DROP TRIGGER hc_lead_logtrigger ON {table}"
            ),
        );
    }

    fn capture(&self, client: &mut Client) {
        execute(client, "SELECT manifold.create_entity('lead')");
        for sql in manifold::onboarding("acme", &Mapping::load("acme").json) {
            execute(client, &sql);
        }
        for consumer in ["normalizer", "publisher"] {
            execute(client, &format!("SELECT manifold.pause('acme', '{consumer}')"));
        }
        manifold::settled(client, &["backfill"], seconds(60));
        execute(client, include_str!("audit.sql"));
        execute(client, "ALTER TABLE decoded.lead REPLICA IDENTITY FULL");
    }

    fn fill(&self, client: &mut Client, way: Way) {
        let (table, columns) = (format!("{}.lead", way.schema()), &self.columns);
        execute(
            client,
            &format!(
                "INSERT INTO {table} ({columns}) SELECT {columns} FROM synced.lead WHERE id <= {ROWS} ORDER BY id"
            ),
        );
        execute(client, &format!("VACUUM (FULL, ANALYZE) {table}"));
    }
}

fn names(org: &Org) -> String {
    let names = org.columns.iter().map(|column| ident(&column.name));
    names.filter(|name| name != "\"id\"").collect::<Vec<_>>().join(", ")
}

fn sfids(org: &Org, rows: &[Row]) -> Vec<String> {
    let sfid = org.position("sfid");
    rows.iter().map(|row| row[sfid].clone().expect("every lead has one")).collect()
}

fn lead(org: &Org) -> Vec<(String, Option<String>)> {
    let names = org.columns.iter().map(|column| column.name.clone());
    names.zip(org.leads[0].clone()).filter(|(name, _)| name != "id").collect()
}

pub fn execute(client: &mut Client, sql: &str) {
    client.batch_execute(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
}

pub fn value<T: for<'a> FromSql<'a>>(client: &mut Client, sql: &str) -> T {
    client.query_one(sql, &[]).unwrap_or_else(|e| panic!("{sql}: {e:?}")).get(0)
}
