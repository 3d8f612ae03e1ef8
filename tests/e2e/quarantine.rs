//! The quarantine: problems are retried through the log, dismissed, counted and bounded.

use serde_json::json;

use crate::support::heroku_connect::literal;
use crate::support::wait;
use crate::world::{LIMIT, Synced, World, broker, cluster_with};

/// A lead whose status has no entry in the table.
fn spoil(acme: &mut Synced, at: usize, status: &str) -> String {
    let sfid = acme.org.sfid(at).to_owned();
    acme.update(&[&sfid], &[("status", Some(status))]);
    sfid
}

/// Without a change of the rows: capture does not see what happens meanwhile.
fn unseen(world: &mut World<'_>, sql: &str) {
    world.run("ALTER TABLE acme.lead DISABLE TRIGGER ALL");
    world.run(sql);
    for name in ["before", "insert", "update", "delete", "truncate"] {
        world.run(&format!("ALTER TABLE acme.lead ENABLE ALWAYS TRIGGER manifold_{name}"));
    }
    world.run("ALTER TABLE acme.lead ENABLE REPLICA TRIGGER \"!manifold_row\"");
}

#[test]
fn a_row_that_the_database_refused_is_kept_whole_and_replayed() {
    let mut world = World::new();
    let mut acme = world.running("acme", 0);
    let bad = acme.org.sfid(3).to_owned();
    world.run(&format!("ALTER TABLE canonical.lead ADD CONSTRAINT picky CHECK (sfid <> '{bad}')"));
    acme.load(0, 10);
    world.await_count("manifold.problem WHERE reason = 'refused'", 1);
    let (record, company): (String, bool) = {
        let row = world
            .client
            .query_one(
                "SELECT p.record, p.image ->> 'company' = l.company FROM manifold.problem p \
                 JOIN acme.lead l ON l.sfid = p.record WHERE p.org = 'acme' AND p.field = '*'",
                &[],
            )
            .unwrap();
        (row.get(0), row.get(1))
    };
    assert!(record == bad && company, "the problem holds the row");
    // As long as nothing is mended, it is the same problem, met once more.
    let since = "SELECT since::text FROM manifold.problem WHERE reason = 'refused'";
    let first: String = world.value(since);
    assert_eq!(world.value::<i64>("SELECT manifold.retry('acme', reason => 'refused')"), 1);
    world.await_count("manifold.problem WHERE reason = 'refused' AND times = 2", 1);
    assert_eq!(world.value::<String>(since), first);

    world.run("ALTER TABLE canonical.lead DROP CONSTRAINT picky");
    assert_eq!(world.value::<i64>("SELECT manifold.retry(reason => 'refused', record => (SELECT record FROM manifold.problem WHERE reason = 'refused'))"), 1);
    world.await_count("canonical.lead", 10);
    world.await_count("manifold.problem WHERE reason = 'refused'", 0);
    let reread = "SELECT count(*) FROM manifold.change WHERE op = 'r' AND rows = 1 AND origin = 'k' \
        AND source_id = (SELECT source_id FROM manifold.source WHERE org = 'acme')";
    assert_eq!(world.value::<i64>(reread), 2, "through the log, and no other row with it");
    assert_eq!(world.count("manifold.reread"), 0);
}

