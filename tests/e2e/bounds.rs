//! Nothing that one org's rows hold, and nothing that they cost, stops the org or holds up others.

use crate::support::wait;
use crate::world::{LIMIT, Synced, World, broker, cluster_with};

/// A text of some thousand bytes, which no compression makes fit into an index.
fn long(rows: usize) -> String {
    format!("(SELECT string_agg(md5(i::text), '') FROM generate_series(1, {rows}) i)")
}

#[test]
fn a_key_that_no_index_takes_holds_up_its_row_alone() {
    let mut world = World::new();
    let _acme = world.sync("acme", 3);
    world.run(
        r#"ALTER TABLE acme.lead ADD COLUMN ext__c text;
           UPDATE acme.lead SET ext__c = sfid;
           SELECT manifold.add_org('acme');
           SELECT manifold.set_mapping('acme', 'lead', entity => 'lead',
             mapping => '{"key": "ext__c", "fields": {"city": "city"}}');
           SELECT manifold.start('acme')"#,
    );
    world.await_count("canonical.lead", 3);
    world.run(&format!("UPDATE acme.lead SET ext__c = {} WHERE id = 1", long(200)));
    let held = "manifold.problem WHERE reason = 'key_too_long' AND field = '*' \
        AND record LIKE 'sha256:%' AND length(value) = 200 AND image ->> 'ext__c' IS NOT NULL";
    world.await_count(held, 1);
    world.run("UPDATE acme.lead SET city = 'Rome' WHERE id = 2");
    world.await_count("canonical.lead WHERE city = 'Rome'", 1);
    assert_eq!(world.count("canonical.lead"), 2);

    // Nothing can be looked for by such a key, so the table is read.
    assert_eq!(world.value::<i64>("SELECT manifold.retry(reason => 'key_too_long')"), 1);
    world.await_count("manifold.reread", 0);
    world.normalized();
    assert_eq!(world.count(held), 1);
    assert_eq!(world.count("manifold.problem_count WHERE kept = 1"), 1);

    world.run("UPDATE acme.lead SET ext__c = 'short' WHERE id = 1");
    world.await_count("canonical.lead WHERE sfid = 'short'", 1);
    world.normalized();
    assert_eq!(world.count("manifold.problem"), 0);
}

#[test]
fn what_kafka_refuses_is_noted_however_long_its_key() {
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.kafka_options = 'message.max.bytes=20000'",
        broker().bootstrap()
    ));
    let mut world = World::in_cluster(&cluster);
    let _acme = world.sync("acme", 2);
    world.run(
        r#"ALTER TABLE acme.lead ADD COLUMN ext__c text;
           SELECT manifold.add_org('acme');
           SELECT manifold.set_mapping('acme', 'lead', entity => 'lead',
             mapping => '{"fields": {"city": "city"}}');
           SELECT manifold.set_publication('acme', 'lead', '{"key_columns": ["ext__c"]}');
           SELECT manifold.start('acme')"#,
    );
    world.published();
    world.run(&format!("UPDATE acme.lead SET ext__c = {} WHERE id = 1", long(1000)));
    let refused =
        "manifold.problem WHERE entity = 'kafka' AND org = 'acme' AND record LIKE 'sha256:%'";
    world.await_count(refused, 1);
    world.run("UPDATE acme.lead SET city = 'Rome' WHERE id = 2");
    world.published();
    world.await_count("manifold.status WHERE state = 'error'", 0);
    // A later change of the record is published, and it is over.
    cluster.set("manifold.kafka_options", "message.max.bytes=900000");
    wait::until("a change to be published", LIMIT, || {
        // One that is sent before the new limit is in force is refused, too.
        world.run("UPDATE acme.lead SET city = clock_timestamp()::text WHERE id = 1");
        world.published();
        match world.count(refused) {
            0 => Ok(()),
            n => Err(format!("{n} refused")),
        }
    });
}

/// At a fiftieth of a second each, they take longer than anything is waited for.
const MANY: usize = 12_000;

/// One org has thousands of rows to be normalized, another a few changes one after the other.
fn others_are_served_meanwhile(world: &mut World<'_>, slow: &mut Synced, quick: &mut Synced) {
    let rows = slow.org.many(MANY);
    slow.connect.load(&slow.lead, &slow.org.columns, &rows);
    world.await_status("acme", "normalizer", "behind", |status| status.lag_changes > 0);
    let sfid = quick.org.sfid(0).to_owned();
    for city in ["Rome", "Oslo", "Bern", "Riga", "Kyiv"] {
        quick.update(&[&sfid], &[("city", Some(city))]);
        world.await_count(&format!("canonical.lead WHERE sfid = '{sfid}' AND city = '{city}'"), 1);
    }
    let done = world.count("canonical.lead WHERE org = 'acme'");
    assert!(done < MANY as i64, "the other org waited until all was done");
}

