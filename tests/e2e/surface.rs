//! The SQL that people see: all of it explained.

use crate::world::World;

#[test]
fn every_object_has_a_comment() {
    let mut world = World::new();
    let _acme = world.running("acme", 1);
    let uncommented = "
        SELECT format('%s %s', what, name) FROM (
            SELECT 'function' AS what, p.oid::regprocedure::text AS name, obj_description(p.oid, 'pg_proc') AS comment
              FROM pg_proc p WHERE pronamespace = 'manifold'::regnamespace
            UNION ALL
            SELECT 'relation', c.oid::regclass::text, obj_description(c.oid, 'pg_class')
              FROM pg_class c WHERE relnamespace::regnamespace::text IN ('manifold', 'canonical', 'qc')
               AND relkind IN ('r', 'v', 'm', 'p', 'S') AND NOT EXISTS
                   (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('a', 'i') AND c.relkind = 'S')
            UNION ALL
            SELECT 'column', format('%s.%s', c.oid::regclass, attname), col_description(c.oid, attnum)
              FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
             WHERE c.oid IN ('manifold.status'::regclass, 'manifold.problem'::regclass, 'manifold.problem_count'::regclass, 'manifold.problem_summary'::regclass,
                              'manifold.rules'::regclass)
            UNION ALL
            SELECT 'schema', nspname, obj_description(oid, 'pg_namespace') FROM pg_namespace
             WHERE nspname IN ('manifold', 'canonical', 'qc')
            UNION ALL
            SELECT 'type', oid::regtype::text, obj_description(oid, 'pg_type') FROM pg_type t
             WHERE typnamespace = 'manifold'::regnamespace AND typtype IN ('e', 'd', 'b') AND typelem = 0
            UNION ALL
            SELECT 'role', rolname, shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname LIKE 'manifold%'
        ) objects WHERE coalesce(comment, '') = '' ORDER BY 1";
    let rows = world.client.query(uncommented, &[]).unwrap_or_else(|e| panic!("{e:?}"));
    let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(names.is_empty(), "without a comment:\n{}", names.join("\n"));
}

#[test]
fn arguments_are_named() {
    let mut world = World::new();
    let rows = world
        .client
        .query(
            "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'manifold'::regnamespace \
             AND pronargs > 0 AND prorettype <> 'trigger'::regtype AND (proargnames IS NULL OR '' = ANY (proargnames))",
            &[],
        )
        .unwrap();
    let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(names.is_empty(), "arguments without a name: {names:?}");
}

#[test]
fn settings_are_described() {
    let mut world = World::new();
    let sql = "SELECT count(*) FROM pg_settings WHERE name = $1 AND short_desc <> ''";
    for name in ["kafka_brokers", "topic_prefix", "normalize_max_rows_per_second"] {
        let count: i64 =
            world.client.query_one(sql, &[&format!("manifold.{name}")]).unwrap().get(0);
        assert_eq!(count, 1, "manifold.{name}");
    }
}

/// The functions of the schema that satisfy a condition on `p`, by name.
fn functions(world: &mut World<'_>, condition: &str) -> Vec<String> {
    let sql = format!(
        "SELECT DISTINCT proname::text COLLATE \"C\" FROM pg_proc p \
         WHERE pronamespace = 'manifold'::regnamespace AND {condition} ORDER BY 1"
    );
    let rows = world.client.query(&sql, &[]).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn no_function_trusts_the_search_path_and_few_act_as_their_owner() {
    let mut world = World::new();
    // The trigger function runs no SQL.
    let trusting = functions(
        &mut world,
        "prosqlbody IS NULL AND NOT 'search_path=pg_catalog, pg_temp' = ANY (coalesce(proconfig, '{}'))",
    );
    assert_eq!(trusting, ["capture"]);
    let definers = functions(&mut world, "prosecdef");
    assert_eq!(definers, ["capture_trouble", "lag", "log_holders"]);
}

#[test]
fn a_stranger_may_do_nothing() {
    let mut world = World::new();
    let _acme = world.running("acme", 1);
    let role = format!("stranger_{}", world.database.name);
    world.run(&format!("CREATE ROLE {role}"));
    // What anybody may call asks for the role itself, before it looks at what it is given.
    let may = format!("has_function_privilege('{role}', p.oid, 'EXECUTE')");
    let harmless = ["rule_catalogue", "source_lane"];
    let calls = format!(
        "SELECT proname::text, format('SELECT * FROM manifold.%I(%s)', proname, \
           (SELECT string_agg(format('NULL::%s', type::regtype), ', ' ORDER BY n) \
           FROM unnest(proargtypes::oid[]) WITH ORDINALITY AS t (type, n))) \
         FROM pg_proc p WHERE pronamespace = 'manifold'::regnamespace AND {may} ORDER BY 1"
    );
    let calls = world.client.query(&calls, &[]).unwrap();
    assert!(calls.len() > 25, "{} functions for all", calls.len());
    world.run(&format!("SET ROLE {role}"));
    for call in calls {
        let (name, sql): (String, String) = (call.get(0), call.get(1));
        if harmless.contains(&name.as_str()) {
            continue;
        }
        let error = world.client.query(&sql, &[]).err().unwrap_or_else(|| panic!("{sql} is done"));
        let error = error.as_db_error().unwrap_or_else(|| panic!("{sql}: {error:?}"));
        assert_eq!(error.code().code(), "42501", "{sql}: {error:?}");
        assert!(error.message().contains("manifold_admin"), "{sql}: {error:?}");
        assert!(error.hint().is_some_and(|hint| hint.contains(&role)), "{sql}: {error:?}");
    }
    world.run("RESET ROLE");
    // Trigger functions and those of the workers are for nobody.
    let others = functions(&mut world, &format!("prorettype = 'trigger'::regtype AND {may}"));
    assert_eq!(others, Vec::<String>::new());
    let readable = "SELECT string_agg(c.oid::regclass::text, ', ' ORDER BY 1) FROM pg_class c \
        WHERE relnamespace::regnamespace::text IN ('manifold', 'canonical', 'qc') AND relkind IN ('r', 'v', 'm', 'p', 'S') \
          AND CASE relkind WHEN 'S' THEN has_sequence_privilege($1, c.oid, 'USAGE, SELECT, UPDATE') \
              ELSE has_table_privilege($1, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') END";
    let readable: Option<String> =
        world.client.query_one(&readable.replace("$1", &format!("'{role}'")), &[]).unwrap().get(0);
    assert_eq!(readable.as_deref(), Some("manifold.rules"));
    world.run(&format!("DROP ROLE {role}"));
}
