//! How a row is stored: out of line, compressed, wide, large, and older than its columns.

use super::events;
use super::place::{LEAD, Place};
use super::tables::{OWN_TYPES, literal};

#[test]
fn values_out_of_line_and_compressed_are_told_whole() {
    let columns = ["external", "extended", "main", "plain"]
        .iter()
        .flat_map(|storage| ["pglz", "lz4"].map(|compression| (storage, compression)))
        .map(|(storage, compression)| {
            (format!("{storage}_{compression}"), format!("SET STORAGE {storage}, ALTER {storage}_{compression} SET COMPRESSION {compression}"))
        });
    let mut setup = "CREATE TABLE lead (sfid text PRIMARY KEY, n int DEFAULT 0)".to_owned();
    for (name, storage) in columns.clone() {
        setup +=
            &format!("; ALTER TABLE lead ADD {name} text; ALTER TABLE lead ALTER {name} {storage}");
    }
    let mut place = Place::new(&setup);
    let names: Vec<_> = columns.map(|(name, _)| name).collect();
    let sizes =
        [("tiny", 10), ("short", 126), ("inline", 700), ("page", 2_500), ("large", 300_000)];
    for (key, size) in sizes {
        for (name, compresses) in names.iter().flat_map(|name| [(name, true), (name, false)]) {
            let size = if name.starts_with("plain") { size.min(2_500) } else { size };
            let value = if compresses {
                format!("repeat('{name} ', {})", size / name.len() + 1)
            } else {
                format!(
                    "(SELECT left(string_agg(md5('{key}' || i), ''), {size}) FROM generate_series(0, {size} / 32) i)"
                )
            };
            place.run(&format!(
                "INSERT INTO lead (sfid, {name}) VALUES ('{key} {name} {compresses}', {value})"
            ));
        }
    }
    assert_eq!(place.events().len(), 80);
    for sql in [
        "UPDATE lead SET n = 1",
        "UPDATE lead SET external_pglz = external_lz4, external_lz4 = main_lz4, extended_pglz = external_pglz, extended_lz4 = main_pglz, \
           main_pglz = extended_lz4, main_lz4 = extended_pglz",
        "UPDATE lead SET extended_lz4 = extended_lz4 || '.', main_pglz = NULL WHERE sfid < 'page'",
        "INSERT INTO lead SELECT 'copy ' || sfid, n, external_pglz, extended_lz4, main_lz4, external_lz4, extended_pglz, main_pglz FROM lead",
        "DELETE FROM lead WHERE sfid LIKE 'copy%'",
    ] {
        assert_ne!(place.write(sql), "", "{sql}");
    }
    place.run("VACUUM FULL lead");
    assert_ne!(place.write("UPDATE lead SET n = 2; DELETE FROM lead"), "");
}

#[test]
fn large_values_of_other_types_are_told_whole() {
    let types = [
        (
            "bytea",
            "(SELECT string_agg(decode(md5(i::text), 'hex'), '') FROM generate_series(1, 9000) i)",
        ),
        ("int4[]", "(SELECT array_agg(i * i) FROM generate_series(1, 20000) i)"),
        (
            "text[]",
            "(SELECT array_agg(repeat(md5(i::text), i % 20)) FROM generate_series(1, 3000) i)",
        ),
        ("numeric", "(SELECT string_agg(i::text, '') FROM generate_series(1, 5000) i)::numeric"),
        (
            "jsonb",
            "(SELECT jsonb_object_agg(md5(i::text), i / 7.0) FROM generate_series(1, 3000) i)",
        ),
        ("hstore", "hstore((SELECT array_agg(md5(i::text)) FROM generate_series(1, 6000) i))"),
        (
            "int4multirange",
            "(SELECT range_agg(int4range(3 * i, 3 * i + 1)) FROM generate_series(1, 5000) i)",
        ),
        (
            "tsvector",
            "(SELECT to_tsvector('simple', string_agg(md5(i::text), ' ')) FROM generate_series(1, 3000) i)",
        ),
        (
            "inner_row",
            "ROW(1, (SELECT string_agg(md5(i::text), ' ') FROM generate_series(1, 3000) i), 'sad')",
        ),
        (
            "outer_row",
            "ROW(1, NULL, (SELECT array_agg(ROW(i, md5(i::text), 'happy')::inner_row) FROM generate_series(1, 2000) i), NULL, repeat('c', 50000))",
        ),
        ("code", "(SELECT string_agg(md5(i::text), ' ') FROM generate_series(1, 3000) i)"),
        ("codes", "(SELECT array_agg(md5(i::text)) FROM generate_series(1, 3000) i)"),
        (
            "polygon",
            "(SELECT ('(' || string_agg('(' || i || ',' || sin(i) || ')', ',') || ')')::polygon FROM generate_series(1, 2000) i)",
        ),
        ("varbit", "repeat('011', 90000)::varbit"),
        (
            "xml",
            "('<a>' || (SELECT string_agg(md5(i::text), '<b/>') FROM generate_series(1, 3000) i) || '</a>')",
        ),
    ];
    let columns: Vec<_> =
        types.iter().enumerate().map(|(i, (sql_type, _))| format!(", c{i} {sql_type}")).collect();
    let mut place = Place::new(&format!(
        "{OWN_TYPES}; CREATE TABLE lead (sfid text, n int{})",
        columns.concat()
    ));
    let values: Vec<_> =
        types.iter().map(|(sql_type, value)| literal(sql_type, value, 0)).collect();
    assert_eq!(
        place.write(&format!("INSERT INTO lead VALUES ('a', 1, {})", values.join(", "))),
        "c"
    );
    assert_eq!(place.write("UPDATE lead SET n = 2; UPDATE lead SET c1 = c1 || 7, c2 = NULL, c0 = c0 || '\\x00'; DELETE FROM lead"), "d u u");
}

