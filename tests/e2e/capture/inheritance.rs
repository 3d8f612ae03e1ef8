//! Tables that inherit, captured through the parent and through a child.

use super::place::Place;

/// One child has a column more, another one has two parents, and a grandchild.
const TREE: &str = "CREATE TABLE lead (sfid text, n int DEFAULT 0); CREATE TABLE other (more text); \
    CREATE TABLE child (extra int[]) INHERITS (lead); CREATE TABLE mixed () INHERITS (lead, other); CREATE TABLE grandchild (last text) INHERITS (child); \
    INSERT INTO lead VALUES ('p'); INSERT INTO child VALUES ('c', 1, '{1}'); INSERT INTO mixed VALUES ('b', 2, 'x'); INSERT INTO grandchild VALUES ('g', 3, NULL, 'z')";

fn tree(source: &str) -> Place<'static> {
    let mut place = Place::prepare(super::place::shared(), TREE);
    place.look_at(&["sfid", "n"]);
    place.start(&[source]);
    place
}

#[test]
fn all_children_are_captured_with_their_parent_whichever_table_is_named() {
    let mut place = tree("lead");
    for (sql, told) in [
        (
            "INSERT INTO lead VALUES ('p2', 1); INSERT INTO child VALUES ('c2', 1, '{2}'); INSERT INTO mixed VALUES ('b2', 1, 'y'); INSERT INTO grandchild VALUES ('g2', 1)",
            "c c c c",
        ),
        ("UPDATE lead SET n = n + 1", ["u"; 8].join(" ").as_str()),
        ("UPDATE ONLY lead SET n = 5", "u u"),
        ("UPDATE child SET extra = '{7}', n = 6", "u u u u"),
        ("UPDATE other SET more = 'z'", "u u"),
        ("DELETE FROM child WHERE sfid = 'g2'", "d"),
        ("DELETE FROM ONLY lead", "d d"),
        (
            "WITH gone AS (DELETE FROM mixed RETURNING *) INSERT INTO child SELECT sfid, n, '{3}' FROM gone",
            "c c d d",
        ),
        ("TRUNCATE lead", "t"),
    ] {
        assert_eq!(place.write(sql), told, "{sql}");
    }
}

#[test]
fn the_columns_of_a_child_are_told_as_well() {
    let mut place = tree("lead");
    place.run("UPDATE child SET extra = '{7,8}' WHERE sfid = 'c'");
    place.look_at(&["sfid", "n", "extra"]);
    let events = place.unchecked();
    let extra = |row: &Option<super::events::Row>| {
        row.as_ref().and_then(|row| row.get("extra").cloned()).flatten()
    };
    assert_eq!(events.len(), 1);
    assert_eq!(
        (extra(&events[0].before), extra(&events[0].after)),
        (Some("{1}".into()), Some("{7,8}".into()))
    );
}

#[test]
fn a_child_may_be_captured_by_itself() {
    let mut place = tree("mixed");
    for (sql, told) in [
        ("UPDATE lead SET n = 4", "u"),
        ("UPDATE other SET more = 'z'", "u"),
        ("INSERT INTO mixed VALUES ('b2', 5, 'y')", "c"),
        ("DELETE FROM lead WHERE n = 5", "d"),
        ("TRUNCATE other", "t"),
        ("INSERT INTO mixed VALUES ('b3', 6)", "c"),
        ("TRUNCATE mixed", "t"),
    ] {
        assert_eq!(place.write(sql), told, "{sql}");
    }
}

#[test]
fn children_that_come_and_go_are_told_or_troubled() {
    let mut place = tree("lead");
    for sql in [
        "TRUNCATE child",
        "TRUNCATE ONLY lead",
        "CREATE TABLE late (later int) INHERITS (lead); INSERT INTO late VALUES ('l', 1, 2); UPDATE lead SET n = 9",
        "INSERT INTO late VALUES ('l2', 1, 2); UPDATE late SET n = 3; DELETE FROM lead WHERE sfid = 'l'",
        "ALTER TABLE late NO INHERIT lead",
        "CREATE TABLE ready (LIKE lead); INSERT INTO ready VALUES ('r', 1); ALTER TABLE ready INHERIT lead; UPDATE lead SET n = 10",
        "DROP TABLE ready",
    ] {
        place.run(sql);
        place.told_or_troubled("lead", sql);
    }
    place.run("ALTER TABLE lead DROP n; ALTER TABLE lead ADD n int DEFAULT 3");
    place.altered("lead");
    assert_ne!(place.write("UPDATE lead SET n = 4"), "");
}
