//! Every statement that changes rows, one at a time.

use std::io::Write as _;

use super::place::{LEAD, Place};

#[test]
fn every_form_of_insert_is_captured() {
    let mut place = Place::new(LEAD);
    for (sql, told) in [
        ("INSERT INTO lead (sfid) VALUES ('a')", "c"),
        ("INSERT INTO lead DEFAULT VALUES", "c"),
        ("INSERT INTO lead (sfid, name) VALUES ('b', 'x'), ('c', NULL), ('d', '')", "c c c"),
        ("INSERT INTO lead (sfid, n) SELECT 's' || i, i FROM generate_series(1, 3) i", "c c c"),
        (
            "INSERT INTO lead (sfid, name) SELECT sfid || '2', name FROM lead WHERE sfid IN ('a', 'b') RETURNING id",
            "c c",
        ),
        ("INSERT INTO lead (sfid) SELECT 'none' WHERE false", ""),
        ("INSERT INTO lead (sfid) VALUES ('a'), ('new') ON CONFLICT DO NOTHING", "c"),
        ("INSERT INTO lead (sfid) VALUES ('a') ON CONFLICT (sfid) DO NOTHING", ""),
        ("INSERT INTO lead (sfid) VALUES ('a') ON CONFLICT (sfid) DO UPDATE SET n = 9", "u"),
        (
            "INSERT INTO lead (sfid, n) VALUES ('e', 1), ('a', 2), ('f', 3), ('b', 4) \
          ON CONFLICT (sfid) DO UPDATE SET n = excluded.n, name = lead.name || '!'",
            "c c u u",
        ),
        (
            "INSERT INTO lead (sfid, n) VALUES ('g', 1), ('a', 2), ('b', 99) \
          ON CONFLICT (sfid) DO UPDATE SET n = excluded.n WHERE excluded.n > 50",
            "c u",
        ),
    ] {
        assert_eq!(place.write(sql), told, "{sql}");
    }
}

#[test]
fn every_row_of_a_copy_is_captured() {
    let mut place = Place::new(LEAD);
    let mut copy = place.client.copy_in("COPY lead (sfid, name, n) FROM STDIN").unwrap();
    for i in 0..2_500 {
        writeln!(copy, "s{i}\t{}\t{i}", if i % 7 == 0 { "\\N" } else { "na\\tme" }).unwrap();
    }
    copy.finish().unwrap();
    assert_eq!(place.events().len(), 2_500);
    // Rows one by one: with a row trigger COPY cannot hold them back.
    place.run(
        "CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN \
           IF NEW.n % 2 = 0 THEN RETURN NULL; END IF; NEW.name = 'kept'; RETURN NEW; END$$; \
         CREATE TRIGGER skip BEFORE INSERT ON lead FOR EACH ROW EXECUTE FUNCTION skip()",
    );
    let mut copy = place.client.copy_in("COPY lead (sfid, n) FROM STDIN (FORMAT csv)").unwrap();
    writeln!(copy, "t1,1\nt2,2\nt3,3").unwrap();
    copy.finish().unwrap();
    assert_eq!(place.told(), "c c");
    place.run("DROP TRIGGER skip ON lead; BEGIN; TRUNCATE lead");
    let mut copy = place.client.copy_in("COPY lead (sfid) FROM STDIN (FREEZE)").unwrap();
    writeln!(copy, "f1\nf2").unwrap();
    copy.finish().unwrap();
    assert_eq!(place.write("COMMIT"), "c c t");
    // A copy that breaks off leaves nothing.
    let before = place.logged();
    let mut copy = place.client.copy_in("COPY lead (sfid, n) FROM STDIN (FORMAT csv)").unwrap();
    writeln!(copy, "u1,1\nu1,3").unwrap();
    assert!(copy.finish().is_err());
    assert_eq!((place.told(), place.logged()), (String::new(), before));
}