#[test]
fn rows_that_are_older_than_their_columns_are_told_with_the_defaults() {
    let mut place = Place::new(&format!(
        "{LEAD}; INSERT INTO lead (sfid, n) SELECT 's' || i, i FROM generate_series(1, 9) i"
    ));
    place.run(
        "ALTER TABLE lead ADD a int NOT NULL DEFAULT 7, ADD b text DEFAULT 'ü x', ADD c text, ADD d timestamptz DEFAULT '2024-01-01+02', \
           ADD e int[] DEFAULT '[3:4]={1,NULL}', ADD f numeric DEFAULT 1.50, ADD g text DEFAULT repeat('large ', 3000), ADD h bool DEFAULT false, \
           ADD i uuid DEFAULT '00000000-0000-0000-0000-00000000000f', ADD j \"char\" DEFAULT 'j'",
    );
    place.altered("lead");
    assert_eq!(place.write("UPDATE lead SET n = 0 WHERE sfid = 's1'; UPDATE lead SET a = 8 WHERE sfid = 's2'; DELETE FROM lead WHERE sfid = 's3'"), "d u u");
    // The default of later rows is another; those of old ones stay.
    place.run("ALTER TABLE lead ALTER a SET DEFAULT 9, ALTER b DROP DEFAULT, DROP d, ADD k int DEFAULT 11");
    place.altered("lead");
    assert_eq!(place.write("INSERT INTO lead (sfid) VALUES ('new'); UPDATE lead SET c = 'x', g = NULL WHERE sfid = 's4'; UPDATE lead SET j = NULL WHERE sfid = 's1'"), "c u u");
    place.run("ALTER TABLE lead DROP a, DROP k, ADD a text DEFAULT 'again'");
    place.altered("lead");
    assert_eq!(
        place.write("UPDATE lead SET n = 5; DELETE FROM lead WHERE n = 5"),
        [["d"; 9], ["u"; 9]].concat().join(" ")
    );
}

