//! Options by source and by settings.

use serde_json::json;

use super::{ANNE, add, contacts, count, eager, everything, refused};
use crate::support::consumer::{Event, Topic};
use crate::world::{LIMIT, World, broker, cluster_with};

const PRIVATE: &str = "'{\"exclude_columns\": [\"birthdate\"], \"mask_columns\": {\"phone\": 5}, \
    \"hash_columns\": [\"email\"], \"truncate_columns\": {\"notes\": 9}}'";

#[test]
fn personal_data_does_not_travel() {
    let mut world = World::in_cluster(eager());
    contacts(&mut world, "tiny");
    world.run(&format!("SELECT manifold.set_publication('tiny', 'contact', {PRIVATE})"));
    world.run(
        "SELECT manifold.set_publication('canonical', 'contact', \
           '{\"exclude_columns\": [\"extras\"], \"hash_columns\": [\"email\"]}')",
    );
    add(&mut world, "tiny", 1);
    world.run("SELECT manifold.start('tiny')");
    world.await_count("canonical.contact", 1);
    world.run("UPDATE tiny.contact SET phone = '+49 89 2', birthdate = '1981-02-03'");
    world.run("UPDATE tiny.contact SET sfid = '003X'");
    world.await_count("canonical.contact WHERE sfid = '003X'", 1);
    world.run("DELETE FROM tiny.contact");
    world.await_count("canonical.contact", 0);
    world.published();

    let mut topic = world.topic("tiny.contact");
    let events = topic.all();
    let ops: Vec<_> = events.iter().map(|event| event.op().unwrap_or("tombstone")).collect();
    assert_eq!(ops, ["r", "u", "d", "tombstone", "c", "d", "tombstone"], "{events:#?}");
    let row =
        json!({"id": 1, "sfid": "0031", "email": ANNE, "phone": "*****", "notes": "likes tea"});
    assert_eq!(events[0].after(), &row);
    assert_eq!((events[1].before(), events[1].after()), (&row, &row));
    let text = everything(events);
    let canonical = everything(world.topic("canonical.contact").all());
    assert!(canonical.contains(ANNE), "{canonical}");
    // With what no number of an event has by accident.
    for secret in ["anne1", "+49", "1980-", "1981-", "birthdate", "cups", "pepper"] {
        assert!(!text.contains(secret), "{secret} in {text}");
        assert!(!canonical.contains(secret), "{secret} in {canonical}");
    }
}

#[test]
fn peek_shows_what_will_leave_and_no_more() {
    let mut world = World::in_cluster(eager());
    contacts(&mut world, "tiny");
    world.run("SELECT manifold.start('tiny'); SELECT manifold.pause('tiny', 'publisher')");
    add(&mut world, "tiny", 1);
    world.run(&format!("SELECT manifold.set_publication('tiny', 'contact', {PRIVATE})"));
    let peeked: String = world
        .value("SELECT string_agg(key || value || headers::text, ' ') FROM manifold.peek('tiny')");
    assert!(peeked.contains(ANNE) && peeked.contains("*****"), "{peeked}");
    for secret in ["anne1", "+49", "birthdate", "cups", "pepper"] {
        assert!(!peeked.contains(secret), "{secret} in {peeked}");
    }
    // None of it any more: all columns, as they are.
    world.run("SELECT manifold.set_publication('tiny', 'contact', '{}')");
    assert_eq!(world.count("manifold.publication"), 0);
    let peeked: String = world.value("SELECT string_agg(value, ' ') FROM manifold.peek('tiny')");
    assert!(peeked.contains("anne1@example.com") && peeked.contains("birthdate"), "{peeked}");
}

