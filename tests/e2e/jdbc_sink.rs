//! Debezium's JDBC sink connector, in a real Kafka Connect, keeps a table of another database equal to
//! a captured one.

use postgres::Client;

use crate::support::connect::{Connect, Connector};
use crate::support::run;
use crate::support::wait;
use crate::world::{LIMIT, World, broker, cluster, cluster_with};

const TABLE: &str = include_str!("jdbc_sink.sql");

/// Columns of a mapped table and of the canonical one, for comparing what types of different names
/// hold.
const ITEM: [&str; 19] = [
    "sfid",
    "id",
    "name",
    "amount",
    "any_amount",
    "ratio",
    "small",
    "big",
    "flag",
    "born",
    "at",
    "at_second",
    "seen",
    "clock",
    "raw",
    "doc",
    "uid",
    "tags",
    "numbers",
];
const LEAD: [&str; 12] = [
    "sfid",
    "org",
    "city",
    "annual_revenue",
    "employees",
    "interests",
    "answers",
    "consent",
    "birth_date",
    "consent_at",
    "extras",
    "event_id",
];
const MAPPING: &str = r#"{"fields": {
    "city": "name", "annual_revenue": "amount", "employees": "small", "answers": "doc",
    "interests": {"column": "tags", "rules": []}, "consent": "flag", "birth_date": "born",
    "consent_at": "seen"}}"#;

#[test]
fn the_sinks_table_equals_the_source_after_a_random_mix_and_restarts() {
    let mut server = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.topic_prefix = 'jdbc'\nmanifold.schemas_enable = on\n\
         manifold.decimal_handling_mode = precise",
        broker().bootstrap()
    ));
    let target = cluster().database();
    let mut target_client = target.connect();
    let name = {
        let mut world = World::in_cluster(&server);
        world.run(TABLE);
        world.run("SELECT acme.change(n) FROM generate_series(1, 10) AS n");
        world.run(&format!(
            "SELECT manifold.add_org('acme'); \
             SELECT manifold.set_mapping('acme', 'item', entity => 'lead', mapping => '{MAPPING}'); \
             SELECT manifold.start('acme')"
        ));
        world.published();
        world.keep()
    };
    let sink = |name, topic| {
        Connector::jdbc(name, target.cluster().port(), &target.name, topic)
            .set("collection.name.format", name)
    };
    let mut connect = Connect::prepared(run::dir(), &broker().bootstrap())
        .schemas(true)
        .connector(sink("item", "jdbc\\.acme\\.item"))
        .connector(sink("lead", "jdbc\\.canonical\\.lead"))
        .start();

    let mut world = World::reopen(&server, &name);
    change(&mut world.client, 11..40);
    await_equal(&mut world.client, &mut target_client);
    // Both end in the middle of it, the one in order, the other not.
    change(&mut world.client, 40..60);
    connect.kill();
    world.keep();
    server.restart();
    let mut world = World::reopen(&server, &name);
    change(&mut world.client, 60..80);
    connect.launch();
    change(&mut world.client, 80..100);
    await_equal(&mut world.client, &mut target_client);
    // Deletes that capture did not see: of what the sink is told then, only the key is known.
    world.run(
        "ALTER TABLE acme.item DISABLE TRIGGER USER; \
         DELETE FROM acme.item WHERE sfid IN (SELECT sfid FROM acme.item ORDER BY sfid LIMIT 5); \
         SELECT manifold.resync('acme')",
    );
    await_equal(&mut world.client, &mut target_client);
    connect.assert_running();
    connect.stop();
    // There was something of everything.
    let [rows, deleted, moved] = ["rows", "deleted", "moved"]
        .map(|what| world.value::<i64>(&format!("SELECT {what}::bigint FROM acme.tally")));
    assert!(
        rows > 20 && deleted > 20 && moved > 20,
        "{rows} rows, {deleted} deleted, {moved} moved"
    );
}

/// Each step is a transaction.
fn change(client: &mut Client, steps: std::ops::Range<i32>) {
    for step in steps {
        client.execute("SELECT acme.change($1)", &[&step]).unwrap();
    }
}

fn await_equal(source: &mut Client, target: &mut Client) {
    for (table, copy, columns) in
        [("acme.item", "item", &ITEM[..]), ("canonical.lead", "lead", &LEAD[..])]
    {
        wait::until("the sink's table to equal the source", LIMIT * 2, || {
            let there = rows(source, table, columns).map_err(|e| format!("{e:?}"))?;
            let here = rows(target, copy, columns).map_err(|e| format!("{e:?}"))?;
            match here.iter().zip(&there).find(|(here, there)| here != there) {
                Some((here, there)) => Err(format!("\n{here:?} where there is\n{there:?}")),
                None if here.len() != there.len() => {
                    Err(format!("{} rows of {copy} instead of {}", here.len(), there.len()))
                }
                None => Ok(()),
            }
        });
    }
}

fn rows(
    client: &mut Client,
    table: &str,
    columns: &[&str],
) -> Result<Vec<Vec<Option<String>>>, postgres::Error> {
    client.batch_execute("SET TimeZone = 'UTC'")?;
    // The sink has other types for these.
    let text = |column: &&str| match *column {
        "any_amount" | "annual_revenue" => format!("trim_scale({column}::numeric)::text"),
        "doc" | "answers" | "extras" => format!("{column}::jsonb::text"),
        column => format!("{column}::text"),
    };
    let shown: Vec<_> = columns.iter().map(text).collect();
    let sql = format!("SELECT {} FROM {table} ORDER BY sfid", shown.join(", "));
    let rows = client.query(&sql, &[])?;
    Ok(rows.iter().map(|row| (0..columns.len()).map(|at| row.get(at)).collect()).collect())
}