#[test]
fn columns_may_come_and_go_in_the_transaction_that_writes() {
    let mut place =
        Place::new(&format!("{LEAD}; INSERT INTO lead (sfid, n) VALUES ('a', 1), ('b', 2)"));
    let images = |place: &mut Place<'_>, sql: &str| {
        place.run(sql);
        let events = place.unchecked();
        let columns = |row: &Option<events::Row>| {
            row.as_ref()
                .map(|row| row.keys().cloned().collect::<Vec<_>>().join(" "))
                .unwrap_or_default()
        };
        events
            .iter()
            .map(|event| {
                format!(
                    "{} {}",
                    event.op,
                    columns(if event.op == "d" { &event.before } else { &event.after })
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        images(
            &mut place,
            "BEGIN; UPDATE lead SET n = 3 WHERE sfid = 'a'; ALTER TABLE lead ADD x int DEFAULT 5; UPDATE lead SET n = 4 WHERE sfid = 'a'; \
            ALTER TABLE lead DROP name; DELETE FROM lead WHERE sfid = 'b'; COMMIT"
        ),
        ["u id n name sfid", "u id n name sfid x", "d id n sfid x"]
    );
    assert_eq!(
        images(
            &mut place,
            "BEGIN; SAVEPOINT s; ALTER TABLE lead RENAME x TO y; UPDATE lead SET n = 5; ROLLBACK TO s; UPDATE lead SET n = 6; COMMIT"
        ),
        ["u id n sfid x"]
    );
    assert_eq!(
        images(
            &mut place,
            "BEGIN; ALTER TABLE lead ADD z int; UPDATE lead SET n = 7; ROLLBACK; UPDATE lead SET n = 8"
        ),
        ["u id n sfid x"]
    );
    place.run("ALTER TABLE lead ALTER n TYPE text, ALTER x TYPE bigint USING x * 10000000000, ADD more int GENERATED ALWAYS AS IDENTITY");
    place.altered("lead");
    assert_eq!(place.write("UPDATE lead SET n = n || '!'; DELETE FROM lead"), "d u");
}

#[test]
fn generated_columns_are_told() {
    let mut place = Place::new(
        "CREATE TABLE lead (id int GENERATED ALWAYS AS IDENTITY, n int, sfid text GENERATED ALWAYS AS ('s' || n) STORED UNIQUE, \
           twice numeric GENERATED ALWAYS AS (n * 2.50) STORED, gone int GENERATED ALWAYS AS (n) STORED, list int[] GENERATED ALWAYS AS (ARRAY[n, NULL]) STORED)",
    );
    assert_eq!(place.write("INSERT INTO lead (n) VALUES (1), (2)"), "c c");
    assert_eq!(place.write("UPDATE lead SET n = 3 WHERE n = 1; INSERT INTO lead (n) VALUES (2) ON CONFLICT (sfid) DO UPDATE SET n = 5"), "u u");
    place.run("ALTER TABLE lead DROP gone, ADD later int GENERATED ALWAYS AS (n + 1) STORED");
    place.altered("lead");
    assert_eq!(place.write("UPDATE lead SET n = 4 WHERE n = 3; DELETE FROM lead"), "d d u");
}

#[test]
fn a_row_of_sixteen_hundred_columns_is_told() {
    let columns: Vec<_> = (1..1600)
        .map(|i| format!(", c{i} {}", ["int2", "bool", "\"char\"", "text"][i % 4]))
        .collect();
    let mut place = Place::new(&format!(
        "CREATE TABLE lead (sfid text{}); INSERT INTO lead (sfid, c1599, c4) VALUES ('old', 'x', 4)",
        columns.concat()
    ));
    let values: Vec<_> = (1..1600)
        .map(|i| {
            [format!(", {i}"), ", true".into(), ", 'c'".into(), ", NULL".into()][i % 4].clone()
        })
        .collect();
    assert_eq!(place.write(&format!("INSERT INTO lead VALUES ('full'{})", values.concat())), "c");
    assert_eq!(place.write("UPDATE lead SET c1599 = 'last', c4 = NULL"), "u u");
    // The last that fits: those that were dropped count too.
    place.run("ALTER TABLE lead DROP c4, DROP c1599");
    place.altered("lead");
    assert_eq!(place.write("UPDATE lead SET c1 = NULL; DELETE FROM lead"), "d d u u");
}

#[test]
fn a_value_of_a_hundred_megabytes_is_told_whole() {
    let mut place = Place::new(
        "CREATE TABLE lead (sfid text, big text, n int); ALTER TABLE lead ALTER big SET STORAGE EXTERNAL",
    );
    place.run("INSERT INTO lead SELECT 'a', repeat('0123456789', 10 * 1000 * 1000), 1; UPDATE lead SET n = 2");
    // Compared where it is: it need not travel.
    let told = place.summary(
        "op || coalesce(length(before->>'big'), 0) || ' ' || coalesce(length(after->>'big'), 0) || ' ' || \
         (coalesce(before->>'big', after->>'big') = repeat('0123456789', 10 * 1000 * 1000))",
    );
    assert_eq!(told, ["c0 100000000 true", "u100000000 100000000 true"]);
}

#[test]
fn tables_that_are_rewritten_and_clustered_are_told_as_before() {
    let mut place = Place::new(&format!(
        "{LEAD}; INSERT INTO lead (sfid, n) SELECT 's' || i, i FROM generate_series(1, 5) i"
    ));
    for sql in [
        "VACUUM FULL lead",
        "CLUSTER lead USING lead_pkey",
        "ALTER TABLE lead SET (fillfactor = 50)",
        "ALTER TABLE lead SET LOGGED",
        "REINDEX TABLE lead",
    ] {
        place.run(sql);
        assert_eq!(place.write("UPDATE lead SET n = n + 1 WHERE sfid = 's1'"), "u", "{sql}");
    }
    let renamed = "ALTER TABLE lead RENAME name TO title; ALTER TABLE lead ADD CONSTRAINT positive CHECK (n > 0)";
    place.run(renamed);
    place.altered("lead");
    assert_eq!(place.write("DELETE FROM lead WHERE n > 3"), "d d d");
}
