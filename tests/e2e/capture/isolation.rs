//! Transactions: their levels, their parts, their ends, and others beside them.

use super::place::{LEAD, Place, other, run};
use crate::support::wait;
use crate::world::{LIMIT, World};

#[test]
fn every_isolation_level_is_captured() {
    let mut place = Place::new(LEAD);
    for (n, level) in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"].iter().enumerate() {
        let sql = format!(
            "BEGIN ISOLATION LEVEL {level}; INSERT INTO lead (sfid) VALUES ('{n}'); UPDATE lead SET n = n + 1; UPDATE lead SET name = 'x' WHERE sfid = '{n}'; COMMIT"
        );
        assert_eq!(place.write(&sql), [vec!["c"], vec!["u"; n + 2]].concat().join(" "), "{level}");
    }
}

#[test]
fn a_transaction_with_an_old_snapshot_writes_with_the_columns_of_now() {
    let mut place = Place::new(&format!("{LEAD}; INSERT INTO lead (sfid) VALUES ('a')"));
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        let mut old = place.connect();
        run(&mut old, &format!("BEGIN ISOLATION LEVEL {level}; SELECT 1"));
        place.run("ALTER TABLE lead ADD more int DEFAULT 3; UPDATE lead SET n = n + 1");
        assert_eq!(place.unchecked().len(), 1);
        run(&mut old, "INSERT INTO lead (sfid, more) VALUES ('b', 1); COMMIT");
        assert_eq!(place.unchecked().len(), 1);
        place.run("ALTER TABLE lead DROP more; DELETE FROM lead WHERE sfid = 'b'");
        place.unchecked();
    }
    place.altered("lead");
    assert_eq!(place.write("UPDATE lead SET n = 0"), "u");
}

#[test]
fn serializable_writers_of_different_records_never_fail() {
    // Neither would they without us: updates in place, found by the key, and inserts that read nothing.
    let mut place = Place::with(
        "CREATE TABLE lead (id int PRIMARY KEY, sfid text, n int DEFAULT 0) WITH (fillfactor = 20); \
         INSERT INTO lead SELECT i, 's' || i FROM generate_series(1, 400) i; CREATE TABLE contact (sfid text, n int)",
        &["lead", "contact"],
    );
    const WRITERS: usize = 4;
    const ROUNDS: usize = 60;
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let mut client = place.connect();
            scope.spawn(move || {
                run(&mut client, "SET default_transaction_isolation = serializable; SET enable_seqscan = off; SET enable_bitmapscan = off");
                for round in 0..ROUNDS {
                    let id = writer * 100 + round + 1;
                    let sql = format!(
                        "BEGIN; UPDATE lead SET n = n + 1 WHERE id = {id}; INSERT INTO contact VALUES ('{writer} {round}', {id}); \
                         UPDATE lead SET n = n + 1 WHERE id = {id}; COMMIT"
                    );
                    client.batch_execute(&sql).unwrap_or_else(|e| panic!("round {round} of writer {writer}: {e:?}"));
                }
            });
        }
    });
    assert_eq!(place.events().len(), WRITERS * ROUNDS * 3);
}

#[test]
fn serializable_writers_may_be_the_first_after_an_alter_table() {
    let mut place = Place::with(
        "CREATE TABLE lead (sfid text, n int); CREATE TABLE contact (sfid text, n int)",
        &["lead", "contact"],
    );
    let (mut a, mut b) = (place.connect(), place.connect());
    for round in 0..20 {
        place.run(&format!(
            "ALTER TABLE lead ADD c{round} int; ALTER TABLE contact ADD c{round} int"
        ));
        for client in [&mut a, &mut b] {
            run(client, "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1");
        }
        run(
            &mut a,
            &format!(
                "INSERT INTO lead (sfid) VALUES ('a{round}'); INSERT INTO contact (sfid) VALUES ('a{round}')"
            ),
        );
        run(
            &mut b,
            &format!(
                "INSERT INTO contact (sfid) VALUES ('b{round}'); INSERT INTO lead (sfid) VALUES ('b{round}')"
            ),
        );
        run(&mut a, "COMMIT");
        run(&mut b, "COMMIT");
    }
    assert_eq!(place.unchecked().len(), 80);
}

