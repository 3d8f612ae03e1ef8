//! Transaction metadata beside Debezium's: the block in events, and the topic of beginnings and ends.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::differences;
use crate::support::connect::{self, Connect, Connector};
use crate::support::consumer::{Event, Topic};
use crate::support::run;
use crate::world::{LIMIT, World, broker, cluster_with};

const TABLES: &str = "\
CREATE SCHEMA acme;
CREATE TABLE acme.kinds (id serial PRIMARY KEY, sfid varchar(18) UNIQUE, text text);
CREATE TABLE acme.others (id serial PRIMARY KEY, sfid varchar(18) UNIQUE, text text);
ALTER TABLE acme.kinds REPLICA IDENTITY FULL;
ALTER TABLE acme.others REPLICA IDENTITY FULL";

/// Transactions of one table and of two, of many statements, with a key that changes, a savepoint that is
/// rolled back, and one that comes to nothing.
const CHANGES: [&str; 6] = [
    "INSERT INTO acme.kinds (sfid, text) VALUES ('a', '1'), ('b', '2'), ('c', '3')",
    "BEGIN; UPDATE acme.kinds SET text = text || '!'; INSERT INTO acme.others (sfid) VALUES ('x'), ('y'); \
     DELETE FROM acme.kinds WHERE sfid = 'a'; UPDATE acme.others SET text = 'z'; \
     SELECT pg_sleep(0.1); COMMIT",
    "BEGIN; INSERT INTO acme.kinds (sfid) VALUES ('d'); SAVEPOINT s; DELETE FROM acme.kinds; ROLLBACK TO s; COMMIT",
    "BEGIN; INSERT INTO acme.kinds (sfid) VALUES ('e'); ROLLBACK",
    "UPDATE acme.kinds SET sfid = 'B' WHERE sfid = 'b'",
    "DELETE FROM acme.others",
];
/// Transactions that are told.
const TOLD: usize = 5;
/// Messages of acme.kinds, tombstones included: inserts, updates, a delete, an insert, a key that changes.
const EVENTS: usize = 3 + 3 + 2 + 1 + 3;

/// The part of a transaction's id that both have: the transaction's number.
fn xid(id: &Value) -> &str {
    id.as_str().and_then(|id| id.split_once(':')).expect("XID:…").0
}

/// Beginnings and ends by transaction and status.
fn by_transaction(
    events: &[Event],
    of: impl Fn(&str) -> bool,
) -> BTreeMap<(String, String), Event> {
    let mut found = BTreeMap::new();
    for event in events {
        let value = &event.value.as_ref().expect("no tombstones here")["payload"];
        if !of(value["id"].as_str().expect("text")) {
            continue;
        }
        let key =
            (xid(&value["id"]).to_owned(), value["status"].as_str().expect("text").to_owned());
        assert!(found.insert(key, event.clone()).is_none(), "told twice: {value}");
    }
    found
}

/// What differs between two objects, member by member, as paths.
fn differ(path: &str, ours: &Value, theirs: &Value, found: &mut BTreeSet<String>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let of = |of: &serde_json::Map<String, Value>| {
                    of.get(name).cloned().unwrap_or(json!("missing"))
                };
                differ(&format!("{path}.{name}"), &of(a), &of(b), found);
            }
        }
        _ if ours == theirs => {}
        _ => drop(found.insert(path.to_owned())),
    }
}

