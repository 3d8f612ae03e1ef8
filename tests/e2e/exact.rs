//! What consumers are given is what was committed: each change once, each lead's in order, whatever
//! the writers do and however consumers and server end.

use std::io::Write as _;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::time::Duration;

use postgres::Client;

use crate::ledger::{self, Chance, take, take_all};
use crate::support::cluster::Cluster;
use crate::support::installation::Installation;
use crate::support::run;
use crate::support::wait;
use crate::world::{LIMIT, World, cluster_with};

const SETTINGS: &str = "manifold.kafka_brokers = ''\nmanifold.log_table_size = 1MB\nmanifold.max_log_size = 1MB\n\
    max_prepared_transactions = 20";
/// Leads that several writers share.
const SHARED: u64 = 40;

fn act(client: &mut Client, lead: u64, chance: &mut Chance) {
    execute(client, &format!("SELECT act({lead}, {})", chance.fraction()));
}

fn act_on_some(client: &mut Client, first: u64, chance: &mut Chance) {
    for lead in first..first + 1 + chance.below(4) {
        act(client, lead, chance);
    }
}

fn execute(client: &mut Client, sql: &str) {
    client.batch_execute(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
}

/// Writers, each a way of its own; leads from `own` on are this writer's alone.
type Writer = fn(&mut Client, &mut Client, u64, &mut Chance);
const WRITERS: [(Writer, u32); 9] = [
    (short, 300),
    (short, 300),
    (long, 12),
    (rolled_back, 40),
    (prepared, 12),
    (savepoints, 60),
    (exceptions, 80),
    (in_bulk, 40),
    (with_others, 60),
];

fn short(client: &mut Client, _: &mut Client, _: u64, chance: &mut Chance) {
    act(client, 1 + chance.below(SHARED), chance);
}

/// Many statements; others begin and end meanwhile.
fn long(client: &mut Client, _: &mut Client, own: u64, chance: &mut Chance) {
    execute(client, "BEGIN");
    for _ in 0..60 {
        act(client, own + chance.below(80), chance);
    }
    execute(client, if chance.one_in(4) { "ROLLBACK" } else { "COMMIT" });
}

fn rolled_back(client: &mut Client, _: &mut Client, own: u64, chance: &mut Chance) {
    execute(client, "BEGIN");
    act_on_some(client, own + chance.below(20), chance);
    execute(client, if chance.one_in(3) { "COMMIT" } else { "ROLLBACK" });
}

/// Three at a time, ended by another session, in another order.
fn prepared(client: &mut Client, other: &mut Client, own: u64, chance: &mut Chance) {
    let names: Vec<String> = (0..3).map(|n| format!("prepared {own} {n}")).collect();
    for (name, first) in names.iter().zip((own..).step_by(10)) {
        execute(client, "BEGIN");
        act_on_some(client, first, chance);
        execute(client, &format!("PREPARE TRANSACTION '{name}'"));
    }
    let first = chance.below(3) as usize;
    for turn in 0..3 {
        act(client, 1 + chance.below(SHARED), chance);
        let end = if chance.one_in(3) { "ROLLBACK" } else { "COMMIT" };
        execute(other, &format!("{end} PREPARED '{}'", names[(first + turn) % 3]));
    }
}

fn savepoints(client: &mut Client, _: &mut Client, own: u64, chance: &mut Chance) {
    execute(client, "BEGIN");
    act_on_some(client, own, chance);
    for end in ["RELEASE a", "ROLLBACK TO a", "ROLLBACK TO a; RELEASE a"] {
        execute(client, "SAVEPOINT a");
        act_on_some(client, own + chance.below(10), chance);
        execute(client, "SAVEPOINT b");
        act_on_some(client, own + chance.below(10), chance);
        execute(client, if chance.one_in(2) { "RELEASE b" } else { "ROLLBACK TO b" });
        execute(client, end);
    }
    act_on_some(client, own + chance.below(10), chance);
    execute(client, if chance.one_in(5) { "ROLLBACK" } else { "COMMIT" });
}

fn exceptions(client: &mut Client, _: &mut Client, own: u64, chance: &mut Chance) {
    let mut lead = || own + chance.below(10);
    let sql = format!(
        "DO $$ BEGIN PERFORM act({}); \
         BEGIN PERFORM act({}), act({}); BEGIN PERFORM act({}); RAISE 'inner'; EXCEPTION WHEN OTHERS THEN PERFORM act({}); END; \
           IF {} > 5 THEN RAISE 'outer'; END IF; \
         EXCEPTION WHEN OTHERS THEN PERFORM act({}); END; END $$",
        lead(),
        lead(),
        lead(),
        lead(),
        lead(),
        lead() - own,
        lead()
    );
    execute(client, &sql);
}

fn in_bulk(client: &mut Client, _: &mut Client, own: u64, chance: &mut Chance) {
    execute(
        client,
        &format!("SELECT act(i) FROM generate_series({own}, {}) i", own + chance.below(60)),
    );
    execute(client, &format!("SELECT act_on_all({}, {})", own + chance.below(30), own + 60));
}

/// Several shared leads in one transaction, in one order, so that writers wait but never in a ring.
fn with_others(client: &mut Client, _: &mut Client, _: u64, chance: &mut Chance) {
    execute(client, "BEGIN");
    let mut lead = 1 + chance.below(10);
    while lead <= SHARED {
        act(client, lead, chance);
        lead += 1 + chance.below(10);
    }
    execute(client, if chance.one_in(4) { "ROLLBACK" } else { "COMMIT" });
}

#[test]
fn consumers_are_given_what_was_committed_once_and_in_order() {
    let cluster = cluster_with(SETTINGS);
    let mut world = World::in_cluster(&cluster);
    ledger::create(&mut world);
    world.run("SELECT manifold.create_consumer(c, 'acme') FROM unnest(ARRAY['fast', 'killed']) c");
    cluster.set("manifold.normalize_max_rows_per_second", "1500");
    let mut open = world.database.connect();
    execute(&mut open, "BEGIN; SELECT act(i) FROM generate_series(9001, 9050) i");
    let database = &world.database;
    let done = AtomicBool::new(false);
    let victim = AtomicI32::new(0);
    let kills = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let writers: Vec<_> = WRITERS
            .iter()
            .zip(0u64..)
            .map(|(&(write, times), number)| {
                scope.spawn(move || {
                    let (mut client, mut other) = (database.connect(), database.connect());
                    let mut chance = Chance(number);
                    for _ in 0..times {
                        write(&mut client, &mut other, 1000 * (number + 1) - 900, &mut chance);
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            let mut client = database.connect();
            while take(&mut client, "fast", 500).unwrap() > 0 || !done.load(Ordering::Acquire) {}
        });
        let reader = scope.spawn(|| killed_reader(|| database.connect(), &victim, &done, &kills));
        let killer = scope.spawn(|| {
            let mut client = database.connect();
            let mut chance = Chance(7);
            while victim.load(Ordering::Acquire) >= 0 {
                std::thread::sleep(Duration::from_millis(5 + chance.below(60)));
                let pid = victim.load(Ordering::Acquire);
                client.execute("SELECT pg_terminate_backend($1) WHERE $1 > 0", &[&pid]).unwrap();
            }
        });
        let outcomes: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut client = database.connect();
            wait::until("the reader to be killed some times", LIMIT, || {
                act(&mut client, 1, &mut Chance(1));
                match kills.load(Ordering::Acquire) {
                    0..=5 if !reader.is_finished() => Err("it was not"),
                    _ => Ok(()),
                }
            });
        }));
        done.store(true, Ordering::Release);
        let reader = reader.join();
        victim.store(-1, Ordering::Release);
        killer.join().expect("the killer");
        outcomes.into_iter().for_each(|outcome| outcome.expect("a writer"));
        reader.expect("the reader that is killed");
        killed.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    // One transaction is still open, and kept nobody else's changes back.
    for consumer in ["fast", "killed"] {
        take_all(&mut world.client, consumer, 100);
        ledger::compare(&mut world.client, consumer);
    }
    cluster.set("manifold.normalize_max_rows_per_second", "0");
    ledger::compare_canonical(&mut world);
    assert_eq!(world.count("given WHERE id > 9000"), 0);
    execute(&mut open, "COMMIT");
    for consumer in ["fast", "killed"] {
        take_all(&mut world.client, consumer, 100);
        ledger::compare(&mut world.client, consumer);
    }
    ledger::compare_canonical(&mut world);
    assert_eq!(world.count("given WHERE id > 9000"), 100);
}

/// Takes a few changes at a time, some twice, and is killed again and again. What it keeps outside of
/// the database is what it has been given in transactions that are known to have committed.
fn killed_reader(
    connect: impl Fn() -> Client,
    victim: &AtomicI32,
    done: &AtomicBool,
    kills: &AtomicU32,
) {
    const NEXT: &str = "SELECT event_id, (coalesce(after, before) ->> 'id')::int, op, \
        (coalesce(after, before) ->> 'version')::bigint FROM manifold.next('killed', 5)";
    type Row = (String, i32, String, i64);
    let row = |row: &postgres::Row| -> Row { (row.get(0), row.get(1), row.get(2), row.get(3)) };
    let mut chance = Chance(3);
    let mut kept: Vec<Row> = Vec::new();
    let mut client = connect();
    let pid = |client: &mut Client| -> Result<i32, postgres::Error> {
        Ok(client.query_one("SELECT pg_backend_pid()", &[])?.get(0))
    };
    victim.store(pid(&mut client).expect("nobody knows it yet"), Ordering::Release);
    loop {
        let mut given: Vec<Row> = Vec::new();
        let mut xid: Option<String> = None;
        let mut turn = || -> Result<bool, postgres::Error> {
            let mut transaction = client.transaction()?;
            given = transaction.query(NEXT, &[])?.iter().map(row).collect();
            let id = transaction.query_one("SELECT pg_current_xact_id()::text", &[])?;
            if chance.one_in(10) {
                transaction.rollback()?;
                return Ok(false);
            }
            xid = Some(id.get(0));
            transaction.commit()?;
            Ok(true)
        };
        let outcome = turn();
        let consumed = match outcome {
            Ok(consumed) => consumed,
            Err(_) => {
                kills.fetch_add(1, Ordering::Release);
                client = connect();
                let status = "SELECT pg_xact_status($1::text::xid8) = 'committed'";
                let committed =
                    xid.is_some_and(|xid| client.query_one(status, &[&xid]).unwrap().get(0));
                victim.store(pid(&mut client).expect("nobody knows it yet"), Ordering::Release);
                committed
            }
        };
        if consumed {
            if given.is_empty() && done.load(Ordering::Acquire) {
                break;
            }
            kept.extend(given);
        }
    }
    victim.store(0, Ordering::Release);
    // A kill may be on its way.
    let mut client = connect();
    let insert =
        "INSERT INTO given (consumer, event_id, id, op, version) VALUES ('killed', $1, $2, $3, $4)";
    let mut transaction = client.transaction().unwrap();
    let insert = transaction.prepare(insert).unwrap();
    for (event_id, id, op, version) in &kept {
        transaction.execute(&insert, &[event_id, id, op, version]).unwrap();
    }
    transaction.commit().unwrap();
}

#[test]
fn a_server_that_is_killed_again_and_again_gives_each_change_once() {
    const KILLS: u64 = 12;
    let mut cluster = cluster_with(SETTINGS);
    let mut world = World::in_cluster(&cluster);
    ledger::create(&mut world);
    world.run("SELECT manifold.create_consumer(c, 'acme') FROM unnest(ARRAY['fast', 'slow']) c");
    let name = world.keep();
    let port = cluster.port();
    let (done, rest) = (AtomicBool::new(false), AtomicBool::new(false));
    let connect = || Cluster::connect_to(port, "postgres", &name);
    // Does its work again and again, with another connection where one broke, until all is done.
    let work = |work: &mut dyn FnMut(&mut Client) -> Result<(), postgres::Error>| {
        while !done.load(Ordering::Acquire) {
            let Ok(mut client) = connect() else {
                std::thread::sleep(Duration::from_millis(20));
                continue;
            };
            let mut alive = true;
            while alive && !done.load(Ordering::Acquire) {
                alive = work(&mut client).is_ok();
            }
        }
    };
    let files = std::thread::scope(|scope| {
        for number in 0..4u64 {
            let rest = &rest;
            scope.spawn(move || {
                let mut chance = Chance(number);
                let own = 1000 * (number + 1);
                work(&mut |client| match chance.below(3) {
                    _ if rest.load(Ordering::Acquire) => {
                        std::thread::sleep(Duration::from_millis(20));
                        client.batch_execute("")
                    }
                    0 => client.batch_execute(&format!(
                        "SELECT act({}, {})",
                        1 + chance.below(SHARED),
                        chance.fraction()
                    )),
                    1 => client.batch_execute(&format!("SELECT act_on_all({own}, {})", own + 200)),
                    _ => client.batch_execute(&format!(
                        "SELECT act(i) FROM generate_series({own}, {}) i",
                        own + chance.below(200)
                    )),
                });
            });
        }
        for (consumer, n) in [("fast", 1000), ("slow", 200)] {
            scope.spawn(move || work(&mut |client| take(client, consumer, n).map(drop)));
        }
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut files = std::collections::BTreeSet::new();
            let mut chance = Chance(11);
            let mut some = 0;
            for kill in 0..KILLS {
                some += 100 + chance.below(2000) as i64;
                // Some of the time until a table has been emptied, too: it has another file then. Those who
                // write stop for it, or those who read might never be done with a table.
                let emptied = if kill % 4 == 3 { files.len() + 1 } else { 0 };
                wait::until(&format!("{some} changes, {emptied} files"), LIMIT, || {
                    let mut client = connect().map_err(|e| e.to_string())?;
                    let sql = "SELECT count(*) FROM ledger UNION ALL SELECT relfilenode::int8 FROM pg_class \
                        WHERE relnamespace = 'manifold'::regnamespace AND relname ~ '^change_[012]$'";
                    let rows = client.query(sql, &[]).map_err(|e| e.to_string())?;
                    files.extend(rows[1..].iter().map(|row| row.get::<_, i64>(0)));
                    let n: i64 = rows[0].get(0);
                    rest.store(n >= some, Ordering::Release);
                    if n >= some && files.len() >= emptied {
                        Ok(())
                    } else {
                        Err(format!("{n}, {}", files.len()))
                    }
                });
                rest.store(false, Ordering::Release);
                cluster.kill();
                cluster.launch();
            }
            files
        }));
        done.store(true, Ordering::Release);
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let mut world = World::reopen(&cluster, &name);
    for consumer in ["fast", "slow"] {
        take_all(&mut world.client, consumer, 1000);
        ledger::compare(&mut world.client, consumer);
    }
    ledger::compare_canonical(&mut world);
    assert!(files.len() > 3, "tables were emptied on the way: {files:?}");
}