#[test]
fn a_row_without_its_key_is_kept_whole_until_it_has_one_or_is_gone() {
    let mut world = World::new();
    let _acme = world.running("acme", 2);
    world.run("INSERT INTO acme.lead (firstname, lastname) VALUES ('New', 'One'), ('New', 'Two')");
    world.await_count("manifold.problem WHERE reason = 'missing_key' AND record LIKE 'id:%'", 2);
    let name = "SELECT string_agg(image ->> 'lastname', ',' ORDER BY record) FROM manifold.problem WHERE reason = 'missing_key'";
    assert_eq!(world.value::<String>(name), "One,Two");
    // Salesforce has given one its id.
    world.run("UPDATE acme.lead SET sfid = '00Q000000000001AAA' WHERE lastname = 'One'");
    world.await_count("canonical.lead WHERE sfid = '00Q000000000001AAA'", 1);
    world.await_count("manifold.problem WHERE reason = 'missing_key'", 1);
    // The other has one that nobody saw come, or is gone unseen: reading it afresh finds out.
    unseen(&mut world, "DELETE FROM acme.lead WHERE lastname = 'Two'");
    assert_eq!(world.value::<i64>("SELECT manifold.retry(reason => 'missing_key')"), 1);
    world.await_count("manifold.problem WHERE reason = 'missing_key'", 0);
    assert_eq!(world.count("canonical.lead"), 3);
    // So does a resync, which leaves those alone that are there.
    world.run("INSERT INTO acme.lead (lastname) VALUES ('Three'), ('Four')");
    world.await_count("manifold.problem WHERE reason = 'missing_key'", 2);
    unseen(&mut world, "DELETE FROM acme.lead WHERE lastname = 'Three'");
    world.run("SELECT manifold.resync('acme')");
    world.await_count("manifold.problem WHERE reason = 'missing_key'", 1);
    world.normalized();
    world.await_text(
        "SELECT image ->> 'lastname' FROM manifold.problem WHERE reason = 'missing_key'",
        Some("Four"),
    );
    assert_eq!(world.count("canonical.lead"), 3);
}

#[test]
fn a_row_that_was_held_back_is_retried_as_it_is_now_and_never_raised_from_the_dead() {
    let mut world = World::new();
    let mut acme = world.running("acme", 0);
    world.run("ALTER TABLE canonical.lead ADD CONSTRAINT picky CHECK (city <> 'Rome')");
    acme.load(0, 5);
    let [same, changed, deleted, lost] = [0, 1, 2, 3].map(|at| acme.org.sfid(at).to_owned());
    for sfid in [&same, &changed, &deleted, &lost] {
        acme.update(&[sfid], &[("city", Some("Rome"))]);
    }
    world.await_count("manifold.problem WHERE reason = 'refused' AND image->>'city' = 'Rome'", 4);
    // One is deleted, and its problem goes with it; of two others nobody saw what became of them.
    world.run(&format!("DELETE FROM acme.lead WHERE sfid = '{deleted}'"));
    world.await_count("manifold.problem WHERE reason = 'refused'", 3);
    unseen(&mut world, &format!("UPDATE acme.lead SET city = 'Oslo' WHERE sfid = '{changed}'"));
    unseen(&mut world, &format!("DELETE FROM acme.lead WHERE sfid = '{lost}'"));
    world.run("ALTER TABLE canonical.lead DROP CONSTRAINT picky");
    assert_eq!(world.value::<i64>("SELECT manifold.retry('acme', reason => 'refused')"), 3);
    world.await_count("manifold.problem WHERE reason = 'refused'", 0);
    world.await_count("canonical.lead", 3);
    let city = |sfid: &str| format!("SELECT city FROM canonical.lead WHERE sfid = '{sfid}'");
    world.await_text(&city(&same), Some("Rome"));
    world.await_text(&city(&changed), Some("Oslo"));
}

#[test]
fn a_record_that_is_gone_unseen_is_deleted_when_it_is_retried() {
    let mut world = World::new();
    let mut acme = world.running("acme", 5);
    let sfid = spoil(&mut acme, 1, "Nonsense");
    world.await_count("manifold.problem WHERE value = 'Nonsense'", 1);
    unseen(&mut world, &format!("DELETE FROM acme.lead WHERE sfid = '{sfid}'"));
    assert_eq!(world.count("canonical.lead"), 5);
    assert_eq!(
        world.value::<i64>(
            "SELECT manifold.retry('acme', 'lead', field => 'status', reason => 'unmapped_value')"
        ),
        1
    );
    world.await_count("canonical.lead", 4);
    world.await_count("manifold.problem WHERE value = 'Nonsense'", 0);
}

