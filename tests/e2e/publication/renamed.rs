//! Options and tables whose columns change: what must not leave stays where it is.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{ANNE, add, contacts, eager, everything};
use crate::world::World;

const OPTIONS: &str = "'{\"exclude_columns\": [\"birthdate\"], \"hash_columns\": [\"email\"], \
    \"when\": {\"column\": \"notes\", \"not\": \"private\"}}'";

/// A contact with the number 1, whose e-mail address is in the column `email`, of `notes` in that column.
fn add_renamed(world: &mut World, sfid: &str, email: &str, notes: [&str; 2]) {
    world.run(&format!(
        "INSERT INTO tiny.contact (sfid, {email}, {}) VALUES ('{sfid}', 'anne1@example.com', '{}')",
        notes[0], notes[1]
    ));
}

/// The rows that the topic has by now. Those of a table that was set apart may have been sent twice.
fn sent(world: &World) -> Vec<Value> {
    let mut topic = world.topic("tiny.contact");
    let mut ids = BTreeSet::new();
    let events = topic.all().iter().filter(|event| ids.insert(event.header("event_id").to_owned()));
    events.map(|event| event.after().clone()).collect()
}

/// The same, with nothing in them that must not leave.
fn rows(world: &World) -> Vec<Value> {
    let text = everything(world.topic("tiny.contact").all());
    for secret in ["anne1", "1980-"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    sent(world)
}

#[test]
fn a_column_keeps_its_treatment_whatever_it_is_called() {
    let mut world = World::in_cluster(eager());
    contacts(&mut world, "tiny");
    world.run(&format!("SELECT manifold.set_publication('tiny', 'contact', {OPTIONS})"));
    world.run("SELECT manifold.start('tiny')");
    world.published();
    world.run(
        "ALTER TABLE tiny.contact RENAME email TO mail; ALTER TABLE tiny.contact RENAME notes TO remarks",
    );
    add_renamed(&mut world, "0031", "mail", ["remarks", "private"]);
    add_renamed(&mut world, "0032", "mail", ["remarks", "public"]);
    world.published();
    let row = |sfid: &str, email: &str, phone: Value, notes: [&str; 2]| json!({"sfid": sfid, email: ANNE, "phone": phone, notes[0]: notes[1]});
    let expected = row("0032", "mail", json!(null), ["remarks", "public"]);
    let mut found = rows(&world);
    found[0].as_object_mut().unwrap().remove("id");
    assert_eq!(found, [expected]);

    // Of rows that wait, it is another name than the one that it has when the options are set again.
    world.run("SELECT manifold.pause('tiny', 'publisher')");
    add_renamed(&mut world, "0033", "mail", ["remarks", "private"]);
    add_renamed(&mut world, "0034", "mail", ["remarks", "public"]);
    world.run("UPDATE tiny.contact SET birthdate = '1980-01-02' WHERE sfid = '0034'");
    world.run(
        "ALTER TABLE tiny.contact RENAME mail TO e_mail; ALTER TABLE tiny.contact RENAME remarks TO about; \
         ALTER TABLE tiny.contact DROP birthdate",
    );
    world.run(
        "SELECT manifold.set_publication('tiny', 'contact', '{\"hash_columns\": [\"e_mail\"], \
           \"exclude_columns\": [\"birthdate\"], \"when\": {\"column\": \"about\", \"not\": \"private\"}}')",
    );
    add_renamed(&mut world, "0035", "e_mail", ["about", "private"]);
    add_renamed(&mut world, "0036", "e_mail", ["about", "public"]);
    world.run("SELECT manifold.resume('tiny', 'publisher')");
    world.published();
    let found = rows(&world);
    let sfids: Vec<&Value> = found.iter().map(|row| &row["sfid"]).collect();
    assert_eq!(sfids, ["0032", "0034", "0034", "0036"]);
    assert_eq!((&found[2]["mail"], &found[3]["e_mail"]), (&json!(ANNE), &json!(ANNE)));
}

#[test]
fn a_column_that_is_added_again_and_then_renamed_keeps_its_treatment() {
    let mut world = World::in_cluster(eager());
    contacts(&mut world, "tiny");
    world.run(
        "SELECT manifold.set_publication('tiny', 'contact', '{\"hash_columns\": [\"email\"]}'); \
         SELECT manifold.start('tiny')",
    );
    world.published();
    world
        .run("ALTER TABLE tiny.contact DROP email; ALTER TABLE tiny.contact ADD email varchar(40)");
    add_renamed(&mut world, "0031", "email", ["notes", "a"]);
    world.run("ALTER TABLE tiny.contact RENAME email TO mail");
    add_renamed(&mut world, "0032", "mail", ["notes", "b"]);
    // One that is dropped for good is no loss.
    world
        .run("ALTER TABLE tiny.contact DROP mail; INSERT INTO tiny.contact (sfid) VALUES ('0033')");
    world.published();
    let found = rows(&world);
    let told: Vec<[&Value; 3]> =
        found.iter().map(|row| [&row["sfid"], &row["email"], &row["mail"]]).collect();
    let (anne, none) = (json!(ANNE), json!(null));
    let [one, two, three] = ["0031", "0032", "0033"].map(|sfid| json!(sfid));
    assert_eq!(told, [[&one, &anne, &none], [&two, &none, &anne], [&three, &none, &none]]);
}

#[test]
fn a_key_column_is_renamed_while_changes_wait() {
    let mut world = World::in_cluster(eager());
    contacts(&mut world, "tiny");
    world.run(
        "SELECT manifold.set_publication('tiny', 'contact', '{\"key_columns\": [\"phone\"]}'); \
         SELECT manifold.start('tiny')",
    );
    world.published();
    world.run("SELECT manifold.pause('tiny', 'publisher')");
    add(&mut world, "tiny", 1);
    world.run(
        "ALTER TABLE tiny.contact RENAME phone TO mobile; \
         SELECT manifold.set_publication('tiny', 'contact', '{\"key_columns\": [\"mobile\"]}')",
    );
    world.run("UPDATE tiny.contact SET notes = 'x'; SELECT manifold.resume('tiny', 'publisher')");
    world.published();
    let mut topic = world.topic("tiny.contact");
    let keys: Vec<&str> = topic.all().iter().map(|event| event.key_text.as_str()).collect();
    assert_eq!(keys, ["{\"phone\":\"+49 30 1\"}", "{\"mobile\":\"+49 30 1\"}"]);
}

#[test]
fn a_source_whose_filter_has_no_column_any_more_waits_for_another() {
    let mut world = World::in_cluster(eager());
    contacts(&mut world, "tiny");
    world.run(&format!("SELECT manifold.set_publication('tiny', 'contact', {OPTIONS})"));
    world.run("SELECT manifold.start('tiny')");
    world.published();
    add(&mut world, "tiny", 1);
    world.run("ALTER TABLE tiny.contact DROP notes");
    world.run("INSERT INTO tiny.contact (sfid, email) VALUES ('0032', 'anne1@example.com')");
    world.await_status("tiny", "publisher", "in want of a column", |status| {
        let told = status.last_error.as_deref().unwrap_or_default();
        status.state == "error" && told.contains("row filter") && told.contains("\"notes\"")
    });
    world.run("SELECT manifold.set_publication('tiny', 'contact', '{\"exclude_columns\": [\"birthdate\"], \"hash_columns\": [\"email\"]}')");
    world.published();
    let found = rows(&world);
    let sfids: Vec<&Value> = found.iter().map(|row| &row["sfid"]).collect();
    assert_eq!(sfids, ["0031", "0032"]);

    // A column that rows had not yet when they were written is NULL.
    world.run("SELECT manifold.pause('tiny', 'publisher')");
    world.run("INSERT INTO tiny.contact (sfid) VALUES ('0033'), ('0034')");
    world.run("ALTER TABLE tiny.contact ADD tier text");
    world.run("INSERT INTO tiny.contact (sfid, tier) VALUES ('0035', 'gold'), ('0036', 'base')");
    world.run("SELECT manifold.set_publication('tiny', 'contact', '{\"when\": {\"column\": \"tier\", \"not\": \"base\"}}')");
    world.run("SELECT manifold.resume('tiny', 'publisher')");
    world.published();
    let found = sent(&world);
    let sfids: Vec<&Value> = found[2..].iter().map(|row| &row["sfid"]).collect();
    assert_eq!(sfids, ["0033", "0034", "0035"]);
}

#[test]
fn a_table_that_is_made_anew_has_the_columns_of_these_names_or_none_leaves() {
    let mut world = World::in_cluster(eager());
    contacts(&mut world, "tiny");
    world.run(
        "SELECT manifold.set_publication('tiny', 'contact', '{\"hash_columns\": [\"email\"]}')",
    );
    world.run("SELECT manifold.start('tiny')");
    // Where email was, there is the phone number now.
    let anew = |world: &mut World, email: &str| {
        world.run(&format!(
            "DROP TABLE tiny.contact; CREATE TABLE tiny.contact (id serial PRIMARY KEY, sfid varchar(18), \
               phone varchar(40), {email} varchar(40)); SELECT manifold.resync('tiny'); \
             INSERT INTO tiny.contact (sfid, phone, {email}) VALUES ('{email}', '+49 30 1', 'anne1@example.com')"
        ));
    };
    let hashed = |world: &mut World, email: &str| {
        world.published();
        let found = rows(world);
        let row = found.iter().find(|row| row["sfid"] == email).unwrap_or(&Value::Null);
        assert_eq!((&row["phone"], &row[email]), (&json!("+49 30 1"), &json!(ANNE)), "{found:?}");
    };
    anew(&mut world, "email");
    hashed(&mut world, "email");
    // It is known there, too.
    world.run("ALTER TABLE tiny.contact RENAME email TO mail");
    world.run("INSERT INTO tiny.contact (sfid, phone, mail) VALUES ('mail', '+49 30 1', 'anne1@example.com')");
    hashed(&mut world, "mail");
    anew(&mut world, "e_mail");
    world.await_status("tiny", "publisher", "in want of a column", |status| {
        let told = status.last_error.as_deref().unwrap_or_default();
        status.state == "error" && told.contains("no column email, which hash_columns names")
    });
    rows(&world);
    world.run(
        "SELECT manifold.set_publication('tiny', 'contact', '{\"hash_columns\": [\"e_mail\"]}')",
    );
    hashed(&mut world, "e_mail");
}

#[test]
fn partitions_have_numbers_of_their_own() {
    let mut world = World::in_cluster(eager());
    world.run(
        "CREATE SCHEMA tiny; CREATE TABLE tiny.contact (id int, gone int, sfid text, email varchar(40), phone text) \
           PARTITION BY LIST (sfid); ALTER TABLE tiny.contact DROP gone; \
         CREATE TABLE tiny.one PARTITION OF tiny.contact FOR VALUES IN ('0031'); \
         SELECT manifold.add_org('tiny'); \
         SELECT manifold.create_entity('contact', '[{\"name\": \"phone\", \"type\": \"text\"}]'); \
         SELECT manifold.set_mapping('tiny', 'contact', 'contact', '{\"fields\": {\"phone\": \"phone\"}}'); \
         SELECT manifold.set_publication('tiny', 'contact', '{\"hash_columns\": [\"email\"]}'); \
         SELECT manifold.start('tiny')",
    );
    world.published();
    let add = |world: &mut World, sfid: &str, email: &str| {
        world.run(&format!(
            "INSERT INTO tiny.contact (id, sfid, {email}, phone) VALUES (1, '{sfid}', 'anne1@example.com', '030')"
        ));
    };
    add(&mut world, "0031", "email");
    world.published();
    world.run("ALTER TABLE tiny.contact RENAME email TO mail");
    add(&mut world, "0031", "mail");
    world.published();
    for row in rows(&world) {
        assert_eq!(row["phone"], "030");
        assert!(row["email"] == ANNE || row["mail"] == ANNE, "{row}");
    }
    // Of a partition that is younger than the options, it is not known what email is.
    world.run("CREATE TABLE tiny.two PARTITION OF tiny.contact FOR VALUES IN ('0032')");
    add(&mut world, "0032", "mail");
    world.await_status("tiny", "publisher", "in want of a column", |status| {
        status.last_error.as_deref().is_some_and(|told| told.contains("hash_columns"))
    });
    world.run(
        "SELECT manifold.set_publication('tiny', 'contact', '{\"hash_columns\": [\"mail\"]}')",
    );
    world.published();
    assert_eq!(rows(&world).len(), 3);
}