#[test]
fn nothing_stays_of_what_is_rolled_back() {
    let mut place =
        Place::new(&format!("{LEAD}; INSERT INTO lead (sfid, n) VALUES ('a', 1), ('b', 2)"));
    let before = place.logged();
    for sql in [
        "BEGIN; UPDATE lead SET n = 5; ROLLBACK",
        "BEGIN; SAVEPOINT s; DELETE FROM lead; ROLLBACK TO s; TRUNCATE lead; ROLLBACK TO s; RELEASE s; COMMIT",
        "BEGIN; SAVEPOINT s; INSERT INTO lead (sfid) VALUES ('x'); SAVEPOINT t; UPDATE lead SET n = 9; RELEASE t; ROLLBACK TO s; COMMIT",
        "DO $$BEGIN BEGIN UPDATE lead SET n = 5; INSERT INTO lead (sfid) VALUES ('a'); EXCEPTION WHEN unique_violation THEN NULL; END; END$$",
    ] {
        assert_eq!(place.write(sql), "", "{sql}");
    }
    assert_eq!(place.fails("INSERT INTO lead (sfid) VALUES ('x'), ('a')"), "23505");
    assert_eq!(place.fails("UPDATE lead SET n = 1 / (n - 2)"), "22012");
    assert_eq!((place.told(), place.logged()), (String::new(), before));
    let kept = "BEGIN; UPDATE lead SET n = 1; SAVEPOINT s; UPDATE lead SET n = 2; ROLLBACK TO s; SAVEPOINT t; UPDATE lead SET n = 3; RELEASE t; COMMIT";
    assert_eq!(place.write(kept), "u u u u");
}

#[test]
fn hundreds_of_savepoints_are_told_as_they_end() {
    let mut place = Place::new(&format!("{LEAD}; INSERT INTO lead (sfid, n) VALUES ('a', 0)"));
    let sql = "DO $$BEGIN FOR i IN 1..300 LOOP BEGIN \
          UPDATE lead SET n = i WHERE sfid = 'a'; INSERT INTO lead (sfid) VALUES ('s' || i); IF i % 3 = 0 THEN RAISE 'no'; END IF; \
        EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; END$$";
    assert_eq!(place.write(sql), [["c"; 200], ["u"; 200]].concat().join(" "));
    // Nested as deep.
    let mut deep = "BEGIN; ".to_owned();
    for i in 0..200 {
        deep += &format!("SAVEPOINT s{i}; UPDATE lead SET n = {i} WHERE sfid = 'a'; ");
    }
    assert_eq!(place.write(&format!("{deep} ROLLBACK TO s100; COMMIT")), ["u"; 100].join(" "));
}

