//! Debezium beside us: the same changes of the same table, as it publishes them and as we do, field by
//! field. What differs is in docs/debezium.md, and nowhere else.

mod compare;
mod differences;
mod transactions;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::{SystemTime, UNIX_EPOCH};

use compare::{Difference, differences};
use serde_json::json;

use crate::support::cluster::Cluster;
use crate::support::connect::{self, Connect, Connector};
use crate::support::consumer::{Event, Topic};
use crate::support::run;
use crate::world::{LIMIT, World, broker, cluster_with};

const TABLE: &str = include_str!("table.sql");
const CHANGES: &str = include_str!("changes.sql");
/// Messages that the changes make: 13 inserts, 3 updates, a key that changes and a row that goes.
const EVENTS: usize = 13 + 3 + 3 + 2;

/// Debezium's properties and our settings of the same name.
type Modes = &'static [(&'static str, &'static str)];

const COMBINATIONS: [Modes; 5] = [
    &[("decimal.handling.mode", "precise")],
    &[
        ("decimal.handling.mode", "string"),
        ("binary.handling.mode", "base64"),
        ("time.precision.mode", "connect"),
        ("interval.handling.mode", "string"),
        ("hstore.handling.mode", "map"),
    ],
    &[
        ("decimal.handling.mode", "double"),
        ("binary.handling.mode", "hex"),
        ("time.precision.mode", "nanoseconds"),
    ],
    &[
        ("decimal.handling.mode", "string"),
        ("binary.handling.mode", "base64-url-safe"),
        ("time.precision.mode", "isostring"),
    ],
    &[("decimal.handling.mode", "string"), ("time.precision.mode", "microseconds")],
];

/// How Debezium treats columns where they are treated, which is in the last combination.
const TREATED: Modes = &[
    ("column.exclude.list", "acme.kinds.uuid"),
    ("column.mask.with.5.chars", "acme.kinds.char"),
    ("column.mask.hash.v2.SHA-256.with.salt.pepper", "acme.kinds.varchar"),
    ("column.truncate.to.4.chars", "acme.kinds.text"),
];
/// The same for us.
const PUBLICATION: &str = r#"{"exclude_columns": ["uuid"], "mask_columns": {"char": 5},
    "hash_columns": ["varchar"], "truncate_columns": {"text": 4}}"#;

fn ours(modes: Modes, prefix: &str) -> Cluster {
    let settings: Vec<_> = modes
        .iter()
        .map(|(name, value)| format!("manifold.{} = '{value}'", name.replace('.', "_")))
        .collect();
    cluster_with(&format!(
        "wal_level = logical\nmanifold.kafka_brokers = '{}'\nmanifold.topic_prefix = '{prefix}'\n\
         manifold.schemas_enable = on\nmanifold.hash_salt = 'pepper'\n{}",
        broker().bootstrap(),
        settings.join("\n")
    ))
}

#[test]
fn debezium_and_we_publish_the_same_but_for_what_is_written_down() {
    let began = now();
    let clusters: Vec<Cluster> = COMBINATIONS
        .iter()
        .enumerate()
        .map(|(n, modes)| ours(modes, &format!("ours{n}")))
        .collect();
    let mut worlds: Vec<World> = clusters.iter().map(World::in_cluster).collect();
    let mut debezium = Connect::prepared(run::dir(), &broker().bootstrap()).schemas(true);
    for (n, (modes, world)) in COMBINATIONS.iter().zip(&mut worlds).enumerate() {
        world.run(TABLE);
        world.run(
            "SELECT manifold.add_org('acme'); \
             SELECT manifold.set_mapping('acme', 'kinds', entity => 'lead', mapping => '{\"fields\": {\"city\": \"text\"}}'); \
             SELECT manifold.start('acme')",
        );
        let treated = if n + 1 == COMBINATIONS.len() { TREATED } else { &[] };
        if !treated.is_empty() {
            world
                .run(&format!("SELECT manifold.set_publication('acme', 'kinds', '{PUBLICATION}')"));
        }
        let (port, database) = (clusters[n].port(), &world.database.name);
        let source = Connector::postgres(&slot(n), port, database, &format!("theirs{n}"))
            .set("message.key.columns", "acme.kinds:sfid");
        debezium = debezium.connector(
            modes.iter().chain(treated).fold(source, |s, (name, value)| s.set(name, value)),
        );
    }
    let mut debezium = debezium.start();
    for (n, world) in worlds.iter_mut().enumerate() {
        connect::await_slot(&mut world.client, &slot(n));
        world.run(CHANGES);
    }

    let mut unexplained = Vec::new();
    let mut used = BTreeSet::new();
    for (n, modes) in COMBINATIONS.iter().enumerate() {
        let [ours, theirs] = ["ours", "theirs"].map(|who| {
            let mut topic = Topic::new(&broker().bootstrap(), &format!("{who}{n}.acme.kinds"));
            let events = topic.at_least(EVENTS, LIMIT);
            by_key(events, &format!("\"{who}{n}"))
        });
        let mut values = BTreeSet::new();
        assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
        for (key, ours) in &ours {
            let theirs = &theirs[key];
            assert_eq!(ours.len(), theirs.len(), "events of {key}: {ours:#?} {theirs:#?}");
            for found in ours.iter().zip(theirs).flat_map(|(o, t)| differences(o, t)) {
                match differences::explains(&found, modes) {
                    Some(name) => {
                        used.insert(name);
                        values.extend(differences::value(&found, name));
                    }
                    None => unexplained.push((modes, key.clone(), found)),
                }
            }
            assert!(ours.iter().filter_map(lsn).is_sorted(), "{ours:#?}");
            ours.iter().for_each(|event| assert_times(event, began..=now()));
        }
        assert_eq!(values, values::expected(modes), "our values by {modes:?}");
    }
    report(&unexplained);
    assert_eq!(used, differences::names(), "a difference that is written down is none");
    debezium.assert_running();
    debezium.stop();
}

