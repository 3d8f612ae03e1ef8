//! Writes within writes by other ways than row triggers, and such that are rolled back.

use super::nested::{trigger, with_trigger};
use super::place::{LEAD, Place};

const FIRST: &str = "WHEN (pg_trigger_depth() = 0)";
/// A function that updates the record that it is given, and returns true.
const TOUCH: &str = "CREATE FUNCTION touch(record int) RETURNS boolean LANGUAGE plpgsql AS \
    $$BEGIN UPDATE lead SET name = coalesce(name, '') || '!' WHERE id = record; RETURN true; END$$";

#[test]
fn statement_triggers_before_and_after_ours_may_write_the_same_rows() {
    // Triggers of one event fire in the order of their names.
    for name in ["aaa", "zzz"] {
        let mut place = Place::new(&format!(
            "{LEAD}; INSERT INTO lead (sfid, n) VALUES ('a', 1), ('b', 2); {}",
            trigger(
                name,
                &format!("AFTER INSERT OR UPDATE OR DELETE ON lead FOR EACH STATEMENT {FIRST}"),
                "UPDATE lead SET n = n + 1; DELETE FROM lead WHERE n > 50; INSERT INTO lead (sfid) VALUES ('c') ON CONFLICT DO NOTHING;"
            )
        ));
        assert_eq!(place.write("UPDATE lead SET name = 'x'"), "c u u u u", "{name}");
        assert_eq!(
            place.write("INSERT INTO lead (sfid, n) VALUES ('d', 60)"),
            "c d u u u u",
            "{name}"
        );
        assert_eq!(place.write("DELETE FROM lead WHERE sfid = 'c'"), "c d u u", "{name}");
    }
}

#[test]
fn a_statement_trigger_may_write_before_the_statement_does() {
    let mut place = with_trigger(
        &format!("BEFORE INSERT OR UPDATE OR DELETE ON lead FOR EACH STATEMENT {FIRST}"),
        "UPDATE lead SET n = n + 1 WHERE sfid = 'a'; DELETE FROM lead WHERE sfid = 'b';",
    );
    assert_eq!(place.write("INSERT INTO lead (sfid) VALUES ('b')"), "c d u");
    assert_eq!(place.write("UPDATE lead SET name = 'x' WHERE sfid = 'c'"), "d u u");
    assert_eq!(place.write("DELETE FROM lead WHERE sfid = 'c'"), "d u");
}

#[test]
fn a_function_in_a_statement_may_write_what_the_statement_wrote() {
    let mut place = Place::new(&format!(
        "{LEAD}; {TOUCH}; INSERT INTO lead (sfid, n) VALUES ('a', 1), ('b', 2), ('c', 3)"
    ));
    for (sql, told) in [
        ("INSERT INTO lead (sfid) VALUES ('d'), ('e') RETURNING touch(id)", "c c u u"),
        ("UPDATE lead SET n = 5 WHERE sfid = 'a' RETURNING touch(id)", "u u"),
        // The function of the second row updates the first one again.
        ("UPDATE lead SET n = CASE WHEN touch(id - 1) THEN 6 END WHERE id IN (1, 2)", "u u u"),
        (
            "WITH a AS (UPDATE lead SET n = 7 WHERE sfid = 'a' RETURNING id) SELECT touch(id) FROM a",
            "u u",
        ),
        (
            "WITH a AS (INSERT INTO lead (sfid) VALUES ('f') RETURNING id), b AS (SELECT touch(id) FROM a) SELECT * FROM b",
            "c u",
        ),
        ("DELETE FROM lead WHERE sfid IN ('a', 'b') AND touch(3)", "d d u u"),
    ] {
        assert_eq!(place.write(sql), told, "{sql}");
    }
}

#[test]
fn what_a_trigger_rolls_back_is_not_told_and_takes_nothing_else_with_it() {
    let nested = "BEGIN UPDATE lead SET name = 'never', n = -NEW.n WHERE id = NEW.id; DELETE FROM lead WHERE id <> NEW.id; RAISE 'no'; \
        EXCEPTION WHEN raise_exception THEN NULL; END;";
    for more in ["", "UPDATE lead SET name = 'kept' WHERE id = NEW.id;"] {
        let mut place = with_trigger(
            &format!("AFTER INSERT OR UPDATE ON lead FOR EACH ROW {FIRST}"),
            &format!("{nested} {more} {nested}"),
        );
        let kept = |n: usize| if more.is_empty() { vec![] } else { vec!["u"; n] };
        let told = |ops: &[&str], n: usize| [ops.to_vec(), kept(n)].concat().join(" ");
        assert_eq!(place.write("UPDATE lead SET n = n + 1"), told(&["u", "u", "u"], 3));
        assert_eq!(
            place.write("INSERT INTO lead (sfid) VALUES ('d'), ('e')"),
            told(&["c", "c"], 2)
        );
        assert_eq!(
            place.write(
                "INSERT INTO lead (sfid) VALUES ('f'), ('a') ON CONFLICT (sfid) DO UPDATE SET n = 9"
            ),
            told(&["c", "u"], 2)
        );
    }
}