#[test]
fn what_a_dump_brings_back_says_that_a_resync_is_due() {
    let cluster = cluster_with(SETTINGS);
    let mut world = World::in_cluster(&cluster);
    ledger::create(&mut world);
    world.run(
        "SELECT act(i) FROM generate_series(1, 200) i; SELECT manifold.create_consumer('one')",
    );
    ledger::compare_canonical(&mut world);
    world.run(
        "SELECT manifold.set_publication('acme', 'lead', '{\"when\": {\"column\": \"sfid\", \"present\": true}}')",
    );
    // Changes that are on their way when the dump is made.
    world.run("SELECT manifold.pause('acme', 'normalizer'); SELECT act(i, 0.1) FROM generate_series(1, 20) i; \
        SELECT act(i) FROM generate_series(201, 300) i");
    let copy = cluster.database();
    let installation = Installation::of(run::dir());
    let program = |name: &str, database: &str| {
        let mut command = installation.command(name);
        let port = cluster.port().to_string();
        command.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &port, "-d", database]);
        command
    };
    let dump = program("pg_dump", &world.database.name).output().expect("pg_dump runs");
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let mut psql = program("psql", &copy.name)
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("psql runs");
    psql.stdin.take().expect("a pipe").write_all(&dump.stdout).expect("psql reads");
    assert!(psql.wait().expect("psql ends").success());

    let name = copy.name.clone();
    std::mem::forget(copy);
    let mut world = World::reopen(&cluster, &name);
    assert_eq!(world.count("manifold.change"), 0);
    assert_eq!(world.count("manifold.consumer"), 0, "where it was means nothing here");
    assert_eq!(world.count("manifold.mapping WHERE active"), 1);
    assert_eq!(world.count("manifold.publication WHERE options ? 'when'"), 1);
    for (org, consumer) in
        [("acme", "normalizer"), ("acme", "publisher"), ("canonical", "publisher")]
    {
        world.await_status(org, consumer, "told to resync", |s| {
            s.detail.contains("restored from a dump")
                && s.detail.contains(&format!("manifold.resync('{org}', 'lead')"))
        });
    }
    world.run("SELECT manifold.resume('acme', 'normalizer'); SELECT manifold.resync('acme'); SELECT manifold.resync('canonical')");
    ledger::compare_canonical(&mut world);
    assert_eq!(world.count("canonical.lead"), 280);
    // And on it goes.
    world.run("SELECT act(i) FROM generate_series(1, 300) i");
    ledger::compare_canonical(&mut world);
    world.await_status("acme", "normalizer", "fine", |s| s.state == "ok");
}