#[test]
fn transactions_are_told_as_debezium_tells_them_but_for_what_is_written_down() {
    let cluster = cluster_with(&format!(
        "wal_level = logical\nmanifold.kafka_brokers = '{}'\nmanifold.topic_prefix = 'ourtold'\n\
         manifold.schemas_enable = on\nmanifold.provide_transaction_metadata = on\n\
         manifold.exactly_once = on\nmanifold.topic_partitions = 1",
        broker().bootstrap()
    ));
    let mut world = World::in_cluster(&cluster);
    world.run(TABLES);
    world.run("SELECT manifold.add_org('acme')");
    for table in ["kinds", "others"] {
        world.run(&format!(
            "SELECT manifold.set_mapping('acme', '{table}', entity => 'lead', \
               mapping => '{{\"fields\": {{\"city\": \"text\"}}}}')"
        ));
    }
    world.run("SELECT manifold.start('acme')");
    let source = Connector::postgres("told", cluster.port(), &world.database.name, "theirtold")
        .set("message.key.columns", "acme.kinds:sfid;acme.others:sfid")
        .set("table.include.list", "acme.kinds,acme.others")
        .set("publication.autocreate.mode", "filtered")
        .set("provide.transaction.metadata", "true");
    let mut debezium = Connect::prepared(run::dir(), &broker().bootstrap())
        .schemas(true)
        .connector(source)
        .start();
    connect::await_slot(&mut world.client, "told");
    for sql in CHANGES {
        world.run(sql);
    }
    world.published();

    let [ours, theirs] = ["ourtold", "theirtold"].map(|prefix| {
        let mut topic = Topic::new(&broker().bootstrap(), &format!("{prefix}.transaction"));
        // Theirs are all acme's; ours are also told of the canonical tables.
        let of = |id: &str| prefix == "theirtold" || id.ends_with(":acme");
        let all = topic.until("all ends", LIMIT, |events| match by_transaction(events, of).len() {
            n if n == 2 * TOLD => Ok(()),
            n => Err(format!("{n} messages")),
        });
        by_transaction(all, of)
    });
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    let mut found = BTreeSet::new();
    for (at, ours) in &ours {
        let theirs = &theirs[at];
        differ("key", &ours.key, &theirs.key, &mut found);
        let [one, other] = [ours, theirs].map(|event| event.value.clone().expect("a value"));
        differ("value", &one, &other, &mut found);
        let ts = |value: &Value| value["payload"]["ts_ms"].as_i64().expect("a time");
        assert!(ts(&one) <= ts(&other), "the statement comes before its commit");
        assert_eq!(sorted(&one), sorted(&other), "the same tables, in whatever order");
    }
    let places = [
        "key.payload.id",
        "value.payload.id",
        "value.payload.data_collections",
        "value.payload.ts_ms",
    ];
    assert_eq!(found, BTreeSet::from(places.map(str::to_owned)), "{ours:?} {theirs:?}");
    let of = |place: &String| {
        place.replace("key.payload", "transaction").replace("value.payload", "transaction")
    };
    let known = differences::OF_TRANSACTIONS.map(str::to_owned);
    assert_eq!(found.iter().map(of).collect::<BTreeSet<_>>(), BTreeSet::from(known));

    // In events, the block is the same but for the id.
    let [ours, theirs] = ["ourtold", "theirtold"].map(|prefix| {
        let mut topic = Topic::new(&broker().bootstrap(), &format!("{prefix}.acme.kinds"));
        let events = topic.at_least(EVENTS, LIMIT).to_vec();
        let values = events.iter().filter_map(|event| event.value.as_ref());
        let mut blocks: Vec<(Value, Value)> = values
            .map(|value| (value["payload"]["transaction"].clone(), schema_of_block(value)))
            .collect();
        // Their topic has several partitions.
        blocks.sort_by_key(|(block, _)| {
            (xid(&block["id"]).to_owned(), block["total_order"].as_i64())
        });
        blocks
    });
    assert_eq!(ours.len(), theirs.len());
    for ((ours, schema), (theirs, their_schema)) in ours.iter().zip(&theirs) {
        assert_eq!(schema, their_schema);
        let mut found = BTreeSet::new();
        differ("transaction", ours, theirs, &mut found);
        assert_eq!(found, BTreeSet::from(["transaction.id".to_owned()]), "{ours} {theirs}");
        assert_eq!(xid(&ours["id"]), xid(&theirs["id"]));
    }
    debezium.assert_running();
    debezium.stop();
}

/// The tables of a transaction's end, with their numbers of events.
fn sorted(value: &Value) -> BTreeSet<String> {
    let of = &value["payload"]["data_collections"];
    of.as_array().into_iter().flatten().map(Value::to_string).collect()
}

fn schema_of_block(value: &Value) -> Value {
    let fields = value["schema"]["fields"].as_array().expect("a struct").iter();
    fields.filter(|field| field["field"] == "transaction").cloned().collect()
}
