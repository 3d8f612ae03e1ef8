//! Mappings against the real server: where values come from, and what the catalogue says of rules.

use crate::support::wait;
use crate::world::{LIMIT, World};

/// A schema `plain` with one table, and an entity for it.
const PLAIN: &str = r#"
    CREATE SCHEMA plain;
    CREATE TABLE plain.lead (id serial PRIMARY KEY, sfid varchar(18), kind__c text, mail_1__c text, mail_2__c text,
        solar__c boolean, pump__c boolean, q1__c text, q2__c double precision, day__c date, hour__c time, amount__c text);
    SELECT manifold.create_entity('thing', '[{"name": "mail", "type": "text"}, {"name": "tags", "type": "text[]"},
        {"name": "answers", "type": "jsonb"}, {"name": "at", "type": "timestamptz"}, {"name": "low", "type": "numeric"},
        {"name": "currency", "type": "char(3)"}, {"name": "kind", "type": "text"}, {"name": "made", "type": "integer"}]');
    SELECT manifold.add_org('plain')"#;

fn set(mapping: &str) -> String {
    format!(
        "SELECT manifold.set_mapping('plain', 'lead', entity => 'thing', mapping => $m${mapping}$m$)"
    )
}

/// Waits until a text is shown. Where the machine had no time for an expression, so that it took longer than
/// it may, it is retried.
fn await_retried(world: &mut World<'_>, sql: &str, expected: &str) {
    wait::until(&format!("{expected:?} from {sql}"), LIMIT, || {
        let found = world.value::<Option<String>>(sql).unwrap_or_default();
        if found == expected {
            return Ok(());
        }
        world.run("SELECT manifold.retry('plain', reason => 'sql_error')");
        world.await_count("manifold.reread", 0);
        world.normalized();
        Err(found)
    });
}

