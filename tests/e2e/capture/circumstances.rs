//! Who writes, and with what in sight.

use super::place::{LEAD, Place, run};
use crate::support::wait;
use crate::world::{LIMIT, World};

/// Traps for whoever trusts the search path: tables, types, functions and operators with the names of
/// the server's and of ours, each of which raises an error or gives nonsense.
fn traps(schema: &str) -> String {
    let functions = [
        ("now", "", "timestamptz"),
        ("nextval", "regclass", "bigint"),
        ("current_setting", "text", "text"),
        ("pg_current_xact_id", "", "xid8"),
        ("txid_current", "", "bigint"),
        ("capture", "", "trigger"),
        ("format", "text, text, text", "text"),
        ("count", "bigint", "bigint"),
    ];
    let mut sql = format!("CREATE SCHEMA {schema}; GRANT ALL ON SCHEMA {schema} TO PUBLIC; ");
    for (name, arguments, result) in functions {
        sql += &format!(
            "CREATE FUNCTION {schema}.{name}({arguments}) RETURNS {result} LANGUAGE plpgsql AS $$BEGIN RAISE 'trapped by {name}'; END$$; "
        );
    }
    for operator in ["=", "<", ">", "<=", ">=", "||"] {
        for operand in ["int", "bigint", "text", "name", "oid", "\"char\"", "xid8"] {
            let function = format!("{schema}.trap_{}", operand.trim_matches('"'));
            sql += &format!(
                "CREATE OR REPLACE FUNCTION {function}({operand}, {operand}) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE 'trapped by an operator'; END$$; \
                 CREATE OPERATOR {schema}.{operator} (FUNCTION = {function}, LEFTARG = {operand}, RIGHTARG = {operand}); "
            );
        }
    }
    for table in [
        "change",
        "change_0",
        "change_1",
        "change_2",
        "layout",
        "source",
        "capture",
        "pg_class",
        "pg_type",
        "pg_extension",
        "lead",
    ] {
        sql += &format!("CREATE TABLE {schema}.{table} (trap int); ");
    }
    sql + &format!(
        "CREATE SEQUENCE {schema}.change_seq; CREATE SEQUENCE {schema}.layout_seq; CREATE TYPE {schema}.mood AS ENUM ('trap')"
    )
}

