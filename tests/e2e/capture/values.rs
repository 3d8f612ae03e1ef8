//! Values of every type, as the server prints them, in every image.

use super::events;
use super::place::{self, LEAD, Place};
use super::tables::{Draw, OWN, OWN_TYPES, TYPES, literal};
use crate::support::wait;
use crate::world::LIMIT;

/// A table with a column of each type.
fn table_of(types: &[(&str, &[&str])]) -> String {
    let columns: Vec<_> =
        types.iter().enumerate().map(|(i, (sql_type, _))| format!(", c{i} {sql_type}")).collect();
    format!("CREATE TABLE lead (sfid text PRIMARY KEY{})", columns.concat())
}

/// The `n`th values of all types, from the first again where there are no more.
fn values(types: &[(&str, &[&str])], n: usize) -> Vec<String> {
    types
        .iter()
        .map(|(sql_type, values)| literal(sql_type, values[n % values.len()], (n as u64 + 3) << 30))
        .collect()
}

fn every_image_of_every_value_is_right(types: &[(&str, &[&str])]) {
    let mut place = Place::new(&format!("{OWN_TYPES}; {}", table_of(types)));
    let most = types.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
    for n in 0..most {
        place.run(&format!("INSERT INTO lead VALUES ('s{n}', {})", values(types, n).join(", ")));
    }
    assert_eq!(place.told(), vec!["c"; most].join(" "));
    // Each value to the next, each image with the old one; then none.
    for n in 0..most {
        let set: Vec<_> = values(types, n + 1)
            .iter()
            .enumerate()
            .map(|(i, value)| format!("c{i} = {value}"))
            .collect();
        place.run(&format!("UPDATE lead SET {} WHERE sfid = 's{n}'", set.join(", ")));
    }
    assert_eq!(place.told(), vec!["u"; most].join(" "));
    let nulls: Vec<_> = types
        .iter()
        .enumerate()
        .filter(|(i, (sql_type, _))| i % 2 == 0 && !sql_type.starts_with("price"))
        .map(|(i, _)| format!("c{i} = NULL"))
        .collect();
    place.run(&format!("UPDATE lead SET {}", nulls.join(", ")));
    assert_eq!(place.told(), vec!["u"; most].join(" "));
    place.run("UPDATE lead SET sfid = sfid || '!'; DELETE FROM lead");
    assert_eq!(place.told(), [vec!["d"; most], vec!["u"; most]].concat().join(" "));
}

#[test]
fn values_of_every_scalar_type_are_told_as_the_server_prints_them() {
    let (scalars, _): (Vec<_>, Vec<_>) =
        TYPES.iter().copied().partition(|(sql_type, _)| !sql_type.ends_with("[]"));
    every_image_of_every_value_is_right(&scalars);
}

#[test]
fn arrays_of_every_shape_are_told_as_the_server_prints_them() {
    let arrays: Vec<_> =
        TYPES.iter().copied().filter(|(sql_type, _)| sql_type.ends_with("[]")).collect();
    every_image_of_every_value_is_right(&arrays);
}

#[test]
fn domains_enums_composites_and_ranges_of_ones_own_are_told_as_the_server_prints_them() {
    every_image_of_every_value_is_right(OWN);
}

#[test]
fn the_settings_of_those_who_write_and_of_those_who_read_change_no_value() {
    let types: Vec<_> = TYPES
        .iter()
        .chain(OWN)
        .copied()
        .filter(|(sql_type, _)| !sql_type.starts_with("reg") && *sql_type != "int4[]")
        .collect();
    let mut place = Place::new(&format!("{OWN_TYPES}; {}", table_of(&types)));
    let hostile = "SET DateStyle = 'SQL, DMY'; SET TimeZone = 'Asia/Kolkata'; SET IntervalStyle = iso_8601; \
        SET bytea_output = escape; SET extra_float_digits = -15; SET xmlbinary = hex; SET quote_all_identifiers = on; \
        SET default_toast_compression = lz4";
    let mut reader = place.connect();
    place::run(&mut reader, &format!("{hostile}; SET xmloption = document"));
    place.run(hostile);
    for n in 0..4 {
        place.run(&format!("INSERT INTO lead VALUES ('s{n}', {})", values(&types, n).join(", ")));
        place.run("UPDATE lead SET sfid = sfid || '!'");
    }
    let events = events::next(&mut reader, &place.name);
    assert_eq!(events.len(), 4 + 1 + 2 + 3 + 4);
    place.check(&events);
}

