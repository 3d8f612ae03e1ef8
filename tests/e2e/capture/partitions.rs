//! Partitioned tables, captured through the parent and through a partition.

use super::nested::trigger;
use super::place::{LEAD, Place};

/// Partitions of different columns, one of them with partitions of its own.
const TREE: &str = "CREATE TABLE lead (id int, gone int, sfid text, n int DEFAULT 0, region text DEFAULT 'eu', UNIQUE (sfid, region)) PARTITION BY LIST (region); \
    ALTER TABLE lead DROP gone; \
    CREATE TABLE lead_eu PARTITION OF lead FOR VALUES IN ('eu'); \
    CREATE TABLE lead_us (region text, other int, sfid text, n int, id int) PARTITION BY HASH (sfid); ALTER TABLE lead_us DROP other; \
    CREATE TABLE lead_us_0 PARTITION OF lead_us FOR VALUES WITH (MODULUS 2, REMAINDER 0); \
    CREATE TABLE lead_us_1 PARTITION OF lead_us FOR VALUES WITH (MODULUS 2, REMAINDER 1); \
    ALTER TABLE lead ATTACH PARTITION lead_us FOR VALUES IN ('us'); \
    CREATE TABLE lead_rest PARTITION OF lead DEFAULT; \
    INSERT INTO lead (sfid, region) VALUES ('old', 'eu'), ('older', 'us'), ('oldest', 'uk')";

#[test]
fn all_partitions_are_captured_with_their_parent_whichever_table_is_named() {
    let mut place = Place::new(TREE);
    for (sql, told) in [
        (
            "INSERT INTO lead (sfid, n, region) VALUES ('a', 1, 'eu'), ('b', 2, 'us'), ('c', 3, 'uk'), ('d', 4, 'us')",
            "c c c c",
        ),
        ("UPDATE lead SET n = n + 10 WHERE sfid < 'o'", "u u u u"),
        ("INSERT INTO lead_eu (sfid, n) VALUES ('e', 5)", "c"),
        (
            "INSERT INTO lead_us (sfid, n, region) SELECT 'us' || i, i, 'us' FROM generate_series(1, 5) i",
            "c c c c c",
        ),
        ("UPDATE lead_us SET n = 0 WHERE sfid = 'us1'", "u"),
        ("UPDATE lead_eu SET n = n + 1", "u u u"),
        (
            "INSERT INTO lead (sfid, n) VALUES ('a', 7), ('f', 8) ON CONFLICT (sfid, region) DO UPDATE SET n = excluded.n",
            "c u",
        ),
        (
            "MERGE INTO lead l USING (VALUES ('a', 0), ('f', 9), ('new', 1)) AS x (sfid, n) ON x.sfid = l.sfid AND region = 'eu' \
          WHEN MATCHED AND x.n = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET n = x.n WHEN NOT MATCHED THEN INSERT (sfid, n) VALUES (x.sfid, x.n)",
            "c d u",
        ),
        ("DELETE FROM lead WHERE sfid LIKE 'us%'", "d d d d d"),
        ("DELETE FROM lead_rest", "d d"),
        ("UPDATE lead SET n = 1 WHERE false", ""),
        (
            "BEGIN; UPDATE lead SET n = -1; SAVEPOINT s; DELETE FROM lead; ROLLBACK TO s; COMMIT",
            "u u u u u u u",
        ),
        ("BEGIN; DELETE FROM lead; ROLLBACK", ""),
        ("TRUNCATE lead", "t"),
    ] {
        assert_eq!(place.write(sql), told, "{sql}");
    }
    let mut copy =
        place.client.copy_in("COPY lead (sfid, n, region) FROM STDIN (FORMAT csv)").unwrap();
    let lines: Vec<_> =
        (0..3_000).map(|i| format!("s{i},{i},{}\n", ["eu", "us", "uk"][i % 3])).collect();
    std::io::Write::write_all(&mut copy, lines.concat().as_bytes()).unwrap();
    copy.finish().unwrap();
    assert_eq!(place.events().len(), 3_000);
}

