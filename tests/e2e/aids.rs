//! What helps an admin to bring an org live: suggestions, previews, defaults, copies, history, and fields
//! that are promoted.

use postgres::Client;
use serde_json::{Value, json};

use crate::support::heroku_connect::literal;
use crate::support::manifold;
use crate::support::mapping::Mapping;
use crate::support::wait;
use crate::world::{LIMIT, World, cluster_with};

const ADD_ACME: &str = "SELECT manifold.add_org('acme', phone_region => 'US')";

fn set(org: &str, mapping: &Value) -> String {
    let mapping = literal(Some(&mapping.to_string()));
    format!("SELECT manifold.set_mapping('{org}', 'lead', 'lead', {mapping})")
}

fn texts(client: &mut Client, sql: &str) -> Vec<String> {
    let rows = client.query(sql, &[]).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or_default()).collect()
}

/// What was asked of the source's backfill last.
fn backfill(world: &mut World<'_>, org: &str) -> String {
    world.value(&format!(
        "SELECT coalesce(max(b.requested_at)::text, 'never') FROM manifold.backfill b \
         JOIN manifold.source s USING (source_id) WHERE s.org = '{org}'"
    ))
}

#[test]
fn a_suggested_mapping_can_be_previewed_and_set_and_the_preview_tells_what_comes() {
    let mut world = World::new();
    let _acme = world.sync("acme", 300);
    world.run(ADD_ACME);
    let first = "SELECT array_to_string(columns, ' ') FROM manifold.suggest_mapping('acme', 'lead', 'lead') \
                 WHERE rank = 1 AND field = ";
    for (field, column) in [
        ("birth_date", "birthdate__c"),
        ("respondent_id", "external_id__c"),
        ("source", "leadsource"),
    ] {
        assert_eq!(texts(&mut world.client, &format!("{first}'{field}'")), [column]);
    }
    let told = texts(
        &mut world.client,
        "SELECT field FROM manifold.suggest_mapping('acme', 'lead') \
         WHERE rank = 1 AND (confidence NOT BETWEEN 0 AND 1 OR reason = '' OR mapping IS NULL)",
    );
    assert!(told.is_empty(), "{told:?}");
    // Nothing is written: it works where nothing can be.
    let mapping: Value = world.value("SELECT manifold.suggested_mapping('acme', 'lead', 'lead')");
    assert!(mapping["fields"].as_object().is_some_and(|fields| fields.len() >= 25), "{mapping}");
    let given = literal(Some(&mapping.to_string()));
    world.run("BEGIN READ ONLY");
    let rows = world.count(&format!("manifold.preview('acme', 'lead', 300, mapping => {given})"));
    world.run("COMMIT");
    assert_eq!(rows, 300);
    assert_eq!(world.count("manifold.mapping"), 0);
    world.run(&format!("CREATE TABLE told AS SELECT * FROM manifold.preview('acme', 'lead', 300, mapping => {given})"));
    world.run(&set("acme", &mapping));
    world.run("SELECT manifold.start('acme')");
    world.await_count("canonical.lead WHERE org = 'acme'", 300);
    world.normalized();
    let other = texts(
        &mut world.client,
        "SELECT concat_ws(' ', t.record, t.fields, to_jsonb(c), t.extras) FROM told t FULL JOIN canonical.lead c ON c.sfid = t.record \
         WHERE t.fields IS DISTINCT FROM to_jsonb(c) - '{org,sfid,extras,source_table,mapping_version,event_id,normalized_at}'::text[] \
            OR t.extras IS DISTINCT FROM c.extras LIMIT 1",
    );
    assert!(other.is_empty(), "canonical rows that the preview did not tell: {other:?}");
    let problems = "SELECT string_agg(record || field || reason, ',' ORDER BY record COLLATE \"C\", field COLLATE \"C\") FROM ";
    let told: Option<String> = world.value(&format!(
        "{problems} (SELECT t.record, p->>'field' AS field, p->>'reason' AS reason \
           FROM told t, jsonb_array_elements(problems) p) x"
    ));
    let came: Option<String> = world.value(&format!("{problems} manifold.problem"));
    assert_eq!(told, came);
    assert!(told.is_some_and(|told| told.contains("out_of_range")));
}