#[test]
fn rows_are_chosen_by_a_condition() {
    let mut world = World::in_cluster(eager());
    contacts(&mut world, "tiny");
    world.run(
        "SELECT manifold.set_publication('tiny', 'contact', \
           '{\"when\": {\"column\": \"notes\", \"not\": \"private\"}, \"exclude_columns\": [\"notes\"]}')",
    );
    for n in 1..=3 {
        add(&mut world, "tiny", n);
    }
    world.run("UPDATE tiny.contact SET notes = 'Private' WHERE sfid = '0032'");
    world.run("SELECT manifold.start('tiny')");
    world.published();
    for (notes, sfid) in [("private", "0031"), ("public", "0032"), ("secret", "0033")] {
        world.run(&format!("UPDATE tiny.contact SET notes = '{notes}' WHERE sfid = '{sfid}'"));
    }
    world.run("UPDATE tiny.contact SET phone = '1' WHERE sfid = '0031'");
    world.run("DELETE FROM tiny.contact");
    world.published();
    let mut topic = world.topic("tiny.contact");
    let told: Vec<(&str, &str)> = topic
        .all()
        .iter()
        .map(|event| (event.key["sfid"].as_str().unwrap(), event.op().unwrap_or("gone")))
        .collect();
    assert_eq!(
        told,
        [
            ("0031", "r"),
            ("0033", "r"),
            ("0031", "d"),
            ("0031", "gone"),
            ("0032", "c"),
            ("0033", "u"),
            ("0032", "d"),
            ("0032", "gone"),
            ("0033", "d"),
            ("0033", "gone"),
        ],
    );
    assert!(!everything(topic.all()).contains("notes"), "what is tested need not leave");
    let (code, text) = refused(
        &mut world,
        "SELECT manifold.set_publication('tiny', 'contact', '{\"when\": {\"column\": \"note\", \"is\": 1}}')",
    );
    assert!(code == "22023" && text.contains("when.column"), "{code} {text}");
}

#[test]
fn heartbeats_say_that_the_publisher_is_alive() {
    let world = World::in_cluster(eager());
    let name = format!("__debezium-heartbeat.{}", world.prefix);
    let mut topic = Topic::new(&broker().bootstrap(), &name);
    let beats = topic.at_least(4, LIMIT);
    assert!(beats.iter().all(|beat| beat.key == json!({"serverName": world.prefix})), "{beats:?}");
    let times: Vec<i64> =
        beats.iter().map(|beat| beat.value.as_ref().unwrap()["ts_ms"].as_i64().unwrap()).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 150), "{times:?}");
}

#[test]
fn key_columns_are_the_messages_key() {
    let mut world = World::in_cluster(eager());
    contacts(&mut world, "tiny");
    world.run(
        "SELECT manifold.set_publication('tiny', 'contact', \
           '{\"key_columns\": [\"email\", \"id\"], \"hash_columns\": [\"email\"]}')",
    );
    add(&mut world, "tiny", 1);
    world.run("SELECT manifold.start('tiny')");
    world.published();
    world.run("UPDATE tiny.contact SET email = 'bob@example.com'");
    world.published();
    let mut topic = world.topic("tiny.contact");
    let events = topic.all();
    let ops: Vec<_> = events.iter().map(|event| event.op().unwrap_or("tombstone")).collect();
    assert_eq!(events.len(), 4, "{ops:?}");
    let old = format!("{{\"email\":\"{ANNE}\",\"id\":1}}");
    let of_old: Vec<_> = events.iter().filter(|event| event.key_text == old).collect();
    assert_eq!(of_old.len(), 3, "create, delete and tombstone: {events:#?}");
    assert_eq!(of_old[0].after()["email"], ANNE, "key and row agree");
    let new = events.iter().find(|event| event.key_text != old).expect("another key");
    assert_eq!((new.op(), new.header("__debezium.oldkey")), (Some("c"), old.as_str()));
}

