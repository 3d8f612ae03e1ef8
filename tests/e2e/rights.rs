//! Who may do what, and that writers need no rights of ours.

use crate::world::World;

#[test]
fn any_role_that_may_write_the_table_is_captured_under_any_search_path() {
    let mut world = World::new();
    let _acme = world.running("acme", 3);
    let role = format!("writer_{}", world.database.name);
    world.run(&format!(
        "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA acme TO {role}; \
         GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA acme TO {role}; \
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA acme TO {role}; \
         CREATE SCHEMA hostile AUTHORIZATION {role}"
    ));
    let mut writer = world.database.connect_as(&role);
    // Traps for code that trusts the search path: operators, functions and tables of the same names.
    // Heroku Connect's logger does trust it, so the writes are such as it does not log.
    writer
        .batch_execute(
            "SET xmlbinary = hex; CREATE TABLE hostile.pg_class (trap int); CREATE TABLE hostile.lead (trap int); \
             CREATE FUNCTION hostile.nextval(regclass) RETURNS bigint LANGUAGE plpgsql AS $$BEGIN RAISE 'trapped'; END$$; \
             CREATE FUNCTION hostile.now() RETURNS timestamptz LANGUAGE plpgsql AS $$BEGIN RAISE 'trapped'; END$$; \
             CREATE FUNCTION hostile.eq(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE 'trapped'; END$$; \
             CREATE OPERATOR hostile.= (FUNCTION = hostile.eq, LEFTARG = bigint, RIGHTARG = bigint)",
        )
        .unwrap();
    // Heroku Connect's own functions need public; the writes with its triggers off need nothing.
    for (n, path) in
        ["hostile, pg_catalog, public", "public", "hostile, pg_catalog, public, pg_temp"]
            .iter()
            .enumerate()
    {
        writer
            .batch_execute(&format!(
                "SET search_path = {path}; INSERT INTO acme.lead (sfid, city) VALUES ('00QROLE00000000{n}AA', 'by role'); \
                 UPDATE acme.lead SET city = 'by role' WHERE id = {}",
                n + 1
            ))
            .unwrap_or_else(|e| panic!("search_path {path}: {e:?}"));
    }
    world.await_count("canonical.lead WHERE city = 'by role'", 6);
    writer
        .batch_execute("RESET search_path; DELETE FROM acme.lead WHERE id = 1; TRUNCATE acme.lead")
        .unwrap();
    world.await_count("canonical.lead", 0);
    // It gains no way into the log by that.
    for sql in [
        "SELECT * FROM manifold.status",
        "SELECT manifold.stop('acme')",
        "SELECT * FROM canonical.lead",
    ] {
        let error = writer.batch_execute(sql).unwrap_err();
        assert_eq!(error.code().map(|c| c.code()), Some("42501"), "{sql}: {error:?}");
    }
    drop(writer);
    world.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn replica_sessions_are_captured_too() {
    let mut world = World::new();
    let _acme = world.running("acme", 3);
    world.run("SET session_replication_role = replica; UPDATE acme.lead SET city = 'replicated'; RESET session_replication_role");
    world.await_count("canonical.lead WHERE city = 'replicated'", 3);
}

#[test]
fn an_admin_onboards_and_a_reader_reads() {
    let mut world = World::new();
    let _acme = world.sync("acme", 5);
    let (admin, reader) =
        (format!("admin_{}", world.database.name), format!("reader_{}", world.database.name));
    world.run(&format!(
        "CREATE ROLE {admin} LOGIN; GRANT manifold_admin TO {admin}; \
         CREATE ROLE {reader} LOGIN; GRANT manifold_reader TO {reader}; \
         GRANT USAGE ON SCHEMA acme TO {admin}; GRANT SELECT, TRIGGER ON acme.lead TO {admin}"
    ));
    let mut client = world.database.connect_as(&admin);
    let mapping = crate::support::mapping::Mapping::load("acme");
    for sql in crate::support::manifold::onboarding("acme", &mapping.json) {
        client.batch_execute(&sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }
    world.await_count("canonical.lead", 5);
    for sql in [
        "SELECT manifold.pause('acme', 'publisher')",
        "SELECT manifold.resume('acme', 'publisher')",
        "SELECT * FROM manifold.peek('acme', 1)",
    ] {
        client.batch_execute(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }
    let error = client.batch_execute("SET manifold.kafka_options = 'a=b'").unwrap_err();
    assert!(error.code().is_some());

    let mut client = world.database.connect_as(&reader);
    for sql in ["TABLE manifold.status", "TABLE canonical.lead", "TABLE qc.lead"] {
        client.batch_execute(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }
    for sql in [
        "SELECT manifold.stop('acme')",
        "SELECT * FROM manifold.peek('acme', 1)",
        "UPDATE canonical.lead SET city = 'x'",
        "SHOW manifold.kafka_options",
    ] {
        let error = client.batch_execute(sql).expect_err(sql);
        assert_eq!(error.code().map(|c| c.code()), Some("42501"), "{sql}: {error:?}");
    }
    drop(client);
    world.run(&format!("DROP OWNED BY {admin}, {reader}"));
    world.run(&format!("DROP ROLE {admin}, {reader}"));
}
