//! Consumers that take changes by SQL: in order, each change once, whatever happens to them.

use postgres::Client;
use serde_json::Value;

use crate::support::heroku_connect::ident;
use crate::support::wait;
use crate::world::{LIMIT, World, cluster_with};

/// A change as `manifold.next` gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub event_id: String,
    pub org: String,
    pub source: String,
    pub op: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub origin: String,
}

/// The next changes for a consumer.
pub fn next(client: &mut impl postgres::GenericClient, consumer: &str, n: i32) -> Vec<Change> {
    let sql = "SELECT event_id, org, source, op, before, after, origin FROM manifold.next($1, $2)";
    let rows = client.query(sql, &[&consumer, &n]).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    let change = |row: &postgres::Row| Change {
        event_id: row.get(0),
        org: row.get(1),
        source: row.get(2),
        op: row.get(3),
        before: row.get(4),
        after: row.get(5),
        origin: row.get(6),
    };
    rows.iter().map(change).collect()
}

/// All that a consumer has not taken, each call a transaction.
pub fn rest(client: &mut Client, consumer: &str, n: i32) -> Vec<Change> {
    let mut all = Vec::new();
    loop {
        let some = next(client, consumer, n);
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

fn sql_state(error: &postgres::Error) -> &str {
    error.code().map_or("", |code| code.code())
}

#[test]
fn changes_come_in_order_from_the_consumers_creation_on() {
    let mut world = World::new();
    let mut acme = world.running("acme", 5);
    let mut globex = world.running("globex", 5);
    world.normalized();
    for (consumer, org) in [("all", "NULL"), ("one", "'acme'"), ("gold", "'canonical'")] {
        world.run(&format!("SELECT manifold.create_consumer('{consumer}', {org})"));
    }
    let sfid = acme.org.sfid(1).to_owned();
    acme.update(&[&sfid], &[("city", Some("Rome"))]);
    acme.update(&[&sfid], &[("city", None)]);
    acme.connect.delete(&acme.lead, &[&sfid]);
    globex.load(5, 1);
    world.run("INSERT INTO acme.lead (lastname) VALUES ('Application'); TRUNCATE globex.lead");
    world.normalized();

    let one = rest(&mut world.client, "one", 1);
    let ops: Vec<&str> = one.iter().map(|change| change.op.as_str()).collect();
    assert_eq!(ops, ["u", "u", "d", "c"]);
    assert!(one.iter().all(|change| change.org == "acme" && change.source == "lead"));
    let city = |row: &Option<Value>| row.as_ref().expect("a row")["city"].clone();
    assert_eq!(city(&one[0].after), "Rome");
    assert_eq!((city(&one[1].before), city(&one[1].after)), (city(&one[0].after), Value::Null));
    assert_eq!(one[2].before, one[1].after);
    assert!(one[2].after.is_none() && one[3].before.is_none());
    let origins: Vec<&str> = one.iter().map(|change| change.origin.as_str()).collect();
    assert_eq!(origins, ["heroku_connect", "heroku_connect", "heroku_connect", "application"]);

    let all = rest(&mut world.client, "all", 3);
    let of = |org: &str| -> Vec<Change> { all.iter().filter(|c| c.org == org).cloned().collect() };
    assert_eq!(of("acme"), one);
    let truncated = of("globex").pop().expect("changes of globex");
    assert_eq!((truncated.op.as_str(), truncated.before, truncated.after), ("t", None, None));
    let gold = rest(&mut world.client, "gold", 1000);
    assert!(!gold.is_empty() && gold.iter().all(|c| c.origin == "manifold"));
    assert_eq!(of("canonical"), gold);
    // Across batches a transaction that ends later may have lower numbers; within one they grow.
    let number = |c: &Change| -> i64 { c.event_id.split('.').next().unwrap().parse().unwrap() };
    assert!(one.is_sorted_by_key(number));
}

#[test]
fn a_row_comes_back_as_it_was_whatever_the_session_prefers() {
    let mut world = World::new();
    let _acme = world.running("acme", 3);
    world.run(
        r#"CREATE TYPE acme.mood AS ENUM ('sad', 'quite happy');
        CREATE TYPE acme.pair AS (a integer, b timestamptz);
        CREATE DOMAIN acme.doc AS jsonb;
        ALTER TABLE acme.lead ADD dropped int, ADD tags text[], ADD grid int[], ADD shifted timestamptz[],
          ADD amounts numeric(12,3)[], ADD doc jsonb, ADD plain json, ADD domain acme.doc, ADD raw bytea,
          ADD span tstzrange, ADD at timestamptz, ADD gap interval, ADD f real, ADD d double precision,
          ADD mood acme.mood, ADD pair acme.pair, ADD "Odd ""name""" text, ADD code char(5), ADD price money,
          ADD bits bit varying, ADD net inet;
        ALTER TABLE acme.lead DROP dropped;
        SELECT manifold.create_consumer('back', 'acme');
        UPDATE acme.lead SET tags = ARRAY['a b', NULL, 'null', '', '"\{},'], grid = '[0:1][2:3]={{1,2},{3,4}}',
          shifted = '[-1:0]={2024-12-17 08:57:57.25+02,infinity}', amounts = '{1.5,NaN,-0.001}',
          doc = '{"a": [1, 1.10, "x\ty\\"], "b": null}', plain = '{"a": 12345678901234567890.5}', domain = '[true]',
          raw = '\x00ff27', span = '[2024-01-01 00:00+00,)', at = '0044-03-15 12:00:00.000001 BC',
          gap = '-1 year 2 mons -3 days 04:05:06.7', f = 'NaN', d = 1e23, mood = 'quite happy', pair = (1, '2024-06-01'),
          "Odd ""name""" = E'line\nwith "quotes" and \\', code = 'ab', price = 12.34, bits = B'0101', net = '10.0.0.1/8'
          WHERE id = 1"#,
    );
    for settings in [
        "RESET ALL",
        "SET datestyle = 'SQL, DMY'; SET timezone = 'Asia/Kolkata'; \
        SET intervalstyle = iso_8601; SET bytea_output = escape; SET extra_float_digits = -2",
    ] {
        world.run(&format!("{settings}; BEGIN"));
        let columns: Vec<String> = world
            .client
            .query("SELECT attname::text FROM pg_attribute WHERE attrelid = 'acme.lead'::regclass AND attnum > 0 AND NOT attisdropped", &[])
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        let different: Vec<_> = columns
            .iter()
            .map(|column| {
                let column = ident(column);
                format!(
                    "CASE WHEN now.{column}::text IS DISTINCT FROM t.{column}::text THEN {} END",
                    crate::support::heroku_connect::literal(Some(&column))
                )
            })
            .collect();
        let sql = format!(
            "SELECT concat_ws(', ', {}) FROM manifold.next('back') n, \
             jsonb_populate_record(NULL::acme.lead, n.after) now, acme.lead t WHERE t.id = 1",
            different.join(", ")
        );
        let wrong: String = world.value(&sql);
        assert_eq!(wrong, "", "columns that differ under {settings}");
        world.run("ROLLBACK; RESET ALL");
    }
    world.normalized();
    world.run(
        "SELECT manifold.create_consumer('gold', 'canonical'); UPDATE acme.lead SET city = 'Rome'",
    );
    world.await_count("canonical.lead WHERE city = 'Rome'", 3);
    let same: i64 = world.value(
        "SELECT count(*) FROM manifold.next('gold') n, jsonb_populate_record(NULL::canonical.lead, n.after) a, \
         canonical.lead t WHERE t = a",
    );
    assert_eq!(same, 3);
}

#[test]
fn what_is_not_committed_is_not_consumed() {
    let mut world = World::new();
    let mut acme = world.running("acme", 0);
    world.run("SELECT manifold.create_consumer('careful', 'acme')");
    acme.load(0, 50);
    let mut other = world.database.connect();
    let mut transaction = other.transaction().unwrap();
    let first = next(&mut transaction, "careful", 20);
    let second = next(&mut transaction, "careful", 10);
    assert!((20..40).contains(&first.len()) && second.len() >= 10);
    assert_ne!(first.last(), second.first());
    transaction.rollback().unwrap();

    let mut transaction = other.transaction().unwrap();
    assert_eq!(next(&mut transaction, "careful", 20), first);
    {
        let mut savepoint = transaction.transaction().unwrap();
        assert_eq!(next(&mut savepoint, "careful", 10), second);
        savepoint.rollback().unwrap();
    }
    assert_eq!(next(&mut transaction, "careful", 10), second);
    // Killed before it could commit.
    let pid: i32 = transaction.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    world.run(&format!("SELECT pg_terminate_backend({pid})"));
    drop(transaction);
    let all = rest(&mut world.client, "careful", 7);
    assert_eq!((all.len(), &all[..first.len()]), (50, &first[..]));
    assert!(next(&mut world.client, "careful", 1).is_empty());
}

#[test]
fn two_sessions_share_a_consumer_and_take_each_change_once() {
    let mut world = World::new();
    let mut acme = world.running("acme", 0);
    world.run("SELECT manifold.create_consumer('shared')");
    acme.load(0, 200);
    let (mut one, mut two) = (world.database.connect(), world.database.connect());
    let mut transaction = one.transaction().unwrap();
    let first = next(&mut transaction, "shared", 50);
    let pid: i32 = two.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    let second = std::thread::scope(|scope| {
        let second = scope.spawn(|| next(&mut two, "shared", 50));
        world.await_count(
            &format!("pg_stat_activity WHERE pid = {pid} AND wait_event_type = 'Lock'"),
            1,
        );
        transaction.commit().unwrap();
        second.join().expect("the second session")
    });
    let both = first.iter().chain(&second);
    let ids: std::collections::BTreeSet<_> = both.map(|change| &change.event_id).collect();
    assert_eq!(ids.len(), first.len() + second.len());
}

#[test]
fn a_transaction_takes_its_own_changes_only_after_it_has_ended() {
    let mut world = World::new();
    let _acme = world.running("acme", 3);
    world.run("SELECT manifold.create_consumer('own', 'acme')");
    let mut client = world.database.connect();
    let mut transaction = client.transaction().unwrap();
    transaction.batch_execute("UPDATE acme.lead SET city = 'Mine' WHERE id = 1").unwrap();
    // Others overtake its id.
    world.run("UPDATE acme.lead SET city = 'Theirs' WHERE id = 2");
    world.run("UPDATE acme.lead SET city = 'Theirs' WHERE id = 3");
    assert_eq!(next(&mut transaction, "own", 10).len(), 2);
    transaction.batch_execute("UPDATE acme.lead SET city = 'Again' WHERE id = 1").unwrap();
    assert!(next(&mut transaction, "own", 10).is_empty());
    transaction.commit().unwrap();
    assert_eq!(next(&mut world.client, "own", 10).len(), 2);
    // Nor does a consumer miss what the transaction does that creates it.
    let mut transaction = client.transaction().unwrap();
    transaction.batch_execute("UPDATE acme.lead SET city = 'Before' WHERE id = 1").unwrap();
    world.run("UPDATE acme.lead SET city = 'Elsewhere' WHERE id = 2");
    transaction.batch_execute("SELECT manifold.create_consumer('late', 'acme')").unwrap();
    transaction.batch_execute("UPDATE acme.lead SET city = 'After' WHERE id = 1").unwrap();
    transaction.commit().unwrap();
    assert_eq!(next(&mut world.client, "late", 10).len(), 2);
}

#[test]
fn a_snapshot_and_what_comes_after_it_are_everything_once() {
    let mut world = World::new();
    let _acme = world.running("acme", 10);
    let mut client = world.database.connect();
    let mut transaction = client
        .build_transaction()
        .isolation_level(postgres::IsolationLevel::RepeatableRead)
        .start()
        .unwrap();
    let city = "SELECT count(*) FROM acme.lead WHERE city = 'Later'";
    assert_eq!(transaction.query_one(city, &[]).unwrap().get::<_, i64>(0), 0);
    world.run("UPDATE acme.lead SET city = 'Later' WHERE id <= 4");
    transaction.batch_execute("SELECT manifold.create_consumer('copy', 'acme')").unwrap();
    assert_eq!(transaction.query_one(city, &[]).unwrap().get::<_, i64>(0), 0);
    transaction.commit().unwrap();
    assert_eq!(rest(&mut world.client, "copy", 100).len(), 4);
    let mut transaction = client
        .build_transaction()
        .isolation_level(postgres::IsolationLevel::RepeatableRead)
        .start()
        .unwrap();
    let error = transaction.query("SELECT manifold.next('copy')", &[]).unwrap_err();
    assert_eq!(sql_state(&error), "55000", "{error:?}");
}

#[test]
fn consumers_are_made_dropped_and_refused() {
    let mut world = World::new();
    let mut acme = world.running("acme", 3);
    for (sql, state) in [
        ("SELECT manifold.create_consumer('Loud')", "22023"),
        ("SELECT manifold.create_consumer(NULL)", "22023"),
        ("SELECT manifold.create_consumer('kafka')", "42710"),
        ("SELECT manifold.create_consumer('lost', 'nobody')", "42704"),
        ("SELECT manifold.next('nobody')", "42704"),
        ("SELECT manifold.drop_consumer('nobody')", "42704"),
    ] {
        let error = world.client.batch_execute(sql).expect_err(sql);
        let error = error.as_db_error().expect("the server's");
        assert_eq!(error.code().code(), state, "{sql}: {error:?}");
        assert!(error.hint().is_some(), "{sql}: {error:?}");
    }
    world.run("SELECT manifold.create_consumer('mine', 'acme')");
    for (sql, state) in [
        ("SELECT manifold.create_consumer('mine')", "42710"),
        ("SELECT manifold.next('mine', 0)", "22023"),
        ("BEGIN READ ONLY; SELECT manifold.next('mine')", "25006"),
    ] {
        let error = world.client.batch_execute(sql).expect_err(sql);
        assert_eq!(sql_state(&error), state, "{sql}: {error:?}");
        world.run("ROLLBACK");
    }
    acme.update(&[acme.org.sfid(0).to_owned().as_str()], &[("city", Some("Rome"))]);
    world.await_status("acme", "mine", "behind", |s| s.lag_changes == 1 && s.state == "ok");
    world.run("SELECT * FROM manifold.next('mine')");
    world.await_status("acme", "mine", "done", |s| s.lag_changes == 0);
    world.run(
        "SELECT manifold.drop_consumer('mine'); SELECT manifold.create_consumer('mine', 'acme')",
    );
    assert!(next(&mut world.client, "mine", 10).is_empty());
    world.run("SELECT manifold.remove_org('acme')");
    assert_eq!(world.count("manifold.consumer"), 0);
    assert_eq!(world.count("manifold.position WHERE consumer = 'mine' AND seen IS NOT NULL"), 0);
}

#[test]
fn the_log_keeps_what_a_consumer_has_not_taken() {
    let cluster = cluster_with(
        "manifold.kafka_brokers = ''\nmanifold.log_table_size = 1MB\nmanifold.max_log_size = 1MB",
    );
    let mut world = World::in_cluster(&cluster);
    let mut acme = world.running("acme", 0);
    world.run("SELECT manifold.create_consumer('slow', 'acme')");
    let rows = acme.org.many(4_000);
    acme.connect.load(&acme.lead, &acme.org.columns, &rows);
    world.normalized();
    let needed = |world: &mut World<'_>| -> i64 {
        world.count("generate_series(0, 2) i WHERE manifold.log_needed(('manifold.change_' || i)::regclass, false)")
    };
    assert!(needed(&mut world) > 0);
    let half = next(&mut world.client, "slow", 2_000);
    assert!(needed(&mut world) > 0);
    let other = rest(&mut world.client, "slow", 500);
    assert_eq!(half.len() + other.len(), 4_000);
    world.normalized();
    wait::until("the log to be needed no more", LIMIT, || match needed(&mut world) {
        0 => Ok(()),
        n => Err(format!("{n} tables")),
    });
    // Others' changes pass by, and an idle consumer lets go of them.
    let mut globex = world.running("globex", 50);
    globex.load(50, 50);
    world.normalized();
    assert!(next(&mut world.client, "slow", 10).is_empty());
    wait::until("the log to be small again", LIMIT, || {
        world.run("UPDATE globex.lead SET city = city WHERE id = 1");
        match world.count("manifold.change") {
            n if n < 100 => Ok(()),
            n => Err(format!("{n} chunks")),
        }
    });
}
