//! The change log: append-only, and emptied when nobody needs it.

use crate::support::wait;
use crate::world::{LIMIT, World, cluster_with};

/// Bytes in the extension's log tables, wherever it keeps them.
const LOG_SIZE: &str = "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class \
    WHERE relnamespace = 'manifold'::regnamespace AND relkind = 'r' AND relname LIKE 'change%'";

#[test]
fn the_log_is_emptied_once_all_have_read_it_and_nothing_is_lost_on_the_way() {
    const ROUNDS: u32 = 10;
    const WORTH_EMPTYING: i64 = 9 << 20;
    let mut world = World::new();
    let mut acme = world.running("acme", 0);
    let rows = acme.org.many(5_000);
    acme.connect.load(&acme.lead, &acme.org.columns, &rows);
    world.published();
    let full: i64 = world.value(LOG_SIZE);
    let files = "SELECT string_agg(relfilenode::text, ',' ORDER BY oid) FROM pg_class \
        WHERE relnamespace = 'manifold'::regnamespace AND relkind = 'r' AND relname LIKE 'change%'";
    let before: String = world.value(files);
    // Whatever is written meanwhile arrives too. Once there is enough to be worth it, there is peace in the
    // end, for the keeper to find all consumed.
    let mut round = 0;
    let mut size = full;
    wait::until("the log to be emptied", LIMIT, || {
        if round < ROUNDS || size < WORTH_EMPTYING {
            round += 1;
            world.run(&format!("UPDATE acme.lead SET city = 'round {round}' WHERE id <= 500"));
            world.published();
        }
        size = world.value(LOG_SIZE);
        let now: String = world.value(files);
        if now != before { Ok(()) } else { Err(format!("{size} bytes, of {full} after the load")) }
    });
    world.await_count(&format!("canonical.lead WHERE city = 'round {round}'"), 500);
    let mut topic = world.topic("acme.lead");
    let events = topic.all();
    crate::check::topic_tells_table(&mut world.client, "acme", "lead", events);
    let deleted: i64 = world.value(
        "SELECT coalesce(sum(n_tup_del), 0)::bigint FROM pg_stat_user_tables \
         WHERE schemaname = 'manifold' AND relname LIKE 'change%'",
    );
    assert_eq!(deleted, 0, "TRUNCATE, never DELETE");
}

#[test]
fn a_log_that_somebody_locks_is_left_for_later_and_holds_up_no_sync() {
    let mut world = World::new();
    let mut acme = world.running("acme", 5);
    world.published();
    let mut reader = world.database.connect();
    let tables = "SELECT string_agg(oid::regclass::text, ', ') FROM pg_class \
        WHERE relnamespace = 'manifold'::regnamespace AND relkind = 'r' AND relname LIKE 'change%'";
    let tables: String = world.value(tables);
    // What pg_dump holds for hours.
    reader.batch_execute(&format!("BEGIN; LOCK TABLE {tables} IN ACCESS SHARE MODE")).unwrap();
    // Else whoever waits for them waits for ever.
    let patience = "SET lock_timeout = '60s'";
    world.run(patience);
    acme.connect.client().batch_execute(patience).unwrap();
    acme.load(5, 50);
    world.await_count("canonical.lead", 55);
    world.published();
    reader.batch_execute("COMMIT").unwrap();
}

#[test]
fn one_transaction_of_many_rows_does_not_take_memory_by_its_size() {
    let cluster = cluster_with("manifold.kafka_brokers = ''");
    let mut world = World::in_cluster(&cluster);
    let mut acme = world.running("acme", 100);
    let peak = |world: &mut World| -> u64 {
        world.workers().into_iter().filter_map(peak_memory).max().unwrap_or(0)
    };
    let before = peak(&mut world);
    let rows = acme.org.many(60_000);
    acme.connect.load(&acme.lead, &acme.org.columns, &rows);
    world.await_count("canonical.lead", 60_100);
    let grown = peak(&mut world).saturating_sub(before);
    // The rows alone are some 60 MB in binary; shared buffers that were touched count as well.
    assert!(grown < 256 << 20, "the workers have grown by {} MB", grown >> 20);
}

/// The most private memory that a process ever had is not told; resident memory less what is shared is.
fn peak_memory(pid: i32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kilobytes = |name: &str| {
        status.lines().find_map(|line| {
            line.strip_prefix(name)?.split_whitespace().next()?.parse::<u64>().ok()
        })
    };
    Some(kilobytes("RssAnon:")? * 1024)
}

#[test]
fn a_prepared_transaction_counts_when_another_session_commits_it() {
    let cluster = cluster_with("manifold.kafka_brokers = ''\nmax_prepared_transactions = 5");
    let mut world = World::in_cluster(&cluster);
    let _acme = world.running("acme", 3);
    // As Heroku Connect: an application's write notifies, and cannot be prepared.
    world.run("BEGIN; SET LOCAL xmlbinary = hex; UPDATE acme.lead SET city = 'Prepared'; PREPARE TRANSACTION 'kept'");
    world.normalized();
    assert_eq!(world.count("canonical.lead WHERE city = 'Prepared'"), 0);
    world.database.connect().batch_execute("COMMIT PREPARED 'kept'").expect("prepared");
    world.await_count("canonical.lead WHERE city = 'Prepared'", 3);
    let refused = world
        .client
        .batch_execute(
            "BEGIN; SELECT manifold.pause('acme', 'publisher'); PREPARE TRANSACTION 'no'",
        )
        .expect_err("definitions cannot be prepared");
    let refused = refused.as_db_error().expect("the server's");
    assert_eq!(refused.code().code(), "55000", "{refused:?}");
    assert!(refused.hint().is_some());
}

#[test]
fn a_long_backlog_of_one_org_is_read_to_its_end_beside_another() {
    let cluster = cluster_with("manifold.kafka_brokers = ''");
    let mut world = World::in_cluster(&cluster);
    let mut acme = world.running("acme", 0);
    let mut globex = world.running("globex", 5);
    // More chunks than a lane reads in one turn.
    let rows = acme.org.many(12_000);
    acme.connect.load(&acme.lead, &acme.org.columns, &rows);
    globex.load(5, 5);
    world.await_count("canonical.lead WHERE org = 'acme'", 12_000);
    world.await_count("canonical.lead WHERE org = 'globex'", 10);
}