#[test]
fn a_row_that_somebody_has_locked_is_retried_later_and_holds_up_no_other() {
    let mut world = World::new();
    let mut acme = world.running("acme", 5);
    let locked = spoil(&mut acme, 0, "Nonsense");
    let free = spoil(&mut acme, 2, "Nonsense");
    world.await_count("manifold.problem WHERE value = 'Nonsense'", 2);
    let mut sync = world.database.connect();
    let mut open = sync.transaction().unwrap();
    open.execute(&format!("SELECT FROM acme.lead WHERE sfid = '{locked}' FOR UPDATE"), &[])
        .unwrap();
    assert_eq!(world.value::<i64>("SELECT manifold.retry(field => 'status', org => 'acme')"), 2);
    world.await_count(&format!("manifold.problem WHERE record = '{free}' AND times = 2"), 1);
    world.await_status("acme", "retry", "waiting for the row", |status| status.lag_changes == 1);
    assert_eq!(
        world.count(&format!("manifold.problem WHERE record = '{locked}' AND times = 1")),
        1
    );
    open.rollback().unwrap();
    world.await_count(&format!("manifold.problem WHERE record = '{locked}' AND times = 2"), 1);
    world.await_count("manifold.status WHERE consumer = 'retry'", 0);
}

#[test]
fn a_dismissed_problem_stays_away_until_its_value_changes() {
    let mut world = World::new();
    let mut acme = world.running("acme", 5);
    let sfid = spoil(&mut acme, 0, "Nonsense");
    let other = spoil(&mut acme, 1, "Nonsense");
    let problem =
        |sfid: &str| format!("manifold.problem WHERE record = '{sfid}' AND field = 'status'");
    world.await_count(&problem(&other), 1);
    let dismiss = format!("SELECT manifold.dismiss('acme', field => 'status', record => '{sfid}')");
    assert_eq!(world.value::<i64>(&dismiss), 1);
    assert_eq!(world.value::<i64>(&dismiss), 0, "once is enough");
    assert_eq!((world.count(&problem(&sfid)), world.count(&problem(&other))), (0, 1));
    let counted = "SELECT kept || ' ' || dismissed || ' ' || dropped FROM manifold.problem_count WHERE org = 'acme' AND field = 'status'";
    assert_eq!(world.value::<String>(counted), "1 1 0");

    // The same value comes again, twice.
    acme.connect.touch(&acme.lead, &[&sfid]);
    acme.update(&[&sfid], &[("city", Some("Rome"))]);
    world.await_text(
        &format!("SELECT city FROM canonical.lead WHERE sfid = '{sfid}'"),
        Some("Rome"),
    );
    assert_eq!(world.count(&problem(&sfid)), 0);
    assert_eq!(world.value::<String>(counted), "1 1 0");

    // Another value, and then the first once more: that is news.
    for status in ["Rubbish", "Nonsense"] {
        acme.update(&[&sfid], &[("status", Some(status))]);
        world.await_text(&format!("SELECT value FROM {}", problem(&sfid)), Some(status));
    }
    assert_eq!(world.count("manifold.dismissal"), 0);
}

#[test]
fn what_was_dismissed_can_be_brought_back() {
    let mut world = World::new();
    let mut acme = world.running("acme", 5);
    let (one, other) = (spoil(&mut acme, 0, "Nonsense"), spoil(&mut acme, 1, "Nonsense"));
    let shown = "manifold.problem WHERE value = 'Nonsense'";
    world.await_count(shown, 2);
    world.run("SELECT manifold.dismiss('acme', field => 'status')");
    assert_eq!(world.count(shown), 0);
    let undismiss = |more: &str| format!("SELECT manifold.undismiss('acme'{more})");
    assert_eq!(world.value::<i64>(&undismiss(", reason => 'invalid_date'")), 0);
    assert_eq!(world.value::<i64>(&undismiss(&format!(", record => '{one}'"))), 1);
    assert_eq!(world.count(&format!("{shown} AND record = '{one}'")), 1);
    assert_eq!(world.count(&format!("{shown} AND record = '{other}'")), 0);
    assert_eq!(world.value::<i64>(&undismiss("")), 1);
    assert_eq!(world.count(shown), 2);
    assert_eq!(world.count("manifold.dismissal"), 0);
}

