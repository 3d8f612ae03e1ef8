//! Whatever is wrong is refused with SQLSTATE, a message that names it and a hint, and changes nothing.

use postgres::Client;
use postgres::error::DbError;

use crate::support::heroku_connect::literal;
use crate::world::World;

/// All of the extension's tables, but those that workers write to at any time, and the database's objects,
/// in one value.
fn fingerprint(client: &mut Client) -> String {
    let tables = "SELECT format('SELECT md5(coalesce(string_agg(t::text, E''\\n'' ORDER BY t::text), '''')) FROM %s t', c.oid::regclass) \
        FROM pg_class c WHERE relnamespace = 'manifold'::regnamespace AND relkind = 'r' \
        AND relname !~ '^(change|position|consumer_error)' ORDER BY 1";
    let rows = client.query(tables, &[]).unwrap();
    let mut print: Vec<String> = rows
        .iter()
        .map(|row| client.query_one(row.get::<_, &str>(0), &[]).unwrap().get(0))
        .collect();
    let objects = "SELECT concat_ws(' ', (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_trigger), \
        (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_namespace))";
    print.push(client.query_one(objects, &[]).unwrap().get(0));
    print.join(" ")
}

/// The statement fails with this SQLSTATE, and its message (or detail) names the culprit.
fn refused(client: &mut Client, sql: &str, code: &str, culprit: &str) -> Option<String> {
    let before = fingerprint(client);
    let error = match client.batch_execute(sql) {
        Ok(()) => return Some(format!("{sql}\n  was accepted")),
        Err(error) => error,
    };
    let Some(error) = error.as_db_error() else { return Some(format!("{sql}\n  {error:?}")) };
    let mut wrong = complaints(error, code, culprit);
    if fingerprint(client) != before {
        wrong.push("it changed something".to_owned());
    }
    (!wrong.is_empty()).then(|| {
        format!("{sql}\n  {}\n  {}: {}", wrong.join("; "), error.code().code(), error.message())
    })
}

fn complaints(error: &DbError, code: &str, culprit: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if error.code().code() != code {
        wrong.push(format!("SQLSTATE {} instead of {code}", error.code().code()));
    }
    let told = format!("{} {}", error.message(), error.detail().unwrap_or_default());
    if !told.contains(culprit) {
        wrong.push(format!("{culprit} is not named"));
    }
    if error.hint().is_none_or(str::is_empty) {
        wrong.push("there is no hint".to_owned());
    }
    wrong
}

fn assert_refused(client: &mut Client, cases: &[(&str, &str, &str)]) {
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|(sql, code, culprit)| refused(client, sql, code, culprit))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

const UNKNOWN: &str = "42704";
const EXISTS: &str = "42710";
const INVALID: &str = "22023";
const STATE: &str = "55000";