#[test]
fn a_writer_who_waited_for_another_goes_on_where_that_one_ended() {
    let mut place =
        Place::new(&format!("{LEAD}; INSERT INTO lead (sfid, n) VALUES ('a', 1), ('b', 2)"));
    for (first, second, told) in [
        ("UPDATE lead SET n = n + 10", "UPDATE lead SET n = n * 2 WHERE n > 0", "u u u u"),
        ("UPDATE lead SET n = -1 WHERE sfid = 'a'", "DELETE FROM lead WHERE sfid = 'a'", "d u"),
        (
            "INSERT INTO lead (sfid) VALUES ('a')",
            "INSERT INTO lead (sfid, n) VALUES ('a', 7), ('c', 7) ON CONFLICT (sfid) DO UPDATE SET n = excluded.n",
            "c c u",
        ),
        ("DELETE FROM lead WHERE sfid = 'a'", "INSERT INTO lead (sfid, n) VALUES ('a', 8)", "c d"),
        ("DELETE FROM lead WHERE sfid = 'a'", "UPDATE lead SET n = 9 WHERE sfid = 'a'", "d"),
        (
            "UPDATE lead SET sfid = 'z' WHERE sfid = 'b'",
            "MERGE INTO lead USING (SELECT 'b' AS key) AS x ON sfid = key WHEN MATCHED THEN UPDATE SET n = 3",
            "u",
        ),
    ] {
        let (mut a, mut b) = (place.connect(), place.connect());
        run(&mut a, &format!("BEGIN; {first}"));
        let pid: i32 = b.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(move || run(&mut b, second));
            wait::until("the second writer to wait", LIMIT, || {
                match place.value::<i64>(&format!(
                    "SELECT count(*) FROM pg_locks WHERE pid = {pid} AND NOT granted"
                )) {
                    0 => Err("it does not"),
                    _ => Ok(()),
                }
            });
            assert_eq!(place.unchecked().len(), 0);
            run(&mut a, "COMMIT");
            waiting.join().expect("the second writer");
        });
        assert_eq!(place.told(), told, "{first}, {second}");
    }
}

#[test]
fn prepared_transactions_are_told_when_another_session_commits_them() {
    let world = World::in_cluster(other());
    let database = &world.database;
    let mut place = Place::prepare(
        database,
        &format!("{LEAD}; INSERT INTO lead (sfid, n) VALUES ('a', 1), ('b', 2)"),
    );
    place.run("CREATE TABLE task (sfid text, n int) PARTITION BY HASH (sfid); CREATE TABLE task_0 PARTITION OF task FOR VALUES WITH (MODULUS 1, REMAINDER 0)");
    place.start(&["lead", "task"]);
    let mut end = place.connect();
    place.run("BEGIN; UPDATE lead SET n = 5; INSERT INTO lead (sfid) VALUES ('c'); SAVEPOINT s; DELETE FROM lead; ROLLBACK TO s; PREPARE TRANSACTION 'kept'");
    place.run("INSERT INTO lead (sfid) VALUES ('d')");
    assert_eq!(place.told(), "c", "what is prepared is not there yet, and holds back nobody");
    run(&mut end, "COMMIT PREPARED 'kept'");
    assert_eq!(place.told(), "c u u");
    place.run("BEGIN; INSERT INTO task VALUES ('t', 1); SAVEPOINT s; UPDATE task SET n = 2; PREPARE TRANSACTION 'rows'");
    assert_eq!(place.told(), "");
    run(&mut end, "COMMIT PREPARED 'rows'");
    assert_eq!(place.told(), "c u");
    let before = place.logged();
    place.run("BEGIN; UPDATE lead SET n = 6; PREPARE TRANSACTION 'void'");
    run(&mut end, "ROLLBACK PREPARED 'void'");
    assert_eq!((place.told(), place.logged()), (String::new(), before));
    // The first write after ALTER TABLE numbers its layout; others must not wait for it.
    place.run("ALTER TABLE lead ADD more int DEFAULT 1");
    place.altered("lead");
    place.run("BEGIN; UPDATE lead SET more = 2 WHERE sfid = 'a'; PREPARE TRANSACTION 'first'");
    assert_eq!(place.write("UPDATE lead SET more = 3 WHERE sfid = 'b'"), "u");
    assert_eq!(place.write("COMMIT PREPARED 'first'"), "u");
    place.run("BEGIN; ALTER TABLE lead ADD most int; INSERT INTO lead (sfid, most) VALUES ('e', 4); PREPARE TRANSACTION 'altered'");
    run(&mut end, "ROLLBACK PREPARED 'altered'");
    assert_eq!(place.write("INSERT INTO lead (sfid, more) VALUES ('e', 5)"), "c");
}