#[test]
fn options_are_checked_against_the_table() {
    let mut world = World::in_cluster(eager());
    contacts(&mut world, "tiny");
    let (code, text) = refused(
        &mut world,
        "SELECT manifold.set_publication('tiny', 'contact', \
           '{\"exclude_columns\": [\"birthday\", \"sfid\"], \"mask_columns\": {\"birthdate\": 1}, \"hide\": []}')",
    );
    assert_eq!(code, "22023", "{text}");
    for part in
        ["exclude_columns.birthday", "exclude_columns.sfid", "mask_columns.birthdate", "hide"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    for (call, expected) in [
        ("'nobody', 'contact', '{}'", "42704"),
        ("'tiny', 'lead', '{}'", "42704"),
        ("'canonical', 'account', '{}'", "42704"),
        ("'tiny', 'contact', NULL", "22023"),
        ("'canonical', 'contact', '{\"exclude_columns\": [\"org\"]}'", "22023"),
    ] {
        let (code, text) = refused(&mut world, &format!("SELECT manifold.set_publication({call})"));
        assert_eq!(code, expected, "{call}: {text}");
    }
    assert_eq!(world.count("manifold.publication"), 0, "nothing was changed");
    let role = format!("nobody_{}", world.database.name);
    world.run(&format!("CREATE ROLE {role}; SET ROLE {role}"));
    let (code, _) = refused(&mut world, "SELECT manifold.set_publication('tiny', 'contact', '{}')");
    world.run(&format!("RESET ROLE; DROP ROLE {role}"));
    assert_eq!(code, "42501");
}

#[test]
fn nothing_is_hashed_without_a_salt() {
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.topic_prefix = 'saltless'\nmanifold.hash_salt = 'pepper'",
        broker().bootstrap()
    ));
    let mut world = World::in_cluster(&cluster);
    world.prefix = "saltless".into();
    contacts(&mut world, "tiny");
    world.run(
        "SELECT manifold.set_publication('tiny', 'contact', '{\"hash_columns\": [\"email\"]}')",
    );
    world.run("CREATE ROLE looker; SET ROLE looker");
    let (code, _) = refused(&mut world, "SHOW manifold.hash_salt");
    assert_eq!(code, "42501");
    assert_eq!(world.count("pg_settings WHERE setting = 'pepper'"), 0);
    world.run("RESET ROLE");

    world.publish_with("manifold.hash_salt", "");
    world.run("SELECT manifold.start('tiny')");
    add(&mut world, "tiny", 1);
    world.await_status("tiny", "publisher", "in want of a salt", |status| {
        status.state == "error"
            && status.last_error.as_ref().is_some_and(|error| error.contains("hash_salt"))
    });
    let (code, _) = refused(
        &mut world,
        "SELECT manifold.set_publication('tiny', 'contact', '{\"hash_columns\": [\"phone\"]}')",
    );
    assert_eq!(code, "55000");
    assert_eq!(count(&mut world.topic("tiny.contact")), 0, "nothing has left");
    cluster.set("manifold.hash_salt", "pepper");
    world.published();
    assert_eq!(world.topic("tiny.contact").all()[0].after()["email"], ANNE);
}

#[test]
fn truncates_and_headers_are_published_on_demand() {
    let mut world = World::in_cluster(eager());
    contacts(&mut world, "tiny");
    world.run("SELECT manifold.start('tiny')");
    world.published();
    add(&mut world, "tiny", 1);
    world.await_count("canonical.contact", 1);
    world.run("TRUNCATE tiny.contact");
    world.await_count("canonical.contact", 0);
    world.published();
    let prefix = world.prefix.clone();
    let mut topic = world.topic("tiny.contact");
    let events = topic.all();
    assert_eq!(events.len(), 2, "{events:#?}");
    let truncate = events.iter().find(|event| event.op() == Some("t")).expect("a truncate event");
    assert_eq!((truncate.key_text.as_str(), &truncate.key), ("", &json!(null)));
    assert_eq!((truncate.before(), truncate.after()), (&json!(null), &json!(null)));
    let source = &truncate.value.as_ref().unwrap()["source"];
    assert_eq!((&source["schema"], &source["table"]), (&json!("tiny"), &json!("contact")));
    let create = events.iter().find(|event| event.op() == Some("c")).expect("a create");
    for event in [truncate, create] {
        assert_eq!(event.header("__debezium.context.connectorLogicalName"), prefix);
        assert_eq!(event.header("__debezium.context.taskId"), "0");
        assert_eq!(event.header("__debezium.context.connectorName"), "postgresql");
        assert_eq!(event.header("org"), "tiny");
    }
    // Made by the first version of the mapping, and then by the second.
    add(&mut world, "tiny", 2);
    world.await_count("canonical.contact", 1);
    world.run("SELECT manifold.set_mapping('tiny', 'contact', 'contact', '{\"fields\": {\"email\": \"notes\"}}')");
    world.await_count("canonical.contact WHERE mapping_version = 2", 1);
    world.published();
    let mut topic = world.topic("canonical.contact");
    let versions: Vec<(&str, Option<&str>)> = topic
        .all()
        .iter()
        .filter(|event| event.key["sfid"] == "0032")
        .map(|event| (event.header("mapping_version"), event.op()))
        .collect();
    assert_eq!(versions, [("1", Some("c")), ("2", Some("u"))]);
}