#[test]
fn a_row_that_moves_between_partitions_is_told_once() {
    let mut place = Place::new(TREE);
    for sql in [
        "UPDATE lead SET region = 'us' WHERE sfid = 'old'",
        "UPDATE lead SET region = 'eu', sfid = 'moved' WHERE sfid = 'older'",
        "UPDATE lead_us SET sfid = sfid || '-', n = 5",
        "INSERT INTO lead (sfid, region) VALUES ('moved', 'eu') ON CONFLICT (sfid, region) DO UPDATE SET n = 3",
    ] {
        let told = place.write(sql);
        assert!(["u", "c d"].contains(&told.as_str()), "{sql}: {told}");
    }
    place.write("UPDATE lead SET region = CASE region WHEN 'eu' THEN 'us' ELSE 'eu' END");
    // A trigger of the partition that it moves to may refuse it: then it is gone.
    place.run(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
         CREATE TRIGGER refuse BEFORE INSERT ON lead_rest FOR EACH ROW EXECUTE FUNCTION refuse()",
    );
    assert_eq!(
        place.write("INSERT INTO lead (sfid, region) VALUES ('no', 'uk'), ('yes', 'eu')"),
        "c"
    );
    assert_eq!(place.write("UPDATE lead SET region = 'uk' WHERE sfid = 'yes'"), "d");
}

#[test]
fn partitions_that_come_and_go_are_told_or_troubled() {
    let mut place = Place::new(TREE);
    for sql in [
        "CREATE TABLE lead_asia PARTITION OF lead FOR VALUES IN ('asia')",
        "INSERT INTO lead (sfid, region) VALUES ('x', 'asia'); INSERT INTO lead_asia (sfid, region) VALUES ('y', 'asia'); UPDATE lead_asia SET n = 1",
        "TRUNCATE lead_eu",
        "BEGIN; INSERT INTO lead (sfid) VALUES ('kept'); DELETE FROM lead WHERE sfid = 'kept'; TRUNCATE lead_asia; COMMIT",
        "ALTER TABLE lead DETACH PARTITION lead_us",
        "ALTER TABLE lead ATTACH PARTITION lead_us FOR VALUES IN ('us', 'usa')",
        "CREATE TABLE lead_au (LIKE lead); INSERT INTO lead_au (sfid, region) VALUES ('z', 'au'); ALTER TABLE lead ATTACH PARTITION lead_au FOR VALUES IN ('au')",
        "UPDATE lead_au SET n = 3; INSERT INTO lead (sfid, region) VALUES ('zz', 'au')",
        "DROP TABLE lead_au",
        "ALTER TABLE lead DETACH PARTITION lead_rest",
    ] {
        place.run(sql);
        place.told_or_troubled("lead", sql);
    }
    // Detached, it is nobody's any more.
    assert_eq!(
        place.write(
            "INSERT INTO lead_rest (sfid, region) VALUES ('lost', 'uk'); UPDATE lead_rest SET n = 4"
        ),
        ""
    );
}

#[test]
fn a_partition_may_be_captured_by_itself() {
    let mut place = Place::with(TREE, &["lead_eu"]);
    for (sql, told) in [
        ("INSERT INTO lead (sfid, region) VALUES ('a', 'eu'), ('b', 'us')", "c"),
        ("INSERT INTO lead_eu (sfid) VALUES ('c')", "c"),
        ("UPDATE lead SET n = 1", "u u u"),
        ("UPDATE lead_eu SET n = 2 WHERE sfid = 'c'", "u"),
        ("UPDATE lead SET region = 'us' WHERE sfid = 'c'", "d"),
        ("UPDATE lead SET region = 'eu' WHERE sfid = 'b'", "c"),
        ("DELETE FROM lead WHERE sfid = 'b'", "d"),
        ("TRUNCATE lead_eu", "t"),
        ("INSERT INTO lead (sfid) VALUES ('d')", "c"),
        ("TRUNCATE lead", "t"),
        (
            "ALTER TABLE lead DETACH PARTITION lead_eu; INSERT INTO lead_eu (sfid) VALUES ('e'); UPDATE lead_eu SET n = 3",
            "c u",
        ),
    ] {
        assert_eq!(place.write(sql), told, "{sql}");
    }
}