#[test]
fn the_server_can_make_the_row_again_of_what_is_told() {
    let types: Vec<_> =
        TYPES.iter().chain(OWN).copied().filter(|(sql_type, _)| *sql_type != "json").collect();
    let mut place = Place::new(&format!("{OWN_TYPES}; {}", table_of(&types)));
    for n in 0..6 {
        place.run(&format!("INSERT INTO lead VALUES ('s{n}', {})", values(&types, n).join(", ")));
    }
    let columns: Vec<_> =
        (0..types.len()).map(|i| format!("('c{i}', made.c{i}::text, lead.c{i}::text)")).collect();
    // A JSON null and a NULL are one in JSON.
    let wrong = format!(
        "SELECT name, made, was FROM manifold.next('{name}') AS told, jsonb_populate_record(NULL::{name}.lead, after) AS made \
         JOIN {name}.lead USING (sfid), LATERAL (VALUES {}) AS x (name, made, was) \
         WHERE made IS DISTINCT FROM was AND NOT (made IS NULL AND was = 'null')",
        columns.join(", "),
        name = place.name
    );
    let wrong = place.client.simple_query(&wrong).unwrap();
    let wrong: Vec<_> = wrong
        .iter()
        .filter_map(|message| match message {
            postgres::SimpleQueryMessage::Row(row) => Some((
                row.get(0).map(|c| types[c[1..].parse::<usize>().unwrap()].0),
                row.get(1),
                row.get(2),
            )),
            _ => None,
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_enum_and_a_composite_may_change_between_the_writes() {
    let mut place = Place::new(&format!(
        "{OWN_TYPES}; CREATE TABLE lead (sfid text, m mood, i inner_row, l inner_row[])"
    ));
    assert_eq!(place.write("INSERT INTO lead VALUES ('a', 'sad', ROW(1, 'x', 'sad'), ARRAY[ROW(2, 'y', NULL)::inner_row])"), "c");
    place.run("ALTER TYPE mood ADD VALUE 'angry' BEFORE 'happy'");
    assert_eq!(place.write("INSERT INTO lead VALUES ('b', 'angry', NULL, NULL); UPDATE lead SET m = 'happy' WHERE sfid = 'a'"), "c u");
    place.run("ALTER TYPE mood RENAME VALUE 'happy' TO 'glad'; ALTER TYPE inner_row ADD ATTRIBUTE more numeric; ALTER TYPE inner_row RENAME ATTRIBUTE b TO bb");
    place.altered("lead");
    assert_eq!(place.write("UPDATE lead SET m = 'sad'; INSERT INTO lead VALUES ('c', 'glad', ROW(3, 'z', 'glad', 1.50), NULL)"), "c u u");
    place.run("ALTER TYPE inner_row DROP ATTRIBUTE a");
    place.altered("lead");
    assert_eq!(place.write("UPDATE lead SET sfid = sfid || '2'; DELETE FROM lead"), "d d d u u u");
}

#[test]
fn a_type_that_is_dropped_holds_back_nothing_but_its_own_values() {
    let mut place = Place::new(&format!(
        "{OWN_TYPES}; CREATE TYPE fate AS ENUM ('here', 'gone'); CREATE TABLE lead (sfid text, f fate, fs fate[], m mood, n int)"
    ));
    place.run("INSERT INTO lead VALUES ('a', 'here', '{gone}', 'sad', 1); UPDATE lead SET n = 2; DROP TYPE fate CASCADE; UPDATE lead SET n = 3; DELETE FROM lead");
    let events = place.unchecked();
    assert_eq!(events::ops(&events), "c d u u");
    for row in events.iter().flat_map(|event| [&event.before, &event.after]).flatten() {
        assert_eq!(row["sfid"].as_deref(), Some("a"), "{row:?}");
        assert_eq!(row["m"].as_deref(), Some("sad"), "{row:?}");
    }
}

#[test]
fn a_value_that_no_json_can_hold_holds_back_nothing_but_itself() {
    let mut place = Place::new("CREATE TABLE lead (sfid text, big int[], n int)");
    // Some megabytes, and as text more than the 256 MB of a string in jsonb.
    place.run("INSERT INTO lead SELECT 'a', array_fill(NULL::int, ARRAY[54000000]), 1; INSERT INTO lead VALUES ('b', '{}', 2); DELETE FROM lead");
    let told = wait::until("the other row", LIMIT, || {
        let told = place.summary("op || (coalesce(before, after) ->> 'sfid')");
        if told.is_empty() { Err("it is not told") } else { Ok(told) }
    });
    assert!(["cb", "db"].iter().all(|event| told.iter().any(|told| told == event)), "{told:?}");
}

#[test]
fn names_of_any_kind_are_told_as_they_are() {
    let long = "n".repeat(63);
    let mut place = Place::with(
        &format!(
            "CREATE TABLE \"Le\"\"ad %s 'x' \\ ü\" (sfid text, \"a\"\"b\" int, \"%1$I\" int, \"Ünï 漢 \\\" int, \"select\" int, \"{long}\" int, \" \" int, \"A\" int, \"a\" int)"
        ),
        &["Le\"ad %s 'x' \\ ü"],
    );
    let table = "\"Le\"\"ad %s 'x' \\ ü\"";
    assert_eq!(
        place.write(&format!("INSERT INTO {table} VALUES ('a', 1, 2, 3, 4, 5, 6, 7, 8), ('b', 0, 0, 0, 0, 0, 0, 0, NULL)")),
        "c c"
    );
    assert_eq!(place.write(&format!("UPDATE {table} SET \"A\" = 0")), "u u");
    place.run(&format!("ALTER TABLE {table} RENAME \"A\" TO \"B\""));
    place.altered("Le\"ad %s 'x' \\ ü");
    assert_eq!(place.write(&format!("DELETE FROM {table}")), "d d");
}

#[test]
fn rows_without_any_value_are_told() {
    let columns: Vec<_> = (0..70).map(|i| format!(", c{i} int")).collect();
    let mut place = Place::new(&format!("CREATE TABLE lead (sfid text{})", columns.concat()));
    assert_eq!(
        place.write("INSERT INTO lead DEFAULT VALUES; INSERT INTO lead DEFAULT VALUES"),
        "c c"
    );
    assert_eq!(
        place.write("UPDATE lead SET c69 = 1; UPDATE lead SET c69 = NULL, c0 = 1"),
        "u u u u"
    );
    assert_eq!(place.write("UPDATE lead SET c0 = NULL; DELETE FROM lead"), "d d u u");
}

#[test]
fn values_that_pl_pgsql_has_expanded_are_told() {
    let mut place = Place::new(&format!(
        "{OWN_TYPES}; CREATE TABLE lead (sfid text, a int[], r outer_row, t text)"
    ));
    place.run(
        "DO $$#variable_conflict use_column \n DECLARE a int[] := '{}'; r outer_row; t text; BEGIN \
           FOR i IN 1..2000 LOOP a := a || i; a[i / 2 + 1] := -i; END LOOP; \
           r.f := 0.1; r.list := ARRAY[ROW(1, repeat('x', 9000), 'sad')::inner_row]; t := repeat('y', 100000); \
           INSERT INTO lead VALUES ('a', a, r, t), ('b', a, r, t); a[5] := NULL; \
           UPDATE lead l SET a = l.a || '{7}'::int[] WHERE sfid = 'a'; END$$",
    );
    assert_eq!(place.told(), "c c u");
    assert_eq!(place.write("DELETE FROM lead"), "d d");
}

#[test]
fn numbers_and_texts_drawn_at_random_are_told_as_the_server_prints_them() {
    let mut draw = Draw(1);
    let mut place = Place::new(&format!(
        "{LEAD}; ALTER TABLE lead ADD f8 float8, ADD f4 float4, ADD nu numeric, ADD iv interval, ADD ts timestamptz, ADD fs float8[], ADD j jsonb"
    ));
    let rows: Vec<_> = (0..600)
        .map(|_| {
            let bits = draw.number() as i64;
            let (mantissa, exponent) = (draw.number() as i64, draw.below(560) as i64 - 280);
            let digits = draw.below(25);
            format!(
                "(1e{exponent}::float8 * {mantissa}::float8 / 1e19, 1e{}::float4 * ({mantissa}::float8 / 1e19)::float4, round({mantissa} / 1e{digits}, {digits}), \
                  make_interval(months => {} , secs => {}), to_timestamp({bits}::float8 / 1e9), ARRAY[{bits}::float8 / 3, 1.0 / {}], jsonb_build_object('v', {mantissa} / 1e{digits}))",
                exponent / 10,
                bits % 40_000,
                mantissa % 1_000_000_000,
                digits + 1
            )
        })
        .collect();
    place.run(&format!("INSERT INTO lead (f8, f4, nu, iv, ts, fs, j) VALUES {}", rows.join(", ")));
    assert_eq!(place.events().len(), 600);
}