#[test]
fn every_form_of_update_is_captured() {
    let mut place = Place::new(LEAD);
    place.write("INSERT INTO lead (sfid, n) SELECT 's' || i, i FROM generate_series(1, 5) i");
    place.run("CREATE TABLE other AS SELECT 's' || i AS sfid, 'n' || i AS name FROM generate_series(2, 4) i");
    for (sql, told) in [
        ("UPDATE lead SET name = 'x' WHERE sfid = 's1'", "u"),
        ("UPDATE lead SET n = n + 1", "u u u u u"),
        ("UPDATE lead SET n = n WHERE n < 4", "u u"),
        ("UPDATE lead l SET name = o.name FROM other o WHERE o.sfid = l.sfid", "u u u"),
        ("UPDATE lead SET (name, n) = (SELECT 'y', 7) WHERE sfid = 's5' RETURNING *", "u"),
        ("UPDATE lead SET sfid = sfid || 'z', id = id + 100 WHERE n > 4", "u u"),
        ("UPDATE lead SET sfid = NULL WHERE sfid = 's1'", "u"),
        ("UPDATE lead SET n = 1 WHERE false", ""),
        (
            "BEGIN; DECLARE here CURSOR FOR SELECT * FROM lead WHERE sfid = 's2' FOR UPDATE; FETCH here; \
          UPDATE lead SET n = -1 WHERE CURRENT OF here; COMMIT",
            "u",
        ),
        ("EXPLAIN (ANALYZE) UPDATE lead SET n = 3 WHERE sfid = 's2'", "u"),
        ("EXPLAIN UPDATE lead SET n = 4 WHERE sfid = 's2'", ""),
        ("SELECT * FROM lead FOR UPDATE", ""),
    ] {
        assert_eq!(place.write(sql), told, "{sql}");
    }
    let client = &mut place.client;
    let update = client.prepare("UPDATE lead SET name = $2 WHERE sfid = $1").unwrap();
    for name in ["p", "q"] {
        assert_eq!(client.execute(&update, &[&"s2", &name]).unwrap(), 1);
    }
    assert_eq!(place.told(), "u u");
}

#[test]
fn every_form_of_delete_is_captured() {
    let mut place = Place::new(LEAD);
    place.write("INSERT INTO lead (sfid, n) SELECT 's' || i, i FROM generate_series(1, 9) i");
    place.run("CREATE TABLE other AS SELECT 's3' AS sfid UNION ALL SELECT 's4'");
    for (sql, told) in [
        ("DELETE FROM lead WHERE sfid = 's1'", "d"),
        ("DELETE FROM lead l USING other o WHERE o.sfid = l.sfid", "d d"),
        ("DELETE FROM lead WHERE n = 5 RETURNING *", "d"),
        ("DELETE FROM lead WHERE false", ""),
        (
            "BEGIN; DECLARE here CURSOR FOR SELECT * FROM lead WHERE n = 6 FOR UPDATE; FETCH here; \
          DELETE FROM lead WHERE CURRENT OF here; COMMIT",
            "d",
        ),
        ("DELETE FROM lead", "d d d d"),
    ] {
        assert_eq!(place.write(sql), told, "{sql}");
    }
}

#[test]
fn a_merge_is_captured_with_all_its_actions() {
    let mut place = Place::new(LEAD);
    place.run("CREATE TABLE news (sfid text, what text)");
    place.write("INSERT INTO lead (sfid, n) VALUES ('a', 1), ('b', 2), ('c', 3), ('d', 4)");
    let merge = "MERGE INTO lead l USING news ON news.sfid = l.sfid \
        WHEN MATCHED AND what = 'gone' THEN DELETE \
        WHEN MATCHED AND what = 'same' THEN DO NOTHING \
        WHEN MATCHED THEN UPDATE SET name = what \
        WHEN NOT MATCHED AND what <> 'gone' THEN INSERT (sfid, name) VALUES (news.sfid, what)";
    place.run("INSERT INTO news VALUES ('a', 'gone'), ('b', 'x'), ('c', 'same'), ('e', 'new'), ('f', 'new'), ('g', 'gone')");
    assert_eq!(place.write(merge), "c c d u");
    place.run("TRUNCATE news; INSERT INTO news VALUES ('b', 'y'), ('c', 'z')");
    assert_eq!(place.write(merge), "u u");
    place.run("TRUNCATE news; INSERT INTO news VALUES ('b', 'same'), ('nobody', 'gone')");
    assert_eq!(place.write(merge), "");
}