#[test]
fn a_statement_that_is_rolled_back_takes_its_nested_writes_with_it() {
    let mut place = with_trigger(
        &format!("AFTER UPDATE ON lead FOR EACH ROW {FIRST}"),
        "UPDATE lead SET name = 'seen' WHERE id = NEW.id; IF NEW.n = 13 THEN RAISE 'unlucky'; END IF;",
    );
    assert_eq!(place.fails("UPDATE lead SET n = 13 WHERE sfid = 'b'"), "P0001");
    assert_eq!(place.told(), "");
    let sql = "BEGIN; UPDATE lead SET n = 1; SAVEPOINT s; UPDATE lead SET n = 2; ROLLBACK TO s; UPDATE lead SET n = 3; COMMIT";
    assert_eq!(place.write(sql), ["u"; 12].join(" "));
    let sql = "DO $$BEGIN UPDATE lead SET n = 4 WHERE sfid = 'a'; \
        BEGIN UPDATE lead SET n = 13; EXCEPTION WHEN raise_exception THEN UPDATE lead SET n = 5 WHERE sfid = 'b'; END; \
        UPDATE lead SET n = 6 WHERE sfid = 'a'; END$$";
    assert_eq!(place.write(sql), ["u"; 6].join(" "));
}

#[test]
fn triggers_may_nest_deeply_and_fail_at_any_depth() {
    let mut place = with_trigger(
        "AFTER UPDATE ON lead FOR EACH ROW WHEN (pg_trigger_depth() < 4)",
        "BEGIN UPDATE lead SET n = n + 1 WHERE id = NEW.id; \
           IF pg_trigger_depth() = 3 AND NEW.id % 2 = 0 THEN RAISE 'too deep'; END IF; \
         EXCEPTION WHEN raise_exception THEN UPDATE lead SET name = name || pg_trigger_depth() WHERE id = NEW.id; END;",
    );
    place.write("ALTER TABLE lead DISABLE TRIGGER nested; UPDATE lead SET name = ''; ALTER TABLE lead ENABLE TRIGGER nested");
    let told = place.write("UPDATE lead SET n = 0");
    assert!(told.len() > 20, "{told}");
    place.write("UPDATE lead SET n = 1 WHERE id = 2");
}

#[test]
fn foreign_keys_to_the_same_table_cascade() {
    let table = |action: &str| {
        format!(
            "CREATE TABLE lead (id int PRIMARY KEY, sfid text UNIQUE, parent int REFERENCES lead ON DELETE {action} ON UPDATE CASCADE); \
             INSERT INTO lead SELECT i, 's' || i, nullif(i / 2, 0) FROM generate_series(1, 7) i"
        )
    };
    // 1 → 2, 3 → 4, 5, 6, 7
    let mut place = Place::new(&table("CASCADE"));
    assert_eq!(place.write("UPDATE lead SET id = 30 WHERE id = 3"), "u u u");
    assert_eq!(place.write("DELETE FROM lead WHERE id = 2"), "d d d");
    assert_eq!(place.write("DELETE FROM lead WHERE id IN (1, 6)"), "d d d d");
    let mut place = Place::new(&table("SET NULL"));
    assert_eq!(place.write("DELETE FROM lead WHERE id = 2"), "d u u");
    assert_eq!(place.write("UPDATE lead SET id = id + 100 WHERE id < 4"), "u u u u u");
    assert_eq!(place.write("DELETE FROM lead WHERE id IN (101, 103)"), "d d u u");
}

#[test]
fn foreign_keys_to_a_table_that_is_not_captured_cascade() {
    let mut place = Place::new(
        "CREATE TABLE account (id int PRIMARY KEY); INSERT INTO account SELECT generate_series(0, 4); \
         CREATE TABLE lead (sfid text UNIQUE, account int DEFAULT 0 REFERENCES account ON DELETE SET DEFAULT ON UPDATE CASCADE, \
           owner int REFERENCES account ON DELETE CASCADE ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED); \
         INSERT INTO lead SELECT 's' || i, i % 5, (i + 1) % 5 FROM generate_series(0, 9) i",
    );
    assert_eq!(place.write("UPDATE account SET id = 10 WHERE id = 1"), "u u u u");
    assert_eq!(place.write("BEGIN; DELETE FROM account WHERE id = 2; UPDATE lead SET owner = 3 WHERE sfid = 's0'; COMMIT"), "d d u u u");
    assert_eq!(place.write("DELETE FROM account WHERE id IN (3, 4)"), "d d d d d u u u u");
}

