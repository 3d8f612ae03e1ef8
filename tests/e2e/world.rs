//! The servers that tests share, and a database of its own with its orgs for each test.

use std::sync::OnceLock;

use postgres::Client;
use postgres::error::SqlState;
use serde_json::Value;

use crate::support::broker::Broker;
use crate::support::cluster::{Cluster, Database, QUICK};
use crate::support::consumer::Topic;
use crate::support::fixtures::Org;
use crate::support::go_between::GoBetween;
use crate::support::heroku_connect::{HerokuConnect, Mapped};
use crate::support::manifold;
use crate::support::mapping::Mapping;
use crate::support::run;
use crate::support::wait;
pub use crate::support::wait::LIMIT;

/// The broker for all tests that leave it running.
pub fn broker() -> &'static Broker {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    BROKER.get_or_init(|| Broker::start(run::dir()))
}

/// A broker whose answers to all its clients go through a go-between.
pub fn broker_behind() -> (Broker, GoBetween) {
    let mut broker = Broker::prepared(run::dir());
    let between = GoBetween::start(broker.port());
    broker.set("advertised.listeners", &format!("PLAINTEXT://{}", between.address()));
    broker.launch();
    (broker, between)
}

/// The cluster for all tests that leave their server as they found it. It publishes to [`broker`].
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        cluster_with(&format!("manifold.kafka_brokers = '{}'", broker().bootstrap()))
    })
}

/// A cluster for one test, which may do with it what it likes.
pub fn cluster_with(settings: &str) -> Cluster {
    Cluster::start(run::dir(), &format!("{QUICK}\n{settings}"))
}

/// A database with the extension and the entity lead.
pub struct World<'a> {
    pub database: Database<'a>,
    pub client: Client,
    /// The first part of its topics' names.
    pub prefix: String,
}

/// A mapped table of an org (of leads, where it is not said), with the Heroku Connect that writes it.
pub struct Synced {
    pub org: Org,
    pub connect: HerokuConnect,
    pub lead: Mapped,
}

impl World<'static> {
    pub fn new() -> Self {
        Self::in_cluster(cluster())
    }
}

impl<'a> World<'a> {
    pub fn in_cluster(cluster: &'a Cluster) -> Self {
        let database = cluster.database();
        let mut client = database.connect();
        client.batch_execute("CREATE EXTENSION pg_manifold").unwrap_or_else(|e| panic!("{e:?}"));
        let prefix = database.name.clone();
        let mut world = Self { database, client, prefix };
        world.run("SELECT manifold.create_entity('lead')");
        world
    }

    /// Lets the database be, to be reopened after a crash of the server.
    pub fn keep(self) -> String {
        let name = self.database.name.clone();
        std::mem::forget(self.database);
        name
    }

    pub fn reopen(cluster: &'a Cluster, name: &str) -> Self {
        let database = cluster.existing(name);
        let client = database.connect();
        Self { database, client, prefix: name.to_owned() }
    }

    /// An org's mapped table, loaded with the first `rows` of its leads.
    pub fn sync(&self, name: &str, rows: usize) -> Synced {
        let org = Org::load(name);
        let mut connect = HerokuConnect::provision(self.database.connect(), name);
        let lead = connect.map_table(&org.table, &org.columns);
        connect.load(&lead, &org.columns, &org.leads[..rows]);
        Synced { org, connect, lead }
    }

    /// A second table of an org that is there already, shaped like its leads, and started.
    pub fn contacts(&mut self, name: &str, rows: usize) -> Synced {
        let org = Org::load(name);
        let mut connect = HerokuConnect::attach(self.database.connect(), name);
        let lead = connect.map_table("contact", &org.columns);
        connect.load(&lead, &org.columns, &org.leads[..rows]);
        self.run(&format!(
            "SELECT manifold.create_entity('contact', '[{{\"name\": \"city\", \"type\": \"text\"}}]') \
               WHERE NOT EXISTS (SELECT FROM manifold.entity WHERE entity = 'contact'); \
             SELECT manifold.set_mapping('{name}', 'contact', 'contact', '{{\"fields\": {{\"city\": \"city\"}}}}'); \
             SELECT manifold.start('{name}', 'contact')"
        ));
        self.await_count(&format!("canonical.contact WHERE org = '{name}'"), rows as i64);
        self.has_read(name);
        Synced { org, connect, lead }
    }

    /// Adds the org with its mapping and starts it.
    pub fn onboard(&mut self, name: &str) {
        for sql in manifold::onboarding(name, &Mapping::load(name).json) {
            self.run(&sql);
        }
    }

    /// An org that is loaded and started, whose table has been read and whose leads are canonical.
    pub fn running(&mut self, name: &str, rows: usize) -> Synced {
        let synced = self.sync(name, rows);
        self.onboard(name);
        self.await_count(&format!("canonical.lead WHERE org = '{name}'"), rows as i64);
        self.has_read(name);
        synced
    }

