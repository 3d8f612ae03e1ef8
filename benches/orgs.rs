//! `make bench-orgs`: what a change costs the publisher where 750 orgs have a topic each, to what it
//! costs with 30.
//!
//! Two databases of one cluster, and the same number of changes in both: the fixture org acme's leads,
//! org by org in statements of 500 rows, as Heroku Connect syncs them, until they are all there. They
//! are published as they come; and once more, written while nobody publishes and then drained after a
//! restart of the publisher, by each database's publisher in its turn. The cost is CPU time of the
//! publisher's process with all its threads.
//!
//! Beside it stands what librdkafka alone costs, whose threads look at each topic at every turn: the
//! same events from memory, as many of each topic one after another, through the publisher's own
//! producer.
//!
//! Needs the packaged extension and Kafka's jars. MANIFOLD_BENCH_ORGS says how many orgs the many are
//! (default 750).

use std::time::Duration;

use postgres::Client;

#[path = "support/cpu.rs"]
mod cpu;
#[path = "support/limit.rs"]
mod limit;
#[path = "support/report.rs"]
mod report;
#[path = "../tests/support/mod.rs"]
mod support;
#[path = "kafka/topic.rs"]
mod topic;

use report::{Goal, Report};
use support::broker::Broker;
use support::cluster::{Cluster, Database};
use support::fixtures::Org;
use support::heroku_connect::{HerokuConnect, ident, literal};
use support::manifold;
use support::mapping::Mapping;
use support::run;
use support::wait::{self, seconds};

const FEW: usize = 30;
/// Rows of a statement.
const SYNC: usize = 500;
const LIMIT: Duration = seconds(300);

const SETTINGS: &str = "\
fsync = off
full_page_writes = off
autovacuum = off
max_wal_size = 16GB
shared_buffers = 256MB
max_locks_per_transaction = 1024
manifold.max_log_size = 1TB
";

fn main() {
    run::end_at_signal();
    let many = std::env::var("MANIFOLD_BENCH_ORGS").map_or(750, |orgs| {
        orgs.parse().unwrap_or_else(|e| panic!("MANIFOLD_BENCH_ORGS: {orgs}: {e}"))
    });
    let cluster = Cluster::start(run::dir(), SETTINGS);
    let broker = Broker::measured(run::dir());
    let changes = many * SYNC;
    let costs = [FEW, many].map(|orgs| {
        println!("{orgs} orgs, {changes} changes …");
        let place = Place::make(&cluster, orgs);
        let cost = place.cost(&broker, changes);
        for (what, spent) in
            [("as they come", &cost.live), ("a backlog after a restart", &cost.backlog)]
        {
            let Spent { all, library } = spent;
            println!(
                "  µs of CPU a change, {what}: {all:.2}, of which librdkafka's threads {library:.2}"
            );
        }
        println!("  µs of CPU a change, librdkafka alone from memory: {:.2}", cost.alone);
        cost
    });
    let [few, all] = costs;
    let mut report = Report::new("orgs");
    for (what, all, few) in [
        ("as they come", all.live.all, few.live.all),
        ("a backlog after a restart", all.backlog.all, few.backlog.all),
    ] {
        let figure = format!("{many} orgs, to {FEW}: CPU of the publisher a change, {what}");
        report.compare(figure, "µs", all, few, Some(Goal::AtMost(1.15)));
    }
    let figure = format!("{many} topics, to {FEW}: CPU of librdkafka alone a change, from memory");
    report.compare(figure, "µs", all.alone, few.alone, None);
    report.print();
    report.write();
}

struct Cost {
    live: Spent,
    backlog: Spent,
    /// Microseconds of CPU a change, of librdkafka with nothing of ours but the producer.
    alone: f64,
}

/// Microseconds of the publisher's CPU a change.
struct Spent {
    all: f64,
    library: f64,
}

impl Spent {
    fn now(publisher: i32) -> Spent {
        let threads = cpu::threads(publisher as u32);
        let library = threads.iter().filter(|(name, _)| name.starts_with("rdk:"));
        Spent {
            all: cpu::process_microseconds(publisher),
            library: library.map(|(_, time)| time / 1e3).sum(),
        }
    }

    fn since(&self, changes: usize, publisher: i32) -> Spent {
        let now = Spent::now(publisher);
        let of = |now: f64, then: f64| (now - then) / changes as f64;
        Spent { all: of(now.all, self.all), library: of(now.library, self.library) }
    }
}

struct Place<'a> {
    database: Database<'a>,
    orgs: usize,
    /// All columns but id, as SQL.
    columns: String,
}