#[test]
fn the_summary_counts_by_field_and_reason() {
    let mut world = World::new();
    let _acme = world.sync("acme", 200);
    world.run(ADD_ACME);
    let mapping = r#"'{"fields": {"score": "lead_score__c", "city": "city",
        "status": {"column": "status", "rules": [{"map": {"Qualified": "qualified"}}]}}}'"#;
    let line = |world: &mut World<'_>, field: &str| -> Value {
        world.value(&format!(
            "SELECT to_jsonb(s) FROM manifold.preview_summary('acme', 'lead', 1000, mapping => {mapping}) s WHERE field = '{field}'"
        ))
    };
    let truth: Value = world.value(
        "SELECT jsonb_build_object('filled', count(*) FILTER (WHERE lead_score__c BETWEEN 0 AND 100), \
           'empty', count(*) FILTER (WHERE lead_score__c IS NULL), \
           'problems', count(*) FILTER (WHERE lead_score__c NOT BETWEEN 0 AND 100)) FROM acme.lead",
    );
    let score = line(&mut world, "score");
    for name in ["filled", "empty", "problems"] {
        assert_eq!(score[name], truth[name], "{name}: {score}");
    }
    assert_eq!(score["reasons"], json!({"out_of_range": truth["problems"]}));
    let status = line(&mut world, "status");
    let most: String = world.value(
        "SELECT count(*)::text FROM acme.lead WHERE lower(status) <> 'qualified' GROUP BY status ORDER BY count(*) DESC LIMIT 1",
    );
    assert_eq!(status["offending"][0]["times"].to_string(), most, "{status}");
    assert_eq!(status["offending"][0]["reason"], "unmapped_value");
    let whole = line(&mut world, "*");
    assert_eq!((&whole["filled"], &whole["problems"]), (&json!(200), &json!(0)));
}