#[test]
fn an_org_with_a_slow_expression_holds_up_no_other() {
    let mut world = World::new();
    let mut globex = world.running("globex", 5);
    let mut acme = world.sync("acme", 0);
    world.run(
        r#"SELECT manifold.add_org('acme');
           SELECT manifold.set_mapping('acme', 'lead', entity => 'lead', mapping => '{"fields": {
             "title": {"sql": "(SELECT ''slow'' FROM pg_sleep(0.05))"}}}');
           SELECT manifold.start('acme')"#,
    );
    world.normalized();
    others_are_served_meanwhile(&mut world, &mut acme, &mut globex);
}

#[test]
fn an_org_whose_rows_are_slow_to_write_holds_up_no_other() {
    let mut world = World::new();
    let mut globex = world.running("globex", 5);
    let mut acme = world.running("acme", 0);
    world.run(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \
           $$ BEGIN IF NEW.org = 'acme' THEN PERFORM pg_sleep(0.02); END IF; RETURN NEW; END $$; \
         CREATE TRIGGER slow BEFORE INSERT ON canonical.lead FOR EACH ROW EXECUTE FUNCTION slow()",
    );
    others_are_served_meanwhile(&mut world, &mut acme, &mut globex);
}

#[test]
fn images_are_kept_while_there_is_room_for_them() {
    let cluster = cluster_with("manifold.max_problem_size = '1MB'");
    let mut world = World::in_cluster(&cluster);
    let _acme = world.running("acme", 0);
    world.run("ALTER TABLE acme.lead ADD COLUMN long__c text");
    let insert = "INSERT INTO acme.lead (lastname, long__c) SELECT 'x', repeat('x', 300000) FROM generate_series(1, 5)";
    world.run(insert);
    world.await_count("manifold.problem WHERE reason = 'missing_key'", 5);
    let images = "manifold.problem WHERE image IS NOT NULL";
    let bytes = "SELECT sum(bytes)::bigint FROM manifold.problem_count";
    let measured = "SELECT sum(octet_length(image::text))::bigint FROM manifold.quarantine";
    assert_eq!(world.count(images), 3);
    assert_eq!(world.value::<i64>(bytes), world.value::<i64>(measured));

    // What grows has no more room than what is new.
    world.run("UPDATE acme.lead SET long__c = repeat('y', 900000)");
    world.await_count("manifold.problem WHERE reason = 'missing_key' AND times = 2", 5);
    let kept: i64 =
        world.value("SELECT coalesce(sum(bytes), 0)::bigint FROM manifold.problem_count");
    assert!(kept <= 1024 * 1024, "{kept} bytes");
    assert_eq!(world.count("manifold.problem"), 5);

    // With or without its image, what was dismissed stays away, and comes back as another row.
    world.run("UPDATE acme.lead SET long__c = repeat('x', 300000)");
    world.await_count("manifold.problem WHERE times = 3", 5);
    world.run("SELECT manifold.dismiss('acme'); UPDATE acme.lead SET long__c = long__c");
    world.normalized();
    assert_eq!(world.count("manifold.problem"), 0);
    world.run("UPDATE acme.lead SET long__c = 'short'");
    world.await_count(images, 5);

    world.run("DELETE FROM acme.lead");
    world.await_count("manifold.problem_count", 0);
}

#[test]
fn what_was_dismissed_takes_no_room_from_others() {
    let cluster = cluster_with("manifold.max_problems = 150");
    let mut world = World::in_cluster(&cluster);
    let _acme = world.sync("acme", 150);
    world.run("UPDATE acme.lead SET lead_score__c = 1, status = 'Nonsense'");
    world.run(
        r#"SELECT manifold.add_org('acme');
           SELECT manifold.set_mapping('acme', 'lead', entity => 'lead', mapping => '{"fields": {
               "status": {"column": "status", "rules": [{"map": {"Fine": "new"}}]},
               "score": {"column": "lead_score__c", "rules": ["number", {"range": {"max": 100}}]}}}');
           SELECT manifold.start('acme')"#,
    );
    world.normalized();
    assert_eq!(world.value::<i64>("SELECT manifold.dismiss('acme')"), 150);
    world.run("UPDATE acme.lead SET lead_score__c = 1000");
    world.normalized();
    assert_eq!(world.count("manifold.problem WHERE field = 'score'"), 150);
    assert_eq!(world.count("manifold.problem_count WHERE dropped > 0"), 0);
}