#[test]
fn a_merge_may_free_a_key_and_take_it_again() {
    let mut place = Place::new(LEAD);
    place.write("INSERT INTO lead (id, sfid, n) VALUES (1, 'a', 1), (2, 'b', 2)");
    // Joined by a nested loop, in the order of the list: the key is free when it is taken.
    let merge = "SET enable_hashjoin = off; SET enable_mergejoin = off; \
        MERGE INTO lead l USING (VALUES (1, 'gone', 'a'), (7, 'new', 'a'), (2, 'move', 'c'), (8, 'new', 'b')) AS news (id, what, sfid) \
        ON news.id = l.id \
        WHEN MATCHED AND what = 'gone' THEN DELETE \
        WHEN MATCHED THEN UPDATE SET sfid = news.sfid \
        WHEN NOT MATCHED THEN INSERT (id, sfid) VALUES (news.id, news.sfid)";
    assert_eq!(place.write(merge), "c c d u");
}

#[test]
fn every_form_of_truncate_is_captured() {
    let mut place = Place::with(
        "CREATE TABLE lead (id int PRIMARY KEY, sfid text UNIQUE); CREATE TABLE contact (LIKE lead INCLUDING ALL); \
         CREATE TABLE task (LIKE lead INCLUDING ALL); ALTER TABLE task ADD lead int REFERENCES lead; \
         INSERT INTO lead VALUES (1, 'a'), (2, 'b'); INSERT INTO contact VALUES (1, 'c'); INSERT INTO task VALUES (1, 't', 1)",
        &["lead", "contact", "task"],
    );
    assert_eq!(place.write("TRUNCATE contact"), "t");
    assert_eq!(place.fails("TRUNCATE lead"), "0A000");
    assert_eq!(place.told(), "");
    assert_eq!(place.write("TRUNCATE lead CASCADE"), "t t");
    place.write("INSERT INTO lead VALUES (1, 'a'); INSERT INTO contact VALUES (1, 'c'); INSERT INTO task VALUES (1, 't', 1)");
    assert_eq!(place.write("TRUNCATE contact, lead, task RESTART IDENTITY"), "t t t");
    let reload = "BEGIN; INSERT INTO lead VALUES (1, 'old'); TRUNCATE lead CASCADE; INSERT INTO lead VALUES (1, 'new'); COMMIT";
    assert_eq!(place.write(reload), "c c t t");
    assert_eq!(place.write("BEGIN; TRUNCATE lead CASCADE; ROLLBACK"), "");
    assert_eq!(place.write("TRUNCATE ONLY contact"), "t");
}

#[test]
fn a_statement_that_touches_no_row_leaves_nothing_and_takes_no_transaction_id() {
    let mut place = Place::new(LEAD);
    place.write("INSERT INTO lead (sfid) VALUES ('a')");
    let before = place.logged();
    for sql in [
        "UPDATE lead SET n = 1 WHERE sfid = 'nobody'",
        "DELETE FROM lead WHERE sfid = 'nobody'",
        "INSERT INTO lead (sfid) SELECT sfid FROM lead WHERE false",
        "MERGE INTO lead USING (SELECT 1 WHERE false) AS x ON true WHEN MATCHED THEN DELETE",
    ] {
        let mut transaction = place.client.transaction().unwrap();
        transaction.batch_execute(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        let row =
            transaction.query_one("SELECT pg_current_xact_id_if_assigned() IS NULL", &[]).unwrap();
        assert!(row.get::<_, bool>(0), "{sql}");
        transaction.commit().unwrap();
        assert_eq!(place.told(), "", "{sql}");
    }
    assert_eq!(place.logged(), before);
}

#[test]
fn the_origin_of_each_write_is_kept() {
    let mut place = Place::new(LEAD);
    place.run("BEGIN; INSERT INTO lead (sfid) VALUES ('a'); SET LOCAL xmlbinary = hex; UPDATE lead SET n = 1; COMMIT; DELETE FROM lead");
    let origins: Vec<_> =
        place.events().into_iter().map(|event| (event.op, event.origin)).collect();
    let of = |op: &str| &origins.iter().find(|(o, _)| o == op).expect("an event").1;
    assert_eq!(of("c"), of("d"));
    assert_ne!(of("c"), of("u"));
}