#[test]
fn a_name_that_there_is_not_is_refused_with_those_there_are() {
    let mut world = World::new();
    let _acme = world.running("acme", 1);
    for (sql, hint) in [
        ("SELECT manifold.retry('acme', 'laed')", "Did you mean \"lead\"?"),
        ("SELECT manifold.retry('canonical', 'opportunity')", "There are lead."),
        ("SELECT manifold.retry(field => 'sttaus')", "Did you mean \"status\"?"),
        (
            "SELECT manifold.dismiss('acme', reason => 'unmaped_value')",
            "Did you mean \"unmapped_value\"?",
        ),
        ("SELECT manifold.dismiss(reason => 'x')", "refused, undecodable, not_published."),
        ("SELECT manifold.undismiss('acme', field => 'x')", "birth_date, budget_currency"),
    ] {
        let error = world.client.query(sql, &[]).expect_err(sql);
        let told = error.as_db_error().and_then(|error| error.hint()).unwrap_or_default();
        assert!(told.contains(hint), "{sql}: {told}");
    }
    // What there is may have no problems.
    assert_eq!(world.value::<i64>("SELECT manifold.retry('acme', 'lead', '*', 'refused')"), 0);
}

#[test]
fn an_admin_who_leaves_his_transaction_open_holds_up_no_worker() {
    let mut world = World::new();
    let mut acme = world.running("acme", 5);
    let sfid = spoil(&mut acme, 0, "Nonsense");
    world.await_count("manifold.problem WHERE value = 'Nonsense'", 1);
    let mut admin = world.database.connect();
    let mut open = admin.transaction().unwrap();
    open.batch_execute("SELECT manifold.dismiss('acme'); SELECT manifold.retry('acme')").unwrap();
    acme.update(&[&sfid], &[("status", Some("Rubbish"))]);
    world.await_text(
        &format!("SELECT value FROM manifold.problem WHERE record = '{sfid}' AND field = 'status'"),
        Some("Rubbish"),
    );
    open.commit().unwrap();
    // What was dismissed is not what is there now.
    assert_eq!(
        world.count(&format!("manifold.problem WHERE record = '{sfid}' AND field = 'status'")),
        1
    );
}

#[test]
fn an_org_with_too_many_problems_has_them_counted() {
    let cluster = cluster_with("manifold.max_problems = 150");
    let mut world = World::in_cluster(&cluster);
    let mut acme = world.sync("acme", 0);
    world.run(
        r#"SELECT manifold.add_org('acme');
           SELECT manifold.set_mapping('acme', 'lead', entity => 'lead', mapping => '{"fields": {
               "status": {"column": "status", "rules": [{"map": {"Fine": "new"}}]},
               "score": {"column": "lead_score__c", "rules": ["number", {"range": {"max": 100}}]}}}');
           SELECT manifold.start('acme')"#,
    );
    let counts = |field: &str| {
        format!(
            "SELECT kept || ' ' || dropped FROM manifold.problem_count WHERE org = 'acme' AND field = '{field}'"
        )
    };
    acme.load(0, 300);
    world.run("UPDATE acme.lead SET lead_score__c = 1");
    world.normalized();
    world.run("UPDATE acme.lead SET status = 'Nonsense'");
    world.normalized();
    assert_eq!(world.count("manifold.problem WHERE field = 'status'"), 150);
    // A kind that is new shows, whatever else there is.
    world.run("UPDATE acme.lead SET lead_score__c = 1000 WHERE id % 2 = 0");
    world.normalized();
    assert_eq!(world.value::<String>(&counts("score")), "100 50");

    // What was only counted is tried again by reading the table, and is counted anew.
    let retried: i64 = world.value("SELECT manifold.retry('acme', field => 'score')");
    assert_eq!(retried, 150);
    world.await_count("manifold.reread", 0);
    world.normalized();
    assert_eq!(world.value::<String>(&counts("score")), "100 50");
    assert_eq!(world.value::<String>(&counts("status")), "150 150");

    // Mended, all of it is gone but for the count; when all has been read, that is, too.
    world.run("UPDATE acme.lead SET status = 'Fine', lead_score__c = 1");
    world.normalized();
    assert_eq!(world.count("manifold.problem"), 0);
    assert_eq!(world.value::<String>(&counts("score")), "0 50");
    world.run("SELECT manifold.resync('acme')");
    world.normalized();
    assert_eq!(world.count("manifold.problem_count"), 0);
}