#[test]
fn a_default_may_write_what_the_statement_wrote() {
    let mut place = Place::new(
        "CREATE TABLE lead (sfid text UNIQUE, n int DEFAULT 0); \
         CREATE FUNCTION bump() RETURNS int LANGUAGE plpgsql AS $$BEGIN UPDATE lead SET n = n + 1; RETURN 5; END$$; \
         ALTER TABLE lead ALTER n SET DEFAULT bump()",
    );
    // None, one and two rows are there when the next comes.
    assert_eq!(place.write("INSERT INTO lead (sfid) VALUES ('a'), ('b'), ('c')"), "c c c u u u");
    let mut copy = place.client.copy_in("COPY lead (sfid) FROM STDIN").unwrap();
    std::io::Write::write_all(&mut copy, b"x\ny\n").unwrap();
    copy.finish().unwrap();
    assert_eq!(place.told(), "c c u u u u u u u");
}

#[test]
fn foreign_keys_that_cascade_meet_triggers_that_write() {
    let mut place = Place::new(&format!(
        "CREATE TABLE lead (id int PRIMARY KEY, sfid text UNIQUE, n int DEFAULT 0, parent int REFERENCES lead ON DELETE SET NULL); \
         INSERT INTO lead SELECT i, 's' || i, 0, nullif(i / 2, 0) FROM generate_series(1, 7) i; {}; {}",
        trigger(
            "a_count",
            "AFTER UPDATE OF parent ON lead FOR EACH ROW",
            "UPDATE lead SET n = n + 1 WHERE id = NEW.id;"
        ),
        trigger(
            "z_back",
            "AFTER DELETE ON lead FOR EACH ROW WHEN (OLD.id < 4)",
            "INSERT INTO lead (id, sfid) VALUES (OLD.id + 10, OLD.sfid);"
        ),
    ));
    assert_eq!(place.write("DELETE FROM lead WHERE id = 2"), "c d u u u u");
    assert_eq!(place.write("DELETE FROM lead WHERE id IN (1, 3)"), "c c d d u u u u");
}

#[test]
fn deferred_triggers_may_write_at_the_end_of_the_transaction() {
    let constraint = |name: &str| {
        format!(
            "{LEAD}; INSERT INTO lead (sfid, n) VALUES ('a', 1), ('b', 2); \
             CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $f$BEGIN \
               IF NEW.n < 100 THEN UPDATE lead SET n = n + 100 WHERE id = NEW.id; END IF; RETURN NULL; END$f$; \
             CREATE CONSTRAINT TRIGGER {name} AFTER INSERT OR UPDATE ON lead DEFERRABLE INITIALLY DEFERRED \
               FOR EACH ROW EXECUTE FUNCTION {name}()"
        )
    };
    let mut place = Place::new(&constraint("late"));
    assert_eq!(place.write("UPDATE lead SET n = 3"), "u u u u");
    assert_eq!(place.write("BEGIN; INSERT INTO lead (sfid) VALUES ('c'); UPDATE lead SET n = 4 WHERE sfid = 'a'; COMMIT"), "c u u u");
    assert_eq!(place.write("BEGIN; UPDATE lead SET n = 5 WHERE sfid = 'a'; SET CONSTRAINTS ALL IMMEDIATE; UPDATE lead SET n = 6 WHERE sfid = 'b'; COMMIT"), "u u u u");
    assert_eq!(place.write("BEGIN; UPDATE lead SET n = 7; ROLLBACK"), "");
    assert_eq!(place.write("BEGIN; SAVEPOINT s; UPDATE lead SET n = 8; ROLLBACK TO s; UPDATE lead SET n = 9 WHERE sfid = 'c'; COMMIT"), "u u");
}

#[test]
fn keys_may_change_places_under_a_deferred_constraint() {
    let mut place = Place::new(
        "CREATE TABLE lead (id int PRIMARY KEY, sfid text UNIQUE DEFERRABLE, parent int REFERENCES lead DEFERRABLE INITIALLY DEFERRED)",
    );
    assert_eq!(place.write("BEGIN; INSERT INTO lead VALUES (1, 'a', 2); INSERT INTO lead VALUES (2, 'b', NULL); COMMIT"), "c c");
    assert_eq!(
        place.write("UPDATE lead SET sfid = CASE sfid WHEN 'a' THEN 'b' ELSE 'a' END"),
        "u u"
    );
    assert_eq!(place.fails("BEGIN; INSERT INTO lead VALUES (3, 'c', 99); COMMIT"), "23503");
    assert_eq!(place.told(), "");
}