#[test]
fn history_going_back_and_what_is_read_again() {
    let mut world = World::new();
    let _acme = world.sync("acme", 50);
    world.run(ADD_ACME);
    world.run(&set("acme", &json!({"fields": {"city": "city", "title": "title"}})));
    world.run("SELECT manifold.start('acme')");
    world.normalized();
    let asked = backfill(&mut world, "acme");
    // The same, and the same in other words: nothing is read again.
    world.run(&set("acme", &json!({"fields": {"city": "city", "title": "title"}})));
    world.run(&set(
        "acme",
        &json!({"fields": {"title": {"column": "title", "rules": ["squeeze"]}, "city": "city"}}),
    ));
    assert_eq!(backfill(&mut world, "acme"), asked);
    assert_eq!(world.count("manifold.mapping"), 2);
    world.run(&set("acme", &json!({"fields": {"title": "company", "city": "city"}})));
    assert_ne!(backfill(&mut world, "acme"), asked);
    world.normalized();
    assert_eq!(world.count("canonical.lead c JOIN acme.lead l USING (sfid) WHERE c.title IS DISTINCT FROM l.company"), 0);
    let back: i32 = world.value("SELECT manifold.restore_mapping('acme', 'lead', 'lead', 1)");
    assert_eq!(back, 4);
    world.normalized();
    assert_eq!(
        world.count(
            "canonical.lead c JOIN acme.lead l USING (sfid) WHERE c.title IS DISTINCT FROM l.title"
        ),
        0
    );
    let history = texts(
        &mut world.client,
        "SELECT concat_ws(' ', version, active, note, array_to_string(changes, '; ')) FROM manifold.mapping_history('acme', 'lead', 'lead') \
         WHERE created_by = session_user AND created_at <= now()",
    );
    assert_eq!(
        history,
        [
            r#"4 t restores version 1 title.source: "company" → "title""#,
            r#"3 f title.source: "title" → "company""#,
            "2 f ",
            "1 f",
        ]
    );
    let differs = texts(
        &mut world.client,
        "SELECT concat_ws(' ', field, part, a, b) FROM manifold.mapping_diff('acme', 'lead', 'lead', 1, 3)",
    );
    assert_eq!(differs, [r#"title source "title" "company""#]);
}

#[test]
fn defaults_at_three_levels_and_where_each_part_comes_from() {
    let mut world = World::new();
    let _orgs = [world.sync("acme", 20), world.sync("globex", 20)];
    world.run("SELECT manifold.add_org('acme', class => 'us'); SELECT manifold.add_org('globex')");
    for org in ["acme", "globex"] {
        world.run(&set(org, &json!({"fields": {"status": "status", "city": "city"}})));
        world.run(&format!("SELECT manifold.start('{org}')"));
    }
    world.normalized();
    let (acme, globex) = (backfill(&mut world, "acme"), backfill(&mut world, "globex"));
    let table = |meaning: &str| json!({"fields": {"status": {"rules": [{"map": {"Qualified": meaning}, "default": "other"}]}}});
    let set_default = |place: &str, defaults: &Value| {
        let defaults = literal(Some(&defaults.to_string()));
        format!(
            "SELECT array_to_string(manifold.set_default({place}, {defaults}, entity => 'lead'), ' ')"
        )
    };
    let orgs: String = world.value(&set_default("'class', 'us'", &table("of the class")));
    assert_eq!(orgs, "acme", "only the orgs of the class");
    assert_ne!(backfill(&mut world, "acme"), acme);
    assert_eq!(backfill(&mut world, "globex"), globex, "its plan is the same");
    world.normalized();
    assert!(world.count("canonical.lead WHERE org = 'acme' AND status = 'of the class'") > 0);
    // A column that an org lacks is no trouble where a default names it.
    let package =
        json!({"rules": {"squeeze": {}}, "fields": {"company": "company", "title": "no_such__c"}});
    let refused = world.client.batch_execute(&set_default("'package', NULL", &package));
    assert!(refused.is_err(), "squeeze takes no argument");
    let package =
        json!({"fields": {"company": "company", "title": "no_such__c", "status": {"rules": []}}});
    let orgs: String = world.value(&set_default("'package', NULL", &package));
    assert_eq!(orgs, "acme globex");
    let orgs: String = world.value(&set_default("'org', 'acme'", &table("of the org")));
    assert_eq!(orgs, "acme");
    world.normalized();
    assert_eq!(world.count("canonical.lead c JOIN acme.lead l USING (sfid) WHERE c.company IS DISTINCT FROM regexp_replace(btrim(l.company), '\\s+', ' ', 'g')"), 0);
    let explained = |world: &mut World<'_>, org: &str| {
        texts(
            &mut world.client,
            &format!(
                "SELECT concat_ws(' ', field, part, level) FROM manifold.explain_mapping('{org}', 'lead') WHERE field IN ('status', 'company', 'city')"
            ),
        )
    };
    assert_eq!(
        explained(&mut world, "acme"),
        [
            "company source package",
            "company rules entity",
            "city source mapping",
            "city rules entity",
            "status source mapping",
            "status rules org"
        ]
    );
    assert_eq!(explained(&mut world, "globex")[5], "status rules package");
    world.run("SELECT manifold.set_org_class('globex', 'us')");
    assert_eq!(explained(&mut world, "globex")[5], "status rules class us");
    world.run("SELECT manifold.set_default('org', 'acme', NULL, entity => 'lead')");
    assert_eq!(explained(&mut world, "acme")[5], "status rules class us");
    let differs =
        texts(&mut world.client, "SELECT field FROM manifold.mapping_diff('acme', 'globex')");
    assert!(differs.is_empty(), "{differs:?}");
}

#[test]
fn a_mapping_is_copied_as_far_as_the_other_table_has_it() {
    let mut world = World::new();
    let _orgs = [world.sync("acme", 10), world.sync("globex", 10)];
    world.run(ADD_ACME);
    world.run("SELECT manifold.add_org('globex')");
    world.run(&set(
        "acme",
        &json!({"fields": {"city": "city", "title": "title", "score": "lead_score__c"}}),
    ));
    let row = world
        .client
        .query_one("SELECT version, fields, left_out, reasons FROM manifold.copy_mapping('acme', 'globex')", &[])
        .unwrap();
    assert_eq!((row.get::<_, i32>(0), row.get::<_, i32>(1)), (1, 1));
    assert_eq!(row.get::<_, Vec<String>>(2), ["score", "title"]);
    assert!(row.get::<_, Vec<String>>(3)[0].contains("lead_score__c"));
    let differs = texts(
        &mut world.client,
        "SELECT concat_ws(' ', field, part, a) FROM manifold.mapping_diff('acme', 'globex') WHERE b IS NULL AND part = 'source'",
    );
    assert_eq!(differs, [r#"title source "title""#, r#"score source "lead_score__c""#]);
    let note: String =
        world.value("SELECT note FROM manifold.mapping_history('globex', 'lead', 'lead')");
    assert_eq!(note, "copied from acme");
}

#[test]
fn a_promoted_field_is_filled_while_the_sync_runs() {
    let mut world = World::new();
    let mut initech = world.running("initech", 300);
    let mut acme = world.running("acme", 100);
    world
        .run("CREATE ROLE qc_reader_of_promoted; GRANT SELECT ON qc.lead TO qc_reader_of_promoted");
    // A column that a mapping uses stays used; this one is in extras.
    assert!(world.count("canonical.lead WHERE org = 'initech' AND extras ? 'age_band__c'") > 0);
    // Who reads the table for long does not make the sync wait.
    let mut reader = world.database.connect();
    reader.batch_execute("BEGIN; SELECT count(*) FROM canonical.lead").unwrap();
    let promote = "SELECT org, version FROM manifold.promote_field('lead', 'age_band', 'text', comment => 'Age, in bands')";
    world.run("SET manifold.attach_lock_timeout = '900ms'");
    let busy = world.client.query(promote, &[]).unwrap_err();
    world.run("RESET manifold.attach_lock_timeout");
    assert_eq!(
        busy.code().map(|code| code.code().to_owned()).as_deref(),
        Some("55P03"),
        "{busy:?}"
    );
    assert_eq!(world.count("manifold.mapping WHERE note IS NOT NULL"), 0, "nothing was done");
    reader.batch_execute("COMMIT").unwrap();
    let sync = std::thread::spawn(move || {
        for at in 300..400 {
            initech.load(at, 1);
            acme.load(at - 200, 1);
        }
        (initech, acme)
    });
    let promoted = world.client.query(promote, &[]).unwrap();
    let promoted: Vec<(String, i32)> =
        promoted.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(promoted, [("initech".to_owned(), 2)]);
    let _orgs = sync.join().unwrap();
    world.await_count("canonical.lead", 600);
    world.normalized();
    let wrong = world.count("canonical.lead c JOIN initech.lead l USING (sfid) WHERE c.age_band IS DISTINCT FROM l.age_band__c OR c.extras ? 'age_band__c'");
    assert_eq!(wrong, 0);
    assert!(world.count("qc.lead WHERE age_band IS NOT NULL") > 0);
    let kept: bool =
        world.value("SELECT has_table_privilege('qc_reader_of_promoted', 'qc.lead', 'SELECT')");
    assert!(kept, "the view's grants");
    world.run("REVOKE ALL ON qc.lead FROM qc_reader_of_promoted; DROP ROLE qc_reader_of_promoted");
    let comment: String = world.value(
        "SELECT col_description('canonical.lead'::regclass, attnum) FROM pg_attribute \
         WHERE attrelid = 'canonical.lead'::regclass AND attname = 'age_band'",
    );
    assert_eq!(comment, "Age, in bands");
    // Each org by its own column.
    world.run(r#"SELECT manifold.promote_field('lead', 'heat', 'text', '{"acme": "rating", "initech": {"column": "rating", "rules": ["squeeze", "upper"]}}')"#);
    world.normalized();
    assert!(world.count("canonical.lead WHERE org = 'initech' AND heat = 'WARM'") > 0);
    assert_eq!(
        world.count(
            "canonical.lead c JOIN acme.lead l USING (sfid) WHERE c.heat IS DISTINCT FROM l.rating"
        ),
        0
    );
}

#[test]
fn a_fresh_change_does_not_wait_for_all_rows_to_be_read_again() {
    let cluster = cluster_with("");
    let mut world = World::in_cluster(&cluster);
    let mut globex = world.running("globex", 5);
    let mut acme = world.sync("acme", 0);
    acme.connect.load(&acme.lead, &acme.org.columns, &acme.org.many(6_000));
    let sfid = acme.org.many(1)[0][acme.org.position("sfid")].clone().expect("an sfid");
    let mut mapping = Mapping::load("acme").json;
    for sql in manifold::onboarding("acme", &mapping) {
        world.run(&sql);
    }
    world.await_count("canonical.lead WHERE org = 'acme'", 6_000);
    world.normalized();
    // However fast the machine, and however slow this test, not all is read before there are fresh changes.
    cluster.set("manifold.normalize_max_rows_per_second", "20");
    mapping["fields"]["title"] = json!("company");
    world.run(&set("acme", &mapping));
    let under_way = |world: &mut World<'_>| {
        let status = world.status("acme", "backfill");
        status.iter().any(|s| s.is_behind() && s.detail.contains('%'))
    };
    wait::until("the rows to be read again", LIMIT, || {
        if under_way(&mut world) { Ok(()) } else { Err("not yet".to_owned()) }
    });
    acme.update(&[&sfid], &[("city", Some("Freshville"))]);
    let other = globex.org.sfid(0).to_owned();
    globex.update(&[&other], &[("city", Some("Freshville"))]);
    assert!(under_way(&mut world), "the test was slower than the throttle");
    cluster.set("manifold.normalize_max_rows_per_second", "0");
    world.await_count("canonical.lead WHERE city = 'Freshville'", 2);
    world.normalized();
    // The log tells what became canonical after what.
    let behind = world.value::<Vec<i64>>(
        "SELECT array_agg(all_changes - n) FROM ( \
           SELECT value::jsonb #>> '{after,city}' AS city, row_number() OVER (ORDER BY split_part(event_id, '.', 1)::bigint, split_part(event_id, '.', 2)::int) AS n, \
             count(*) OVER () AS all_changes \
           FROM manifold.peek('canonical', 1000000)) changes WHERE city = 'Freshville'",
    );
    assert!(
        behind.iter().all(|&behind| behind > 1_000),
        "behind the fresh changes came {behind:?} rows"
    );
    let wrong = world.count("canonical.lead c JOIN acme.lead l USING (sfid) WHERE c.title IS DISTINCT FROM regexp_replace(btrim(l.company), '\\s+', ' ', 'g')");
    assert_eq!(wrong, 0);
}

#[test]
fn what_cannot_be_is_refused_with_a_hint() {
    let mut world = World::new();
    let _acme = world.sync("acme", 1);
    world.run(ADD_ACME);
    for (sql, code) in [
        ("SELECT * FROM manifold.preview('acme', 'lead')", "55000"),
        ("SELECT * FROM manifold.preview('acme', 'lead', -1)", "22023"),
        ("SELECT * FROM manifold.preview('acme', 'lead', 100001)", "22023"),
        ("SELECT * FROM manifold.preview_summary('acme', 'lead', 100001)", "22023"),
        (
            "SELECT * FROM manifold.preview('acme', 'nothing', mapping => '{\"fields\": {\"city\": \"city\"}}')",
            "42704",
        ),
        (
            "SELECT * FROM manifold.preview('acme', 'lead', mapping => '{\"fields\": {\"city\": \"town\"}}')",
            "22023",
        ),
        ("SELECT * FROM manifold.suggest_mapping('nobody', 'lead', 'lead')", "42704"),
        ("SELECT manifold.suggested_mapping('acme', 'lead', confidence => 2)", "22023"),
        ("SELECT manifold.set_default('galaxy', NULL, '{}')", "42704"),
        ("SELECT manifold.set_default('org', 'nobody', '{}')", "42704"),
        (
            "SELECT manifold.set_default('package', NULL, '{\"fields\": {\"sity\": \"city\"}}', entity => 'lead')",
            "22023",
        ),
        (
            "SELECT manifold.set_default('class', 'us', '{\"time_zone\": \"Mars/Olympus\"}')",
            "42704",
        ),
        ("SELECT manifold.restore_mapping('acme', 'lead', 'lead', 7)", "42704"),
        ("SELECT * FROM manifold.copy_mapping('acme', 'acme')", "55000"),
        ("SELECT * FROM manifold.promote_field('lead', 'city', 'text')", "42710"),
        ("SELECT * FROM manifold.promote_field('lead', 'x', 'money')", "22023"),
        ("SELECT manifold.set_org_class('acme', 'No Such')", "22023"),
    ] {
        let error = world.client.query(sql, &[]).err().unwrap_or_else(|| panic!("{sql}"));
        let error = error.as_db_error().unwrap_or_else(|| panic!("{sql}: {error:?}"));
        assert_eq!(error.code().code(), code, "{sql}: {error:?}");
        assert!(error.hint().is_some(), "{sql}: {error:?}");
    }
}