#[test]
fn problems_go_with_their_table_and_their_org() {
    let mut world = World::new();
    let mut acme = world.running("acme", 5);
    spoil(&mut acme, 0, "Nonsense");
    world.await_count("manifold.problem WHERE value = 'Nonsense'", 1);
    world.run("SELECT manifold.dismiss('acme', reason => 'unmapped_value')");
    acme.connect.truncate(&acme.lead);
    world.await_count("manifold.problem_count", 0);
    acme.load(0, 5);
    spoil(&mut acme, 0, "Rubbish");
    world.await_count("manifold.problem WHERE value = 'Rubbish'", 1);
    // The table is gone, and nothing can be read of it.
    world.run("DROP TABLE acme.lead");
    assert_eq!(world.value::<i64>("SELECT manifold.retry('acme')"), 0);
    world.run("SELECT manifold.remove_org('acme')");
    assert_eq!(world.count("manifold.problem_count"), 0);
    assert_eq!(world.count("manifold.problem_tally"), 0);
}

#[test]
fn a_row_that_cannot_be_read_says_whose_it_is_and_is_read_again() {
    let mut world = World::new();
    let _acme = world.running("acme", 2);
    world.run(
        "CREATE TYPE mood AS ENUM ('good', 'bad'); ALTER TABLE acme.lead ADD COLUMN mood__c mood",
    );
    world.run("SELECT manifold.pause('acme', 'normalizer')");
    world.run("UPDATE acme.lead SET mood__c = 'good', city = 'Rome'");
    // A value that its type does not know any more.
    world.run("DELETE FROM pg_enum WHERE enumtypid = 'mood'::regtype AND enumlabel = 'good'");
    world.run("SELECT manifold.resume('acme', 'normalizer')");
    world.await_count("manifold.problem WHERE reason = 'undecodable' AND entity = 'lead'", 2);
    let known = "manifold.problem p JOIN acme.lead l ON l.sfid = p.record WHERE p.image ->> 'city' = 'Rome'";
    assert_eq!(world.count(known), 2, "what can be read is kept, and says whose it is");
    unseen(&mut world, "UPDATE acme.lead SET mood__c = 'bad'");
    world.run("SELECT manifold.retry('acme', reason => 'undecodable')");
    world.await_count("canonical.lead WHERE city = 'Rome' AND extras ->> 'mood__c' = 'bad'", 2);
    world.await_count("manifold.problem WHERE reason = 'undecodable' AND entity = 'lead'", 0);
}

#[test]
fn what_kafka_refused_is_published_when_it_is_retried() {
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.kafka_options = 'message.max.bytes=20000'",
        broker().bootstrap()
    ));
    let mut world = World::in_cluster(&cluster);
    let mut acme = world.running("acme", 3);
    let [large, shrunk, gone] = [0, 1, 2].map(|at| acme.org.sfid(at).to_owned());
    world.published();
    let text = "x".repeat(30_000);
    world.run("ALTER TABLE acme.lead ADD COLUMN long__c text");
    world.run(&format!("UPDATE acme.lead SET long__c = {}", literal(Some(&text))));
    let refused =
        |org: &str| format!("manifold.problem WHERE reason = 'not_published' AND org = '{org}'");
    world.await_count(&refused("acme"), 3);
    world.await_count(&refused("canonical"), 3);
    // A smaller one, and it is over; a delete still has the old row, and is too large.
    world.run(&format!("UPDATE acme.lead SET long__c = NULL WHERE sfid = '{shrunk}'"));
    world.run(&format!("DELETE FROM acme.lead WHERE sfid = '{gone}'"));
    world.published();
    assert_eq!(world.count(&refused("acme")), 3, "an update has its old row, too");
    acme.connect.touch(&acme.lead, &[&shrunk]);
    world.await_count(&refused("acme"), 2);

    // Raised, all is published: what is there as it is, what is not as a delete. The publisher may not
    // have heard of it yet, and refuse them once more.
    cluster.set("manifold.kafka_options", "message.max.bytes=900000");
    let retry = "SELECT manifold.retry(reason => 'not_published')";
    assert!(world.value::<i64>(retry) >= 4);
    wait::until("all to be published", LIMIT, || {
        world.await_count("manifold.reread", 0);
        world.published();
        match world.value::<i64>(retry) {
            0 => Ok(()),
            left => Err(format!("{left} are left")),
        }
    });
    assert_eq!(world.count("manifold.problem_tally WHERE entity = 'kafka' AND kept <> 0"), 0);
    let mut topic = world.topic("acme.lead");
    let events = topic.all();
    let last = |sfid: &str| events.iter().rfind(|event| event.key["sfid"] == *sfid).unwrap();
    assert_eq!(last(&large).after()["long__c"], *text);
    assert_eq!(last(&gone).value, None, "deleted, by its key alone");
    let delete = events.iter().rfind(|event| event.op() == Some("d")).unwrap();
    assert_eq!(
        (&delete.before()["sfid"], delete.before()["long__c"].is_null()),
        (&json!(gone), true)
    );
    // The canonical lead is gone from its topic as well.
    let mut canonical = world.topic("canonical.lead");
    let last = canonical.all().iter().rfind(|event| event.key["sfid"] == *gone);
    assert_eq!(last.map(|event| event.value.is_none()), Some(true));
}

