//! A change on its way: from what Heroku Connect or an application does to the canonical row.

use postgres::Client;

use crate::check;
use crate::support::consumer::Topic;
use crate::world::{LIMIT, World};

/// What the canonical leads of acme follow from, where nothing needs a rule.
const PLAIN: [(&str, &str); 2] = [
    ("company", "nullif(btrim(regexp_replace(s.company, '\\s+', ' ', 'g')), '')"),
    ("modified_at", "s.systemmodstamp AT TIME ZONE 'UTC'"),
];

#[test]
fn a_change_in_salesforce_is_canonical_and_published_a_moment_later() {
    let mut world = World::new();
    let mut acme = world.running("acme", 50);
    let sfid = acme.org.sfid(7).to_owned();
    acme.update(
        &[&sfid],
        &[("company", Some("  Manifold   Works ")), ("status", Some("QUALIFIED"))],
    );
    world.await_text(
        &format!("SELECT company || ' ' || status FROM canonical.lead WHERE org = 'acme' AND sfid = '{sfid}'"),
        Some("Manifold Works qualified"),
    );
    for (table, company) in
        [("acme.lead", "  Manifold   Works "), ("canonical.lead", "Manifold Works")]
    {
        let mut topic = world.topic(table);
        topic.until("the new company", LIMIT, |events| {
            let arrived = |e: &&crate::support::consumer::Event| {
                e.op() == Some("u")
                    && e.key["sfid"] == sfid.as_str()
                    && e.after()["company"] == company
            };
            events.iter().find(arrived).map(drop).ok_or_else(|| "not there".to_owned())
        });
    }
}

#[test]
fn a_row_that_is_read_again_unchanged_leaves_the_canonical_row_alone() {
    let mut world = World::new();
    let mut acme = world.running("acme", 5);
    let xmins = "SELECT string_agg(xmin::text || normalized_at::text, ',' ORDER BY sfid) FROM canonical.lead";
    let before: String = world.value(xmins);
    let sfids: Vec<_> = (0..5).map(|i| acme.org.sfid(i).to_owned()).collect();
    let sfids: Vec<_> = sfids.iter().map(String::as_str).collect();
    assert_eq!(acme.connect.touch(&acme.lead, &sfids), 5);
    world.published();
    let after: String = world.value(xmins);
    assert_eq!(before, after);
    assert!(world.topic("canonical.lead").all().iter().all(|event| event.op() != Some("u")));
}

#[test]
fn the_origin_of_a_change_is_told() {
    let mut world = World::new();
    let mut acme = world.running("acme", 1);
    let sfid = acme.org.sfid(0).to_owned();
    acme.update(&[&sfid], &[("city", Some("by Heroku Connect"))]);
    world.run(&format!("UPDATE acme.lead SET city = 'by an application' WHERE sfid = '{sfid}'"));
    world.published();
    let mut topic = world.topic("acme.lead");
    let events = topic.all();
    let origin = |city: &str| {
        let event = events.iter().find(|e| e.op() == Some("u") && e.after()["city"] == city);
        event
            .unwrap_or_else(|| panic!("no event for city {city}: {events:#?}"))
            .header("origin")
            .to_owned()
    };
    let (connect, application) = (origin("by Heroku Connect"), origin("by an application"));
    assert!(connect.contains("heroku"), "{connect}");
    assert!(application.contains("application"), "{application}");
    let canonical = world.topic("canonical.lead").all()[0].header("origin").to_owned();
    assert!(
        ![connect, application, String::new()].contains(&canonical),
        "a worker wrote this: {canonical}"
    );
}

#[test]
fn deletes_merges_and_undeletes_reach_the_canonical_table() {
    let mut world = World::new();
    let mut acme = world.running("acme", 20);
    let sfids: Vec<_> = (0..20).map(|i| acme.org.sfid(i).to_owned()).collect();
    acme.connect.delete(&acme.lead, &[&sfids[0]]);
    acme.connect.merge(
        &acme.lead,
        &sfids[1],
        &[&sfids[2], &sfids[3]],
        &[("company", Some("Merged"))],
    );
    world.await_count("canonical.lead", 17);
    world.await_count("canonical.lead WHERE company = 'Merged'", 1);
    acme.connect.undelete(&acme.lead, &acme.org.columns, &acme.org.leads[0]);
    world.await_count("canonical.lead", 18);
    tells(&mut world, "acme", "lead");
    check::canonical_follows(&mut world.client, "acme", &PLAIN);
}

#[test]
fn a_truncate_empties_the_canonical_leads_of_its_org_alone_and_a_reload_brings_them_back() {
    let mut world = World::new();
    let mut acme = world.running("acme", 200);
    let _globex = world.running("globex", 30);
    acme.connect.truncate(&acme.lead);
    world.await_count("canonical.lead WHERE org = 'acme'", 0);
    assert_eq!(world.count("canonical.lead WHERE org = 'globex'"), 30);
    acme.load(0, 100);
    world.await_count("canonical.lead WHERE org = 'acme'", 100);
    acme.connect.reload(&acme.lead, &acme.org.columns, &acme.org.leads[50..250]);
    world.await_count("canonical.lead WHERE org = 'acme'", 200);
    world.normalized();
    check::canonical_follows(&mut world.client, "acme", &PLAIN);
    tells(&mut world, "canonical", "lead");
}

