//! What cannot be captured is refused at the start, with the reason.

use super::place::{LEAD, Place, run, shared};

/// Maps and starts `table`, and returns message and hint of the refusal.
fn refusal(setup: &str, table: &str) -> (String, String) {
    let mut place = Place::prepare(shared(), setup);
    let name = place.name.clone();
    let calls = format!(
        "SELECT manifold.set_mapping('{name}', '{table}', entity => 'lead', mapping => '{{\"fields\": {{\"city\": \"sfid\"}}}}'); \
         SELECT manifold.start('{name}', '{table}')"
    );
    let error = place.client.batch_execute(&calls).expect_err(table);
    let error = error.as_db_error().expect("the server's");
    assert_eq!(error.code().code(), "55000", "{table}: {error:?}");
    let hint = error.hint().unwrap_or_else(|| panic!("{table}: no hint: {error:?}"));
    let triggers: i64 = place.value(&format!(
        "SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid \
         WHERE relnamespace = '{name}'::regnamespace AND tgname LIKE '%manifold%'"
    ));
    assert_eq!(triggers, 0, "{table}: it was refused as a whole");
    (error.message().to_owned(), hint.to_owned())
}

#[test]
fn what_has_no_rows_of_its_own_is_refused() {
    let setup = format!(
        "{LEAD}; CREATE VIEW a_view AS SELECT * FROM lead; CREATE MATERIALIZED VIEW a_copy AS SELECT * FROM lead; \
         CREATE TYPE a_type AS (sfid text)"
    );
    for table in ["a_view", "a_copy"] {
        let (message, _) = refusal(&setup, table);
        assert!(message.contains(table), "{message}");
        assert!(!message.contains("does not exist"), "it is there, and no table: {message}");
    }
}

#[test]
fn foreign_tables_are_refused_wherever_they_are() {
    let server = |name: &str| {
        format!(
            "CREATE EXTENSION IF NOT EXISTS file_fdw SCHEMA public; CREATE SERVER IF NOT EXISTS files FOREIGN DATA WRAPPER file_fdw; {name}"
        )
    };
    let alone =
        server("CREATE FOREIGN TABLE far (sfid text) SERVER files OPTIONS (filename '/dev/null')");
    let (message, _) = refusal(&alone, "far");
    assert!(message.contains("foreign"), "{message}");
    let partition = server(
        "CREATE TABLE lead (sfid text, n int) PARTITION BY LIST (n); CREATE TABLE near PARTITION OF lead FOR VALUES IN (1); \
         CREATE FOREIGN TABLE far PARTITION OF lead FOR VALUES IN (2) SERVER files OPTIONS (filename '/dev/null')",
    );
    let (message, _) = refusal(&partition, "lead");
    assert!(message.contains("foreign") && message.contains("far"), "{message}");
    let child = server(
        "CREATE TABLE lead (sfid text); CREATE FOREIGN TABLE far () INHERITS (lead) SERVER files OPTIONS (filename '/dev/null')",
    );
    let (message, _) = refusal(&child, "lead");
    assert!(message.contains("foreign") && message.contains("far"), "{message}");
}

#[test]
fn tables_whose_rows_do_not_survive_are_refused() {
    let (message, hint) = refusal("CREATE UNLOGGED TABLE lead (sfid text)", "lead");
    assert!(message.contains("unlogged") && hint.contains("LOGGED"), "{message}: {hint}");
    let mut place = Place::prepare(shared(), "CREATE TEMP TABLE lead (sfid text)");
    let schema: String = place
        .client
        .query_one("SELECT pg_my_temp_schema()::regnamespace::text", &[])
        .unwrap()
        .get(0);
    assert_eq!(
        place.fails(&format!("SELECT manifold.add_org('temporary', schema => '{schema}')")),
        "22023"
    );
}

#[test]
fn a_captured_table_that_is_made_unlogged_is_reported() {
    let mut place = Place::new(LEAD);
    place.run("ALTER TABLE lead SET UNLOGGED");
    assert_eq!(place.write("INSERT INTO lead (sfid) VALUES ('a')"), "c");
    assert!(
        place.trouble("lead").is_some(),
        "a crash of the server would empty it, and nobody would know"
    );
    place.run("ALTER TABLE lead SET LOGGED");
    assert_eq!(place.trouble("lead"), None);
}

#[test]
fn a_foreign_child_of_a_captured_table_is_reported() {
    let mut place = Place::with(
        "CREATE EXTENSION IF NOT EXISTS postgres_fdw SCHEMA public; \
         CREATE TABLE lead (sfid text, n int); CREATE TABLE far_away (sfid text, n int); INSERT INTO far_away VALUES ('far', 1)",
        &["lead"],
    );
    let name = place.name.clone();
    place.run(&format!(
        "DO $$BEGIN EXECUTE format('CREATE SERVER {name}_loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host ''127.0.0.1'', port %L, dbname %L)', \
           current_setting('port'), current_database()); END$$; \
         CREATE USER MAPPING FOR CURRENT_USER SERVER {name}_loop OPTIONS (user 'postgres'); \
         CREATE FOREIGN TABLE far () INHERITS (lead) SERVER {name}_loop OPTIONS (schema_name '{name}', table_name 'far_away'); \
         INSERT INTO lead VALUES ('near', 1)"
    ));
    assert!(place.trouble("lead").is_some(), "rows of the foreign table are not captured");
    // The server collects no rows of foreign tables for any trigger.
    let refused = place.client.batch_execute("UPDATE lead SET n = 2").expect_err("refused");
    assert_eq!(refused.code().map(|code| code.code()), Some("0A000"), "{refused:?}");
    place.run("ALTER FOREIGN TABLE far NO INHERIT lead; UPDATE lead SET n = 2");
    assert_eq!(place.trouble("lead"), None);
}

#[test]
fn a_table_of_another_source_is_refused_as_a_part_of_this_one() {
    let mut place = Place::with(
        "CREATE TABLE lead (sfid text, n int) PARTITION BY LIST (n); CREATE TABLE lead_1 PARTITION OF lead FOR VALUES IN (1)",
        &["lead"],
    );
    place.map("lead_1");
    let mut client = place.connect();
    let name = place.name.clone();
    let error =
        client.batch_execute(&format!("SELECT manifold.start('{name}', 'lead_1')")).unwrap_err();
    let error = error.as_db_error().expect("the server's");
    assert_eq!(error.code().code(), "55000");
    assert!(error.hint().is_some_and(|hint| hint.contains("manifold.stop")), "{error:?}");
    assert_eq!(place.write("INSERT INTO lead_1 VALUES ('a', 1)"), "c");
    run(&mut client, &format!("SELECT manifold.stop('{name}', 'lead')"));
    run(&mut client, &format!("SELECT manifold.start('{name}', 'lead_1')"));
}
