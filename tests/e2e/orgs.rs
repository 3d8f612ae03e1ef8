//! Orgs made up to be hard, in `tests/orgs`: an admin who is no superuser adds each, previews and sets its
//! mapping, and what lands is what was worked out by hand. All of them live in one database.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::heroku_connect::literal;
use crate::world::World;

fn orgs() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/orgs");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let json = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), json)
    };
    paths.iter().map(read).collect()
}

/// A value as `to_jsonb` has it, numbers by their digits.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[test]
fn orgs_that_nobody_has_seen_come_out_as_worked_out_by_hand() {
    let mut world = World::new();
    let role = format!("onboarder_{}", world.database.name);
    world.run(&format!("CREATE ROLE {role} LOGIN; GRANT manifold_admin TO {role}"));
    let orgs = orgs();
    for (name, org) in &orgs {
        let columns: Vec<_> = org["columns"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(column, declared)| format!("{column} {}", declared.as_str().unwrap()))
            .collect();
        world.run(&format!(
            "CREATE SCHEMA {name}; CREATE TABLE {name}.lead (id serial PRIMARY KEY, {}); \
             INSERT INTO {name}.lead SELECT (jsonb_populate_record(NULL::{name}.lead, row || jsonb_build_object('id', at))).* \
             FROM jsonb_array_elements({}) WITH ORDINALITY rows (row, at); \
             ALTER TABLE {name}.lead OWNER TO {role}; GRANT USAGE ON SCHEMA {name} TO {role}",
            columns.join(", "),
            literal(Some(&org["rows"].to_string()))
        ));
    }
    let mut admin = world.database.connect_as(&role);
    let mut previewed = 0;
    for (name, org) in &orgs {
        let text = |member: &str| literal(org[member].as_str());
        let mapping = literal(Some(&org["mapping"].to_string()));
        let (region, zone) = (text("phone_region"), text("time_zone"));
        admin
            .batch_execute(&format!(
                "SELECT manifold.add_org('{name}', phone_region => {region}, time_zone => {zone})"
            ))
            .unwrap();
        // What is suggested can be set, whatever the org is like.
        admin
            .batch_execute(&format!(
                "SELECT manifold.set_mapping('{name}', 'lead', 'lead', manifold.suggested_mapping('{name}', 'lead', 'lead'))"
            ))
            .unwrap();
        let told = format!(
            "SELECT count(*) FROM manifold.preview('{name}', 'lead', mapping => {mapping}) WHERE lands"
        );
        previewed += admin.query_one(&told, &[]).unwrap().get::<_, i64>(0);
        admin
            .batch_execute(&format!(
                "SELECT manifold.set_mapping('{name}', 'lead', 'lead', {mapping}); SELECT manifold.start('{name}')"
            ))
            .unwrap();
    }
    drop(admin);
    world.await_count("canonical.lead", previewed);
    world.normalized();
    let mut wrong = Vec::new();
    for (name, org) in &orgs {
        let expected = org["expected"].as_object().unwrap();
        let rows = world
            .client
            .query(
                "SELECT sfid, to_jsonb(c) FROM canonical.lead c WHERE org = $1 ORDER BY sfid",
                &[name],
            )
            .unwrap();
        assert_eq!(rows.len(), expected.len(), "{name}");
        for row in rows {
            let (sfid, found): (String, Value) = (row.get(0), row.get(1));
            let own = [
                "org",
                "sfid",
                "extras",
                "source_table",
                "mapping_version",
                "event_id",
                "normalized_at",
            ];
            for (field, found) in found.as_object().unwrap() {
                let expected = expected[&sfid].get(field).unwrap_or(&Value::Null);
                if !own.contains(&field.as_str()) && shown(found) != shown(expected) {
                    wrong.push(format!("{name} {sfid} {field}: {found}, not {expected}"));
                }
            }
        }
        let rows = world
            .client
            .query(
                "SELECT concat_ws(' ', record, field, reason) FROM manifold.problem WHERE org = $1",
                &[name],
            )
            .unwrap();
        let found: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
        let told: BTreeSet<String> =
            org["problems"].as_array().unwrap().iter().map(shown).collect();
        wrong.extend(found.symmetric_difference(&told).map(|problem| format!("{name}: {problem}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    world.run(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"));
}
