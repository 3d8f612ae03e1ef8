//! Statements together: in one transaction, in one another's WITH, behind views, rules and functions.

use super::place::{LEAD, Place};

#[test]
fn the_statements_of_a_transaction_are_told_in_their_order() {
    let mut place = Place::new(LEAD);
    let sql = "BEGIN; INSERT INTO lead (sfid, n) VALUES ('a', 1), ('b', 1); UPDATE lead SET n = 2; UPDATE lead SET n = 3 WHERE sfid = 'a'; \
        DELETE FROM lead WHERE sfid = 'a'; INSERT INTO lead (sfid, n) VALUES ('a', 4); UPDATE lead SET sfid = 'c' WHERE sfid = 'b'; \
        INSERT INTO lead (sfid) VALUES ('b'); DELETE FROM lead WHERE sfid = 'c'; COMMIT";
    assert_eq!(place.write(sql), "c c c c d d u u u u");
    assert_eq!(
        place.write(
            &sql.replace("COMMIT", "ROLLBACK")
                .replace("('a', 1), ('b', 1)", "('x', 1), ('y', 1)")
                .replace("'a'", "'x'")
                .replace("'b'", "'y'")
        ),
        ""
    );
}

#[test]
fn writes_in_with_queries_are_captured() {
    let mut place = Place::new(LEAD);
    for (sql, told) in [
        (
            "WITH a AS (INSERT INTO lead (sfid) VALUES ('a') RETURNING id), b AS (INSERT INTO lead (sfid) VALUES ('b'), ('c')) SELECT * FROM a",
            "c c c",
        ),
        (
            "WITH a AS (UPDATE lead SET n = 1 WHERE sfid = 'a'), b AS (UPDATE lead SET n = 2 WHERE sfid = 'b') UPDATE lead SET n = 3 WHERE sfid = 'c'",
            "u u u",
        ),
        (
            "WITH gone AS (DELETE FROM lead WHERE sfid = 'c'), new AS (INSERT INTO lead (sfid) VALUES ('d')) UPDATE lead SET name = 'x' WHERE sfid = 'a'",
            "c d u",
        ),
        (
            "WITH a AS (UPDATE lead SET n = n + 1 WHERE sfid < 'c' RETURNING sfid) INSERT INTO lead (sfid) SELECT sfid || '2' FROM a",
            "c c u u",
        ),
        (
            "WITH a AS (INSERT INTO lead (sfid) VALUES ('a'), ('e') ON CONFLICT (sfid) DO UPDATE SET name = 'again') SELECT 1",
            "c u",
        ),
        ("WITH a AS (DELETE FROM lead WHERE false) SELECT 1", ""),
    ] {
        assert_eq!(place.write(sql), told, "{sql}");
    }
}

#[test]
fn a_record_that_a_with_query_deletes_and_inserts_again_is_there_in_the_end() {
    let mut place = Place::new(LEAD);
    place.write("INSERT INTO lead (sfid, n) VALUES ('a', 1), ('b', 2), ('c', 3)");
    for sql in [
        "WITH gone AS (DELETE FROM lead WHERE sfid = 'a' RETURNING *) INSERT INTO lead (sfid, n) SELECT sfid, n + 10 FROM gone",
        "WITH gone AS (DELETE FROM lead WHERE sfid = 'b' RETURNING *), new AS (INSERT INTO lead (sfid, n) SELECT sfid, n + 10 FROM gone) SELECT 1",
        // The insert is over before the delete, which is read no further than it needs.
        "WITH gone AS (DELETE FROM lead WHERE sfid IN ('c') RETURNING *) INSERT INTO lead (sfid, n) SELECT sfid, n + 10 FROM gone LIMIT 1",
    ] {
        assert_eq!(place.write(sql), "c d", "{sql}");
    }
    assert_eq!(
        place.write("WITH gone AS (DELETE FROM lead RETURNING *) INSERT INTO lead (sfid, n) SELECT sfid, n FROM gone ORDER BY sfid DESC LIMIT 2"),
        "c c d d d"
    );
}

