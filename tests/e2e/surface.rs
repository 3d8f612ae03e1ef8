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