#[test]
fn values_come_from_everywhere_and_rows_only_while_the_mapping_wants_them() {
    let mut world = World::new();
    world.run(PLAIN);
    world.run(&set(r#"{"when": {"column": "kind__c", "not": "test"}, "fields": {
        "mail": {"first_of": [{"column": "mail_1__c", "rules": ["email"]}, {"column": "mail_2__c", "rules": ["email"]}]},
        "tags": {"checkboxes": [{"solar__c": "solar"}, {"pump__c": "heat pump"}]},
        "answers": {"object": {"q1": "q1__c", "q2": {"column": "q2__c", "when": {"column": "q2__c", ">": 0}}}},
        "at": {"moment": {"date": "day__c", "time": "hour__c", "zone": "Europe/Paris"}},
        "low": {"column": "amount__c", "rules": [{"span": "min"}]},
        "currency": {"constant": "EUR", "when": {"field": "low", "present": true}},
        "kind": {"column": "kind__c", "default": "none"},
        "made": {"sql": "length(source.q1__c) + 1 -- letters"}}}"#));
    world.run(
        "SELECT manifold.start('plain');
         INSERT INTO plain.lead (sfid, kind__c, mail_1__c, mail_2__c, solar__c, pump__c, q1__c, q2__c, day__c, hour__c, amount__c) VALUES
           ('a', NULL, 'nonsense', 'A@b.co', true, true, 'yes', 0, '2024-07-01', '09:30', '5k-10k'),
           ('b', 'x', NULL, 'nonsense', false, NULL, NULL, 2.5, '2024-07-01', NULL, 'a lot'),
           ('c', 'Test', 'c@d.co', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    );
    let rows = "SELECT string_agg(concat_ws('|', sfid, mail, tags, answers, at AT TIME ZONE 'UTC', low, currency, kind, made), '; ' ORDER BY sfid) FROM canonical.thing";
    await_retried(
        &mut world,
        rows,
        r#"a|a@b.co|{solar,"heat pump"}|{"q1": "yes"}|2024-07-01 07:30:00|5000|EUR|none|4; b|{"q2": 2.5}|x"#,
    );
    await_retried(
        &mut world,
        "SELECT string_agg(concat_ws('|', record, field, reason, value), '; ' ORDER BY record, field) FROM manifold.problem",
        "b|low|invalid_number|a lot; b|mail|invalid_email|nonsense",
    );
    // It stops to hold for one, and begins to hold for another.
    world.run("UPDATE plain.lead SET kind__c = CASE sfid WHEN 'c' THEN 'real' ELSE 'TEST' END WHERE sfid IN ('b', 'c')");
    world
        .await_text("SELECT string_agg(sfid, ',' ORDER BY sfid) FROM canonical.thing", Some("a,c"));
    world.await_text("SELECT string_agg(record::text, ',') FROM manifold.problem", None);
}

#[test]
fn sql_is_for_superusers_and_its_errors_are_problems_of_one_field() {
    let mut world = World::new();
    world.run(PLAIN);
    let mapping = r#"{"fields": {"kind": "kind__c", "made": {"sql": "CASE kind__c WHEN 'slow' THEN (SELECT 1 FROM pg_sleep(100000)) ELSE 6 / q2__c::integer END"}}}"#;
    let role = format!("onboarder_{}", world.database.name);
    world.run(&format!("CREATE ROLE {role} LOGIN; GRANT manifold_admin TO {role}"));
    let mut admin = world.database.connect_as(&role);
    let error = admin.batch_execute(&set(mapping)).unwrap_err();
    assert_eq!(error.code().map(|code| code.code()), Some("42501"), "{error:?}");
    let nested = r#"{"fields": {"kind": {"first_of": ["kind__c", {"sql": "1"}]}}}"#;
    assert!(admin.batch_execute(&set(nested)).is_err());
    admin.batch_execute(&set(r#"{"fields": {"kind": "kind__c"}}"#)).unwrap();
    drop(admin);
    world.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));

    world.run(&set(mapping));
    world.run(
        "SELECT manifold.start('plain');
         INSERT INTO plain.lead (sfid, kind__c, q2__c) VALUES
           ('a', 'good', 2), ('b', 'zero', 0), ('c', 'slow', 1), ('d', 'good', 3)",
    );
    await_retried(
        &mut world,
        "SELECT string_agg(concat_ws('|', sfid, kind, made), '; ' ORDER BY sfid) FROM canonical.thing",
        "a|good|3; b|zero; c|slow; d|good|2",
    );
    await_retried(
        &mut world,
        "SELECT string_agg(concat_ws('|', record, field, rule, reason, message), '; ' ORDER BY record) FROM manifold.problem",
        "b|made|sql|sql_error|division by zero; c|made|sql|sql_error|the SQL expression took longer than 1000 ms",
    );
    // What is wrong with the expression itself is a problem as well, and the org goes on.
    world.run(&set(r#"{"fields": {"kind": "kind__c", "made": {"sql": "no_such_column"}}}"#));
    world.await_text(
        "SELECT string_agg(DISTINCT reason, ',') || count(*) FROM manifold.problem",
        Some("sql_error4"),
    );
    world.run("DELETE FROM plain.lead");
    world.await_count("manifold.problem", 0);
}

#[test]
fn an_admin_previews_the_sql_that_is_in_force_and_no_other() {
    let mut world = World::new();
    world.run(PLAIN);
    world.run(&set(r#"{"fields": {"kind": "kind__c", "made": {"sql": "6 / q2__c::integer"}}}"#));
    world.run(
        "INSERT INTO plain.lead (sfid, kind__c, q2__c) VALUES ('a', 'good', 2), ('b', 'zero', 0)",
    );
    let role = format!("previewer_{}", world.database.name);
    world.run(&format!("CREATE ROLE {role} LOGIN; GRANT manifold_admin TO {role}"));
    let mut admin = world.database.connect_as(&role);
    let preview = "SELECT string_agg(concat_ws('|', record, fields ->> 'made', problems -> 0 ->> 'message'), '; ' \
        ORDER BY record) FROM manifold.preview('plain', 'lead'";
    let found = |admin: &mut postgres::Client| -> String {
        admin.query_one(&format!("{preview})"), &[]).unwrap().get(0)
    };
    let shows = |admin: &mut postgres::Client| {
        // On a machine that had no time for it, an expression may have taken too long.
        wait::until("the preview", LIMIT, || match found(admin) {
            found if found == "a|3; b|division by zero" => Ok(()),
            found => Err(found),
        });
    };
    shows(&mut admin);
    let own = format!("{preview}, mapping => '{{\"fields\": {{\"made\": {{\"sql\": \"1\"}}}}}}')");
    let error = admin.query_one(&own, &[]).unwrap_err();
    assert_eq!(error.code().map(|code| code.code()), Some("42501"), "{error:?}");
    shows(&mut admin);
    drop(admin);
    world.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn sql_comes_in_by_no_other_door_than_a_superusers() {
    let mut world = World::new();
    world.run(PLAIN);
    world.run(
        "CREATE SCHEMA other; CREATE TABLE other.lead (LIKE plain.lead INCLUDING ALL); SELECT manifold.add_org('other')",
    );
    let sql = r#"{"fields": {"kind": "kind__c", "made": {"sql": "1"}}}"#;
    let plain = r#"{"fields": {"kind": "kind__c"}}"#;
    world.run(&set(sql));
    world.run(&set(plain));
    let role = format!("onboarder_{}", world.database.name);
    world.run(&format!("CREATE ROLE {role} LOGIN; GRANT manifold_admin TO {role}"));
    let mut admin = world.database.connect_as(&role);
    let default = |level: &str, name: &str| {
        format!(
            "SELECT manifold.set_default('{level}', {name}, $m${{\"fields\": {{\"made\": {{\"first_of\": [\"q2__c\", {{\"sql\": \"1\"}}]}}}}}}$m$, entity => 'thing')"
        )
    };
    let mut refused = |world: &mut World<'_>, sql: &str| {
        let error = admin.batch_execute(sql).expect_err(sql);
        assert_eq!(error.code().map(|code| code.code()), Some("42501"), "{sql}: {error:?}");
        assert_eq!(world.count("manifold.mapping_default"), 0, "{sql}");
    };
    for statement in [
        "SELECT manifold.restore_mapping('plain', 'lead', 'thing', 1)".to_string(),
        format!(
            "SELECT * FROM manifold.preview('plain', 'lead', mapping => $m${sql}$m$, entity => 'thing')"
        ),
        format!(
            "SELECT * FROM manifold.preview_summary('plain', 'lead', mapping => $m${sql}$m$, entity => 'thing')"
        ),
        default("org", "'plain'"),
        default("package", "NULL"),
        // For orgs that have no mapping yet, or do not exist: it would take effect by what a superuser
        // sets later.
        default("org", "'other'"),
        default("class", "'nobody_yet'"),
        format!("SELECT manifold.add_org('third', schema => 'public', defaults => $m${sql}$m$)"),
    ] {
        refused(&mut world, &statement);
    }
    // A mapping that a superuser has set is not to be had for another org either, but may be changed in
    // its other fields.
    world.run(&set(sql));
    refused(&mut world, "SELECT * FROM manifold.copy_mapping('plain', 'other')");
    let more =
        r#"{"fields": {"kind": {"column": "kind__c", "rules": ["lower"]}, "made": {"sql": "1"}}}"#;
    admin.batch_execute(&set(more)).unwrap();
    let changed = r#"{"fields": {"kind": "kind__c", "made": {"sql": "2"}}}"#;
    assert!(admin.batch_execute(&set(changed)).is_err());
    drop(admin);
    world.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn sql_writes_nothing_whatever_it_calls() {
    let mut world = World::new();
    world.run(PLAIN);
    world.run(
        "CREATE TABLE plain.noted (what text);
         CREATE FUNCTION plain.note(what text) RETURNS text LANGUAGE plpgsql AS $$
           BEGIN
             IF what = 'sly' THEN PERFORM set_config('transaction_read_only', 'off', true); END IF;
             IF what <> 'quiet' THEN INSERT INTO plain.noted VALUES (what); END IF;
             RETURN 7;
           END $$",
    );
    world.run(&set(r#"{"fields": {"kind": "kind__c", "made": {"sql": "plain.note(kind__c)"}}}"#));
    world.run(
        "SELECT manifold.start('plain');
         INSERT INTO plain.lead (sfid, kind__c) VALUES ('a', 'loud'), ('b', 'quiet'), ('c', 'sly'), ('d', 'quiet')",
    );
    // The rows land all the same: what may not write is the expression alone.
    await_retried(
        &mut world,
        "SELECT string_agg(concat_ws('|', sfid, kind, made), '; ' ORDER BY sfid) FROM canonical.thing",
        "a|loud; b|quiet|7; c|sly; d|quiet|7",
    );
    await_retried(
        &mut world,
        "SELECT string_agg(concat_ws('|', record, field, reason, message), '; ' ORDER BY record) FROM manifold.problem",
        "a|made|sql_error|cannot execute INSERT in a read-only transaction; \
         c|made|sql_error|cannot set transaction read-write mode inside a read-only transaction",
    );
    assert_eq!(world.count("plain.noted"), 0);
}

#[test]
fn the_catalogue_explains_every_rule_and_a_mapping_takes_its_examples() {
    let mut world = World::new();
    world.run(PLAIN);
    let rows = world
        .client
        .query(
            "SELECT name, meaning, arguments, example, example_rules.value \
             FROM manifold.rules, jsonb_array_elements(examples) example_rules",
            &[],
        )
        .unwrap();
    assert!(rows.len() > 50);
    for row in rows {
        let (name, meaning): (String, String) = (row.get(0), row.get(1));
        let (example, json): (String, serde_json::Value) = (row.get(3), row.get(4));
        assert!(!meaning.is_empty() && !example.is_empty(), "{name}");
        // As jsonb, which keeps no order of members, the example is still a mapping's chain.
        let mapping = serde_json::json!({
            "fields": {"answers": {"column": "kind__c", "rules": json["rules"]}}
        });
        world.run(&set(&mapping.to_string()));
    }
}