#[test]
fn unknown_names_are_refused() {
    let mut world = World::new();
    let _acme = world.running("acme", 1);
    assert_refused(
        &mut world.client,
        &[
            ("SELECT manifold.start('nobody')", UNKNOWN, "nobody"),
            ("SELECT manifold.stop('nobody')", UNKNOWN, "nobody"),
            ("SELECT manifold.remove_org('nobody')", UNKNOWN, "nobody"),
            ("SELECT manifold.pause('nobody', 'publisher')", UNKNOWN, "nobody"),
            ("SELECT * FROM manifold.peek('nobody')", UNKNOWN, "nobody"),
            (
                "SELECT manifold.set_mapping('nobody', 'lead', entity => 'lead', mapping => '{\"fields\": {}}')",
                UNKNOWN,
                "nobody",
            ),
            (
                "SELECT manifold.set_mapping('acme', 'lead', entity => 'laed', mapping => '{\"fields\": {\"city\": \"city\"}}')",
                UNKNOWN,
                "laed",
            ),
            (
                "SELECT manifold.set_mapping('acme', 'laed', entity => 'lead', mapping => '{\"fields\": {\"city\": \"city\"}}')",
                UNKNOWN,
                "laed",
            ),
            ("SELECT manifold.start('acme', 'contact')", UNKNOWN, "contact"),
            ("SELECT manifold.stop('acme', 'contact')", UNKNOWN, "contact"),
            ("SELECT manifold.pause('acme', 'normaliser')", UNKNOWN, "normaliser"),
            ("SELECT manifold.resume('acme', 'all')", UNKNOWN, "all"),
            ("SELECT manifold.retry('nobody')", UNKNOWN, "nobody"),
            ("SELECT manifold.retry('acme', 'laed')", UNKNOWN, "laed"),
            ("SELECT manifold.retry('canonical', 'contact')", UNKNOWN, "contact"),
            ("SELECT manifold.retry(field => 'sttaus')", UNKNOWN, "sttaus"),
            (
                "SELECT manifold.dismiss('acme', reason => 'unmaped_value')",
                UNKNOWN,
                "unmaped_value",
            ),
            ("SELECT manifold.dismiss(reason => 'nonsense')", UNKNOWN, "nonsense"),
            ("SELECT manifold.undismiss('acme', field => 'xyz')", UNKNOWN, "xyz"),
            (
                "SELECT manifold.map_value('acme', 'laed', 'lead', 'status', 'x', 'new')",
                STATE,
                "laed",
            ),
            (
                "SELECT manifold.map_value('acme', 'lead', 'lead', 'sttaus', 'x', 'new')",
                UNKNOWN,
                "sttaus",
            ),
            ("SELECT manifold.dismiss('nobody', reason => 'unmapped_value')", UNKNOWN, "nobody"),
            ("SELECT manifold.add_org('umbrella')", UNKNOWN, "umbrella"),
            ("SELECT manifold.add_org('umbrella', schema => 'no_such')", UNKNOWN, "no_such"),
            (
                "SELECT manifold.add_org('umbrella', schema => 'public', time_zone => 'Europe/Atlantis')",
                UNKNOWN,
                "Europe/Atlantis",
            ),
            ("SELECT manifold.create_entity('unheard_of')", INVALID, "unheard_of"),
        ],
    );
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    let mut world = World::new();
    let _acme = world.running("acme", 1);
    assert_refused(
        &mut world.client,
        &[
            ("SELECT manifold.add_org('acme')", EXISTS, "acme"),
            ("SELECT manifold.add_org('twin', schema => 'acme')", EXISTS, "acme"),
            ("SELECT manifold.add_org('Not A Name', schema => 'public')", INVALID, "Not A Name"),
            ("SELECT manifold.add_org('canonical', schema => 'public')", INVALID, "canonical"),
            ("SELECT manifold.add_org('own', schema => 'manifold')", INVALID, "manifold"),
            (
                "SELECT manifold.add_org('own', schema => 'public', phone_region => 'Mars')",
                INVALID,
                "Mars",
            ),
            (
                "SELECT manifold.add_org('own', schema => 'public', defaults => '[]')",
                INVALID,
                "defaults",
            ),
            ("SELECT manifold.add_org(NULL)", INVALID, "org"),
            ("SELECT manifold.start(NULL)", INVALID, "org"),
            ("SELECT manifold.remove_org('acme', NULL)", INVALID, "keep_canonical"),
            ("SELECT manifold.peek('acme', NULL)", INVALID, "n"),
            ("SELECT manifold.next('nobody', NULL)", INVALID, "n"),
            ("SELECT manifold.retry()", INVALID, "retry"),
            (
                "SELECT manifold.map_value('acme', 'lead', 'lead', 'city', 'Rome', 'Roma')",
                INVALID,
                "Rome",
            ),
            ("SELECT manifold.dismiss(org => NULL)", INVALID, "dismiss"),
            ("SELECT manifold.undismiss()", INVALID, "undismiss"),
            ("SELECT manifold.create_entity('lead')", EXISTS, "lead"),
            (
                "SELECT manifold.create_entity('Bad Name', '[{\"name\": \"a\", \"type\": \"text\"}]')",
                INVALID,
                "Bad Name",
            ),
            ("SELECT manifold.create_entity('thing', '{}')", INVALID, "fields"),
            (
                "SELECT manifold.create_entity('thing', '[{\"name\": \"a\", \"type\": \"no_such_type\"}]')",
                INVALID,
                "no_such_type",
            ),
            (
                "SELECT manifold.create_entity('thing', '[{\"name\": \"org\", \"type\": \"text\"}]')",
                INVALID,
                "org",
            ),
            ("SELECT * FROM manifold.peek('acme', -1)", INVALID, "-1"),
        ],
    );
    world.run("CREATE SCHEMA bare; SELECT manifold.add_org('bare')");
    assert_refused(&mut world.client, &[("SELECT manifold.start('bare')", STATE, "bare")]);
    // The mapped table went after it had been mapped.
    world.run("DROP TABLE acme.lead");
    assert_refused(&mut world.client, &[("SELECT manifold.start('acme')", UNKNOWN, "acme.lead")]);
}