/// The chunk's number, which the sequence names as well; a tombstone has none.
fn lsn(event: &Event) -> Option<u64> {
    let source = &event.value.as_ref()?["payload"]["source"];
    let lsn = source["lsn"].as_u64().filter(|lsn| *lsn > 0);
    assert_eq!(source["sequence"], json!(json!([null, lsn?.to_string()]).to_string()));
    lsn
}

/// Microseconds since 1970.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    now.as_micros() as u64
}

/// When the change was made, and when the event was, in three units each.
fn assert_times(event: &Event, within: RangeInclusive<u64>) {
    let Some(value) = &event.value else { return };
    let payload = &value["payload"];
    let [changed, made] = [&payload["source"], payload].map(|of| {
        let at = of["ts_us"].as_u64().unwrap_or_else(|| panic!("no time: {of:#}"));
        assert!(within.contains(&at), "{at} within {within:?}");
        assert_eq!((&of["ts_ms"], &of["ts_ns"]), (&json!(at / 1000), &json!(at * 1000)));
        at
    });
    assert!(changed <= made, "{payload:#}");
}

fn slot(n: usize) -> String {
    format!("debezium{n}")
}

/// Events by the payload of their key, in order, with the prefix of their topics made the same.
fn by_key(events: &[Event], prefix: &str) -> BTreeMap<String, Vec<Event>> {
    let mut by_key: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    for event in events {
        let same = |text: &str| {
            serde_json::from_str(&text.replace(prefix, "\"prefix")).expect("it was JSON before")
        };
        let mut event = event.clone();
        event.key = same(&event.key_text);
        event.value = event.value_text.as_deref().map(same);
        by_key.entry(event.key["payload"].to_string()).or_default().push(event);
    }
    by_key.values_mut().for_each(|events| events.sort_by_key(|event| event.offset));
    by_key
}

/// One example of each place.
fn report(unexplained: &[(&Modes, String, Difference)]) {
    let mut places = BTreeMap::new();
    for (modes, key, difference) in unexplained {
        let place = (difference.place, difference.name.clone());
        places.entry(place).or_insert_with(|| format!("{key} {difference:?} by {modes:?}"));
    }
    assert!(places.is_empty(), "differences without a reason: {:#?}", places.values());
}

/// docs/debezium.md and the test tell of the same differences.
#[test]
fn the_differences_from_debezium_are_documented() {
    const DOCS: &str = include_str!("../../../docs/debezium.md");
    let (_, table) = DOCS.split_once("## Differences").expect("a section on differences");
    let documented: BTreeSet<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name)
        .collect();
    let mut known = differences::names();
    known.extend(differences::OF_TRANSACTIONS);
    assert_eq!(documented, known);
}

#[test]
fn modes_change_by_reload_and_an_enums_values_as_they_come() {
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.topic_prefix = 'modes'",
        broker().bootstrap()
    ));
    let mut world = World::in_cluster(&cluster);
    world.run(
        "CREATE SCHEMA acme; CREATE TYPE acme.mood AS ENUM ('sad', 'ok'); \
         CREATE TABLE acme.t (id serial PRIMARY KEY, sfid text, amount numeric(12,2), mood acme.mood); \
         SELECT manifold.add_org('acme'); \
         SELECT manifold.set_mapping('acme', 't', entity => 'lead', mapping => '{\"fields\": {\"city\": \"sfid\"}}'); \
         SELECT manifold.start('acme'); INSERT INTO acme.t (sfid, amount, mood) VALUES ('a', 1.10, 'ok')",
    );
    let mut topic = Topic::new(&broker().bootstrap(), "modes.acme.t");
    let first = topic.at_least(1, LIMIT)[0].clone();
    assert_eq!(first.key_text, "{\"sfid\":\"a\"}");
    assert_eq!(first.after()["amount"], "1.10");

    cluster.set("manifold.decimal_handling_mode", "precise");
    cluster.set("manifold.schemas_enable", "on");
    let described = |event: &&Event| !event.key["schema"].is_null();
    // The publisher takes note when it does.
    let events = topic.until("events with a schema", LIMIT, |events| {
        world.run("INSERT INTO acme.t (sfid, amount, mood) VALUES ('b', 1.10, 'ok')");
        events.iter().find(described).map(drop).ok_or_else(|| "none".to_owned())
    });
    let value = events.iter().find(described).and_then(|event| event.value.clone()).unwrap();
    assert_eq!(value["payload"]["after"]["amount"], "bg==", "{value:#}");

    world.run("ALTER TYPE acme.mood ADD VALUE 'happy'");
    world.run("INSERT INTO acme.t (sfid, mood) VALUES ('c', 'happy')");
    let is_happy = |event: &&Event| {
        event.value.as_ref().is_some_and(|value| value["payload"]["after"]["mood"] == "happy")
    };
    let events = topic.until("a happy row", LIMIT, |events| {
        events.iter().find(is_happy).map(drop).ok_or_else(|| "none".to_owned())
    });
    let happy = events.iter().find(is_happy).and_then(|event| event.value_text.clone()).unwrap();
    assert!(happy.contains("{\"allowed\":\"sad,ok,happy\"}"), "{happy}");

    let wrong = "ALTER SYSTEM SET manifold.decimal_handling_mode = 'exact'";
    let error = world.client.batch_execute(wrong).unwrap_err();
    let error = error.as_db_error().expect("an answer of the server");
    assert_eq!(error.code().code(), "22023");
    assert_eq!(error.hint(), Some("Available values: string, precise, double."));
}
