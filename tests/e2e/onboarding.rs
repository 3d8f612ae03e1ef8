//! Onboarding: the three fixture orgs become what is expected of them, by data alone.

use std::collections::BTreeSet;
use std::io::Write as _;

use crate::support::fixtures::{Column, ORGS, Org};
use crate::support::heroku_connect::{HerokuConnect, ident};
use crate::world::{Synced, World};

#[test]
fn the_fixture_orgs_become_canonical_as_expected() {
    let mut world = World::new();
    let orgs: Vec<_> = ORGS.iter().map(|name| world.running(name, 2000)).collect();
    world.normalized();
    let mut wrong = Vec::new();
    for Synced { org, .. } in &orgs {
        wrong.extend(fields_that_differ(&mut world, org));
        wrong.extend(problems_that_differ(&mut world, org));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Bookkeeping.
    assert_eq!(
        world.count(
            "canonical.lead WHERE source_table IS NULL OR event_id IS NULL OR normalized_at IS NULL"
        ),
        0
    );
    assert_eq!(
        world.count("canonical.lead WHERE org = 'acme' AND source_table LIKE '%lead'"),
        2000
    );
    assert_eq!(world.count("qc.lead"), 6000);
}

/// expected.csv goes into a table of the canonical types, which then do the comparing.
fn fields_that_differ(world: &mut World, org: &Org) -> Vec<String> {
    let header = org.expected_csv.lines().next().expect("expected.csv has a header").to_owned();
    world.run("DROP TABLE IF EXISTS expected");
    let columns: Vec<_> = header.split(',').map(|name| format!("{} text", ident(name))).collect();
    world.run(&format!("CREATE TEMP TABLE expected ({})", columns.join(", ")));
    let mut copy = world.client.copy_in("COPY expected FROM STDIN (FORMAT csv, HEADER)").unwrap();
    copy.write_all(org.expected_csv.as_bytes()).unwrap();
    assert_eq!(copy.finish().unwrap(), org.leads.len() as u64);
    // Lists are JSON there.
    world.run("UPDATE expected SET interests = translate(interests, '[]', '{}')");
    for name in header.split(',') {
        let sql_type: String = world.value(&format!(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute \
             WHERE attrelid = 'canonical.lead'::regclass AND attname = '{name}'"
        ));
        world.run(&format!(
            "ALTER TABLE expected ALTER {0} TYPE {sql_type} USING {0}::{sql_type}",
            ident(name)
        ));
    }
    world.run("ALTER TABLE expected ADD PRIMARY KEY (sfid)");

    let mut wrong = Vec::new();
    for field in header.split(',').filter(|field| *field != "sfid") {
        let sql = format!(
            "SELECT e.sfid, e.{0}::text, c.{0}::text FROM expected e \
             LEFT JOIN canonical.lead c ON c.org = '{1}' AND c.sfid = e.sfid COLLATE \"C\" \
             WHERE c.sfid IS NULL OR c.{0} IS DISTINCT FROM e.{0}",
            ident(field),
            org.name
        );
        let rows = world.client.query(&sql, &[]).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        if let Some(row) = rows.first() {
            let [sfid, expected, found] = [0, 1, 2].map(|i| row.get::<_, Option<String>>(i));
            wrong.push(format!(
                "{}.{field}: {} differ, such as {}: expected {expected:?}, found {found:?}",
                org.name,
                rows.len(),
                sfid.unwrap_or_default()
            ));
        }
    }
    wrong
}

/// Every value that could not be used is a problem, with the reason, and nothing else is.
fn problems_that_differ(world: &mut World, org: &Org) -> Vec<String> {
    let expected: BTreeSet<_> = org.problems.iter().cloned().collect();
    let sql = "SELECT record::text, field::text, reason::text FROM manifold.problem WHERE org = $1";
    let rows = world.client.query(sql, &[&org.name]).unwrap_or_else(|e| panic!("{e:?}"));
    let found: BTreeSet<_> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let mut wrong = Vec::new();
    for (what, mut differing) in [
        ("missing", expected.difference(&found).peekable()),
        ("needless", found.difference(&expected).peekable()),
    ] {
        if let Some(first) = differing.peek().cloned() {
            wrong.push(format!(
                "{}: {} problems are {what}, such as {first:?}",
                org.name,
                differing.count()
            ));
        }
    }
    wrong
}

#[test]
fn problems_name_the_value_and_go_when_it_is_mended() {
    let mut world = World::new();
    let mut acme = world.running("acme", 10);
    let sfid = acme.org.sfid(0).to_owned();
    acme.update(&[&sfid], &[("status", Some("Nonsense  (old)"))]);
    let problem = format!(
        "FROM manifold.problem WHERE org = 'acme' AND record = '{sfid}' AND field = 'status'"
    );
    world.await_text(&format!("SELECT value::text {problem}"), Some("Nonsense  (old)"));
    let row = world
        .client
        .query_one(&format!("SELECT reason::text, message::text, since <= now() {problem}"), &[])
        .unwrap();
    assert_eq!(row.get::<_, &str>(0), "unmapped_value");
    assert!(!row.get::<_, &str>(1).is_empty() && row.get(2));
    world.await_text(&format!("SELECT status FROM canonical.lead WHERE sfid = '{sfid}'"), None);

    acme.update(&[&sfid], &[("status", Some("qualified"))]);
    world.await_text(
        &format!("SELECT status FROM canonical.lead WHERE sfid = '{sfid}'"),
        Some("qualified"),
    );
    world.await_text(&format!("SELECT value::text {problem}"), None);
}

#[test]
fn an_entity_can_be_made_of_given_fields() {
    let mut world = World::new();
    let mut connect = HerokuConnect::provision(world.database.connect(), "acme");
    let columns = [
        ("sfid", "varchar(18)"),
        ("name", "varchar(255)"),
        ("seats__c", "double precision"),
        ("opened__c", "date"),
        ("note__c", "text"),
    ]
    .map(|(name, sql_type)| Column::new(name, sql_type));
    let account = connect.map_table("account", &columns);
    let row = |sfid: &str, name: &str| {
        vec![
            Some(sfid.to_owned()),
            Some(name.to_owned()),
            Some("12.5".to_owned()),
            Some("2020-02-29".to_owned()),
            Some("n".to_owned()),
        ]
    };
    connect.insert(&account, &columns, &[row("001A00000000001AAA", " Big  Corp ")], 1);
    world.run(
        r#"SELECT manifold.create_entity('account', '[{"name": "name", "type": "text"}, {"name": "seats", "type": "numeric"}, {"name": "opened", "type": "date"}]');
           SELECT manifold.add_org('acme');
           SELECT manifold.set_mapping('acme', 'account', entity => 'account',
               mapping => '{"fields": {"name": "name", "seats": "seats__c", "opened": "opened__c"}}');
           SELECT manifold.start('acme', 'account')"#,
    );
    world.await_text(
        "SELECT concat_ws('|', org, sfid, name, seats, opened, extras) FROM canonical.account",
        Some(r#"acme|001A00000000001AAA|Big Corp|12.5|2020-02-29|{"note__c": "n"}"#),
    );
    assert_eq!(world.count("qc.account"), 1);
}

#[test]
fn a_field_comes_from_the_first_column_that_has_a_value_from_a_constant_or_from_a_template() {
    let mut world = World::new();
    let synced = world.sync("acme", 0);
    drop(synced);
    let mapping = r#"{"fields": {
        "title": {"first_of": ["title", "rating", "state"]},
        "budget_currency": {"constant": "EUR"},
        "full_name": {"template": "{firstname} / {lastname}", "rules": ["squeeze", "upper"]},
        "city": {"column": "city", "rules": ["squeeze", "lower"]}
    }}"#;
    world.run(&format!(
        "SELECT manifold.add_org('acme'); SELECT manifold.set_mapping('acme', 'lead', entity => 'lead', mapping => '{mapping}'); \
         SELECT manifold.start('acme'); \
         INSERT INTO acme.lead (sfid, title, rating, state, firstname, lastname, city) VALUES \
             ('00Q000000000001AAA', '  ', 'Hot', 'Ohio', 'A', ' b  c ', 'PARIS  X'), \
             ('00Q000000000002AAA', 'Boss', 'Hot', NULL, 'A', NULL, '   ')"
    ));
    world.await_count("canonical.lead", 2);
    let found: String = world.value(
        "SELECT string_agg(concat_ws('|', title, budget_currency, full_name, coalesce(city, '-')), ';' ORDER BY sfid) FROM canonical.lead",
    );
    assert_eq!(found, "Hot|EUR|A / B C|paris x;Boss|EUR|A /|-");
}

#[test]
fn a_changed_mapping_is_a_new_version() {
    let mut world = World::new();
    let mut acme = world.running("acme", 3);
    let sql = r#"SELECT manifold.set_mapping('acme', 'lead', entity => 'lead', mapping => '{"fields": {"title": {"constant": "x"}}}')"#;
    let version: i32 = world.value(sql);
    assert_eq!(version, 2);
    let sfid = acme.org.sfid(0).to_owned();
    acme.update(&[&sfid], &[("city", Some("Rome"))]);
    world.await_text(
        &format!("SELECT title || coalesce(city, '-') FROM canonical.lead WHERE sfid = '{sfid}'"),
        Some("x-"),
    );
}