#[test]
fn a_captured_table_that_is_made_a_partition_or_a_child_is_told_or_troubled() {
    let mut place = Place::new(&format!(
        "{LEAD}; CREATE TABLE top (id int NOT NULL, sfid text, name text, n int) PARTITION BY LIST (n)"
    ));
    place.write("INSERT INTO lead (id, sfid, n) VALUES (1, 'a', 1)");
    place.run("ALTER TABLE top ATTACH PARTITION lead FOR VALUES IN (1); INSERT INTO top (id, sfid, n) VALUES (2, 'b', 1); UPDATE top SET name = 'x'");
    place.told_or_troubled("lead", "ATTACH PARTITION");
    place.run("UPDATE top SET name = 'y'; ALTER TABLE top DETACH PARTITION lead; UPDATE lead SET name = 'z'");
    place.told_or_troubled("lead", "DETACH PARTITION");
    place.run("CREATE TABLE parent (sfid text, n int); ALTER TABLE lead INHERIT parent; UPDATE parent SET n = 7");
    place.told_or_troubled("lead", "INHERIT");
}

#[test]
fn what_is_written_within_writes_to_partitions_is_told_in_order() {
    let mut place = Place::new(&format!(
        "{TREE}; {}",
        trigger(
            "touch",
            "AFTER UPDATE ON lead FOR EACH ROW WHEN (pg_trigger_depth() = 0)",
            "UPDATE lead SET n = n + 100 WHERE sfid = NEW.sfid;"
        )
    ));
    assert_eq!(place.write("UPDATE lead SET n = 1"), ["u"; 3 + 3].join(" "));
    place.run(&format!(
        "DROP TRIGGER touch ON lead; {}",
        trigger(
            "again",
            "AFTER INSERT OR DELETE ON lead FOR EACH ROW WHEN (pg_trigger_depth() = 0)",
            "IF TG_OP = 'INSERT' THEN UPDATE lead SET n = 5 WHERE sfid = NEW.sfid; DELETE FROM lead WHERE sfid = 'old'; \
             ELSE INSERT INTO lead (sfid, region) VALUES (OLD.sfid, OLD.region); END IF;"
        )
    ));
    assert_eq!(
        place.write("INSERT INTO lead (sfid, region) VALUES ('a', 'eu'), ('b', 'us')"),
        "c c d u u"
    );
    assert_eq!(place.write("DELETE FROM lead WHERE sfid IN ('a', 'b', 'older')"), "c c c d d d");
    place.run(&format!(
        "DROP TRIGGER again ON lead; {}",
        trigger(
            "dedupe",
            "BEFORE INSERT ON lead FOR EACH ROW",
            "DELETE FROM lead WHERE sfid = NEW.sfid; RETURN NEW;"
        )
    ));
    assert_eq!(place.write("INSERT INTO lead (sfid) VALUES ('a'), ('c')"), "c c d");
    let sql = "DO $$BEGIN FOR i IN 1..4 LOOP BEGIN UPDATE lead SET n = i; IF i % 2 = 0 THEN RAISE 'no'; END IF; \
        EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; END$$";
    let n = place.rows("lead").len();
    assert_eq!(place.write(sql), vec!["u"; 2 * n].join(" "));
}

#[test]
fn rows_and_truncates_of_partitions_keep_their_order_across_savepoints() {
    let mut place = Place::new(TREE);
    for (sql, told) in [
        (
            "BEGIN; INSERT INTO lead (sfid) VALUES ('a'); SAVEPOINT s; UPDATE lead SET n = 1 WHERE sfid = 'a'; RELEASE s; UPDATE lead SET n = 2 WHERE sfid = 'a'; COMMIT",
            "c u u",
        ),
        (
            "BEGIN; UPDATE lead SET n = 3 WHERE sfid = 'a'; SAVEPOINT s; TRUNCATE lead; RELEASE s; COMMIT",
            "t u",
        ),
        (
            "BEGIN; INSERT INTO lead (sfid) VALUES ('a'); SAVEPOINT s; TRUNCATE lead; ROLLBACK TO s; UPDATE lead SET n = 4; COMMIT",
            "c u",
        ),
        (
            "BEGIN; SAVEPOINT s; DELETE FROM lead; SAVEPOINT t; INSERT INTO lead (sfid) VALUES ('b'); RELEASE s; TRUNCATE lead; INSERT INTO lead (sfid) VALUES ('c'); COMMIT",
            "c c d t",
        ),
    ] {
        assert_eq!(place.write(sql), told, "{sql}");
    }
    // More than one chunk, in a savepoint after a row that was there before it.
    place.run("BEGIN; INSERT INTO lead (sfid) VALUES ('first'); SAVEPOINT s; INSERT INTO lead (sfid) SELECT 's' || i FROM generate_series(1, 2000) i; COMMIT");
    assert_eq!(place.events().len(), 2_001);
}