#[test]
fn what_was_dismissed_stays_away_when_the_table_is_reloaded() {
    let mut world = World::new();
    let _acme = world.running("acme", 5);
    world.run("UPDATE acme.lead SET status = 'Nonsense' WHERE id <= 3");
    world.await_count("manifold.problem WHERE field = 'status'", 3);
    world.run("SELECT manifold.dismiss('acme', field => 'status')");
    world.run("CREATE TABLE kept AS TABLE acme.lead");
    let dismissed = "SELECT coalesce(sum(dismissed), 0)::bigint FROM manifold.problem_count";
    let shown = "manifold.problem WHERE field = 'status'";
    for reload in ["TRUNCATE acme.lead", "DELETE FROM acme.lead"] {
        world.run(reload);
        world.await_count("canonical.lead", 0);
        assert_eq!(world.value::<i64>(dismissed), 0);
        world.run("INSERT INTO acme.lead SELECT * FROM kept");
        world.await_count("canonical.lead", 5);
        world.normalized();
        assert_eq!((world.count(shown), world.value::<i64>(dismissed)), (0, 3), "{reload}");
    }

    // One comes back mended: what it has later is news.
    world.run("TRUNCATE acme.lead");
    world.await_count("canonical.lead", 0);
    world.run("INSERT INTO acme.lead SELECT * FROM kept WHERE id = 4; UPDATE kept SET status = NULL WHERE id = 1");
    world.await_count("canonical.lead", 1);
    world.run("INSERT INTO acme.lead SELECT * FROM kept WHERE id = 1");
    world.await_count("canonical.lead", 2);
    world.run("UPDATE acme.lead SET status = 'Nonsense' WHERE id = 1");
    world.await_count(shown, 1);

    // The others do not come back, which a reading of all rows finds out.
    assert_eq!(world.count("manifold.dismissal"), 2);
    world.run("SELECT manifold.resync('acme')");
    world.await_count("manifold.dismissal", 0);
    assert_eq!(world.count(shown), 1);
}

#[test]
fn a_fresh_change_does_not_wait_for_all_that_is_retried() {
    let cluster = cluster_with("");
    let mut world = World::in_cluster(&cluster);
    let mut acme = world.sync("acme", 0);
    let (mut rows, status) = (acme.org.many(6000), acme.org.position("status"));
    let sfid = rows[0][acme.org.position("sfid")].clone().expect("an sfid");
    rows.iter_mut().for_each(|row| row[status] = Some("Nonsense".into()));
    acme.connect.load(&acme.lead, &acme.org.columns, &rows);
    world.onboard("acme");
    world.await_count("manifold.problem WHERE field = 'status'", 6000);
    world.normalized();
    // However fast the machine, and however slow this test, not all is read before there is a fresh change.
    cluster.set("manifold.normalize_max_rows_per_second", "20");
    assert_eq!(world.value::<i64>("SELECT manifold.retry('acme', field => 'status')"), 6000);
    wait::until("records to be read again", LIMIT, || match world.count("manifold.reread") {
        6000 => Err("not yet"),
        _ => Ok(()),
    });
    acme.update(&[&sfid], &[("city", Some("Freshville"))]);
    assert!(world.count("manifold.reread") > 0, "the test was slower than the throttle");
    cluster.set("manifold.normalize_max_rows_per_second", "0");
    world.await_count(&format!("canonical.lead WHERE sfid = '{sfid}' AND city = 'Freshville'"), 1);
    world.await_count("manifold.reread", 0);
    // An org's changes become canonical in the order of the log.
    let behind: i64 = world.value(
        "SELECT count(*) - max(n) FILTER (WHERE op = 'u' AND city = 'Freshville') FROM ( \
           SELECT value::jsonb ->> 'op' AS op, value::jsonb #>> '{after,city}' AS city, row_number() OVER (ORDER BY split_part(event_id, '.', 1)::bigint, split_part(event_id, '.', 2)::int) AS n \
           FROM manifold.peek('acme', 1000000)) changes",
    );
    assert!(behind > 1_000, "behind the fresh change came {behind} rows");
}

#[test]
fn a_summary_is_of_all_rows_that_were_asked_for() {
    let mut world = World::new();
    let mut acme = world.sync("acme", 0);
    let rows = acme.org.many(2500);
    acme.connect.load(&acme.lead, &acme.org.columns, &rows);
    world.run("SELECT manifold.add_org('acme'); UPDATE acme.lead SET city = 'Rome'");
    for (asked, summed) in [(2500, 2500), (100_000, 2500), (1200, 1200), (0, 0)] {
        let summary = format!(
            "SELECT string_agg(concat_ws(' ', field, filled, empty, results -> 0 ->> 'times'), ', ' ORDER BY field) \
             FROM manifold.preview_summary('acme', 'lead', {asked}, '{{\"fields\": {{\"city\": \"city\"}}}}', 'lead') \
             WHERE field IN ('*', 'city')"
        );
        let times = if summed > 0 { format!(" {summed}") } else { String::new() };
        let expected = format!("* {summed} 0, city {summed} 0{times}");
        assert_eq!(world.value::<String>(&summary), expected, "{asked}");
    }
}