    /// Waits until an org's tables have been read: what is written from now on is not read as well.
    pub fn has_read(&mut self, org: &str) {
        manifold::settled_of(&mut self.client, org, &["backfill", "normalizer"], LIMIT);
    }

    /// Runs statements; again, as the hint says, where a table's lock was not to be had in time:
    /// autovacuum may have it.
    pub fn run(&mut self, sql: &str) {
        let outcome = wait::until(sql, LIMIT, || match self.client.batch_execute(sql) {
            Err(e) if e.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => Err(format!("{e:?}")),
            outcome => Ok(outcome),
        });
        outcome.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }

    pub fn count(&mut self, from: &str) -> i64 {
        self.value(&format!("SELECT count(*) FROM {from}"))
    }

    pub fn value<T: for<'b> postgres::types::FromSql<'b>>(&mut self, sql: &str) -> T {
        self.client.query_one(sql, &[]).unwrap_or_else(|e| panic!("{sql}: {e:?}")).get(0)
    }

    /// Waits for so many rows, as long as they become more or fewer.
    pub fn await_count(&mut self, from: &str, n: i64) {
        let mut last = self.count(from);
        while last != n {
            last = wait::until(&format!("{n} rows in {from}"), LIMIT, || match self.count(from) {
                found if found != last => Ok(found),
                found => Err(format!("{found} rows; {:#?}", manifold::status(&mut self.client))),
            });
        }
    }

    /// Waits until the query, of one text column, answers `expected`.
    pub fn await_text(&mut self, sql: &str, expected: Option<&str>) {
        wait::until(&format!("{expected:?} from {sql}"), LIMIT, || {
            let row = self.client.query_opt(sql, &[]).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
            let found: Option<String> = row.and_then(|row| row.get(0));
            if found.as_deref() == expected { Ok(()) } else { Err(format!("{found:?}")) }
        });
    }

    /// Waits until all that was committed before is canonical.
    pub fn normalized(&mut self) {
        manifold::settled(&mut self.client, &["backfill", "normalizer"], LIMIT);
    }

    /// Waits until all that was committed before is canonical and in its topics.
    pub fn published(&mut self) {
        self.normalized();
        manifold::settled(&mut self.client, &["publisher"], LIMIT);
    }

    pub fn status(&mut self, org: &str, consumer: &str) -> Vec<manifold::Status> {
        let of_org = |s: &manifold::Status| s.org == org && s.consumer == consumer;
        manifold::status(&mut self.client).into_iter().filter(of_org).collect()
    }

    /// Sets a parameter for all databases, and waits until the server has told its processes.
    pub fn set(&mut self, name: &str, value: &str) {
        self.database.cluster().set(name, value);
        self.await_text(&format!("SELECT current_setting('{name}')"), Some(value));
    }

    /// Sets a parameter, and has the publisher begin anew with it: one that runs reads settings when it
    /// comes to it.
    pub fn publish_with(&mut self, name: &str, value: &str) {
        self.set(name, value);
        self.run(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity \
             WHERE backend_type LIKE 'pg_manifold publisher%' AND datname = current_database()",
        );
    }

    /// Waits until some status row of the org's consumer satisfies `condition`.
    pub fn await_status(
        &mut self,
        org: &str,
        consumer: &str,
        what: &str,
        condition: impl Fn(&manifold::Status) -> bool,
    ) {
        wait::until(&format!("{consumer} of {org} to be {what}"), LIMIT, || {
            if self.status(org, consumer).iter().any(&condition) {
                Ok(())
            } else {
                Err(format!("{:#?}", manifold::status(&mut self.client)))
            }
        });
    }

    /// The topic of a table, such as `acme.lead` or `canonical.lead`, on the shared broker.
    pub fn topic(&self, table: &str) -> Topic {
        self.topic_on(broker(), table)
    }

    pub fn topic_on(&self, broker: &Broker, table: &str) -> Topic {
        Topic::new(&broker.bootstrap(), &format!("{}.{table}", self.prefix))
    }

    /// The process ids of the extension's background processes, for this database if it has any there.
    pub fn workers(&mut self) -> Vec<i32> {
        let sql = "SELECT pid FROM pg_stat_activity WHERE backend_type ILIKE '%manifold%' \
                   AND (datname IS NULL OR datname = current_database())";
        let rows = self.client.query(sql, &[]).unwrap_or_else(|e| panic!("{e:?}"));
        rows.iter().map(|row| row.get(0)).collect()
    }
}

impl Synced {
    /// Loads the leads from position `from` on, `n` of them.
    pub fn load(&mut self, from: usize, n: usize) {
        self.connect.load(&self.lead, &self.org.columns, &self.org.leads[from..from + n]);
    }

    pub fn update(&mut self, sfids: &[&str], changes: &[(&str, Option<&str>)]) {
        let updated = self.connect.update(&self.lead, sfids, changes);
        assert_eq!(updated, sfids.len() as u64, "rows updated by sfid");
    }
}

/// A value of JSON that is text.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not text: {value}"))
}
