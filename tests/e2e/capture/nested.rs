//! Triggers that write the very records that the statement around them writes: a consumer is told in
//! the order in which it happened.

use super::place::{LEAD, Place};

/// The table lead with three rows, and a trigger: `when` as CREATE TRIGGER has it, `body` of its
/// function in PL/pgSQL.
pub fn with_trigger(when: &str, body: &str) -> Place<'static> {
    Place::new(&format!(
        "{LEAD}; INSERT INTO lead (sfid, n) VALUES ('a', 1), ('b', 2), ('c', 3); {}",
        trigger("nested", when, body)
    ))
}

pub fn trigger(name: &str, when: &str, body: &str) -> String {
    format!(
        "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $f$BEGIN {body} RETURN NULL; END$f$; \
         CREATE TRIGGER {name} {when} EXECUTE FUNCTION {name}()"
    )
}

const FIRST: &str = "WHEN (pg_trigger_depth() = 0)";

#[test]
fn a_row_trigger_may_update_the_row_that_was_updated() {
    let mut place = with_trigger(
        &format!("AFTER UPDATE ON lead FOR EACH ROW {FIRST}"),
        "UPDATE lead SET name = 'seen ' || NEW.n WHERE id = NEW.id;",
    );
    assert_eq!(place.write("UPDATE lead SET n = 10 WHERE sfid = 'a'"), "u u");
    assert_eq!(place.write("UPDATE lead SET n = n + 1"), "u u u u u u");
    assert_eq!(
        place.write("BEGIN; UPDATE lead SET n = 0; UPDATE lead SET n = 1; COMMIT"),
        ["u"; 12].join(" ")
    );
}

#[test]
fn a_row_trigger_may_update_the_row_that_was_inserted() {
    let mut place = with_trigger(
        &format!("AFTER INSERT ON lead FOR EACH ROW {FIRST}"),
        "UPDATE lead SET name = 'seen' WHERE id = NEW.id;",
    );
    assert_eq!(place.write("INSERT INTO lead (sfid) VALUES ('d')"), "c u");
    assert_eq!(place.write("INSERT INTO lead (sfid) VALUES ('e'), ('f'), ('g')"), "c c c u u u");
    let upsert =
        "INSERT INTO lead (sfid) VALUES ('a'), ('h') ON CONFLICT (sfid) DO UPDATE SET n = -1";
    assert_eq!(place.write(upsert), "c u u");
    let mut copy = place.client.copy_in("COPY lead (sfid) FROM STDIN").unwrap();
    std::io::Write::write_all(&mut copy, b"i\nj\n").unwrap();
    copy.finish().unwrap();
    assert_eq!(place.told(), "c c u u");
}

#[test]
fn a_row_trigger_may_delete_the_row_that_was_inserted_or_updated() {
    let mut place = with_trigger(
        "AFTER INSERT OR UPDATE ON lead FOR EACH ROW WHEN (NEW.n < 0)",
        "DELETE FROM lead WHERE id = NEW.id;",
    );
    assert_eq!(
        place.write("INSERT INTO lead (sfid, n) VALUES ('d', -1), ('e', 1), ('f', -1)"),
        "c c c d d"
    );
    assert_eq!(place.write("UPDATE lead SET n = n - 2"), "d d u u u u");
}

#[test]
fn a_row_trigger_may_insert_again_what_was_deleted() {
    let mut place = with_trigger(
        "AFTER DELETE ON lead FOR EACH ROW",
        "INSERT INTO lead (sfid, n) VALUES (OLD.sfid, OLD.n + 1);",
    );
    assert_eq!(place.write("DELETE FROM lead WHERE sfid = 'a'"), "c d");
    assert_eq!(place.write("DELETE FROM lead"), "c c c d d d");
}

#[test]
fn a_row_trigger_may_delete_and_insert_what_was_updated() {
    let mut place = with_trigger(
        &format!("AFTER UPDATE ON lead FOR EACH ROW {FIRST}"),
        "DELETE FROM lead WHERE id = NEW.id; INSERT INTO lead (sfid, n) VALUES (NEW.sfid, NEW.n); \
         UPDATE lead SET name = 'third' WHERE sfid = NEW.sfid;",
    );
    assert_eq!(place.write("UPDATE lead SET n = n * 2 WHERE n > 1"), "c c d d u u u u");
}

#[test]
fn a_row_trigger_may_do_it_again_and_again() {
    let mut place = with_trigger(
        "AFTER UPDATE ON lead FOR EACH ROW WHEN (NEW.n < 6)",
        "UPDATE lead SET n = NEW.n + 1 WHERE id = NEW.id;",
    );
    // 1 → 2 … 6, 2 → 3 … 6, 3 → 4 … 6
    assert_eq!(place.write("UPDATE lead SET n = n + 1"), ["u"; 5 + 4 + 3].join(" "));
    place.run("UPDATE lead SET n = 3 WHERE sfid = 'a'");
    assert_eq!(place.told(), "u u u u");
}

#[test]
fn a_row_trigger_may_write_rows_that_the_statement_has_written_or_will() {
    // Each updated row touches all others of the statement, which were updated before it.
    let mut place = with_trigger(
        &format!("AFTER UPDATE ON lead FOR EACH ROW {FIRST}"),
        "UPDATE lead SET n = n + 100 WHERE id <> NEW.id;",
    );
    assert_eq!(place.write("UPDATE lead SET name = 'x'"), ["u"; 3 + 6].join(" "));
}

