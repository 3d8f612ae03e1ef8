//! Limits of time and memory, and statements that are broken off.

use postgres::Client;

use super::place::{LEAD, Place, run};
use crate::support::wait;
use crate::world::{LIMIT, World};

#[test]
fn capture_waits_for_nobody() {
    let world = World::new();
    let mut place = Place::prepare(&world.database, LEAD);
    place.start(&["lead"]);
    let (mut dump, mut admin, mut writer) = (place.connect(), place.connect(), place.connect());
    // What pg_dump holds, what VACUUM FULL holds, and another writer of the same table.
    run(
        &mut dump,
        "BEGIN; LOCK TABLE manifold.change_2, manifold.layout IN ACCESS SHARE MODE; SELECT last_value FROM manifold.change_seq",
    );
    run(
        &mut admin,
        "BEGIN; LOCK TABLE manifold.change_0, manifold.change_1 IN ACCESS EXCLUSIVE MODE",
    );
    run(&mut writer, "BEGIN; INSERT INTO lead (sfid) VALUES ('b')");
    // Nobody lets go of anything before that.
    place.run("SET lock_timeout = '10s'");
    for sql in [
        "INSERT INTO lead (sfid) VALUES ('a')",
        "UPDATE lead SET n = 1",
        "DELETE FROM lead WHERE sfid = 'a'",
    ] {
        place.run(sql);
    }
    for session in [&mut writer, &mut admin, &mut dump] {
        run(session, "COMMIT");
    }
    assert_eq!(place.told(), "c c d u");
}

#[test]
fn a_statement_that_runs_out_of_time_leaves_nothing() {
    let mut place = Place::new(LEAD);
    place.write("INSERT INTO lead (sfid) SELECT 's' || i FROM generate_series(1, 50) i");
    let before = place.logged();
    for sql in [
        "UPDATE lead SET name = pg_sleep(0.1)::text",
        "UPDATE lead SET n = 7; SELECT pg_sleep(600)",
    ] {
        // Over with the transaction: what comes afterwards may take its time.
        let limited = format!("BEGIN; SET LOCAL statement_timeout = '300ms'; {sql}; COMMIT");
        assert_eq!(place.fails(&limited), "57014", "{sql}");
        place.run("ROLLBACK");
    }
    assert_eq!((place.told(), place.logged()), (String::new(), before));
    let caught = "DO $$BEGIN SET LOCAL statement_timeout = 0; BEGIN UPDATE lead SET n = 1; RAISE query_canceled; \
        EXCEPTION WHEN query_canceled THEN UPDATE lead SET n = 2 WHERE sfid = 's1'; END; END$$";
    assert_eq!(place.write(caught), "u");
    // A lock that is not to be had.
    let mut other = place.connect();
    run(&mut other, "BEGIN; UPDATE lead SET n = 3 WHERE sfid = 's25'");
    let limited = "BEGIN; SET LOCAL lock_timeout = '300ms'; UPDATE lead SET n = 4; COMMIT";
    assert_eq!(place.fails(limited), "55P03");
    place.run("ROLLBACK");
    run(&mut other, "COMMIT");
    assert_eq!(place.told(), "u");
    assert_eq!(place.write("UPDATE lead SET n = 5 WHERE sfid < 's11'"), "u u");
}

/// A table whose statement trigger lets go of its session's advisory lock when all rows are written and capture
/// is next; triggers of one event fire in the order of their names.
fn announced() -> Place<'static> {
    Place::new(
        "CREATE TABLE lead (sfid text, pad text); \
         CREATE FUNCTION announce() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_advisory_unlock_all(); RETURN NULL; END$$; \
         CREATE TRIGGER aaa AFTER INSERT ON lead FOR EACH STATEMENT EXECUTE FUNCTION announce()",
    )
}

/// Ends a large insert by `end`, a function of the server that takes a process id, while it is captured.
fn end_while_captured(place: &mut Place<'_>, end: &str) -> String {
    let mut rows = 250_000;
    wait::until("a statement to be ended in the middle", LIMIT, || {
        let (mut writer, mut other) = (place.connect(), place.connect());
        run(&mut writer, "SET work_mem = '512MB'");
        let pid = |client: &mut Client| -> i32 {
            client.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0)
        };
        let (writers, others) = (pid(&mut writer), pid(&mut other));
        run(&mut writer, &format!("SELECT pg_advisory_lock({writers})"));
        let before = place.logged();
        let outcome = std::thread::scope(|scope| {
            scope.spawn(move || {
                let sql = format!("SELECT pg_advisory_lock({writers}), {end}({writers})");
                run(&mut other, &sql);
            });
            let waits =
                format!("SELECT count(*) FROM pg_locks WHERE pid = {others} AND NOT granted");
            wait::until("the other to wait", LIMIT, || match place.value::<i64>(&waits) {
                0 => Err("it does not"),
                _ => Ok(()),
            });
            writer.batch_execute(&format!(
                "INSERT INTO lead SELECT 's' || i, repeat('x', 100) FROM generate_series(1, {rows}) i"
            ))
        });
        match outcome {
            Err(error) => {
                assert_eq!((place.told(), place.logged()), (String::new(), before));
                Ok(error.code().map_or("gone", |code| code.code()).to_owned())
            }
            // It was too quick for the other: the next one takes longer.
            Ok(()) => {
                place.run("TRUNCATE lead");
                place.events();
                rows *= 2;
                Err("it was captured before")
            }
        }
    })
}

#[test]
fn capture_can_be_cancelled_in_the_middle() {
    let mut place = announced();
    assert_eq!(end_while_captured(&mut place, "pg_cancel_backend"), "57014");
    assert_eq!(place.write("INSERT INTO lead VALUES ('a', '')"), "c");
}

#[test]
fn a_session_that_captures_can_be_ended() {
    let mut place = announced();
    assert_eq!(end_while_captured(&mut place, "pg_terminate_backend"), "57P01");
}

#[test]
fn a_statement_larger_than_working_memory_is_captured_whole() {
    let mut place = Place::new(LEAD);
    place.run("SET work_mem = '64kB'; CREATE TABLE seen (n int)");
    place.run("INSERT INTO lead (sfid, name) SELECT 's' || i, repeat('x', i % 300) FROM generate_series(1, 3000) i");
    assert_eq!(place.events().len(), 3_000);
    // Another trigger reads the same temporary files, before and after ours.
    for name in ["aaa", "zzz"] {
        place.run(&format!(
            "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO seen SELECT count(*) FROM old_rows JOIN new_rows USING (id); RETURN NULL; END$$; \
             CREATE TRIGGER {name} AFTER UPDATE ON lead REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        ));
    }
    place.run("UPDATE lead SET n = id, name = name || id");
    assert_eq!(place.events().len(), 3_000);
    let seen: i64 = place.client.query_one("SELECT sum(n) FROM seen", &[]).unwrap().get(0);
    assert_eq!(seen, 6_000);
    place.run(
        "CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE lead SET name = 'again' WHERE id = NEW.id; RETURN NULL; END$$; \
         CREATE TRIGGER again AFTER UPDATE ON lead FOR EACH ROW WHEN (NEW.id % 500 = 0 AND pg_trigger_depth() = 0) EXECUTE FUNCTION again()",
    );
    place.run("UPDATE lead SET n = -1");
    assert_eq!(place.events().len(), 3_006);
    place.run("DELETE FROM lead");
    assert_eq!(place.events().len(), 3_000);
}