#[test]
fn a_row_that_gets_its_sfid_later_changes_its_key() {
    let mut world = World::new();
    let mut acme = world.running("acme", 0);
    world.run("INSERT INTO acme.lead (lastname, company) VALUES ('Doe', 'Doe Ltd')");
    world.normalized();
    assert_eq!(world.count("canonical.lead"), 0, "there is no key yet");
    acme.connect.write_back(&acme.lead, |id| format!("00Q{id:012}AAA"));
    world.await_text(
        "SELECT sfid || company FROM canonical.lead",
        Some("00Q000000000001AAADoe Ltd"),
    );
    world.published();
    let mut topic = world.topic("acme.lead");
    let events = topic.all();
    let by_key = |key: &str| -> Vec<_> {
        events
            .iter()
            .filter(|e| e.key_text == key)
            .map(|e| e.op().unwrap_or("tombstone").to_owned())
            .collect()
    };
    assert_eq!(by_key(r#"{"id":1}"#), ["c", "d", "tombstone"]);
    let new = by_key(r#"{"sfid":"00Q000000000001AAA"}"#);
    assert_eq!(new[0], "c");
    assert!(new[1..].iter().all(|op| op == "u"), "{new:?}");
    check::topic_tells_table(&mut world.client, "acme", "lead", events);
}

#[test]
fn rolled_back_changes_leave_no_trace() {
    let mut world = World::new();
    let _acme = world.running("acme", 3);
    world.run("BEGIN; UPDATE acme.lead SET city = 'Nowhere'; ROLLBACK");
    world.run("BEGIN; SAVEPOINT a; DELETE FROM acme.lead; ROLLBACK TO a; UPDATE acme.lead SET city = 'Here'; COMMIT");
    world.await_count("canonical.lead WHERE city = 'Here'", 3);
    world.published();
    let mut topic = world.topic("acme.lead");
    let events = topic.all();
    assert!(events.iter().all(|e| e.op() != Some("d") && e.after()["city"] != "Nowhere"));
    check::topic_tells_table(&mut world.client, "acme", "lead", events);
}

#[test]
fn a_transaction_that_commits_late_is_neither_lost_nor_in_the_way() {
    let mut world = World::new();
    let _acme = world.running("acme", 3);
    let mut late = world.database.connect();
    late.batch_execute(
        "BEGIN; INSERT INTO acme.lead (sfid, company) VALUES ('00QLATE0000001AAAA', 'Late')",
    )
    .unwrap();
    world.run("INSERT INTO acme.lead (sfid, company) VALUES ('00QEARLY000001AAAA', 'Early')");
    world.await_count("canonical.lead WHERE company = 'Early'", 1);
    world.published();
    late.batch_execute("COMMIT").unwrap();
    world.await_count("canonical.lead WHERE company = 'Late'", 1);
    tells(&mut world, "acme", "lead");
}

#[test]
fn many_writers_at_once_leave_topic_and_table_agreed() {
    let mut world = World::new();
    let mut acme = world.running("acme", 100);
    let sfids: Vec<_> = (0..100).map(|i| acme.org.sfid(i).to_owned()).collect();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (database, sfids) = (&world.database, &sfids);
            scope.spawn(move || write(&mut database.connect(), writer, sfids));
        }
        for round in 0..20 {
            let sfid = sfids[round * 3].as_str();
            acme.connect.update(&acme.lead, &[sfid], &[("rating", Some("Hot"))]);
        }
    });
    world.published();
    tells(&mut world, "acme", "lead");
    tells(&mut world, "canonical", "lead");
    check::canonical_follows(&mut world.client, "acme", &PLAIN);
}

/// Updates, deletes and inserts the same records as the other writers do.
fn write(client: &mut Client, writer: usize, sfids: &[String]) {
    for round in 0..60 {
        let sfid = &sfids[(round * 7 + writer * 13) % sfids.len()];
        let sql = match (round + writer) % 5 {
            0 => format!("DELETE FROM acme.lead WHERE sfid = '{sfid}'"),
            1 => format!(
                "INSERT INTO acme.lead (sfid, company) VALUES ('{sfid}', 'w{writer} r{round}') ON CONFLICT (sfid) DO UPDATE SET company = excluded.company"
            ),
            _ => {
                format!("UPDATE acme.lead SET company = 'w{writer} r{round}' WHERE sfid = '{sfid}'")
            }
        };
        client.batch_execute(&sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }
}

#[test]
fn a_value_of_any_kind_reaches_the_topic_as_debezium_writes_it() {
    let mut world = World::new();
    let _acme = world.running("acme", 0);
    let big = "ü€\"\\\n".repeat(40_000);
    let sql = "INSERT INTO acme.lead (sfid, description, annualrevenue, birthdate__c, callback_at__c, numberofemployees, \
               hasoptedoutofemail) VALUES ($1, $2, 1234.5, '2016-11-04', '2016-11-04 13:51:30.123456', -7, true)";
    world.client.execute(sql, &[&"00Q000000000001AAA", &big]).unwrap();
    // The large value stays out of line and is not written again.
    world.run("UPDATE acme.lead SET city = 'x', description = description");
    world.published();
    let mut topic: Topic = world.topic("acme.lead");
    let events = topic.all();
    let event = events.last().expect("two events");
    for row in [event.before(), event.after()] {
        assert_eq!(row["description"], big.as_str());
        assert_eq!(row["annualrevenue"], 1234.5);
        assert_eq!(row["birthdate__c"], 17109);
        assert_eq!(row["callback_at__c"], 1_478_267_490_123_456_i64);
        assert_eq!(row["numberofemployees"], -7);
        assert_eq!(row["hasoptedoutofemail"], true);
        assert!(
            row["email"].is_null() && row.get("email").is_some(),
            "NULL is written, not left out"
        );
    }
    check::topic_tells_table(&mut world.client, "acme", "lead", events);
}

/// The topic of the table, read to its end, tells the table.
fn tells(world: &mut World, schema: &str, table: &str) {
    world.published();
    let mut topic = world.topic(&format!("{schema}.{table}"));
    let events = topic.all().to_vec();
    check::topic_tells_table(&mut world.client, schema, table, &events);
}