impl<'a> Place<'a> {
    fn make(cluster: &'a Cluster, orgs: usize) -> Self {
        let org = Org::load("acme");
        let names = org.columns.iter().map(|column| column.name.as_str());
        let names = names.filter(|name| *name != "id").map(ident);
        let columns = names.collect::<Vec<_>>().join(", ");
        let place = Self { database: cluster.database(), orgs, columns };
        let mut client = place.database.connect();
        execute(&mut client, "CREATE EXTENSION pg_manifold");
        execute(&mut client, "SELECT manifold.create_entity('lead')");
        let mut connect = HerokuConnect::provision(place.database.connect(), "synced");
        let mapped = connect.map_table(&org.table, &org.columns);
        connect.load(&mapped, &org.columns, &org.many(SYNC));
        let mapping = literal(Some(&Mapping::load("acme").json.to_string()));
        for number in 0..orgs {
            let name = name(number);
            execute(
                &mut client,
                &format!(
                    "BEGIN; CREATE SCHEMA {name}; \
                     CREATE TABLE {name}.lead (LIKE synced.lead INCLUDING ALL); \
                     SELECT manifold.add_org('{name}', schema => '{name}'); \
                     SELECT manifold.set_mapping('{name}', 'lead', entity => 'lead', mapping => {mapping}); \
                     SELECT manifold.pause('{name}', 'normalizer'); \
                     SELECT manifold.start('{name}'); COMMIT"
                ),
            );
        }
        manifold::settled(&mut client, &["backfill"], LIMIT);
        place
    }

    /// What the changes cost as they come, and what they cost in a backlog that the publisher begins
    /// with: then plans, handles of topics and metadata are made within the time that is measured.
    fn cost(&self, broker: &Broker, changes: usize) -> Cost {
        let cluster = self.database.cluster();
        let publish = |brokers: &str| cluster.set("manifold.kafka_brokers", brokers);
        let mut client = self.database.connect();
        execute(&mut client, "SET xmlbinary = 'hex'");
        let publisher = self.publisher(&mut client);
        // Topics are there before the clock starts, and all rows, so that each change is an update.
        (0..self.orgs).for_each(|org| self.write(&mut client, org));
        publish(&broker.bootstrap());
        self.published(&mut client);
        let live = Spent::now(publisher);
        self.write_all(&mut client, changes);
        self.published(&mut client);
        let live = live.since(changes, publisher);
        publish("");
        self.write_all(&mut client, changes);
        let backlog = Spent::now(publisher);
        publish(&broker.bootstrap());
        self.published(&mut client);
        let backlog = backlog.since(changes, publisher);
        publish("");
        Cost { live, backlog, alone: self.alone(broker, &mut client, changes) }
    }

    /// What librdkafka alone costs: the last events of an org, sent again to a topic for each org.
    fn alone(&self, broker: &Broker, client: &mut Client, changes: usize) -> f64 {
        let brokers = broker.bootstrap();
        let sql = "SELECT current_setting('manifold.topic_prefix'), current_database()";
        let row = client.query_one(sql, &[]).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        let (prefix, database): (String, String) = (row.get(0), row.get(1));
        let prefix = if prefix.is_empty() { database } else { prefix };
        let topic = format!("{prefix}.{}.lead", name(0));
        // The first were inserts.
        let samples = topic::samples(&brokers, &topic, 2 * SYNC).split_off(SYNC);
        let topics: Vec<String> = (0..self.orgs).map(|org| format!("{topic}.alone{org}")).collect();
        // Topics are there before the clock starts.
        limit::measure(&brokers, "", &topics, &samples, self.orgs * SYNC);
        let limit = limit::measure(&brokers, "", &topics, &samples, changes);
        println!("  librdkafka alone: {:.0} events/s", limit.per_second);
        (limit.own + limit.library) / 1e3
    }

    fn write_all(&self, client: &mut Client, changes: usize) {
        (0..changes / SYNC).for_each(|sync| self.write(client, sync % self.orgs));
    }

    fn write(&self, client: &mut Client, org: usize) {
        let (org, columns) = (name(org), &self.columns);
        execute(
            client,
            &format!(
                "INSERT INTO {org}.lead ({columns}) SELECT {columns} FROM synced.lead ORDER BY id LIMIT {SYNC} \
                 ON CONFLICT (sfid) DO UPDATE SET systemmodstamp = now() AT TIME ZONE 'UTC'"
            ),
        );
    }

    fn published(&self, client: &mut Client) {
        wait::until("the publisher to have caught up", LIMIT, || {
            // One look for all orgs: the status of each would be counted one by one.
            let sql = "SELECT coalesce(sum(lag_changes), 0)::bigint FROM manifold.status \
                       WHERE consumer = 'publisher'";
            match client.query_one(sql, &[]).map(|row| row.get::<_, i64>(0)) {
                Ok(0) => Ok(()),
                Ok(lag) => Err(format!("{lag} changes to go")),
                Err(error) => Err(error.to_string()),
            }
        });
    }

    fn publisher(&self, client: &mut Client) -> i32 {
        let sql = "SELECT pid FROM pg_stat_activity \
                   WHERE backend_type = 'pg_manifold publisher' AND datname = current_database()";
        client.query_one(sql, &[]).unwrap_or_else(|e| panic!("{sql}: {e:?}")).get(0)
    }
}

fn name(org: usize) -> String {
    format!("org{org:03}")
}

fn execute(client: &mut Client, sql: &str) {
    client.batch_execute(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
}