#[test]
fn tombstones_and_old_rows_can_be_left_out() {
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.topic_prefix = 'sparse'\n\
         manifold.topic_partitions = 1\n\
         manifold.tombstones_on_delete = off\nmanifold.before_images = off",
        broker().bootstrap()
    ));
    let mut world = World::in_cluster(&cluster);
    world.prefix = "sparse".into();
    contacts(&mut world, "tiny");
    world.run("SELECT manifold.start('tiny')");
    world.published();
    add(&mut world, "tiny", 1);
    world.run(
        "UPDATE tiny.contact SET notes = 'x'; DELETE FROM tiny.contact; TRUNCATE tiny.contact",
    );
    world.published();
    let mut topic = world.topic("tiny.contact");
    let events = topic.all();
    let ops: Vec<_> = events.iter().map(Event::op).collect();
    assert_eq!(ops, [Some("c"), Some("u"), Some("d")], "no tombstone, no truncate");
    assert_eq!(events[1].before(), &json!(null));
    assert_eq!(events[1].after()["notes"], "x");
    assert_eq!(
        events[2].before(),
        &json!({"id": 1, "sfid": "0031", "email": null, "phone": null, "birthdate": null, "notes": null})
    );
    // Updates are skipped once that is asked for.
    let (code, text) = refused(&mut world, "ALTER SYSTEM SET manifold.skipped_operations = 'u,x'");
    assert!(code == "22023" && text.contains("\"x\""), "{code} {text}");
    world.publish_with("manifold.skipped_operations", "u,t");
    add(&mut world, "tiny", 2);
    world.run("UPDATE tiny.contact SET notes = 'y'; DELETE FROM tiny.contact");
    world.published();
    let mut topic = world.topic("tiny.contact");
    let ops: Vec<_> = topic.all()[3..].iter().map(Event::op).collect();
    assert_eq!(ops, [Some("c"), Some("d")]);
}

#[test]
fn peek_shows_what_can_be_sent_beside_what_cannot() {
    let mut world = World::in_cluster(eager());
    contacts(&mut world, "tiny");
    world.run(
        "CREATE TYPE tiny.mood AS ENUM ('good', 'bad'); \
         CREATE TABLE tiny.lead (sfid varchar(18) PRIMARY KEY, mood tiny.mood); \
         SELECT manifold.set_mapping('tiny', 'lead', 'lead', '{\"fields\": {\"city\": \"sfid\"}}'); \
         SELECT manifold.set_publication('tiny', 'contact', '{\"when\": {\"column\": \"notes\", \"present\": true}}'); \
         SELECT manifold.start('tiny')",
    );
    world.published();
    world.run("SELECT manifold.pause('tiny', 'publisher')");
    add(&mut world, "tiny", 1);
    world.run("ALTER TABLE tiny.contact DROP notes");
    world.run("INSERT INTO tiny.contact (sfid) VALUES ('0032')");
    world.run("INSERT INTO tiny.lead VALUES ('00Q1', 'good'), ('00Q2', 'bad'), ('00Q3', 'good')");
    world.run("INSERT INTO tiny.contact (sfid) VALUES ('0033')");
    world.normalized();
    world.run("SET allow_system_table_mods = on; DELETE FROM pg_enum WHERE enumlabel = 'bad'");
    let peeked = world.client.query(
        "SELECT split_part(topic, '.', 3), key, headers->>'error', headers->>'hint' FROM manifold.peek('tiny', 100) \
         WHERE topic NOT LIKE '%.transaction'",
        &[],
    );
    let told: Vec<[Option<String>; 4]> = peeked
        .expect("an answer")
        .iter()
        .map(|row| [row.get(0), row.get(1), row.get(2), row.get(3)])
        .collect();
    let keys: Vec<String> = told
        .iter()
        .map(|[table, key, error, _]| {
            let key = key.as_deref().unwrap_or("none").replace('"', "");
            format!("{} {key} {}", table.as_deref().unwrap_or_default(), error.is_some())
        })
        .collect();
    let expected = [
        "contact {sfid:0031} false",
        "contact none true",
        "lead {sfid:00Q1} false",
        "lead none true",
        "lead {sfid:00Q3} false",
    ];
    assert_eq!(keys, expected, "{told:#?}");
    let [_, _, error, hint] = &told[1];
    assert!(error.as_ref().is_some_and(|error| error.contains("\"notes\"")), "{error:?}");
    assert!(hint.as_ref().is_some_and(|hint| hint.contains("set_publication")), "{hint:?}");
}
