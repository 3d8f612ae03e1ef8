//! Definitions that several people change at once, and fields that several tables fill.

use std::thread;

use crate::support::wait;
use crate::world::{LIMIT, World};

const LEAD: &str = r#"
    CREATE SCHEMA plain;
    CREATE TABLE plain.lead (id serial PRIMARY KEY, sfid varchar(18), city text, title text, rating text);
    CREATE TABLE plain.contact (id serial PRIMARY KEY, sfid varchar(18), city text, level__c text);
    INSERT INTO plain.lead (sfid, city, title, rating) VALUES ('00Q1', 'Rome', 'boss', 'hot');
    INSERT INTO plain.contact (sfid, city, level__c) VALUES ('0031', 'Oslo', 'warm');
    SELECT manifold.add_org('plain');
    SELECT manifold.set_mapping('plain', 'lead', 'lead', '{"fields": {"city": "city"}}');
    SELECT manifold.set_mapping('plain', 'contact', 'lead', '{"fields": {"city": "city"}}');
    SELECT manifold.start('plain')"#;

#[test]
fn a_default_and_a_mapping_that_are_set_at_once_both_count() {
    let mut world = World::new();
    world.run(LEAD);
    world.await_count("canonical.lead", 2);
    world.normalized();
    // The default concerns no mapping that there is yet, so nothing would be read again for it.
    let mut first = world.database.connect();
    let mut open = first.transaction().unwrap();
    open.batch_execute(
        r#"SELECT manifold.set_default('package', NULL, '{"fields": {"title": {"rules": ["upper"]}}}', entity => 'lead')"#,
    )
    .unwrap();
    let mut second = world.database.connect();
    let pid: i32 = second.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    let other = thread::spawn(move || {
        second.batch_execute(
            r#"SELECT manifold.set_mapping('plain', 'lead', 'lead', '{"fields": {"city": "city", "title": "title"}}')"#,
        )
    });
    let waits = format!("pg_locks WHERE pid = {pid} AND NOT granted");
    wait::until("the other to wait, or to be done", LIMIT, || {
        match other.is_finished() || world.count(&waits) > 0 {
            true => Ok(()),
            false => Err("neither"),
        }
    });
    if other.is_finished() {
        world.normalized();
    }
    open.commit().unwrap();
    other.join().unwrap().unwrap();
    world.normalized();
    world.await_text("SELECT title FROM canonical.lead WHERE sfid = '00Q1'", Some("BOSS"));

    let lasting =
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT manifold.set_org_class('plain', 'us')";
    let error = world.client.batch_execute(lasting).unwrap_err();
    let error = error.as_db_error().expect("the server's");
    assert_eq!(error.code().code(), "55000");
    assert!(error.hint().is_some_and(|hint| hint.contains("READ COMMITTED")), "{error:?}");
    world.run("ROLLBACK");
}

#[test]
fn a_field_is_promoted_in_the_tables_that_have_it() {
    let mut world = World::new();
    world.run(LEAD);
    world.await_count("canonical.lead", 2);
    let promoted = |world: &mut World<'_>, field: &str, columns: &str| -> String {
        world.value(&format!(
            "SELECT string_agg(concat_ws(' ', source, columns, version), '; ' ORDER BY source) \
             FROM manifold.promote_field('lead', '{field}', 'text', '{columns}')"
        ))
    };
    // Both feed leads, and only one has the column.
    let lines = promoted(&mut world, "heat", r#"{"plain": "rating"}"#);
    assert_eq!(lines, "contact {rating}; lead {rating} 2");
    // Each has its own.
    let lines = promoted(
        &mut world,
        "level",
        r#"{"plain": {"lead": {"column": "rating", "rules": ["upper"]}, "contact": "level__c"}}"#,
    );
    assert_eq!(lines, "contact {level__c} 2; lead {rating} 3");
    world.await_text(
        "SELECT string_agg(concat_ws(' ', sfid, coalesce(heat, '-'), level), '; ' ORDER BY sfid) FROM canonical.lead",
        Some("0031 - warm; 00Q1 hot HOT"),
    );
    for (columns, code, named) in [
        (r#"{"plain": "no_such"}"#, "22023", "no_such"),
        (r#"{"plain": {"contact": "rating"}}"#, "22023", "rating"),
        (r#"{"plain": {"account": "rating"}}"#, "55000", "account"),
        (r#"{"nobody": "rating"}"#, "42704", "nobody"),
    ] {
        let sql = format!("SELECT manifold.promote_field('lead', 'other', 'text', '{columns}')");
        let error = world.client.batch_execute(&sql).unwrap_err();
        let error = error.as_db_error().expect("the server's");
        assert_eq!(error.code().code(), code, "{columns}: {error:?}");
        assert!(error.message().contains(named), "{columns}: {error:?}");
    }
}