#[test]
fn a_role_without_any_right_of_ours_is_captured_under_every_search_path() {
    let world = World::new();
    let mut place = Place::prepare(
        &world.database,
        "CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TABLE lead (sfid text, n int, m mood)",
    );
    place.start(&["lead"]);
    let name = place.name.clone();
    let role = format!("writer_{}", world.database.name);
    place.run(&traps("trap"));
    place.run(&format!(
        "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {name} TO {role}; GRANT INSERT, UPDATE, DELETE, TRUNCATE, SELECT (n) ON lead TO {role}; \
         REVOKE ALL ON SCHEMA manifold FROM PUBLIC; REVOKE ALL ON FUNCTION manifold.capture() FROM PUBLIC"
    ));
    let mut writer = world.database.connect_as(&role);
    run(
        &mut writer,
        "CREATE TEMP TABLE lead (trap int); CREATE TEMP TABLE change_0 (trap int); CREATE TEMP TABLE layout (trap int); CREATE TEMP TABLE pg_class (trap int)",
    );
    for path in [
        "trap, pg_catalog",
        "pg_temp, trap, pg_catalog",
        "''",
        "trap",
        "no_such_schema",
        "pg_temp, pg_catalog, trap",
    ] {
        let write = format!(
            "SET search_path = {path}; INSERT INTO {name}.lead VALUES ('a', 1, 'sad'), ('b', 2, 'happy'); UPDATE {name}.lead SET n = 3; \
             DELETE FROM {name}.lead; TRUNCATE {name}.lead"
        );
        run(&mut writer, &write);
        assert_eq!(place.told(), "c c d d t u u", "search_path {path}");
    }
    drop(writer);
    // Whoever asked, what is told names the type with its schema or without, in every row alike.
    let layouts = "SELECT count(*) FROM manifold.layout JOIN manifold.source USING (source_id) WHERE table_name = 'lead' AND org IS NOT NULL";
    assert_eq!(place.value::<i64>(layouts), 1, "one table, one layout");
    place.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn rows_that_the_writer_may_not_see_are_captured() {
    let mut place = Place::prepare(
        super::place::shared(),
        &format!("{LEAD}; INSERT INTO lead (sfid, n) VALUES ('old', 1), ('hidden', 2)"),
    );
    let (name, role) = (place.name.clone(), format!("writer_{}", place.name));
    // The owner himself is under the policy, too.
    place.run(&format!(
        "CREATE ROLE {role} LOGIN; ALTER TABLE lead OWNER TO {role}; GRANT USAGE ON SCHEMA {name} TO {role}; \
         ALTER TABLE lead ENABLE ROW LEVEL SECURITY; ALTER TABLE lead FORCE ROW LEVEL SECURITY; \
         CREATE POLICY seen ON lead USING (n <> 2) WITH CHECK (true)"
    ));
    place.start(&["lead"]);
    let mut writer = place.connect_as(&role);
    run(&mut writer, "INSERT INTO lead (sfid, n) VALUES ('a', 1); UPDATE lead SET n = 7");
    assert_eq!(place.told(), "c u u");
    run(&mut writer, "DELETE FROM lead");
    assert_eq!(place.told(), "d d");
    drop(writer);
    place.run(&format!(
        "ALTER TABLE lead OWNER TO postgres; DROP OWNED BY {role}; DROP ROLE {role}"
    ));
}

#[test]
fn the_rows_of_an_owner_without_rights_are_read_at_the_start() {
    let mut place = Place::prepare(
        super::place::shared(),
        &format!("{LEAD}; INSERT INTO lead (sfid) VALUES ('old')"),
    );
    let role = format!("owner_{}", place.name);
    // As after a REASSIGN: he owns the table and may neither see its schema nor read it.
    place.run(&format!(
        "CREATE ROLE {role}; ALTER TABLE lead OWNER TO {role}; REVOKE ALL ON lead FROM {role}"
    ));
    place.start(&["lead"]);
    assert_eq!(place.write("UPDATE lead SET n = 1"), "u");
    place.run(&format!(
        "ALTER TABLE lead OWNER TO postgres; DROP OWNED BY {role}; DROP ROLE {role}"
    ));
}

#[test]
fn replica_sessions_are_captured_with_all_statements() {
    let mut place = Place::new(LEAD);
    place.run("SET session_replication_role = replica");
    assert_eq!(place.write("INSERT INTO lead (sfid) VALUES ('a'), ('b'); UPDATE lead SET n = 1; DELETE FROM lead WHERE sfid = 'a'; TRUNCATE lead"), "c c d t u u");
    place.run("SET session_replication_role = local");
    assert_eq!(
        place.write("INSERT INTO lead (sfid) VALUES ('a') ON CONFLICT (sfid) DO UPDATE SET n = 2"),
        "c"
    );
}

#[test]
fn capture_goes_on_when_a_table_is_renamed_or_moved() {
    let mut place = Place::new(LEAD);
    let name = place.name.clone();
    place.write("INSERT INTO lead (sfid) VALUES ('a')");
    place.run(&format!("CREATE SCHEMA {name}_attic; ALTER TABLE lead SET SCHEMA {name}_attic; UPDATE {name}_attic.lead SET n = 1; ALTER TABLE {name}_attic.lead SET SCHEMA {name}"));
    assert_eq!(place.told(), "u");
    place.run("ALTER TABLE lead RENAME TO lead_old; UPDATE lead_old SET n = 2; ALTER TABLE lead_old RENAME TO lead");
    assert_eq!(place.told(), "u");
}

#[test]
fn a_start_in_a_transaction_that_writes_is_the_start_of_capture() {
    let mut place = Place::prepare(
        super::place::shared(),
        &format!("{LEAD}; INSERT INTO lead (sfid) VALUES ('old')"),
    );
    place.map("lead");
    place.listen();
    let name = place.name.clone();
    place.run(&format!("BEGIN; INSERT INTO lead (sfid) VALUES ('never'); SELECT manifold.start('{name}'); INSERT INTO lead (sfid) VALUES ('no'); ROLLBACK"));
    place.run("INSERT INTO lead (sfid) VALUES ('uncaptured')");
    assert_eq!(place.unchecked().len(), 0);
    place.run(&format!("BEGIN; INSERT INTO lead (sfid) VALUES ('before'); SELECT manifold.start('{name}'); INSERT INTO lead (sfid) VALUES ('after'); COMMIT"));
    place.backfilled();
    place.know(&["lead"]);
    assert_eq!(place.told(), "c r r r r");
    assert_eq!(place.write("DELETE FROM lead"), "d d d d");
}

#[test]
fn a_session_captures_for_the_extension_that_is_there_now() {
    let world = World::new();
    let mut place = Place::prepare(&world.database, LEAD);
    place.start(&["lead"]);
    let name = place.name.clone();
    assert_eq!(place.write("INSERT INTO lead (sfid) VALUES ('a')"), "c");
    let run = |place: &mut Place<'_>, sql: &str| {
        // A worker may be in the middle of a turn, and of two who wait for each other the server picks one.
        wait::until(sql, LIMIT, || {
            let outcome = place.client.batch_execute(sql);
            outcome.map_err(|error| {
                assert_eq!(error.code().map(|code| code.code()), Some("40P01"), "{error:?}");
                place.run("ROLLBACK");
                error.to_string()
            })
        });
    };
    run(
        &mut place,
        "DROP EXTENSION pg_manifold CASCADE; INSERT INTO lead (sfid) VALUES ('b'); DROP TABLE canonical.lead CASCADE; CREATE EXTENSION pg_manifold",
    );
    place.run(&format!("SELECT manifold.create_entity('lead'); SELECT manifold.add_org('{name}')"));
    place.start(&["lead"]);
    assert_eq!(place.write("UPDATE lead SET n = 1"), "u u");
    // Back again: what was dropped with it is there as it was.
    run(&mut place, "BEGIN; DROP EXTENSION pg_manifold CASCADE; UPDATE lead SET n = 2; ROLLBACK");
    assert_eq!(place.write("UPDATE lead SET n = 3"), "u u");
}

#[test]
fn starting_again_is_harmless_and_stopping_ends_capture() {
    let mut place = Place::new(LEAD);
    let name = place.name.clone();
    place.write("INSERT INTO lead (sfid) VALUES ('a'), ('b')");
    place.run(&format!("SELECT manifold.start('{name}')"));
    place.backfilled();
    assert_eq!(place.told(), "r r");
    assert_eq!(place.write("UPDATE lead SET n = 1"), "u u");
    place.run(&format!("SELECT manifold.stop('{name}')"));
    place.run("DELETE FROM lead WHERE sfid = 'a'");
    assert_eq!(place.unchecked().len(), 0);
    let triggers =
        "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'lead'::regclass AND NOT tgisinternal";
    assert_eq!(place.client.query_one(triggers, &[]).unwrap().get::<_, i64>(0), 0);
}