#[test]
fn a_before_trigger_may_update_a_row_that_the_statement_has_updated() {
    let mut place = with_trigger(
        &format!("BEFORE UPDATE ON lead FOR EACH ROW {FIRST}"),
        "UPDATE lead SET name = 'after ' || NEW.sfid WHERE id < NEW.id; RETURN NEW;",
    );
    // The rows are updated in the order in which they lie.
    assert_eq!(place.write("UPDATE lead SET n = n + 1"), ["u"; 3 + 1 + 2].join(" "));
}

#[test]
fn a_before_trigger_may_delete_an_older_duplicate() {
    let mut place = with_trigger(
        "BEFORE INSERT ON lead FOR EACH ROW",
        "DELETE FROM lead WHERE sfid = NEW.sfid; RETURN NEW;",
    );
    assert_eq!(place.write("INSERT INTO lead (sfid) VALUES ('a')"), "c d");
    // The second 'x' replaces the first of the same statement.
    assert_eq!(
        place.write("INSERT INTO lead (sfid, n) VALUES ('x', 1), ('b', 1), ('x', 2)"),
        "c c c d d"
    );
    let mut copy = place.client.copy_in("COPY lead (sfid) FROM STDIN").unwrap();
    std::io::Write::write_all(&mut copy, b"c\ny\nc\n").unwrap();
    copy.finish().unwrap();
    assert_eq!(place.told(), "c c c d d");
}

#[test]
fn a_before_trigger_may_free_the_key_that_an_update_takes() {
    let mut place = with_trigger(
        "BEFORE UPDATE ON lead FOR EACH ROW WHEN (OLD.sfid <> NEW.sfid)",
        "DELETE FROM lead WHERE sfid = NEW.sfid; RETURN NEW;",
    );
    assert_eq!(place.write("UPDATE lead SET sfid = 'b' WHERE sfid = 'a'"), "d u");
    assert_eq!(
        place.write(
            "INSERT INTO lead (sfid) VALUES ('b') ON CONFLICT (sfid) DO UPDATE SET sfid = 'c'"
        ),
        "d u"
    );
}

#[test]
fn a_before_trigger_may_replace_a_row_by_its_like() {
    // Nothing tells the new row from the old one.
    let mut place = Place::new(&format!(
        "CREATE TABLE lead (sfid text UNIQUE, name text); INSERT INTO lead VALUES ('a', 'x'), ('b', 'x'); {}",
        trigger(
            "replace",
            "BEFORE INSERT ON lead FOR EACH ROW",
            "DELETE FROM lead WHERE sfid = NEW.sfid; RETURN NEW;"
        )
    ));
    assert_eq!(place.write("INSERT INTO lead VALUES ('a', 'x')"), "c d");
    assert_eq!(
        place.write("INSERT INTO lead VALUES ('b', 'x'), ('c', 'x'), ('c', 'x')"),
        "c c c d d"
    );
}

#[test]
fn a_before_trigger_may_write_instead_of_the_statement() {
    let mut place = with_trigger(
        "BEFORE INSERT ON lead FOR EACH ROW WHEN (pg_trigger_depth() = 0)",
        "UPDATE lead SET n = NEW.n WHERE sfid = NEW.sfid; IF FOUND THEN RETURN NULL; END IF; RETURN NEW;",
    );
    assert_eq!(
        place.write("INSERT INTO lead (sfid, n) VALUES ('a', 10), ('z', 1), ('z', 2), ('a', 11)"),
        "c u u u"
    );
    assert_eq!(place.write("INSERT INTO lead (sfid, n) VALUES ('a', 12)"), "u");
}

#[test]
fn two_tables_may_write_each_other() {
    let mut place = Place::with(
        &format!(
            "{LEAD}; CREATE TABLE contact (LIKE lead INCLUDING ALL); INSERT INTO lead (sfid) VALUES ('a'), ('b'); \
             INSERT INTO contact (sfid) VALUES ('a'), ('b'); {}; {}",
            trigger(
                "ping",
                "AFTER UPDATE ON lead FOR EACH ROW WHEN (NEW.n < 4)",
                "UPDATE contact SET n = NEW.n + 1 WHERE sfid = NEW.sfid;"
            ),
            trigger(
                "pong",
                "AFTER UPDATE ON contact FOR EACH ROW WHEN (NEW.n < 4)",
                "UPDATE lead SET n = NEW.n + 1 WHERE sfid = NEW.sfid;"
            ),
        ),
        &["lead", "contact"],
    );
    assert_eq!(place.write("UPDATE lead SET n = 1"), ["u"; 8].join(" "));
}

#[test]
fn a_merge_may_have_triggers_that_write_what_it_writes() {
    let mut place = with_trigger(
        &format!("AFTER INSERT OR UPDATE OR DELETE ON lead FOR EACH ROW {FIRST}"),
        "IF TG_OP = 'DELETE' THEN INSERT INTO lead (sfid, name) VALUES (OLD.sfid, 'back'); \
         ELSE UPDATE lead SET name = TG_OP WHERE id = NEW.id; END IF;",
    );
    let merge = "MERGE INTO lead l USING (VALUES ('a', 0), ('b', 5), ('new', 6)) AS news (sfid, n) ON news.sfid = l.sfid \
        WHEN MATCHED AND news.n = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET n = news.n \
        WHEN NOT MATCHED THEN INSERT (sfid, n) VALUES (news.sfid, news.n)";
    assert_eq!(place.write(merge), "c c d u u u");
}