#[test]
fn a_mapping_that_is_not_what_it_should_be_is_refused() {
    let mut world = World::new();
    let _acme = world.running("acme", 1);
    let cases = [
        (r#"[]"#, INVALID, "mapping"),
        (r#""fields""#, INVALID, "mapping"),
        (r#"{}"#, INVALID, "fields"),
        (r#"{"fields": []}"#, INVALID, "fields"),
        (r#"{"felds": {}}"#, INVALID, "felds"),
        (r#"{"fields": {"city": "city"}, "more": 1}"#, INVALID, "more"),
        (r#"{"fields": {"cty": "city"}}"#, INVALID, "cty"),
        (r#"{"fields": {"org": "city"}}"#, INVALID, "org"),
        (r#"{"fields": {"city": "no_such_column__c"}}"#, INVALID, "no_such_column__c"),
        (r#"{"fields": {"city": {"column": "no_such_column__c"}}}"#, INVALID, "no_such_column__c"),
        (
            r#"{"fields": {"city": {"first_of": ["city", "no_such_column__c"]}}}"#,
            INVALID,
            "no_such_column__c",
        ),
        (
            r#"{"fields": {"city": {"template": "{no_such_column__c}"}}}"#,
            INVALID,
            "no_such_column__c",
        ),
        (r#"{"fields": {"city": {"template": "{city"}}}"#, INVALID, "city"),
        (r#"{"fields": {"city": 7}}"#, INVALID, "city"),
        (r#"{"fields": {"city": {}}}"#, INVALID, "city"),
        (r#"{"fields": {"city": {"column": "city", "constant": "x"}}}"#, INVALID, "city"),
        (r#"{"fields": {"city": {"column": "city", "rule": []}}}"#, INVALID, "rule"),
        (r#"{"fields": {"city": {"column": "city", "rules": "squeeze"}}}"#, INVALID, "rules"),
        (r#"{"fields": {"city": {"column": "city", "rules": ["sqeeze"]}}}"#, INVALID, "sqeeze"),
        (
            r#"{"fields": {"city": {"column": "city", "rules": [{"sqeeze": {}}]}}}"#,
            INVALID,
            "sqeeze",
        ),
        (r#"{"fields": {"status": {"column": "status", "rules": [{"map": 3}]}}}"#, INVALID, "map"),
        (
            r#"{"fields": {"consent": {"column": "city", "rules": [{"boolean": {"maybe": ["x"]}}]}}}"#,
            INVALID,
            "maybe",
        ),
        (
            r#"{"fields": {"birth_date": {"column": "city", "rules": [{"date": "%Q-%d"}]}}}"#,
            INVALID,
            "%Q",
        ),
        (
            r#"{"fields": {"annual_revenue": {"column": "city", "rules": [{"number": {"decimals": ","}}]}}}"#,
            INVALID,
            "decimals",
        ),
        (r#"{"fields": {"birth_date": {"constant": "soon"}}}"#, INVALID, "soon"),
    ];
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|(mapping, code, culprit)| {
            let sql = format!(
                "SELECT manifold.set_mapping('acme', 'lead', entity => 'lead', mapping => {})",
                literal(Some(mapping))
            );
            refused(&mut world.client, &sql, code, culprit)
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_source_without_its_key_column_is_refused() {
    let mut world = World::new();
    world.run("CREATE SCHEMA plain; CREATE TABLE plain.lead (id int, city text); SELECT manifold.add_org('plain')");
    assert_refused(
        &mut world.client,
        &[(
            "SELECT manifold.set_mapping('plain', 'lead', entity => 'lead', mapping => '{\"fields\": {\"city\": \"city\"}}')",
            INVALID,
            "sfid",
        )],
    );
}

#[test]
fn a_broker_address_that_is_none_is_refused() {
    let mut world = World::new();
    let before: String = world.value("SHOW manifold.kafka_brokers");
    for (value, culprit) in [
        ("not an address", "\"not\" is not a Kafka broker address"),
        ("localhost:99999", "99999"),
        ("a:1,b", "\"b\" is not a Kafka broker address"),
    ] {
        let error = world
            .client
            .batch_execute(&format!("ALTER SYSTEM SET manifold.kafka_brokers = '{value}'"));
        let error = error.expect_err(value);
        let error = error.as_db_error().expect("the server's");
        assert_eq!(complaints(error, INVALID, culprit), Vec::<String>::new(), "{value}: {error:?}");
    }
    world.run("SELECT pg_reload_conf()");
    assert_eq!(world.value::<String>("SHOW manifold.kafka_brokers"), before);
}

#[test]
fn an_unknown_kafka_option_is_refused_and_no_secret_is_shown() {
    let mut world = World::new();
    for (value, culprit) in [
        ("no.such.option=1", "no.such.option"),
        ("no.such.option=1; sasl.password=hunter2", "no.such.option"),
        // What is no option may be the rest of the password, and is not shown either.
        ("sasl.password=hunter2; no.such.option=1", "sasl.password"),
    ] {
        let error = world
            .client
            .batch_execute(&format!("ALTER SYSTEM SET manifold.kafka_options = '{value}'"));
        let error = error.expect_err(value);
        let error = error.as_db_error().expect("the server's");
        assert_eq!(complaints(error, INVALID, culprit), Vec::<String>::new(), "{value}: {error:?}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}