#[test]
fn writes_through_views_and_rules_are_captured() {
    let mut place = Place::new(LEAD);
    place.run(
        "CREATE VIEW plain AS SELECT sfid, n FROM lead; CREATE VIEW hidden AS SELECT sfid AS key FROM lead GROUP BY sfid; \
         CREATE FUNCTION through() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN \
           INSERT INTO lead (sfid, name) VALUES (NEW.key, 'through'); RETURN NEW; END$$; \
         CREATE TRIGGER through INSTEAD OF INSERT ON hidden FOR EACH ROW EXECUTE FUNCTION through(); \
         CREATE TABLE other (sfid text); \
         CREATE RULE also AS ON INSERT TO other DO ALSO INSERT INTO lead (sfid, name) VALUES (NEW.sfid, 'also'); \
         CREATE RULE instead AS ON DELETE TO other DO INSTEAD UPDATE lead SET n = -1 WHERE sfid = OLD.sfid",
    );
    for (sql, told) in [
        ("INSERT INTO plain VALUES ('a', 1), ('b', 2)", "c c"),
        ("UPDATE plain SET n = 3 WHERE sfid = 'a'", "u"),
        ("DELETE FROM plain WHERE sfid = 'b'", "d"),
        ("INSERT INTO hidden VALUES ('c'), ('d')", "c c"),
        ("INSERT INTO other VALUES ('e')", "c"),
        ("DELETE FROM other", "u"),
    ] {
        assert_eq!(place.write(sql), told, "{sql}");
    }
}

#[test]
fn a_rule_on_the_table_itself_changes_what_is_captured_and_nothing_else() {
    let mut place = Place::new(LEAD);
    place.write("INSERT INTO lead (sfid) VALUES ('a'), ('b')");
    place.run("CREATE RULE keep AS ON DELETE TO lead DO INSTEAD UPDATE lead SET name = 'deleted' WHERE id = OLD.id");
    assert_eq!(place.write("DELETE FROM lead WHERE sfid = 'a'"), "u");
    place.run("DROP RULE keep ON lead; CREATE RULE twice AS ON UPDATE TO lead WHERE NEW.n = 5 DO ALSO DELETE FROM lead WHERE sfid = 'b'");
    assert_eq!(place.write("UPDATE lead SET n = 5 WHERE sfid = 'a'"), "d u");
}

#[test]
fn writes_of_functions_and_procedures_are_captured() {
    let mut place = Place::new(LEAD);
    place.run(
        "CREATE FUNCTION add(key text) RETURNS int LANGUAGE sql AS \
           $$INSERT INTO lead (sfid) VALUES (key); UPDATE lead SET n = n + 1 WHERE sfid = key RETURNING n$$; \
         CREATE FUNCTION sweep() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$ \
           DECLARE r record; BEGIN FOR r IN UPDATE lead SET n = n * 2 RETURNING * LOOP \
             UPDATE lead SET name = 'seen' WHERE id = r.id; END LOOP; END$$; \
         CREATE PROCEDURE steps() LANGUAGE plpgsql AS $$BEGIN \
           INSERT INTO lead (sfid) VALUES ('step 1'); COMMIT; INSERT INTO lead (sfid) VALUES ('step 2'); ROLLBACK; \
           INSERT INTO lead (sfid) VALUES ('step 3'); END$$",
    );
    for (sql, told) in [
        ("SELECT add('f' || i) FROM generate_series(1, 3) i", "c c c u u u"),
        ("SELECT sweep()", "u u u u u u"),
        ("CALL steps()", "c c"),
        (
            "DO $$BEGIN EXECUTE 'DELETE FROM lead WHERE sfid = ''f1'''; PERFORM add('f1'); END$$",
            "c d u",
        ),
        (
            "DO $$DECLARE c refcursor; r record; BEGIN OPEN c FOR WITH x AS (DELETE FROM lead WHERE sfid LIKE 'f%' RETURNING *) SELECT * FROM x; \
           FETCH c INTO r; INSERT INTO lead (sfid) VALUES (r.sfid); CLOSE c; END$$",
            "c d d d",
        ),
    ] {
        assert_eq!(place.write(sql), told, "{sql}");
    }
}