/// What `problem_summary` says of a value: records, examples, and the suggestion.
fn line(world: &mut World<'_>, field: &str, value: &str) -> (i64, i64, String) {
    let sql = "SELECT records, cardinality(examples)::bigint, suggestion FROM manifold.problem_summary \
        WHERE field = $1 AND value = $2";
    let row = world.client.query_one(sql, &[&field, &value]).unwrap();
    (row.get(0), row.get(1), row.get(2))
}

#[test]
fn a_value_in_many_records_is_one_line_with_the_statement_that_mends_it() {
    let mut world = World::new();
    let mut acme = world.sync("acme", 0);
    world.run(
        r#"SELECT manifold.add_org('acme');
           SELECT manifold.set_mapping('acme', 'lead', entity => 'lead', mapping => '{"fields": {
               "city": "city", "title": {"column": "title", "rules": ["squeeze"]},
               "consent": {"column": "rating", "rules": [{"boolean": {"true": ["hot"], "false": ["cold"]}}]},
               "status": {"column": "status", "rules": ["squeeze", {"map": {
                   "Open - Not Contacted": "new", "Working - Contacted": "working"}}]}}}');
           SELECT manifold.start('acme')"#,
    );
    acme.load(0, 20);
    world.run(
        "UPDATE acme.lead SET status = 'Working - Contacted', rating = 'Hot'; \
         UPDATE acme.lead SET status = 'Workign -  Contacted' WHERE id <= 5; \
         UPDATE acme.lead SET status = 'It''s \\ odd' WHERE id IN (6, 7); \
         UPDATE acme.lead SET rating = 'Tepid' WHERE id = 1",
    );
    world.normalized();
    assert_eq!(world.count("manifold.problem_summary"), 3);
    let most: String = world.value("SELECT value FROM manifold.problem_summary LIMIT 1");
    assert_eq!(most, "Workign -  Contacted");

    // One is like a value that is known, and means the same.
    let (records, examples, statement) = line(&mut world, "status", "Workign -  Contacted");
    assert_eq!((records, examples), (5, 3));
    world.run(&statement);
    world.await_count("canonical.lead WHERE status = 'working'", 18);
    world.await_count("manifold.problem WHERE field = 'status'", 2);
    // The other is like none, and means nothing until the admin says what.
    let (_, _, statement) = line(&mut world, "status", "It's \\ odd");
    assert!(statement.contains("or one of working, new"), "{statement}");
    world.run(&statement);
    world.await_count("manifold.problem WHERE field = 'status'", 0);
    let (_, _, statement) = line(&mut world, "consent", "Tepid");
    world.run(&statement);
    world.await_count("canonical.lead WHERE consent", 20);
    assert_eq!(world.count("manifold.problem"), 0);

    let version = "SELECT version FROM manifold.mapping WHERE active";
    assert_eq!(world.value::<i32>(version), 4);
    // Whoever may read the problems may read what to do about them.
    spoil(&mut acme, 0, "Nonsense");
    world.await_count("manifold.problem_summary WHERE suggestion LIKE 'SELECT%'", 1);
    let role = format!("reader_{}", world.database.name);
    world.run(&format!(
        "CREATE ROLE {role} LOGIN; GRANT manifold_reader TO {role}; SET ROLE {role}"
    ));
    assert_eq!(world.count("manifold.problem_summary WHERE suggestion LIKE 'SELECT%'"), 1);
    assert_eq!(world.count("manifold.problem_count WHERE kept = 1"), 1);
    world.run(&format!("RESET ROLE; DROP ROLE {role}"));
}
