//! From the log to the canonical table, through the real server.

use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use postgres::types::FromSql;

use crate::cpu;
use crate::report::{Goal, Report};
use crate::support::cluster::Cluster;
use crate::support::fixtures::{ORGS, Org};
use crate::support::heroku_connect::HerokuConnect;
use crate::support::manifold;
use crate::support::mapping::Mapping;
use crate::support::run;
use crate::support::wait::seconds;

/// Neither the disk nor whole pages in the WAL, which have nothing to do with normalizing.
const SETTINGS: &str = "\
fsync = off
full_page_writes = off
max_wal_size = 8GB
shared_buffers = 256MB
autovacuum = off
manifold.max_problems = 10000000
";

/// The mappings of tests/mappings, written by hand.
const BY_HAND: [(&str, &str); 3] = [
    ("acme", include_str!("acme.sql")),
    ("globex", include_str!("globex.sql")),
    ("initech", include_str!("initech.sql")),
];

struct Cost {
    elapsed: Duration,
    microseconds: f64,
}

pub fn measure(rows: usize, report: &mut Report) {
    let cluster = Cluster::start(run::dir(), SETTINGS);
    let database = cluster.database();
    let mut client = database.connect();
    run(&mut client, "CREATE EXTENSION pg_manifold");
    run(&mut client, "SELECT manifold.create_entity('lead')");
    let mut synced = Vec::new();
    for name in ORGS {
        let org = Org::load(name);
        let mut connect = HerokuConnect::provision(database.connect(), name);
        let lead = connect.map_table(&org.table, &org.columns);
        for sql in manifold::onboarding(name, &Mapping::load(name).json) {
            run(&mut client, &sql);
        }
        synced.push((name, org, connect, lead));
    }
    manifold::settled(&mut client, &["backfill", "normalizer"], seconds(60));
    for (name, org, mut connect, lead) in synced {
        run(&mut client, &format!("SELECT manifold.pause('{name}', 'normalizer')"));
        connect.load(&lead, &org.columns, &org.many(rows));
        run(&mut client, &format!("ANALYZE {name}.lead"));
    }
    let mut total = [Duration::ZERO; 2];
    for (name, by_hand) in BY_HAND {
        let ours = normalized(&mut client, name, rows);
        let hand = written(&mut client, by_hand);
        let made = count(&mut client, &format!("{name}, by hand"));
        assert_eq!(made, rows as i64, "{name}: rows written by hand");
        agreement(&mut client, name);
        for (sum, cost) in total.iter_mut().zip([&ours, &hand]) {
            *sum += cost.elapsed;
        }
        let rate = |cost: &Cost| rows as f64 / cost.elapsed.as_secs_f64();
        let goal = Some(Goal::AtLeast(0.7));
        report.compare(format!("{name}, the normalizer"), "rows/s", rate(&ours), rate(&hand), goal);
        let per_row = |cost: &Cost| cost.microseconds / rows as f64;
        let figure = format!("{name}, processor of the process");
        report.compare(figure, "µs a row", per_row(&ours), per_row(&hand), None);
    }
    let rate = |time: Duration| (rows * BY_HAND.len()) as f64 / time.as_secs_f64();
    let goal = Some(Goal::AtLeast(0.7));
    report.compare("all three, the normalizer", "rows/s", rate(total[0]), rate(total[1]), goal);
}

/// Has the normalizer take what waits in the log for an org.
fn normalized(client: &mut Client, org: &str, rows: usize) -> Cost {
    let worker: i32 = value(
        client,
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_manifold normalizer' \
         AND datname = current_database()",
    );
    // The row that is the last in the log: to look for it takes little of the processors that both have.
    let last: String =
        value(client, &format!("SELECT sfid::text FROM {org}.lead ORDER BY id DESC LIMIT 1"));
    let landed = format!(
        "SELECT EXISTS (SELECT FROM canonical.lead WHERE org = '{org}' AND sfid = '{last}')"
    );
    let before = cpu::process_microseconds(worker);
    let began = Instant::now();
    run(client, &format!("SELECT manifold.resume('{org}', 'normalizer')"));
    while !value::<bool>(client, &landed) {
        assert!(began.elapsed() < seconds(600), "{org}: {} rows", count(client, org));
        thread::sleep(Duration::from_millis(5));
    }
    let elapsed = began.elapsed();
    assert_eq!(count(client, org), rows as i64, "{org}: rows of the normalizer");
    Cost { elapsed, microseconds: cpu::process_microseconds(worker) - before }
}

fn written(client: &mut Client, sql: &str) -> Cost {
    let backend: i32 = value(client, "SELECT pg_backend_pid()");
    let before = cpu::process_microseconds(backend);
    let began = Instant::now();
    run(client, sql);
    let elapsed = began.elapsed();
    Cost { elapsed, microseconds: cpu::process_microseconds(backend) - before }
}

/// Both have to have made about the same, or the comparison means nothing.
fn agreement(client: &mut Client, org: &str) {
    let share: f64 = value(
        client,
        &format!(
            "SELECT avg((a.phone IS NOT DISTINCT FROM b.phone)::int + (a.email IS NOT DISTINCT FROM b.email)::int \
                + (a.country IS NOT DISTINCT FROM b.country)::int + (a.answers IS NOT DISTINCT FROM b.answers)::int \
                + (a.interests IS NOT DISTINCT FROM b.interests)::int + (a.extras IS NOT DISTINCT FROM b.extras)::int \
                + (a.birth_date IS NOT DISTINCT FROM b.birth_date)::int + (a.status IS NOT DISTINCT FROM b.status)::int)::float8 / 8 \
             FROM canonical.lead a JOIN canonical.lead b USING (sfid) WHERE a.org = '{org}' AND b.org = '{org}, by hand'"
        ),
    );
    println!("{org}: {:.1} % of eight fields are the same by hand", share * 100.0);
    assert!(share > 0.9, "{org}: by hand, only {share} of the fields are the same");
}

fn count(client: &mut Client, org: &str) -> i64 {
    value(client, &format!("SELECT count(*) FROM canonical.lead WHERE org = '{org}'"))
}

fn run(client: &mut Client, sql: &str) {
    client.batch_execute(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
}

fn value<T: for<'b> FromSql<'b>>(client: &mut Client, sql: &str) -> T {
    client.query_one(sql, &[]).unwrap_or_else(|e| panic!("{sql}: {e:?}")).get(0)
}
