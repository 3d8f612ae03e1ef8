//! What is suggested to do about problems, done: the statements are run as they are.

use crate::world::World;

/// A table with the row that is given, mapped to an entity.
fn plain(world: &mut World<'_>, fields: &str, row: &str) {
    world.run(&format!(
        r#"CREATE SCHEMA plain;
           CREATE TABLE plain.lead (id serial PRIMARY KEY, sfid varchar(18), a text, b varchar(255), c text, d text);
           SELECT manifold.create_entity('thing', '[{{"name": "place", "type": "text", "rules": ["country"]}},
             {{"name": "kind", "type": "text"}}, {{"name": "places", "type": "text[]"}}, {{"name": "line", "type": "text"}}]');
           SELECT manifold.add_org('plain');
           INSERT INTO plain.lead (sfid, a, b, c, d) VALUES {row};
           SELECT manifold.set_mapping('plain', 'lead', 'thing', $m${{"fields": {fields}}}$m$);
           SELECT manifold.start('plain')"#
    ));
}

#[test]
fn every_statement_that_is_suggested_mends_its_problem() {
    let mut world = World::new();
    let long = "Interested, ".repeat(20);
    plain(
        &mut world,
        r#"{"place": {"first_of": [{"column": "a", "rules": ["strip_html", "country"]}, "b"], "rules": []},
            "kind": {"column": "b", "rules": [{"map": {"Open": "new"}}]},
            "places": {"column": "c", "rules": ["split", {"each": ["country"]}]},
            "line": {"column": "d", "rules": ["strip_html", {"phone": {"region": "FR"}}]}}"#,
        &format!(
            "('1', '<p>Germny</p>', NULL, 'France; Germny', '<b>unknown</b>'), ('2', 'FR', '{long}', NULL, NULL)"
        ),
    );
    world.await_count("manifold.problem", 4);
    let rows = world
        .client
        .query("SELECT field, suggestion FROM manifold.problem_summary ORDER BY field", &[])
        .unwrap();
    for row in rows {
        let (field, statement): (String, String) = (row.get(0), row.get(1));
        assert!(statement.starts_with("SELECT manifold.map_value("), "{field}: {statement}");
        world.run(&statement);
    }
    world.await_count("manifold.problem", 0);
    world.await_text(
        "SELECT string_agg(concat_ws('|', sfid, place, coalesce(kind, '-'), places, coalesce(line, '-')), '; ' ORDER BY sfid) \
         FROM canonical.thing",
        Some("1|DE|-|{FR,DE}|-; 2|FR|-|-"),
    );
}

#[test]
fn a_meaning_is_added_and_the_defaults_stay_what_they_are() {
    let mut world = World::new();
    let aliases = |aliases: &str| {
        format!(
            r#"SELECT manifold.set_default('package', NULL,
                 '{{"fields": {{"place": {{"rules": [{{"country": {{"aliases": {aliases}}}}}]}}}}}}', entity => 'thing')"#
        )
    };
    plain(
        &mut world,
        r#"{"place": "a"}"#,
        "('1', 'Germny', 'x', '', ''), ('2', 'Frankreich', 'x', '', '')",
    );
    world.run(&aliases(r#"{"Allemagne": "DE"}"#));
    world.await_count("manifold.problem WHERE field = 'place'", 2);
    world.run("SELECT manifold.map_value('plain', 'lead', 'thing', 'place', 'Germny', 'DE')");
    let own: String =
        world.value("SELECT mapping->'fields'->>'place' FROM manifold.mapping WHERE active");
    assert_eq!(own, r#"{"column": "a", "meanings": {"Germny": "DE"}}"#);
    // What all orgs learn later, this one learns as well.
    world.run(&aliases(r#"{"Allemagne": "DE", "Frankreich": "FR"}"#));
    world.await_text(
        "SELECT string_agg(place, ',' ORDER BY sfid) FROM canonical.thing",
        Some("DE,FR"),
    );
    let level = "SELECT string_agg(concat_ws(' ', part, level), ', ') FROM manifold.explain_mapping('plain', 'lead', 'thing')";
    assert_eq!(world.value::<String>(level), "source mapping, rules package, meanings mapping");

    // What a field is made of by a default is not the mapping's to change.
    world.run(
        r#"SELECT manifold.set_default('package', NULL, '{"fields": {"kind": {"first_of": [{"column": "b", "rules": ["email"]}]}}}', entity => 'thing')"#,
    );
    world.await_count(
        "manifold.problem WHERE field = 'kind' AND path = 'first_of[0]' AND input = 'x'",
        2,
    );
    let advice: String =
        world.value("SELECT suggestion FROM manifold.problem_summary WHERE field = 'kind'");
    assert!(advice.contains("the mapping's defaults"), "{advice}");
    let statement =
        "SELECT manifold.map_value('plain', 'lead', 'thing', 'kind', 'x', path => 'first_of[0]')";
    let error = world.client.batch_execute(statement).unwrap_err();
    let error = error.as_db_error().expect("the server's");
    assert_eq!(error.code().code(), "22023");
    assert!(error.hint().is_some_and(|hint| hint.contains("manifold.set_default")), "{error:?}");
    let nowhere =
        "SELECT manifold.map_value('plain', 'lead', 'thing', 'place', 'x', path => 'first_of[0]')";
    let error = world.client.batch_execute(nowhere).unwrap_err();
    assert_eq!(error.code().map(|code| code.code()), Some("42704"), "{error:?}");
}
